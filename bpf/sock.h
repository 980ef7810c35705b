// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// Both ends of a socket, read from the kernel's struct sock in one form for IPv4 and IPv6.
#pragma once

#include "bpf/kernel.h"
#include "bpf/abi/maps.h"

#define FBX_AF_UNIX 1
#define FBX_AF_INET 2
#define FBX_AF_INET6 10
#define FBX_SOCK_STREAM 1
#define FBX_SOCK_DGRAM 2

static __always_inline void endpoint__from_ipv4(struct fbx_endpoint *end, uint32_t addr) {
  __builtin_memset(end->addr, 0, 10);
  end->addr[10] = 0xff;
  end->addr[11] = 0xff;
  __builtin_memcpy(&end->addr[12], &addr, 4);
}

// net/ipv4/inet_hashtables.c: a connected socket's addresses stand in struct sock_common; an
// AF_INET6 socket talking IPv4 holds the mapped form in the IPv6 fields, as we do.
static __always_inline void sock__endpoints(struct sock *sk, uint16_t family,
                                            struct fbx_endpoint *local,
                                            struct fbx_endpoint *remote) {
  if (family == FBX_AF_INET6) {
    BPF_CORE_READ_INTO(&local->addr, sk, __sk_common.skc_v6_rcv_saddr);
    BPF_CORE_READ_INTO(&remote->addr, sk, __sk_common.skc_v6_daddr);
  } else {
    endpoint__from_ipv4(local, BPF_CORE_READ(sk, __sk_common.skc_rcv_saddr));
    endpoint__from_ipv4(remote, BPF_CORE_READ(sk, __sk_common.skc_daddr));
  }
  local->port = BPF_CORE_READ(sk, __sk_common.skc_num);
  remote->port = bpf_ntohs(BPF_CORE_READ(sk, __sk_common.skc_dport));
  local->pad = 0;
  remote->pad = 0;
}

static __always_inline uint64_t sock__netns(struct sock *sk) {
  return BPF_CORE_READ(sk, __sk_common.skc_net.net, net_cookie);
}
