// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// Maps that only the observing programs share. calls.bpf.c defines them.
#pragma once

#include "bpf/arch.h"
#include "bpf/service.h"
#include "bpf/walk.h"

#ifndef FBX_OBSERVE_MAP
#define FBX_OBSERVE_MAP extern
#endif

// A string on its way to the ring. One buffer per program that none of the others' can interrupt on
// its CPU (syscall tracepoints run with preemption off).
#define FBX_SCRATCH_ENTER 0
#define FBX_SCRATCH_EXIT 1
#define FBX_SCRATCH_TASK 2
#define FBX_SCRATCHES 3

struct fbx_scratch {
  uint64_t made;  // strings by this buffer on this CPU: makes ids
  uint32_t index;
  uint32_t pad;
  struct fbx_string string;
  char bytes[FBX_PATH_LIMIT + FBX_WALK_COMPONENT];
};

struct fbx_scratches_map {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, FBX_SCRATCHES);
  __type(key, uint32_t);
  __type(value, struct fbx_scratch);
};
FBX_OBSERVE_MAP struct fbx_scratches_map fbx_scratches SEC(".maps");

// Paths already sent. The dentry's name hash tells a reused dentry from the old one.
struct fbx_path_key {
  uint64_t dentry, mnt, root, inode, name_hash, epoch;
  uint32_t generation;
  uint32_t pad;
};

struct fbx_path_value {
  uint64_t id;
  uint32_t kind;   // FBX_KIND_*
  uint32_t flags;  // FBX_SAW_OUTSIDE, FBX_SAW_CUT
};

struct fbx_paths_map {
  __uint(type, BPF_MAP_TYPE_LRU_HASH);
  __uint(max_entries, 8192);
  __type(key, struct fbx_path_key);
  __type(value, struct fbx_path_value);
};
FBX_OBSERVE_MAP struct fbx_paths_map fbx_paths SEC(".maps");

// A path that a thread used lately.
struct fbx_kept_path {
  struct fbx_path_key key;
  struct fbx_path_value value;
};
#define FBX_KEPT_PATHS 4

// What a thread is in the middle of.
struct fbx_open_call {
  uint64_t seq;           // odd: inside a call of interest
  uint32_t generation;    // of the test that `record` was begun for
  uint16_t restarts;      // calls interrupted by signals whose handlers may still run
  uint16_t restart_nr;    // the latest of them
  uint32_t naming;        // 1: counted in fbx_epoch.busy
  uint32_t is_sock;       // the record is a fbx_sock_call
  uint32_t at_end;        // it is being built or completed at sys_exit
  uint32_t pad;
  struct fbx_sock_call record;
  struct fbx_kept_path kept[FBX_KEPT_PATHS];
};

static __always_inline int open__has_begun(const struct fbx_open_call *open,
                                           const struct fbx_service *service, uint32_t nr) {
  return (open->seq & 1) && open->record.call.nr == nr && open->generation == service->generation;
}

// Begins or ends the thread's call, for the iterator, which may look at any moment.
static __always_inline void open__turn(struct fbx_open_call *open) {
  FBX_STORE_LAST(open->seq, open->seq + 1);
}

struct fbx_open_calls_map {
  __uint(type, BPF_MAP_TYPE_TASK_STORAGE);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __type(key, int);
  __type(value, struct fbx_open_call);
};
FBX_OBSERVE_MAP struct fbx_open_calls_map fbx_open_calls SEC(".maps");

static __always_inline struct fbx_scratch *scratch__get(uint32_t index) {
  struct fbx_scratch *scratch = bpf_map_lookup_elem(&fbx_scratches, &index);
  if (scratch) scratch->index = index;
  return scratch;
}

// Small records ask after the reader only now and then: FBX_WAKE_WINDOW is wider than what a
// processor writes in between.
#define FBX_WAKE_EVERY 15

// Hands a finished record over: exactly one of written and lost counts it.
static __always_inline int service__emit(const struct fbx_service *service, void *record,
                                         uint64_t size) {
  void *ring = service__ring(service);
  if (!ring) {
    worker__count_unbuilt(service->worker);
    return -1;
  }
  struct fbx_count *count = worker__count(service->worker);
  if (!count) return -1;
  uint64_t wakeup = size > 512 || !(*(volatile uint64_t *)&count->written & FBX_WAKE_EVERY)
                        ? ring__wakeup(ring, service)
                        : BPF_RB_NO_WAKEUP;
  if (bpf_ringbuf_output(ring, record, size, wakeup) != 0) {
    __sync_fetch_and_add(&count->lost, 1);
    return -1;
  }
  __sync_fetch_and_add(&count->written, 1);
  return 0;
}
