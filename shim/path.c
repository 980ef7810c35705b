// SPDX-License-Identifier: Apache-2.0
//
// Path arguments. What the file is called is asked of the kernel by opening it with O_PATH for a
// moment; where that can't be done (no /proc, no descriptor left) the supervisor decides.
#include <asm/errno.h>
#include <asm/unistd.h>
#include <linux/fcntl.h>

#include "shim/shim.h"

static int length(const char *s) {
  int n = 0;
  while (n <= FBX_TEXT && s[n]) n++;
  return n;
}

// "/a/./b//../c" → "/a/c", in place. Returns the new length.
static int without_dots(char *path) {
  int out = 0;
  for (int i = 0; path[i];) {
    while (path[i] == '/') i++;
    int from = i;
    while (path[i] && path[i] != '/') i++;
    int n = i - from;
    if (n == 0 || (n == 1 && path[from] == '.')) continue;
    if (n == 2 && path[from] == '.' && path[from + 1] == '.') {
      while (out && path[--out] != '/') {}
      continue;
    }
    path[out++] = '/';
    for (int k = 0; k < n; k++) path[out++] = path[from + k];
  }
  if (!out) path[out++] = '/';
  path[out] = 0;
  return out;
}

static int absolute(int dirfd, const char *path, char *out) {
  int base = 0, n = length(path);
  if (n >= FBX_TEXT) return -1;
  if (path[0] != '/') {
    if (dirfd == AT_FDCWD) {
      long got = fbx_sys(__NR_getcwd, out, FBX_TEXT, 0, 0, 0, 0);
      base = got > 0 && out[0] == '/' ? (int)got - 1 : -1;
    } else {
      base = fbx_fd_path(dirfd, out);
    }
    if (base <= 0 || base + 1 + n >= FBX_TEXT) return -1;
    out[base++] = '/';
  }
  memcpy(out + base, path, (size_t)n + 1);
  return 0;
}

// What `path` leads to: the length, 0 = it is not there, −1 = can't be said.
static int real_name(const char *path, int follow, char *out) {
  const int flags = O_PATH | O_CLOEXEC | (follow ? 0 : O_NOFOLLOW);
  long fd = fbx_sys(__NR_openat, AT_FDCWD, path, flags, 0, 0, 0);
  if (fd < 0) return fd == -ENOENT || fd == -ENOTDIR || fd == -ELOOP || fd == -EACCES ? 0 : -1;
  int len = fbx_fd_path((int)fd, out);
  fbx_sys(__NR_close, fd, 0, 0, 0, 0, 0);
  return len > 0 ? len : -1;
}

static int parent_name(const char *whole, struct fbx_named *out) {
  char folder[FBX_TEXT];
  int slash = length(whole);
  while (slash && whole[slash] != '/') slash--;
  const char *name = whole + slash + 1;
  int n = length(name);
  if (!n || (name[0] == '.' && (n == 1 || (n == 2 && name[1] == '.')))) return 0;
  memcpy(folder, whole, (size_t)slash + 1);
  folder[slash ? slash : 1] = 0;
  int len = real_name(folder, 1, out->real);
  if (len < 0) return -1;
  if (!len) return 0;
  if (len == 1) len = 0;
  if (len + 1 + n >= FBX_TEXT) return -1;
  out->real[len++] = '/';
  memcpy(out->real + len, name, (size_t)n + 1);
  out->real_len = len + n;
  return 0;
}

int fbx_see_path(int dirfd, const char *path, int follow, struct fbx_named *out) {
  out->given_len = out->real_len = out->exists = 0;
  // The kernel answers EFAULT where reading would crash.
  long there = fbx_sys(__NR_faccessat, AT_FDCWD, path, 0, 0, 0, 0);
  if (there == -EFAULT) return -1;
  if (absolute(dirfd, path, out->given) < 0) return -1;
  int len = real_name(out->given, follow, out->real);
  if (len < 0) return -1;
  out->exists = len > 0;
  out->real_len = len;
  if (!len && parent_name(out->given, out) < 0) return -1;
  out->given_len = without_dots(out->given);
  return 0;
}
