// SPDX-License-Identifier: Apache-2.0
//
// What the wire reads of a packet: which flow it belongs to and what it carries.
//
// Thread rule: pure.
#pragma once

#include <sys/socket.h>

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <span>

namespace fbx::inject {

// One direction of a connection, or of datagrams between two sockets. IPv4 addresses are
// v4-mapped; ports in host order.
struct FlowKey {
  uint8_t protocol = 0;  // IPPROTO_TCP, IPPROTO_UDP
  std::array<uint8_t, 16> from = {}, to = {};
  uint16_t from_port = 0, to_port = 0;
  auto operator<=>(const FlowKey&) const = default;
};

struct WirePacket {
  FlowKey flow;
  bool opens = false;   // TCP: SYN without ACK
  bool resets = false;  // TCP: RST
  bool carries = false; // has data, or ends the stream (FIN)
  uint32_t sequence = 0;
  uint32_t length = 0;  // of the data
};

// Unset: no whole TCP or UDP packet (a fragment, another protocol).
[[nodiscard]] std::optional<WirePacket> parse_packet(std::span<const uint8_t> packet);

// The address as FlowKey has it, and its port. Unset for another family.
struct Endpoint {
  std::array<uint8_t, 16> address = {};
  uint16_t port = 0;
  // 127.0.0.0/8 or ::1.
  [[nodiscard]] bool is_loopback() const;
  [[nodiscard]] bool is_any() const;
  [[nodiscard]] bool is_ipv4() const;
};
[[nodiscard]] std::optional<Endpoint> endpoint_of(const sockaddr_storage& address);

}  // namespace fbx::inject
