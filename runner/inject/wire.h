// SPDX-License-Identifier: Apache-2.0
//
// The wire: delays of connect and send on sockets that don't block. Holding such a call would stop
// the caller's whole event loop, which no slow network does; here the call returns at once and its
// packets travel for as long as the rule says, while everybody else's go straight.
//
//   connect   the first packet of the dial is held; the answer to it comes that much later
//   send      what the socket sends from the call on is held until the delay is over; what comes
//             behind it on the same connection stays behind it
//
// A socket that was put onto the wire stays there: its later packets are passed on at once (some
// 20 µs each). A dial's socket gets its local address and port before the call, because they name
// the packet.
//
// Thread rule: carry_*() on the supervisor's thread, the rest on the worker's; a thread of its own
// moves the packets.
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/result.h"
#include "runner/inject/wire_device.h"
#include "runner/inject/wire_packet.h"
#include "runner/sandbox/fd.h"

namespace fbx::inject {

class Wire {
 public:
  // In the test's own network namespace, in which the calling thread must be. Fails where there is
  // no TUN device or the namespace may not be changed.
  static Result<std::unique_ptr<Wire>> create();
  // What is held arrives at once.
  ~Wire();
  Wire(const Wire&) = delete;
  Wire& operator=(const Wire&) = delete;

  // Before the held call goes on. `socket` is a copy of the caller's descriptor, `to` what it
  // dials. `rule` is the index in the log. An error says why the wire can't carry it.
  Status carry_connect(int socket, const sockaddr_storage& to, uint32_t rule, uint64_t delay_ns);
  // `to`: where a datagram goes; null for a connected socket.
  Status carry_send(int socket, const sockaddr_storage* to, uint32_t rule, uint64_t delay_ns);

  // What these rules hold arrives at once, and nothing more is held for them. Waits at most 50 ms
  // for dials that were let go and of which no packet has come yet. Returns those of which none
  // came: calls that it was to delay and did not.
  struct Missed {
    uint32_t rule = 0;
    std::string what;  // "a dial to 127.0.0.1:8002 did not come over the wire"
  };
  std::vector<Missed> lift(const std::vector<uint32_t>& rules);

  // How many calls were put onto it for the rule.
  [[nodiscard]] uint64_t carried(uint32_t rule) const;
  // Why nothing may be concluded from what it did; empty = nothing went wrong.
  [[nodiscard]] std::vector<std::string> troubles() const;

 private:
  struct Flow {
    bool dial_awaited = false;  // a dial was let go, and its first packet has not come
    uint32_t dial_rule = 0;
    uint64_t dial_delay_ns = 0;
    uint64_t dial_until = 0;  // when the held first packet arrives
    uint32_t send_rule = 0;
    uint64_t send_until = 0;
    uint64_t last_release = 0;
  };
  struct Held {
    uint32_t rule = 0;
    FlowKey flow;
    uint32_t sequence = 0;
    std::vector<uint8_t> bytes;
  };

  explicit Wire(WireDevice device);
  void run();
  // All below with mutex_ held.
  void drain();
  void take(std::span<const uint8_t> packet, uint64_t now);
  void hold(uint64_t until, uint32_t rule, const WirePacket& what, std::span<const uint8_t> packet);
  [[nodiscard]] bool is_held(const WirePacket& what) const;
  void deliver(std::span<const uint8_t> packet);
  void deliver_due(uint64_t now);
  void arm_timer();
  [[nodiscard]] std::vector<Missed> awaited(const std::vector<uint32_t>& rules) const;
  void trouble(const std::string& what);

  WireDevice device_;
  sandbox::Fd stop_event_, timer_;
  std::thread thread_;
  mutable std::mutex mutex_;
  // Guarded by mutex_.
  std::map<FlowKey, Flow> flows_;
  std::multimap<uint64_t, Held> held_;  // by when it arrives
  size_t held_bytes_ = 0;
  std::map<uint32_t, uint64_t> carried_;
  std::vector<std::string> troubles_;
  std::vector<uint8_t> buffer_;
};

}  // namespace fbx::inject
