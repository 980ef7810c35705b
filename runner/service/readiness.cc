// SPDX-License-Identifier: Apache-2.0
#include "runner/service/readiness.h"

#include <arpa/inet.h>
#include <sys/socket.h>

#include <algorithm>
#include <charconv>
#include <cstring>

#include "runner/service/ready_parts.h"

namespace fbx::service {

namespace {

// False when `host` is no IP address.
bool add_address(const std::string& host, uint16_t port, std::vector<sockaddr_storage>& into) {
  sockaddr_storage storage{};
  auto& v4 = reinterpret_cast<sockaddr_in&>(storage);
  auto& v6 = reinterpret_cast<sockaddr_in6&>(storage);
  if (::inet_pton(AF_INET, host.c_str(), &v4.sin_addr) == 1) {
    v4.sin_family = AF_INET;
    v4.sin_port = htons(port);
  } else if (::inet_pton(AF_INET6, host.c_str(), &v6.sin6_addr) == 1) {
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(port);
  } else {
    return false;
  }
  into.push_back(storage);
  return true;
}

// "host:port" with an optional port of `default_port` (0 = it must be written).
Result<DialTarget> parse_authority(const std::string& text, uint16_t default_port) {
  DialTarget target;
  size_t colon = text.rfind(':');
  if (text.starts_with('[')) {
    const size_t close = text.find(']');
    if (close == std::string::npos) return fail("\"" + text + "\" has no ]");
    target.host = text.substr(1, close - 1);
    colon = close + 1 < text.size() ? close + 1 : std::string::npos;
  } else {
    target.host = text.substr(0, colon);
  }
  target.port = default_port;
  if (colon != std::string::npos) {
    const char* end = text.data() + text.size();
    const auto [at, error] = std::from_chars(text.data() + colon + 1, end, target.port);
    if (error != std::errc() || at != end) target.port = 0;
  }
  if (target.port == 0) return fail("\"" + text + "\" names no port");
  if (target.host.empty()) target.host = "localhost";
  if (target.host == "localhost") {
    add_address("127.0.0.1", target.port, target.addresses);
    add_address("::1", target.port, target.addresses);
  } else if (!add_address(target.host, target.port, target.addresses)) {
    return fail("a health check dials localhost or an IP address, not \"" + target.host + "\"");
  }
  return target;
}

std::string without_scheme(const std::string& text, const std::string& scheme) {
  return text.starts_with(scheme) ? text.substr(scheme.size()) : text;
}

}  // namespace

uint64_t Pace::next(uint64_t now_ns) {
  const uint64_t at = now_ns + gap_ns_;
  gap_ns_ = std::min(kLongestNs, gap_ns_ + gap_ns_ / 4);
  return at;
}

Result<DialTarget> parse_tcp_target(const std::string& text) {
  return parse_authority(without_scheme(text, "tcp://"), 0);
}

Result<DialTarget> parse_http_target(const std::string& text) {
  if (text.starts_with("https://")) return fail("health checks over https: not yet");
  const std::string rest = without_scheme(text, "http://");
  const size_t slash = rest.find('/');
  auto target = parse_authority(rest.substr(0, slash), 80);
  if (!target) return target;
  target->path = slash == std::string::npos ? "/" : rest.substr(slash, rest.find('#') - slash);
  return target;
}

Result<std::unique_ptr<ReadyCheck>> make_ready_check(const ReadyContext& context, size_t service) {
  using Kind = plan::HealthCheck::Kind;
  const plan::HealthCheck& check = context.plan->services[service].healthcheck;
  const auto dial = [&](Result<DialTarget> target, bool http)
      -> Result<std::unique_ptr<ReadyCheck>> {
    if (!target) return std::unexpected(target.error());
    return make_dial_check(context, service, std::move(*target), http, check.status);
  };
  switch (check.kind) {
    case Kind::kListen: return make_listen_check(context, service);
    case Kind::kTcp: return dial(parse_tcp_target(check.target), false);
    case Kind::kHttp: return dial(parse_http_target(check.target), true);
    case Kind::kCommand: return make_command_check(context, service, check.argv);
    case Kind::kOutput: return make_output_check(context, service, check.target);
  }
  return fail("unknown kind of health check");
}

std::string foreign_text(const ReadyContext& context, size_t service, uint16_t port,
                         uint64_t cgroup, uint32_t inode) {
  const auto& services = context.plan->services;
  const std::string begin = "port " + std::to_string(port) + " of service " +
                            services[service].name + " is answered by ";
  for (size_t other = 0; other < services.size(); ++other) {
    if (context.owns(static_cast<uint32_t>(other), cgroup))
      return begin + "service " + services[other].name;
  }
  const std::string holder = socket_holder(inode);
  if (holder.empty()) return begin + "a process that is no service of the test";
  return begin + holder + ", which is no service of the test";
}

}  // namespace fbx::service
