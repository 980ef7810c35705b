// SPDX-License-Identifier: Apache-2.0
#include "runner/sandbox/guard.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <linux/sched.h>
#include <net/if.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>

#include "runner/sandbox/process.h"

// <sys/mount.h> and <linux/mount.h> of Debian 12 can't be included together.
extern "C" int mount(const char*, const char*, const char*, unsigned long, const void*) noexcept;
extern "C" int umount2(const char*, int) noexcept;

namespace fbx::sandbox {

namespace {

constexpr int kDetach = 2;       // MNT_DETACH
constexpr int kMaxPins = 256;    // descriptors of the guard, taken before anything is covered
constexpr int kAtRecursive = 0x8000;

using Stage = GuardReport::Stage;

GuardReport trouble_at(Stage stage, size_t index = 0) {
  return {stage, static_cast<uint32_t>(index), errno};
}

// ---- everything from here to be_guard runs in the child ----

int take_pin(const Pin& pin) {
  if (pin.kind == Pin::Kind::kPlace)
    return ::open(pin.path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
  const unsigned recursive = pin.recursive ? kAtRecursive : 0;
  const int fd = static_cast<int>(::syscall(SYS_open_tree, AT_FDCWD, pin.path.c_str(),
                                            OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | recursive));
  if (fd < 0) return fd;
  mount_attr read_only{};
  read_only.attr_set = MOUNT_ATTR_RDONLY;
  if (::syscall(SYS_mount_setattr, fd, "", AT_EMPTY_PATH | recursive, &read_only,
                sizeof read_only) != 0)
    return -1;
  return fd;
}

bool ok_or_exists(int result) { return result == 0 || errno == EEXIST; }

bool make_file(const char* path) {
  const int fd = ::open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
  if (fd < 0) return errno == EEXIST;
  return ::close(fd) == 0;
}

bool mount_overlay(const MountStep& step, int lower) {
  if (::fchdir(lower) != 0) return false;
  const char* target = step.target.c_str();
  if (::mount("fbx", target, "overlay", 0, step.options.c_str()) == 0) return true;
  return errno == EINVAL &&
         ::mount("fbx", target, "overlay", 0, step.plain_options.c_str()) == 0;
}

bool carry_out(const MountStep& step, const int* pins) {
  const char* target = step.target.c_str();
  switch (step.kind) {
    case MountStep::Kind::kMakeDir:
      return ok_or_exists(::mkdir(target, step.mode));
    case MountStep::Kind::kMakeFile:
      return make_file(target);
    case MountStep::Kind::kOwn:
      return (step.uid == MountStep::kNobody || ::chown(target, step.uid, step.gid) == 0) &&
             ::chmod(target, step.mode) == 0;
    case MountStep::Kind::kTmpfs:
      return ::mount("fbx", target, "tmpfs", MS_NOSUID | MS_NODEV, step.options.c_str()) == 0;
    case MountStep::Kind::kOverlay:
      return mount_overlay(step, pins[step.pin]);
    case MountStep::Kind::kAttach:
      return ::syscall(SYS_move_mount, pins[step.pin], "", AT_FDCWD, target,
                       MOVE_MOUNT_F_EMPTY_PATH) == 0;
  }
  return false;
}

bool loopback_up() {
  const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  ifreq request{};
  std::strcpy(request.ifr_name, "lo");
  request.ifr_flags = IFF_UP | IFF_RUNNING;
  const bool up = ::ioctl(fd, SIOCSIFFLAGS, &request) == 0;
  ::close(fd);
  return up;
}

GuardReport mount_all(const MountPlan& plan, int* scratch_fd) {
  static int pins[kMaxPins];
  if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0)
    return trouble_at(Stage::kPrivate);
  for (size_t i = 0; i < plan.pins.size(); ++i) {
    pins[i] = take_pin(plan.pins[i]);
    if (pins[i] < 0) return trouble_at(Stage::kPin, i);
  }
  if (::mount("fbx", kScratch, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755") != 0)
    return trouble_at(Stage::kUpper);
  *scratch_fd = ::open(kScratch, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  for (size_t i = 0; i < plan.steps.size(); ++i) {
    if (!carry_out(plan.steps[i], pins)) return trouble_at(Stage::kStep, i);
  }
  if (::chdir("/") != 0 || ::umount2(kScratch, kDetach) != 0) return trouble_at(Stage::kUpper);
  if (::mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr) != 0)
    return trouble_at(Stage::kProc);
  return {Stage::kReady, 0, 0};
}

void keep_only(int scratch_fd) {
  const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  if (scratch_fd != kScratchFd) ::dup2(scratch_fd, kScratchFd);
  for (int fd = 0; fd < 3; ++fd) ::dup2(null, fd);
  ::syscall(SYS_close_range, kScratchFd + 1, ~0u, 0);
}

[[noreturn]] void reap_for_ever() {
  sigset_t wanted;
  ::sigemptyset(&wanted);
  ::sigaddset(&wanted, SIGCHLD);
  for (;;) {
    while (::waitpid(-1, nullptr, WNOHANG) > 0) {
    }
    ::sigwaitinfo(&wanted, nullptr);
  }
}

[[noreturn]] void be_guard(const GuardStart& start, int report_fd) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  // The parent may have died before the signal was asked for: then nobody reads.
  pollfd reader{report_fd, POLLOUT, 0};
  if (::poll(&reader, 1, 0) < 0 || (reader.revents & POLLERR) != 0) ::_exit(1);
  ::prctl(PR_SET_NAME, "fbx-guard");
  ::signal(SIGCHLD, SIG_DFL);
  ::setsid();
  ::umask(0);
  int scratch_fd = -1;
  GuardReport report = mount_all(*start.mounts, &scratch_fd);
  if (report.stage == Stage::kReady && start.own_network && !loopback_up())
    report = trouble_at(Stage::kLoopback);
  if (::write(report_fd, &report, sizeof report) != sizeof report || report.stage != Stage::kReady)
    ::_exit(1);
  keep_only(scratch_fd);
  reap_for_ever();
}

// ---- back in the parent ----

GuardReport read_report(int fd) {
  GuardReport report;
  ssize_t n = 0;
  do {
    n = ::read(fd, &report, sizeof report);
  } while (n < 0 && errno == EINTR);
  return n == sizeof report ? report : GuardReport{};
}

pid_t clone_guard(const GuardStart& start, int report_fd, int* pidfd) {
  clone_args args{};
  args.flags = CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC | CLONE_PIDFD;
  if (start.own_network) args.flags |= CLONE_NEWNET;
  args.exit_signal = SIGCHLD;
  if (start.cgroup_fd >= 0) {
    args.flags |= CLONE_INTO_CGROUP;
    args.cgroup = static_cast<uint64_t>(start.cgroup_fd);
  }
  args.pidfd = reinterpret_cast<uint64_t>(pidfd);
  const auto pid = static_cast<pid_t>(::syscall(SYS_clone3, &args, sizeof args));
  if (pid == 0) be_guard(start, report_fd);
  return pid;
}

}  // namespace

Result<Guard> start_guard(const GuardStart& start, GuardReport& report) {
  if (start.mounts->pins.size() > kMaxPins) return fail("too many files to keep visible");
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return fail_errno("pipe");
  const Fd read_end(ends[0]);
  Fd write_end(ends[1]);
  // The guard handles no signal; none may reach it before it says so.
  sigset_t all, old;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &old);
  int pidfd = -1;
  const pid_t pid = clone_guard(start, write_end.get(), &pidfd);
  const int errnum = errno;
  ::pthread_sigmask(SIG_SETMASK, &old, nullptr);
  if (pid < 0) return fail_errno("clone3", errnum);
  Guard guard{pid, Fd(pidfd)};
  write_end.reset();
  report = read_report(read_end.get());
  if (report.stage != Stage::kReady) {
    (void)signal_process(guard.pidfd.get(), SIGKILL);
    (void)reap(pid);
  }
  return guard;
}

}  // namespace fbx::sandbox
