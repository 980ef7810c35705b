// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// Both ends of the socket behind a descriptor, and who owns the other one.
#pragma once

#include "bpf/file.h"
#include "bpf/strings.h"

// Of TCP: from the tuple map, by the other end's own tuple, which is ours reversed. *lost: it may have
// been there.
static __always_inline uint64_t tcp__peer_identity(struct sock *sk, const struct fbx_sock *sock,
                                                   uint32_t *lost) {
  struct fbx_tuple tuple = {};
  tuple.netns = sock__netns(sk);
  tuple.local = sock->remote;
  tuple.remote = sock->local;
  struct fbx_owner *owner = bpf_map_lookup_elem(&fbx_tuples, &tuple);
  if (owner) return owner->cgroup;
  uint32_t zero = 0;
  struct fbx_tuple_use *use = bpf_map_lookup_elem(&fbx_tuple_use, &zero);
  *lost = use && use->made > use->safe;
  return 0;
}

// net/unix/af_unix.c: both ends of a connection know the process that made the other one (of an
// accepted socket: connect()'s caller; of a connecting one: listen()'s). While it lives, its cgroup
// is the answer; else the one in which the other socket was made, which for accepted sockets is the
// connecting side's.
#define FBX_PIDTYPE_TGID 1
static __always_inline uint64_t unix__peer_identity(struct sock *sk, struct sock *peer) {
  uint32_t level = config__leaf_level();
  struct pid *pid = BPF_CORE_READ(sk, sk_peer_pid);
  if (pid) {
    struct hlist_node *node = BPF_CORE_READ(pid, tasks[FBX_PIDTYPE_TGID].first);
    if (node) {
      struct task_struct *task =
          (void *)node - bpf_core_field_offset(struct task_struct, pid_links[FBX_PIDTYPE_TGID]);
      uint64_t id = cgroup__identity(BPF_CORE_READ(task, cgroups, dfl_cgrp), level);
      if (id) return id;
    }
  }
  return peer ? cgroup__identity(BPF_CORE_READ(peer, sk_cgrp_data.cgroup), level) : 0;
}

#define FBX_SUN_PATH 108
static __always_inline uint64_t unix__name(struct sock *sk, struct sock *peer,
                                           struct fbx_scratch *scratch,
                                           const struct fbx_service *service) {
  struct unix_address *address = peer ? BPF_CORE_READ((struct unix_sock *)peer, addr) : 0;
  if (!address) address = BPF_CORE_READ((struct unix_sock *)sk, addr);
  if (!address) return 0;
  int len = BPF_CORE_READ(address, len) - 2;
  if (len <= 0 || len > FBX_SUN_PATH) return 0;
  if (bpf_probe_read_kernel(scratch->bytes, FBX_SUN_PATH, address->name[0].sun_path) != 0) return 0;
  if (scratch->bytes[0] == 0) {
    scratch->bytes[0] = '@';
  } else {
    long text = bpf_probe_read_kernel_str(scratch->bytes, FBX_SUN_PATH,
                                          address->name[0].sun_path);
    if (text > 0) len = text - 1;
  }
  return string__send(scratch, service, len & 127, 0);
}

// Fills the part of the record that is about the descriptor's file, which is a socket's. Gives
// FBX_KIND_*.
__noinline int sock__fill(uint64_t file_address, struct fbx_open_call *open,
                          struct fbx_scratch *scratch, const struct fbx_service *service) {
  struct file *file = (struct file *)file_address;
  if (!file || !open || !scratch || !service) return FBX_KIND_SOCKET;
  struct fbx_sock *out = &open->record.sock;
  uint32_t lost = 0;
  struct socket *socket = BPF_CORE_READ(file, private_data);
  struct sock *sk = BPF_CORE_READ(socket, sk);
  if (!sk) return FBX_KIND_SOCKET;
  out->cookie = BPF_CORE_READ(file, f_inode, i_ino);
  out->family = BPF_CORE_READ(sk, __sk_common.skc_family);
  out->type = BPF_CORE_READ(socket, type);
  if (out->family == FBX_AF_INET || out->family == FBX_AF_INET6) {
    sock__endpoints(sk, out->family, &out->local, &out->remote);
    if (out->remote.port && out->type == FBX_SOCK_STREAM)
      out->peer_cgroup = tcp__peer_identity(sk, out, &lost);
    if (lost) open->record.call.flags |= FBX_SAW_PEER_LOST;
  } else if (out->family == FBX_AF_UNIX) {
    struct sock *peer = BPF_CORE_READ((struct unix_sock *)sk, peer);
    out->peer_cgroup = peer ? unix__peer_identity(sk, peer) : 0;
    out->unix_name = unix__name(sk, peer, scratch, service);
  }
  return fbx_socket_kind(out->family, out->type, BPF_CORE_READ(sk, sk_protocol));
}

// The address that a call names (connect, bind, sendto), into *end or as a string.
static __always_inline uint64_t sockaddr__read(uint64_t address, uint32_t len,
                                               struct fbx_endpoint *end,
                                               struct fbx_scratch *scratch,
                                               const struct fbx_service *service,
                                               uint32_t *unread) {
  struct {
    uint16_t family;
    uint16_t port;
    uint32_t addr_or_flow;
    uint8_t addr6[16];
  } in = {};
  if (len < 2) return 0;
  if (bpf_probe_read_user(&in, len < 8 ? 2 : 8, (const void *)address) != 0) {
    *unread = 1;
    return 0;
  }
  if (in.family == FBX_AF_INET && len >= 8) {
    endpoint__from_ipv4(end, in.addr_or_flow);
    end->port = bpf_ntohs(in.port);
  } else if (in.family == FBX_AF_INET6 && len >= 24) {
    bpf_probe_read_user(end->addr, 16, (const void *)(address + 8));
    end->port = bpf_ntohs(in.port);
  } else if (in.family == FBX_AF_UNIX && len > 2 && len <= 2 + FBX_SUN_PATH) {
    uint32_t size = (len - 2) & 127;
    if (bpf_probe_read_user(scratch->bytes, size, (const void *)(address + 2)) != 0) return 0;
    if (scratch->bytes[0] == 0) {
      scratch->bytes[0] = '@';
      return string__send(scratch, service, size, 0);
    }
    long text = bpf_probe_read_user_str(scratch->bytes, size + 1, (const void *)(address + 2));
    return text > 0 && text <= 128 ? string__send(scratch, service, text - 1, 0) : 0;
  }
  return 0;
}
