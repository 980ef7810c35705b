// SPDX-License-Identifier: Apache-2.0
#include "shim/wrap.h"

FBX_SOCKET_ENTRIES(FBX_PLAIN, FBX_ALIAS, FBX_OWN)

long send(FBX_ARGS) {
  FBX_UNUSED;
  return FBX_CALL(sendto, a, b, c, d, 0, 0);
}
long recv(FBX_ARGS) {
  FBX_UNUSED;
  return FBX_CALL(recvfrom, a, b, c, d, 0, 0);
}
long __recv_chk(FBX_ARGS) {
  FBX_UNUSED;
  if ((unsigned long)c > (unsigned long)d) __builtin_trap();
  return FBX_CALL(recvfrom, a, b, c, e, 0, 0);
}
