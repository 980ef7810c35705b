// SPDX-License-Identifier: Apache-2.0
//
// Steps in words, and the words that all kinds of steps share.
#include <sys/socket.h>

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <cstring>

#include "base/clock.h"
#include "runner/step/sock_diag.h"
#include "runner/step/step_parts.h"

namespace fbx::step {

namespace {

// Longer data is cut: a step's line stays a line.
constexpr size_t kShownBytes = 40;

// "orders", or "orders.admin" where the service has several interfaces.
std::string target_of(const plan::Plan& plan, uint32_t service, uint32_t interface) {
  if (service >= plan.services.size()) return "?";
  const plan::Service& owner = plan.services[service];
  if (owner.interfaces.size() < 2 || interface >= owner.interfaces.size()) return owner.name;
  return owner.name + "." + owner.interfaces[interface].name;
}

std::string quoted(const std::string& data) {
  std::string out = "\"";
  for (const char c : data.substr(0, kShownBytes)) {
    if (c == '\n') {
      out += "\\n";
    } else if (c == '\r') {
      out += "\\r";
    } else if (static_cast<unsigned char>(c) < 0x20) {
      out += '.';
    } else {
      out += c;
    }
  }
  return out + (data.size() > kShownBytes ? "…\"" : "\"");
}

std::string milliseconds(double ms) {
  char text[48];
  std::snprintf(text, sizeof text, ms < 100 ? "%.1f ms" : "%.0f ms", ms);
  return text;
}

}  // namespace

std::string describe(const plan::Plan& plan, const model::HttpStep& step) {
  std::string method = step.method;
  std::transform(method.begin(), method.end(), method.begin(),
                 [](unsigned char c) { return std::tolower(c); });
  return target_of(plan, step.service, step.interface) + "." + method + " " + step.path;
}

std::string describe(const plan::Plan& plan, const model::TcpSendStep& step) {
  return target_of(plan, step.service, step.interface) + ".send " + quoted(step.data);
}

std::string describe(const plan::Plan& plan, const model::ExchangeStep& step) {
  return target_of(plan, step.service, step.interface) + ".exchange " + quoted(step.data);
}

std::string describe(const plan::Plan& plan, const model::ConnectStep& step) {
  return target_of(plan, step.service, step.interface) + ".connect";
}

std::string plain_error(int errnum) {
  std::string text = std::strerror(errnum);
  if (!text.empty()) text[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(text[0])));
  return text;
}

std::string timed_out_text(int64_t timeout_ns) {
  const int64_t ms = timeout_ns / 1'000'000;
  if (ms % 1000 == 0) return "timed out after " + std::to_string(ms / 1000) + "s";
  return "timed out after " + std::to_string(ms) + "ms";
}

void finish(StepOutcome& outcome, uint64_t begin_ns, const std::string& what,
            const Answerer& answerer, bool answered) {
  outcome.begin_ns = begin_ns;
  outcome.end_ns = now_ns();
  model::StepResult& result = outcome.result;
  result.duration_ms = static_cast<double>(outcome.end_ns - begin_ns) / 1e6;
  const std::string status = result.status != 0 ? std::to_string(result.status) : "ok";
  outcome.display = what + " → " + (result.error.empty() ? status : result.error) + ", " +
                    milliseconds(result.duration_ms);
  outcome.doubt = answerer.doubt(what, answered);
}

void Answerer::take(Result<uint64_t> cgroup, uint32_t service) {
  if (!cgroup) {
    unknown_ = cgroup.error().text();
  } else if (!env_->owner(service, *cgroup)) {
    foreign_ = "a process that is not " + env_->plan->services[service].name +
               "'s (its socket is of cgroup " + std::to_string(*cgroup) + ")";
  }
}

void Answerer::ask(int connected_fd) {
  if (env_->owner) take(owner_cgroup(connected_fd), service_);
}

void Answerer::ask(const sockaddr* local, const sockaddr* peer, uint32_t service) {
  if (env_->owner) take(owner_cgroup(local, peer), service);
}

void Answerer::ask_datagram(int connected_fd) {
  if (!env_->owner) return;
  sockaddr_storage local{}, peer{};
  socklen_t local_size = sizeof local, peer_size = sizeof peer;
  if (::getsockname(connected_fd, reinterpret_cast<sockaddr*>(&local), &local_size) != 0 ||
      ::getpeername(connected_fd, reinterpret_cast<sockaddr*>(&peer), &peer_size) != 0)
    return take(fail_errno("getpeername"), service_);
  const auto owner =
      udp_socket_cgroup(reinterpret_cast<sockaddr*>(&local), reinterpret_cast<sockaddr*>(&peer));
  if (!owner) return take(std::unexpected(owner.error()), service_);
  if (!*owner) return take(fail("no socket in this network namespace is bound there"), service_);
  take(**owner, service_);
}

void Answerer::outside(const std::string& address) {
  if (env_->owner) foreign_ = address + ", which is no interface of the test's services";
}

std::optional<Doubt> Answerer::doubt(const std::string& step, bool answered) const {
  if (!foreign_.empty()) return Doubt{"foreign-answer", step + " was answered by " + foreign_};
  // Who gave no answer can't have given a wrong one: the socket went away with its service.
  if (unknown_.empty() || !answered) return std::nullopt;
  return Doubt{"foreign-answer", step + " was answered, by whom can't be told: " + unknown_};
}

}  // namespace fbx::step
