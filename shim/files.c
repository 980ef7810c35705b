// SPDX-License-Identifier: Apache-2.0
//
// What a descriptor is and what its file is called, asked of the kernel at each call: a descriptor
// can be closed and made anew past the shim (fclose, raw calls), so nothing is remembered.
//
// Never by fstat: it gives times, and a file whose times were asked for must have finer ones at its
// next write, which on a disk is a transaction (include/linux/fs.h: I_CTIME_QUERIED, 6.13).
#include <asm/statfs.h>
#include <asm/unistd.h>
#include <linux/fcntl.h>
#include <linux/magic.h>
#include <linux/stat.h>

#include "bpf/abi/kinds.h"
#include "shim/shim.h"

int fbx_look(int fd, const char *path, uint32_t mask, struct statx *out) {
  const long flags = AT_STATX_DONT_SYNC | (path[0] ? 0 : AT_EMPTY_PATH);
  return (int)fbx_sys(__NR_statx, fd, path, flags, mask, out, 0);
}

static uint64_t device_of(const struct statx *st) {
  return FBX_SHIM_DEV(st->stx_dev_major, st->stx_dev_minor);
}

static int option(int fd, int name) {
  int value = -1, size = sizeof value;
  return fbx_sys(__NR_getsockopt, fd, 1, name, &value, &size, 0) < 0 ? -1 : value;
}

static uint32_t socket_kind(int fd, int domain) {
  const int type = option(fd, 3), protocol = option(fd, 38);
  return fbx_socket_kind((unsigned)domain, (unsigned)type, (unsigned)protocol);
}

static int in_dev_shm(int fd) {
  char path[FBX_TEXT];
  return fbx_fd_path(fd, path) >= 9 && !memcmp(path, "/dev/shm/", 9);
}

// File systems that hold no files of anybody's are on no device, whose major number is then 0.
static uint32_t file_kind(int fd, const struct statx *st) {
  const struct fbx_shim_head *head = &fbx_here->head;
  const uint64_t device = device_of(st);
  struct statfs fs = {0};
  if (device == head->memfd_dev) return FBX_KIND_PSEUDO;
  if (st->stx_dev_major) return FBX_KIND_FILE;
  for (int i = 0; i < 3; i++)
    if (head->file_devs[i] == device) return FBX_KIND_FILE;
  if (fbx_sys(__NR_fstatfs, fd, &fs, 0, 0, 0, 0) < 0) return FBX_KIND_FILE;
  const uint64_t magic = (uint32_t)fs.f_type;
  if (fbx_is_pseudo_filesystem(magic)) return FBX_KIND_PSEUDO;
  return magic == TMPFS_MAGIC && in_dev_shm(fd) ? FBX_KIND_SHM : FBX_KIND_FILE;
}


int fbx_is_socket(int fd) { return option(fd, 39) >= 0; }

uint32_t fbx_kind_of(int fd, uint32_t wanted) {
  const uint32_t files = FBX_KIND_BIT(FILE) | FBX_KIND_BIT(SHM) | FBX_KIND_BIT(PSEUDO);
  struct statx st;
  if (fbx_look(fd, "", STATX_TYPE, &st) < 0) return FBX_KIND_NONE;
  switch (st.stx_mode & S_IFMT) {
    case S_IFREG:
    case S_IFDIR: return wanted & files ? file_kind(fd, &st) : FBX_KIND_FILE;
    case S_IFBLK: return FBX_KIND_PSEUDO;
    case S_IFCHR: return fbx_is_tty(st.stx_rdev_major) ? FBX_KIND_TTY : FBX_KIND_PSEUDO;
    case S_IFIFO: return FBX_KIND_PIPE;
    case S_IFSOCK:
      return wanted & FBX_KINDS_SOCKETS ? socket_kind(fd, option(fd, 39)) : FBX_KIND_SOCKET;
    default: return FBX_KIND_OTHER;
  }
}

int fbx_file_flags(int fd) { return (int)fbx_sys(__NR_fcntl, fd, 3, 0, 0, 0, 0); }

// "x (deleted)" may also be what a file is really called.
static int without_mark(int fd, char *path, int len) {
  struct statx open, named;
  if (len < 10 || memcmp(path + len - 10, " (deleted)", 10)) return len;
  if (fbx_look(fd, "", STATX_INO, &open) < 0) return -1;
  if (fbx_look(AT_FDCWD, path, STATX_INO, &named) == 0 && open.stx_ino == named.stx_ino &&
      device_of(&open) == device_of(&named))
    return len;
  path[len - 10] = 0;
  return len - 10;
}

int fbx_fd_path(int fd, char *out) {
  char link[32] = "/proc/self/fd/", digits[12];
  int at = 14, n = 0;
  if (fd < 0) return -1;
  do digits[n++] = (char)('0' + fd % 10);
  while (fd /= 10);
  while (n) link[at++] = digits[--n];
  link[at] = 0;
  long len = fbx_sys(__NR_readlinkat, AT_FDCWD, link, out, FBX_TEXT, 0, 0);
  if (len < 0 || len >= FBX_TEXT) return -1;
  out[len] = 0;
  if (out[0] != '/') return 0;
  fd = 0;
  for (int i = 14; link[i]; i++) fd = fd * 10 + link[i] - '0';
  return without_mark(fd, out, (int)len);
}
