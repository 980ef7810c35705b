// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// The fmod_ret hand: programs whose value, when it is not 0, is returned in a call's place. For
// kernels that allow error injection and not bpf_override_return. Each call needs a program of its
// own, so only these have one; the runner loads those that a run can come to need. A call returns a
// long, and so must they.
//
// kernel/bpf/verifier.c: check_attach_modify_return().
#include "bpf/hand.h"

#define FMOD_RET_AT(call, function)                                     \
  SEC("fmod_ret/" #function)                                            \
  long fmod_ret__on_##call(void *ctx) { return -(long)hand__ask(0); }
#define FMOD_RET(call) FMOD_RET_AT(call, __x64_sys_##call)

FMOD_RET(write)
FMOD_RET(writev)
FMOD_RET(pwrite64)
FMOD_RET(pwritev)
FMOD_RET(pwritev2)
FMOD_RET(copy_file_range)
FMOD_RET(splice)
FMOD_RET_AT(sendfile, __x64_sys_sendfile64)
FMOD_RET(read)
FMOD_RET(readv)
FMOD_RET(pread64)
FMOD_RET(preadv)
FMOD_RET(preadv2)
FMOD_RET(fsync)
FMOD_RET(fdatasync)
FMOD_RET(sync_file_range)
FMOD_RET(msync)
FMOD_RET(syncfs)
FMOD_RET_AT(sync, __do_sys_sync)  // what BTF calls a call without arguments
FMOD_RET(fallocate)
FMOD_RET(ftruncate)
FMOD_RET(bind)
FMOD_RET(listen)
FMOD_RET(sendto)
FMOD_RET(sendmsg)
FMOD_RET(sendmmsg)
FMOD_RET(recvfrom)
FMOD_RET(recvmsg)
FMOD_RET(recvmmsg)

FBX_LICENSE;
