// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// What a file is called, as a task sees it: from its dentry up to the task's root, through mounts
// (fs/d_path.c: prepend_path). Components are written innermost first, each with its NUL; the
// reader turns them round.
//
// The walk takes no lock. A rename that runs at the same time can give a mixture; calls that can
// change names are counted (fbx_epoch), so such a path is not kept.
#pragma once

#include "bpf/kernel.h"
#include "bpf/abi/event.h"

#define FBX_WALK_COMPONENT 256
#define FBX_WALK_STEPS 512

struct fbx_walk {
  struct dentry *dentry;
  struct vfsmount *mnt;
  struct dentry *root;
  struct vfsmount *root_mnt;
  char *out;  // FBX_PATH_LIMIT + FBX_WALK_COMPONENT bytes
  uint32_t used;
  uint32_t flags;  // FBX_SAW_OUTSIDE, FBX_SAW_CUT
};

static __always_inline struct mount *mount__of(struct vfsmount *mnt) {
  return (void *)mnt - bpf_core_field_offset(struct mount, mnt);
}

static long walk__step(uint32_t index, struct fbx_walk *walk) {
  struct dentry *dentry = walk->dentry;
  struct vfsmount *mnt = walk->mnt;
  if (dentry == walk->root && mnt == walk->root_mnt) return 1;
  if (dentry == BPF_CORE_READ(mnt, mnt_root)) {
    struct mount *mount = mount__of(mnt);
    struct mount *parent = BPF_CORE_READ(mount, mnt_parent);
    if (parent == mount || !parent) {
      walk->flags |= FBX_SAW_OUTSIDE;
      return 1;
    }
    walk->dentry = BPF_CORE_READ(mount, mnt_mountpoint);
    walk->mnt = (void *)parent + bpf_core_field_offset(struct mount, mnt);
    return 0;
  }
  uint32_t used = walk->used;
  if (used >= FBX_PATH_LIMIT) {
    walk->flags |= FBX_SAW_CUT;
    return 1;
  }
  const unsigned char *name = BPF_CORE_READ(dentry, d_name.name);
  long len = bpf_probe_read_kernel_str(&walk->out[used & (FBX_PATH_LIMIT - 1)], FBX_WALK_COMPONENT,
                                       name);
  if (len <= 0) {
    walk->flags |= FBX_SAW_CUT;
    return 1;
  }
  walk->used = used + len;
  struct dentry *parent = BPF_CORE_READ(dentry, d_parent);
  if (parent == dentry || !parent) {
    walk->flags |= FBX_SAW_OUTSIDE;
    return 1;
  }
  walk->dentry = parent;
  return 0;
}
