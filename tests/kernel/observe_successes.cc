// SPDX-License-Identifier: Apache-2.0
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

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdint>
#include <cstdlib>
#include <cstring>


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

Witness* witness = nullptr;

namespace {

// What the kernel says a descriptor is, before the call takes it away.
void note_file(int fd, char* path, size_t size) {
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  const ssize_t length = readlink(link, path, size - 1);
  path[length > 0 ? length : 0] = 0;
  constexpr std::string_view kDeleted = " (deleted)";
  if (const std::string_view all = path; all.ends_with(kDeleted))
    path[all.size() - kDeleted.size()] = 0;
}

}  // namespace

std::array<uint64_t, 6> witnessed(const abi::Syscall& row, std::array<uint64_t, 6> args,
                                  size_t given) {
  constexpr uint64_t kPoison = 0xbad0bad000000000;
  for (size_t i = 0; i < args.size(); ++i) {
    if (row.args[i] == FBX_ARG_NONE)
      args[i] = kPoison | 0xbad0bad0;
    else if (i < given && FBX_ARG_IS_32BIT(row.args[i]))
      args[i] = kPoison | static_cast<uint32_t>(args[i]);
  }
  if (witness == nullptr || row.name != witness->call) return args;
  std::copy(args.begin(), args.end(), witness->args);
  if (const int at = row.arg(FBX_ARG_FD); at >= 0)
    note_file(static_cast<int>(args[static_cast<size_t>(at)]), witness->file,
              sizeof witness->file);
  if (const int at = row.arg(FBX_ARG_PATH); at >= 0 && args[static_cast<size_t>(at)] > 4096)
    snprintf(witness->path, sizeof witness->path, "%s",
             reinterpret_cast<const char*>(args[static_cast<size_t>(at)]));
  return args;
}

void witness_result(const abi::Syscall& row, long ret) {
  if (witness == nullptr || row.name != witness->call || ret < 0) return;
  if (row.traits & FBX_TRAIT_RETURNS_FD)
    note_file(static_cast<int>(ret), witness->file, sizeof witness->file);
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

const std::vector<Success>& successes() {
  static const std::vector<Success> all = [] {
    std::vector<Success> out;
    for (const auto* some : {&kFiles, &kNetwork, &kMemory, &kProcess, &kTime, &kRare, &kNew})
      out.insert(out.end(), some->begin(), some->end());
    return out;
  }();
  return all;
}

}  // namespace fbx::observe::testing
