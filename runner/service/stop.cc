// SPDX-License-Identifier: Apache-2.0
//
// Stopping: dependents before what they depend on, independent ones side by side. Each gets its
// signal and its grace; then its leaf is killed, which also takes what it left behind.
#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <csignal>

#include "base/clock.h"
#include "runner/sandbox/process.h"
#include "runner/service/service_state.h"

namespace fbx::service {


namespace {

class Stopper {
 public:
  Stopper(ServiceSet::State& state, std::vector<bool> wanted, bool for_good)
      : state_(state), wanted_(std::move(wanted)), for_good_(for_good), deadlines_(state.members.size(), 0),
        cleared_(state.members.size(), false) {}

  void run() {
    for (;;) {
      settle();
      if (!signal_those_that_can()) return;
      wait();
    }
  }

 private:
  // Reaps the dead, kills the late, empties the leaves of both.
  void settle() {
    const uint64_t now = now_ns();
    for (size_t i = 0; i < state_.members.size(); ++i) {
      Member& member = state_.members[i];
      if (!wanted_[i]) continue;
      state_.collect_exit(i);
      if (member.lives() && member.stopping && now >= deadlines_[i]) kill(i);
      if (member.phase == Member::Phase::kGone && !cleared_[i]) {
        state_.clear_leaf(i, for_good_);
        cleared_[i] = true;
      }
    }
  }

  void kill(size_t i) {
    Member& member = state_.members[i];
    member.killed = true;
    state_.clear_leaf(i, for_good_);
    pollfd ended{member.born.pidfd.get(), POLLIN, 0};
    while (::poll(&ended, 1, -1) < 0 && errno == EINTR) {
    }
    state_.collect_exit(i);
  }

  [[nodiscard]] bool has_living_dependent(size_t i) const {
    for (size_t k = 0; k < state_.members.size(); ++k) {
      const auto& on = state_.service(k).depends_on;
      if (wanted_[k] && state_.members[k].lives() && std::ranges::find(on, i) != on.end())
        return true;
    }
    return false;
  }

  // False when nobody lives any more.
  bool signal_those_that_can() {
    bool any = false;
    for (size_t i = 0; i < state_.members.size(); ++i) {
      Member& member = state_.members[i];
      if (!wanted_[i]) continue;
      any = any || member.lives();
      if (!member.lives() || member.stopping || has_living_dependent(i)) continue;
      const plan::Service& service = state_.service(i);
      const int signal = signal_number(service.stop_signal);
      member.stopping = true;
      deadlines_[i] = now_ns() + static_cast<uint64_t>(service.stop_timeout_ns);
      (void)sandbox::signal_process(member.born.pidfd.get(), signal == 0 ? SIGTERM : signal);
    }
    return any;
  }

  void wait() {
    std::vector<pollfd> fds;
    uint64_t at = now_ns() + 3'600'000'000'000;
    for (size_t i = 0; i < state_.members.size(); ++i) {
      const Member& member = state_.members[i];
      if (!wanted_[i] || !member.lives() || !member.stopping) continue;
      fds.push_back({member.born.pidfd.get(), POLLIN, 0});
      at = std::min(at, deadlines_[i]);
    }
    const auto& meanwhile = state_.options.while_waiting;
    if (meanwhile) at = std::min(at, now_ns() + kBreathNs);
    ::poll(fds.data(), fds.size(), poll_timeout_ms(at));
    if (meanwhile) meanwhile();
  }

  ServiceSet::State& state_;
  std::vector<bool> wanted_;
  bool for_good_;
  std::vector<uint64_t> deadlines_;
  std::vector<bool> cleared_;
};

}  // namespace

void stop_members(ServiceSet::State& state, std::vector<bool> wanted) {
  Stopper(state, std::move(wanted), false).run();
}

std::vector<Exit> ServiceSet::stop_all() {
  std::vector<Exit> before = take_exits();  // those are not ours
  for (Member& member : state_->members) member.command.reset();
  Stopper(*state_, std::vector<bool>(state_->members.size(), true), true).run();
  std::vector<Exit> caused = std::exchange(state_->exits, {});
  before.insert(before.end(), caused.begin(), caused.end());
  return before;
}

}  // namespace fbx::service
