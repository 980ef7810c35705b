// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// The cgroup hand: who may dial whom, and bind what. Denied by a rule (decide.h), or refused because the link
// between the two services is cut. The peer is told by its listener's cgroup, never by address.
//
// kernel/bpf/cgroup.c: __cgroup_bpf_run_filter_sock_addr(); the programs run before the protocol's
// connect or sendmsg, so a refused dial sends no packet. bpf_set_retval: Linux 5.18.
#include "bpf/dial.h"

#define FBX_PROTO_TCP 6
#define FBX_PROTO_UDP 17
#define FBX_PROTO_MPTCP 262

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
  // Nothing makes a struct sock of this for UDP; but where it stands can be copied as a number.
  struct sock *sk = 0;
  struct bpf_sock *kept = found;
  bpf_probe_read_kernel(&sk, sizeof(sk), &kept);
  uint64_t id = sock__identity(sk, level);
  bpf_sk_release(found);
  return id;
}

static __always_inline int dial__check(struct bpf_sock_addr *ctx, struct fbx_dial *dial) {
  struct fbx_switch *armed = inject__switch();
  uint32_t level = config__leaf_level();
  if (!armed || !level || (!armed->cuts && !armed->rules)) return 1;
  endpoint__resolve_any(&dial->to);
  dial->kind = dial__kind(ctx);
  if (dial->kind == FBX_KIND_STREAM) dial->peer_id = tcp__owner(ctx, &dial->to, level);
  if (dial->kind == FBX_KIND_UDP) dial->peer_id = udp__owner(ctx, &dial->to, level);

  dial->door = dial->to.port;
  return dial__decide(dial, armed, level);
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

// net/ipv4/af_inet.c: inet_bind_sk(): before anybody looks whether the address is free.
static __always_inline int bind__check(struct bpf_sock_addr *ctx, struct fbx_dial *dial) {
  struct fbx_switch *armed = inject__switch();
  uint32_t level = config__leaf_level();
  if (!armed || !level || !armed->rules) return 1;
  dial->kind = dial__kind(ctx);
  return dial__decide(dial, armed, level);
}

SEC("cgroup/bind4")
int connect__on_bind4(struct bpf_sock_addr *ctx) {
  struct fbx_dial dial = {.nr = FBX_NR_BIND, .peer = FBX_SERVICE_NONE};
  endpoint__from_ipv4(&dial.to, ctx->user_ip4);
  dial.to.port = bpf_ntohs(ctx->user_port);
  return bind__check(ctx, &dial);
}

SEC("cgroup/bind6")
int connect__on_bind6(struct bpf_sock_addr *ctx) {
  struct fbx_dial dial = {.nr = FBX_NR_BIND, .peer = FBX_SERVICE_NONE};
  uint32_t *w = (uint32_t *)dial.to.addr;
  w[0] = ctx->user_ip6[0];
  w[1] = ctx->user_ip6[1];
  w[2] = ctx->user_ip6[2];
  w[3] = ctx->user_ip6[3];
  dial.to.port = bpf_ntohs(ctx->user_port);
  return bind__check(ctx, &dial);
}

FBX_LICENSE;
