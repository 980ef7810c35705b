// SPDX-License-Identifier: Apache-2.0
//
// The part of bench_observe that measures whole programs, by the clock on the wall: one that times
// its own writes, and redis under its own benchmark; each alone, recorded by fbx, and under
// `strace -f -e trace=write`.
#pragma once

#include <functional>

#include "runner/observe/bpf_observer.h"

// `attach`: puts the programs of system calls on the machine, or takes them off. `observer`: watches
// leaf "a" (tests/kernel/observe_harness.h).
void bench_observed_programs(int rounds, const std::function<void(bool)>& attach,
                             fbx::observe::BpfObserver& observer);
