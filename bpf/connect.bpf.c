// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// The cgroup hand: who may dial whom. Denied by a rule (decide.h), or refused because the link
// between the two services is cut. The peer is told by its listener's cgroup, never by address.
//
// kernel/bpf/cgroup.c: __cgroup_bpf_run_filter_sock_addr(); the programs run before the protocol's
// connect or sendmsg, so a refused dial sends no packet. bpf_set_retval: Linux 5.18.
#include "bpf/inject.h"
#include "bpf/arch.h"
#include "bpf/sock.h"

#define FBX_PROTO_TCP 6
#define FBX_PROTO_UDP 17
#define FBX_PROTO_MPTCP 262
#define FBX_ECONNREFUSED 111
#define FBX_NR_CONNECT FBX_NR(42, 203)
#define FBX_NR_SENDTO FBX_NR(44, 206)

extern void *bpf_rdonly_cast(const void *obj, uint32_t btf_id) __ksym __weak;

struct fbx_dial {
  struct fbx_endpoint to;
  uint32_t kind;     // FBX_KIND_*
  uint32_t nr;
  uint64_t peer_id;  // identity of the listener; 0 = nobody known
  int32_t peer;      // its service, when it is one of the same test
};

static __always_inline uint32_t dial__kind(const struct bpf_sock_addr *ctx) {
  if (ctx->type == FBX_SOCK_STREAM &&
      (ctx->protocol == FBX_PROTO_TCP || ctx->protocol == FBX_PROTO_MPTCP))
    return FBX_KIND_STREAM;
  if (ctx->type == FBX_SOCK_DGRAM && ctx->protocol == FBX_PROTO_UDP) return FBX_KIND_UDP;
  return FBX_KIND_SOCKET;
}

static __always_inline int endpoint__is_ipv4(const struct fbx_endpoint *end) {
  const uint32_t *w = (const uint32_t *)end->addr;
  return !w[0] && !w[1] && w[2] == bpf_htonl(0xffff);
}

// Dialling the unspecified address reaches this host (net/ipv4/route.c, net/ipv6/tcp_ipv6.c).
static __always_inline void endpoint__resolve_any(struct fbx_endpoint *end) {
  uint32_t *w = (uint32_t *)end->addr;
  if (w[3] || w[0] || w[1]) return;
  if (w[2] == bpf_htonl(0xffff)) w[3] = bpf_htonl(0x7f000001);
  if (!w[2]) w[3] = bpf_htonl(1);
}

static __always_inline uint32_t dial__tuple(const struct fbx_endpoint *to,
                                            struct bpf_sock_tuple *tuple) {
  const uint32_t *w = (const uint32_t *)to->addr;
  if (endpoint__is_ipv4(to)) {
    tuple->ipv4.saddr = tuple->ipv4.daddr = w[3];
    tuple->ipv4.sport = bpf_htons(1);
    tuple->ipv4.dport = bpf_htons(to->port);
    return sizeof(tuple->ipv4);
  }
  for (int i = 0; i < 4; i++) tuple->ipv6.saddr[i] = tuple->ipv6.daddr[i] = w[i];
  tuple->ipv6.sport = bpf_htons(1);
  tuple->ipv6.dport = bpf_htons(to->port);
  return sizeof(tuple->ipv6);
}

static __always_inline uint64_t sock__identity(struct sock *sk, uint32_t level) {
  return sk ? cgroup__identity(BPF_CORE_READ(sk, sk_cgrp_data.cgroup), level) : 0;
}

static __always_inline uint64_t tcp__owner(struct bpf_sock_addr *ctx,
                                           const struct fbx_endpoint *to, uint32_t level) {
  struct bpf_sock_tuple tuple = {};
  uint32_t len = dial__tuple(to, &tuple);
  struct bpf_sock *found = bpf_skc_lookup_tcp(ctx, &tuple, len, BPF_F_CURRENT_NETNS, 0);
  if (!found) return 0;
  uint64_t id = sock__identity((struct sock *)bpf_skc_to_tcp_sock(found), level);
  bpf_sk_release(found);
  return id;
}

static __always_inline uint64_t udp__owner(struct bpf_sock_addr *ctx,
                                           const struct fbx_endpoint *to, uint32_t level) {
  struct bpf_sock_tuple tuple = {};
  uint32_t len = dial__tuple(to, &tuple);
  struct bpf_sock *found = bpf_sk_lookup_udp(ctx, &tuple, len, BPF_F_CURRENT_NETNS, 0);
  if (!found) return 0;
  uint64_t id = 0;
  if (bpf_rdonly_cast) {
    struct sock *sk = bpf_rdonly_cast(found, bpf_core_type_id_kernel(struct sock));
    id = sock__identity(sk, level);
  }
  bpf_sk_release(found);
  return id;
}

static __always_inline void decided__fill(struct fbx_decided *out, const struct fbx_dial *dial) {
  out->nr = dial->nr;
  out->to = dial->to;
  out->peer = dial->peer_id ? dial->peer : FBX_SERVICE_NONE;
}

// Global functions, because the verifier checks those once and not once for every state in which
// they are called (110 ms of loading against 20), and because the stack is 512 bytes deep.
__attribute__((noinline)) int rules__log(const struct fbx_dial *dial, const struct fbx_decision *d,
                                         uint32_t generation, uint64_t caller_id) {
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
__attribute__((noinline)) int rules__decide(const struct fbx_dial *dial, uint64_t caller_id) {
  if (!dial) return 0;
  struct fbx_ruleset *set = bpf_map_lookup_elem(&fbx_rulesets, &caller_id);
  struct fbx_counter *counters = inject__counters();
  if (!set || !counters) return 0;
  struct fbx_key key = {.nr = dial->nr, .kind = dial->kind};
  key.peer_service = dial->peer_id ? dial->peer : FBX_PEER_UNKNOWN;
  key.peer_door = dial->to.port;
  key.has_addr = 1;
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

static __always_inline int dial__check(struct bpf_sock_addr *ctx, struct fbx_dial *dial) {
  struct fbx_switch *armed = inject__switch();
  uint32_t level = config__leaf_level();
  if (!armed || !level || (!armed->cuts && !armed->rules)) return 1;
  endpoint__resolve_any(&dial->to);
  dial->kind = dial__kind(ctx);
  if (dial->kind == FBX_KIND_STREAM) dial->peer_id = tcp__owner(ctx, &dial->to, level);
  if (dial->kind == FBX_KIND_UDP) dial->peer_id = udp__owner(ctx, &dial->to, level);

  uint64_t caller_id = task__identity(level);
  struct fbx_service *caller = bpf_map_lookup_elem(&fbx_services, &caller_id);
  if (!caller) return 1;
  struct fbx_service *peer = bpf_map_lookup_elem(&fbx_services, &dial->peer_id);
  dial->peer = peer && peer->worker == caller->worker ? peer->service : FBX_SERVICE_NONE;
  int errnum = 0;
  if (armed->rules && dial->nr == FBX_NR_CONNECT)
    errnum = rules__decide(dial, caller_id);
  if (!errnum && armed->cuts) errnum = cuts__decide(caller, caller_id, dial);
  if (!errnum) return 1;
  bpf_set_retval(-errnum);
  return 0;
}

static __always_inline int dial__ipv4(struct bpf_sock_addr *ctx, uint32_t nr) {
  struct fbx_dial dial = {.nr = nr, .peer = FBX_SERVICE_NONE};
  endpoint__from_ipv4(&dial.to, ctx->user_ip4);
  dial.to.port = bpf_ntohs(ctx->user_port);
  return dial__check(ctx, &dial);
}

static __always_inline int dial__ipv6(struct bpf_sock_addr *ctx, uint32_t nr) {
  struct fbx_dial dial = {.nr = nr, .peer = FBX_SERVICE_NONE};
  uint32_t *w = (uint32_t *)dial.to.addr;
  w[0] = ctx->user_ip6[0];
  w[1] = ctx->user_ip6[1];
  w[2] = ctx->user_ip6[2];
  w[3] = ctx->user_ip6[3];
  dial.to.port = bpf_ntohs(ctx->user_port);
  return dial__check(ctx, &dial);
}

SEC("cgroup/connect4")
int connect__on_ipv4(struct bpf_sock_addr *ctx) { return dial__ipv4(ctx, FBX_NR_CONNECT); }

SEC("cgroup/connect6")
int connect__on_ipv6(struct bpf_sock_addr *ctx) { return dial__ipv6(ctx, FBX_NR_CONNECT); }

// Datagrams sent without connect.
SEC("cgroup/sendmsg4")
int connect__on_sendmsg4(struct bpf_sock_addr *ctx) { return dial__ipv4(ctx, FBX_NR_SENDTO); }

SEC("cgroup/sendmsg6")
int connect__on_sendmsg6(struct bpf_sock_addr *ctx) { return dial__ipv6(ctx, FBX_NR_SENDTO); }

FBX_LICENSE;
