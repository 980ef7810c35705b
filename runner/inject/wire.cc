// SPDX-License-Identifier: Apache-2.0
#include "runner/inject/wire.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/clock.h"

namespace fbx::inject {

namespace {

constexpr size_t kPacketLimit = 65'536;
// More is left in the device, which drops what it has no room for, as a full line does.
constexpr size_t kHeldLimit = size_t{64} << 20;
constexpr int kSettleMs = 50;

constexpr std::array<uint8_t, 16> kLoopback4 = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127, 0, 0, 1};
constexpr std::array<uint8_t, 16> kLoopback6 = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};

template <typename T>
T option_of(int socket, int level, int name) {
  T value{};
  socklen_t size = sizeof value;
  if (::getsockopt(socket, level, name, &value, &size) != 0) return T{};
  return value;
}

// `ask`: getsockname or getpeername.
template <typename Ask>
std::optional<Endpoint> end_of(int socket, Ask ask) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (ask(socket, reinterpret_cast<sockaddr*>(&address), &size) != 0) return std::nullopt;
  return endpoint_of(address);
}

std::string text_of(const Endpoint& end) {
  char text[INET6_ADDRSTRLEN] = "?";
  if (end.is_ipv4()) {
    ::inet_ntop(AF_INET, end.address.data() + 12, text, sizeof text);
    return std::string(text) + ":" + std::to_string(end.port);
  }
  ::inet_ntop(AF_INET6, end.address.data(), text, sizeof text);
  return "[" + std::string(text) + "]:" + std::to_string(end.port);
}

// The loopback address of the other end's family, as the socket's own family spells it.
Status bind_to_loopback(int socket, const Endpoint& other) {
  if (option_of<int>(socket, SOL_SOCKET, SO_DOMAIN) == AF_INET) {
    sockaddr_in in{.sin_family = AF_INET, .sin_port = 0, .sin_addr = {htonl(INADDR_LOOPBACK)},
                   .sin_zero = {}};
    if (::bind(socket, reinterpret_cast<sockaddr*>(&in), sizeof in) == 0) return {};
    return fail_errno("binding the caller's socket");
  }
  sockaddr_in6 in{};
  in.sin6_family = AF_INET6;
  in.sin6_addr = in6addr_loopback;
  if (other.is_ipv4() && ::inet_pton(AF_INET6, "::ffff:127.0.0.1", &in.sin6_addr) != 1)
    return fail("spelling ::ffff:127.0.0.1");
  if (::bind(socket, reinterpret_cast<sockaddr*>(&in), sizeof in) == 0) return {};
  return fail_errno("binding the caller's socket");
}

// The flow of what `socket` sends to `to`; binds a socket that is not bound yet.
Result<FlowKey> flow_to(int socket, Endpoint to, uint8_t protocol) {
  if (to.is_any()) to.address = to.is_ipv4() ? kLoopback4 : kLoopback6;  // means this machine
  if (!to.is_loopback()) return fail(text_of(to) + " is not inside the test");
  std::optional<Endpoint> own = end_of(socket, ::getsockname);
  if (!own) return fail_errno("asking the caller's socket for its address");
  if (own->port == 0) {
    if (Status bound = bind_to_loopback(socket, to); !bound) return std::unexpected(bound.error());
    own = end_of(socket, ::getsockname);
    if (!own) return fail_errno("asking the caller's socket for its address");
  }
  if (own->is_any()) {
    // IPv4's route names the sender; an IPv6 socket that is bound to a port alone has none.
    if (!to.is_ipv4()) return fail("an IPv6 socket bound to a port and no address");
    own->address = kLoopback4;
  }
  return FlowKey{.protocol = protocol, .from = own->address, .to = to.address,
                 .from_port = own->port, .to_port = to.port};
}

Status mark(int socket) {
  const uint32_t before = option_of<uint32_t>(socket, SOL_SOCKET, SO_MARK);
  if (before == kWireMark) return {};
  if (before != 0) return fail("the service marks its sockets itself (SO_MARK)");
  const uint32_t value = kWireMark;
  if (::setsockopt(socket, SOL_SOCKET, SO_MARK, &value, sizeof value) != 0)
    return fail_errno("marking the caller's socket");
  return {};
}

bool holds(const std::vector<uint32_t>& rules, uint32_t rule) {
  return std::ranges::find(rules, rule) != rules.end();
}

}  // namespace

Wire::Wire(WireDevice device) : device_(std::move(device)), buffer_(kPacketLimit) {}

Result<std::unique_ptr<Wire>> Wire::create() {
  auto device = WireDevice::create();
  if (!device) return fail_in(std::move(device), "laying a wire in the test's network");
  std::unique_ptr<Wire> wire(new Wire(std::move(*device)));
  wire->stop_event_ = sandbox::Fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  wire->timer_ = sandbox::Fd(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
  if (!wire->stop_event_ || !wire->timer_) return fail_errno("laying a wire");
  wire->thread_ = std::thread([w = wire.get()] { w->run(); });
  return wire;
}

Wire::~Wire() {
  if (thread_.joinable()) {
    const uint64_t one = 1;
    static_cast<void>(::write(stop_event_.get(), &one, sizeof one));
    thread_.join();
  }
  const std::lock_guard lock(mutex_);
  deliver_due(UINT64_MAX);
}

Status Wire::carry_connect(int socket, const sockaddr_storage& to, uint32_t rule,
                           uint64_t delay_ns) {
  if (option_of<int>(socket, SOL_SOCKET, SO_PROTOCOL) != IPPROTO_TCP)
    return fail("only TCP sends something when it connects");
  // A second connect() of a dial that goes on only asks how it is.
  if (option_of<tcp_info>(socket, IPPROTO_TCP, TCP_INFO).tcpi_state != TCP_CLOSE) return {};
  const std::optional<Endpoint> end = endpoint_of(to);
  if (!end) return fail("an address that is neither IPv4 nor IPv6");
  auto key = flow_to(socket, *end, IPPROTO_TCP);
  if (!key) return std::unexpected(key.error());
  if (Status marked = mark(socket); !marked) return marked;
  const std::lock_guard lock(mutex_);
  flows_[*key] = {.dial_awaited = true, .dial_rule = rule, .dial_delay_ns = delay_ns};
  ++carried_[rule];
  return {};
}

Status Wire::carry_send(int socket, const sockaddr_storage* to, uint32_t rule,
                        uint64_t delay_ns) {
  const int protocol = option_of<int>(socket, SOL_SOCKET, SO_PROTOCOL);
  if (protocol != IPPROTO_TCP && protocol != IPPROTO_UDP)
    return fail("a socket that is neither TCP nor UDP");
  const std::optional<Endpoint> end = to != nullptr ? endpoint_of(*to) : end_of(socket, ::getpeername);
  if (!end) return {};  // not connected: the call fails, nothing is sent
  auto key = flow_to(socket, *end, static_cast<uint8_t>(protocol));
  if (!key) return std::unexpected(key.error());
  if (Status marked = mark(socket); !marked) return marked;
  const std::lock_guard lock(mutex_);
  Flow& flow = flows_[*key];
  flow.send_rule = rule;
  flow.send_until = std::max(flow.send_until, now_ns() + delay_ns);
  ++carried_[rule];
  return {};
}

std::vector<Wire::Missed> Wire::lift(const std::vector<uint32_t>& rules) {
  const uint64_t until = now_ns() + uint64_t{kSettleMs} * 1'000'000;
  std::unique_lock lock(mutex_);
  drain();
  while (!awaited(rules).empty() && now_ns() < until) {
    lock.unlock();
    pollfd packet{device_.fd(), POLLIN, 0};
    static_cast<void>(::poll(&packet, 1, 1));
    lock.lock();
    drain();
  }
  std::vector<Missed> missed = awaited(rules);
  for (auto& [key, flow] : flows_) {
    if (holds(rules, flow.dial_rule)) flow.dial_awaited = false, flow.dial_until = 0;
    if (holds(rules, flow.send_rule)) flow.send_until = flow.last_release = 0;
  }
  for (auto it = held_.begin(); it != held_.end();) {
    if (!holds(rules, it->second.rule)) {
      ++it;
      continue;
    }
    deliver(it->second.bytes);
    held_bytes_ -= it->second.bytes.size();
    it = held_.erase(it);
  }
  arm_timer();
  return missed;
}

std::vector<Wire::Missed> Wire::awaited(const std::vector<uint32_t>& rules) const {
  std::vector<Missed> out;
  for (const auto& [key, flow] : flows_) {
    if (!flow.dial_awaited || !holds(rules, flow.dial_rule)) continue;
    out.push_back({flow.dial_rule, "a dial to " + text_of({key.to, key.to_port}) +
                                       " did not come over the wire"});
  }
  return out;
}

uint64_t Wire::carried(uint32_t rule) const {
  const std::lock_guard lock(mutex_);
  const auto found = carried_.find(rule);
  return found != carried_.end() ? found->second : 0;
}

std::vector<std::string> Wire::troubles() const {
  const std::lock_guard lock(mutex_);
  return troubles_;
}

void Wire::trouble(const std::string& what) {
  if (std::ranges::find(troubles_, what) == troubles_.end()) troubles_.push_back(what);
}

void Wire::run() {
  for (;;) {
    bool full = false;
    {
      const std::lock_guard lock(mutex_);
      full = held_bytes_ > kHeldLimit;
    }
    pollfd on[] = {{stop_event_.get(), POLLIN, 0},
                   {timer_.get(), POLLIN, 0},
                   {full ? -1 : device_.fd(), POLLIN, 0}};
    if (::poll(on, 3, -1) < 0) continue;
    if (on[0].revents != 0) return;
    uint64_t expired = 0;
    static_cast<void>(::read(timer_.get(), &expired, sizeof expired));
    const std::lock_guard lock(mutex_);
    drain();
    deliver_due(now_ns());
    arm_timer();
  }
}

void Wire::drain() {
  while (held_bytes_ <= kHeldLimit) {
    const Result<size_t> size = device_.read(buffer_);
    if (!size) return trouble(size.error().text());
    if (*size == 0) return;
    take(std::span(buffer_).first(*size), now_ns());
  }
}

void Wire::take(std::span<const uint8_t> packet, uint64_t now) {
  const std::optional<WirePacket> what = parse_packet(packet);
  const auto found = what ? flows_.find(what->flow) : flows_.end();
  if (found == flows_.end() || what->resets) return deliver(packet);
  Flow& flow = found->second;
  if (what->opens) {
    if (flow.dial_awaited) {
      flow.dial_awaited = false;
      flow.dial_until = now + flow.dial_delay_ns;
      return hold(flow.dial_until, flow.dial_rule, *what, packet);
    }
    if (now < flow.dial_until) return;  // sent again while the first is on its way
    return deliver(packet);
  }
  const uint64_t until = std::max(flow.send_until, flow.last_release);
  if (!what->carries || until <= now) return deliver(packet);
  if (is_held(*what)) return;
  flow.last_release = until;
  hold(until, flow.send_rule, *what, packet);
}

// Sent again, because its acknowledgement is late.
bool Wire::is_held(const WirePacket& what) const {
  if (what.flow.protocol != IPPROTO_TCP) return false;
  return std::ranges::any_of(held_, [&](const auto& entry) {
    return entry.second.sequence == what.sequence && entry.second.flow == what.flow;
  });
}

void Wire::hold(uint64_t until, uint32_t rule, const WirePacket& what,
                std::span<const uint8_t> packet) {
  held_.emplace(until, Held{rule, what.flow, what.sequence, {packet.begin(), packet.end()}});
  held_bytes_ += packet.size();
}

void Wire::deliver(std::span<const uint8_t> packet) {
  if (Status done = device_.deliver(packet); !done) trouble(done.error().text());
}

void Wire::deliver_due(uint64_t now) {
  while (!held_.empty() && held_.begin()->first <= now) {
    deliver(held_.begin()->second.bytes);
    held_bytes_ -= held_.begin()->second.bytes.size();
    held_.erase(held_.begin());
  }
}

void Wire::arm_timer() {
  itimerspec when{};
  if (!held_.empty()) {
    const uint64_t at = std::max<uint64_t>(held_.begin()->first, 1);
    when.it_value.tv_sec = static_cast<time_t>(at / 1'000'000'000);
    when.it_value.tv_nsec = static_cast<long>(at % 1'000'000'000);
  }
  ::timerfd_settime(timer_.get(), TFD_TIMER_ABSTIME, &when, nullptr);
}

}  // namespace fbx::inject
