// SPDX-License-Identifier: Apache-2.0
#include "runner/service/nanny.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <ctime>

namespace fbx::service {

namespace {

void wake(std::atomic<uint32_t>& word) {
  ::syscall(SYS_futex, &word, FUTEX_WAKE, 1, nullptr, nullptr, 0);
}

// getdents64(2).
struct Entry {
  uint64_t inode;
  int64_t next;
  unsigned short size;
  unsigned char type;
  char name[1];
};

// The parent of a process, from /proc/<name>/stat: "pid (comm) state ppid …".
pid_t parent_of(const char* name) {
  char path[64] = "/proc/";
  std::strncat(path, name, 16);
  std::strcat(path, "/stat");
  const int fd = ::open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return -1;
  char text[512];
  const ssize_t n = ::read(fd, text, sizeof text - 1);
  ::close(fd);
  if (n <= 0) return -1;
  text[n] = 0;
  const char* end = std::strrchr(text, ')');
  return end == nullptr || std::strlen(end) < 5 ? -1 : std::atoi(end + 4);
}

void kill_children() {
  const pid_t self = ::getpid();
  const int proc = ::open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (proc < 0) return;
  alignas(Entry) static char buffer[8192];
  for (;;) {
    const long n = ::syscall(SYS_getdents64, proc, buffer, sizeof buffer);
    if (n <= 0) break;
    for (long at = 0; at < n;) {
      const auto* entry = reinterpret_cast<const Entry*>(buffer + at);
      at += entry->size;
      const char* name = entry->name;
      if (name[0] < '1' || name[0] > '9') continue;
      if (parent_of(name) == self) ::kill(std::atoi(name), SIGKILL);
    }
  }
  ::close(proc);
}

// False when there are no children any more.
bool reap_the_dead(pid_t child, Nursed& nursed) {
  for (;;) {
    int status = 0;
    const pid_t dead = ::waitpid(-1, &status, WNOHANG);
    if (dead == 0) return true;
    if (dead < 0) return errno != ECHILD;
    if (dead != child) continue;
    nursed.wait_status = status;
    nursed.ended.store(1, std::memory_order_release);
    wake(nursed.ended);
  }
}

}  // namespace

void wait_briefly(std::atomic<uint32_t>& word, uint32_t value) {
  constexpr timespec kBound{0, 1'000'000};
  ::syscall(SYS_futex, &word, FUTEX_WAIT, value, &kBound, nullptr, 0);
}

bool become_nanny(int alive) {
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  pollfd parent{alive, POLLOUT, 0};
  if (::poll(&parent, 1, 0) < 0 || (parent.revents & POLLERR) != 0) return false;
  ::prctl(PR_SET_NAME, "fbx-nanny");
  ::signal(SIGCHLD, SIG_DFL);
  ::setsid();
  return true;
}

void nurse(pid_t child, int pidfd, Nursed& nursed) {
  const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  if (pidfd != kNursedPidfd) ::dup2(pidfd, kNursedPidfd);
  for (int fd = 0; fd < kNursedPidfd; ++fd) ::dup2(null, fd);
  ::syscall(SYS_close_range, kNursedPidfd + 1, ~0u, 0);
  nursed.born.store(1, std::memory_order_release);
  wake(nursed.born);
  sigset_t wanted;
  ::sigemptyset(&wanted);
  ::sigaddset(&wanted, SIGCHLD);
  ::sigaddset(&wanted, SIGTERM);
  // A process that ends at once keeps its number until the worker has hold of it.
  for (; nursed.taken.load(std::memory_order_acquire) == 0; wait_briefly(nursed.taken, 0)) {
    sigset_t pending;
    if (::sigpending(&pending) == 0 && ::sigismember(&pending, SIGTERM) == 1) break;
  }
  bool killing = false;
  while (reap_the_dead(child, nursed)) {
    // Killed children leave theirs to us: look again until there are none, which no signal tells.
    constexpr timespec kSoon{0, 500'000};
    if (killing) kill_children();
    const int signal =
        killing ? ::sigtimedwait(&wanted, nullptr, &kSoon) : ::sigwaitinfo(&wanted, nullptr);
    killing = killing || signal == SIGTERM;
  }
  ::_exit(0);
}

}  // namespace fbx::service
