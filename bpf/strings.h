// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// Strings of a worker's ring: each is sent once, ahead of the first record that names it. Paths of
// files are kept by what identifies them and the epoch of names (bpf/abi/maps.h: fbx_epoch);
// arguments are sent each time. All functions give an id, or 0: there is none, and the loss, if it
// is one, has been counted.
#pragma once

#include "bpf/observe.h"

// Functions with external linkage are verified once, not in every state of every call; hence the
// tests for NULL.

// Sends the `len` bytes that stand in the scratch.
__noinline uint64_t string__send(struct fbx_scratch *scratch, const struct fbx_service *service,
                                 uint64_t len, uint32_t parts) {
  // Checked here, in the very register that sizes the copy: the verifier of 6.12 does not carry a
  // bound over from another copy of it.
  asm volatile("" : "+r"(len));
  if (!scratch || !service || len > sizeof(scratch->bytes)) return 0;
  struct fbx_string *string = &scratch->string;
  uint64_t made = ++scratch->made;
  uint64_t maker = bpf_get_smp_processor_id() * FBX_SCRATCHES + scratch->index + 1;
  string->id = (maker << 40) | made;
  string->len = len;
  string->parts = parts;
  string->flags = 0;
  string->pad = 0;
  head__fill(&string->head, FBX_RECORD_STRING, sizeof(*string) + len, service, 0);
  if (service__emit(service, string, sizeof(*string) + len) != 0) return 0;
  return string->id;
}

// A NUL-terminated string in the caller's memory. 0 with *unread set when it can't be read now (the
// page may not be there yet at a call's begin; it is at its end).
static __always_inline uint64_t string__of_user(struct fbx_scratch *scratch,
                                                const struct fbx_service *service, uint64_t address,
                                                uint32_t *unread) {
  long len = bpf_probe_read_user_str(scratch->bytes, FBX_PATH_LIMIT, (const void *)address);
  if (len <= 0 || len > FBX_PATH_LIMIT) {
    *unread = 1;
    return 0;
  }
  return string__send(scratch, service, len - 1, 0);
}

static __always_inline uint64_t string__of_kernel(struct fbx_scratch *scratch,
                                                  const struct fbx_service *service,
                                                  const char *text) {
  long len = bpf_probe_read_kernel_str(scratch->bytes, FBX_PATH_LIMIT, text);
  if (len <= 0 || len > FBX_PATH_LIMIT) return 0;
  return string__send(scratch, service, len - 1, 0);
}

// Where a path stands, and what it is: by value from the store of paths, or by walking.
struct fbx_place {
  struct dentry *dentry;
  struct vfsmount *mnt;
  struct inode *inode;
  uint32_t kind;   // FBX_KIND_* of the inode
};

static __always_inline void place__key(struct task_struct *task, const struct fbx_place *place,
                                       struct fbx_path_key *key) {
  __builtin_memset(key, 0, sizeof(*key));
  key->dentry = (uint64_t)place->dentry;
  key->mnt = (uint64_t)place->mnt;
  key->root = (uint64_t)task->fs->root.dentry;
  key->inode = (uint64_t)place->inode;
  struct dentry *dentry = place->dentry;
  key->name_hash = kernel__read(dentry, d_name.hash_len);
}

static __always_inline int key__equals(const struct fbx_path_key *a, const struct fbx_path_key *b) {
  return a->dentry == b->dentry && a->mnt == b->mnt && a->root == b->root && a->inode == b->inode &&
         a->name_hash == b->name_hash && a->epoch == b->epoch && a->generation == b->generation;
}

// Walks and sends. *flags gets FBX_SAW_OUTSIDE and FBX_SAW_CUT.
static __always_inline uint64_t place__walk(const struct fbx_place *place,
                                            struct fbx_scratch *scratch,
                                            const struct fbx_service *service, uint32_t *flags) {
  struct task_struct *task = bpf_get_current_task_btf();
  struct fbx_walk walk = {.dentry = place->dentry,
                          .mnt = place->mnt,
                          .root = task->fs->root.dentry,
                          .root_mnt = task->fs->root.mnt,
                          .out = scratch->bytes};
  long steps = bpf_loop(FBX_WALK_STEPS, walk__step, &walk, 0);
  if (steps >= FBX_WALK_STEPS) walk.flags |= FBX_SAW_CUT;
  *flags = walk.flags & (FBX_SAW_OUTSIDE | FBX_SAW_CUT);
  return string__send(scratch, service, walk.used, 1);
}

__noinline uint64_t place__string(const struct fbx_place *place, struct fbx_scratch *scratch,
                                  const struct fbx_service *service, struct fbx_open_call *open,
                                  uint32_t *flags) {
  if (!place || !scratch || !service || !open || !flags) return 0;
  uint32_t worker = service->worker;
  struct fbx_epoch *epoch = bpf_map_lookup_elem(&fbx_epochs, &worker);
  if (!epoch) return 0;
  struct fbx_path_key key;
  place__key(bpf_get_current_task_btf(), place, &key);
  key.generation = service->generation;
  key.epoch = *(volatile uint64_t *)&epoch->epoch;
  int steady = *(volatile uint64_t *)&epoch->busy == 0;
  struct fbx_kept_path *near = &open->kept[(key.dentry >> 6) & (FBX_KEPT_PATHS - 1)];
  if (steady) {
    if (key__equals(&near->key, &key)) {
      *flags = near->value.flags;
      return near->value.id;
    }
    struct fbx_path_value *kept = bpf_map_lookup_elem(&fbx_paths, &key);
    if (kept) {
      near->key = key;
      near->value = *kept;
      *flags = kept->flags;
      return kept->id;
    }
  }
  struct fbx_path_value value = {.kind = place->kind};
  value.id = place__walk(place, scratch, service, &value.flags);
  *flags = value.flags;
  // A name that changed while we walked belongs to the next epoch: do not keep what we read.
  if (value.id && steady && *(volatile uint64_t *)&epoch->busy == 0 &&
      *(volatile uint64_t *)&epoch->epoch == key.epoch)
    bpf_map_update_elem(&fbx_paths, &key, &value, BPF_ANY);
  return value.id;
}
