// SPDX-License-Identifier: Apache-2.0
//
// Starting the services of a test: one poll loop over executions, exits and readiness checks.
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <filesystem>

#include "base/clock.h"
#include "runner/sandbox/process.h"
#include "runner/service/binary.h"
#include "runner/service/environment.h"
#include "runner/service/service_state.h"

namespace fbx::service {

using sandbox::Fd;
using Phase = Member::Phase;

namespace {

constexpr uint64_t kNever = UINT64_MAX;
constexpr size_t kShownLines = 20;

struct Streams {
  Fd stdout_end, stderr_end;  // the child's
};

// One pipe, its write end the child's. It belongs to the service's user, or the service could not
// open /dev/stdout.
Result<Fd> stream_to(OutputPump& pump, size_t i, bool is_stderr, const Identity& user) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return fail_errno("pipe");
  Fd read_end(ends[0]);
  Fd write_end(ends[1]);
  if (::fchown(write_end.get(), user.uid, user.gid) != 0) return fail_errno("fchown of a pipe");
  if (Status s = pump.add(static_cast<int16_t>(i), is_stderr, std::move(read_end)); !s)
    return std::unexpected(s.error());
  return write_end;
}

std::string seconds_text(int64_t ns) {
  std::string text = std::to_string(static_cast<double>(ns) / 1e9);
  text.erase(text.find_last_not_of('0') + 1);
  if (text.ends_with('.')) text.pop_back();
  return text + " s";
}

// The end of what a program said.
std::string last_lines(const std::string& text) {
  size_t begin = text.size();
  while (begin > 0 && text[begin - 1] == '\n') --begin;
  const size_t end = begin;
  for (size_t lines = 0; begin > 0; --begin) {
    if (text[begin - 1] == '\n' && ++lines == kShownLines) break;
  }
  return text.substr(begin, end - begin);
}

// ENOENT although the file is there: exec says so when a script's or program's interpreter is not.
std::string explain_exec(const Error& error, const Binary& binary) {
  std::string text = error.text();
  if (error.errnum == ENOENT && std::filesystem::exists(binary.real))
    text += " (the file is there: its interpreter or dynamic loader is not)";
  return text;
}

void add_to_environment(const std::vector<std::string>& what, std::vector<std::string>& env) {
  for (const std::string& entry : what) {
    const std::string name = entry.substr(0, entry.find('=') + 1);
    const auto there = std::ranges::find_if(
        env, [&](const std::string& one) { return one.starts_with(name); });
    if (there == env.end())
      env.push_back(entry);
    else
      *there = name == "LD_PRELOAD=" ? entry + ":" + there->substr(name.size()) : entry;
  }
}

}  // namespace

Result<Environment> ServiceSet::State::environment_of(size_t i, const Identity& user) {
  Environment env = service_environment(*options.plan, i, user, caller_environment());
  for (const std::string& name : env.withheld) {
    const std::string note = "service " + service(i).name + ": " + name + " is not inherited";
    if (std::ranges::find(notes, note) == notes.end()) notes.push_back(note);
  }
  return env;
}

std::string ServiceSet::State::folder_of(size_t i) const {
  const std::string cwd = with_spec_dir(service(i).cwd, spec_dir);
  return (std::filesystem::path(spec_dir) / cwd).lexically_normal().string();
}

Result<CommandRequest> ServiceSet::State::command_for(size_t i,
                                                      const std::vector<std::string>& argv) {
  auto user = resolve_user(service(i).user);
  if (!user) return std::unexpected(user.error());
  auto env = environment_of(i, *user);
  if (!env) return std::unexpected(env.error());
  CommandRequest request;
  request.sandbox = options.sandbox;
  request.spec_dir = spec_dir;
  for (const std::string& word : argv) request.argv.push_back(with_spec_dir(word, spec_dir));
  request.env = std::move(env->entries);
  request.cwd = folder_of(i);
  request.user = std::move(*user);
  return request;
}

Result<Born> ServiceSet::State::give_birth_to(size_t i, const Binary& binary) {
  const plan::Service& own = service(i);
  auto user = resolve_user(own.user);
  if (!user) return std::unexpected(user.error());
  auto env = environment_of(i, *user);
  if (!env) return std::unexpected(env.error());
  auto out = stream_to(output, i, false, *user);
  if (!out) return std::unexpected(out.error());
  auto err = stream_to(output, i, true, *user);
  if (!err) return std::unexpected(err.error());
  BirthRequest request;
  request.sandbox = options.sandbox;
  request.cgroup_fd = options.sandbox->leaf(i).fd();
  request.descent = options.sandbox->leaf(i).descent();
  request.path = binary.path;
  request.fallback_path = binary.real;
  request.shown = own.binary;
  request.argv.push_back(binary.path);
  for (const std::string& arg : own.args) request.argv.push_back(with_spec_dir(arg, spec_dir));
  request.env = std::move(env->entries);
  request.cwd = folder_of(i);
  request.user = std::move(*user);
  request.stdout_fd = out->get();
  request.stderr_fd = err->get();
  BirthHook hook;
  if (options.hook) {
    auto made = options.hook(static_cast<int16_t>(i));
    if (!made) return std::unexpected(made.error());
    hook = std::move(*made);
  }
  request.hook = hook.in_child ? &hook : nullptr;
  add_to_environment(hook.environment, request.env);
  members[i].executed = std::move(hook.executed);
  return give_birth(request);
}

Starter::Starter(ServiceSet::State& state, std::vector<bool> wanted, uint64_t deadline_ns)
    : state_(state), wanted_(std::move(wanted)),
      deadline_ns_(deadline_ns == 0 ? kNever : deadline_ns) {}

StartFailure Starter::failure(StartFailure::Kind kind, size_t i, std::string text) const {
  state_.output.pump();
  StartFailure failure;
  failure.kind = kind;
  failure.service = static_cast<int16_t>(i);
  failure.text = std::move(text);
  failure.wait_status = state_.members[i].wait_status;
  failure.output = state_.output.last(failure.service, kShownLines);
  return failure;
}

// What this fbx can't do yet is said before anything starts.
Starter::Failure Starter::check_all() {
  auto listeners = Listeners::open();
  if (!listeners)
    return failure(StartFailure::Kind::kSetup, 0, listeners.error().text());
  listeners_ = std::move(*listeners);
  context_ = {state_.options.plan, state_.options.sandbox, &*listeners_, state_.owns,
              &state_.output,
              [this](size_t i, const std::vector<std::string>& argv) {
                return state_.command_for(i, argv);
              }};
  for (size_t i = 0; i < state_.members.size(); ++i) {
    const plan::Service& service = state_.service(i);
    const auto not_yet = [&](const std::string& what) {
      return failure(StartFailure::Kind::kNotYet, i, "service " + service.name + ": " + what);
    };
    if (!service.limits.empty()) return not_yet("limits=: not yet");
    if (signal_number(service.stop_signal) == 0)
      return not_yet("unknown stop signal " + service.stop_signal);
    if (auto check = make_ready_check(context_, i); !check)
      return not_yet(check.error().text());
  }
  return std::nullopt;
}

Starter::Failure Starter::run() {
  if (state_.members.empty()) return std::nullopt;
  const sandbox::NetworkVisit visit(*state_.options.sandbox);
  if (!visit.status())
    return failure(StartFailure::Kind::kSetup, 0, visit.status().error().text());
  Failure failed = go();
  for (Member& member : state_.members) {
    if (member.phase != Phase::kPreparing) continue;
    member.command.reset();
    member.phase = Phase::kIdle;
  }
  return failed;
}

Starter::Failure Starter::go() {
  if (Failure f = check_all()) return f;
  for (size_t i = 0; i < wanted_.size(); ++i) {
    if (!wanted_[i]) continue;
    state_.output.pump();
    state_.members[i] = Member();
  }
  for (;;) {
    if (Failure f = begin_those_that_can()) return f;
    if (all_ready()) return std::nullopt;
    if (Failure f = wait()) return f;
  }
}

bool Starter::all_ready() const {
  for (size_t i = 0; i < state_.members.size(); ++i) {
    const Phase phase = state_.members[i].phase;
    if (wanted_[i] && phase != Phase::kReady && phase != Phase::kGone) return false;
  }
  return true;
}

// What is not to be started now is not waited for.
bool Starter::may_begin(size_t i) const {
  if (!wanted_[i] || state_.members[i].phase != Phase::kIdle) return false;
  return std::ranges::all_of(state_.service(i).depends_on, [&](uint32_t on) {
    const Phase phase = state_.members[on].phase;
    return phase == Phase::kReady || phase == Phase::kGone || !wanted_[on];
  });
}

Starter::Failure Starter::begin_those_that_can() {
  for (bool again = true; again;) {
    again = false;
    for (size_t i = 0; i < state_.members.size(); ++i) {
      if (!may_begin(i)) continue;
      if (Failure f = begin(i)) return f;
      again = true;
    }
  }
  return std::nullopt;
}

Starter::Failure Starter::begin(size_t i) {
  return state_.prepared[i] ? give_birth(i) : prepare(i);
}

// The next command of prepare=, or the service itself when there is none.
Starter::Failure Starter::prepare(size_t i) {
  Member& member = state_.members[i];
  const plan::Service& service = state_.service(i);
  if (member.next_command == service.prepare.size()) {
    state_.prepared[i] = true;
    member.phase = Phase::kIdle;
    return give_birth(i);
  }
  auto request = state_.command_for(i, service.prepare[member.next_command]);
  auto command = request ? Command::start(*request)
                         : Result<std::unique_ptr<Command>>(std::unexpected(request.error()));
  if (!command)
    return failure(StartFailure::Kind::kPrepare, i,
                   "preparing service " + service.name + ": " + command.error().text());
  member.command = std::move(*command);
  member.phase = Phase::kPreparing;
  member.missing = "its prepare= command runs: " +
                   command_text(service.prepare[member.next_command]);
  member.check_deadline_ns =
      now_ns() + static_cast<uint64_t>(state_.options.plan->timeout_ns);
  return std::nullopt;
}

// A command of prepare= has ended.
Starter::Failure Starter::prepared(size_t i) {
  Member& member = state_.members[i];
  const plan::Service& service = state_.service(i);
  const int status = member.command->wait_status();
  if (status != 0 || member.command->too_much()) {
    const std::string said = last_lines(member.command->out() + member.command->err());
    const std::string what = command_text(service.prepare[member.next_command]);
    member.command.reset();
    return failure(StartFailure::Kind::kPrepare, i,
                   "preparing service " + service.name + ": " + what + " " +
                       describe_wait_status(status) + (said.empty() ? "" : ":\n" + said));
  }
  member.command.reset();
  ++member.next_command;
  return prepare(i);
}

Starter::Failure Starter::give_birth(size_t i) {
  Member& member = state_.members[i];
  const plan::Service& service = state_.service(i);
  const std::string starting = "starting service " + service.name + ": ";
  auto binary = find_binary(service.binary, state_.spec_dir, service_path());
  if (!binary)
    return failure(StartFailure::Kind::kExec, i,
                   starting + "exec " + service.binary + ": " + binary.error().text());
  // Before the birth: a check of its output must see its first line.
  auto check = make_ready_check(context_, i);
  if (!check) return failure(StartFailure::Kind::kNotYet, i, check.error().text());
  auto born = state_.give_birth_to(i, *binary);
  if (!born) return failure(StartFailure::Kind::kSetup, i, starting + born.error().text());
  auto executed = std::move(member.executed);
  member = Member();
  member.executed = std::move(executed);
  member.phase = Phase::kBorn;
  member.born = std::move(*born);
  member.check = std::move(*check);
  member.missing = "it has not executed";
  member.check_deadline_ns =
      now_ns() + static_cast<uint64_t>(service.healthcheck.timeout_ns);
  return std::nullopt;
}

Starter::Failure Starter::died(size_t i) {
  const Member& member = state_.members[i];
  const plan::Service& service = state_.service(i);
  if (member.was_ready && service.may_exit) return std::nullopt;
  std::string text = "service " + service.name + " " + describe_wait_status(member.wait_status);
  text += member.was_ready ? " while services were starting" : " before it was ready";
  if (WIFEXITED(member.wait_status) && WEXITSTATUS(member.wait_status) == 0)
    text += "; if it went into the background, tell it to stay in the foreground";
  return failure(StartFailure::Kind::kDied, i, std::move(text));
}

Starter::Failure Starter::after_exec(size_t i) {
  Member& member = state_.members[i];
  if (Status outcome = birth_outcome(member.born); !outcome) {
    const plan::Service& service = state_.service(i);
    (void)collect(member.born);
    member.phase = Phase::kIdle;
    auto binary = find_binary(service.binary, state_.spec_dir, service_path());
    return failure(StartFailure::Kind::kExec, i,
                   "starting service " + service.name + ": " +
                       explain_exec(outcome.error(), binary ? *binary : Binary()));
  }
  if (member.executed) {
    if (Status behind = member.executed(member.born.pid); !behind)
      return failure(StartFailure::Kind::kSetup, i, behind.error().text());
  }
  const uint64_t now = now_ns();
  member.born.exec_pipe.reset();
  state_.note_fact(observe::Lifecycle::kStarted, i, now);
  const plan::HealthCheck& check = state_.service(i).healthcheck;
  member.check_deadline_ns = now + static_cast<uint64_t>(check.timeout_ns);
  member.phase = Phase::kChecking;
  return ask(i);
}

Starter::Failure Starter::ask(size_t i) {
  Member& member = state_.members[i];
  ReadyAnswer answer = member.check->advance();
  switch (answer.kind) {
    case ReadyAnswer::Kind::kNotYet:
      member.missing = std::move(answer.text);
      return std::nullopt;
    case ReadyAnswer::Kind::kForeign:
      return failure(StartFailure::Kind::kForeign, i, std::move(answer.text));
    case ReadyAnswer::Kind::kBroken:
      return failure(StartFailure::Kind::kSetup, i, std::move(answer.text));
    case ReadyAnswer::Kind::kReady:
      break;
  }
  member.phase = Phase::kReady;
  member.was_ready = true;
  member.check.reset();
  state_.note_fact(observe::Lifecycle::kReady, i, now_ns());
  return std::nullopt;
}

uint64_t Starter::next_wake() const {
  uint64_t at = deadline_ns_;
  for (size_t i = 0; i < wanted_.size(); ++i) {
    const Member& member = state_.members[i];
    const bool waits = member.lives() || member.phase == Phase::kPreparing;
    if (!wanted_[i] || !waits || member.phase == Phase::kReady) continue;
    at = std::min(at, member.check_deadline_ns);
    if (member.phase == Phase::kChecking) at = std::min(at, member.check->wake_ns());
  }
  if (state_.options.while_waiting) at = std::min(at, now_ns() + kBreathNs);
  return at;
}

// What has become of member i: executed, dead, ready, too late.
Starter::Failure Starter::look_at(size_t i, uint64_t now) {
  Member& member = state_.members[i];
  if (member.phase == Phase::kPreparing) {
    if (member.command->advance()) return prepared(i);
    return now >= std::min(member.check_deadline_ns, deadline_ns_) ? Failure(too_late(i, now))
                                                                   : std::nullopt;
  }
  if (!member.lives()) return std::nullopt;
  if (member.phase == Phase::kBorn) {
    pollfd executed{member.born.exec_pipe.get(), POLLIN, 0};
    if (::poll(&executed, 1, 0) == 1) {
      if (Failure f = after_exec(i)) return f;
    }
  }
  if (member.phase == Phase::kChecking) {
    pollfd one{member.check->poll_fd(), member.check->poll_events(), 0};
    const bool event = one.fd >= 0 && ::poll(&one, 1, 0) == 1;
    if (event || now >= member.check->wake_ns()) {
      Failure f = ask(i);
      // A stranger on the port is also why the service could not take it and is about to die.
      if (f) return f;
    }
  }
  if (state_.collect_exit(i)) return died(i);
  if (member.phase != Phase::kReady && now >= std::min(member.check_deadline_ns, deadline_ns_))
    return too_late(i, now);
  return std::nullopt;
}

// Its listening sockets, for whoever wrote another port than it took.
std::string Starter::listens_on(size_t i) const {
  const auto all = listeners_->tcp(0);
  std::string text;
  if (!all) return text;
  for (const Listener& one : *all)
    if (state_.owns(static_cast<uint32_t>(i), one.cgroup_id))
      text += (text.empty() ? "; it listens on " : ", ") + one.address;
  return text;
}

StartFailure Starter::too_late(size_t i, uint64_t now) const {
  const Member& member = state_.members[i];
  const plan::Service& service = state_.service(i);
  const bool preparing = member.phase == Phase::kPreparing;
  const int64_t bound = preparing ? state_.options.plan->timeout_ns
                                  : service.healthcheck.timeout_ns;
  const std::string when = now >= member.check_deadline_ns
                               ? "within " + seconds_text(bound)
                               : "when the test's time was over";
  return failure(StartFailure::Kind::kNotReady, i,
                 "service " + service.name + " was not ready " + when + ": " + member.missing +
                     (preparing ? "" : listens_on(i)));
}

Starter::Failure Starter::wait() {
  std::vector<pollfd> fds{{state_.options.stop_fd, POLLIN, 0}};
  for (size_t i = 0; i < wanted_.size(); ++i) {
    const Member& member = state_.members[i];
    if (member.command) member.command->poll_fds(fds);
    if (!wanted_[i] || !member.lives()) continue;
    fds.push_back({member.born.pidfd.get(), POLLIN, 0});
    if (member.phase == Phase::kBorn) fds.push_back({member.born.exec_pipe.get(), POLLIN, 0});
    if (member.phase == Phase::kChecking)
      fds.push_back({member.check->poll_fd(), member.check->poll_events(), 0});
  }
  const uint64_t before = now_ns();
  const uint64_t at = next_wake();
  const uint64_t left = at == kNever ? 1'000'000'000 : at > before ? at - before : 0;
  const timespec bound{static_cast<time_t>(left / 1'000'000'000),
                       static_cast<long>(left % 1'000'000'000)};
  if (::ppoll(fds.data(), fds.size(), &bound, nullptr) < 0 && errno != EINTR)
    return failure(StartFailure::Kind::kSetup, 0, "poll: " + std::string(::strerror(errno)));
  if (fds[0].revents != 0)
    return failure(StartFailure::Kind::kInterrupted, 0, "interrupted while services started");
  if (state_.options.while_waiting) state_.options.while_waiting();
  const uint64_t now = now_ns();
  for (size_t i = 0; i < state_.members.size(); ++i) {
    if (!wanted_[i]) continue;
    if (Failure f = look_at(i, now)) return f;
  }
  if (now >= deadline_ns_)
    return failure(StartFailure::Kind::kNotReady, 0,
                   "the test's time ran out while services started");
  return std::nullopt;
}

}  // namespace fbx::service
