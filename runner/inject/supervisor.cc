// SPDX-License-Identifier: Apache-2.0
#include "runner/inject/supervisor.h"

#include <linux/audit.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/clock.h"
#include "bpf/abi/decide.h"
#include "bpf/abi/event.h"
#include "bpf/abi/shim.h"
#include "runner/inject/task_view.h"

#ifndef SECCOMP_IOCTL_NOTIF_SET_FLAGS
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS SECCOMP_IOW(4, __u64)
#endif
#ifndef SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP
#define SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP (1UL << 0)
#endif

namespace fbx::inject {
namespace {

#if defined(__x86_64__)
constexpr uint32_t kArch = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr uint32_t kArch = AUDIT_ARCH_AARCH64;
#endif

constexpr uint64_t kSettleBoundNs = 1'000'000'000;

// A signal to this thread may end a wait for the listener's lock.
int retry(int listener, unsigned long request, void* argument) {
  for (;;)
    if (const int r = ioctl(listener, request, argument); r >= 0 || errno != EINTR) return r;
}

bool native(const seccomp_data& call) {
  return call.arch == kArch && call.nr >= 0 && call.nr < FBX_NR_WORDS * 64;
}

// A held call of these freezes whatever else its thread serves, when the descriptor does not block;
// no slow network does that.
bool freezes_its_loop(const abi::Syscall& row, const fbx_key& key) {
  constexpr uint64_t kWire = FBX_F_CONNECT | FBX_F_SEND | FBX_F_RECV | FBX_F_ACCEPT;
  const bool socket = (FBX_KINDS_SOCKETS >> key.kind) & 1;
  return socket && (row.families | row.sometimes) & kWire && key.flags & FBX_KEY_NONBLOCK;
}

}  // namespace

Supervisor::Supervisor(fbx_counter* counters, const PeerFinder& peers)
    : counters_(counters), peers_(peers) {}

Supervisor::~Supervisor() { stop(); }

Status Supervisor::start() {
  seccomp_notif_sizes sizes{};
  if (syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, &sizes) != 0)
    return fail_errno("asking for the size of a seccomp notification");
  notif_buffer_.resize(std::max<size_t>(sizes.seccomp_notif, sizeof(seccomp_notif)));
  response_buffer_.resize(std::max<size_t>(sizes.seccomp_notif_resp, sizeof(seccomp_notif_resp)));
  epoll_.reset(epoll_create1(EPOLL_CLOEXEC));
  stop_event_.reset(eventfd(0, EFD_CLOEXEC));
  timer_.reset(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
  if (!epoll_ || !stop_event_ || !timer_) return fail_errno("starting the supervisor");
  for (int fd : {stop_event_.get(), timer_.get()}) {
    epoll_event event{.events = EPOLLIN, .data = {.u64 = static_cast<uint64_t>(fd)}};
    if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0)
      return fail_errno("starting the supervisor");
  }
  thread_ = std::thread([this] { run(); });
  return {};
}

void Supervisor::stop() {
  if (thread_.joinable()) {
    const uint64_t one = 1;
    if (write(stop_event_.get(), &one, sizeof one) == sizeof one) thread_.join();
  }
  const std::lock_guard lock(mutex_);
  listeners_.clear();
  held_.clear();
  accepting_.clear();
  services_.clear();
}

Status Supervisor::adopt(int16_t service, int listener) {
  Listener fresh{service, sandbox::Fd(listener)};
  // Helps where the kernel has it (6.6); the rest is the same without.
  ioctl(listener, SECCOMP_IOCTL_NOTIF_SET_FLAGS, SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP);
  const std::lock_guard lock(mutex_);
  listeners_[listener] = std::move(fresh);
  epoll_event event{.events = EPOLLIN, .data = {.u64 = static_cast<uint64_t>(listener)}};
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, listener, &event) == 0) return {};
  const int error = errno;
  listeners_.erase(listener);
  return fail_errno("watching a service's calls", error);
}

void Supervisor::count_in(int16_t service, fbx_counter* counters) {
  const std::lock_guard lock(mutex_);
  services_[service].counters = counters;
}

void Supervisor::publish(int16_t service, std::shared_ptr<const ActiveSet> set) {
  const std::lock_guard lock(mutex_);
  // What passed just before may reach the observer's eyes just after.
  if (set)
    std::erase_if(idle_, [&](const auto& one) {
      if (one.second.service == service) passed_.push_back(one.second);
      return one.second.service == service;
    });
  services_[service].set = std::move(set);
}

void Supervisor::wake(const std::vector<uint32_t>& rules) {
  // Those that were decided before are through before the lift has returned.
  changer_.settle(kSettleBoundNs);
  const std::lock_guard lock(mutex_);
  give_up_accepts(rules);
  for (auto it = held_.begin(); it != held_.end();) {
    const int32_t rule = it->second.decision.rule;
    const bool lifted = rule >= 0 && std::find(rules.begin(), rules.end(),
                                               static_cast<uint32_t>(rule)) != rules.end();
    if (!lifted) {
      ++it;
      continue;
    }
    HeldCall call = std::move(it->second);
    it = held_.erase(it);
    call.decision.cut_short = true;
    let_go(std::move(call));
  }
  arm_timer();
}

std::vector<Decision> Supervisor::take_decisions() {
  const std::lock_guard lock(mutex_);
  return std::exchange(log_, {});
}

std::vector<Passed> Supervisor::take_passed() {
  const std::lock_guard lock(mutex_);
  return std::exchange(passed_, {});
}

std::vector<Decision> Supervisor::held() const {
  const std::lock_guard lock(mutex_);
  std::vector<Decision> out;
  for (const auto& [due, call] : held_) out.push_back(call.decision);
  for (const auto& [ready, waiting] : accepting_)
    if (valid(waiting.call.listener, waiting.call.id)) out.push_back(waiting.call.decision);
  return out;
}

std::vector<std::string> Supervisor::troubles() const {
  const std::lock_guard lock(mutex_);
  return troubles_;
}

bool Supervisor::has_callers(int16_t service) const {
  const std::lock_guard lock(mutex_);
  return std::ranges::any_of(listeners_, [service](const auto& one) {
    pollfd waiting{one.first, POLLIN, 0};
    return one.second.service == service &&
           (::poll(&waiting, 1, 0) < 0 || (waiting.revents & POLLHUP) == 0);
  });
}

bool Supervisor::has_greeted(int16_t service, uint32_t tid) const {
  const std::lock_guard lock(mutex_);
  return greeted_.contains({service, tid});
}

Supervisor::Bypass Supervisor::bypass(int16_t service) const {
  const std::lock_guard lock(mutex_);
  const auto found = services_.find(service);
  return found == services_.end() ? Bypass{} : found->second.bypass;
}

void Supervisor::run() {
  prctl(PR_SET_NAME, "fbx-supervisor");
  for (;;) {
    epoll_event events[16];
    const int n = epoll_wait(epoll_.get(), events, 16, -1);
    for (int i = 0; i < n; ++i) {
      const int fd = static_cast<int>(events[i].data.u64 & ~kOfAccept);
      if (fd == stop_event_.get()) return;
      if (fd == timer_.get()) {
        uint64_t times = 0;
        if (read(fd, &times, sizeof times) < 0 && errno != EAGAIN) continue;
        release_due();
      } else if (events[i].data.u64 & kOfAccept) {
        serve_accept(fd);
      } else if (events[i].events & EPOLLIN) {
        serve(fd);
      } else {
        drop_listener(fd);  // the last process behind the filter is gone
      }
    }
  }
}

void Supervisor::drop_listener(int fd) {
  const std::lock_guard lock(mutex_);
  epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
  std::erase_if(held_, [&](const auto& held) { return held.second.listener == fd; });
  std::erase_if(accepting_, [&](const auto& one) { return one.second.call.listener == fd; });
  listeners_.erase(fd);
}

// A call that was announced may be withdrawn before it is received: its thread was killed, or a
// signal ended it. Receiving then fails with ENOENT and does not wait (kernel/seccomp.c: every
// announcement adds one to what can be received, and a withdrawal takes none away).
void Supervisor::serve(int fd) {
  Call call;
  call.listener = fd;
  {
    const std::lock_guard lock(mutex_);
    const auto found = listeners_.find(fd);
    if (found == listeners_.end()) return;
    call.service = found->second.service;
  }
  std::fill(notif_buffer_.begin(), notif_buffer_.end(), uint8_t{0});
  auto* notif = reinterpret_cast<seccomp_notif*>(notif_buffer_.data());
  if (ioctl(fd, SECCOMP_IOCTL_NOTIF_RECV, notif) != 0) {
    if (errno == EINTR || errno == ENOENT) return;
    const std::lock_guard lock(mutex_);
    troubles_.push_back(std::string("receiving a supervised call: ") + strerror(errno));
    return;
  }
  call.entered_ns = now_ns();
  call.notif = notif;
  handle(call);
}

void Supervisor::handle(Call& call) {
  std::unique_lock lock(mutex_);
  loose_.erase(call.notif->pid);
  const seccomp_data& data = call.notif->data;
  if (native(data) && data.nr == SYS_seccomp && data.args[0] == FBX_SHIM_HELLO) return greet(call);
  ServiceState& state = services_[call.service];
  if (note_bypass(call, state)) return;
  handle_under(call, state.set, lock);
}

// Reading about the call takes microseconds, so the lock is not held meanwhile; if an install or a
// lift came in between, the call is judged by what holds now.
void Supervisor::handle_under(Call& call, std::shared_ptr<const ActiveSet> set,
                              std::unique_lock<std::mutex>& lock) {
  const auto nr = static_cast<size_t>(call.notif->data.nr);
  const bool dials = refuses_ && may_dial(call.notif->data.nr);
  for (;;) {
    const bool decides = set && set->hits[nr];
    if (!decides && !told_ && !dials) return pass(call, set != nullptr);
    lock.unlock();
    const abi::Syscall* row = abi::find_syscall(call.notif->data.nr);
    const CallSeen seen = read_call(call.notif->data, static_cast<pid_t>(call.notif->pid), *row,
                                    told_ || !decides ? kEverything : set->wanted[nr], peers_,
                                    tasks_);
    bool unread = false;
    if (dials)
      call.dialled = dialled_by(call.notif->data, static_cast<pid_t>(call.notif->pid),
                                seen.key.kind, peers_, &unread);
    uint64_t id = call.notif->id;
    const bool valid = retry(call.listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &id) == 0;
    lock.lock();
    if (!valid) return;  // the caller was killed meanwhile; its call never happened
    const auto& now = services_[call.service].set;
    if (now == set) {
      if (told_) tell_begun(call, seen);
      if (told_ && unread) told_->unread();
      if (dials && refuse_if_cut(call)) return;
      return decides ? finish(call, *set, seen) : pass(call, set != nullptr);
    }
    set = now;
  }
}

void Supervisor::finish(const Call& call, const ActiveSet& set, const CallSeen& seen) {
  if (seen.error)
    troubles_.push_back(std::string("looking at the descriptor of a call: ") +
                        strerror(seen.error));
  fbx_key key = seen.key;
  key.path_mask = set.path_mask(seen.paths);
  const std::string file = seen.paths.empty() ? std::string() : seen.paths.front();
  key.stuck_mask = stuck_mask(set, file);
  fbx_decision d{};
  fbx_counter* counters = services_[call.service].counters;
  fbx_decide(&set.abi, counters ? counters : counters_, &key, &d);
  if (d.action == FBX_ACT_DENY && set.rules[d.position].sticky) stuck_.insert({d.rule, file});
  if (!d.matched && !d.near && !d.lost) return pass(call, true);

  const abi::Syscall* row = abi::find_syscall(call.notif->data.nr);
  Decision out;
  out.entered_ns = call.entered_ns;
  out.tid = call.notif->pid;
  out.nr = static_cast<uint16_t>(key.nr);
  out.service = call.service;
  out.action = d.action;
  out.errnum = d.errnum;
  out.delay_ns = d.delay_ns;
  out.n = d.n;
  out.rule = d.action == FBX_ACT_NONE ? -1 : static_cast<int32_t>(d.rule);
  out.matched = set.rules_of(d.matched);
  out.near = set.rules_of(d.near);
  out.kind = static_cast<uint8_t>(key.kind);
  if (const int at = row->arg(FBX_ARG_FD); at >= 0)
    out.fd = static_cast<int32_t>(call.notif->data.args[static_cast<size_t>(at)]);
  out.peer = seen.peer;
  out.peer_service = static_cast<int16_t>(key.peer_service);
  if (d.lost) out.escape = "its rule's counter could not be reached";
  if (!seen.paths.empty()) out.path = seen.paths.front();
  if (d.delay_ns && d.action != FBX_ACT_ALLOW && freezes_its_loop(*row, key)) {
    const Status carried = put_on_wire(call, *row, out);
    out.on_wire = carried.has_value();
    if (!carried) {
      out.escape = "holding a " + std::string(row->name) +
                   " on a non-blocking socket would freeze its caller's event loop, and the wire "
                   "can't carry it: " + carried.error().text();
      out.action = FBX_ACT_NONE;
      out.delay_ns = 0;
    }
  }
  if (out.delay_ns && out.action != FBX_ACT_ALLOW && !out.on_wire) {
    // While it is held no record of the kernel tells what it is about.
    if (out.path.empty() && seen.peer.empty()) out.path = read_path(call, *row);
    return hold(call, std::move(out));
  }
  answer(call.listener, call.notif->id, std::move(out));
}

std::string Supervisor::read_path(const Call& call, const abi::Syscall& row) {
  const auto names =
      read_paths(call.notif->data, static_cast<pid_t>(call.notif->pid), row, tasks_);
  return names.empty() ? "" : names.front();
}

void Supervisor::use_wire(Result<Wire*> wire) {
  const std::lock_guard lock(mutex_);
  wire_ = std::move(wire);
}

Status Supervisor::put_on_wire(const Call& call, const abi::Syscall& row,
                               const Decision& decision) {
  if (decision.action != FBX_ACT_DELAY) return fail("it carries packets, and a denied call has none");
  const seccomp_data& data = call.notif->data;
  const auto tid = static_cast<pid_t>(call.notif->pid);
  const auto way = sending_way(data, tid, row);
  if (!way) return std::unexpected(way.error());
  if (!wire_) return std::unexpected(wire_.error());
  const sandbox::Fd socket = tasks_.copy(
      tid, static_cast<int>(data.args[static_cast<size_t>(row.arg(FBX_ARG_FD))]));
  uint64_t id = call.notif->id;
  if (!socket || retry(call.listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &id) != 0)
    return fail("the caller's socket could not be reached");
  const auto rule = static_cast<uint32_t>(decision.rule);
  const sockaddr_storage* to = way->to ? &*way->to : nullptr;
  if (way->dials) return (*wire_)->carry_connect(socket.get(), *to, rule, decision.delay_ns);
  return (*wire_)->carry_send(socket.get(), to, rule, decision.delay_ns);
}

uint32_t Supervisor::stuck_mask(const ActiveSet& set, const std::string& file) const {
  uint32_t mask = 0;
  if (stuck_.empty()) return mask;
  for (size_t i = 0; i < set.rules.size(); ++i)
    if (set.rules[i].sticky && stuck_.contains({set.rules[i].abi.rule, file})) mask |= 1u << i;
  return mask;
}

// Calls that rules can't be applied to because they say nothing about what will be done, or say it
// in another architecture's numbers. They pass, and are said. True when answered.
bool Supervisor::note_bypass(const Call& call, ServiceState& state) {
  const seccomp_data& data = call.notif->data;
  const bool foreign = !native(data);
  const bool uring = !foreign && data.nr == SYS_io_uring_setup;
  const bool submit = !foreign && data.nr == SYS_io_submit;
  if (!foreign && !uring && !submit) return false;
  if (told_ && foreign) told_->unread();
  if (told_ && !foreign) tell_begun(call, {});
  if (uring && state.bypass.how.empty()) state.bypass = {"io_uring", call.entered_ns};
  if (!state.set || uring) {
    pass(call, state.set != nullptr);
    return true;
  }
  Decision out;
  out.entered_ns = call.entered_ns;
  out.tid = call.notif->pid;
  out.service = call.service;
  out.nr = foreign ? 0 : static_cast<uint16_t>(data.nr);
  out.escape = foreign ? "system call " + std::to_string(data.nr) + " of another architecture"
                       : "io_submit";
  constexpr uint16_t kAio[] = {SYS_pread64, SYS_pwrite64, SYS_preadv,
                               SYS_pwritev, SYS_fsync,    SYS_fdatasync};
  for (const CompiledRule& rule : state.set->rules) {
    const bool reached = std::any_of(std::begin(kAio), std::end(kAio), [&](uint16_t nr) {
      return std::binary_search(rule.calls.begin(), rule.calls.end(), nr);
    });
    if (foreign || reached) out.matched.push_back(rule.abi.rule);
  }
  if (out.matched.empty()) {
    pass(call, true);
  } else {
    answer(call.listener, call.notif->id, std::move(out));
  }
  return true;
}

void Supervisor::refuse(std::set<std::pair<int16_t, int16_t>> links) {
  const std::lock_guard lock(mutex_);
  refused_ = std::move(links);
  refuses_ = true;
}

std::vector<LooseDial> Supervisor::loose_dials() const {
  const std::lock_guard lock(mutex_);
  std::vector<LooseDial> out;
  for (const auto& [tid, dial] : loose_) out.push_back(dial);
  return out;
}

const Dialled* Supervisor::cut_among(int16_t service, const std::vector<Dialled>& dialled) const {
  for (const Dialled& one : dialled)
    if (refused_.contains({service, one.service})) return &one;
  return nullptr;
}

// Before rules are asked: what can't be reached is not delayed, nor failed with another errno.
bool Supervisor::refuse_if_cut(const Call& call) {
  const Dialled* cut = cut_among(call.service, call.dialled);
  if (!cut) return false;
  Decision out;
  out.entered_ns = call.entered_ns;
  out.tid = call.notif->pid;
  out.nr = static_cast<uint16_t>(call.notif->data.nr);
  out.service = call.service;
  out.action = FBX_DECIDED_CUT;
  out.errnum = ECONNREFUSED;
  out.peer = cut->address;
  out.peer_service = cut->service;
  answer(call.listener, call.notif->id, std::move(out));
  return true;
}

// A link may have been cut while the call was held.
void Supervisor::let_go(HeldCall call) {
  const Dialled* cut = cut_among(call.decision.service, call.dialled);
  if (cut && call.decision.action != FBX_ACT_DENY) {
    call.decision.action = FBX_DECIDED_CUT;
    call.decision.errnum = ECONNREFUSED;
    call.decision.peer_service = cut->service;
  }
  if (!cut && !call.dialled.empty()) note_loose(call.decision.tid, call.decision.nr, -1);
  answer(call.listener, call.id, std::move(call.decision));
}

void Supervisor::note_loose(uint32_t tid, int nr, int fd) {
  loose_[tid] = {.tid = tid, .nr = nr, .fd = fd, .at_ns = now_ns()};
}

void Supervisor::pass(const Call& call, bool rules_active) {
  Passed passed{call.entered_ns, 0, call.notif->pid,
                static_cast<uint16_t>(call.notif->data.nr), call.service};
  std::memset(response_buffer_.data(), 0, response_buffer_.size());
  auto* response = reinterpret_cast<seccomp_notif_resp*>(response_buffer_.data());
  response->id = call.notif->id;
  response->flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
  passed.answered_ns = now_ns();
  if (!call.dialled.empty())
    note_loose(call.notif->pid, call.notif->data.nr, static_cast<int>(call.notif->data.args[0]));
  if (told_) tell_answered(*call.notif, passed.answered_ns);
  retry(call.listener, SECCOMP_IOCTL_NOTIF_SEND, response);
  if (rules_active)
    passed_.push_back(passed);
  else
    idle_[passed.tid] = passed;
}

void Supervisor::hold(const Call& call, Decision decision) {
  const uint64_t due = decision.entered_ns + decision.delay_ns;
  held_.emplace(due, HeldCall{call.listener, call.notif->id, std::move(decision), call.dialled});
  arm_timer();
}

void Supervisor::release_due() {
  const std::lock_guard lock(mutex_);
  while (!held_.empty() && held_.begin()->first <= now_ns()) {
    HeldCall call = std::move(held_.begin()->second);
    held_.erase(held_.begin());
    let_go(std::move(call));
  }
  arm_timer();
}

void Supervisor::arm_timer() {
  itimerspec when{};
  if (!held_.empty()) {
    const uint64_t due = held_.begin()->first;
    when.it_value.tv_sec = static_cast<time_t>(due / 1'000'000'000);
    when.it_value.tv_nsec = static_cast<long>(due % 1'000'000'000);
  }
  timerfd_settime(timer_.get(), TFD_TIMER_ABSTIME, &when, nullptr);
}

void Supervisor::answer(int listener, uint64_t id, Decision decision) {
  const abi::Syscall* row = abi::find_syscall(int{decision.nr});
  const Effect effect = decision.action == FBX_ACT_DENY ? effect_of_denied(*row) : Effect::kNothing;
  switch (effect) {
    case Effect::kCloses: return deny_close(listener, id, std::move(decision));
    case Effect::kConsumes: return deny_accept(listener, id, std::move(decision));
    case Effect::kNothing: break;
  }
  const bool denied = decision.action == FBX_ACT_DENY || decision.action == FBX_DECIDED_CUT;
  reply(listener, id, std::move(decision), !denied);
}

void Supervisor::reply(int listener, uint64_t id, Decision decision, bool goes_on) {
  std::memset(response_buffer_.data(), 0, response_buffer_.size());
  auto* response = reinterpret_cast<seccomp_notif_resp*>(response_buffer_.data());
  response->id = id;
  if (goes_on)
    response->flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
  else
    response->error = -decision.errnum;
  decision.answered_ns = now_ns();
  if (told_) tell_answered(decision);
  if (retry(listener, SECCOMP_IOCTL_NOTIF_SEND, response) != 0) decision.gone = true;
  decision.id = next_id_++;
  log_.push_back(std::move(decision));
}

}  // namespace fbx::inject
