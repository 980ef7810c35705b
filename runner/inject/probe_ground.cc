// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <pwd.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>

#include "runner/inject/probe.h"
#include "runner/sandbox/fd.h"
#include "runner/sandbox/process.h"
#include "runner/sandbox/user_namespace.h"

namespace fbx::inject {
namespace {

using sandbox::Fd;

enum class Stage : int { kGone, kUser, kNamespaces, kFork, kPrivate, kTmpfs, kProc, kOverlay, kDone };

struct Report {
  Stage stage = Stage::kGone;  // how far it got
  int errnum = 0;              // of the stage that failed
};

[[noreturn]] void tell(int to, Stage stage, int errnum) {
  const Report report{stage, errnum};
  (void)!::write(to, &report, sizeof report);
  ::_exit(0);
}

// What a guard does (runner/sandbox/guard.cc), on the scratch of its own namespaces.
[[noreturn]] void be_init(int to) {
  if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0)
    tell(to, Stage::kPrivate, errno);
  if (::mount("fbx", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777") != 0)
    tell(to, Stage::kTmpfs, errno);
  if (::mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr) != 0)
    tell(to, Stage::kProc, errno);
  ::mkdir("/tmp/u", 0755);
  ::mkdir("/tmp/w", 0755);
  ::mkdir("/tmp/m", 0755);
  if (::mount("fbx", "/tmp/m", "overlay", 0, "lowerdir=/usr,upperdir=/tmp/u,workdir=/tmp/w") != 0)
    tell(to, Stage::kOverlay, errno);
  tell(to, Stage::kDone, 0);
}

[[noreturn]] void try_ground(int to) {
  if (::geteuid() != 0)
    if (Status entered = sandbox::enter_user_namespace(); !entered)
      tell(to, Stage::kUser, entered.error().errnum);
  if (::unshare(CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC) != 0)
    tell(to, Stage::kNamespaces, errno);
  const pid_t init = ::fork();
  if (init < 0) tell(to, Stage::kFork, errno);
  if (init == 0) be_init(to);
  ::waitpid(init, nullptr, 0);
  ::_exit(0);
}

Report ask() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return {Stage::kGone, errno};
  const Fd in(ends[0]);
  Fd out(ends[1]);
  const pid_t parent = ::getpid(), child = ::fork();
  if (child == 0) {
    sandbox::die_with(parent);
    try_ground(out.get());
  }
  out.reset();
  Report report;
  if (child < 0 || ::read(in.get(), &report, sizeof report) != sizeof report)
    report = {Stage::kGone, errno};
  if (child > 0) ::waitpid(child, nullptr, 0);
  return report;
}

const char* what_failed(Stage stage) {
  switch (stage) {
    case Stage::kUser: return "making a user namespace was refused";
    case Stage::kNamespaces: return "making PID, mount, network and IPC namespaces was refused";
    case Stage::kFork: return "a new PID namespace takes no process";
    case Stage::kPrivate: return "mounting in an own mount namespace was refused";
    case Stage::kTmpfs: return "mounting a tmpfs in own namespaces was refused";
    case Stage::kProc: return "mounting /proc of an own PID namespace was refused";
    case Stage::kOverlay: return "an overlay over a folder of this machine was refused";
    case Stage::kGone: return "a process that tries namespaces died";
    case Stage::kDone: break;
  }
  return "";
}

std::string remedy_for(Stage stage) {
  if (stage == Stage::kProc)
    return "in a container: run it with --security-opt systempaths=unconfined";
  if (stage == Stage::kOverlay)
    return "Linux 5.11 allows it; put specs on a file system that can be a lower layer";
  if (::geteuid() == 0) return "in a container: run it with --privileged";
  return sandbox::user_namespace_remedy();
}

}  // namespace

void probe_ground(Capabilities& into) {
  const bool root = ::geteuid() == 0;
  const Report report = ask();
  const Capability failed{
      .works = false,
      .why = std::string(what_failed(report.stage)) + " (" + std::strerror(report.errnum) + ")",
      .remedy = remedy_for(report.stage)};
  into.namespaces = into.overlay = {.works = true};
  if (report.stage != Stage::kDone) into.overlay = failed;
  if (report.stage < Stage::kOverlay) into.namespaces = failed;
  into.ground = root                      ? Ground::kRoot
                : into.namespaces.works ? Ground::kUserNamespace
                                          : Ground::kHost;
  into.any_user = root;
  const passwd* entry = ::getpwuid(::geteuid());
  into.user = entry ? entry->pw_name : std::to_string(::geteuid());
}

}  // namespace fbx::inject
