// SPDX-License-Identifier: Apache-2.0
#include "runner/sandbox/crew.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <algorithm>
#include <deque>
#include <optional>

#include "base/clock.h"
#include "runner/sandbox/descent.h"
#include "runner/sandbox/keeper.h"
#include "runner/sandbox/process.h"

namespace fbx::sandbox {

namespace {

// Each takes a look at every process of the machine: together some tenths of a second.
constexpr int kStrayRounds = 100;

struct Worker {
  pid_t pid = -1;  // -1 = dead and reaped
  Fd pidfd;
  std::optional<Channel> channel;
};

sigset_t run_signals() {
  sigset_t set;
  ::sigemptyset(&set);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGCHLD}) ::sigaddset(&set, signal);
  return set;
}

}  // namespace

struct Crew::State {
  RunGroup group;
  Place place = Place::kRoot;
  Keeper keeper;
  bool keeper_dead = false;
  Fd signals, stop;
  sigset_t old_mask{};
  std::vector<Worker> workers;
  std::deque<CrewEvent> ready;
  bool finished = false;

  void wait_and_collect(int timeout_ms);
  void collect_messages(int worker);
  void collect_exit(int worker);
  void collect_signals();
  void reap_orphans();
  void end_strays();
  [[nodiscard]] bool ours(pid_t pid) const;
  void enter_leaf(const std::string& leaf, uint64_t& id) const;
  void take_signals();
  [[noreturn]] void be_worker(int index, Fd channel, pid_t front,
                              const std::function<int(WorkerContext&)>& main);
  [[nodiscard]] bool workers_live() const;
};

bool Crew::State::workers_live() const {
  for (const Worker& worker : workers) {
    if (worker.pid >= 0) return true;
  }
  return false;
}

Attempt<std::unique_ptr<Crew>> Crew::create() {
  auto group = RunGroup::create();
  if (!group) return std::unexpected(group.error());
  auto state = std::make_unique<State>();
  state->group = std::move(*group);
  ::signal(SIGPIPE, SIG_IGN);
  auto keeper = start_keeper(state->group);
  if (!keeper) {
    state->group.destroy();
    return std::unexpected<Trouble>(keeper.error());
  }
  state->keeper = std::move(*keeper);
  state->take_signals();
  auto crew = std::unique_ptr<Crew>(new Crew(std::move(state)));
  if (!crew->state_->signals || !crew->state_->stop)
    return trouble(fail_errno("preparing the run: signalfd, eventfd"));
  return crew;
}

Attempt<std::unique_ptr<Crew>> Crew::create_unprivileged(Place place) {
  auto state = std::make_unique<State>();
  state->place = place;
  ::signal(SIGPIPE, SIG_IGN);
  state->take_signals();
  auto crew = std::unique_ptr<Crew>(new Crew(std::move(state)));
  if (!crew->state_->signals || !crew->state_->stop)
    return trouble(fail_errno("preparing the run: signalfd, eventfd"));
  return crew;
}

void Crew::State::take_signals() {
  const sigset_t blocked = run_signals();
  ::sigprocmask(SIG_BLOCK, &blocked, &old_mask);
  signals = Fd(::signalfd(-1, &blocked, SFD_CLOEXEC | SFD_NONBLOCK));
  stop = Fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  // Services of a killed worker come to us: their PID namespace can't end before they are reaped,
  // and not every container's init reaps.
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
}

Crew::Crew(std::unique_ptr<State> state) : state_(std::move(state)) {}

Crew::~Crew() { finish(); }

const RunGroup& Crew::group() const { return state_->group; }

void Crew::State::be_worker(int index, Fd channel_fd, pid_t front,
                            const std::function<int(WorkerContext&)>& main) {
  die_with(front);
  ::prctl(PR_SET_NAME, "fbx-worker");
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) ::signal(signal, SIG_IGN);
  ::sigprocmask(SIG_SETMASK, &old_mask, nullptr);
  workers.clear();
  signals.reset();
  keeper = Keeper();
  uint64_t cgroup_id = 0;
  if (place == Place::kRoot) enter_leaf("worker." + std::to_string(index), cgroup_id);
  // Whose nanny was killed comes to us.
  if (place == Place::kHost) ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  Channel channel(std::move(channel_fd));
  WorkerContext context{index, &channel, place == Place::kRoot ? &group : nullptr, place, cgroup_id,
                        stop.get()};
  const int status = main(context);
  std::fflush(nullptr);
  ::_exit(status);
}

void Crew::State::enter_leaf(const std::string& leaf, uint64_t& id) const {
  auto own = Cgroup::open(group.fd(), leaf);
  const Fd procs(own ? ::openat(own->fd(), "cgroup.procs", O_WRONLY | O_CLOEXEC) : -1);
  if (!procs || ::write(procs.get(), "0", 1) != 1) {
    std::perror("fbx: worker: entering its cgroup");
    ::_exit(1);
  }
  id = own->id();
}

Result<int> Crew::spawn_worker(const std::function<int(WorkerContext&)>& main) {
  const int index = static_cast<int>(state_->workers.size());
  if (state_->place == Place::kRoot) {
    auto leaf = Cgroup::make(state_->group.fd(), "worker." + std::to_string(index));
    if (!leaf) return fail_in(std::move(leaf), "starting a worker");
  }
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
    return fail_errno("starting a worker: socketpair");
  Worker worker;
  worker.channel.emplace(Fd(ends[0]));
  Fd theirs(ends[1]);
  std::fflush(nullptr);
  const pid_t front = ::getpid();
  worker.pid = ::fork();
  if (worker.pid < 0) return fail_errno("starting a worker: fork");
  if (worker.pid == 0) {
    worker.channel.reset();
    state_->be_worker(index, std::move(theirs), front, main);
  }
  auto pidfd = open_pidfd(worker.pid);
  if (!pidfd) return fail_in(std::move(pidfd), "starting a worker");
  worker.pidfd = std::move(*pidfd);
  state_->workers.push_back(std::move(worker));
  return index;
}

Status Crew::send(int worker, std::string_view message) {
  auto& channel = state_->workers.at(static_cast<size_t>(worker)).channel;
  if (!channel) return fail_errno("the worker is gone", EPIPE);
  return channel->send(message);
}

void Crew::State::collect_messages(int index) {
  auto& worker = workers[static_cast<size_t>(index)];
  if (!worker.channel) return;
  auto ended = worker.channel->fill();
  std::string broken = ended ? "" : ended.error().text();
  while (broken.empty()) {
    auto message = worker.channel->take();
    if (!message) broken = message.error().text();
    if (!message || !*message) break;
    CrewEvent event{CrewEvent::Kind::kMessage};
    event.worker = index;
    event.message = std::move(**message);
    ready.push_back(std::move(event));
  }
  if (!broken.empty()) {
    CrewEvent event{CrewEvent::Kind::kBroken};
    event.worker = index;
    event.message = std::move(broken);
    ready.push_back(std::move(event));
  }
  if (!broken.empty() || *ended) worker.channel.reset();
}

void Crew::State::collect_exit(int index) {
  auto& worker = workers[static_cast<size_t>(index)];
  if (worker.pid < 0) return;
  auto status = try_reap(worker.pid);
  if (status && !*status) return;
  collect_messages(index);
  worker.pid = -1;
  worker.pidfd.reset();
  worker.channel.reset();
  CrewEvent event{CrewEvent::Kind::kWorkerExited};
  event.worker = index;
  event.wait_status = status ? **status : 0;
  reap_orphans();
  if (place == Place::kRoot) event.residue = group.clear_worker(index);
  if (place == Place::kHost) end_strays();
  reap_orphans();
  ready.push_back(std::move(event));
}

void Crew::State::reap_orphans() {
  for (;;) {
    siginfo_t info{};
    if (::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == 0) return;
    if (ours(info.si_pid)) return;  // poll() reports it
    (void)try_reap(info.si_pid);
  }
}

bool Crew::State::ours(pid_t pid) const {
  return pid == keeper.pid ||
         std::ranges::any_of(workers, [pid](const Worker& worker) { return worker.pid == pid; });
}

// What a dead worker's services left behind has come to us, or will when its nanny is done.
void Crew::State::end_strays() {
  for (int round = 0; round < kStrayRounds; ++round) {
    bool any = false;
    for (const pid_t pid : descendants_of(::getpid())) {
      if (ours(pid)) return;  // another worker lives: its services are not told from strays
      any = true;
      ::kill(pid, SIGKILL);
    }
    reap_orphans();
    if (!any) return;
  }
}

void Crew::State::collect_signals() {
  signalfd_siginfo info{};
  while (::read(signals.get(), &info, sizeof info) == sizeof info) {
    if (info.ssi_signo == SIGCHLD) {
      reap_orphans();
      continue;
    }
    CrewEvent event{CrewEvent::Kind::kInterrupted};
    event.signal = static_cast<int>(info.ssi_signo);
    ready.push_back(std::move(event));
  }
}

void Crew::State::wait_and_collect(int timeout_ms) {
  std::vector<pollfd> fds{{signals.get(), POLLIN, 0},
                          {keeper_dead ? -1 : keeper.pidfd.get(), POLLIN, 0}};
  for (const Worker& worker : workers) {
    fds.push_back({worker.channel ? worker.channel->poll_fd() : -1, POLLIN, 0});
    fds.push_back({worker.pidfd.get(), POLLIN, 0});
  }
  if (::poll(fds.data(), fds.size(), timeout_ms) <= 0) return;
  for (size_t i = 0; i < workers.size(); ++i) {
    if (fds[2 + 2 * i].revents != 0) collect_messages(static_cast<int>(i));
    if (fds[3 + 2 * i].revents != 0) collect_exit(static_cast<int>(i));
  }
  if (fds[1].revents != 0) {
    keeper_dead = true;
    ready.push_back({CrewEvent::Kind::kKeeperDied});
  }
  if (fds[0].revents != 0) collect_signals();
}

CrewEvent Crew::next_event(int64_t timeout_ns) {
  State& s = *state_;
  const bool bounded = timeout_ns >= 0;
  const uint64_t deadline = bounded ? now_ns() + static_cast<uint64_t>(timeout_ns) : 0;
  while (s.ready.empty()) {
    const int left = bounded ? poll_timeout_ms(deadline) : -1;
    s.wait_and_collect(left);
    if (left == 0 && s.ready.empty()) return {};
  }
  CrewEvent event = std::move(s.ready.front());
  s.ready.pop_front();
  return event;
}

void Crew::stop_workers(int64_t grace_ns,
                        const std::function<void(int, std::string)>& on_message) {
  State& s = *state_;
  const uint64_t one = 1;
  (void)!::write(s.stop.get(), &one, sizeof one);
  const auto deliver = [&] {
    for (CrewEvent& event : s.ready) {
      if (event.kind == CrewEvent::Kind::kMessage && on_message)
        on_message(event.worker, std::move(event.message));
    }
    s.ready.clear();
  };
  uint64_t deadline = now_ns() + static_cast<uint64_t>(grace_ns);
  bool killed = false;
  for (deliver(); s.workers_live(); deliver()) {
    const int left = poll_timeout_ms(deadline);
    if (left == 0 && killed) break;
    if (left == 0) {
      for (const Worker& worker : s.workers) {
        if (worker.pid >= 0) (void)signal_process(worker.pidfd.get(), SIGKILL);
      }
      killed = true;
      deadline = now_ns() + 2'000'000'000;
    }
    s.wait_and_collect(left);
  }
}

std::vector<std::string> Crew::finish() {
  State& s = *state_;
  if (s.finished) return {};
  s.finished = true;
  if (s.workers_live()) stop_workers(0);
  if (s.place == Place::kHost) s.end_strays();
  auto left = s.group.destroy();
  s.reap_orphans();
  dismiss_keeper(s.keeper);
  ::sigprocmask(SIG_SETMASK, &s.old_mask, nullptr);
  return left;
}

}  // namespace fbx::sandbox
