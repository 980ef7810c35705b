// SPDX-License-Identifier: Apache-2.0
//
// The wire's two ends in a test's network namespace. What marked sockets send to a loopback
// address leaves through a TUN device (a rule and a table of their own; the look-up of local
// addresses moves behind it), is read from it, and comes back through a packet socket on lo, where
// the kernel takes it for any other loopback packet. So both IPv4 and IPv6 work, which the
// kernel refuses from ::1 on any device but lo (net/ipv6/ip6_input.c: ip6_rcv_core).
//
// Changes of the namespace are not undone: it ends with the test.
//
// Thread rule: make it on a thread that is in the namespace; the descriptors work on any.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/result.h"
#include "runner/sandbox/fd.h"

namespace fbx::inject {

// SO_MARK of the sockets whose packets go over the wire.
inline constexpr uint32_t kWireMark = 0x66627877;  // "fbxw"

class WireDevice {
 public:
  // Needs CAP_NET_ADMIN and CAP_NET_RAW over the namespace, and /dev/net/tun.
  static Result<WireDevice> create();

  // Readable when a packet is there; non-blocking.
  [[nodiscard]] int fd() const { return tun_.get(); }
  // One packet, from its IP header on. 0 = none is there.
  Result<size_t> read(std::span<uint8_t> into);
  // Lets the packet arrive. Waits for room.
  Status deliver(std::span<const uint8_t> packet);

 private:
  sandbox::Fd tun_, lo_;
};

}  // namespace fbx::inject
