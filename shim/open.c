// SPDX-License-Identifier: Apache-2.0
#include "shim/wrap.h"

#include <linux/fcntl.h>

FBX_OPEN_ENTRIES(FBX_PLAIN, FBX_ALIAS, FBX_OWN)

// libc makes openat of open, and passes a mode only where one was given.
static long mode_of(long flags, long mode) {
  return (flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE ? mode : 0;
}
long open(FBX_ARGS) {
  FBX_UNUSED;
  return FBX_CALL(openat, AT_FDCWD, a, b, mode_of(b, c), 0, 0);
}
long openat(FBX_ARGS) {
  FBX_UNUSED;
  return FBX_CALL(openat, a, b, c, mode_of(c, d), 0, 0);
}
// The checked forms are for calls without a mode; libc ends a program that needs one.
long __open_2(FBX_ARGS) {
  FBX_UNUSED;
  if (mode_of(b, 1)) __builtin_trap();
  return FBX_CALL(openat, AT_FDCWD, a, b, 0, 0, 0);
}
long __openat_2(FBX_ARGS) {
  FBX_UNUSED;
  if (mode_of(c, 1)) __builtin_trap();
  return FBX_CALL(openat, a, b, c, 0, 0, 0);
}
