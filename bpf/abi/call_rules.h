// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// What the hands that fail any call in the kernel (override, fmod_ret, security hooks) share with
// the runner: a service's rule set with what it asks of a call, and the patterns of path=.
//
// Valid C11, C++23 and BPF C.
#ifndef FBX_ABI_CALL_RULES_H
#define FBX_ABI_CALL_RULES_H

#include "glob.h"
#include "rule.h"

// `fbx_call_rules`: hash, cgroup id → this. An update replaces the element as a whole.
struct fbx_call_rules {
  uint64_t calls[FBX_NR_WORDS];  // bit = native number of a call that some rule can hit
  uint64_t paths[FBX_NR_WORDS];  // …that some rule with path= can hit
  struct fbx_ruleset set;
};

// `fbx_globs`: hash. A rule's pattern never changes, so sets come and go around it.
#define FBX_RULE_GLOBS 2  // path=, and the op's
struct fbx_glob_key {
  uint64_t cgroup;
  uint32_t rule;   // fbx_rule.rule
  uint32_t which;  // below FBX_RULE_GLOBS; the first is there when fbx_rule.wants_path says so
};
#define FBX_GLOBS 16384  // all workers together

// A loop of this many steps over one pattern and path is given up, and said.
#define FBX_GLOB_STEPS 65536

#ifndef __bpf__
static_assert(sizeof(struct fbx_call_rules) == 2 * 64 + sizeof(struct fbx_ruleset), "layout");
static_assert(sizeof(struct fbx_glob_key) == 16, "layout");
static_assert(sizeof(struct fbx_glob) == 8 + 2 * FBX_GLOB_TOKENS, "layout");
#endif

#endif
