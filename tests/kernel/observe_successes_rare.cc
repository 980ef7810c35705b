// SPDX-License-Identifier: Apache-2.0
//
// What few programs call: mounts, keys, policies, system-wide calls in a namespace of their own.
#include "tests/kernel/observe_successes_rows.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/openat2.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/rseq.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <cstring>


namespace fbx::observe::testing {

namespace {

struct XattrArgs {
  uint64_t value;
  uint32_t size, flags;
};
long tmpfs() {
  const long fs = raw("fsopen", "tmpfs", 0);
  raw("fsconfig", fs, 6, nullptr, nullptr, 0);  // FSCONFIG_CMD_CREATE
  return fs;
}

}  // namespace

const std::vector<Success> kRare = {
    ROW(modify_ldt, 0, t.buffer, 64),
    ROW(iopl, 0),
    ROW(ioperm, 0, 1, 0),
    ROW(mbind, t.map, 4096, 0, nullptr, 0, 0),
    ROW(set_mempolicy, 0, nullptr, 0),
    ROW(move_pages, 0, 0, nullptr, nullptr, nullptr, 0),
    ROW(settimeofday, nullptr, nullptr),
    DO(open_by_handle_at, *reinterpret_cast<unsigned*>(t.buffer) = 128;
       raw("name_to_handle_at", t.folder_fd, "f", t.buffer, t.buffer + 512, 0);
       return raw("open_by_handle_at", t.folder_fd, t.buffer, O_RDONLY);),
    DO(process_madvise, iovec io{t.map, 4096};
       return raw("process_madvise", raw("pidfd_open", getpid(), 0), &io, 1, 20, 0);),
    DO(io_pgetevents, raw("io_setup", 4, t.buffer);
       return raw("io_pgetevents", *reinterpret_cast<long*>(t.buffer), 0, 1, t.buffer + 64, nullptr,
                  nullptr);),
    ROW(futex_wake, t.buffer, 0xffffffff, 1, 2),
    DO(listmount, t.buffer[0] = 24; *reinterpret_cast<uint64_t*>(t.buffer + 8) = ~uint64_t{0};
       return raw("listmount", t.buffer, t.buffer + 512, 8, 0);),
    DO(lsm_list_modules, *reinterpret_cast<unsigned*>(t.buffer) = 2048;
       return raw("lsm_list_modules", t.buffer + 64, t.buffer, 0);),
    DO(setxattrat, XattrArgs a{reinterpret_cast<uint64_t>("b"), 1, 0};
       return raw("setxattrat", t.folder_fd, "f", 0, "user.a", &a, sizeof a);),
    DO(getxattrat, raw("setxattr", "f", "user.a", "b", 1, 0);
       XattrArgs a{reinterpret_cast<uint64_t>(t.buffer), 9, 0};
       return raw("getxattrat", t.folder_fd, "f", 0, "user.a", &a, sizeof a);),
    ROW(listxattrat, t.folder_fd, "f", 0, t.buffer, 999),
    DO(removexattrat, raw("setxattr", "f", "user.a", "b", 1, 0);
       return raw("removexattrat", t.folder_fd, "f", 0, "user.a");),
    ROW(mount_setattr, AT_FDCWD, "/", 0, t.buffer, 32),
    DO(fsconfig, return raw("fsconfig", raw("fsopen", "tmpfs", 0), 6, nullptr, nullptr, 0);),
    ROW(fsmount, tmpfs(), 0, 0),
    DO(move_mount, be_alone(CLONE_NEWNS); mkdir("d", 0700);
       return raw("move_mount", raw("fsmount", tmpfs(), 0, 0), "", AT_FDCWD, "d", 4);),
    DO(request_key, raw("add_key", "user", "fbx", "x", 1, -1);
       return raw("request_key", "user", "fbx", nullptr, 0);),
    ROW(io_uring_register, raw("io_uring_setup", 4, t.buffer), 8, t.buffer + 512, 1),
};

namespace {

// In a child that is the first of a PID namespace of its own.
long in_pid_namespace(Things& t, long (*make)()) {
  if (unshare(CLONE_NEWPID) != 0) return -errno;
  const pid_t child = fork();
  if (child == 0) _exit(static_cast<int>(-make()));
  *t.by = child;
  int status = 0;
  waitpid(child, &status, 0);
  return -WEXITSTATUS(status);
}

// Wakes whoever waits on the word, once somebody does.
void wake_from_child(unsigned* futex) {
  if (fork() != 0) return;
  while (syscall(SYS_futex, futex, FUTEX_WAKE, 1, nullptr, nullptr, 0) == 0) sched_yield();
  _exit(0);
}

unsigned* shared_word() {
  void* page = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  return static_cast<unsigned*>(page);
}

struct Waiter {  // struct futex_waitv
  uint64_t value, address;
  uint32_t flags, reserved;
};
constexpr uint32_t kFutex32 = 2;  // FUTEX2_SIZE_U32

long ruleset(Things& t) {
  *reinterpret_cast<uint64_t*>(t.buffer) = 1;  // LANDLOCK_ACCESS_FS_EXECUTE
  return raw("landlock_create_ruleset", t.buffer, 8, 0);
}

// A tmpfs of our own as the root, with another mounted in it at /n, which has a folder o.
int nested_roots() {
  be_alone(CLONE_NEWNS);
  if (mkdir("d", 0700) != 0 || mount("none", "d", "tmpfs", 0, nullptr) != 0 || chroot("d") != 0 ||
      chdir("/") != 0 || mkdir("n", 0700) != 0 || mount("none", "n", "tmpfs", 0, nullptr) != 0)
    return -errno;
  return mkdir("n/o", 0700);
}

uint64_t mount_id(Things& t) {
  raw("statx", AT_FDCWD, ".", 0, 0x4000, t.buffer);  // STATX_MNT_ID_UNIQUE
  return *reinterpret_cast<uint64_t*>(t.buffer + 144);
}

}  // namespace

const std::vector<Success> kNew = {
    DO(rt_sigreturn, signal(SIGUSR1, [](int) {}); raise(SIGUSR1); return 0;),
    DO(execve, const char* args[] = {"true", nullptr};
       return raw("execve", "/bin/true", args, args + 1);),
    DO(execveat, const char* args[] = {"true", nullptr};
       return raw("execveat", AT_FDCWD, "/bin/true", args, args + 1, 0);),
    DO(vfork, const pid_t child = vfork(); if (child == 0) _exit(0); waitpid(child, nullptr, 0);
       return child;),
    DO(acct, return in_pid_namespace(t, [] { return raw("acct", nullptr); });),
    DO(vhangup, setsid(); return raw("vhangup");),
    ROW0(sync),
    ROW(quotactl, 0x800001 << 8, nullptr, 0, nullptr),  // QCMD(Q_SYNC, USRQUOTA), every file system
    DO(ustat, struct stat of; fstat(t.fd, &of); return raw("ustat", of.st_dev, t.buffer);),
    DO(pivot_root, if (const int failed = nested_roots()) return failed;
       return raw("pivot_root", "/n", "/n/o");),
    DO(remap_file_pages, void* two = mmap(nullptr, 8192, PROT_READ | PROT_WRITE,
                                          MAP_SHARED | MAP_ANONYMOUS, -1, 0);
       return raw("remap_file_pages", two, 4096, 0, 1, 0);),
    DO(migrate_pages, uint64_t node = 1; return raw("migrate_pages", 0, 64, &node, &node);),
    {"pkey_alloc", [](Things&) { return raw("pkey_alloc", 0, 0); }, EINVAL},
    {"pkey_free", [](Things&) { return raw("pkey_free", raw("pkey_alloc", 0, 0)); }, EINVAL},
    DO(rseq, char* area = static_cast<char*>(__builtin_thread_pointer()) + __rseq_offset;
       return raw("rseq", area, 32, 1, 0x53053053);),
    {"landlock_add_rule",
     [](Things& t) {
       const long rules = ruleset(t);
       *reinterpret_cast<int*>(t.buffer + 8) = t.folder_fd;
       return raw("landlock_add_rule", rules, 1, t.buffer, 0);
     },
     EOPNOTSUPP},
    {"landlock_restrict_self",
     [](Things& t) { return raw("landlock_restrict_self", ruleset(t), 0); }, EOPNOTSUPP},
    ROW(memfd_secret, 0),
    DO(futex_waitv, unsigned* futex = shared_word(); wake_from_child(futex);
       Waiter w{0, reinterpret_cast<uint64_t>(futex), kFutex32, 0};
       return raw("futex_waitv", &w, 1, 0, nullptr, 0);),
    DO(futex_wait, unsigned* futex = shared_word(); wake_from_child(futex);
       return raw("futex_wait", futex, 0, ~uint32_t{0}, kFutex32, nullptr, 0);),
    DO(futex_requeue, auto futex = reinterpret_cast<uint64_t>(shared_word());
       Waiter w[2] = {{0, futex, kFutex32, 0}, {0, futex + 64, kFutex32, 0}};
       return raw("futex_requeue", w, 0, 0, 1);),
    DO(set_mempolicy_home_node, uint64_t node = 1; raw("mbind", t.map, 8192, 2, &node, 64, 0);
       return raw("set_mempolicy_home_node", t.map, 8192, 0, 0);),
    {"map_shadow_stack", [](Things&) { return raw("map_shadow_stack", 0, 4096, 0); }, EOPNOTSUPP},
    DO(statmount, const uint64_t id = mount_id(t); const uint64_t ask[3] = {24, id, 1};
       return raw("statmount", ask, t.buffer, 4096, 0);),
    {"lsm_get_self_attr",
     [](Things& t) {
       *reinterpret_cast<uint32_t*>(t.buffer) = 2048;
       return raw("lsm_get_self_attr", 100, t.buffer + 64, t.buffer, 0);
     },
     EOPNOTSUPP},
    ROW(open_tree_attr, AT_FDCWD, ".", 0, nullptr, 0),
    {"file_getattr",
     [](Things& t) { return raw("file_getattr", t.folder_fd, "f", t.buffer, 24, 0); }, EOPNOTSUPP},
    {"file_setattr",
     [](Things& t) {
       raw("file_getattr", t.folder_fd, "f", t.buffer, 24, 0);
       return raw("file_setattr", t.folder_fd, "f", t.buffer, 24, 0);
     },
     EOPNOTSUPP},
};

}  // namespace fbx::observe::testing
