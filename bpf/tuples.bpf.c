// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// Who owns each end of every TCP connection of the run: a socket's own tuple → where it was made.
// A program at the exit of a system call can't look sockets up, but it can reverse the tuple of the
// socket at hand and find the other end here.
#include "bpf/service.h"
#include "bpf/sock.h"

// include/uapi/linux/bpf.h: called with the socket locked, before connect() and accept() return.
SEC("sockops")
int tuples__on_established(struct bpf_sock_ops *ctx) {
  if (ctx->op != BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB &&
      ctx->op != BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB)
    return 1;
  struct bpf_sock *opaque = ctx->sk;
  if (!opaque) return 1;
  struct sock *sk = (struct sock *)bpf_skc_to_tcp_sock(opaque);
  if (!sk) return 1;
  struct fbx_tuple tuple = {};
  tuple.netns = sock__netns(sk);
  sock__endpoints(sk, BPF_CORE_READ(sk, __sk_common.skc_family), &tuple.local, &tuple.remote);
  struct fbx_owner owner = {
      .cgroup = cgroup__identity(BPF_CORE_READ(sk, sk_cgrp_data.cgroup), config__leaf_level())};
  bpf_map_update_elem(&fbx_tuples, &tuple, &owner, BPF_ANY);
  uint32_t zero = 0;
  struct fbx_tuple_use *use = bpf_map_lookup_elem(&fbx_tuple_use, &zero);
  if (use) __sync_fetch_and_add(&use->made, 1);
  return 1;
}

FBX_LICENSE;
