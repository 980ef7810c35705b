// SPDX-License-Identifier: Apache-2.0
#include "runner/step/step_client.h"

#include <curl/curl.h>

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
  talk.strip_cr = true;
  talk.what = describe(*impl_->env.plan, step);
  return socket_step(impl_->env, talk);
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
  return socket_step(impl_->env, talk);
}

}  // namespace fbx::step
