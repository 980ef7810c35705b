// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// Families of system calls: the words a spec uses for several calls at once (LANGUAGE section 5).
// A call that stands in no family is a family of its own, under its own name.
//
//   X(name, bit, kinds)   kinds: mask of FBX_KIND_BIT, the descriptors that a fault hits by default
//
// Valid C11, C++23 and BPF C.
#pragma once

#include "bpf/abi/kinds.h"

#define FBX_F_WRITE (1ULL << 0)
#define FBX_F_READ (1ULL << 1)
#define FBX_F_FSYNC (1ULL << 2)
#define FBX_F_OPEN (1ULL << 3)
#define FBX_F_SPACE (1ULL << 4)
#define FBX_F_MODIFY (1ULL << 5)
#define FBX_F_CONNECT (1ULL << 6)
#define FBX_F_BIND (1ULL << 7)
#define FBX_F_LISTEN (1ULL << 8)
#define FBX_F_ACCEPT (1ULL << 9)
#define FBX_F_SEND (1ULL << 10)
#define FBX_F_RECV (1ULL << 11)
#define FBX_F_CLOSE (1ULL << 12)
#define FBX_F_STAT (1ULL << 13)
#define FBX_F_POLL (1ULL << 14)
#define FBX_F_MMAP (1ULL << 15)
#define FBX_F_MPROTECT (1ULL << 16)
#define FBX_F_ACCESS (1ULL << 17)
#define FBX_F_PIPE (1ULL << 18)
#define FBX_F_SELECT (1ULL << 19)
#define FBX_F_DUP (1ULL << 20)
#define FBX_F_NANOSLEEP (1ULL << 21)
#define FBX_F_FORK (1ULL << 22)
#define FBX_F_EXEC (1ULL << 23)
#define FBX_F_EXIT (1ULL << 24)
#define FBX_F_WAIT (1ULL << 25)
#define FBX_F_KILL (1ULL << 26)
#define FBX_F_TRUNCATE (1ULL << 27)
#define FBX_F_GETDENTS (1ULL << 28)
#define FBX_F_CHDIR (1ULL << 29)
#define FBX_F_RENAME (1ULL << 30)
#define FBX_F_MKDIR (1ULL << 31)
#define FBX_F_RMDIR (1ULL << 32)
#define FBX_F_LINK (1ULL << 33)
#define FBX_F_UNLINK (1ULL << 34)
#define FBX_F_SYMLINK (1ULL << 35)
#define FBX_F_READLINK (1ULL << 36)
#define FBX_F_CHMOD (1ULL << 37)
#define FBX_F_CHOWN (1ULL << 38)
#define FBX_F_TIME (1ULL << 39)
#define FBX_F_GETRLIMIT (1ULL << 40)
#define FBX_F_SETUID (1ULL << 41)
#define FBX_F_SETGID (1ULL << 42)
#define FBX_F_UTIME (1ULL << 43)
#define FBX_F_MKNOD (1ULL << 44)
#define FBX_F_STATFS (1ULL << 45)
#define FBX_F_MLOCK (1ULL << 46)
#define FBX_F_SETRLIMIT (1ULL << 47)
#define FBX_F_UMOUNT (1ULL << 48)
#define FBX_F_SETXATTR (1ULL << 49)
#define FBX_F_GETXATTR (1ULL << 50)
#define FBX_F_LISTXATTR (1ULL << 51)
#define FBX_F_REMOVEXATTR (1ULL << 52)
#define FBX_F_FUTEX (1ULL << 53)
#define FBX_F_EPOLL_CREATE (1ULL << 54)
#define FBX_F_EPOLL_WAIT (1ULL << 55)
#define FBX_F_INOTIFY_INIT (1ULL << 56)
#define FBX_F_SIGNALFD (1ULL << 57)
#define FBX_F_EVENTFD (1ULL << 58)
#define FBX_F_MEMFD_CREATE (1ULL << 59)

#define FBX_FAMILIES(X) \
  X(write, FBX_F_WRITE, FBX_KINDS_FILES) \
  X(read, FBX_F_READ, FBX_KINDS_FILES) \
  X(fsync, FBX_F_FSYNC, FBX_KINDS_FILES) \
  X(open, FBX_F_OPEN, FBX_KINDS_ANY) \
  X(space, FBX_F_SPACE, FBX_KINDS_FILES) \
  X(modify, FBX_F_MODIFY, FBX_KINDS_FILES) \
  X(connect, FBX_F_CONNECT, FBX_KIND_BIT(STREAM) | FBX_KIND_BIT(UNIX)) \
  X(bind, FBX_F_BIND, FBX_KINDS_SOCKETS) \
  X(listen, FBX_F_LISTEN, FBX_KINDS_SOCKETS) \
  X(accept, FBX_F_ACCEPT, FBX_KINDS_SOCKETS) \
  X(send, FBX_F_SEND, FBX_KINDS_SOCKETS) \
  X(recv, FBX_F_RECV, FBX_KINDS_SOCKETS) \
  X(close, FBX_F_CLOSE, FBX_KINDS_ANY) \
  X(stat, FBX_F_STAT, FBX_KINDS_ANY) \
  X(poll, FBX_F_POLL, FBX_KINDS_ANY) \
  X(mmap, FBX_F_MMAP, FBX_KINDS_ANY) \
  X(mprotect, FBX_F_MPROTECT, FBX_KINDS_ANY) \
  X(access, FBX_F_ACCESS, FBX_KINDS_ANY) \
  X(pipe, FBX_F_PIPE, FBX_KINDS_ANY) \
  X(select, FBX_F_SELECT, FBX_KINDS_ANY) \
  X(dup, FBX_F_DUP, FBX_KINDS_ANY) \
  X(nanosleep, FBX_F_NANOSLEEP, FBX_KINDS_ANY) \
  X(fork, FBX_F_FORK, FBX_KINDS_ANY) \
  X(exec, FBX_F_EXEC, FBX_KINDS_ANY) \
  X(exit, FBX_F_EXIT, FBX_KINDS_ANY) \
  X(wait, FBX_F_WAIT, FBX_KINDS_ANY) \
  X(kill, FBX_F_KILL, FBX_KINDS_ANY) \
  X(truncate, FBX_F_TRUNCATE, FBX_KINDS_ANY) \
  X(getdents, FBX_F_GETDENTS, FBX_KINDS_ANY) \
  X(chdir, FBX_F_CHDIR, FBX_KINDS_ANY) \
  X(rename, FBX_F_RENAME, FBX_KINDS_ANY) \
  X(mkdir, FBX_F_MKDIR, FBX_KINDS_ANY) \
  X(rmdir, FBX_F_RMDIR, FBX_KINDS_ANY) \
  X(link, FBX_F_LINK, FBX_KINDS_ANY) \
  X(unlink, FBX_F_UNLINK, FBX_KINDS_ANY) \
  X(symlink, FBX_F_SYMLINK, FBX_KINDS_ANY) \
  X(readlink, FBX_F_READLINK, FBX_KINDS_ANY) \
  X(chmod, FBX_F_CHMOD, FBX_KINDS_ANY) \
  X(chown, FBX_F_CHOWN, FBX_KINDS_ANY) \
  X(time, FBX_F_TIME, FBX_KINDS_ANY) \
  X(getrlimit, FBX_F_GETRLIMIT, FBX_KINDS_ANY) \
  X(setuid, FBX_F_SETUID, FBX_KINDS_ANY) \
  X(setgid, FBX_F_SETGID, FBX_KINDS_ANY) \
  X(utime, FBX_F_UTIME, FBX_KINDS_ANY) \
  X(mknod, FBX_F_MKNOD, FBX_KINDS_ANY) \
  X(statfs, FBX_F_STATFS, FBX_KINDS_ANY) \
  X(mlock, FBX_F_MLOCK, FBX_KINDS_ANY) \
  X(setrlimit, FBX_F_SETRLIMIT, FBX_KINDS_ANY) \
  X(umount, FBX_F_UMOUNT, FBX_KINDS_ANY) \
  X(setxattr, FBX_F_SETXATTR, FBX_KINDS_ANY) \
  X(getxattr, FBX_F_GETXATTR, FBX_KINDS_ANY) \
  X(listxattr, FBX_F_LISTXATTR, FBX_KINDS_ANY) \
  X(removexattr, FBX_F_REMOVEXATTR, FBX_KINDS_ANY) \
  X(futex, FBX_F_FUTEX, FBX_KINDS_ANY) \
  X(epoll_create, FBX_F_EPOLL_CREATE, FBX_KINDS_ANY) \
  X(epoll_wait, FBX_F_EPOLL_WAIT, FBX_KINDS_ANY) \
  X(inotify_init, FBX_F_INOTIFY_INIT, FBX_KINDS_ANY) \
  X(signalfd, FBX_F_SIGNALFD, FBX_KINDS_ANY) \
  X(eventfd, FBX_F_EVENTFD, FBX_KINDS_ANY) \
  X(memfd_create, FBX_F_MEMFD_CREATE, FBX_KINDS_ANY)

// Other spellings of a family. The single call is spelled "=openat" in filters.
#define FBX_FAMILY_ALIASES(X) \
  X(openat, open) \
  X(sendto, send) \
  X(recvfrom, recv)
