// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// Everything about registers that differs between architectures, and nothing else does.
#pragma once

#include "bpf/kernel.h"
#include "bpf/abi/compat.h"

#if defined(__TARGET_ARCH_x86)

#define FBX_NR(x86_64, arm64) (x86_64)

// arch/x86/include/asm/thread_info.h: the thread runs a 32-bit call (int 0x80).
#define FBX_TS_COMPAT 2

static __always_inline uint64_t regs__ip(const struct pt_regs *regs) { return regs->ip; }

static __always_inline uint64_t regs__nr(const struct pt_regs *regs) { return regs->orig_ax; }

static __always_inline void regs__args(const struct pt_regs *regs, uint64_t args[6]) {
  args[0] = regs->di;
  args[1] = regs->si;
  args[2] = regs->dx;
  args[3] = regs->r10;
  args[4] = regs->r8;
  args[5] = regs->r9;
}

// Of int 0x80 and the 32-bit SYSENTER (arch/x86/entry/entry_64_compat.S).
static __always_inline void regs__compat_args(const struct pt_regs *regs, uint64_t args[6]) {
  args[0] = (uint32_t)regs->bx;
  args[1] = (uint32_t)regs->cx;
  args[2] = (uint32_t)regs->dx;
  args[3] = (uint32_t)regs->si;
  args[4] = (uint32_t)regs->di;
  args[5] = (uint32_t)regs->bp;
}

static __always_inline int task__in_compat_call(const struct task_struct *task) {
  return task->thread_info.status & FBX_TS_COMPAT;
}

static __always_inline uint64_t regs__compat_first(const struct pt_regs *regs) {
  return (uint32_t)regs->bx;
}

static __always_inline uint64_t regs__compat_second(const struct pt_regs *regs) {
  return (uint32_t)regs->cx;
}

// A store that follows all stores before it: x86 keeps stores in order, only the compiler must not
// move them.
#define FBX_STORE_LAST(target, value)       \
  do {                                      \
    asm volatile("" ::: "memory");          \
    *(volatile typeof(target) *)&(target) = (value); \
  } while (0)

#else
#error "add this architecture's registers here"
#endif

// fbx_nr_read, …: native numbers.
#define FBX_NR_ENUM(name, x86, arm, fam, some, bits, a, b, c, d, e, f, errs) \
  fbx_nr_##name = FBX_NR(x86, arm),
enum { FBX_SYSCALLS(FBX_NR_ENUM) };
