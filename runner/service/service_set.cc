// SPDX-License-Identifier: Apache-2.0
#include "runner/service/service_set.h"

#include <sys/wait.h>

#include <cerrno>
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
      prepared(options.plan->services.size(), false),
      owns(owners_of(*options.sandbox, members.size())) {}

void ServiceSet::State::note_fact(observe::Lifecycle what, size_t i, uint64_t at_ns,
                                  int wait_status) {
  facts.push_back({what, static_cast<int16_t>(i), members[i].born.pid, wait_status, at_ns});
}

namespace {

// Signals whose meaning is "end", so that an exit with a status is what was asked for, too.
bool means_end(int signal, const plan::Service& service) {
  return signal == SIGTERM || signal == SIGINT || signal == SIGQUIT || signal == SIGKILL ||
         signal == signal_number(service.stop_signal);
}

bool was_asked(int signal, const plan::Service& service, int wait_status) {
  if (signal == 0) return false;
  if (WIFSIGNALED(wait_status)) return WTERMSIG(wait_status) == signal;
  return means_end(signal, service);
}

}  // namespace

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
  const bool asked = was_asked(member.asked_signal, service(i), member.wait_status);
  exits.push_back({static_cast<int16_t>(i), member.born.pid, member.wait_status, now,
                   member.stopping, asked, member.killed,
                   status && died_with_nanny(member.born)});
  const bool killed = member.killed || member.asked_signal == SIGKILL;
  note_fact(killed ? observe::Lifecycle::kKilled : observe::Lifecycle::kExited, i, now,
            member.wait_status);
  return true;
}

void ServiceSet::State::clear_leaf(size_t i, bool for_good) {
  const sandbox::Cgroup& leaf = options.sandbox->leaf(i);
  constexpr int64_t kBoundNs = 2'000'000'000;
  if (!for_good) {
    (void)leaf.empty(kBoundNs);
    return;
  }
  (void)leaf.kill();
  (void)leaf.wait_empty(kBoundNs);
}

ServiceSet::ServiceSet(ServiceSetOptions options)
    : state_(std::make_unique<State>(std::move(options))) {}

ServiceSet::~ServiceSet() {
  State& s = *state_;
  for (size_t i = 0; i < s.members.size(); ++i) {
    if (!s.members[i].lives()) continue;
    s.clear_leaf(i, true);
    (void)collect(s.members[i].born);
  }
}

std::optional<StartFailure> ServiceSet::start_all(uint64_t deadline_ns) {
  std::vector<bool> wanted;
  for (size_t i = 0; i < state_->members.size(); ++i)
    wanted.push_back(!state_->service(i).manual_start);
  return Starter(*state_, std::move(wanted), deadline_ns).run();
}

std::optional<StartFailure> ServiceSet::start(int16_t service, uint64_t deadline_ns) {
  const auto i = static_cast<size_t>(service);
  state_->clear_leaf(i);
  std::vector<bool> wanted(state_->members.size(), false);
  wanted[i] = true;
  return Starter(*state_, std::move(wanted), deadline_ns).run();
}

Status ServiceSet::send_signal(int16_t service, int signal) {
  const auto i = static_cast<size_t>(service);
  Member& member = state_->members.at(i);
  if (!member.lives()) return fail("it is not running");
  member.asked_signal = signal;
  if (signal != SIGKILL) return sandbox::signal_process(member.born.pidfd.get(), signal);
  state_->clear_leaf(i);
  pollfd ended{member.born.pidfd.get(), POLLIN, 0};
  while (::poll(&ended, 1, -1) < 0 && errno == EINTR) {
  }
  state_->collect_exit(i);
  return {};
}

void ServiceSet::stop(int16_t service) {
  std::vector<bool> wanted(state_->members.size(), false);
  wanted.at(static_cast<size_t>(service)) = true;
  stop_members(*state_, std::move(wanted));
}

namespace {

constexpr int64_t kFreezeBoundNs = 1'000'000'000;

}  // namespace

Status ServiceSet::pause(int16_t service) {
  auto frozen =
      state_->options.sandbox->leaf(static_cast<size_t>(service)).freeze(true, kFreezeBoundNs);
  if (!frozen) return std::unexpected(frozen.error());
  if (!*frozen) return fail("not all of its processes stopped within a second");
  return {};
}

Status ServiceSet::resume(int16_t service) {
  auto gone_on =
      state_->options.sandbox->leaf(static_cast<size_t>(service)).freeze(false, kFreezeBoundNs);
  if (!gone_on) return std::unexpected(gone_on.error());
  if (!*gone_on) return fail("its processes did not go on");
  return {};
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

std::vector<OutputPump::Taken> ServiceSet::take_lines(uint64_t& lost) {
  state_->output.pump();
  return state_->output.take_lines(lost);
}

std::vector<OutputLine> ServiceSet::last_output(int16_t service, size_t n) const {
  state_->output.pump();
  return state_->output.last(service, n);
}

const std::vector<std::string>& ServiceSet::notes() const { return state_->notes; }

}  // namespace fbx::service
