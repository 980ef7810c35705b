// SPDX-License-Identifier: Apache-2.0
//
// The entry points of libc that the shim stands in for: exactly the symbols it exports. What libc
// has besides (stdio, stat, posix_fallocate, syscall()…) reaches the supervisor through the gate.
//
//   X(symbol, system call)  arguments as the kernel takes them
//   A(alias, symbol)        the same function under another name
//   O(symbol)               written out in its family's file, because the arguments differ
#pragma once

#define FBX_WRITE_ENTRIES(X, A, O) \
  X(write, write) A(__write, write) X(pwrite64, pwrite64) A(pwrite, pwrite64) \
  A(__pwrite64, pwrite64) X(writev, writev) X(sendfile, sendfile) A(sendfile64, sendfile) \
  X(copy_file_range, copy_file_range) X(splice, splice) \
  O(pwritev) A(pwritev64, pwritev) O(pwritev2) A(pwritev64v2, pwritev2)
#define FBX_READ_ENTRIES(X, A, O) \
  X(read, read) A(__read, read) X(pread64, pread64) A(pread, pread64) A(__pread64, pread64) \
  X(readv, readv) O(preadv) A(preadv64, preadv) O(preadv2) A(preadv64v2, preadv2) \
  O(__read_chk) O(__pread_chk) A(__pread64_chk, __pread_chk)
#define FBX_SYNC_ENTRIES(X, A, O) \
  X(fsync, fsync) X(fdatasync, fdatasync) X(sync_file_range, sync_file_range) \
  X(syncfs, syncfs) X(sync, sync)
#define FBX_OPEN_ENTRIES(X, A, O) \
  O(open) A(open64, open) A(__open, open) A(__open64, open) O(__open_2) A(__open64_2, __open_2) \
  O(openat) A(openat64, openat) O(__openat_2) A(__openat64_2, __openat_2) \
  X(creat, creat) A(creat64, creat) X(close, close) A(__close, close)
#define FBX_SOCKET_ENTRIES(X, A, O) \
  X(connect, connect) A(__connect, connect) X(bind, bind) X(listen, listen) X(accept, accept) \
  X(accept4, accept4) X(sendto, sendto) X(sendmsg, sendmsg) A(__sendmsg, sendmsg) \
  X(sendmmsg, sendmmsg) A(__sendmmsg, sendmmsg) X(recvfrom, recvfrom) X(recvmsg, recvmsg) \
  X(recvmmsg, recvmmsg) O(send) A(__send, send) O(recv) O(__recv_chk)
#define FBX_NAME_ENTRIES(X, A, O) \
  X(unlink, unlink) X(unlinkat, unlinkat) X(rename, rename) X(renameat, renameat) \
  X(renameat2, renameat2) X(link, link) X(linkat, linkat) X(mkdir, mkdir) X(mkdirat, mkdirat) \
  X(rmdir, rmdir) X(truncate, truncate) A(truncate64, truncate) X(ftruncate, ftruncate) \
  A(ftruncate64, ftruncate) X(fallocate, fallocate) A(fallocate64, fallocate)

// vfork.S: no call to be decided, but one that the shim must know of.
#define FBX_PROCESS_ENTRIES(X, A, O) O(vfork) A(__vfork, vfork)

#define FBX_SHIM_ENTRY_POINTS(X, A, O) \
  FBX_WRITE_ENTRIES(X, A, O) FBX_READ_ENTRIES(X, A, O) FBX_SYNC_ENTRIES(X, A, O) \
  FBX_OPEN_ENTRIES(X, A, O) FBX_SOCKET_ENTRIES(X, A, O) FBX_NAME_ENTRIES(X, A, O) \
  FBX_PROCESS_ENTRIES(X, A, O)
