// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// base/glob.h's glob_match_path(), one step at a time: for a hand that may neither allocate nor
// loop without a bound. The pattern is given as tokens, made once, outside the kernel
// (runner/inject/call_rules.h); tests/unit/inject_glob_test.cc holds the two together.
//
// One place to go back to for '*' and one for '**' and "/**/" is enough: what an earlier wildcard
// could still match by taking more is a part of what the later one can, and '*' does not leave its
// component.
//
// Valid C11, C++ and BPF C.
#ifndef FBX_ABI_GLOB_H
#define FBX_ABI_GLOB_H

#ifndef __bpf__
#include <stdint.h>
#endif

#define FBX_GLOB_TOKENS 256  // of one pattern; a power of two
#define FBX_GLOB_TEXT 4096   // the longest text; a power of two

// A token is a kind, and for FBX_GLOB_BYTE the byte in the lower half.
#define FBX_GLOB_BYTE 0x000
#define FBX_GLOB_ONE 0x100      // ?
#define FBX_GLOB_STAR 0x200     // *
#define FBX_GLOB_WIDE 0x300     // **
#define FBX_GLOB_SLASHES 0x400  // "/**/": one '/', or two with anything between
#define FBX_GLOB_KIND(token) ((token) & 0xff00)

struct fbx_glob {
  uint32_t count;
  uint32_t pad;
  uint16_t tokens[FBX_GLOB_TOKENS];
};

// Zeroed at the start.
struct fbx_glob_state {
  uint32_t token, text;            // where the match stands
  uint32_t star_token, star_text;  // where '*' goes on
  uint32_t wide_token, wide_text;  // where '**' or "/**/" goes on
  uint32_t wide_kind;
  uint32_t has_star, has_wide;
};

#define FBX_GLOB_GOES_ON 0
#define FBX_GLOB_MATCHES 1
#define FBX_GLOB_DIFFERS 2

#ifdef __bpf__
#define FBX_GLOB_INLINE static __always_inline
#else
#define FBX_GLOB_INLINE static inline
#endif

// The token's turn at the text's next byte `c` (`has`: there is one). 0: they differ.
FBX_GLOB_INLINE int fbx_glob_take(struct fbx_glob_state *s, uint32_t token, uint32_t has, char c) {
  uint32_t kind = FBX_GLOB_KIND(token);
  if (kind == FBX_GLOB_STAR) {
    s->star_token = ++s->token;
    s->star_text = s->text;
    s->has_star = 1;
    return 1;
  }
  if (kind != FBX_GLOB_WIDE) {
    if (!has) return 0;
    if (kind == FBX_GLOB_BYTE && c != (char)(token & 0xff)) return 0;
    if (kind == FBX_GLOB_ONE && c == '/') return 0;
    if (kind == FBX_GLOB_SLASHES && c != '/') return 0;
    s->text++;
  }
  s->token++;
  if (kind == FBX_GLOB_WIDE || kind == FBX_GLOB_SLASHES) {
    s->wide_token = s->token;
    s->wide_text = s->text;
    s->wide_kind = kind;
    s->has_wide = 1;
    s->has_star = 0;
  }
  return 1;
}

// `text` holds FBX_GLOB_TEXT bytes; the `len` that count begin at `from`, and end in it.
FBX_GLOB_INLINE int fbx_glob_step(struct fbx_glob_state *s, const struct fbx_glob *glob,
                                  const char *text, uint32_t from, uint32_t len) {
  uint32_t has = s->text < len;
  if (s->token < glob->count) {
    uint32_t token = glob->tokens[s->token & (FBX_GLOB_TOKENS - 1)];
    if (fbx_glob_take(s, token, has, text[(from + s->text) & (FBX_GLOB_TEXT - 1)]))
      return FBX_GLOB_GOES_ON;
  } else if (!has) {
    return FBX_GLOB_MATCHES;
  }
  if (s->has_star && s->star_text < len &&
      text[(from + s->star_text) & (FBX_GLOB_TEXT - 1)] != '/') {
    s->text = ++s->star_text;
    s->token = s->star_token;
    return FBX_GLOB_GOES_ON;
  }
  s->has_star = 0;
  if (!s->has_wide || s->wide_text >= len) return FBX_GLOB_DIFFERS;
  char passed = text[(from + s->wide_text) & (FBX_GLOB_TEXT - 1)];
  s->wide_text++;
  // What differed differs again, until a '/' has been passed.
  if (s->wide_kind == FBX_GLOB_SLASHES && passed != '/') return FBX_GLOB_GOES_ON;
  s->text = s->wide_text;
  s->token = s->wide_token;
  return FBX_GLOB_GOES_ON;
}

#endif
