// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// Maps of the hands that inject in the kernel. inject_maps.bpf.c defines them.
#pragma once

#include "bpf/service.h"
#include "bpf/abi/call_rules.h"
#include "bpf/abi/cut.h"
#include "bpf/abi/decide.h"

#ifndef FBX_INJECT_MAP
#define FBX_INJECT_MAP extern
#endif

// Identity → what this service has active. An update replaces the element as a whole.
struct fbx_rulesets_map {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __uint(max_entries, FBX_SERVICES);
  __type(key, uint64_t);
  __type(value, struct fbx_ruleset);
};
FBX_INJECT_MAP struct fbx_rulesets_map fbx_rulesets SEC(".maps");

// The same for hands that fail any call.
struct fbx_call_rules_map {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __uint(max_entries, FBX_SERVICES);
  __type(key, uint64_t);
  __type(value, struct fbx_call_rules);
};
FBX_INJECT_MAP struct fbx_call_rules_map fbx_call_rules SEC(".maps");

struct fbx_globs_map {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __uint(max_entries, FBX_GLOBS);
  __type(key, struct fbx_glob_key);
  __type(value, struct fbx_glob);
};
FBX_INJECT_MAP struct fbx_globs_map fbx_globs SEC(".maps");

struct fbx_counter_array {
  struct fbx_counter all[FBX_COUNTERS];
};
struct fbx_counters_map {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, 1);
  __type(key, uint32_t);
  __type(value, struct fbx_counter_array);
};
FBX_INJECT_MAP struct fbx_counters_map fbx_counters SEC(".maps");

struct fbx_switch_map {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, 1);
  __type(key, uint32_t);
  __type(value, struct fbx_switch);
};
FBX_INJECT_MAP struct fbx_switch_map fbx_switch SEC(".maps");

struct fbx_cuts_map {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __uint(max_entries, FBX_CUTS);
  __type(key, struct fbx_pair);
  __type(value, struct fbx_cut);
};
FBX_INJECT_MAP struct fbx_cuts_map fbx_cuts SEC(".maps");

struct fbx_cut_counts_map {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __uint(max_entries, FBX_CUTS);
  __type(key, struct fbx_pair);
  __type(value, struct fbx_cut_count);
};
FBX_INJECT_MAP struct fbx_cut_counts_map fbx_cut_counts SEC(".maps");

struct fbx_unix_owners_map {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __uint(max_entries, 4096);
  __type(key, struct fbx_unix_key);
  __type(value, struct fbx_unix_owner);
};
FBX_INJECT_MAP struct fbx_unix_owners_map fbx_unix_owners SEC(".maps");

static __always_inline struct fbx_switch *inject__switch(void) {
  uint32_t zero = 0;
  return bpf_map_lookup_elem(&fbx_switch, &zero);
}

static __always_inline struct fbx_counter *inject__counters(void) {
  uint32_t zero = 0;
  struct fbx_counter_array *array = bpf_map_lookup_elem(&fbx_counters, &zero);
  return array ? array->all : 0;
}

static __always_inline uint32_t cut__flags(uint64_t from, uint64_t to) {
  struct fbx_pair pair = {.from = from, .to = to};
  struct fbx_cut *cut = bpf_map_lookup_elem(&fbx_cuts, &pair);
  return cut ? cut->flags : 0;
}

static __always_inline struct fbx_cut_count *cut__count(uint64_t from, uint64_t to) {
  struct fbx_pair pair = {.from = from, .to = to};
  return bpf_map_lookup_elem(&fbx_cut_counts, &pair);
}
