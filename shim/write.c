// SPDX-License-Identifier: Apache-2.0
#include "shim/wrap.h"

FBX_WRITE_ENTRIES(FBX_PLAIN, FBX_ALIAS, FBX_OWN)

// The offset travels in two halves; on 64 bits the upper one is 0.
long pwritev(FBX_ARGS) {
  FBX_UNUSED;
  return FBX_CALL(pwritev, a, b, c, d, 0, 0);
}
long pwritev2(FBX_ARGS) {
  FBX_UNUSED;
  return FBX_CALL(pwritev2, a, b, c, d, 0, e);
}
