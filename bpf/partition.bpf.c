// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// Packets between two services whose link is cut vanish where they arrive. At ingress, because a
// drop at egress tells a UDP sender EPERM. TCP resets pass: they are how a refused connection ends
// on both sides.
//
// kernel/bpf/cgroup.c: __cgroup_bpf_run_filter_skb(); the program sees the packet from its network
// header, and belongs to the receiving socket's cgroup.
#include "bpf/inject.h"
#include "bpf/sock.h"

#define FBX_PROTO_TCP 6
#define FBX_PROTO_UDP 17
#define FBX_TCP_SYN 0x02
#define FBX_TCP_RST 0x04
#define FBX_TCP_ACK 0x10

struct fbx_packet {
  struct bpf_sock_tuple sender;  // as bpf_skc_lookup_tcp wants it, to find the sender's socket
  uint32_t transport;  // offset of the TCP or UDP header
  uint8_t protocol;
  uint8_t tcp_flags;
  uint16_t ipv6;
  uint32_t payload;
};

static __always_inline int packet__ipv4(struct __sk_buff *skb, struct fbx_packet *p) {
  struct {
    uint8_t version_ihl, tos;
    uint16_t len, id, fragment;
    uint8_t ttl, protocol;
    uint16_t check;
    uint32_t from, to;
  } ip;
  if (bpf_skb_load_bytes(skb, 0, &ip, sizeof(ip))) return -1;
  if (ip.fragment & bpf_htons(0x1fff)) return -1;  // not the first fragment: no ports
  p->protocol = ip.protocol;
  p->transport = (ip.version_ihl & 15) * 4;
  p->sender.ipv4.daddr = ip.from;
  p->sender.ipv4.saddr = ip.to;
  uint16_t ports[2];
  if (bpf_skb_load_bytes(skb, p->transport, ports, sizeof(ports))) return -1;
  p->sender.ipv4.dport = ports[0];
  p->sender.ipv4.sport = ports[1];
  return 0;
}

static __always_inline int packet__ipv6(struct __sk_buff *skb, struct fbx_packet *p) {
  struct {
    uint32_t version;
    uint16_t len;
    uint8_t next, hops;
    uint32_t from[4], to[4];
  } ip;
  if (bpf_skb_load_bytes(skb, 0, &ip, sizeof(ip))) return -1;
  p->protocol = ip.next;
  p->transport = sizeof(ip);
  __builtin_memcpy(p->sender.ipv6.daddr, ip.from, 16);
  __builtin_memcpy(p->sender.ipv6.saddr, ip.to, 16);
  p->ipv6 = 1;
  uint16_t ports[2];
  if (bpf_skb_load_bytes(skb, p->transport, ports, sizeof(ports))) return -1;
  p->sender.ipv6.dport = ports[0];
  p->sender.ipv6.sport = ports[1];
  return 0;
}

static __always_inline int packet__parse(struct __sk_buff *skb, struct fbx_packet *p) {
  uint8_t version;
  if (bpf_skb_load_bytes(skb, 0, &version, 1)) return -1;
  if ((version >> 4) == 4 ? packet__ipv4(skb, p) : packet__ipv6(skb, p)) return -1;
  if (p->protocol != FBX_PROTO_TCP) return p->protocol == FBX_PROTO_UDP ? 0 : -1;
  uint8_t offset_flags[2];
  if (bpf_skb_load_bytes(skb, p->transport + 12, offset_flags, 2)) return -1;
  uint32_t headers = p->transport + (offset_flags[0] >> 4) * 4;
  p->tcp_flags = offset_flags[1];
  p->payload = skb->len > headers ? skb->len - headers : 0;
  return 0;
}

// The service that sent it, by the socket that has the packet's source. `len` must be a constant
// where it is inlined.
static __always_inline uint64_t tuple__owner(struct __sk_buff *skb, struct fbx_packet *p,
                                             uint32_t len, uint32_t level) {
  struct bpf_sock *sk;
  if (p->protocol == FBX_PROTO_TCP) {
    sk = bpf_skc_lookup_tcp(skb, &p->sender, len, BPF_F_CURRENT_NETNS, 0);
    if (!sk) return 0;
    uint64_t id = bpf_sk_ancestor_cgroup_id(sk, level);
    bpf_sk_release(sk);
    return id;
  }
  sk = bpf_sk_lookup_udp(skb, &p->sender, len, BPF_F_CURRENT_NETNS, 0);
  if (!sk) return 0;
  uint64_t id = bpf_sk_ancestor_cgroup_id(sk, level);
  bpf_sk_release(sk);
  return id;
}

static __always_inline uint64_t packet__sender(struct __sk_buff *skb, struct fbx_packet *p,
                                               uint32_t level) {
  if (p->ipv6) return tuple__owner(skb, p, sizeof(p->sender.ipv6), level);
  return tuple__owner(skb, p, sizeof(p->sender.ipv4), level);
}

static __always_inline void cut__count_packet(uint64_t from, uint64_t to, uint32_t flags,
                                              const struct fbx_packet *p) {
  struct fbx_cut_count *count = cut__count(from, to);
  if (!count) return;
  __sync_fetch_and_add(&count->packets, 1);
  if (p->protocol == FBX_PROTO_UDP) {
    __sync_fetch_and_add(&count->datagrams, 1);
    return;
  }
  if (!(flags & FBX_CUT_SETTLED)) return;
  if (p->payload) __sync_fetch_and_add(&count->late, 1);
  if ((p->tcp_flags & (FBX_TCP_SYN | FBX_TCP_ACK)) == FBX_TCP_SYN)
    __sync_fetch_and_add(&count->late_syn, 1);
}

SEC("cgroup_skb/ingress")
int partition__on_ingress(struct __sk_buff *skb) {
  struct fbx_switch *armed = inject__switch();
  if (!armed || !armed->cuts) return 1;
  uint32_t level = config__leaf_level();
  struct fbx_packet packet = {};
  if (!level || packet__parse(skb, &packet)) return 1;
  if (packet.protocol == FBX_PROTO_TCP && packet.tcp_flags & FBX_TCP_RST) return 1;
  uint64_t to = bpf_skb_ancestor_cgroup_id(skb, level);
  uint64_t from = packet__sender(skb, &packet, level);
  if (!from || !to || from == to) return 1;
  uint32_t flags = cut__flags(from, to);
  if (!(flags & FBX_CUT_DROP)) return 1;
  cut__count_packet(from, to, flags, &packet);
  return 0;
}

FBX_LICENSE;
