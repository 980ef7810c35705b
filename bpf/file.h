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
static __always_inline struct file *fd__file_of(struct task_struct *task, int fd) {
  if (fd < 0) return 0;
  struct fdtable *table = task->files->fdt;
  if ((unsigned int)fd >= table->max_fds) return 0;
  struct file **files = table->fd;
  struct timespec64 *slot = (void *)&files[fd];  // any structure that begins with a word
  return (struct file *)kernel__read(slot, tv_sec);
}

static __always_inline struct file *fd__file(int fd) {
  return fd__file_of(bpf_get_current_task_btf(), fd);
}

// Sockets come back as FBX_KIND_SOCKET: fbx_socket_kind() says more. memfds live on the kernel's
// own mount of tmpfs, which has no parent and no mount point: the caller's walk finds that out.
static __always_inline int inode__is_pseudo(struct inode *inode) {
  struct super_block *sb = kernel__read(inode, i_sb);
  return fbx_is_pseudo_filesystem(kernel__read(sb, s_magic));
}

static __always_inline uint32_t inode__kind(struct inode *inode, uint16_t mode) {
  switch (mode & FBX_S_IFMT) {
    case FBX_S_IFSOCK: return FBX_KIND_SOCKET;
    case FBX_S_IFIFO: return FBX_KIND_PIPE;
    case FBX_S_IFCHR:
      return fbx_is_tty(kernel__read(inode, i_rdev) >> 20) ? FBX_KIND_TTY : FBX_KIND_PSEUDO;
    case FBX_S_IFBLK: return FBX_KIND_PSEUDO;
    case FBX_S_IFREG:
    case FBX_S_IFDIR:
      return inode__is_pseudo(inode) ? FBX_KIND_PSEUDO : FBX_KIND_FILE;
  }
  return FBX_KIND_OTHER;
}
