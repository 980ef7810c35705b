// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// The cgroup hand for unix sockets. The hook sees the name that is dialled and has no way to the
// socket behind it, so the runner keeps a map of the names that services have bound.
//
// net/unix/af_unix.c: unix_stream_connect(), unix_dgram_connect(), unix_dgram_sendmsg(). Linux 6.7.
// libbpf 1.1 has no section names for these hooks: the runner sets the attach type by number
// (runner/inject/probe.cc) where the kernel knows it.
#include "bpf/dial.h"

struct sockaddr;

struct bpf_sock_addr_kern {
  struct sockaddr *uaddr;
  int uaddrlen;
} __attribute__((preserve_access_index));

extern void *bpf_cast_to_kern_ctx(void *ctx) __ksym __weak;

// The name as it would be bound. A path ends at its NUL or at the address's end, whichever is
// first. On the stack: these programs can be scheduled away, so nothing per CPU is theirs.
static __always_inline int name__read(struct bpf_sock_addr *ctx, struct fbx_unix_key *key) {
  if (!bpf_cast_to_kern_ctx) return -1;
  struct bpf_sock_addr_kern *kern = bpf_cast_to_kern_ctx(ctx);
  const char *name = (const char *)kern->uaddr + sizeof(unsigned short);
  uint64_t len = (uint32_t)kern->uaddrlen - sizeof(unsigned short);
  // The bounds are checked in the very registers that size the reads: the verifier of 6.12 does not
  // carry them over from copies.
  asm volatile("" : "+r"(len));
  if (len == 0 || len > FBX_UNIX_NAME) return -1;
  __builtin_memset(key, 0, sizeof(*key));
  if (bpf_probe_read_kernel(key->name, len, name)) return -1;
  if (!key->name[0]) {
    key->len = len;
    return 0;
  }
  __builtin_memset(key->name, 0, sizeof(key->name));
  uint64_t room = len + 1;
  asm volatile("" : "+r"(room));
  if (room > FBX_UNIX_NAME) room = FBX_UNIX_NAME;
  bpf_probe_read_kernel_str(key->name, room, name);
  // A path may fill all of sun_path, without a NUL.
  if (len == FBX_UNIX_NAME && key->name[FBX_UNIX_NAME - 2])
    bpf_probe_read_kernel(&key->name[FBX_UNIX_NAME - 1], 1, name + FBX_UNIX_NAME - 1);
  return 0;
}

// A function of its own for the sake of the stack: what the decision needs is deep.
static __noinline int unix__owner(struct bpf_sock_addr *ctx, uint32_t worker,
                                  struct fbx_unix_owner *out) {
  struct fbx_unix_key key;
  if (name__read(ctx, &key)) return -1;
  key.worker = worker;
  struct fbx_unix_owner *owner = bpf_map_lookup_elem(&fbx_unix_owners, &key);
  if (!owner) return -1;
  *out = *owner;
  return 0;
}

static __always_inline int unix__dial(struct bpf_sock_addr *ctx, uint32_t nr) {
  struct fbx_switch *armed = inject__switch();
  uint32_t level = config__leaf_level();
  if (!armed || !level || (!armed->cuts && !armed->rules)) return 1;
  struct fbx_service *caller = task__service();
  struct fbx_unix_owner owner = {};
  if (!caller || unix__owner(ctx, caller->worker, &owner)) return 1;
  struct fbx_dial dial = {.nr = nr, .kind = FBX_KIND_UNIX, .flags = FBX_KEY_OWNED,
                          .peer = FBX_SERVICE_NONE};
  dial.peer_id = owner.cgroup;
  dial.door = owner.door;
  return dial__decide(&dial, armed, level);
}

SEC("cgroup/connect4")
int connect__on_unix(struct bpf_sock_addr *ctx) { return unix__dial(ctx, FBX_NR_CONNECT); }

// Datagrams sent without connect.
SEC("cgroup/connect4")
int connect__on_unix_send(struct bpf_sock_addr *ctx) { return unix__dial(ctx, FBX_NR_SENDTO); }

FBX_LICENSE;
