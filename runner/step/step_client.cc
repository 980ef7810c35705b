// SPDX-License-Identifier: Apache-2.0
#include "runner/step/step_client.h"

#include <curl/curl.h>

#include <map>
#include <utility>

#include "runner/step/step_parts.h"

namespace fbx::step {

namespace {

// Once per process; curl's own check makes it idempotent, the static makes it one thread's.
void init_curl() {
  static const CURLcode code = curl_global_init(CURL_GLOBAL_DEFAULT & ~CURL_GLOBAL_SSL);
  (void)code;
}

}  // namespace

struct StepClient::Impl {
  StepEnv env;
  // A step's connections never outlive it; what the handle keeps is its wake-up socket.
  CURLM* multi = nullptr;
  std::map<model::ConnectionId, Kept> kept = {};

  // Nothing to talk over: it was closed, or never opened.
  Kept* find(model::ConnectionId connection, uint32_t service) {
    return &kept.try_emplace(connection, Kept{{}, Answerer(env, service)}).first->second;
  }
  StepOutcome talk(const Conversation& what, model::ConnectionId connection) {
    return socket_step(env, what, connection == 0 ? nullptr : find(connection, what.service));
  }
};

StepClient::StepClient(const plan::Plan& plan, OwnerCheck owner, int abort_fd)
    : impl_(std::make_unique<Impl>(Impl{{&plan, std::move(owner), abort_fd}, nullptr})) {
  init_curl();
}

StepClient::~StepClient() {
  if (impl_->multi != nullptr) curl_multi_cleanup(impl_->multi);
}

void StepClient::meanwhile(int fd, std::function<void()> act) {
  impl_->env.meanwhile_fd = fd;
  impl_->env.meanwhile = std::move(act);
}

StepOutcome StepClient::perform(const model::HttpStep& step) {
  if (impl_->multi == nullptr) impl_->multi = curl_multi_init();
  return http_step(impl_->env, impl_->multi, step);
}

StepOutcome StepClient::perform(const model::TcpSendStep& step) {
  Conversation talk;
  talk.service = step.service;
  talk.interface = step.interface;
  talk.request = step.data + "\n";
  talk.timeout_ns = step.timeout_ns;
  talk.until = model::ExchangeStep::Until::kLines;
  talk.count = 1;
  talk.what = describe(*impl_->env.plan, step);
  return impl_->talk(talk, step.connection);
}

StepOutcome StepClient::perform(const model::ExchangeStep& step) {
  Conversation talk;
  talk.service = step.service;
  talk.interface = step.interface;
  talk.request = step.data;
  talk.until = step.until;
  talk.delimiter = step.delimiter;
  talk.count = step.count;
  talk.timeout_ns = step.timeout_ns;
  talk.what = describe(*impl_->env.plan, step);
  using Until = model::ExchangeStep::Until;
  const bool datagram = step.until == Until::kDatagram || step.until == Until::kNothing;
  return datagram ? datagram_step(impl_->env, talk) : impl_->talk(talk, step.connection);
}

StepOutcome StepClient::perform(const model::ConnectStep& step) {
  Conversation talk;
  talk.service = step.service;
  talk.interface = step.interface;
  talk.timeout_ns = step.timeout_ns;
  talk.what = describe(*impl_->env.plan, step);
  return connect_step(impl_->env, talk, *impl_->find(step.connection, step.service));
}

void StepClient::close(model::ConnectionId connection) { impl_->kept.erase(connection); }

void StepClient::look_up_paths_in(int root_fd) { impl_->env.root_fd = root_fd; }

}  // namespace fbx::step
