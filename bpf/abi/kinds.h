// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// Kinds of descriptor, by the file behind it and never by its number. Numbers are part of the
// record layout (event.h) and equal runner/observe/event.h's FdKind; add at the end.
//
// Valid C11, C++23 and BPF C.
#pragma once

#define FBX_KIND_NONE 0    // the call has no descriptor, or it was not open
#define FBX_KIND_FILE 1    // regular file or directory of a real file system
#define FBX_KIND_SHM 2     // the same in /dev/shm: a file only when path= names it
#define FBX_KIND_PSEUDO 3  // proc, sysfs, cgroup, tracefs, bpffs, memfd, devices
#define FBX_KIND_STREAM 4  // TCP and MPTCP
#define FBX_KIND_UDP 5
#define FBX_KIND_UNIX 6
#define FBX_KIND_SOCKET 7  // any other socket: netlink, packet, raw
#define FBX_KIND_PIPE 8
#define FBX_KIND_TTY 9
#define FBX_KIND_OTHER 10  // eventfd, epoll, signalfd, io_uring
#define FBX_KIND_COUNT 11

#define FBX_KIND_BIT(kind) (1u << FBX_KIND_##kind)
#define FBX_KINDS_FILES FBX_KIND_BIT(FILE)
#define FBX_KINDS_SOCKETS \
  (FBX_KIND_BIT(STREAM) | FBX_KIND_BIT(UDP) | FBX_KIND_BIT(UNIX) | FBX_KIND_BIT(SOCKET))
// Every kind, and calls without a descriptor.
#define FBX_KINDS_ANY ((1u << FBX_KIND_COUNT) - 1)
