// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// A fault rule as every hand reads it: integers only. Names, globs and families are resolved to
// bits and ids before a rule gets here (runner/inject/rule_compile.h), so that one function
// (decide.h) can decide in a BPF program, in the supervisor and in the shim.
//
// A rule set is what one service has active, in the order of LANGUAGE section 5: innermost scope
// first, within a scope as written. A set is never changed once a hand can see it; an install or a
// lift publishes another one.
#ifndef FBX_ABI_RULE_H
#define FBX_ABI_RULE_H

#ifndef __bpf__
#include <assert.h>
#include <stdint.h>
#endif

// Log of what changed: 1 first form; 2 fbx_key.stuck_mask.
#define FBX_RULE_ABI_VERSION 2

#define FBX_SET_RULES 32     // a position in the set is a bit of a 32-bit mask
#define FBX_RULE_PARTS 6
#define FBX_NR_WORDS 8       // syscall numbers 0…511

// fbx_rule.action and fbx_decision.action
#define FBX_ACT_NONE 0
#define FBX_ACT_ALLOW 1
#define FBX_ACT_DENY 2
#define FBX_ACT_DELAY 3

// fbx_key.flags, and what a part demands
#define FBX_KEY_SYNC (1u << 0)      // writes through: O_DSYNC, O_SYNC, RWF_DSYNC, RWF_SYNC
#define FBX_KEY_CREATES (1u << 1)   // open that makes a new file
#define FBX_KEY_TRUNCATES (1u << 2) // open with O_TRUNC of a file that is there
#define FBX_KEY_GROWS (1u << 3)     // ftruncate, truncate beyond the file's end
#define FBX_KEY_ONTO (1u << 4)      // rename, link onto a name that is there
#define FBX_KEY_NONBLOCK (1u << 5)  // the descriptor (or the call) does not block
#define FBX_KEY_SHARED (1u << 6)    // mmap: shared and writable
#define FBX_KEY_RMDIR (1u << 7)     // unlinkat with AT_REMOVEDIR
#define FBX_KEY_OWNED (1u << 8)     // a unix socket that a service of the test owns

// One group of calls that a rule hits: a call matches when its number is in `calls`, its
// descriptor's kind is in `kinds` and it has all of `flags`.
struct fbx_rule_part {
  uint64_t calls[FBX_NR_WORDS];
  uint32_t kinds;  // bit = FBX_KIND_*
  uint32_t flags;  // FBX_KEY_*
};

// Where a socket call goes. Addresses are IPv6, network order, IPv4 as ::ffff:a.b.c.d, and the
// unspecified address already replaced by the loopback that the kernel takes for it.
#define FBX_TO_ANY 0
#define FBX_TO_SERVICE 1   // service, and door unless 0
#define FBX_TO_ADDRESS 2   // addr and door
#define FBX_TO_LOOPBACK 3  // any loopback address, and door ("localhost:5432")

// A door is a TCP or UDP port, or FBX_DOOR_UNIX + the index of a unix interface in the plan.
#define FBX_DOOR_UNIX 0x10000u
#define FBX_PEER_UNKNOWN (-1)

struct fbx_rule {
  struct fbx_rule_part parts[FBX_RULE_PARTS];
  uint32_t parts_used;
  uint32_t rule;     // index in the test's rule log: what the draw and the reports name it by
  uint32_t counter;  // index in the array of fbx_counter
  uint32_t action;   // FBX_ACT_ALLOW, _DENY, _DELAY
  int32_t errnum;    // positive; of a deny
  uint32_t wants_path;  // it says path=: fires only where key.path_mask has its bit
  uint64_t delay_ns;    // of a delay, or deny(errno, delay=)
  uint64_t after;
  uint64_t every;      // ≥ 1
  uint64_t max_fires;  // ~0 = no bound; else ≤ FBX_MAX_FIRES
  uint64_t seed;
  uint64_t threshold;  // fires when draw < threshold
  uint32_t always;     // probability 1: no draw
  uint32_t to_kind;    // FBX_TO_*
  int32_t to_service;
  uint32_t to_door;
  uint32_t to_addr[4];
};

struct fbx_ruleset {
  uint32_t count;
  uint32_t generation;  // of the test; decisions name the set they were made by
  struct fbx_rule rules[FBX_SET_RULES];
};

// One call, as a hand describes it.
struct fbx_key {
  uint32_t nr;         // native number
  uint32_t kind;       // FBX_KIND_*
  uint32_t flags;      // FBX_KEY_*
  uint32_t path_mask;  // bit = position in the set of a rule whose path= matches
  uint32_t stuck_mask;  // bit = position of a sticky rule that has failed a call on this file
  int32_t peer_service;  // FBX_PEER_UNKNOWN when no service of the test is there
  uint32_t peer_door;
  uint32_t peer_addr[4];
  uint32_t has_addr;  // peer_addr is valid
};

struct fbx_decision {
  uint32_t action;  // FBX_ACT_*; NONE when no rule fired
  int32_t errnum;
  uint64_t delay_ns;
  uint64_t n;         // the ordinal of the match that fired
  uint32_t position;  // of the rule that fired
  uint32_t rule;      // its index in the rule log
  uint32_t matched;   // bit = position of a rule that counted this call
  uint32_t near;      // bit = position of a rule that only path= or to= kept from matching
  uint32_t lost;      // 1: a counter was so contended that this hand gave up; reported as escape
  uint32_t pad;
};

#ifndef __bpf__
static_assert(sizeof(struct fbx_rule_part) == 72, "layout");
static_assert(sizeof(struct fbx_rule) == 6 * 72 + 24 + 6 * 8 + 32, "layout");
static_assert(sizeof(struct fbx_ruleset) == 8 + 32 * sizeof(struct fbx_rule), "layout");
static_assert(sizeof(struct fbx_key) == 48, "layout");
static_assert(sizeof(struct fbx_decision) == 48, "layout");
#endif

#endif
