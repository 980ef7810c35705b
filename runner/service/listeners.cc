// SPDX-License-Identifier: Apache-2.0
#include "runner/service/listeners.h"

#include <arpa/inet.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "runner/sandbox/descent.h"

namespace fbx::service {

namespace {

// Of include/uapi/linux/inet_diag.h; the enumerators came in 4.3 and 5.9.
constexpr uint16_t kOnlyV6 = 11;
constexpr uint16_t kCgroupId = 21;
// Of include/net/tcp_states.h. An unconnected UDP socket is "closed".
constexpr uint32_t kStateClose = 1u << 7;
constexpr uint32_t kStateListen = 1u << 10;

struct Question {
  nlmsghdr header;
  inet_diag_req_v2 request;
};

int answers_v4(const inet_diag_sockid& id, uint8_t family, bool only_v6) {
  if (family == AF_INET) {
    if (id.idiag_src[0] == htonl(INADDR_LOOPBACK)) return 3;
    return id.idiag_src[0] == INADDR_ANY ? 2 : 0;
  }
  in6_addr address;
  std::memcpy(&address, id.idiag_src, sizeof address);
  if (IN6_IS_ADDR_V4MAPPED(&address)) {
    if (id.idiag_src[3] == htonl(INADDR_LOOPBACK)) return 3;
    return id.idiag_src[3] == INADDR_ANY ? 2 : 0;
  }
  return IN6_IS_ADDR_UNSPECIFIED(&address) && !only_v6 ? 1 : 0;
}

std::string address_text(const inet_diag_sockid& id, uint8_t family) {
  char text[INET6_ADDRSTRLEN] = "?";
  ::inet_ntop(family, id.idiag_src, text, sizeof text);
  const std::string port = std::to_string(ntohs(id.idiag_sport));
  return family == AF_INET ? std::string(text) + ":" + port
                           : "[" + std::string(text) + "]:" + port;
}

Listener read_listener(const nlmsghdr* header) {
  const auto* message = static_cast<const inet_diag_msg*>(NLMSG_DATA(header));
  Listener listener;
  listener.port = ntohs(message->id.idiag_sport);
  listener.inode = message->idiag_inode;
  bool only_v6 = false;
  auto left = static_cast<int>(header->nlmsg_len - NLMSG_LENGTH(sizeof *message));
  const auto* attribute = reinterpret_cast<const rtattr*>(message + 1);
  for (; RTA_OK(attribute, left); attribute = RTA_NEXT(attribute, left)) {
    if (attribute->rta_type == kOnlyV6) only_v6 = *static_cast<uint8_t*>(RTA_DATA(attribute)) != 0;
    if (attribute->rta_type == kCgroupId)
      std::memcpy(&listener.cgroup_id, RTA_DATA(attribute), sizeof listener.cgroup_id);
  }
  if (sandbox::told_by_descent()) listener.cgroup_id = sandbox::descent_of_socket(listener.inode);
  listener.answers_v4 = answers_v4(message->id, message->idiag_family, only_v6);
  listener.address = address_text(message->id, message->idiag_family);
  return listener;
}

// One datagram of a dump. True when it was the last.
Result<bool> read_part(int fd, uint16_t port, std::vector<Listener>& found) {
  alignas(nlmsghdr) char buffer[32768];
  ssize_t got = 0;
  do {
    got = ::recv(fd, buffer, sizeof buffer, 0);
  } while (got < 0 && errno == EINTR);
  if (got < 0) return fail_errno("reading the list of listeners");
  auto left = static_cast<uint32_t>(got);
  for (const auto* header = reinterpret_cast<const nlmsghdr*>(buffer); NLMSG_OK(header, left);
       header = NLMSG_NEXT(header, left)) {
    if (header->nlmsg_type == NLMSG_DONE) return true;
    if (header->nlmsg_type == NLMSG_ERROR) {
      const int code = -static_cast<const nlmsgerr*>(NLMSG_DATA(header))->error;
      if (code == ENOENT) return true;  // this kernel has no udp_diag, or no IPv6
      return fail_errno("asking for the list of listeners", code);
    }
    Listener listener = read_listener(header);
    if (port == 0 || listener.port == port) found.push_back(std::move(listener));
  }
  return false;
}

Status dump(int fd, uint8_t family, uint8_t protocol, uint32_t states, uint16_t port,
            std::vector<Listener>& found) {
  Question q{};
  q.header.nlmsg_len = sizeof q;
  q.header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
  q.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  q.request.sdiag_family = family;
  q.request.sdiag_protocol = protocol;
  q.request.idiag_states = states;
  q.request.id.idiag_sport = htons(port);
  if (::send(fd, &q, sizeof q, 0) < 0) return fail_errno("asking for the list of listeners");
  for (;;) {
    auto last = read_part(fd, port, found);
    if (!last) return std::unexpected(last.error());
    if (*last) return {};
  }
}

Result<std::vector<Listener>> list(int fd, uint8_t protocol, uint32_t states, uint16_t port) {
  std::vector<Listener> found;
  for (const uint8_t family : {AF_INET, AF_INET6}) {
    if (Status s = dump(fd, family, protocol, states, port, found); !s)
      return std::unexpected(s.error());
  }
  return found;
}

bool holds(const std::filesystem::path& process, const std::string& socket) {
  std::error_code error;
  for (std::filesystem::directory_iterator it(process / "fd", error), end; !error && it != end;
       it.increment(error)) {
    std::error_code gone;
    if (std::filesystem::read_symlink(it->path(), gone) == socket) return true;
  }
  return false;
}

}  // namespace

Result<Listeners> Listeners::open() {
  Listeners listeners;
  listeners.netlink_ =
      sandbox::Fd(::socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG));
  if (!listeners.netlink_) return fail_errno("opening a sock_diag socket");
  return listeners;
}

Result<std::vector<Listener>> Listeners::tcp(uint16_t port) const {
  return list(netlink_.get(), IPPROTO_TCP, kStateListen, port);
}

Result<std::vector<Listener>> Listeners::udp(uint16_t port) const {
  return list(netlink_.get(), IPPROTO_UDP, kStateClose, port);
}

std::string socket_holder(uint32_t inode) {
  if (inode == 0) return "";
  const std::string socket = "socket:[" + std::to_string(inode) + "]";
  std::error_code error;
  for (std::filesystem::directory_iterator it("/proc", error), end; !error && it != end;
       it.increment(error)) {
    const std::string pid = it->path().filename().string();
    if (std::isdigit(static_cast<unsigned char>(pid[0])) == 0 || !holds(it->path(), socket))
      continue;
    std::ifstream comm(it->path() / "comm");
    std::string name;
    std::getline(comm, name);
    return "process " + pid + " (" + name + ")";
  }
  return "";
}

}  // namespace fbx::service
