// SPDX-License-Identifier: Apache-2.0
#include "tests/kernel/observe_successes.h"

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
#include <type_traits>

#include "bpf/abi/tables.h"

namespace fbx::observe::testing {

Things::Things(const char* folder) {
  if (mkdir(folder, 0700) != 0 || chdir(folder) != 0) _exit(90);
  fd = open(file, O_RDWR | O_CREAT, 0600);
  folder_fd = open(".", O_RDONLY | O_DIRECTORY);
  if (write(fd, "12345678", 8) != 8 || lseek(fd, 0, SEEK_SET) != 0) _exit(91);
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0 || ::pipe(pipe) != 0) _exit(92);
  if (write(pair[0], "12345678", 8) != 8 || write(pipe[1], "12345678", 8) != 8) _exit(93);
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  listener = socket(AF_INET, SOCK_STREAM, 0);
  dialled = socket(AF_INET, SOCK_STREAM, 0);
  socklen_t size = sizeof at;
  if (bind(listener, reinterpret_cast<sockaddr*>(&at), size) != 0 || listen(listener, 8) != 0 ||
      getsockname(listener, reinterpret_cast<sockaddr*>(&at), &size) != 0 ||
      connect(dialled, reinterpret_cast<sockaddr*>(&at), size) != 0)
    _exit(94);
  std::memcpy(address, &at, sizeof at);
  epoll = epoll_create1(0);
  map = mmap(nullptr, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

namespace {

template <typename T>
long word(T value) {
  if constexpr (std::is_null_pointer_v<T>)
    return 0;
  else if constexpr (std::is_pointer_v<T>)
    return reinterpret_cast<long>(value);
  else
    return static_cast<long>(value);
}

// As the kernel returns it.
template <typename... Args>
long raw(std::string_view name, Args... args) {
  const long ret = syscall(abi::find_syscall(name)->nr(), word(args)...);
  return ret == -1 ? -errno : ret;
}

iovec eight(Things& t) {
  return {t.buffer, 8};
}
msghdr message(iovec* io) {
  msghdr m{};
  m.msg_iov = io;
  m.msg_iovlen = 1;
  return m;
}
timespec soon() {
  return {0, 1000};
}
pid_t ended_child() {
  const pid_t child = fork();
  if (child == 0) _exit(3);
  return child;
}
int queue() {
  return msgget(IPC_PRIVATE, 0600 | IPC_CREAT);
}
long with_queue(long (*make)(int)) {
  const int id = queue();
  const long ret = make(id);
  msgctl(id, IPC_RMID, nullptr);
  return ret;
}
long with_semaphore(long (*make)(int)) {
  const int id = semget(IPC_PRIVATE, 1, 0600 | IPC_CREAT);
  const long ret = make(id);
  semctl(id, 0, IPC_RMID);
  return ret;
}
long with_segment(long (*make)(int)) {
  const int id = shmget(IPC_PRIVATE, 4096, 0600 | IPC_CREAT);
  const long ret = make(id);
  shmctl(id, IPC_RMID, nullptr);
  return ret;
}

#define ROW(name, ...)                                                    \
  {                                                                       \
#name, [](Things& t) -> long { (void)t; return raw(#name, __VA_ARGS__); } \
  }
#define ROW0(name)                                    \
  {                                                   \
#name, [](Things&) -> long { return raw(#name); } \
  }
#define DO(name, ...)                                 \
  {                                                   \
#name, [](Things& t) -> long { (void)t; __VA_ARGS__ } \
  }

const std::vector<Success> kFiles = {
    ROW(read, t.fd, t.buffer, 8),
    ROW(write, t.fd, "12", 2),
    ROW(open, "new", O_CREAT | O_RDWR, 0600),
    ROW(close, t.fd),
    ROW(stat, "f", t.buffer),
    ROW(fstat, t.fd, t.buffer),
    ROW(lstat, "f", t.buffer),
    ROW(lseek, t.fd, 3, SEEK_SET),
    ROW(pread64, t.fd, t.buffer, 8, 1),
    ROW(pwrite64, t.fd, "12", 2, 1),
    DO(readv, iovec io = eight(t); return raw("readv", t.fd, &io, 1);),
    DO(writev, iovec io = eight(t); return raw("writev", t.fd, &io, 1);),
    DO(preadv, iovec io = eight(t); return raw("preadv", t.fd, &io, 1, 0, 0);),
    DO(pwritev, iovec io = eight(t); return raw("pwritev", t.fd, &io, 1, 0, 0);),
    DO(preadv2, iovec io = eight(t); return raw("preadv2", t.fd, &io, 1, 0, 0, 0);),
    DO(pwritev2, iovec io = eight(t); return raw("pwritev2", t.fd, &io, 1, 0, 0, 0);),
    ROW(access, "f", R_OK),
    ROW(dup, t.fd),
    ROW(dup2, t.fd, 200),
    ROW(dup3, t.fd, 201, O_CLOEXEC),
    ROW(fcntl, t.fd, F_GETFL),
    ROW(flock, t.fd, 1),
    ROW(fsync, t.fd),
    ROW(fdatasync, t.fd),
    ROW(truncate, "f", 3),
    ROW(ftruncate, t.fd, 3),
    ROW(getdents, t.folder_fd, t.buffer, 4096),
    ROW(getdents64, t.folder_fd, t.buffer, 4096),
    ROW(getcwd, t.buffer, 4096),
    ROW(chdir, "."),
    ROW(fchdir, t.folder_fd),
    ROW(rename, "f", "g"),
    ROW(mkdir, "d", 0700),
    DO(rmdir, mkdir("d", 0700); return raw("rmdir", "d");),
    ROW(creat, "new", 0600),
    ROW(link, "f", "g"),
    ROW(unlink, "f"),
    ROW(symlink, "f", "g"),
    DO(readlink, if (symlink("f", "g")) return -1; return raw("readlink", "g", t.buffer, 99);),
    ROW(chmod, "f", 0600),
    ROW(fchmod, t.fd, 0600),
    ROW(chown, "f", -1, -1),
    ROW(fchown, t.fd, -1, -1),
    ROW(lchown, "f", -1, -1),
    ROW(umask, 077),
    ROW(utime, "f", nullptr),
    ROW(utimes, "f", nullptr),
    ROW(futimesat, AT_FDCWD, "f", nullptr),
    ROW(utimensat, AT_FDCWD, "f", nullptr, 0),
    ROW(mknod, "p", S_IFIFO | 0600, 0),
    ROW(mknodat, AT_FDCWD, "p", S_IFIFO | 0600, 0),
    ROW(statfs, "f", t.buffer),
    ROW(fstatfs, t.fd, t.buffer),
    ROW(chroot, "."),
    ROW(readahead, t.fd, 0, 8),
    ROW(fadvise64, t.fd, 0, 8, 0),
    ROW(fallocate, t.fd, 0, 0, 100),
    ROW(sync_file_range, t.fd, 0, 8, 0),
    ROW(syncfs, t.fd),
    ROW(openat, t.folder_fd, "f", O_RDONLY),
    ROW(mkdirat, t.folder_fd, "d", 0700),
    ROW(fchownat, t.folder_fd, "f", -1, -1, 0),
    ROW(newfstatat, t.folder_fd, "f", t.buffer, 0),
    ROW(unlinkat, t.folder_fd, "f", 0),
    ROW(renameat, t.folder_fd, "f", t.folder_fd, "g"),
    ROW(renameat2, t.folder_fd, "f", t.folder_fd, "g", 0),
    ROW(linkat, t.folder_fd, "f", t.folder_fd, "g", 0),
    ROW(symlinkat, "f", t.folder_fd, "g"),
    DO(readlinkat, if (symlink("f", "g")) return -1;
       return raw("readlinkat", t.folder_fd, "g", t.buffer, 99);),
    ROW(fchmodat, t.folder_fd, "f", 0600),
    ROW(fchmodat2, t.folder_fd, "f", 0600, 0),
    ROW(faccessat, t.folder_fd, "f", R_OK),
    ROW(faccessat2, t.folder_fd, "f", R_OK, 0),
    ROW(statx, t.folder_fd, "f", 0, 0xfff, t.buffer),
    DO(openat2, open_how how{}; return raw("openat2", t.folder_fd, "f", &how, sizeof how);),
    ROW(close_range, 500, 600, 0),
    ROW(copy_file_range, t.fd, 0, open("new", O_CREAT | O_RDWR, 0600), 0, 8, 0),
    ROW(sendfile, t.pair[0], t.fd, 0, 8),
    ROW(splice, t.pipe[0], 0, t.fd, 0, 8, 0),
    DO(tee, int other[2]; if (pipe(other)) return -1;
       return raw("tee", t.pipe[0], other[1], 8, 0);),
    DO(vmsplice, iovec io = eight(t); return raw("vmsplice", t.pipe[1], &io, 1, 0);),
    ROW(setxattr, "f", "user.a", "b", 1, 0),
    ROW(lsetxattr, "f", "user.a", "b", 1, 0),
    ROW(fsetxattr, t.fd, "user.a", "b", 1, 0),
    ROW(listxattr, "f", t.buffer, 999),
    ROW(llistxattr, "f", t.buffer, 999),
    ROW(flistxattr, t.fd, t.buffer, 999),
    DO(getxattr, raw("setxattr", "f", "user.a", "b", 1, 0);
       return raw("getxattr", "f", "user.a", t.buffer, 9);),
    DO(lgetxattr, raw("setxattr", "f", "user.a", "b", 1, 0);
       return raw("lgetxattr", "f", "user.a", t.buffer, 9);),
    DO(fgetxattr, raw("setxattr", "f", "user.a", "b", 1, 0);
       return raw("fgetxattr", t.fd, "user.a", t.buffer, 9);),
    DO(removexattr, raw("setxattr", "f", "user.a", "b", 1, 0);
       return raw("removexattr", "f", "user.a");),
    DO(lremovexattr, raw("setxattr", "f", "user.a", "b", 1, 0);
       return raw("lremovexattr", "f", "user.a");),
    DO(fremovexattr, raw("setxattr", "f", "user.a", "b", 1, 0);
       return raw("fremovexattr", t.fd, "user.a");),
    ROW(memfd_create, "m", 0),
    ROW(pipe, t.buffer),
    ROW(pipe2, t.buffer, O_CLOEXEC),
    ROW0(inotify_init),
    ROW(inotify_init1, 0),
    ROW(inotify_add_watch, inotify_init1(0), ".", IN_CREATE),
    DO(inotify_rm_watch, int n = inotify_init1(0);
       return raw("inotify_rm_watch", n, inotify_add_watch(n, ".", IN_CREATE));),
    ROW(ioctl, t.pipe[0], 0x541b, t.buffer),
    DO(name_to_handle_at, *reinterpret_cast<unsigned*>(t.buffer) = 128;
       return raw("name_to_handle_at", t.folder_fd, "f", t.buffer, t.buffer + 512, 0);),
    ROW(open_tree, t.folder_fd, "f", 0),
    ROW(fsopen, "tmpfs", 0),
    ROW(fspick, AT_FDCWD, "/", 0),
    ROW(cachestat, t.fd, t.buffer, t.buffer + 64, 0),
};

const std::vector<Success> kNetwork = {
    ROW(socket, AF_INET, SOCK_STREAM, 0),
    ROW(connect, socket(AF_INET, SOCK_STREAM, 0), t.address, 16),
    ROW(accept, t.listener, nullptr, nullptr),
    ROW(accept4, t.listener, 0, 0, SOCK_CLOEXEC),
    ROW(sendto, t.pair[0], "12", 2, 0, 0, 0),
    ROW(recvfrom, t.pair[1], t.buffer, 8, 0, 0, 0),
    DO(sendmsg, iovec io = eight(t); msghdr m = message(&io);
       return raw("sendmsg", t.pair[0], &m, 0);),
    DO(recvmsg, iovec io = eight(t); msghdr m = message(&io);
       return raw("recvmsg", t.pair[1], &m, 0);),
    DO(sendmmsg, iovec io = eight(t); mmsghdr m{message(&io), 0};
       return raw("sendmmsg", t.pair[0], &m, 1, 0);),
    DO(recvmmsg, iovec io = eight(t); mmsghdr m{message(&io), 0};
       return raw("recvmmsg", t.pair[1], &m, 1, 0, nullptr);),
    ROW(shutdown, t.pair[0], SHUT_WR),
    DO(bind, reinterpret_cast<sockaddr_in*>(t.address)->sin_port = 0;
       return raw("bind", socket(AF_INET, SOCK_STREAM, 0), t.address, 16);),
    ROW(listen, t.listener, 4),
    ROW(getsockname, t.listener, t.buffer, &t.address_size),
    ROW(getpeername, t.dialled, t.buffer, &t.address_size),
    ROW(socketpair, AF_UNIX, SOCK_STREAM, 0, t.buffer),
    DO(setsockopt, int on = 1;
       return raw("setsockopt", t.listener, SOL_SOCKET, SO_REUSEADDR, &on, 4);),
    ROW(getsockopt, t.listener, SOL_SOCKET, SO_TYPE, t.buffer, &t.address_size),
    DO(poll, pollfd p{t.pair[1], POLLIN, 0}; return raw("poll", &p, 1, 1000);),
    DO(ppoll, pollfd p{t.pair[1], POLLIN, 0}; return raw("ppoll", &p, 1, nullptr, nullptr, 8);),
    DO(select, timespec s = soon(); return raw("select", 0, 0, 0, 0, &s);),
    DO(pselect6, timespec s = soon(); return raw("pselect6", 0, 0, 0, 0, &s, nullptr);),
    ROW(epoll_create, 1),
    ROW(epoll_create1, 0),
    ROW(epoll_wait, t.epoll, t.buffer, 4, 0),
    ROW(epoll_pwait, t.epoll, t.buffer, 4, 0, nullptr, 8),
    DO(epoll_pwait2, timespec s = soon();
       return raw("epoll_pwait2", t.epoll, t.buffer, 4, &s, nullptr, 8);),
    DO(epoll_ctl, epoll_event e{}; return raw("epoll_ctl", t.epoll, EPOLL_CTL_ADD, t.pair[1], &e);),
    ROW(eventfd, 1),
    ROW(eventfd2, 1, 0),
    DO(signalfd, sigset_t s; sigemptyset(&s); return raw("signalfd", -1, &s, 8);),
    DO(signalfd4, sigset_t s; sigemptyset(&s); return raw("signalfd4", -1, &s, 8, 0);),
};

const std::vector<Success> kMemory = {
    ROW(mmap, nullptr, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
    ROW(mprotect, t.map, 4096, PROT_READ),
    ROW(munmap, t.map, 8192),
    ROW(brk, 0),
    ROW(mremap, t.map, 8192, 4096, 0),
    ROW(msync, t.map, 4096, MS_ASYNC),
    ROW(mincore, t.map, 4096, t.buffer),
    ROW(madvise, t.map, 4096, MADV_NORMAL),
    ROW(mlock, t.map, 4096),
    ROW(mlock2, t.map, 4096, 0),
    ROW(munlock, t.map, 4096),
    ROW(mlockall, MCL_CURRENT),
    ROW0(munlockall),
    ROW(membarrier, 0, 0, 0),
    ROW(pkey_mprotect, t.map, 4096, PROT_READ, -1),
    DO(process_vm_readv, iovec to = eight(t), from{t.map, 8};
       return raw("process_vm_readv", getpid(), &to, 1, &from, 1, 0);),
    DO(process_vm_writev, iovec from = eight(t), to{t.map, 8};
       return raw("process_vm_writev", getpid(), &from, 1, &to, 1, 0);),
    ROW(mseal, t.map, 4096, 0),
    ROW(get_mempolicy, t.buffer, nullptr, 0, nullptr, 0),
    DO(shmget, return with_segment([](int) { return raw("shmget", IPC_PRIVATE, 4096, 0); });),
    DO(shmat, return with_segment([](int id) { return raw("shmat", id, nullptr, 0); });),
    DO(shmdt, return with_segment([](int id) { return raw("shmdt", shmat(id, nullptr, 0)); });),
    DO(shmctl,
       return raw("shmctl", shmget(IPC_PRIVATE, 4096, 0600 | IPC_CREAT), IPC_RMID, nullptr);),
    DO(semget, const long id = raw("semget", IPC_PRIVATE, 1, 0600); raw("semctl", id, 0, IPC_RMID);
       return id;),
    DO(semop, return with_semaphore([](int id) {
         sembuf b{0, 1, 0};
         return raw("semop", id, &b, 1);
       });),
    DO(semtimedop, return with_semaphore([](int id) {
         sembuf b{0, 1, 0};
         return raw("semtimedop", id, &b, 1, nullptr);
       });),
    DO(semctl, return with_semaphore([](int id) { return raw("semctl", id, 0, GETVAL); });),
    DO(msgget, const long id = raw("msgget", IPC_PRIVATE, 0600);
       raw("msgctl", id, IPC_RMID, nullptr); return id;),
    DO(msgsnd, return with_queue([](int id) {
         long m[2] = {1, 2};
         return raw("msgsnd", id, m, 8, 0);
       });),
    DO(msgrcv, return with_queue([](int id) {
         long m[2] = {1, 2};
         msgsnd(id, m, 8, 0);
         return raw("msgrcv", id, m, 8, 0, 0);
       });),
    DO(msgctl, return raw("msgctl", queue(), IPC_RMID, nullptr);),
};

const std::vector<Success> kProcess = {
    ROW0(sched_yield),
    ROW0(getpid),
    ROW0(getppid),
    ROW0(getuid),
    ROW0(geteuid),
    ROW0(getgid),
    ROW0(getegid),
    ROW0(gettid),
    ROW0(getpgrp),
    ROW(getpgid, 0),
    ROW(getsid, 0),
    ROW0(setsid),
    ROW(setpgid, 0, 0),
    ROW(setuid, 0),
    ROW(setgid, 0),
    ROW(setreuid, -1, -1),
    ROW(setregid, -1, -1),
    ROW(getgroups, 0, nullptr),
    ROW(setgroups, 0, nullptr),
    ROW(setresuid, -1, -1, -1),
    ROW(setresgid, -1, -1, -1),
    ROW(getresuid, t.buffer, t.buffer + 8, t.buffer + 16),
    ROW(getresgid, t.buffer, t.buffer + 8, t.buffer + 16),
    ROW(setfsuid, 0),
    ROW(setfsgid, 0),
    ROW(uname, t.buffer),
    ROW(getrlimit, 3, t.buffer),
    ROW(getrusage, 0, t.buffer),
    ROW(sysinfo, t.buffer),
    ROW(times, t.buffer),
    ROW(prlimit64, 0, 3, nullptr, t.buffer),
    DO(setrlimit, raw("getrlimit", 3, t.buffer); return raw("setrlimit", 3, t.buffer);),
    ROW(personality, 0xffffffff),
    ROW(getpriority, 0, 0),
    ROW(setpriority, 0, 0, 0),
    ROW(sched_getparam, 0, t.buffer),
    ROW(sched_setparam, 0, t.buffer),
    ROW(sched_getscheduler, 0),
    ROW(sched_setscheduler, 0, 0, t.buffer),
    ROW(sched_get_priority_max, 1),
    ROW(sched_get_priority_min, 1),
    ROW(sched_rr_get_interval, 0, t.buffer),
    ROW(sched_getaffinity, 0, 128, t.buffer),
    DO(sched_setaffinity, raw("sched_getaffinity", 0, 128, t.buffer);
       return raw("sched_setaffinity", 0, 128, t.buffer);),
    ROW(sched_getattr, 0, t.buffer, 56, 0),
    DO(sched_setattr, raw("sched_getattr", 0, t.buffer, 56, 0);
       return raw("sched_setattr", 0, t.buffer, 0);),
    ROW(prctl, PR_GET_DUMPABLE),
    ROW(arch_prctl, 0x1003, t.buffer),
    ROW(capget, (*reinterpret_cast<unsigned*>(t.buffer) = 0x20080522, t.buffer), t.buffer + 64),
    DO(capset, *reinterpret_cast<unsigned*>(t.buffer) = 0x20080522;
       raw("capget", t.buffer, t.buffer + 64); return raw("capset", t.buffer, t.buffer + 64);),
    ROW(kill, getpid(), 0),
    ROW(tkill, gettid(), 0),
    ROW(tgkill, getpid(), gettid(), 0),
    DO(wait4, return raw("wait4", ended_child(), t.buffer, 0, nullptr);),
    DO(waitid, return raw("waitid", P_PID, ended_child(), t.buffer, WEXITED, nullptr);),
    ROW(pidfd_open, getpid(), 0),
    ROW(pidfd_send_signal, raw("pidfd_open", getpid(), 0), 0, nullptr, 0),
    ROW(pidfd_getfd, raw("pidfd_open", getpid(), 0), t.fd, 0),
    ROW(kcmp, getpid(), getpid(), 0, t.fd, t.fd),
    ROW(set_tid_address, t.buffer),
    ROW(set_robust_list, t.buffer, 24),
    ROW(get_robust_list, 0, t.buffer, t.buffer + 8),
    ROW(unshare, 0),
    ROW(getcpu, t.buffer, t.buffer + 8, nullptr),
    ROW(ioprio_get, 1, 0),
    ROW(ioprio_set, 1, 0, 0),
    ROW(syslog, 10, nullptr, 0),
    ROW(rt_sigaction, SIGUSR1, nullptr, t.buffer, 8),
    ROW(rt_sigprocmask, 0, nullptr, t.buffer, 8),
    ROW(rt_sigpending, t.buffer, 8),
    ROW(sigaltstack, nullptr, t.buffer),
    DO(rt_sigtimedwait, sigset_t s; sigemptyset(&s); sigaddset(&s, SIGUSR1);
       sigprocmask(SIG_BLOCK, &s, nullptr); raise(SIGUSR1);
       return raw("rt_sigtimedwait", &s, nullptr, nullptr, 8);),
    DO(rt_sigqueueinfo, signal(SIGUSR1, SIG_IGN); siginfo_t i{}; i.si_code = -1;
       return raw("rt_sigqueueinfo", getpid(), SIGUSR1, &i);),
    DO(rt_tgsigqueueinfo, signal(SIGUSR1, SIG_IGN); siginfo_t i{}; i.si_code = -1;
       return raw("rt_tgsigqueueinfo", getpid(), gettid(), SIGUSR1, &i);),
    ROW(futex, t.buffer, FUTEX_WAKE, 1, nullptr, nullptr, 0),
    ROW(ptrace, 0, 0, 0, 0),
    ROW(landlock_create_ruleset, nullptr, 0, 1),
    ROW(seccomp, 2, 0, t.buffer),
    DO(clone, const long p = raw("clone", SIGCHLD, 0, 0, 0, 0); if (p == 0) _exit(0);
       waitpid(static_cast<pid_t>(p), nullptr, 0); return p;),
    DO(fork, const long p = raw("fork"); if (p == 0) _exit(0);
       waitpid(static_cast<pid_t>(p), nullptr, 0); return p;),
    DO(clone3, *reinterpret_cast<uint64_t*>(t.buffer + 32) = SIGCHLD;
       const long p = raw("clone3", t.buffer, 64); if (p == 0) _exit(0);
       waitpid(static_cast<pid_t>(p), nullptr, 0); return p;),
    ROW(add_key, "user", "fbx", "x", 1, -1),
    ROW(keyctl, 0, -1, 1),
    ROW(io_setup, 4, (*reinterpret_cast<long*>(t.buffer) = 0, t.buffer)),
    DO(io_destroy, raw("io_setup", 4, t.buffer);
       return raw("io_destroy", *reinterpret_cast<long*>(t.buffer));),
    DO(io_getevents, raw("io_setup", 4, t.buffer); return raw(
           "io_getevents", *reinterpret_cast<long*>(t.buffer), 0, 1, t.buffer + 64, nullptr);),
    DO(io_submit, raw("io_setup", 4, t.buffer);
       return raw("io_submit", *reinterpret_cast<long*>(t.buffer), 0, nullptr);),
    ROW(io_uring_setup, 4, t.buffer),
    ROW(io_uring_enter, raw("io_uring_setup", 4, t.buffer), 0, 0, 0, nullptr, 0),
    ROW(perf_event_open, (t.buffer[0] = 1, t.buffer[4] = 64, t.buffer), 0, -1, -1, 0),
    ROW(bpf, 0, (t.buffer[0] = 2, t.buffer[4] = 4, t.buffer[8] = 4, t.buffer[12] = 1, t.buffer),
        32),
    ROW(userfaultfd, 0x80000),
    ROW(fanotify_init, 0, 0),
    ROW(fanotify_mark, raw("fanotify_init", 0, 0), 1, 8, AT_FDCWD, "."),
    ROW(setns, raw("pidfd_open", getpid(), 0), CLONE_NEWNET),
    ROW(sysfs, 3),
    DO(mount, raw("unshare", CLONE_NEWNS); mkdir("d", 0700);
       return raw("mount", "none", "d", "tmpfs", 0, nullptr);),
    DO(umount2, raw("unshare", CLONE_NEWNS); raw("mount", nullptr, "/", nullptr, 0x44000, nullptr);
       mkdir("d", 0700); raw("mount", "none", "d", "tmpfs", 0, nullptr);
       return raw("umount2", "d", 0);),
    DO(sethostname, raw("unshare", CLONE_NEWUTS); return raw("sethostname", "x", 1);),
    DO(setdomainname, raw("unshare", CLONE_NEWUTS); return raw("setdomainname", "x", 1);),
};

const std::vector<Success> kTime = {
    DO(nanosleep, timespec s = soon(); return raw("nanosleep", &s, nullptr);),
    ROW(getitimer, 0, t.buffer),
    ROW(setitimer, 0, t.buffer, nullptr),
    ROW(alarm, 19),
    ROW(gettimeofday, t.buffer, nullptr),
    ROW(time, nullptr),
    ROW(clock_gettime, 1, t.buffer),
    ROW(clock_getres, 1, t.buffer),
    ROW(adjtimex, t.buffer),
    ROW(clock_adjtime, 0, t.buffer),
    DO(clock_nanosleep, timespec s = soon(); return raw("clock_nanosleep", 1, 0, &s, nullptr);),
    ROW(timer_create, 1, nullptr, t.buffer),
    DO(timer_settime, raw("timer_create", 1, nullptr, t.buffer);
       return raw("timer_settime", *reinterpret_cast<int*>(t.buffer), 0, t.buffer + 64, nullptr);),
    DO(timer_gettime, raw("timer_create", 1, nullptr, t.buffer);
       return raw("timer_gettime", *reinterpret_cast<int*>(t.buffer), t.buffer + 64);),
    DO(timer_getoverrun, raw("timer_create", 1, nullptr, t.buffer);
       return raw("timer_getoverrun", *reinterpret_cast<int*>(t.buffer));),
    DO(timer_delete, raw("timer_create", 1, nullptr, t.buffer);
       return raw("timer_delete", *reinterpret_cast<int*>(t.buffer));),
    ROW(timerfd_create, 1, 0),
    ROW(timerfd_settime, raw("timerfd_create", 1, 0), 0, t.buffer, nullptr),
    ROW(timerfd_gettime, raw("timerfd_create", 1, 0), t.buffer),
    ROW(getrandom, t.buffer, 8, 0),
    DO(mq_open, mkdir("q", 0700);
       return raw("mq_open", "fbx-test", O_CREAT | O_RDWR, 0600, nullptr);),
    DO(mq_unlink, raw("mq_open", "fbx-test-u", O_CREAT | O_RDWR, 0600, nullptr);
       return raw("mq_unlink", "fbx-test-u");),
    DO(mq_timedsend, const long q = raw("mq_open", "fbx-test", O_CREAT | O_RDWR, 0600, nullptr);
       return raw("mq_timedsend", q, "x", 1, 0, nullptr);),
    DO(mq_timedreceive, const long q = raw("mq_open", "fbx-test", O_CREAT | O_RDWR, 0600, nullptr);
       raw("mq_timedsend", q, "x", 1, 0, nullptr); static char big[8192];
       return raw("mq_timedreceive", q, big, 8192, nullptr, nullptr);),
    DO(mq_notify, const long q = raw("mq_open", "fbx-test", O_CREAT | O_RDWR, 0600, nullptr);
       return raw("mq_notify", q, nullptr);),
    DO(mq_getsetattr, const long q = raw("mq_open", "fbx-test", O_CREAT | O_RDWR, 0600, nullptr);
       return raw("mq_getsetattr", q, nullptr, t.buffer);),
};

struct XattrArgs {
  uint64_t value;
  uint32_t size, flags;
};
long tmpfs() {
  const long fs = raw("fsopen", "tmpfs", 0);
  raw("fsconfig", fs, 6, nullptr, nullptr, 0);  // FSCONFIG_CMD_CREATE
  return fs;
}

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
    DO(move_mount, raw("unshare", CLONE_NEWNS);
       raw("mount", nullptr, "/", nullptr, 0x44000, nullptr); mkdir("d", 0700);
       return raw("move_mount", raw("fsmount", tmpfs(), 0, 0), "", AT_FDCWD, "d", 4);),
    DO(request_key, raw("add_key", "user", "fbx", "x", 1, -1);
       return raw("request_key", "user", "fbx", nullptr, 0);),
    ROW(io_uring_register, raw("io_uring_setup", 4, t.buffer), 8, t.buffer + 512, 1),
};

}  // namespace

const std::vector<Success>& successes() {
  static const std::vector<Success> all = [] {
    std::vector<Success> out;
    for (const auto* some : {&kFiles, &kNetwork, &kMemory, &kProcess, &kTime, &kRare})
      out.insert(out.end(), some->begin(), some->end());
    return out;
  }();
  return all;
}

}  // namespace fbx::observe::testing
