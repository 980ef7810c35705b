// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// Lists every TCP and every unix socket of the reader's network namespace with the service that
// made it (bpf/abi/cut.h). Used to find who listens where, and both ends of connections to reset.
#include "bpf/service.h"
#include "bpf/sock.h"
#include "bpf/abi/cut.h"

#define FBX_TCP_SYN_RECV 3
#define FBX_TCP_TIME_WAIT 6
#define FBX_TCP_CLOSE 7
#define FBX_TCP_LISTEN 10
#define FBX_TCP_NEW_SYN_RECV 12

struct sock_common___v6only {
  unsigned char skc_ipv6only : 1;
} __attribute__((preserve_access_index));

struct sock___with_socket {
  struct socket *sk_socket;
} __attribute__((preserve_access_index));

// include/net/request_sock.h: rsk_listener is a name for this.
struct sock_common___listener {
  struct sock *skc_listener;
} __attribute__((preserve_access_index));

struct tcp_request_sock {
  uint32_t rcv_nxt, snt_isn;
} __attribute__((preserve_access_index));

struct socket_alloc {
  struct socket socket;
  struct inode vfs_inode;
} __attribute__((preserve_access_index));

struct fbx_sockaddr_un {
  unsigned short family;
  char path[FBX_UNIX_NAME];
};

struct unix_address___name {
  int len;
  struct fbx_sockaddr_un name[0];
} __attribute__((preserve_access_index));

static __always_inline uint64_t sock__owner(struct sock *sk, uint32_t level) {
  return sk ? cgroup__identity(BPF_CORE_READ(sk, sk_cgrp_data.cgroup), level) : 0;
}

static __always_inline int addr__is_ipv4(const uint8_t addr[16]) {
  const uint32_t *w = (const uint32_t *)addr;
  return !w[0] && !w[1] && w[2] == bpf_htonl(0xffff);
}

static __always_inline void end__addresses(struct sock *sk, struct fbx_tcp_end *end) {
  struct fbx_endpoint local, remote;
  uint16_t family = BPF_CORE_READ(sk, __sk_common.skc_family);
  sock__endpoints(sk, family, &local, &remote);
  __builtin_memcpy(end->local, local.addr, 16);
  __builtin_memcpy(end->remote, remote.addr, 16);
  end->local_port = local.port;
  end->remote_port = remote.port;
  end->ipv6_wire = family == FBX_AF_INET6 && !addr__is_ipv4(end->remote);
}

// net/ipv4/tcp_ipv4.c: bpf_iter_tcp_seq_show() also gives TIME_WAIT and request sockets, which are
// no struct sock.
SEC("iter/tcp")
int sockets__list_tcp(struct bpf_iter__tcp *ctx) {
  struct sock_common *common = ctx->sk_common;
  if (!common) return 0;
  struct fbx_tcp_end end = {.state = BPF_CORE_READ(common, skc_state)};
  if (end.state == FBX_TCP_TIME_WAIT || end.state == FBX_TCP_CLOSE) return 0;
  uint32_t level = config__leaf_level();
  end__addresses((struct sock *)common, &end);
  if (end.state == FBX_TCP_NEW_SYN_RECV) {
    struct tcp_request_sock *request = (void *)bpf_skc_to_tcp_request_sock(common);
    if (!request) return 0;
    end.cgroup =
        sock__owner(BPF_CORE_READ((struct sock_common___listener*)common, skc_listener), level);
    end.rcv_nxt = BPF_CORE_READ(request, rcv_nxt);
    end.snd_nxt = BPF_CORE_READ(request, snt_isn) + 1;
  } else {
    struct tcp_sock *tcp = (void *)bpf_skc_to_tcp_sock(common);
    if (!tcp) return 0;
    end.cgroup = sock__owner((struct sock *)tcp, level);
    end.rcv_nxt = BPF_CORE_READ(tcp, rcv_nxt);
    end.snd_nxt = BPF_CORE_READ(tcp, snd_nxt);
    end.v6only = BPF_CORE_READ_BITFIELD_PROBED((struct sock_common___v6only *)common, skc_ipv6only);
  }
  bpf_seq_write(ctx->meta->seq, &end, sizeof(end));
  return 0;
}

static __always_inline uint64_t sock__inode(struct sock *sk) {
  struct socket *socket = BPF_CORE_READ((struct sock___with_socket *)sk, sk_socket);
  if (!socket) return 0;
  return BPF_CORE_READ((struct socket_alloc *)socket, vfs_inode.i_ino);
}

// Peer pointers of other sockets are read without their locks: a socket that is closing meanwhile
// shows as having no peer.
SEC("iter/unix")
int sockets__list_unix(struct bpf_iter__unix *ctx) {
  struct unix_sock *sock = ctx->unix_sk;
  if (!sock) return 0;
  struct sock *sk = (struct sock *)sock;
  uint32_t level = config__leaf_level();
  struct fbx_unix_end end = {};
  end.state = BPF_CORE_READ(sk, __sk_common.skc_state);
  end.type = BPF_CORE_READ(sk, sk_type);
  end.cgroup = sock__owner(sk, level);
  end.inode = sock__inode(sk);
  struct sock *peer = BPF_CORE_READ(sock, peer);
  if (peer) {
    end.peer_cgroup = sock__owner(peer, level);
    end.peer_inode = sock__inode(peer);
  }
  struct unix_address___name *address = (void *)BPF_CORE_READ(sock, addr);
  if (address) {
    int len = BPF_CORE_READ(address, len) - 2;
    end.name_len = len < 0 ? 0 : len > FBX_UNIX_NAME ? FBX_UNIX_NAME : len;
    bpf_probe_read_kernel(end.name, sizeof(end.name),
                          (char *)address + bpf_core_field_offset(address->name) + 2);
  }
  bpf_seq_write(ctx->meta->seq, &end, sizeof(end));
  return 0;
}

FBX_LICENSE;
