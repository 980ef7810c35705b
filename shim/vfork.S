// SPDX-License-Identifier: Apache-2.0
//
// vfork: the child runs on its parent's thread memory, so what is kept of the thread (thread.c) is
// forgotten on both ways out. A function that returns twice can't be written in C: the child's
// calls would write over the frame that the parent returns by.
#include <asm/unistd.h>
#if defined(__x86_64__)
.text
.globl vfork
.type vfork, @function
vfork:
  .cfi_startproc
  pop %rdx
  .cfi_adjust_cfa_offset -8
  .cfi_register %rip, %rdx
  mov $__NR_vfork, %eax
  syscall
  push %rdx
  .cfi_adjust_cfa_offset 8
  .cfi_offset %rip, -8
  mov fbx_thread@gottpoff(%rip), %rcx
  movl $0, %fs:(%rcx)
  mov %rax, %rdi
  jmp fbx_result
  .cfi_endproc
.size vfork, . - vfork
#elif defined(__aarch64__)
.text
.globl vfork
.type vfork, %function
vfork:
  .cfi_startproc
  mov x0, #0x4111  // CLONE_VM | CLONE_VFORK | SIGCHLD
  mov x1, xzr
  mov x8, #__NR_clone
  svc #0
  mrs x1, tpidr_el0
  adrp x2, :gottprel:fbx_thread
  ldr x2, [x2, :gottprel_lo12:fbx_thread]
  str wzr, [x1, x2]
  b fbx_result
  .cfi_endproc
.size vfork, . - vfork
#endif
.globl __vfork
.set __vfork, vfork
.section .note.GNU-stack,"",%progbits
