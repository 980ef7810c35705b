// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// What a rule's counters look like in the one mappable array that all hands increment.
//
// `state` holds matches and fires in one word, so that "the n-th match fires if fewer than
// max_fires have" is one compare-and-swap and the ordinals that fire are the same in every run,
// whichever thread or hand gets which. Matches: bits 24…63. Fires: bits 0…23, saturating; a rule
// with a larger max_fires is refused when it is compiled, one without a bound does not need them.
#ifndef FBX_ABI_STATS_H
#define FBX_ABI_STATS_H

#ifndef __bpf__
#include <assert.h>
#include <stdint.h>
#endif

#define FBX_FIRES_BITS 24
#define FBX_FIRES_MASK ((1ull << FBX_FIRES_BITS) - 1)
#define FBX_MAX_FIRES (FBX_FIRES_MASK - 1)

struct fbx_counter {
  uint64_t state;
  uint64_t fired;  // exact, for the report
  uint64_t near;   // near misses
  uint64_t lost;   // calls that gave up counting
};

#define FBX_COUNTERS 16384  // all workers together; a power of two
#define FBX_COUNTERS_PER_WORKER 1024

#ifndef __bpf__
static_assert(sizeof(struct fbx_counter) == 32, "layout");
#endif

#endif
