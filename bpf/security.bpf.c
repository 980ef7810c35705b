// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// The hand on the kernel's security hooks, for kernels that let nobody inject errors: a hook's value
// ends the call before it has an effect. It is asked deep in the call, so what failed before it
// (a descriptor that is not open for it, an empty vector) never gets here; the record of such a call
// says so, as an escape. Each hook stands here twice: fmod_ret works wherever trampolines do, lsm
// where BPF is among the security modules in force.
//
//   file_permission   read, write and their kin, once per file: fs/read_write.c: rw_verify_area()
//   socket_sendmsg, socket_recvmsg   what is sent and received on sockets, by whichever call
//   socket_bind, socket_listen
//
// Not here: open (file_open comes after a new file has been made, and never for one that is not
// there), connect (the cgroup hooks know the listener), fsync and close (there is no hook).
#include "bpf/file.h"
#include "bpf/hand.h"

// The arguments, and the value so far behind them, are read as numbers, because numbers travel to
// functions that are verified on their own.
static __always_inline uint64_t security__arg(const uint64_t *args, uint32_t i) {
  uint64_t value = 0;
  bpf_probe_read_kernel(&value, sizeof(value), &args[i]);
  return value;
}

// The verifier must see that the value is an errno (kernel/bpf/bpf_lsm.c: bpf_lsm_get_retval_range);
// of a negation it sees nothing.
static __always_inline int security__value(int errnum) {
  int64_t in = errnum & 4095, out;
  asm volatile("%[out] = 0\n%[out] -= %[in]" : [out] "=&r"(out) : [in] "r"(in));
  return out;
}

static __always_inline int security__file(const uint64_t *args, uint32_t last) {
  int before = security__arg(args, last);
  if (before) return security__value(-before);
  uint64_t file = security__arg(args, 0);
  uint16_t mode = BPF_CORE_READ((struct file *)file, f_inode, i_mode);
  if ((mode & FBX_S_IFMT) == FBX_S_IFSOCK) return 0;  // the socket's own hook is asked, too
  return security__value(hand__ask(file));
}

struct socket___whole {
  struct file *file;
} __attribute__((preserve_access_index));

static __always_inline int security__socket(const uint64_t *args, uint32_t last) {
  int before = security__arg(args, last);
  if (before) return security__value(-before);
  uint64_t socket = security__arg(args, 0);
  uint64_t file = (uint64_t)BPF_CORE_READ((struct socket___whole *)socket, file);
  return file ? security__value(hand__ask(file)) : 0;
}

#define SECURITY(hook, of, last)                                                 \
  SEC("fmod_ret/security_" #hook)                                                \
  int security__on_##hook(uint64_t *args) { return security__##of(args, last); } \
  SEC("lsm/" #hook)                                                              \
  int lsm__on_##hook(uint64_t *args) { return security__##of(args, last); }

// include/linux/security.h: the number is that of arguments, behind which the value stands.
SECURITY(file_permission, file, 2)
SECURITY(socket_sendmsg, socket, 3)
SECURITY(socket_recvmsg, socket, 4)
SECURITY(socket_bind, socket, 3)
SECURITY(socket_listen, socket, 2)

FBX_LICENSE;
