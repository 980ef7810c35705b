// SPDX-License-Identifier: Apache-2.0
//
// What a compiler calls by itself, so that it does not call libc's.
#include "shim/shim.h"

FBX_HIDDEN void *memset(void *at, int byte, size_t n) {
  unsigned char *p = at;
  while (n--) *p++ = (unsigned char)byte;
  return at;
}
FBX_HIDDEN void *memcpy(void *restrict to, const void *restrict from, size_t n) {
  unsigned char *t = to;
  const unsigned char *f = from;
  for (; n >= 8; n -= 8, t += 8, f += 8) __builtin_memcpy(t, f, 8);
  while (n--) *t++ = *f++;
  return to;
}
FBX_HIDDEN void *memmove(void *to, const void *from, size_t n) {
  unsigned char *t = to;
  const unsigned char *f = from;
  if (t < f)
    while (n--) *t++ = *f++;
  else
    while (n--) t[n] = f[n];
  return to;
}
FBX_HIDDEN int memcmp(const void *a, const void *b, size_t n) {
  const unsigned char *x = a, *y = b;
  for (; n--; x++, y++)
    if (*x != *y) return *x - *y;
  return 0;
}
