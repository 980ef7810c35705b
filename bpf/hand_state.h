// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// What hand.bpf.c looks at a call with: the thread's own memory, and places seen before.
#pragma once

#include "bpf/file.h"
#include "bpf/inject.h"
#include "bpf/shape.h"

// One place of the file system under one rule set. The dentry's name hash tells a reused dentry
// from the old one, the epoch an old name from the new one (bpf/abi/maps.h: fbx_epoch).
struct fbx_place_key {
  uint64_t dentry, mnt, root, inode, name_hash, epoch;
  uint64_t cgroup;
  uint32_t set;  // generation of the rule set
  uint32_t pad;
};

struct fbx_place_value {
  uint32_t mask;  // bit = position of a rule whose patterns match
  uint32_t kind;  // FBX_KIND_*
};

struct {
  __uint(type, BPF_MAP_TYPE_LRU_HASH);
  __uint(max_entries, 8192);
  __type(key, struct fbx_place_key);
  __type(value, struct fbx_place_value);
} fbx_places SEC(".maps");

// What a thread's call is looked at with. The thread's own, because some of the programs can be
// scheduled away. `text` is filled from its end.
#define FBX_COMPONENT 256
struct fbx_hand {
  struct fbx_key key;
  struct fbx_decision decision;
  struct fbx_place_key place;
  struct fbx_glob_state glob;
  struct fbx_endpoint remote;
  uint64_t args[6];
  uint64_t cgroup;   // of the service
  uint64_t file;     // what the call is about; 0 = nothing
  uint32_t worker;
  uint32_t outside;  // the path does not lead to the task's root
  uint32_t unnamed;  // the walk was cut off
  uint32_t from;     // where the path begins in `text`
  uint32_t gave_up;
  int32_t peer;
  char text[FBX_GLOB_TEXT + FBX_COMPONENT];
};

struct {
  __uint(type, BPF_MAP_TYPE_TASK_STORAGE);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __type(key, int);
  __type(value, struct fbx_hand);
} fbx_hands SEC(".maps");
