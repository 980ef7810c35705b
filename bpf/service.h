// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// Whose is this task, this socket, this cgroup (bpf/abi/maps.h: identity), and where do its records
// go. Shared by all programs.
#pragma once

#include "bpf/maps.bpf.h"

// leaf_level of fbx_config; 0 = no service yet.
static __always_inline uint32_t config__leaf_level(void) {
  uint32_t zero = 0;
  struct fbx_config *config = bpf_map_lookup_elem(&fbx_config, &zero);
  return config ? config->leaf_level : 0;
}

// The id that fbx_services is keyed by, for the running task. One helper call, no walk. A task
// above the leaves (the client) is named by its own cgroup.
static __always_inline uint64_t task__identity(uint32_t leaf_level) {
  uint64_t id = bpf_get_current_ancestor_cgroup_id(leaf_level);
  return id ? id : bpf_get_current_cgroup_id();
}

// The service of the running task, or NULL: it is none of ours.
static __always_inline struct fbx_service *task__service(void) {
  uint32_t level = config__leaf_level();
  if (!level) return 0;
  uint64_t id = bpf_get_current_ancestor_cgroup_id(level);
  return id ? bpf_map_lookup_elem(&fbx_services, &id) : 0;
}

// The entry of that identity, or NULL.
static __always_inline struct fbx_service *service__of(uint64_t id) {
  uint32_t slot = id & (FBX_NEAR_SLOTS - 1);
  struct fbx_near *near = bpf_map_lookup_elem(&fbx_near, &slot);
  if (!near) return 0;
  uint64_t owner = *(volatile uint64_t *)&near->id;
  if (owner == id) return &near->service;
  return owner ? bpf_map_lookup_elem(&fbx_services, &id) : 0;
}

// As task__service(), for programs that may read the running task's own structures: no helper where
// the task lives in the leaf itself.
static __always_inline struct fbx_service *task__watched(struct task_struct *task) {
  uint32_t level = config__leaf_level();
  if (!level) return 0;
  struct cgroup *cgroup = task->cgroups->dfl_cgrp;
  int depth = cgroup->level;
  if (depth < (int)level) return 0;
  uint64_t id = depth == (int)level ? cgroup->kn->id : bpf_get_current_ancestor_cgroup_id(level);
  return service__of(id);
}

// The same id for any cgroup (of a socket, of another task). Its walk is a function with external
// linkage, which the verifier checks once and not at every call; addresses travel as numbers.
#define FBX_CGROUP_DEPTH 24
__attribute__((weak, noinline)) uint64_t cgroup__identity_of(uint64_t address,
                                                             uint32_t leaf_level) {
  struct cgroup *cgroup = (struct cgroup *)address;
  if (!cgroup) return 0;
  uint64_t own = BPF_CORE_READ(cgroup, kn, id);
  int level = BPF_CORE_READ(cgroup, level);
  if (!leaf_level || level <= (int)leaf_level) return own;
  for (int i = 0; i < FBX_CGROUP_DEPTH && level > (int)leaf_level; i++, level--) {
    cgroup = BPF_CORE_READ(cgroup, self.parent, cgroup);
    if (!cgroup) return own;
  }
  return BPF_CORE_READ(cgroup, kn, id);
}

static __always_inline uint64_t cgroup__identity(struct cgroup *cgroup, uint32_t leaf_level) {
  return cgroup__identity_of((uint64_t)cgroup, leaf_level);
}

static __always_inline struct fbx_service *cgroup__service(struct cgroup *cgroup) {
  uint64_t id = cgroup__identity(cgroup, config__leaf_level());
  return id ? bpf_map_lookup_elem(&fbx_services, &id) : 0;
}

// `sk`: any kernel struct sock *. The service in whose cgroup the socket was made.
static __always_inline struct fbx_service *sock__service(struct sock *sk) {
  return cgroup__service(BPF_CORE_READ(sk, sk_cgrp_data.cgroup));
}

static __always_inline void *service__ring(const struct fbx_service *service) {
  uint32_t worker = service->worker;
  return bpf_map_lookup_elem(&fbx_rings, &worker);
}

// Every attempt to write a record ends in exactly one of these three.
static __always_inline struct fbx_count *worker__count(uint32_t worker) {
  return bpf_map_lookup_elem(&fbx_counts, &worker);
}

static __always_inline void worker__count_written(uint32_t worker) {
  struct fbx_count *count = worker__count(worker);
  if (count) __sync_fetch_and_add(&count->written, 1);
}

static __always_inline void worker__count_lost(uint32_t worker) {
  struct fbx_count *count = worker__count(worker);
  if (count) __sync_fetch_and_add(&count->lost, 1);
}

static __always_inline void worker__count_unbuilt(uint32_t worker) {
  struct fbx_count *count = worker__count(worker);
  if (count) __sync_fetch_and_add(&count->unbuilt, 1);
}

// Wakes the reader when what has gathered passes a multiple of wake_at (a power of two), not at each
// record beyond it: a wake-up costs microseconds. The window is wide enough that records of several
// processors can't all step over it.
#define FBX_WAKE_WINDOW 32768
static __always_inline uint64_t ring__wakeup(void *ring, const struct fbx_service *service) {
  uint64_t gathered = bpf_ringbuf_query(ring, BPF_RB_AVAIL_DATA);
  uint64_t beyond = gathered & (service->wake_at - 1);
  return gathered >= service->wake_at && beyond < FBX_WAKE_WINDOW ? BPF_RB_FORCE_WAKEUP
                                                                  : BPF_RB_NO_WAKEUP;
}

static __always_inline void head__fill(struct fbx_head *head, uint16_t kind, uint16_t size,
                                       const struct fbx_service *service, uint64_t time_ns) {
  uint64_t id = bpf_get_current_pid_tgid();
  head->kind = kind;
  head->size = size;
  head->service = service->service;
  head->pad = 0;
  head->generation = service->generation;
  head->tid = (uint32_t)id;
  head->pid = id >> 32;
  head->pad2 = 0;
  head->time_ns = time_ns;
}

// Writes a decision into the service's ring. `decided` holds everything but the head. A decision
// that finds no room counts as lost.
static __always_inline void service__emit_decision(const struct fbx_service *service,
                                                   const struct fbx_decided *decided) {
  void *ring = service__ring(service);
  if (!ring) return worker__count_unbuilt(service->worker);
  struct fbx_decided *out = bpf_ringbuf_reserve(ring, sizeof(*out), 0);
  if (!out) return worker__count_lost(service->worker);
  *out = *decided;
  head__fill(&out->head, FBX_RECORD_DECISION, sizeof(*out), service, bpf_ktime_get_ns());
  bpf_ringbuf_submit(out, ring__wakeup(ring, service));
  worker__count_written(service->worker);
}
