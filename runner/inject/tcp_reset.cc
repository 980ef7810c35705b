// SPDX-License-Identifier: Apache-2.0
#include "runner/inject/tcp_reset.h"

#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cstring>

namespace fbx::inject {
namespace {

constexpr uint8_t kSynSent = 2;

uint32_t sum_of(const void* data, size_t bytes, uint32_t sum) {
  const auto* p = static_cast<const uint8_t*>(data);
  for (size_t i = 0; i + 1 < bytes; i += 2) {
    uint16_t word = 0;
    std::memcpy(&word, p + i, 2);
    sum += word;
  }
  return sum;
}

uint16_t folded(uint32_t sum) {
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(~sum);
}

tcphdr header_for(const fbx_tcp_end& end, const void* from, const void* to, size_t address_bytes) {
  tcphdr tcp{};
  tcp.source = htons(end.remote_port);
  tcp.dest = htons(end.local_port);
  tcp.seq = htonl(end.rcv_nxt);
  tcp.doff = 5;
  tcp.rst = 1;
  if (end.state == kSynSent) {
    tcp.seq = 0;
    tcp.ack_seq = htonl(end.snd_nxt);
    tcp.ack = 1;
  }
  uint32_t sum = sum_of(from, address_bytes, 0);
  sum = sum_of(to, address_bytes, sum);
  sum += htons(IPPROTO_TCP) + htons(sizeof tcp);
  tcp.check = folded(sum_of(&tcp, sizeof tcp, sum));
  return tcp;
}

Status send_to(int fd, const void* packet, size_t bytes, const void* to, socklen_t length) {
  const ssize_t n = sendto(fd, packet, bytes, 0, static_cast<const sockaddr*>(to), length);
  if (n != static_cast<ssize_t>(bytes)) return fail_errno("sending a TCP reset");
  return {};
}

}  // namespace

Result<TcpReset> TcpReset::open() {
  sandbox::Fd v4(socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW));
  if (!v4) return fail_errno("opening a raw socket for TCP resets");
  // A kernel without IPv6 has no IPv6 connections either.
  sandbox::Fd v6(socket(AF_INET6, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW));
  return TcpReset(std::move(v4), std::move(v6));
}

Status TcpReset::send(const fbx_tcp_end& end) const {
  if (!end.ipv6_wire) {
    struct {
      iphdr ip;
      tcphdr tcp;
    } packet{};
    static_assert(sizeof packet == 40);
    packet.ip.version = 4;
    packet.ip.ihl = 5;
    packet.ip.tot_len = htons(sizeof packet);
    packet.ip.ttl = 64;
    packet.ip.protocol = IPPROTO_TCP;
    std::memcpy(&packet.ip.saddr, end.remote + 12, 4);
    std::memcpy(&packet.ip.daddr, end.local + 12, 4);
    packet.tcp = header_for(end, end.remote + 12, end.local + 12, 4);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    std::memcpy(&to.sin_addr, end.local + 12, 4);
    return send_to(v4_.get(), &packet, sizeof packet, &to, sizeof to);
  }
  struct {
    ip6_hdr ip;
    tcphdr tcp;
  } packet{};
  static_assert(sizeof packet == 60);
  packet.ip.ip6_vfc = 0x60;
  packet.ip.ip6_plen = htons(sizeof packet.tcp);
  packet.ip.ip6_nxt = IPPROTO_TCP;
  packet.ip.ip6_hlim = 64;
  std::memcpy(&packet.ip.ip6_src, end.remote, 16);
  std::memcpy(&packet.ip.ip6_dst, end.local, 16);
  packet.tcp = header_for(end, end.remote, end.local, 16);
  sockaddr_in6 to{};
  to.sin6_family = AF_INET6;
  std::memcpy(&to.sin6_addr, end.local, 16);
  return send_to(v6_.get(), &packet, sizeof packet, &to, sizeof to);
}

}  // namespace fbx::inject
