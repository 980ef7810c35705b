// SPDX-License-Identifier: Apache-2.0
//
// Delays. A held call waits on the word that every publication changes, in slices short enough to
// notice an owner that died without one.
#include <asm/unistd.h>
#include <linux/futex.h>

#include "shim/shim.h"

#define FBX_SLICE_NS 50000000ull

int fbx_hold(uint32_t rule, uint64_t ns) {
  const uint64_t until = fbx_now() + ns;
  for (;;) {
    uint32_t seen = __atomic_load_n(&fbx_here->head.wake, __ATOMIC_ACQUIRE);
    uint64_t now = fbx_now();
    if (now >= until) return 0;
    if (!fbx_owner_lives() || !fbx_rule_is_active(rule)) return 1;
    uint64_t left = until - now;
    if (left > FBX_SLICE_NS) left = FBX_SLICE_NS;
    long slice[2] = {0, (long)left};
    fbx_sys(__NR_futex, &fbx_here->head.wake, FUTEX_WAIT, seen, slice, 0, 0);
  }
}
