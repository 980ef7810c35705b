// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// The call that the running thread is in, from its registers to the errno that a rule gives it.
// Every hand that fails calls from within the kernel asks here (bpf/hand.h), wherever in the call it
// stands.
//
// Only what the runner has found to be told exactly from here gets here (runner/inject/
// call_rules.h: kernel_gap): no paths that the call names, no sticky rules, no delays.
//
// The functions with external linkage are verified once, and not in every state of every call;
// hence the tests for NULL and the addresses that travel as numbers.
#include "bpf/hand.h"
#include "bpf/hand_place.h"

#define FBX_RWF_THROUGH 0x6   // RWF_DSYNC, RWF_SYNC
#define FBX_PROT_WRITE 0x2
#define FBX_MAP_TYPE 0xf
#define FBX_MAP_PRIVATE 0x2
#define FBX_AT_REMOVEDIR 0x200

static __always_inline uint64_t hand__arg(const struct fbx_hand *hand, uint32_t position) {
  return position >= 1 && position <= 6 ? hand->args[(position - 1) & 7] : 0;
}

// As fd__file(), but a number, because it travels.
static __always_inline uint64_t hand__file_of(int fd) {
  struct task_struct *task = bpf_get_current_task_btf();
  struct fdtable *table = BPF_CORE_READ(task, files, fdt);
  if (fd < 0 || (unsigned int)fd >= BPF_CORE_READ(table, max_fds)) return 0;
  struct file **files = BPF_CORE_READ(table, fd);
  uint64_t file = 0;
  bpf_probe_read_kernel(&file, sizeof(file), &files[fd]);
  return file;
}

// What only a given flag of the call says.
static __always_inline uint32_t hand__flags_of_call(const struct fbx_hand *hand, uint32_t nr,
                                                    const volatile struct fbx_shape *shape) {
  uint32_t flags = 0;
  if (shape->rw_flags && (hand__arg(hand, shape->rw_flags) & FBX_RWF_THROUGH))
    flags |= FBX_KEY_SYNC;
  if (nr == fbx_nr_mmap && (hand->args[2] & FBX_PROT_WRITE) &&
      (hand->args[3] & FBX_MAP_TYPE) != FBX_MAP_PRIVATE)
    flags |= FBX_KEY_SHARED;
  if (nr == fbx_nr_unlinkat && (hand->args[2] & FBX_AT_REMOVEDIR)) flags |= FBX_KEY_RMDIR;
  return flags;
}

// Who is at the other end of a TCP connection: the tuple map knows it by its own tuple, which is
// ours reversed. The runner asks of no other kind of socket.
__attribute__((weak, noinline)) int hand__see_peer(struct fbx_hand *hand, uint64_t sock_address) {
  struct sock *sk = (struct sock *)sock_address;
  if (!hand || !sk) return 0;
  struct fbx_tuple tuple = {};
  tuple.netns = sock__netns(sk);
  sock__endpoints(sk, BPF_CORE_READ(sk, __sk_common.skc_family), &tuple.remote, &tuple.local);
  hand->remote = tuple.local;
  if (!tuple.local.port) return 0;
  hand->key.peer_door = tuple.local.port;
  hand->key.has_addr = 1;
  __builtin_memcpy(hand->key.peer_addr, tuple.local.addr, 16);
  struct fbx_owner *owner = bpf_map_lookup_elem(&fbx_tuples, &tuple);
  if (!owner) return 0;
  struct fbx_service *peer = bpf_map_lookup_elem(&fbx_services, &owner->cgroup);
  if (peer && peer->worker == hand->worker && peer->service >= 0)
    hand->peer = hand->key.peer_service = peer->service;
  return 0;
}

static __always_inline uint32_t hand__kind_of_socket(struct fbx_hand *hand, struct file *file) {
  struct socket *socket = BPF_CORE_READ(file, private_data);
  struct sock *sk = BPF_CORE_READ(socket, sk);
  if (!sk) return FBX_KIND_SOCKET;
  uint16_t family = BPF_CORE_READ(sk, __sk_common.skc_family);
  uint32_t kind =
      fbx_socket_kind(family, BPF_CORE_READ(socket, type), BPF_CORE_READ(sk, sk_protocol));
  if (kind == FBX_KIND_STREAM) hand__see_peer(hand, (uint64_t)sk);
  return kind;
}

__attribute__((weak, noinline)) int hand__see_file(struct fbx_hand *hand, uint64_t file_address,
                                                   uint32_t wants_path) {
  struct file *file = (struct file *)file_address;
  if (!hand || !file) return 0;
  struct inode *inode = BPF_CORE_READ(file, f_inode);
  hand->key.kind = inode__kind(inode, BPF_CORE_READ(inode, i_mode));
  if (BPF_CORE_READ(file, f_flags) & FBX_O_DSYNC) hand->key.flags |= FBX_KEY_SYNC;
  if (hand->key.kind == FBX_KIND_SOCKET) {
    hand->key.kind = hand__kind_of_socket(hand, file);
  } else if (hand->key.kind == FBX_KIND_FILE) {
    uint32_t on_tmpfs = BPF_CORE_READ(inode, i_sb, s_magic) == FBX_TMPFS_MAGIC;
    if (hand->key.nr == fbx_nr_ftruncate && (long long)hand->args[1] > BPF_CORE_READ(inode, i_size))
      hand->key.flags |= FBX_KEY_GROWS;
    if (wants_path || on_tmpfs) hand__see_place(hand, file_address, on_tmpfs);
  }
  return 0;
}

struct fbx_mapping {
  uint64_t file;
};

static long mapping__look(struct task_struct *task, struct vm_area_struct *vma, void *context) {
  struct fbx_mapping *mapping = context;
  mapping->file = (uint64_t)BPF_CORE_READ(vma, vm_file);  // a number: it outlives the lock
  return 0;
}

// What msync's first address lies in. The memory map may be locked at this moment: then nothing can
// be said.
#define FBX_ENOENT 2
static __always_inline uint64_t hand__mapped_file(struct fbx_hand *hand) {
  struct fbx_mapping mapping = {};
  long r = bpf_find_vma(bpf_get_current_task_btf(), hand->args[0], mapping__look, &mapping, 0);
  if (r && r != -FBX_ENOENT) hand->gave_up = 1;
  if (!r && !mapping.file) hand->key.kind = FBX_KIND_PSEUDO;
  return mapping.file;
}

__attribute__((weak, noinline)) int hand__see_call(struct fbx_hand *hand, uint32_t wants_path) {
  if (!hand) return 0;
  uint32_t nr = hand->key.nr;
  const volatile struct fbx_shape *shape = &fbx_shapes[nr & (FBX_NR_LIMIT - 1)];
  hand->key.flags = hand__flags_of_call(hand, nr, shape);
  if (nr == fbx_nr_msync)
    hand->file = hand__mapped_file(hand);
  else if (nr == fbx_nr_sync)
    hand->key.kind = FBX_KIND_FILE;
  else if (shape->fd)
    hand->file = hand__file_of((int)hand__arg(hand, shape->fd));
  if (hand->file) hand__see_file(hand, hand->file, wants_path);
  return 0;
}

static long lost__turn(uint32_t i, void *context) {
  struct fbx_turns *turns = context;
  const struct fbx_ruleset *set = turns->set;
  if (i >= FBX_SET_RULES || i >= set->count) return 1;
  const struct fbx_rule *rule = &set->rules[i];
  uint32_t nr = turns->key->nr & (FBX_NR_WORDS * 64 - 1);
  uint64_t hit = 0;
  for (uint32_t p = 0; p < FBX_RULE_PARTS; p++) hit |= rule->parts[p].calls[nr >> 6] >> (nr & 63);
  if (hit & 1)
    __sync_fetch_and_add(&turns->counters[rule->counter & (FBX_COUNTERS - 1)].lost, 1);
  return 0;
}

// Every rule that could have hit the call says that a call was lost.
static __always_inline void hand__give_up(const struct fbx_ruleset *set,
                                          struct fbx_counter *counters, uint32_t nr) {
  struct fbx_key key = {.nr = nr};
  struct fbx_turns turns = {set, counters, &key, 0};
  bpf_loop(FBX_SET_RULES, lost__turn, &turns, 0);
}

static __always_inline void hand__tell(const struct fbx_hand *hand,
                                       const struct fbx_service *service, uint32_t generation) {
  const struct fbx_decision *d = &hand->decision;
  struct fbx_decided out = {.rule = d->rule, .nr = hand->key.nr, .decision = d->action,
                            .errnum = d->errnum, .matched = d->matched, .n = d->n,
                            .set = generation, .near = d->near};
  out.to = hand->remote;
  out.peer = hand->peer;
  out.pad = d->lost;
  service__emit_decision(service, &out);
}

static __always_inline int hand__decide_with(struct fbx_hand *hand, struct fbx_call_rules *rules,
                                             struct fbx_counter *counters,
                                             const struct fbx_service *service) {
  uint32_t generation = *(volatile uint32_t *)&rules->set.generation;
  fbx_decide(&rules->set, counters, &hand->key, &hand->decision);
  const struct fbx_decision *d = &hand->decision;
  if (*(volatile uint32_t *)&rules->set.generation != generation) hand->decision.lost = 1;
  if (d->matched || d->near || d->lost) hand__tell(hand, service, generation);
  return d->action == FBX_ACT_DENY ? d->errnum : 0;
}

__attribute__((noinline)) int hand__decide(uint64_t cgroup, uint32_t nr, uint64_t only) {
  struct task_struct *task = bpf_get_current_task_btf();
  struct fbx_call_rules *rules = bpf_map_lookup_elem(&fbx_call_rules, &cgroup);
  struct fbx_service *service = bpf_map_lookup_elem(&fbx_services, &cgroup);
  struct fbx_counter *counters = inject__counters();
  if (!rules || !service || !counters) return 0;
  struct fbx_hand *hand =
      bpf_task_storage_get(&fbx_hands, task, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
  if (!hand) {
    hand__give_up(&rules->set, counters, nr);
    return 0;
  }
  __builtin_memset(hand, 0, __builtin_offsetof(struct fbx_hand, text));
  const struct pt_regs *regs = (const struct pt_regs *)bpf_task_pt_regs(task);
  regs__args(regs, hand->args);
  hand->cgroup = cgroup;
  hand->worker = service->worker;
  hand->peer = FBX_SERVICE_NONE;
  hand->key.nr = nr;
  hand->key.peer_service = FBX_PEER_UNKNOWN;
  hand__see_call(hand, (rules->paths[(nr >> 6) & (FBX_NR_WORDS - 1)] >> (nr & 63)) & 1);
  if (hand->gave_up) {
    hand__give_up(&rules->set, counters, nr);
    return 0;
  }
  if (only && only != hand->file) return 0;
  return hand__decide_with(hand, rules, counters, service);
}

FBX_LICENSE;
