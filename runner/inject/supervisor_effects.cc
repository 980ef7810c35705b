// SPDX-License-Identifier: Apache-2.0
//
// Denied calls that do something all the same (LANGUAGE section 5): a close closes, an accept
// consumes the connection. The first goes on and gets another result (result_changer.h). The second
// is carried out here, by a copy of the socket: where it would have waited its caller waits, and
// where it would have said EAGAIN there is nothing to consume.
#include <fcntl.h>
#include <linux/seccomp.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "runner/inject/supervisor.h"

namespace fbx::inject {

bool Supervisor::valid(int listener, uint64_t id) const {
  int r = 0;
  do r = ioctl(listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &id);
  while (r != 0 && errno == EINTR);
  return r == 0;
}

void Supervisor::deny_close(int listener, uint64_t id, Decision decision) {
  ResultChanger::Change change;
  change.tid = static_cast<pid_t>(decision.tid);
  change.errnum = decision.errnum;
  change.let_go = [this, listener, id, decision](const Status& held) {
    return let_close(listener, id, decision, held);
  };
  change.failed = [this](const Error& error) {
    const std::lock_guard lock(mutex_);
    troubles_.push_back("a close was to fail: " + error.text());
  };
  changer_.add(std::move(change));
}

// On the changer's thread.
bool Supervisor::let_close(int listener, uint64_t id, Decision decision, const Status& held) {
  const std::lock_guard lock(mutex_);
  if (!listeners_.contains(listener)) return false;
  if (held) {
    decision.carried_out = true;
  } else {
    decision.action = FBX_ACT_NONE;
    decision.escape = "a denied close could not be given its errno: " + held.error().text();
  }
  reply(listener, id, std::move(decision), true);
  return held.has_value() && !log_.back().gone;
}

Result<bool> Supervisor::consume(int listening) {
  if (!ring_) {
    auto ring = AcceptRing::create();
    if (!ring) return std::unexpected(std::move(ring).error());
    ring_ = std::move(*ring);
  }
  return ring_->consume(listening);
}

// On the supervisor's thread, with the lock.
void Supervisor::deny_accept(int listener, uint64_t id, Decision decision) {
  const sandbox::Fd listening = tasks_.copy(static_cast<pid_t>(decision.tid), decision.fd);
  if (!valid(listener, id)) return;
  // What is no listening socket has no connections; the rule's errno goes before the kernel's.
  if (!listening) return reply(listener, id, std::move(decision), false);
  const Result<bool> taken = consume(listening.get());
  if (!taken && taken.error().errnum != EINVAL && taken.error().errnum != ENOTSOCK &&
      taken.error().errnum != EOPNOTSUPP) {
    decision.action = FBX_ACT_NONE;
    decision.escape = "a denied accept could not take its connection: " + taken.error().text();
    return reply(listener, id, std::move(decision), true);
  }
  const bool waits = taken && !*taken && !decision.cut_short &&
                     !(fcntl(listening.get(), F_GETFL) & O_NONBLOCK);
  if (!waits) return reply(listener, id, std::move(decision), false);
  await_connection({.listener = listener, .id = id, .decision = std::move(decision)}, listening);
}

// An epoll does not keep open what it watches: when the service closes its socket or dies, nothing
// of ours holds the port.
void Supervisor::await_connection(HeldCall call, const sandbox::Fd& listening) {
  sandbox::Fd ready(epoll_create1(EPOLL_CLOEXEC));
  epoll_event incoming{.events = EPOLLIN, .data = {.fd = -1}};
  epoll_event awake{.events = EPOLLIN, .data = {.u64 = kOfAccept | static_cast<uint64_t>(ready.get())}};
  if (!ready || epoll_ctl(ready.get(), EPOLL_CTL_ADD, listening.get(), &incoming) != 0 ||
      epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, ready.get(), &awake) != 0) {
    call.decision.action = FBX_ACT_NONE;
    call.decision.escape = std::string("a denied accept could not be waited for: ") + strerror(errno);
    return reply(call.listener, call.id, std::move(call.decision), true);
  }
  const int number = ready.get();
  accepting_[number] = {std::move(call), std::move(ready)};
}

void Supervisor::serve_accept(int ready) {
  const std::lock_guard lock(mutex_);
  const auto found = accepting_.find(ready);
  if (found == accepting_.end()) return;
  HeldCall call = std::move(found->second.call);
  accepting_.erase(found);
  if (!valid(call.listener, call.id)) return;
  deny_accept(call.listener, call.id, std::move(call.decision));
}

void Supervisor::give_up_accepts(const std::vector<uint32_t>& rules) {
  for (auto it = accepting_.begin(); it != accepting_.end();) {
    const auto rule = static_cast<uint32_t>(it->second.call.decision.rule);
    if (std::find(rules.begin(), rules.end(), rule) == rules.end()) {
      ++it;
      continue;
    }
    HeldCall call = std::move(it->second.call);
    it = accepting_.erase(it);
    reply(call.listener, call.id, std::move(call.decision), false);
  }
}

}  // namespace fbx::inject
