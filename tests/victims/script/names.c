// SPDX-License-Identifier: Apache-2.0
//
// Operations on names.
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>

#include "script.h"

static long op_unlink(char** w) { return unlink(w[0]); }
static long op_unlinkat(char** w) { return unlinkat(slot(w[0]), w[1], 0); }
static long op_rmdirat(char** w) { return unlinkat(slot(w[0]), w[1], AT_REMOVEDIR); }
static long op_rmdir(char** w) { return rmdir(w[0]); }
static long op_rename(char** w) { return rename(w[0], w[1]); }
static long op_renameat(char** w) { return renameat(slot(w[0]), w[1], slot(w[2]), w[3]); }
static long op_renameat2(char** w) {
  return syscall(SYS_renameat2, AT_FDCWD, w[0], AT_FDCWD, w[1], 1);  // RENAME_NOREPLACE
}
static long op_link(char** w) { return link(w[0], w[1]); }
static long op_linkat(char** w) { return linkat(slot(w[0]), w[1], slot(w[2]), w[3], 0); }
static long op_linkfd(char** w) {
  char from[32];
  snprintf(from, sizeof from, "/proc/self/fd/%d", slot(w[0]));
  return linkat(AT_FDCWD, from, AT_FDCWD, w[1], AT_SYMLINK_FOLLOW);
}
static long op_symlink(char** w) { return symlink(w[0], w[1]); }
static long op_symlinkat(char** w) { return symlinkat(w[0], slot(w[1]), w[2]); }
static long op_mkdir(char** w) { return mkdir(w[0], 0755); }
static long op_mkdirat(char** w) { return mkdirat(slot(w[0]), w[1], 0755); }
static long op_mknod(char** w) { return mknod(w[0], S_IFIFO | 0644, 0); }
static long op_truncate(char** w) { return truncate(w[0], atol(w[1])); }
static long op_chmod(char** w) { return chmod(w[0], 0600); }
static long op_chdir(char** w) { return chdir(w[0]); }
static long op_fchdir(char** w) { return fchdir(slot(w[0])); }
static long op_chroot(char** w) { return chroot(w[0]); }
static long op_bindmount(char** w) { return mount(w[0], w[1], NULL, MS_BIND, NULL); }
static long op_stat(char** w) {
  struct stat st;
  return stat(w[0], &st);
}
static long op_lstat(char** w) {
  struct stat st;
  return lstat(w[0], &st);
}
static long op_access(char** w) { return access(w[0], R_OK); }
static long op_readlink(char** w) {
  char to[64];
  return readlink(w[0], to, sizeof to);
}
static long op_statfs(char** w) {
  struct statfs fs;
  return statfs(w[0], &fs);
}
// A deep folder, level by level; what it is called is `name` over and over.
static long op_deep(char** w) {
  for (int i = atoi(w[1]); i > 0; --i)
    if ((mkdir(w[0], 0755) != 0 && errno != EEXIST) || chdir(w[0]) != 0) return -1;
  return 0;
}
// What is left: the same calls past libc's functions would be hit by the same rules.
static long op_size(char** w) {
  struct stat st;
  return stat(w[0], &st) == 0 ? (long)st.st_size : -1;
}
static long op_exists(char** w) {
  struct stat st;
  return lstat(w[0], &st) == 0;
}
static uint64_t modified_ms(const struct stat* st) {
  return (uint64_t)st->st_mtim.tv_sec * 1000 + (uint64_t)st->st_mtim.tv_nsec / 1000000;
}
extern uint64_t last_began_ms;
// Modified at least so many ms after the last `took` began. A file's clock ticks every 4…10 ms.
static long op_later(char** w) {
  struct stat st;
  if (stat(w[0], &st) != 0) return -1;
  return modified_ms(&st) + 10 >= last_began_ms + (uint64_t)atol(w[1]);
}

const struct operation name_operations[] = {
    {"unlink", 1, 0, op_unlink},       {"unlinkat", 2, 0, op_unlinkat},
    {"rmdirat", 2, 0, op_rmdirat},     {"rmdir", 1, 0, op_rmdir},
    {"rename", 2, 0, op_rename},       {"renameat", 4, 0, op_renameat},
    {"renameat2", 2, 0, op_renameat2}, {"link", 2, 0, op_link},
    {"linkat", 4, 0, op_linkat},       {"linkfd", 2, 0, op_linkfd},
    {"symlink", 2, 0, op_symlink},     {"symlinkat", 3, 0, op_symlinkat},
    {"mkdir", 1, 0, op_mkdir},         {"mkdirat", 2, 0, op_mkdirat},
    {"mknod", 1, 0, op_mknod},         {"truncate", 2, 0, op_truncate},
    {"chmod", 1, 0, op_chmod},         {"chdir", 1, 0, op_chdir},
    {"fchdir", 1, 0, op_fchdir},       {"chroot", 1, 0, op_chroot},
    {"bindmount", 2, 0, op_bindmount}, {"stat", 1, 0, op_stat},
    {"lstat", 1, 0, op_lstat},         {"access", 1, 0, op_access},
    {"readlink", 1, 0, op_readlink},   {"statfs", 1, 0, op_statfs},
    {"deep", 2, 0, op_deep},           {"size", 1, 1, op_size},
    {"exists", 1, 1, op_exists},       {"later", 2, 1, op_later},
    {NULL, 0, 0, NULL}};
