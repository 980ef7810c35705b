// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// Kinds of descriptor, by the file behind it and never by its number. Numbers are part of the
// record layout (event.h) and equal runner/observe/event.h's FdKind; add at the end.
//
// Beside them what tells one kind from another, so that kernel programs, shim and supervisor cannot
// differ: a fault acts by the shim's or the supervisor's answer, a look-back by the kernel's.
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

// File systems that hold no files of anybody's (include/uapi/linux/magic.h, fs/pidfs.c): s_magic, or
// statfs's f_type.
#define FBX_PSEUDO_FILESYSTEMS(X)                                                         \
  X(0x9fa0, proc) X(0x62656572, sysfs) X(0x27e0eb, cgroup) X(0x63677270, cgroup2)         \
  X(0x74726163, tracefs) X(0x64626720, debugfs) X(0x73636673, securityfs)                 \
  X(0xcafe4a11, bpf) X(0x62656570, configfs) X(0x6165676c, pstore) X(0xde5e81e4, efivarfs) \
  X(0x19800202, mqueue) X(0x6e736673, nsfs) X(0x50494446, pidfs) X(0xf97cff8c, selinuxfs) \
  X(0x65735543, fusectl) X(0x5345434d, secretmem) X(0x1cd1, devpts)                       \
  X(0x958458f6, hugetlbfs) X(0x50495045, pipefs) X(0x534f434b, sockfs)

#define FBX_KINDS_INLINE static inline __attribute__((always_inline))

FBX_KINDS_INLINE int fbx_is_pseudo_filesystem(unsigned long long magic) {
#define FBX_IS_PSEUDO(number, name) case number:
  switch (magic & 0xffffffffu) {
    FBX_PSEUDO_FILESYSTEMS(FBX_IS_PSEUDO) return 1;
    default: return 0;
  }
#undef FBX_IS_PSEUDO
}

// drivers/tty: major 4 (consoles, serial lines), 5 (/dev/tty, /dev/console), 136…143 (pty).
FBX_KINDS_INLINE int fbx_is_tty(unsigned major) {
  return major == 4 || major == 5 || (major >= 136 && major <= 143);
}

// A socket by its domain, type and protocol: TCP (6) and MPTCP (262), UDP (17). SCTP, UDP-Lite and
// ping sockets are neither.
FBX_KINDS_INLINE unsigned fbx_socket_kind(unsigned domain, unsigned type, unsigned protocol) {
  if (domain == 1) return FBX_KIND_UNIX;
  if (domain != 2 && domain != 10) return FBX_KIND_SOCKET;
  if (type == 1 && (protocol == 6 || protocol == 262)) return FBX_KIND_STREAM;
  if (type == 2 && protocol == 17) return FBX_KIND_UDP;
  return FBX_KIND_SOCKET;
}
