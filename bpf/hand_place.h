// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// What file a call is about, as rules ask for it: its kind, and which patterns its path matches.
// A path is walked and matched when it is first seen under a rule set and known from then on.
#pragma once

#include "bpf/hand_state.h"

#define FBX_TMPFS_MAGIC 0x01021994
#define FBX_PLACE_STEPS 512
// bpf_loop's callbacks may be called with any of these many states; bounds are checked by masks.
#define FBX_TEXT_MASK (FBX_GLOB_TEXT - 1)

struct fbx_place_walk {
  struct fbx_hand *hand;
  struct dentry *dentry;
  struct vfsmount *mnt;
  struct dentry *root;
  struct vfsmount *root_mnt;
};

// fs/d_path.c: prepend_path(), towards the front of the text. As bpf/walk.h, without a lock: a path
// that changes meanwhile is not kept.
static long place__step(uint32_t index, void *context) {
  struct fbx_place_walk *walk = context;
  struct fbx_hand *hand = walk->hand;
  struct dentry *dentry = walk->dentry;
  struct vfsmount *mnt = walk->mnt;
  if (dentry == walk->root && mnt == walk->root_mnt) return 1;
  if (dentry == BPF_CORE_READ(mnt, mnt_root)) {
    struct mount *mount = (void *)mnt - bpf_core_field_offset(struct mount, mnt);
    struct mount *parent = BPF_CORE_READ(mount, mnt_parent);
    hand->outside = parent == mount || !parent;
    if (hand->outside) return 1;
    walk->dentry = BPF_CORE_READ(mount, mnt_mountpoint);
    walk->mnt = (void *)parent + bpf_core_field_offset(struct mount, mnt);
    return 0;
  }
  uint32_t len = (BPF_CORE_READ(dentry, d_name.hash_len) >> 32) & (FBX_COMPONENT - 1);
  uint32_t from = hand->from;
  hand->unnamed = from > FBX_GLOB_TEXT || from <= len || index == FBX_PLACE_STEPS - 1;
  if (hand->unnamed) return 1;
  from -= len;
  if (bpf_probe_read_kernel(&hand->text[from & FBX_TEXT_MASK], len,
                            BPF_CORE_READ(dentry, d_name.name)))
    hand->unnamed = 1;
  from--;
  hand->text[from & FBX_TEXT_MASK] = '/';
  hand->from = from;
  struct dentry *parent = BPF_CORE_READ(dentry, d_parent);
  hand->outside = parent == dentry || !parent;
  walk->dentry = parent;
  return hand->unnamed || hand->outside;
}

static __always_inline void place__walk_back(struct fbx_hand *hand, struct dentry *dentry,
                                             struct vfsmount *mnt) {
  struct task_struct *task = bpf_get_current_task_btf();
  struct fbx_place_walk walk = {.hand = hand,
                                .dentry = dentry,
                                .mnt = mnt,
                                .root = task->fs->root.dentry,
                                .root_mnt = task->fs->root.mnt};
  hand->from = FBX_GLOB_TEXT;
  hand->outside = hand->unnamed = 0;
  bpf_loop(FBX_PLACE_STEPS, place__step, &walk, 0);
  if (hand->from == FBX_GLOB_TEXT && !hand->unnamed) {
    hand->from = FBX_GLOB_TEXT - 1;
    hand->text[FBX_GLOB_TEXT - 1] = '/';
  }
}

struct fbx_glob_walk {
  struct fbx_hand *hand;
  const struct fbx_glob *glob;
  uint32_t result;
};

static long glob__step(uint32_t index, void *context) {
  struct fbx_glob_walk *walk = context;
  struct fbx_hand *hand = walk->hand;
  walk->result = fbx_glob_step(&hand->glob, walk->glob, hand->text, hand->from,
                               FBX_GLOB_TEXT - hand->from);
  return walk->result != FBX_GLOB_GOES_ON;
}

// Whether the rule's pattern matches the walked path. One that is not there: only the first must be.
__attribute__((weak, noinline)) int glob__matches(struct fbx_hand *hand, uint32_t rule,
                                                  uint32_t which) {
  if (!hand || hand->from > FBX_GLOB_TEXT) return 0;
  struct fbx_glob_key key = {.cgroup = hand->cgroup, .rule = rule, .which = which};
  struct fbx_glob_walk walk = {.hand = hand, .result = FBX_GLOB_GOES_ON};
  walk.glob = bpf_map_lookup_elem(&fbx_globs, &key);
  if (!walk.glob) {
    if (which == 0) hand->gave_up = 1;
    return which != 0;
  }
  __builtin_memset(&hand->glob, 0, sizeof(hand->glob));
  bpf_loop(FBX_GLOB_STEPS, glob__step, &walk, 0);
  if (walk.result == FBX_GLOB_GOES_ON) hand->gave_up = 1;
  return walk.result == FBX_GLOB_MATCHES;
}

struct fbx_mask_turns {
  struct fbx_hand *hand;
  const struct fbx_ruleset *set;
  uint32_t mask;
};

static long mask__turn(uint32_t i, void *context) {
  struct fbx_mask_turns *turns = context;
  const struct fbx_ruleset *set = turns->set;
  if (i >= FBX_SET_RULES || i >= set->count) return 1;
  if (!set->rules[i].wants_path) return 0;
  uint32_t rule = set->rules[i].rule;
  if (glob__matches(turns->hand, rule, 0) && glob__matches(turns->hand, rule, 1))
    turns->mask |= 1u << i;
  return 0;
}

static __always_inline int text__begins_with_dev_shm(const struct fbx_hand *hand) {
  const char *shm = "/dev/shm/";
  int differs = 0;
  for (uint32_t i = 0; i < 9; i++)
    differs |= hand->text[(hand->from + i) & FBX_TEXT_MASK] != shm[i];
  return !differs && hand->from + 9 <= FBX_GLOB_TEXT;
}

// memfds and shared anonymous memory live on a tmpfs that nobody mounted: their dentries are their
// own parents.
static __always_inline uint32_t place__kind(const struct fbx_hand *hand, struct dentry *dentry,
                                            int on_tmpfs) {
  if (!on_tmpfs) return FBX_KIND_FILE;
  if (BPF_CORE_READ(dentry, d_parent) == dentry && hand->outside && hand->from != FBX_GLOB_TEXT - 1)
    return FBX_KIND_PSEUDO;
  return text__begins_with_dev_shm(hand) ? FBX_KIND_SHM : FBX_KIND_FILE;
}

// Of a regular file or directory. Gives kind and mask in the key.
__attribute__((weak, noinline)) int hand__see_place(struct fbx_hand *hand, uint64_t file_address,
                                                    uint32_t on_tmpfs) {
  struct file *file = (struct file *)file_address;
  if (!hand || !file) return 0;
  struct task_struct *task = bpf_get_current_task_btf();
  struct fbx_call_rules *rules = bpf_map_lookup_elem(&fbx_call_rules, &hand->cgroup);
  uint32_t worker = hand->worker;
  struct fbx_epoch *epoch = bpf_map_lookup_elem(&fbx_epochs, &worker);
  if (!rules || !epoch) return 0;
  struct dentry *dentry = BPF_CORE_READ(file, f_path.dentry);
  struct vfsmount *mnt = BPF_CORE_READ(file, f_path.mnt);
  hand->place.dentry = (uint64_t)dentry;
  hand->place.mnt = (uint64_t)mnt;
  hand->place.root = (uint64_t)task->fs->root.dentry;
  hand->place.inode = (uint64_t)BPF_CORE_READ(file, f_inode);
  hand->place.name_hash = BPF_CORE_READ(dentry, d_name.hash_len);
  hand->place.epoch = *(volatile uint64_t *)&epoch->epoch;
  hand->place.cgroup = hand->cgroup;
  hand->place.set = rules->set.generation;
  hand->place.pad = 0;
  int steady = *(volatile uint64_t *)&epoch->busy == 0;
  if (steady) {
    struct fbx_place_value *kept = bpf_map_lookup_elem(&fbx_places, &hand->place);
    if (kept) {
      hand->key.path_mask = kept->mask;
      hand->key.kind = kept->kind;
      return 0;
    }
  }
  place__walk_back(hand, dentry, mnt);
  struct fbx_mask_turns turns = {.hand = hand, .set = &rules->set};
  if (!hand->unnamed) bpf_loop(FBX_SET_RULES, mask__turn, &turns, 0);
  struct fbx_place_value value = {.mask = turns.mask, .kind = place__kind(hand, dentry, on_tmpfs)};
  hand->key.path_mask = value.mask;
  hand->key.kind = value.kind;
  if (steady && !hand->gave_up && *(volatile uint64_t *)&epoch->busy == 0 &&
      *(volatile uint64_t *)&epoch->epoch == hand->place.epoch)
    bpf_map_update_elem(&fbx_places, &hand->place, &value, BPF_ANY);
  return 0;
}
