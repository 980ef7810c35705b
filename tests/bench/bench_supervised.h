// SPDX-License-Identifier: Apache-2.0
//
// What a supervised call costs beside a native one of the same run, for bench_shim.
//
// Thread rule: one caller; forks.
#pragma once

namespace fbx::bench {

struct SupervisedCost {
  double native_ns = -1;      // of one call, one caller
  double supervised_ns = -1;  // of one denied call, as each of `callers` sees it; −1: no such kernel
};

// `callers` threads make pwrite64 calls that one supervisor denies. `sync`: with SYNC_WAKE_UP.
[[nodiscard]] SupervisedCost supervised_cost(int callers, bool sync, int calls);

}  // namespace fbx::bench
