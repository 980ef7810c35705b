// SPDX-License-Identifier: Apache-2.0
//
// base/glob.h's glob_match_path() without allocation; tests/unit/shim_glob_test.cc holds the two
// together. `reach` has a bit per position of the text that the pattern so far can end at.
#include "shim/shim.h"

#define WORDS (FBX_TEXT / 64 + 1)
enum { kByte, kOne, kStar, kDoubleStar, kSlashes };

static int bit(const uint64_t *set, int i) { return set[i >> 6] >> (i & 63) & 1; }

static void step(int kind, char byte, const uint64_t *from, uint64_t *to, const char *text,
                 int len) {
  int running = 0;
  for (int i = 0; i < WORDS; i++) to[i] = 0;
  for (int i = 0; i <= len; i++) {
    const char before = i ? text[i - 1] : 0;
    const int came = i && bit(from, i - 1);
    int on = 0;
    if (kind == kByte) on = came && before == byte;
    if (kind == kOne) on = came && before != '/';
    if (kind == kStar) on = running = bit(from, i) || (running && before != '/');
    if (kind == kDoubleStar) on = running = running || bit(from, i);
    if (kind == kSlashes) {
      on = i && before == '/' && (came || running);
      running = running || (came && before == '/');
    }
    to[i >> 6] |= (uint64_t)on << (i & 63);
  }
}

int fbx_glob(const char *p, int n, const char *text, int len) {
  uint64_t reach[2][WORDS] = {{1}};
  int now = 0;
  if (len < 0 || len >= FBX_TEXT) return 0;
  for (int i = 0; i < n; i++, now ^= 1) {
    int kind = kByte;
    if (n - i >= 4 && p[i] == '/' && p[i + 1] == '*' && p[i + 2] == '*' && p[i + 3] == '/') {
      kind = kSlashes;
      i += 3;
    } else if (n - i >= 2 && p[i] == '*' && p[i + 1] == '*') {
      kind = kDoubleStar;
      i += 1;
    } else if (p[i] == '*') {
      kind = kStar;
    } else if (p[i] == '?') {
      kind = kOne;
    } else if (p[i] == '\\' && i + 1 < n) {
      i++;
    }
    step(kind, p[i], reach[now], reach[now ^ 1], text, len);
  }
  return bit(reach[now], len);
}

int fbx_globs_match(const struct fbx_shim_set *set, uint32_t position, const char *name, int len) {
  for (int i = 0; i < FBX_SHIM_GLOBS; i++) {
    uint32_t at = set->glob_at[position][i], n = set->glob_len[position][i];
    if (!n) continue;
    if (at + n > FBX_SHIM_GLOB_TEXT) return 0;
    if (!fbx_glob(set->globs + at, (int)n, name, len)) return 0;
  }
  return 1;
}
