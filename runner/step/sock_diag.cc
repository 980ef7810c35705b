// SPDX-License-Identifier: Apache-2.0
#include "runner/step/sock_diag.h"

#include <arpa/inet.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "runner/sandbox/descent.h"

namespace fbx::step {

namespace {

// Missing in the headers of Debian 12's linux-libc-dev before 5.9; the value is ABI.
constexpr uint16_t kInetDiagCgroupId = 21;

struct Question {
  nlmsghdr header;
  inet_diag_req_v2 request;
};

class Netlink {
 public:
  Netlink() : fd_(::socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG)) {}
  ~Netlink() {
    if (fd_ >= 0) ::close(fd_);
  }
  Netlink(const Netlink&) = delete;
  Netlink& operator=(const Netlink&) = delete;
  [[nodiscard]] int fd() const { return fd_; }

 private:
  int fd_;
};

bool is_v4_mapped(const in6_addr& address) { return IN6_IS_ADDR_V4MAPPED(&address); }

// IPv4 unless both addresses are true IPv6: the kernel files a v4-mapped connection under IPv4.
bool put_address(const sockaddr* from, __be32 address[4], __be16* port, uint8_t* family) {
  if (from->sa_family == AF_INET) {
    sockaddr_in v4;
    std::memcpy(&v4, from, sizeof v4);
    address[0] = v4.sin_addr.s_addr;
    *port = v4.sin_port;
    *family = AF_INET;
    return true;
  }
  if (from->sa_family != AF_INET6) return false;
  sockaddr_in6 v6;
  std::memcpy(&v6, from, sizeof v6);
  *port = v6.sin6_port;
  if (is_v4_mapped(v6.sin6_addr)) {
    std::memcpy(&address[0], &v6.sin6_addr.s6_addr[12], 4);
    *family = AF_INET;
  } else {
    std::memcpy(address, &v6.sin6_addr, 16);
    *family = AF_INET6;
  }
  return true;
}

Result<Question> make_question(const sockaddr* own, const sockaddr* remote) {
  Question q{};
  q.header.nlmsg_len = sizeof q;
  q.header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
  q.header.nlmsg_flags = NLM_F_REQUEST;
  q.request.sdiag_protocol = IPPROTO_TCP;
  q.request.idiag_states = ~0u;
  q.request.id.idiag_cookie[0] = INET_DIAG_NOCOOKIE;
  q.request.id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;
  uint8_t family = 0;
  if (!put_address(own, q.request.id.idiag_src, &q.request.id.idiag_sport, &family))
    return fail("not an IP address");
  q.request.sdiag_family = family;
  if (remote == nullptr) return q;
  if (!put_address(remote, q.request.id.idiag_dst, &q.request.id.idiag_dport, &family) ||
      family != q.request.sdiag_family)
    return fail("two addresses of different families");
  return q;
}

// The cgroup attribute of one answer; unset when it has none (a request, TIME_WAIT).
std::optional<uint64_t> cgroup_of(const nlmsghdr* header) {
  const auto* message = static_cast<const inet_diag_msg*>(NLMSG_DATA(header));
  if (sandbox::told_by_descent()) {
    // No inode: nobody has accepted it yet.
    if (message->idiag_inode == 0) return std::nullopt;
    return sandbox::descent_of_socket(message->idiag_inode);
  }
  auto left = static_cast<int>(header->nlmsg_len - NLMSG_LENGTH(sizeof *message));
  const auto* attribute = reinterpret_cast<const rtattr*>(message + 1);
  for (; RTA_OK(attribute, left); attribute = RTA_NEXT(attribute, left)) {
    if (attribute->rta_type != kInetDiagCgroupId) continue;
    uint64_t id = 0;
    std::memcpy(&id, RTA_DATA(attribute), sizeof id);
    return id;
  }
  return std::nullopt;
}

Result<std::optional<uint64_t>> read_answer(int fd) {
  alignas(nlmsghdr) char buffer[4096];
  ssize_t got = 0;
  do {
    got = ::recv(fd, buffer, sizeof buffer, 0);
  } while (got < 0 && errno == EINTR);
  if (got < 0) return fail_errno("reading the answer of sock_diag");
  const auto* header = reinterpret_cast<const nlmsghdr*>(buffer);
  if (!NLMSG_OK(header, static_cast<uint32_t>(got))) return fail("sock_diag: cut answer");
  if (header->nlmsg_type == NLMSG_ERROR) {
    const int code = -static_cast<const nlmsgerr*>(NLMSG_DATA(header))->error;
    if (code == ENOENT) return std::optional<uint64_t>();
    return fail_errno("asking sock_diag who owns a socket", code);
  }
  return cgroup_of(header);
}

Result<std::optional<uint64_t>> ask(const Result<Question>& question) {
  if (!question) return std::unexpected(question.error());
  const Netlink netlink;
  if (netlink.fd() < 0) return fail_errno("opening a sock_diag socket");
  const ssize_t sent = ::send(netlink.fd(), &*question, sizeof *question, 0);
  if (sent < 0) return fail_errno("asking sock_diag who owns a socket");
  return read_answer(netlink.fd());
}

}  // namespace

Result<std::optional<uint64_t>> tcp_socket_cgroup(const sockaddr* own, const sockaddr* remote) {
  return ask(make_question(own, remote));
}

// net/ipv4/udp_diag.c: udp_dump_one looks up a packet's receiver, with src and dst as the packet's.
Result<std::optional<uint64_t>> udp_socket_cgroup(const sockaddr* client, const sockaddr* server) {
  Result<Question> question = make_question(client, server);
  if (question) question->request.sdiag_protocol = IPPROTO_UDP;
  return ask(question);
}

}  // namespace fbx::step
