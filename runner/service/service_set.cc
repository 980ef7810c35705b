// SPDX-License-Identifier: Apache-2.0
#include "runner/service/service_set.h"

#include <sys/wait.h>

#include <csignal>
#include <cstring>
#include <filesystem>

#include "base/clock.h"
#include "runner/sandbox/process.h"
#include "runner/service/service_state.h"

namespace fbx::service {

namespace {

std::string without_links(const std::string& dir) {
  std::error_code error;
  const auto real = std::filesystem::canonical(dir, error);
  return error ? dir : real.string();
}

std::string signal_name(int signal) {
  const char* name = ::sigabbrev_np(signal);
  return name == nullptr ? "signal " + std::to_string(signal) : std::string("SIG") + name;
}

}  // namespace

std::string describe_wait_status(int wait_status) {
  if (WIFEXITED(wait_status))
    return "exited with status " + std::to_string(WEXITSTATUS(wait_status));
  if (!WIFSIGNALED(wait_status)) return "ended with wait status " + std::to_string(wait_status);
  return "was killed by " + signal_name(WTERMSIG(wait_status)) +
         (WCOREDUMP(wait_status) ? " (core dumped)" : "");
}

int signal_number(const std::string& name) {
  const std::string bare = name.starts_with("SIG") ? name.substr(3) : name;
  for (int signal = 1; signal < NSIG; ++signal) {
    const char* known = ::sigabbrev_np(signal);
    if (known != nullptr && bare == known) return signal;
  }
  return 0;
}

step::OwnerCheck owners_of(const sandbox::Sandbox& place, size_t services) {
  std::vector<std::string> paths;
  std::vector<uint64_t> descents;
  for (size_t i = 0; i < services; ++i) {
    if (place.leaf(i).descent()) {
      descents.push_back(place.leaf(i).id());
    } else {
      paths.push_back(place.leaf_path(i));
    }
  }
  return descents.empty() ? step::owner_check(std::move(paths))
                          : step::owner_check(std::move(descents));
}

ServiceSet::State::State(ServiceSetOptions given)
    : options(std::move(given)),
      spec_dir(without_links(options.plan->spec_dir)),
      members(options.plan->services.size()),
      owns(owners_of(*options.sandbox, members.size())) {}

void ServiceSet::State::note_fact(observe::Lifecycle what, size_t i, uint64_t at_ns,
                                  int wait_status) {
  facts.push_back({what, static_cast<int16_t>(i), members[i].born.pid, wait_status, at_ns});
}

bool ServiceSet::State::collect_exit(size_t i) {
  Member& member = members[i];
  if (!member.lives()) return false;
  auto status = try_collect(member.born);
  if (status && !*status) return false;
  const uint64_t now = now_ns();
  member.phase = Member::Phase::kGone;
  member.wait_status = status ? **status : 0;
  member.check.reset();
  member.born.pidfd.reset();
  member.born.exec_pipe.reset();
  exits.push_back({static_cast<int16_t>(i), member.born.pid, member.wait_status, now,
                   member.stopping, member.killed});
  note_fact(member.killed ? observe::Lifecycle::kKilled : observe::Lifecycle::kExited, i, now,
            member.wait_status);
  return true;
}

void ServiceSet::State::clear_leaf(size_t i) {
  const sandbox::Cgroup& leaf = options.sandbox->leaf(i);
  (void)leaf.kill();
  constexpr int64_t kBoundNs = 2'000'000'000;
  (void)leaf.wait_empty(kBoundNs);
}

ServiceSet::ServiceSet(ServiceSetOptions options)
    : state_(std::make_unique<State>(std::move(options))) {}

ServiceSet::~ServiceSet() {
  State& s = *state_;
  for (size_t i = 0; i < s.members.size(); ++i) {
    if (!s.members[i].lives()) continue;
    s.clear_leaf(i);
    (void)collect(s.members[i].born);
  }
}

std::optional<StartFailure> ServiceSet::start_all(uint64_t deadline_ns) {
  return Starter(*state_, deadline_ns).run();
}

void ServiceSet::poll_fds(std::vector<pollfd>& fds) const {
  for (const Member& member : state_->members) {
    if (member.lives()) fds.push_back({member.born.pidfd.get(), POLLIN, 0});
  }
}

std::vector<Exit> ServiceSet::take_exits() {
  for (size_t i = 0; i < state_->members.size(); ++i) state_->collect_exit(i);
  return std::exchange(state_->exits, {});
}

std::vector<LifecycleFact> ServiceSet::take_facts() { return std::exchange(state_->facts, {}); }

bool ServiceSet::running(int16_t service) const {
  return state_->members.at(static_cast<size_t>(service)).lives();
}

pid_t ServiceSet::pid(int16_t service) const {
  const Member& member = state_->members.at(static_cast<size_t>(service));
  return member.lives() ? member.born.pid : -1;
}

std::vector<OutputLine> ServiceSet::last_output(int16_t service, size_t n) const {
  state_->output.pump();
  return state_->output.last(service, n);
}

const std::vector<std::string>& ServiceSet::notes() const { return state_->notes; }

}  // namespace fbx::service
