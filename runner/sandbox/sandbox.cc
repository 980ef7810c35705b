// SPDX-License-Identifier: Apache-2.0
#include "runner/sandbox/sandbox.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <poll.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "base/clock.h"
#include "base/mountinfo.h"
#include "runner/sandbox/guard.h"
#include "runner/sandbox/keep.h"
#include "runner/sandbox/mount_plan.h"
#include "runner/sandbox/process.h"

namespace fbx::sandbox {

namespace {

constexpr int64_t kEndBoundNs = 2'000'000'000;

std::unexpected<Trouble> explain_clone(const Error& error) {
  if (error.errnum == EPERM)
    return refuse("needs-root", "fbx run needs root here: making namespaces was refused (EPERM)",
                  "run it with sudo");
  if (error.errnum == ENOSPC || error.errnum == EINVAL || error.errnum == EUSERS)
    return refuse("no-namespaces",
                  "this kernel gives no new PID, mount, network and IPC namespaces: " +
                      std::string(std::strerror(error.errnum)),
                  "raise /proc/sys/user/max_*_namespaces");
  return std::unexpected<Trouble>(error);
}

Attempt<void> explain_report(const GuardReport& report, const MountPlan& plan) {
  using Stage = GuardReport::Stage;
  const auto failed = [&](std::string what) {
    return trouble(fail_errno(std::move(what), report.errnum));
  };
  switch (report.stage) {
    case Stage::kReady: return {};
    case Stage::kPrivate: return failed("making the mounts private");
    case Stage::kPin: return failed("keeping " + plan.pins[report.index].path + " visible");
    case Stage::kUpper: return failed("mounting a scratch tmpfs");
    case Stage::kProc: return failed("mounting /proc");
    case Stage::kLoopback: return failed("bringing lo up");
    case Stage::kGone: return trouble(fail("the guard died while the sandbox was made"));
    case Stage::kStep: break;
  }
  const MountStep& step = plan.steps[report.index];
  if (step.kind == MountStep::Kind::kOverlay)
    return refuse("no-overlay",
                  "an overlay over " + step.target +
                      " is refused here: " + std::strerror(report.errnum),
                  "put the spec on a file system that can be the lower layer of an overlay (not "
                  "itself two overlays deep)");
  if (step.kind == MountStep::Kind::kTmpfs) return failed("mounting a tmpfs on " + step.target);
  return failed("preparing " + step.target);
}

Result<Fd> open_path(const std::string& path, int flags) {
  Fd fd(::open(path.c_str(), flags | O_CLOEXEC));
  if (!fd) return fail_errno("opening " + path);
  return fd;
}

}  // namespace

struct Sandbox::State {
  Place place = Place::kRoot;
  int run_fd = -1;  // the run's cgroup, not ours
  std::string path;
  Cgroup group, guard_leaf, client;
  std::vector<Cgroup> leaves;
  MountPlan plan;
  Guard guard;
  Fd network, mounts, pids, ipc, root;
  uint64_t setup_ns = 0;
  bool host_network = false;
  bool destroyed = false;

  Status make_cgroups(const WorkerContext& worker, uint32_t test_number, size_t services);
  void make_descents(size_t services);
  std::vector<std::string> clear_descents();
  Attempt<void> make_guard();
  Status open_namespaces();
  [[nodiscard]] bool reap_guard() const;
};

Status Sandbox::State::make_cgroups(const WorkerContext& worker, uint32_t test_number,
                                    size_t services) {
  std::string name = "test.";
  name += std::to_string(worker.index) + "." + std::to_string(test_number);
  run_fd = worker.group->fd();
  path = worker.group->path() + "/" + name;
  auto made = Cgroup::make(run_fd, name);
  if (!made) return std::unexpected(made.error());
  group = std::move(*made);
  const auto leaf = [&](const std::string& leaf_name, Cgroup& into) -> Status {
    auto below = Cgroup::make(group.fd(), leaf_name);
    if (!below) return std::unexpected(below.error());
    into = std::move(*below);
    return {};
  };
  if (Status s = leaf("guard", guard_leaf); !s) return s;
  if (Status s = leaf("client", client); !s) return s;
  leaves.resize(services);
  for (size_t i = 0; i < services; ++i) {
    if (Status s = leaf(std::string("s") += std::to_string(i), leaves[i]); !s) return s;
  }
  return {};
}

void Sandbox::State::make_descents(size_t services) {
  client = Cgroup::by_descent("client");
  for (size_t i = 0; i < services; ++i)
    leaves.push_back(Cgroup::by_descent(std::string("s") += std::to_string(i)));
}

// All are killed before any is waited for: they may hold each other up.
std::vector<std::string> Sandbox::State::clear_descents() {
  std::vector<std::string> left;
  std::vector<const Cgroup*> all{&client};
  for (const Cgroup& leaf : leaves) all.push_back(&leaf);
  for (const Cgroup* one : all)
    if (Status killed = one->kill(); !killed) left.push_back(killed.error().text());
  for (const Cgroup* one : all) {
    auto empty = one->wait_empty(kEndBoundNs);
    if (!empty || !*empty) left.push_back("processes of " + one->name() + " outlived SIGKILL");
  }
  leaves.clear();
  client = Cgroup();
  return left;
}

Attempt<void> Sandbox::State::make_guard() {
  GuardReport report;
  auto started = start_guard({&plan, guard_leaf.fd(), !host_network}, report);
  if (!started) return explain_clone(started.error());
  auto explained = explain_report(report, plan);
  if (!explained) return explained;
  guard = std::move(*started);
  return {};
}

Status Sandbox::State::open_namespaces() {
  const std::string proc = "/proc/" + std::to_string(guard.pid);
  const auto open_one = [&](const char* name, int flags, Fd& into) -> Status {
    auto fd = open_path(proc + name, flags);
    if (!fd) return std::unexpected(fd.error());
    into = std::move(*fd);
    return {};
  };
  if (Status s = open_one("/ns/net", O_RDONLY, network); !s) return s;
  if (Status s = open_one("/ns/mnt", O_RDONLY, mounts); !s) return s;
  if (Status s = open_one("/ns/pid", O_RDONLY, pids); !s) return s;
  if (Status s = open_one("/ns/ipc", O_RDONLY, ipc); !s) return s;
  return open_one("/root", O_PATH | O_DIRECTORY, root);
}

// As init it ends last: after all processes of its namespace are not only dead but reaped.
bool Sandbox::State::reap_guard() const {
  pollfd ended{guard.pidfd.get(), POLLIN, 0};
  const uint64_t deadline = now_ns() + kEndBoundNs;
  int n = 0;
  do {
    n = ::poll(&ended, 1, poll_timeout_ms(deadline));
  } while (n < 0 && errno == EINTR);
  return n == 1 && reap(guard.pid).has_value();
}

Attempt<std::unique_ptr<Sandbox>> Sandbox::create(const WorkerContext& worker,
                                                  uint32_t test_number,
                                                  const SandboxOptions& options) {
  const uint64_t began = now_ns();
  auto state = std::make_unique<State>();
  state->place = worker.place;
  state->host_network = options.host_network || worker.place == Place::kHost;
  if (worker.place == Place::kHost) {
    state->make_descents(options.services);
    return std::unique_ptr<Sandbox>(new Sandbox(std::move(state)));
  }
  auto plan = plan_mounts({options.spec_dir, options.overlay_tmp, options.visible_files,
                           own_mountinfo(), worker.place == Place::kUserNamespace});
  if (!plan) return std::unexpected(plan.error());
  state->plan = std::move(*plan);
  // From here on the destructor clears what was made.
  auto sandbox = std::unique_ptr<Sandbox>(new Sandbox(std::move(state)));
  State& s = *sandbox->state_;
  if (s.place == Place::kUserNamespace) {
    s.make_descents(options.services);
  } else if (Status made = s.make_cgroups(worker, test_number, options.services); !made) {
    return trouble(fail_in(std::move(made), "making the sandbox"));
  }
  if (auto guarded = s.make_guard(); !guarded) return std::unexpected(guarded.error());
  if (Status opened = s.open_namespaces(); !opened)
    return trouble(fail_in(std::move(opened), "making the sandbox"));
  s.setup_ns = now_ns() - began;
  return sandbox;
}

Sandbox::Sandbox(std::unique_ptr<State> state) : state_(std::move(state)) {}

Sandbox::~Sandbox() { destroy(); }

const Cgroup& Sandbox::group() const { return state_->group; }
const Cgroup& Sandbox::leaf(size_t service) const { return state_->leaves.at(service); }
const Cgroup& Sandbox::client_leaf() const { return state_->client; }
int Sandbox::network_fd() const { return state_->network.get(); }
int Sandbox::mount_fd() const { return state_->mounts.get(); }
int Sandbox::pid_fd() const { return state_->pids.get(); }
int Sandbox::ipc_fd() const { return state_->ipc.get(); }
int Sandbox::root_fd() const { return state_->root.get(); }
pid_t Sandbox::guard_pid() const { return state_->guard.pid; }
uint64_t Sandbox::setup_ns() const { return state_->setup_ns; }
bool Sandbox::host_network() const { return state_->host_network; }
Place Sandbox::place() const { return state_->place; }

std::string Sandbox::leaf_path(size_t service) const {
  return state_->path + "/" + state_->leaves.at(service).name();
}

Status Sandbox::keep(const std::string& folder, uid_t uid, gid_t gid) const {
  if (state_->place == Place::kHost)
    return fail("without namespaces the test's files are the host's own: they stand where they were "
                "written");
  if (::mkdir(folder.c_str(), 0755) != 0) return fail_errno("making " + folder);
  auto to = open_path(folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  if (!to) return std::unexpected(to.error());
  auto scratch = fetch_fd(state_->guard.pidfd.get(), kScratchFd);
  if (!scratch) return fail_in(std::move(scratch), "reaching the test's files");
  for (const MountPlan::Kept& kept : state_->plan.kept) {
    open_how how{};
    how.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
    how.resolve = RESOLVE_IN_ROOT;
    const bool cover = kept.scratch.empty();
    const Fd from(static_cast<int>(
        ::syscall(SYS_openat2, cover ? root_fd() : scratch->get(),
                  cover ? kept.cover.c_str() : kept.scratch.c_str(), &how, sizeof how)));
    if (!from) return fail_errno("opening the test's " + kept.name);
    if (Status s = copy_tree(from.get(), to->get(), kept.name, uid, gid); !s)
      return fail_in(std::move(s), "keeping the test's files");
  }
  if (::fchown(to->get(), uid, gid) != 0) return fail_errno("giving away " + folder);
  return {};
}

std::vector<std::string> Sandbox::destroy() {
  State& s = *state_;
  if (s.destroyed) return {};
  s.destroyed = true;
  s.root.reset();
  for (Fd* fd : {&s.network, &s.mounts, &s.pids, &s.ipc}) fd->reset();
  std::vector<std::string> left;
  if (s.place != Place::kRoot) {
    left = s.clear_descents();
    if (s.guard.pid >= 0) (void)signal_process(s.guard.pidfd.get(), SIGKILL);
  } else if (s.group.fd() < 0) {
    return {};
  } else if (Status killed = s.group.kill(); !killed) {
    left.push_back(killed.error().text());
  }
  if (s.guard.pid >= 0 && !s.reap_guard())
    left.push_back("the guard (process " + std::to_string(s.guard.pid) + ") has not ended");
  if (s.place != Place::kRoot) return left;
  const auto more = clear_cgroup_tree(s.run_fd, s.group.name(), kEndBoundNs);
  left.insert(left.end(), more.begin(), more.end());
  return left;
}

NetworkVisit::NetworkVisit(const Sandbox& sandbox) {
  if (sandbox.host_network()) return;
  // An ordinary user's thread can't go back to the host's network: it stays until it ends.
  if (sandbox.place() == Place::kUserNamespace) {
    if (::setns(sandbox.network_fd(), CLONE_NEWNET) != 0)
      status_ = fail_errno("entering the test's network namespace");
    return;
  }
  home_ = Fd(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
  if (!home_) {
    status_ = fail_errno("opening the network namespace of this thread");
  } else if (::setns(sandbox.network_fd(), CLONE_NEWNET) != 0) {
    status_ = fail_errno("entering the test's network namespace");
    home_.reset();
  }
}

NetworkVisit::~NetworkVisit() {
  if (!home_ || ::setns(home_.get(), CLONE_NEWNET) == 0) return;
  // What this thread would do next it would do in a test's network.
  std::perror("fbx: leaving a test's network namespace");
  std::abort();
}

}  // namespace fbx::sandbox
