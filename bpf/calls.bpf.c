// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// One record per call of interest, begun at sys_enter in the thread's own storage, finished and
// handed over at sys_exit. Descriptors and paths are resolved at the begin: at the end a close has
// lost its file, an exec its arguments, and another thread may have reused the number.
//
// Decided here, call by call:
//   what seccomp denied   has no sys_enter (kernel/entry/common.c runs seccomp first): its record is
//                         built at the end, without FBX_SAW_BEGIN
//   exit, exit_group      never end: recorded at their begin
//   fork, clone           the child's return is no call of its own: no record (FBX_TASK_FORK says it)
//   execve                keeps the arguments of its begin; execveat ends with the number of execve
//                         (arch/x86/kernel/process_64.c: __set_personality_x32, _64bit)
//   restarts              −512…−516 never reach the program: the record says FBX_SAW_RESTART, and the
//                         end of the signal handler is recorded too, so that the reader can tell
//                         what became of it. restart_syscall goes by the name of what it restarts
//   32-bit calls          are told by TS_COMPAT; their numbers mean something else
//
// What nobody asked about costs every call of the machine, and helpers are what costs: the first test
// is a load from an array, the second (whose task is it) one helper and a look-up.
#define FBX_OBSERVE_MAP
#define FBX_DIRECT_READS
#include "bpf/call.h"

static __always_inline int marker__is_one(uint64_t nr, const struct pt_regs *regs) {
  uint64_t args[6];
  if (nr != fbx_nr_getpid) return 0;
  regs__args(regs, args);
  return args[0] == FBX_MARKER_MAGIC;
}

// The worker's own call of a barrier. A service that makes one does not know the token.
static __always_inline int marker__write(const struct pt_regs *regs) {
  uint64_t args[6];
  regs__args(regs, args);
  uint32_t index = args[1];
  if (index >= FBX_WORKERS) return 0;
  struct fbx_worker *worker = bpf_map_lookup_elem(&fbx_workers, &index);
  if (!worker || !worker->token || worker->token != args[3]) return 0;
  void *ring = bpf_map_lookup_elem(&fbx_rings, &index);
  if (!ring) return 0;
  struct task_struct *task = bpf_get_current_task_btf();
  struct fbx_marker marker = {.id = args[2], .level = BPF_CORE_READ(task, cgroups, dfl_cgrp, level)};
  struct fbx_service self = {.service = FBX_SERVICE_CLIENT, .generation = worker->generation};
  head__fill(&marker.head, FBX_RECORD_MARKER, sizeof(marker), &self, bpf_ktime_get_ns());
  if (bpf_ringbuf_output(ring, &marker, sizeof(marker), BPF_RB_NO_WAKEUP) != 0)
    worker__count_lost(index);
  else
    worker__count_written(index);
  return 0;
}

// include/trace/events/syscalls.h: TP_PROTO(struct pt_regs *regs, long id)
SEC("tp_btf/sys_enter")
int BPF_PROG(calls__on_enter, struct pt_regs *regs, long id) {
  if (!call__may_matter(id)) return 0;
  struct task_struct *task = bpf_get_current_task_btf();
  struct fbx_service *service = task__watched(task);
  if (!service) return 0;
  struct fbx_call_id call = call__identify(regs, task, id);
  if (!call.known) return 0;
  const volatile struct fbx_shape *shape = &fbx_shapes[call.nr & (FBX_NR_LIMIT - 1)];
  int wanted = service__wants(service, call.nr);
  int naming = service__minds_names(service) && (shape->traits & FBX_TRAIT_NAMES);
  if (!wanted && !naming && call.nr != fbx_nr_restart_syscall) return 0;
  struct fbx_open_call *open = open__get(service);
  if (!open) return 0;
  if (call.nr == fbx_nr_restart_syscall && open->restarts) {
    call.nr = open->restart_nr;
    shape = &fbx_shapes[call.nr & (FBX_NR_LIMIT - 1)];
    wanted = 1;
  }
  if (naming) naming__begin(service, open);
  if (!wanted) return 0;
  struct fbx_scratch *scratch = scratch__get(FBX_SCRATCH_ENTER);
  if (!scratch) return 0;
  call__begin(regs, task, &call, service, open, scratch);
  if (shape->traits & FBX_TRAIT_NO_RETURN) {
    call__hand_over(service, open, 0);
    return 0;
  }
  open__turn(open);
  return 0;
}

// include/trace/events/syscalls.h: TP_PROTO(struct pt_regs *regs, long ret)
SEC("tp_btf/sys_exit")
int BPF_PROG(calls__on_exit, struct pt_regs *regs, long ret) {
  uint64_t nr = regs__nr(regs);
  if (marker__is_one(nr, regs)) return marker__write(regs);
  int handler_ends = nr == (uint64_t)-1;
  if (!handler_ends && !call__may_matter(nr)) return 0;
  struct task_struct *task = bpf_get_current_task_btf();
  struct fbx_service *service = task__watched(task);
  if (!service) return 0;
  if (handler_ends) return call__end_handler(service, ret);
  struct fbx_call_id call = call__identify(regs, task, nr);
  if (!call.known) return 0;
  if (call.nr == fbx_nr_execve && ret == 0) call.nr = exec__number(service, task);
  const volatile struct fbx_shape *shape = &fbx_shapes[call.nr & (FBX_NR_LIMIT - 1)];
  int wanted = service__wants(service, call.nr);
  int naming = service__minds_names(service) && (shape->traits & FBX_TRAIT_NAMES);
  if (!wanted && !naming && call.nr != fbx_nr_restart_syscall) return 0;
  if (ret == 0 && (shape->traits & FBX_TRAIT_FORKS)) return 0;
  struct fbx_open_call *open = open__get(service);
  if (!open) return 0;
  if (call.nr == fbx_nr_restart_syscall && open->restarts) {
    call.nr = open->restart_nr;
    shape = &fbx_shapes[call.nr & (FBX_NR_LIMIT - 1)];
    wanted = 1;
  }
  if (wanted) {
    if (!open__has_begun(open, service, call.nr)) call__begin_late(regs, &call, service, open);
    call__end(call.nr, service, open, ret);
  }
  if (naming) naming__end(service, open);
  return 0;
}

FBX_LICENSE;
