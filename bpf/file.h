// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// From a descriptor's number to its file, and what kind of thing that is (bpf/abi/kinds.h).
#pragma once

#include "bpf/kernel.h"
#include "bpf/sock.h"
#include "bpf/abi/kinds.h"

#define FBX_S_IFMT 0170000
#define FBX_S_IFSOCK 0140000
#define FBX_S_IFREG 0100000
#define FBX_S_IFBLK 0060000
#define FBX_S_IFDIR 0040000
#define FBX_S_IFCHR 0020000
#define FBX_S_IFIFO 0010000

#define FBX_O_NONBLOCK 00004000
#define FBX_O_DSYNC 00010000
#define FBX_O_SYNC_BIT 04000000  // __O_SYNC
#define FBX_O_CREAT 00000100

// The task's own file of that number, or NULL. fs/file.c; read without a lock: another thread that
// closes it at this moment may win, as it may against the call itself.
static __always_inline struct file *fd__file(int fd) {
  struct task_struct *task = bpf_get_current_task_btf();
  if (fd < 0) return 0;
  struct fdtable *table = task->files->fdt;
  if ((unsigned int)fd >= table->max_fds) return 0;
  struct file **files = table->fd;
  struct file *file = 0;
  bpf_probe_read_kernel(&file, sizeof(file), &files[fd]);
  return file;
}

// include/uapi/linux/magic.h: file systems that hold no files of anybody's.
static __always_inline int super__is_pseudo(uint64_t magic) {
  switch (magic) {
    case 0x9fa0:      // proc
    case 0x62656572:  // sysfs
    case 0x27e0eb:    // cgroup
    case 0x63677270:  // cgroup2
    case 0x74726163:  // tracefs
    case 0x64626720:  // debugfs
    case 0xcafe4a11:  // bpf
    case 0x73636673:  // securityfs
    case 0x62656570:  // configfs
    case 0x6165676c:  // pstore
    case 0xde5e81e4:  // efivarfs
    case 0x19800202:  // mqueue
    case 0x6e736673:  // nsfs
    case 0x50494446:  // pidfs
    case 0xf97cff8c:  // selinuxfs
    case 0x65735543:  // fusectl
    case 0x5345434d:  // secretmem
    case 0x1cd1:      // devpts
      return 1;
  }
  return 0;
}

static __always_inline uint32_t sock__kind(uint16_t family, uint16_t type) {
  if (family == FBX_AF_UNIX) return FBX_KIND_UNIX;
  if (family != FBX_AF_INET && family != FBX_AF_INET6) return FBX_KIND_SOCKET;
  if (type == FBX_SOCK_STREAM) return FBX_KIND_STREAM;
  if (type == FBX_SOCK_DGRAM) return FBX_KIND_UDP;
  return FBX_KIND_SOCKET;
}

// drivers/tty: major 4 (consoles, serial lines), 5 (/dev/tty, /dev/console), 136…143 (pty).
static __always_inline int rdev__is_tty(uint32_t rdev) {
  uint32_t major = rdev >> 20;
  return major == 4 || major == 5 || (major >= 136 && major <= 143);
}

// Sockets come back as FBX_KIND_SOCKET: sock__kind() says more. memfds live on the kernel's own
// mount of tmpfs, which has no parent and no mount point: the caller's walk finds that out.
static __always_inline uint32_t inode__kind(struct inode *inode, uint16_t mode) {
  switch (mode & FBX_S_IFMT) {
    case FBX_S_IFSOCK: return FBX_KIND_SOCKET;
    case FBX_S_IFIFO: return FBX_KIND_PIPE;
    case FBX_S_IFCHR:
      return rdev__is_tty(BPF_CORE_READ(inode, i_rdev)) ? FBX_KIND_TTY : FBX_KIND_PSEUDO;
    case FBX_S_IFBLK: return FBX_KIND_PSEUDO;
    case FBX_S_IFREG:
    case FBX_S_IFDIR:
      return super__is_pseudo(BPF_CORE_READ(inode, i_sb, s_magic)) ? FBX_KIND_PSEUDO
                                                                   : FBX_KIND_FILE;
  }
  return FBX_KIND_OTHER;
}
