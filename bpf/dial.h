// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// What becomes of a dial, once its peer is known: the caller's rules first (a fault is in the
// call), then the cuts (which are in the network behind it). A bind goes the same way, to itself.
#pragma once

#include "bpf/inject.h"
#include "bpf/arch.h"
#include "bpf/sock.h"

#define FBX_ECONNREFUSED 111
#define FBX_NR_CONNECT FBX_NR(42, 203)
#define FBX_NR_SENDTO FBX_NR(44, 206)
#define FBX_NR_BIND FBX_NR(49, 200)

struct fbx_dial {
  struct fbx_endpoint to;
  uint32_t kind;     // FBX_KIND_*
  uint32_t nr;
  uint32_t flags;    // FBX_KEY_*
  uint32_t door;
  uint64_t peer_id;  // identity of the listener; 0 = nobody known
  int32_t peer;      // its service, when it is one of the same test
};

static __always_inline void decided__fill(struct fbx_decided *out, const struct fbx_dial *dial) {
  out->nr = dial->nr;
  out->to = dial->to;
  out->peer = dial->peer_id ? dial->peer : FBX_SERVICE_NONE;
}

// Global functions, because the verifier checks those once and not once for every state in which
// they are called (110 ms of loading against 20), and because the stack is 512 bytes deep.
__attribute__((weak, noinline)) int rules__log(const struct fbx_dial* dial,
                                               const struct fbx_decision* d, uint32_t generation,
                                               uint64_t caller_id) {
  if (!dial || !d) return 0;
  struct fbx_service *caller = bpf_map_lookup_elem(&fbx_services, &caller_id);
  if (!caller) return 0;
  struct fbx_decided out = {.rule = d->rule, .decision = d->action, .errnum = d->errnum,
                            .matched = d->matched, .n = d->n, .delay_ns = d->delay_ns,
                            .set = generation, .near = d->near};
  decided__fill(&out, dial);
  out.pad = d->lost;
  service__emit_decision(caller, &out);
  return 0;
}

// Returns the errno of a deny, or 0.
__attribute__((weak, noinline)) int rules__decide(const struct fbx_dial *dial, uint64_t caller_id) {
  if (!dial) return 0;
  struct fbx_ruleset *set = bpf_map_lookup_elem(&fbx_rulesets, &caller_id);
  struct fbx_counter *counters = inject__counters();
  if (!set || !counters) return 0;
  struct fbx_key key = {.nr = dial->nr, .kind = dial->kind};
  key.peer_service = dial->peer_id ? dial->peer : FBX_PEER_UNKNOWN;
  key.flags = dial->flags;
  key.peer_door = dial->door;
  key.has_addr = dial->kind != FBX_KIND_UNIX && dial->nr != FBX_NR_BIND;
  __builtin_memcpy(key.peer_addr, dial->to.addr, 16);
  uint32_t generation = *(volatile uint32_t *)&set->generation;
  struct fbx_decision d = {};
  fbx_decide(set, counters, &key, &d);
  if (*(volatile uint32_t *)&set->generation != generation) d.lost = 1;
  if (d.matched || d.near || d.lost) rules__log(dial, &d, generation, caller_id);
  return d.action == FBX_ACT_DENY ? d.errnum : 0;
}

static __always_inline int cuts__decide(const struct fbx_service *self, uint64_t self_id,
                                        const struct fbx_dial *dial) {
  if (!dial->peer_id || dial->peer_id == self_id) return 0;
  if (!(cut__flags(self_id, dial->peer_id) & FBX_CUT_REFUSE_DIALS)) return 0;
  struct fbx_cut_count *count = cut__count(self_id, dial->peer_id);
  if (count) __sync_fetch_and_add(&count->dials, 1);
  struct fbx_decided out = {.decision = FBX_DECIDED_CUT, .errnum = FBX_ECONNREFUSED};
  decided__fill(&out, dial);
  service__emit_decision(self, &out);
  return FBX_ECONNREFUSED;
}

static __always_inline int dial__decide(struct fbx_dial *dial, const struct fbx_switch *armed,
                                        uint32_t level) {
  uint64_t caller_id = task__identity(level);
  struct fbx_service *caller = bpf_map_lookup_elem(&fbx_services, &caller_id);
  if (!caller) return 1;
  struct fbx_service *peer = bpf_map_lookup_elem(&fbx_services, &dial->peer_id);
  dial->peer = peer && peer->worker == caller->worker ? peer->service : FBX_SERVICE_NONE;
  int errnum = 0;
  if (armed->rules && dial->nr != FBX_NR_SENDTO) errnum = rules__decide(dial, caller_id);
  if (!errnum && armed->cuts && dial->nr != FBX_NR_BIND) errnum = cuts__decide(caller, caller_id, dial);
  if (!errnum) return 1;
  bpf_set_retval(-errnum);
  return 0;
}
