// SPDX-License-Identifier: Apache-2.0
//
// The shim's system call instructions. The filter lets the first two pass: one makes the program's
// calls, one the shim's own. A call made by the third reaches the supervisor like any other
// program's. The first two are position-independent: they are copied to FBX_SHIM_GATE.
#if defined(__x86_64__)
.macro door name
  .globl \name
  .hidden \name
  .type \name, @function
\name:
  .cfi_startproc
  mov 8(%rsp), %rax
  mov %rcx, %r10
  syscall
  ret
  .cfi_endproc
.endm
#elif defined(__aarch64__)
.macro door name
  .globl \name
  .hidden \name
  .type \name, %function
\name:
  .cfi_startproc
  mov x8, x6
  svc #0
  ret
  .cfi_endproc
.endm
#endif
.text
.balign 64
door fbx_gate_code
.balign 64
door fbx_own_code
.globl fbx_gate_end
.hidden fbx_gate_end
fbx_gate_end:
.balign 64
door fbx_side_door
.section .note.GNU-stack,"",%progbits
