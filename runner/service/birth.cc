// SPDX-License-Identifier: Apache-2.0
#include "runner/service/birth.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/futex.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <ctime>

#include "base/clock.h"
#include "runner/sandbox/process.h"
#include "runner/service/nanny.h"

namespace fbx::service {

using sandbox::Fd;

namespace {

enum class Stage : uint32_t { kNamespaces, kNanny, kStdio, kUser, kCwd, kFilter, kExec };

// How far a child with a hook is. Only the child leaves kBorn, only the parent leaves kListening.
enum Progress : uint32_t { kBorn, kListening, kMayExecute };

}  // namespace

struct Born::Shared {
  Nursed nursed;
  std::atomic<uint32_t> progress{kBorn};
  int listener = -1;
  Stage stage = Stage::kExec;
  int errnum = 0;
};

namespace {

void wake(std::atomic<uint32_t>& word) {
  ::syscall(SYS_futex, &word, FUTEX_WAKE, 1, nullptr, nullptr, 0);
}

void wait_while(std::atomic<uint32_t>& word, uint32_t value, const timespec* bound) {
  ::syscall(SYS_futex, &word, FUTEX_WAIT, value, bound, nullptr, 0);
}

// All that the child reads, laid out before it exists.
struct Orders {
  const BirthRequest* request;
  Born::Shared* shared;
  char* const* argv;
  char* const* env;
  int exec_pipe;
};

// ---- the child: nothing that is not async-signal-safe, until be_child ends ----

[[noreturn]] void give_up(Born::Shared& shared, Stage stage) {
  shared.stage = stage;
  shared.errnum = errno == 0 ? EINVAL : errno;
  ::_exit(127);
}

bool enter_namespaces(const sandbox::Sandbox& place) {
  if (place.place() == sandbox::Place::kHost) return true;
  return ::setns(place.ipc_fd(), CLONE_NEWIPC) == 0 &&
         (place.host_network() || ::setns(place.network_fd(), CLONE_NEWNET) == 0) &&
         ::setns(place.mount_fd(), CLONE_NEWNS) == 0;
}

// The sources are moved up first: one of them may be 0, 1 or 2.
bool arrange_stdio(const BirthRequest& request) {
  int from[3] = {request.stdin_fd, request.stdout_fd, request.stderr_fd};
  for (int& fd : from) {
    if (fd < 0) {
      fd = ::open("/dev/null", O_RDWR | O_CLOEXEC);
      if (fd < 0) return false;
    }
    fd = ::fcntl(fd, F_DUPFD_CLOEXEC, 3);
    if (fd < 0) return false;
  }
  for (int to = 0; to < 3; ++to) {
    if (::dup2(from[to], to) < 0) return false;
  }
  return true;
}

// The system calls themselves: glibc's functions of these names change all threads of the process,
// and wait for threads that this copy of it does not have (nptl/nptl_setxid.c).
bool become(const Identity& user) {
  // An ordinary user is itself already, and may not even say so again.
  if (::geteuid() != 0) return ::geteuid() == user.uid || (errno = EPERM, false);
  return ::syscall(SYS_setgroups, user.groups.size(), user.groups.data()) == 0 &&
         ::syscall(SYS_setresgid, user.gid, user.gid, user.gid) == 0 &&
         ::syscall(SYS_setresuid, user.uid, user.uid, user.uid) == 0;
}

void default_signals() {
  struct sigaction action{};
  action.sa_handler = SIG_DFL;
  for (int signal = 1; signal < _NSIG; ++signal) ::sigaction(signal, &action, nullptr);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

// From the filter on, only futex and exec.
void install_filter(const BirthHook& hook, Born::Shared& shared) {
  const int listener = hook.in_child();
  if (listener < 0) give_up(shared, Stage::kFilter);
  shared.listener = listener;
  shared.progress.store(kListening, std::memory_order_release);
  wake(shared.progress);
  while (shared.progress.load(std::memory_order_acquire) != kMayExecute)
    wait_while(shared.progress, kListening, nullptr);
}

[[noreturn]] void be_child(const Orders& orders) {
  const BirthRequest& request = *orders.request;
  Born::Shared& shared = *orders.shared;
  if (!enter_namespaces(*request.sandbox)) give_up(shared, Stage::kNamespaces);
  ::setsid();
  ::umask(022);
  if (!arrange_stdio(request)) give_up(shared, Stage::kStdio);
  if (!become(request.user)) give_up(shared, Stage::kUser);
  if (::chdir(request.cwd.c_str()) != 0) give_up(shared, Stage::kCwd);
  ::syscall(SYS_close_range, 3, ~0u, CLOSE_RANGE_CLOEXEC);
  default_signals();
  if (request.hook != nullptr && request.hook->in_child) install_filter(*request.hook, shared);
  ::execve(request.path.c_str(), orders.argv, orders.env);
  if (errno == ENOENT && !request.fallback_path.empty())
    ::execve(request.fallback_path.c_str(), orders.argv, orders.env);
  give_up(shared, Stage::kExec);
}

// Between the worker and the service, where no cgroup holds what the service forks.
[[noreturn]] void be_nanny(const Orders& orders) {
  Born::Shared& shared = *orders.shared;
  const sandbox::Sandbox& place = *orders.request->sandbox;
  // Its /proc must be the one of its own PID namespace.
  if (!become_nanny(orders.exec_pipe) ||
      (place.place() != sandbox::Place::kHost && ::setns(place.mount_fd(), CLONE_NEWNS) != 0))
    give_up(shared, Stage::kNanny);
  int pidfd = -1;
  clone_args args{};
  args.flags = CLONE_PIDFD;
  args.exit_signal = SIGCHLD;
  args.pidfd = reinterpret_cast<uint64_t>(&pidfd);
  const auto pid = static_cast<pid_t>(::syscall(SYS_clone3, &args, sizeof args));
  if (pid < 0) give_up(shared, Stage::kNanny);
  if (pid == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    be_child(orders);
  }
  nurse(pid, pidfd, shared.nursed);
}

// ---- the parent ----

std::shared_ptr<Born::Shared> shared_page() {
  void* page = ::mmap(nullptr, sizeof(Born::Shared), PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) return nullptr;
  return {new (page) Born::Shared,
          [](Born::Shared* shared) { ::munmap(shared, sizeof(Born::Shared)); }};
}

std::vector<char*> pointers(const std::vector<std::string>& strings) {
  std::vector<char*> out;
  out.reserve(strings.size() + 1);
  for (const std::string& s : strings) out.push_back(const_cast<char*>(s.c_str()));
  out.push_back(nullptr);
  return out;
}

// The next children of this thread are born in the sandbox's PID namespace. While it is so the
// thread can make no thread (kernel/fork.c), so it is as short as can be.
class ChildrenThere {
 public:
  explicit ChildrenThere(const sandbox::Sandbox& place)
      : home_(::open("/proc/thread-self/ns/pid", O_RDONLY | O_CLOEXEC)) {
    there_ = home_ && ::setns(place.pid_fd(), CLONE_NEWPID) == 0;
  }
  ~ChildrenThere() {
    if (there_ && ::setns(home_.get(), CLONE_NEWPID) != 0) std::abort();
  }
  ChildrenThere(const ChildrenThere&) = delete;
  ChildrenThere& operator=(const ChildrenThere&) = delete;
  [[nodiscard]] bool there() const { return there_; }

 private:
  Fd home_;
  bool there_ = false;
};

// What is cloned, and what came of it.
struct Cloning {
  const Orders* orders;
  clone_args args;
  pid_t pid = -1;
  int errnum = 0;
};

void clone_now(Cloning& cloning) {
  cloning.pid = static_cast<pid_t>(::syscall(SYS_clone3, &cloning.args, sizeof cloning.args));
  if (cloning.pid == 0 && cloning.orders->request->descent) be_nanny(*cloning.orders);
  if (cloning.pid == 0) be_child(*cloning.orders);
  cloning.errnum = errno;
}

int clone_from_there(void* argument) {
  auto& cloning = *static_cast<Cloning*>(argument);
  cloning.args.flags |= CLONE_PARENT;
  cloning.args.exit_signal = 0;  // it is this process's
  if (::setns(cloning.orders->request->sandbox->pid_fd(), CLONE_NEWPID) == 0) {
    clone_now(cloning);
  } else {
    cloning.errnum = errno;
  }
  ::_exit(0);
}

// An ordinary user's thread that has once entered a PID namespace for its children can't go back:
// another process, on this one's memory and descriptors, enters it, clones and ends. What it clones
// is this thread's child.
void clone_by_another(Cloning& cloning) {
  constexpr size_t kStack = 64 * 1024;
  alignas(16) static thread_local char stack[kStack];
  const pid_t helper = ::clone(clone_from_there, stack + kStack,
                               CLONE_VM | CLONE_VFORK | CLONE_FILES | SIGCHLD, &cloning);
  if (helper < 0) cloning.errnum = errno;
  if (helper >= 0) (void)sandbox::reap(helper);
}

void clone_in_namespace(Cloning& cloning) {
  const sandbox::Sandbox& place = *cloning.orders->request->sandbox;
  switch (place.place()) {
    case sandbox::Place::kRoot: {
      const ChildrenThere children(place);
      if (children.there()) return clone_now(cloning);
      cloning.errnum = errno;
      return;
    }
    case sandbox::Place::kUserNamespace: return clone_by_another(cloning);
    case sandbox::Place::kHost: return clone_now(cloning);
  }
}

Result<pid_t> clone_child(const Orders& orders, int* pidfd) {
  Cloning cloning{.orders = &orders, .args = {}};
  cloning.args.flags = CLONE_PIDFD;
  cloning.args.exit_signal = SIGCHLD;
  cloning.args.pidfd = reinterpret_cast<uint64_t>(pidfd);
  if (!orders.request->descent) {
    cloning.args.flags |= CLONE_INTO_CGROUP;
    cloning.args.cgroup = static_cast<uint64_t>(orders.request->cgroup_fd);
  }
  // No handler of ours may run in the child.
  sigset_t all, old;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &old);
  clone_in_namespace(cloning);
  ::pthread_sigmask(SIG_SETMASK, &old, nullptr);
  if (cloning.pid < 0) return fail_errno("clone3", cloning.errnum);
  return cloning.pid;
}

bool is_readable(int fd) {
  pollfd one{fd, POLLIN, 0};
  return ::poll(&one, 1, 0) == 1;
}

Status adopt(const Born& born, const BirthHook& hook) {
  Born::Shared& shared = *born.shared;
  // The child's wake-up may itself be caught by the filter: look again every ms.
  constexpr timespec kLookAgain{0, 1'000'000};
  while (shared.progress.load(std::memory_order_acquire) == kBorn) {
    if (is_readable(born.pidfd.get())) return {};  // birth_outcome says why
    wait_while(shared.progress, kBorn, &kLookAgain);
  }
  auto listener = sandbox::fetch_fd(born.pidfd.get(), shared.listener);
  if (!listener) return fail_in(std::move(listener), "taking the seccomp listener");
  if (Status s = hook.adopt(listener->release()); !s)
    return fail_in(std::move(s), "adopting the seccomp listener");
  shared.progress.store(kMayExecute, std::memory_order_release);
  wake(shared.progress);
  return {};
}

// From the nanny to the process it was made for.
Status find_nursed(Born& born, sandbox::Descent& descent) {
  const pid_t nanny = born.pid;
  const Fd nanny_pidfd = std::move(born.pidfd);
  descent.add(nanny);
  std::atomic<uint32_t>& there = born.shared->nursed.born;
  while (there.load(std::memory_order_acquire) == 0) {
    if (is_readable(nanny_pidfd.get())) {
      descent.forget(nanny);
      Status why = birth_outcome(born);
      return why ? fail("its nanny died") : why;
    }
    wait_briefly(there, 0);
  }
  auto pidfd = sandbox::fetch_fd(nanny_pidfd.get(), kNursedPidfd);
  auto pid = pidfd ? sandbox::pid_of(pidfd->get()) : Result<pid_t>(std::unexpected(pidfd.error()));
  born.shared->nursed.taken.store(1, std::memory_order_release);
  wake(born.shared->nursed.taken);
  if (!pid) return fail_in(std::move(pid), "taking hold of the process");
  born.pidfd = std::move(*pidfd);
  born.pid = *pid;
  born.nanny = nanny;
  return {};
}

std::string stage_text(const Born& born) {
  switch (born.shared->stage) {
    case Stage::kNanny: return "making its nanny";
    case Stage::kNamespaces: return "entering the test's namespaces";
    case Stage::kStdio: return "arranging its descriptors";
    case Stage::kUser: return "becoming its user";
    case Stage::kCwd: return "entering " + born.cwd;
    case Stage::kFilter: return "installing a seccomp filter";
    case Stage::kExec: return "exec " + born.shown;
  }
  return "";
}

}  // namespace

Result<Born> give_birth(const BirthRequest& request) {
  Born born;
  born.shown = request.shown.empty() ? request.path : request.shown;
  born.cwd = request.cwd;
  born.shared = shared_page();
  if (!born.shared) return fail_errno("mmap");
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return fail_errno("pipe");
  born.exec_pipe = Fd(ends[0]);
  const Fd child_end(ends[1]);
  const std::vector<char*> argv = pointers(request.argv);
  const std::vector<char*> env = pointers(request.env);
  int pidfd = -1;
  born.born_ns = now_ns();
  auto pid = clone_child(
      {&request, born.shared.get(), argv.data(), env.data(), child_end.get()}, &pidfd);
  if (!pid) return std::unexpected(pid.error());
  born.pid = *pid;
  born.pidfd = Fd(pidfd);
  if (request.descent)
    if (Status found = find_nursed(born, *request.descent); !found)
      return std::unexpected(found.error());
  if (request.hook == nullptr || !request.hook->in_child) return born;
  if (Status adopted = adopt(born, *request.hook); !adopted) {
    (void)sandbox::signal_process(born.pidfd.get(), SIGKILL);
    (void)collect(born);
    return std::unexpected(adopted.error());
  }
  return born;
}

Result<std::optional<int>> try_collect(const Born& born) {
  if (born.nanny < 0) return sandbox::try_reap(born.pid);
  if (!is_readable(born.pidfd.get())) return std::optional<int>();
  auto status = collect(born);
  if (!status) return std::unexpected(status.error());
  return std::optional<int>(*status);
}

Result<int> collect(const Born& born) {
  if (born.nanny < 0) return sandbox::reap(born.pid);
  const Nursed& nursed = born.shared->nursed;
  std::atomic<uint32_t>& ended = born.shared->nursed.ended;
  auto nanny = sandbox::open_pidfd(born.nanny);
  while (ended.load(std::memory_order_acquire) == 0) {
    // A nanny that was killed tells nothing: what it nursed died of it.
    if (!nanny || is_readable(nanny->get()))
      return ended.load(std::memory_order_acquire) == 0 ? SIGKILL : nursed.wait_status;
    wait_briefly(ended, 0);
  }
  return nursed.wait_status;
}

bool died_with_nanny(const Born& born) {
  return born.nanny >= 0 && born.shared->nursed.ended.load(std::memory_order_acquire) == 0;
}

Status birth_outcome(const Born& born) {
  if (born.shared->errnum == 0) return {};
  return fail_errno(stage_text(born), born.shared->errnum);
}

Result<Born> give_birth_and_wait(const BirthRequest& request) {
  auto born = give_birth(request);
  if (!born) return born;
  pollfd executed{born->exec_pipe.get(), POLLIN, 0};
  while (::poll(&executed, 1, -1) < 0 && errno == EINTR) {
  }
  if (Status outcome = birth_outcome(*born); !outcome) {
    (void)collect(*born);
    return std::unexpected(outcome.error());
  }
  return born;
}

}  // namespace fbx::service
