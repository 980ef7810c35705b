// SPDX-License-Identifier: Apache-2.0
#include "runner/inject/rule_target.h"

#include <arpa/inet.h>

#include <charconv>
#include <cstring>
#include <optional>
#include <string_view>

namespace fbx::inject {
namespace {

bool set_service(std::string_view to, const plan::Plan& plan, fbx_rule& rule) {
  for (size_t i = 0; i < plan.services.size(); ++i) {
    const plan::Service& service = plan.services[i];
    if (!to.starts_with(service.name)) continue;
    std::string_view rest = to.substr(service.name.size());
    if (!rest.empty() && rest[0] != '.') continue;
    rule.to_kind = FBX_TO_SERVICE;
    rule.to_service = static_cast<int32_t>(i);
    if (rest.empty()) return true;
    for (size_t j = 0; j < service.interfaces.size(); ++j) {
      const plan::Interface& interface = service.interfaces[j];
      if (interface.name != rest.substr(1)) continue;
      rule.to_door = interface.protocol == plan::Protocol::kUnix
                         ? FBX_DOOR_UNIX + static_cast<uint32_t>(j)
                         : interface.port;
      return true;
    }
  }
  return false;
}

std::optional<uint16_t> port_of(std::string_view text) {
  uint16_t port = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || end != text.data() + text.size() || port == 0) return std::nullopt;
  return port;
}

bool set_address(std::string host, fbx_rule& rule) {
  if (host == "localhost") {
    rule.to_kind = FBX_TO_LOOPBACK;
    return true;
  }
  rule.to_kind = FBX_TO_ADDRESS;
  unsigned char bytes[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  if (host.starts_with("[") && host.ends_with("]")) host = host.substr(1, host.size() - 2);
  if (inet_pton(AF_INET, host.c_str(), bytes + 12) != 1 &&
      inet_pton(AF_INET6, host.c_str(), bytes) != 1)
    return false;
  std::memcpy(rule.to_addr, bytes, sizeof bytes);
  return true;
}

}  // namespace

Status set_target(const std::string& to, const plan::Plan& plan, fbx_rule& rule) {
  rule.to_kind = FBX_TO_ANY;
  if (to.empty()) return {};
  if (set_service(to, plan, rule)) return {};
  const size_t colon = to.rfind(':');
  if (colon != std::string::npos) {
    const auto port = port_of(std::string_view(to).substr(colon + 1));
    if (port && set_address(to.substr(0, colon), rule)) {
      rule.to_door = *port;
      return {};
    }
  }
  return fail("to=\"" + to +
              "\" is no service, interface, or address and port (a host name other " +
              "than localhost has no address here)");
}

}  // namespace fbx::inject
