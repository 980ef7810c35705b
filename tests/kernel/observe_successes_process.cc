// SPDX-License-Identifier: Apache-2.0
//
// Memory, processes, time.
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

}  // namespace

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
    DO(mount, be_alone(CLONE_NEWNS); mkdir("d", 0700);
       return raw("mount", "none", "d", "tmpfs", 0, nullptr);),
    DO(umount2, be_alone(CLONE_NEWNS); mkdir("d", 0700);
       raw("mount", "none", "d", "tmpfs", 0, nullptr);
       return raw("umount2", "d", 0);),
    DO(sethostname, be_alone(CLONE_NEWUTS); return raw("sethostname", "x", 1);),
    DO(setdomainname, be_alone(CLONE_NEWUTS); return raw("setdomainname", "x", 1);),
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

}  // namespace fbx::observe::testing
