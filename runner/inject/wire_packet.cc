// SPDX-License-Identifier: Apache-2.0
#include "runner/inject/wire_packet.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>

#include <algorithm>
#include <cstring>

namespace fbx::inject {

namespace {

constexpr std::array<uint8_t, 12> kMapped = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

std::array<uint8_t, 16> mapped(uint32_t address_be) {
  std::array<uint8_t, 16> out = {};
  std::ranges::copy(kMapped, out.begin());
  std::memcpy(out.data() + kMapped.size(), &address_be, sizeof address_be);
  return out;
}

// The header's fixed part, copied: a packet need not be aligned.
template <typename Header>
bool take(std::span<const uint8_t> bytes, Header& header) {
  if (bytes.size() < sizeof header) return false;
  std::memcpy(&header, bytes.data(), sizeof header);
  return true;
}

// What is behind the IP header; sets the addresses and the protocol. Empty = not for us.
std::span<const uint8_t> take_ip(std::span<const uint8_t> packet, FlowKey& flow) {
  if (packet.empty()) return {};
  if (packet[0] >> 4 == 4) {
    iphdr ip;
    if (!take(packet, ip) || (ntohs(ip.frag_off) & (IP_MF | IP_OFFMASK)) != 0) return {};
    const size_t header = size_t{ip.ihl} * 4, total = ntohs(ip.tot_len);
    if (header < sizeof ip || total < header || total > packet.size()) return {};
    flow.protocol = ip.protocol;
    flow.from = mapped(ip.saddr);
    flow.to = mapped(ip.daddr);
    return packet.subspan(header, total - header);
  }
  ip6_hdr ip;
  if (packet[0] >> 4 != 6 || !take(packet, ip)) return {};
  const size_t length = ntohs(ip.ip6_plen);
  if (length > packet.size() - sizeof ip) return {};
  flow.protocol = ip.ip6_nxt;
  std::memcpy(flow.from.data(), &ip.ip6_src, 16);
  std::memcpy(flow.to.data(), &ip.ip6_dst, 16);
  return packet.subspan(sizeof ip, length);
}

}  // namespace

std::optional<WirePacket> parse_packet(std::span<const uint8_t> packet) {
  WirePacket out;
  const std::span<const uint8_t> body = take_ip(packet, out.flow);
  if (out.flow.protocol == IPPROTO_UDP) {
    udphdr udp;
    if (!take(body, udp)) return std::nullopt;
    out.flow.from_port = ntohs(udp.source);
    out.flow.to_port = ntohs(udp.dest);
    out.carries = true;
    return out;
  }
  tcphdr tcp;
  if (out.flow.protocol != IPPROTO_TCP || !take(body, tcp)) return std::nullopt;
  const size_t header = size_t{tcp.doff} * 4;
  if (header < sizeof tcp || header > body.size()) return std::nullopt;
  out.flow.from_port = ntohs(tcp.source);
  out.flow.to_port = ntohs(tcp.dest);
  out.opens = tcp.syn && !tcp.ack;
  out.resets = tcp.rst;
  out.sequence = ntohl(tcp.seq);
  out.length = static_cast<uint32_t>(body.size() - header);
  out.carries = out.length > 0 || tcp.fin;
  return out;
}

bool Endpoint::is_ipv4() const { return std::ranges::equal(kMapped, std::span(address).first(12)); }

bool Endpoint::is_any() const {
  const auto zero = [](uint8_t byte) { return byte == 0; };
  return is_ipv4() ? std::ranges::all_of(std::span(address).last(4), zero)
                   : std::ranges::all_of(address, zero);
}

bool Endpoint::is_loopback() const {
  if (is_ipv4()) return address[12] == 127;
  return std::memcmp(address.data(), &in6addr_loopback, 16) == 0;
}

std::optional<Endpoint> endpoint_of(const sockaddr_storage& address) {
  Endpoint out;
  if (address.ss_family == AF_INET) {
    sockaddr_in in;
    std::memcpy(&in, &address, sizeof in);
    out.address = mapped(in.sin_addr.s_addr);
    out.port = ntohs(in.sin_port);
    return out;
  }
  if (address.ss_family != AF_INET6) return std::nullopt;
  sockaddr_in6 in;
  std::memcpy(&in, &address, sizeof in);
  std::memcpy(out.address.data(), &in.sin6_addr, 16);
  out.port = ntohs(in.sin6_port);
  return out;
}

}  // namespace fbx::inject
