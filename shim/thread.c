// SPDX-License-Identifier: Apache-2.0
//
// What the calling thread is called, asked once per thread. A number that is kept is right as long
// as the process is the one in which it was asked: after a fork the kernel gives the child an empty
// page (MADV_WIPEONFORK) where the process's mark was. A vfork's child shares page and thread
// memory with its parent, so vfork is wrapped (vfork.S) and both of them ask again.
#include <asm/unistd.h>
#include <linux/mman.h>

#include "shim/shim.h"

// In memory that libc gives each thread, cleared, before it runs. vfork.S clears the first word.
struct fbx_thread {
  uint32_t tid;
  uint32_t pad;
  uint64_t process;
};
FBX_HIDDEN __thread __attribute__((tls_model("initial-exec"))) struct fbx_thread fbx_thread;

static uint64_t *process_mark;  // NULL: nothing is kept

void fbx_watch_forks(void) {
  const long at = fbx_sys(__NR_mmap, 0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                          -1, 0);
  if (at < 0 && at >= -4095) return;
  if (fbx_sys(__NR_madvise, at, 4096, MADV_WIPEONFORK, 0, 0, 0) == 0)
    process_mark = (uint64_t *)at;
  else
    fbx_sys(__NR_munmap, at, 4096, 0, 0, 0, 0);
}

// A child's is later than its parent's, so none of its ancestors had the same.
static uint64_t mark_of_process(void) {
  if (!process_mark) return 0;
  uint64_t mark = __atomic_load_n(process_mark, __ATOMIC_RELAXED);
  if (mark) return mark;
  const uint64_t fresh = fbx_now();
  return __atomic_compare_exchange_n(process_mark, &mark, fresh, 0, __ATOMIC_RELAXED,
                                     __ATOMIC_RELAXED)
             ? fresh
             : mark;
}

uint32_t fbx_tid(void) {
  const uint64_t mark = mark_of_process();
  if (mark && fbx_thread.process == mark && fbx_thread.tid) return fbx_thread.tid;
  const long tid = fbx_here->head.flags & FBX_SHIM_RECORDS
                       ? fbx_side_door(FBX_SHIM_HELLO, 0, 0, 0, 0, 0, __NR_seccomp)
                       : fbx_sys(__NR_gettid, 0, 0, 0, 0, 0, 0);
  if (tid <= 0) return 0;
  // A signal's handler may come in between, and must not find a number with another's mark.
  fbx_thread.tid = 0;
  __atomic_signal_fence(__ATOMIC_SEQ_CST);
  fbx_thread.process = mark;
  __atomic_signal_fence(__ATOMIC_SEQ_CST);
  fbx_thread.tid = (uint32_t)tid;
  return (uint32_t)tid;
}
