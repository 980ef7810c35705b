// SPDX-License-Identifier: Apache-2.0
#include "shim/wrap.h"

FBX_READ_ENTRIES(FBX_PLAIN, FBX_ALIAS, FBX_OWN)

long preadv(FBX_ARGS) {
  FBX_UNUSED;
  return FBX_CALL(preadv, a, b, c, d, 0, 0);
}
long preadv2(FBX_ARGS) {
  FBX_UNUSED;
  return FBX_CALL(preadv2, a, b, c, d, 0, e);
}
// libc ends a program whose buffer is too small; so does this, with less to say.
long __read_chk(FBX_ARGS) {
  FBX_UNUSED;
  if ((unsigned long)c > (unsigned long)d) __builtin_trap();
  return FBX_CALL(read, a, b, c, 0, 0, 0);
}
long __pread_chk(FBX_ARGS) {
  FBX_UNUSED;
  if ((unsigned long)c > (unsigned long)e) __builtin_trap();
  return FBX_CALL(pread64, a, b, c, d, 0, 0);
}
