// SPDX-License-Identifier: Apache-2.0
#include "runner/run/outside.h"

#include <arpa/inet.h>
#include <sys/syscall.h>

#include <cstring>
#include <set>

#include "base/glob.h"

namespace fbx::run {

namespace {

bool inside_v4(const in_addr& address) {
  const uint32_t host = ntohl(address.s_addr);
  return (host >> 24) == 127 || host == 0;
}

bool inside_v6(const in6_addr& address) {
  if (IN6_IS_ADDR_V4MAPPED(&address)) {
    in_addr v4{};
    std::memcpy(&v4, &address.s6_addr[12], sizeof v4);
    return inside_v4(v4);
  }
  return IN6_IS_ADDR_LOOPBACK(&address) || IN6_IS_ADDR_UNSPECIFIED(&address);
}

bool allowed(const plan::Service& service, const std::string& address) {
  for (const std::string& pattern : service.external) {
    if (glob_match(pattern, address)) return true;
    if (glob_match(pattern, address.substr(0, address.rfind(':')))) return true;
  }
  return false;
}

}  // namespace

bool stays_inside(const std::string& address) {
  const size_t colon = address.rfind(':');
  if (colon == std::string::npos) return true;
  std::string host = address.substr(0, colon);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  }
  in_addr v4{};
  in6_addr v6{};
  if (::inet_pton(AF_INET, host.c_str(), &v4) == 1) return inside_v4(v4);
  if (::inet_pton(AF_INET6, host.c_str(), &v6) == 1) return inside_v6(v6);
  return true;
}

std::vector<check::Judged> outside_dials(const plan::Plan& plan,
                                         const observe::EventStore& store) {
  std::vector<check::Judged> doubts;
  std::set<std::pair<size_t, std::string>> said;
  for (size_t service = 0; service < plan.services.size(); ++service) {
    for (const uint64_t seq : store.of(static_cast<int16_t>(service), SYS_connect)) {
      const std::string address(store.string(store.at(seq).peer_text));
      if (stays_inside(address) || allowed(plan.services[service], address)) continue;
      if (!said.emplace(service, address).second) continue;
      const std::string& name = plan.services[service].name;
      doubts.push_back(
          {.how = check::Judged::How::kInconclusive,
           .code = "outside-dial",
           .text = name + " dialled " + address + ", which is outside the test",
           .place = plan.services[service].place,
           .event = seq,
           .remedy = "make it a service of the spec, or allow it: service(\"" + name +
                     "\", …, external=[\"" + address + "\"])"});
    }
  }
  return doubts;
}

}  // namespace fbx::run
