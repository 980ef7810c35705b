// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// Lives of a service's threads: fork, exec, exit, signals, leaving the service's cgroup; and the
// iterator of the barrier, which says what each thread is in the middle of.
#include "bpf/observe.h"

// The identity of the service whose thread this is, wherever it goes.
struct {
  __uint(type, BPF_MAP_TYPE_TASK_STORAGE);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __type(key, int);
  __type(value, uint64_t);
} fbx_homes SEC(".maps");

// include/linux/pid.h: the last of its numbers is that of the innermost namespace.
static __always_inline uint32_t task__inside(struct task_struct *task) {
  struct upid number = {};
  struct pid *pid = BPF_CORE_READ(task, thread_pid);
  if (!pid) return 0;
  uint64_t at = (uint64_t)pid + bpf_core_field_offset(struct pid, numbers) +
                BPF_CORE_READ(pid, level) * bpf_core_type_size(struct upid);
  bpf_probe_read_kernel(&number, sizeof(number), (const void *)at);
  return number.nr;
}

static __always_inline void task__write(const struct fbx_service *service, uint32_t what,
                                        int32_t value, struct task_struct *about) {
  if (what != FBX_TASK_LEFT && !(service->flags & FBX_SERVICE_WATCHED)) return;
  struct fbx_task record = {
      .what = what, .value = value, .pid = about->tgid, .inside = task__inside(about)};
  head__fill(&record.head, FBX_RECORD_TASK, sizeof(record), service, bpf_ktime_get_ns());
  bpf_probe_read_kernel(record.comm, sizeof(record.comm), &about->group_leader->comm);
  service__emit(service, &record, sizeof(record));
}

// `task` has come to where it is now. Out of its home, it is neither seen nor broken any more: that
// is said.
static __always_inline void task__came(struct task_struct *task, uint64_t *home, uint32_t level) {
  uint64_t now = cgroup__identity(BPF_CORE_READ(task, cgroups, dfl_cgrp), level);
  if (home && *home == now) return;
  struct fbx_service *left = home ? bpf_map_lookup_elem(&fbx_services, home) : 0;
  if (left) task__write(left, FBX_TASK_LEFT, 0, task);
  if (left || !bpf_map_lookup_elem(&fbx_services, &now)) return;
  bpf_task_storage_get(&fbx_homes, task, &now, BPF_LOCAL_STORAGE_GET_F_CREATE);
}

// include/trace/events/sched.h: TP_PROTO(struct task_struct *parent, struct task_struct *child)
SEC("tp_btf/sched_process_fork")
int BPF_PROG(tasks__on_fork, struct task_struct *parent, struct task_struct *child) {
  uint32_t level = config__leaf_level();
  if (!level) return 0;
  // clone3 may have put the child elsewhere.
  uint64_t *home = bpf_task_storage_get(&fbx_homes, bpf_get_current_task_btf(), 0, 0);
  task__came(child, home, level);
  struct fbx_service *service = task__service();
  if (service) task__write(service, FBX_TASK_FORK, child->pid, child);
  return 0;
}

// include/trace/events/cgroup.h: TP_PROTO(struct cgroup *dst_cgrp, const char *path,
// struct task_struct *task, bool threadgroup), after the move. Hierarchy 0 is that of cgroup v2.
SEC("tp_btf/cgroup_attach_task")
int BPF_PROG(tasks__on_attach, struct cgroup *to, const char *path, struct task_struct *task) {
  uint32_t level = config__leaf_level();
  if (!level || BPF_CORE_READ(to, root, hierarchy_id) != 0) return 0;
  uint64_t *home = bpf_task_storage_get(&fbx_homes, task, 0, 0);
  task__came(task, home, level);
  return 0;
}

// TP_PROTO(struct task_struct *p, pid_t old_pid, struct linux_binprm *bprm)
SEC("tp_btf/sched_process_exec")
int BPF_PROG(tasks__on_exec, struct task_struct *task, int old_pid) {
  struct fbx_service *service = task__service();
  if (service) task__write(service, FBX_TASK_EXEC, old_pid, task);
  return 0;
}

// TP_PROTO(struct task_struct *p); later kernels have a second argument.
SEC("tp_btf/sched_process_exit")
int BPF_PROG(tasks__on_exit, struct task_struct *task) {
  struct fbx_service *service = task__service();
  if (service) task__write(service, FBX_TASK_EXIT, task->exit_code, task);
  return 0;
}

// include/trace/events/signal.h: TP_PROTO(int sig, struct kernel_siginfo *info, struct k_sigaction *ka),
// in the thread that takes it, unless it is ignored. What a process sends to its own threads and
// handles is how it is made (Go pre-empts its goroutines so, a thousand times a second): no event.
//
// A signal that ends the process reaches each of its threads as SIGKILL (kernel/signal.c:
// complete_signal); which it was stands with the process.
#define FBX_SI_TKILL (-6)
#define FBX_SIGKILL 9
SEC("tp_btf/signal_deliver")
int BPF_PROG(tasks__on_signal, int sig, struct kernel_siginfo *info, struct k_sigaction *action) {
  struct fbx_service *service = task__service();
  if (!service) return 0;
  struct task_struct *task = bpf_get_current_task_btf();
  if (BPF_CORE_READ(action, sa.sa_handler) && BPF_CORE_READ(info, si_code) == FBX_SI_TKILL &&
      BPF_CORE_READ(info, _sifields._kill._pid) == (int)task__inside(task->group_leader))
    return 0;
  if (sig == FBX_SIGKILL) {
    if (task->pid != task->tgid) return 0;
    int deadly = task->signal->group_exit_code & 0x7f;
    if (deadly) sig = deadly;
  }
  task__write(service, FBX_TASK_SIGNAL, sig, task);
  return 0;
}

// kernel/bpf/task_iter.c. Runs in the worker; `task` may be any thread of the machine.
#define FBX_PF_EXITING 0x4
SEC("iter/task")
int tasks__running(struct bpf_iter__task *ctx) {
  struct task_struct *task = ctx->task;
  if (!task || (task->flags & FBX_PF_EXITING)) return 0;
  struct fbx_open_call *open = bpf_task_storage_get(&fbx_open_calls, task, 0, 0);
  if (!open) return 0;
  uint64_t before = *(volatile uint64_t *)&open->seq;
  if (!(before & 1)) return 0;
  uint32_t now[2] = {task->__state, task->on_cpu};
  struct seq_file *seq = ctx->meta->seq;
  bpf_seq_write(seq, &before, sizeof(before));
  bpf_seq_write(seq, now, sizeof(now));
  bpf_seq_write(seq, &open->record, sizeof(open->record));
  uint64_t after = *(volatile uint64_t *)&open->seq;
  bpf_seq_write(seq, &after, sizeof(after));
  return 0;
}

FBX_LICENSE;
