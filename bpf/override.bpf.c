// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// The override hand: a probe on the kernel's functions of the wanted calls; a denied call returns
// from there before it has done anything. The runner attaches it, once per run: one link over all
// functions where kprobe.multi can override, one probe for each function where it can't.
//
// kernel/trace/bpf_trace.c: bpf_override_return (CONFIG_BPF_KPROBE_OVERRIDE). Functions of system
// calls may all be failed (include/linux/syscalls.h: ALLOW_ERROR_INJECTION).
#include "bpf/hand.h"

static __always_inline int override__call(struct pt_regs *ctx) {
  int errnum = hand__ask(0);
  if (errnum) bpf_override_return(ctx, -(long)errnum);
  return 0;
}

SEC("kprobe.multi")
int override__on_calls(struct pt_regs *ctx) { return override__call(ctx); }

SEC("kprobe")
int override__on_call(struct pt_regs *ctx) { return override__call(ctx); }

FBX_LICENSE;
