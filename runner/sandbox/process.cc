// SPDX-License-Identifier: Apache-2.0
#include "runner/sandbox/process.h"

#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <string>

namespace fbx::sandbox {

Result<Fd> open_pidfd(pid_t pid) {
  const long fd = ::syscall(SYS_pidfd_open, pid, 0);
  if (fd < 0) return fail_errno("pidfd_open");
  return Fd(static_cast<int>(fd));
}

Result<pid_t> pid_of(int pidfd) {
  std::ifstream info("/proc/self/fdinfo/" + std::to_string(pidfd));
  for (std::string line; std::getline(info, line);)
    if (line.starts_with("Pid:"))
      if (const int pid = std::atoi(line.c_str() + 4); pid > 0) return pid;
  return fail_errno("finding a process by its pidfd", ESRCH);
}

Result<Fd> fetch_fd(int pidfd, int fd) {
  const long own = ::syscall(SYS_pidfd_getfd, pidfd, fd, 0);
  if (own < 0) return fail_errno("pidfd_getfd");
  return Fd(static_cast<int>(own));
}

Status signal_process(int pidfd, int signal) {
  if (::syscall(SYS_pidfd_send_signal, pidfd, signal, nullptr, 0) != 0)
    return fail_errno("pidfd_send_signal");
  return {};
}

Result<std::optional<int>> try_reap(pid_t pid) {
  int status = 0;
  const pid_t got = ::waitpid(pid, &status, WNOHANG);
  if (got < 0) return fail_errno("waitpid");
  if (got == 0) return std::optional<int>();
  return std::optional<int>(status);
}

Result<int> reap(pid_t pid) {
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0) {
    if (errno != EINTR) return fail_errno("waitpid");
  }
  return status;
}

void die_with(pid_t parent) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(1);
}

}  // namespace fbx::sandbox
