// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// The steps of calls.bpf.c: which call is it, what is known at its begin, what at its end.
#pragma once

#include "bpf/peer.h"
#include "bpf/shape.h"

#define FBX_RWF_DSYNC 0x2
#define FBX_RWF_SYNC 0x4

struct fbx_call_id {
  uint32_t nr;  // native
  uint32_t compat;
  uint32_t known;
  uint32_t pad;
  uint64_t socketcall;  // where a 32-bit socketcall keeps its arguments; 0 = it is none
};

// Native number + 1; 0 = unknown.
#define FBX_COMPAT_ROW(nr, name) [nr] = fbx_nr_##name + 1,
static const volatile uint16_t fbx_compat_calls[FBX_NR_LIMIT] = {
    FBX_COMPAT_SYSCALLS(FBX_COMPAT_ROW)};
static const volatile uint16_t fbx_compat_socketcalls[32] = {FBX_SOCKETCALLS(FBX_COMPAT_ROW)};

// Of a number as it stands in the register.
static __always_inline int call__may_matter(uint32_t nr) {
  uint32_t *asked = bpf_map_lookup_elem(&fbx_asked, &nr);
  return asked && *asked;
}

static __always_inline struct fbx_call_id call__identify(const struct pt_regs *regs,
                                                         struct task_struct *task, long nr) {
  struct fbx_call_id call = {.nr = nr};
  uint64_t ip = regs__ip(regs);
  if (ip >= FBX_OWN_CALLS && ip < FBX_OWN_CALLS_END) return call;
  if (task__in_compat_call(task)) {
    uint32_t number = nr;
    uint32_t native = number < FBX_NR_LIMIT ? fbx_compat_calls[number & (FBX_NR_LIMIT - 1)] : 0;
    if (number == FBX_COMPAT_SOCKETCALL) {
      native = fbx_compat_socketcalls[regs__compat_first(regs) & 31];
      call.socketcall = regs__compat_second(regs);
    }
    call.compat = 1;
    call.nr = native ? native - 1 : FBX_NR_LIMIT;
  }
  call.known = call.nr < FBX_NR_LIMIT;
  return call;
}

static __always_inline int service__wants(const struct fbx_service *service, uint32_t nr) {
  if (!(service->flags & FBX_SERVICE_WATCHED)) return 0;
  return (service->interest[(nr >> 6) & (FBX_INTEREST_WORDS - 1)] >> (nr & 63)) & 1;
}

static __always_inline int service__minds_names(const struct fbx_service *service) {
  return service->flags & (FBX_SERVICE_WATCHED | FBX_SERVICE_NAMES);
}

// The thread's storage. Without memory for it the call's begin is lost, and counted.
static __always_inline struct fbx_open_call *open__get(const struct fbx_service *service) {
  struct fbx_open_call *open = bpf_task_storage_get(&fbx_open_calls, bpf_get_current_task_btf(), 0,
                                                    BPF_LOCAL_STORAGE_GET_F_CREATE);
  if (!open) worker__count_unbuilt(service->worker);
  return open;
}

static __always_inline void naming__begin(const struct fbx_service *service,
                                          struct fbx_open_call *open) {
  uint32_t worker = service->worker;
  struct fbx_epoch *epoch = bpf_map_lookup_elem(&fbx_epochs, &worker);
  if (!epoch || open->naming) return;
  open->naming = 1;
  __sync_fetch_and_add(&epoch->busy, 1);
}

static __always_inline void naming__end(const struct fbx_service *service,
                                        struct fbx_open_call *open) {
  uint32_t worker = service->worker;
  struct fbx_epoch *epoch = bpf_map_lookup_elem(&fbx_epochs, &worker);
  if (!epoch || !open->naming) return;
  open->naming = 0;
  __sync_fetch_and_add(&epoch->epoch, 1);
  __sync_fetch_and_add(&epoch->busy, -1);
}

// The functions with external linkage below are verified once, not at each call; hence the tests for
// NULL and the addresses that travel as numbers. What they return says nothing.

// Kind, flags and name of a descriptor's file. Sockets make the record one of a socket call.
__noinline int call__of_file(uint64_t file_address, const struct fbx_service *service,
                             struct fbx_open_call *open, struct fbx_scratch *scratch) {
  struct file *file = (struct file *)file_address;
  if (!file || !service || !open || !scratch) return 0;
  struct fbx_call *record = &open->record.call;
  struct dentry *dentry = kernel__read(file, f_path.dentry);
  struct inode *inode = kernel__read(file, f_inode);
  struct fbx_place place = {
      .dentry = dentry, .mnt = kernel__read(file, f_path.mnt), .inode = inode};
  uint16_t mode = kernel__read(inode, i_mode);
  record->open_flags = kernel__read(file, f_flags);
  if (record->open_flags & (FBX_O_DSYNC | FBX_O_SYNC_BIT)) record->flags |= FBX_SAW_SYNC;
  if (record->open_flags & FBX_O_NONBLOCK) record->flags |= FBX_SAW_NONBLOCK;
  place.kind = inode__kind(inode, mode);
  record->kind = place.kind;
  if (place.kind == FBX_KIND_SOCKET) {
    open->is_sock = 1;
    __builtin_memset(&open->record.sock, 0, sizeof(open->record.sock));
    record->kind = sock__fill(file_address, open, scratch, service);
    return 0;
  }
  if (place.kind == FBX_KIND_PIPE || place.kind == FBX_KIND_OTHER) return 0;
  if (!kernel__read(dentry, d_hash.pprev)) record->flags |= FBX_SAW_UNHASHED;
  uint32_t flags = 0;
  record->strings[FBX_STRING_FILE] = place__string(&place, scratch, service, open, &flags);
  record->flags |= flags;
  return 0;
}

// Where a relative path begins: the working directory, or the directory behind a descriptor.
#define FBX_AT_FDCWD (-100)
static __always_inline uint64_t call__base(int dirfd, const struct fbx_service *service,
                                           struct fbx_open_call *open,
                                           struct fbx_scratch *scratch) {
  struct task_struct *task = bpf_get_current_task_btf();
  struct dentry *dentry;
  struct vfsmount *mnt;
  uint32_t flags = 0;
  if (dirfd == FBX_AT_FDCWD) {
    dentry = BPF_CORE_READ(task, fs, pwd.dentry);
    mnt = BPF_CORE_READ(task, fs, pwd.mnt);
  } else {
    struct file *file = fd__file(dirfd);
    if (!file) return 0;
    dentry = BPF_CORE_READ(file, f_path.dentry);
    mnt = BPF_CORE_READ(file, f_path.mnt);
  }
  struct fbx_place place = {.dentry = dentry,
                            .mnt = mnt,
                            .inode = BPF_CORE_READ(dentry, d_inode),
                            .kind = FBX_KIND_FILE};
  return place__string(&place, scratch, service, open, &flags);
}

// A path argument and, when it is relative, its base. Read at the begin when it is there, else at
// the end, when the kernel has read it too.
__noinline int call__of_path(uint64_t address, int dirfd, uint32_t which,
                             const struct fbx_service *service, struct fbx_open_call *open) {
  if (!service || !open) return 0;
  struct fbx_call *record = &open->record.call;
  struct fbx_scratch *scratch =
      scratch__get(open->at_end ? FBX_SCRATCH_EXIT : FBX_SCRATCH_ENTER);
  uint32_t arg = which ? FBX_STRING_ARG2 : FBX_STRING_ARG;
  uint32_t base = which ? FBX_STRING_BASE2 : FBX_STRING_BASE;
  if (!scratch || record->strings[arg]) return 0;
  uint32_t unread = 0;
  record->strings[arg] = string__of_user(scratch, service, address, &unread);
  if (unread) {
    record->flags |= FBX_SAW_NO_PATH;
    return 0;
  }
  record->flags &= ~FBX_SAW_NO_PATH;
  if (scratch->bytes[0] != '/') record->strings[base] = call__base(dirfd, service, open, scratch);
  return 0;
}

static __always_inline uint64_t call__arg(const struct fbx_call *record, uint32_t position) {
  return position >= 1 && position <= 6 ? record->args[(position - 1) & 7] : 0;
}

static __always_inline void call__of_paths(const volatile struct fbx_shape *shape,
                                           const struct fbx_service *service,
                                           struct fbx_open_call *open) {
  struct fbx_call *record = &open->record.call;
  if (shape->path)
    call__of_path(call__arg(record, shape->path),
                  shape->dirfd ? (int)call__arg(record, shape->dirfd) : FBX_AT_FDCWD, 0, service,
                  open);
  if (shape->path2)
    call__of_path(call__arg(record, shape->path2),
                  shape->dirfd2 ? (int)call__arg(record, shape->dirfd2) : FBX_AT_FDCWD, 1, service,
                  open);
}

// The address a call names. The length stands behind the pointer in every call that has one.
__noinline int call__of_sockaddr(uint32_t position, const struct fbx_service *service,
                                 struct fbx_open_call *open, struct fbx_scratch *scratch) {
  if (!service || !open || !scratch) return 0;
  struct fbx_call *record = &open->record.call;
  struct fbx_sock *sock = &open->record.sock;
  uint64_t address = call__arg(record, position);
  if (!address || !open->is_sock) return 0;
  uint32_t len = call__arg(record, position + 1);
  uint32_t unread = 0;
  struct fbx_endpoint end = {};
  uint64_t name = sockaddr__read(address, len, &end, scratch, service, &unread);
  if (unread) {
    record->flags |= FBX_SAW_NO_PATH;
    return 0;
  }
  record->flags &= ~FBX_SAW_NO_PATH;
  if (name) sock->unix_name = name;
  if (record->nr == fbx_nr_bind)
    sock->local = end;
  else if (end.port && !sock->remote.port)
    sock->remote = end;
  return 0;
}

static __always_inline uint32_t call__creates(const struct fbx_call *record,
                                              const volatile struct fbx_shape *shape) {
  uint64_t flags = call__arg(record, shape->open_flags);
  if (record->nr == fbx_nr_openat2)
    bpf_probe_read_user(&flags, sizeof(flags), (const void *)record->args[2]);
  return record->nr == fbx_nr_creat || (flags & FBX_O_CREAT);
}

static __always_inline void call__socketcall_args(uint64_t address, uint64_t args[6]) {
  uint32_t words[6] = {};
  if (bpf_probe_read_user(words, sizeof(words), (const void *)address) != 0) return;
  for (int i = 0; i < 6; i++) args[i] = words[i];
}

// What the arguments refer to: descriptor, paths, address.
__noinline int call__describe(uint32_t nr, const struct fbx_service *service,
                              struct fbx_open_call *open, struct fbx_scratch *scratch) {
  if (!service || !open || !scratch) return 0;
  const volatile struct fbx_shape *shape = &fbx_shapes[nr & (FBX_NR_LIMIT - 1)];
  struct fbx_call *record = &open->record.call;
  if (shape->fd) {
    record->fd = (int)call__arg(record, shape->fd);
    struct file *file = fd__file(record->fd);
    if (file) call__of_file((uint64_t)file, service, open, scratch);
  }
  if (shape->path) call__of_paths(shape, service, open);
  if (shape->sockaddr) call__of_sockaddr(shape->sockaddr, service, open, scratch);
  if (shape->rw_flags && (call__arg(record, shape->rw_flags) & (FBX_RWF_DSYNC | FBX_RWF_SYNC)))
    record->flags |= FBX_SAW_SYNC;
  if (open->is_sock) record->head.kind = FBX_RECORD_SOCK_CALL;
  return 0;
}

// include/linux/sched.h: TASK_COMM_LEN. Byte by byte, because that is what the verifier lets through
// without a helper.
static __always_inline void task__comm(struct task_struct *task, char out[FBX_COMM]) {
  struct task_struct *leader = task->group_leader;
#pragma unroll
  for (int i = 0; i < FBX_COMM; i++) out[i] = leader->comm[i];
}

// A record of which nothing is known yet but whose it is, and when.
static __always_inline void call__start(uint32_t nr, struct task_struct *task,
                                        const struct fbx_service *service,
                                        struct fbx_open_call *open, uint32_t saw) {
  struct fbx_call *record = &open->record.call;
  __builtin_memset(record, 0, sizeof(*record));
  open->is_sock = 0;
  open->at_end = !(saw & FBX_SAW_BEGIN);
  open->generation = service->generation;
  record->begin_ns = saw & FBX_SAW_BEGIN ? bpf_ktime_get_ns() : 0;
  record->flags = saw;
  record->nr = nr;
  record->fd = -1;
  record->head.service = service->service;
  record->head.generation = service->generation;
  record->head.tid = task->pid;
  record->head.pid = task->tgid;
  task__comm(task, record->comm);
}

static __always_inline void call__take_args(const struct pt_regs *regs,
                                            const struct fbx_call_id *call,
                                            struct fbx_call *record) {
  if (call->socketcall)
    call__socketcall_args(call->socketcall, record->args);
  else if (call->compat)
    regs__compat_args(regs, record->args);
  else
    regs__args(regs, record->args);
}

static __always_inline uint32_t call__saw(const struct fbx_call_id *call) {
  return call->compat ? FBX_SAW_COMPAT : 0;
}

// Everything that can be known before the call runs.
static __always_inline void call__begin(const struct pt_regs *regs, struct task_struct *task,
                                        const struct fbx_call_id *call,
                                        const struct fbx_service *service,
                                        struct fbx_open_call *open, struct fbx_scratch *scratch) {
  call__start(call->nr, task, service, open, FBX_SAW_BEGIN | call__saw(call));
  call__take_args(regs, call, &open->record.call);
  call__describe(call->nr, service, open, scratch);
}

__noinline int call__start_late(uint32_t nr, const struct fbx_service *service,
                                struct fbx_open_call *open, uint32_t saw) {
  if (!service || !open) return 0;
  call__start(nr, bpf_get_current_task_btf(), service, open, saw);
  return 0;
}

// What call__begin() does, at the call's end: seccomp denied it, or the test began in its middle.
static __always_inline void call__begin_late(const struct pt_regs *regs,
                                             const struct fbx_call_id *call,
                                             const struct fbx_service *service,
                                             struct fbx_open_call *open) {
  struct fbx_scratch *scratch = scratch__get(FBX_SCRATCH_EXIT);
  call__start_late(call->nr, service, open, call__saw(call));
  call__take_args(regs, call, &open->record.call);
  if (scratch) call__describe(call->nr, service, open, scratch);
}

static __always_inline void call__finish(const struct fbx_service *service,
                                         struct fbx_open_call *open, long ret) {
  struct fbx_call *record = &open->record.call;
  record->ret = ret;
  record->head.time_ns = bpf_ktime_get_ns();
  record->head.kind = open->is_sock ? FBX_RECORD_SOCK_CALL : FBX_RECORD_CALL;
  uint32_t size = open->is_sock ? sizeof(open->record) : sizeof(*record);
  record->head.size = size;
  service__emit(service, &open->record, size);
}

__noinline int call__hand_over(const struct fbx_service *service, struct fbx_open_call *open,
                               long ret) {
  if (service && open) call__finish(service, open, ret);
  return 0;
}

static __always_inline int call__has_more(uint32_t nr, const struct fbx_call *record, long ret) {
  const volatile struct fbx_shape *shape = &fbx_shapes[nr & (FBX_NR_LIMIT - 1)];
  return (record->flags & FBX_SAW_NO_PATH) || nr == fbx_nr_connect ||
         ((shape->traits & FBX_TRAIT_RETURNS_FD) && ret >= 0);
}

// What only the end can tell: the new descriptor, both ends of a connection just made, arguments
// that were not there at the begin.
__noinline int call__learn_at_end(uint32_t nr, const struct fbx_service *service,
                                  struct fbx_open_call *open, long ret) {
  struct fbx_scratch *scratch = scratch__get(FBX_SCRATCH_EXIT);
  if (!service || !open || !scratch) return 0;
  const volatile struct fbx_shape *shape = &fbx_shapes[nr & (FBX_NR_LIMIT - 1)];
  struct fbx_call *record = &open->record.call;
  open->at_end = 1;
  if (record->flags & FBX_SAW_NO_PATH) {
    if (shape->path) call__of_paths(shape, service, open);
    if (shape->sockaddr) call__of_sockaddr(shape->sockaddr, service, open, scratch);
  }
  if ((shape->traits & FBX_TRAIT_RETURNS_FD) && ret >= 0) {
    record->fd = (int)ret;
    record->flags &= ~(FBX_SAW_NONBLOCK | FBX_SAW_SYNC);
    struct file *file = fd__file(record->fd);
    if (file) call__of_file((uint64_t)file, service, open, scratch);
    if (shape->path && call__creates(record, shape)) record->flags |= FBX_SAW_CREATED;
  } else if (record->nr == fbx_nr_connect && open->is_sock) {
    struct file *file = fd__file(record->fd);
    struct fbx_endpoint dialled = open->record.sock.remote;
    uint64_t name = open->record.sock.unix_name;
    if (file) record->kind = sock__fill((uint64_t)file, open, scratch, service);
    if (!open->record.sock.remote.port) open->record.sock.remote = dialled;
    if (!open->record.sock.unix_name) open->record.sock.unix_name = name;
  }
  return 0;
}

// i386's restart_syscall has the number of the native read, so nobody asks for it before there is one
// to come.
static __always_inline void call__ask_for_compat_restart(void) {
  uint32_t zero = 0;
  uint32_t *asked = bpf_map_lookup_elem(&fbx_asked, &zero);
  if (asked) *asked = 1;
}

// Which exec it was that ended well as execve.
static __always_inline uint32_t exec__number(const struct fbx_service *service,
                                             struct task_struct *task) {
  struct fbx_open_call *open = bpf_task_storage_get(&fbx_open_calls, task, 0, 0);
  return open && open__has_begun(open, service, fbx_nr_execveat) ? fbx_nr_execveat
                                                                  : fbx_nr_execve;
}

#define FBX_RET_IS_RESTART(ret) ((ret) <= -512 && (ret) >= -516 && (ret) != -515)

static __always_inline void call__count_restart(uint32_t nr, struct fbx_open_call *open,
                                                long ret) {
  struct fbx_call *record = &open->record.call;
  if (FBX_RET_IS_RESTART(ret)) {
    if (record->flags & FBX_SAW_COMPAT) call__ask_for_compat_restart();
    record->flags |= FBX_SAW_RESTART;
    if (open->restarts < 0xffff) open->restarts++;
    open->restart_nr = nr;
  } else if (open->restarts && open->restart_nr == nr) {
    open->restarts--;
  }
}

// The record, as it was begun, is completed and handed over.
__noinline int call__end(uint32_t nr, const struct fbx_service *service, struct fbx_open_call *open,
                         long ret) {
  if (!service || !open) return 0;
  struct fbx_call *record = &open->record.call;
  if (call__has_more(nr, record, ret)) call__learn_at_end(nr, service, open, ret);
  call__count_restart(nr, open, ret);
  call__finish(service, open, ret);
  if (open->seq & 1) open__turn(open);
  return 0;
}

// rt_sigreturn ends with nr −1 and the interrupted call's result (arch/x86/kernel/signal_64.c).
static __always_inline int call__end_handler(const struct fbx_service *service, long ret) {
  struct fbx_open_call *open =
      bpf_task_storage_get(&fbx_open_calls, bpf_get_current_task_btf(), 0, 0);
  if (!open) return 0;
  int begun = (open->seq & 1) && open->record.call.nr == fbx_nr_rt_sigreturn;
  if (!begun && !open->restarts) return 0;
  struct fbx_call *record = &open->record.call;
  if (!begun) {
    __builtin_memset(record, 0, sizeof(*record));
    open->is_sock = 0;
    head__fill(&record->head, FBX_RECORD_CALL, sizeof(*record), service, 0);
    record->nr = fbx_nr_rt_sigreturn;
    record->fd = -1;
  }
  record->flags |= FBX_SAW_SIGRETURN;
  if (ret == -4 && open->restarts) open->restarts--;
  call__hand_over(service, open, ret);
  if (open->seq & 1) open__turn(open);
  return 0;
}
