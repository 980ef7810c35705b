// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// How a hand that fails calls from within the kernel asks what becomes of the one that the running
// thread is in.
#pragma once

#include "bpf/arch.h"
#include "bpf/inject.h"

// The errno that the call gets, or 0. `cgroup`: the caller's service. `only`: a file; the call must
// be about this one (a security hook may be asked about several); 0 = any. In hand.bpf.c.
int hand__decide(uint64_t cgroup, uint32_t nr, uint64_t only);

// The same for the running thread: cheap where no service has rules.
static __always_inline int hand__ask(uint64_t only) {
  struct fbx_switch *armed = inject__switch();
  uint32_t level = config__leaf_level();
  if (!armed || !armed->calls || !level) return 0;
  uint64_t cgroup = bpf_get_current_ancestor_cgroup_id(level);
  struct fbx_call_rules *rules = cgroup ? bpf_map_lookup_elem(&fbx_call_rules, &cgroup) : 0;
  if (!rules) return 0;
  struct task_struct *task = bpf_get_current_task_btf();
  if (task__in_compat_call(task)) return 0;
  const struct pt_regs *regs = (const struct pt_regs *)bpf_task_pt_regs(task);
  uint64_t nr = regs__nr(regs), ip = regs__ip(regs);
  if (nr >= FBX_NR_WORDS * 64 || (ip >= FBX_OWN_CALLS && ip < FBX_OWN_CALLS_END)) return 0;
  if (!((rules->calls[(nr >> 6) & (FBX_NR_WORDS - 1)] >> (nr & 63)) & 1)) return 0;
  return hand__decide(cgroup, nr, only);
}
