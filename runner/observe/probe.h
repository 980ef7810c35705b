// SPDX-License-Identifier: Apache-2.0
//
// What this machine lets us see, found by doing it and never by asking for a version. Each function
// gives nullopt when it works, else the refusal that says what is missing and what to do. choose()
// and doctor ask these; nothing else probes.
//
// Cost: loading programs takes tens of ms; nothing is left behind. Thread rule: any thread.
#pragma once

#include <optional>

#include "base/refusal.h"

namespace fbx::observe {

// cgroup v2 is mounted and a directory can be made in it: "no-cgroup2", "needs-root".
[[nodiscard]] std::optional<Refusal> probe_cgroup2();

// The kernel describes its types and its ring buffers can be made: "no-btf", "no-bpf", "needs-root".
[[nodiscard]] std::optional<Refusal> probe_ring();

// The programs at sys_enter and sys_exit pass this kernel's verifier, with task storage and bpf_loop:
// "no-bpf" with the verifier's reason, "needs-root".
[[nodiscard]] std::optional<Refusal> probe_calls();

// The task iterator of the barrier.
[[nodiscard]] std::optional<Refusal> probe_iterator();

// Names of the other end of TCP connections (sockops).
[[nodiscard]] std::optional<Refusal> probe_peers();

// All of them, in the order in which a person should put them right; nullopt: everything works.
[[nodiscard]] std::optional<Refusal> probe_observe();

}  // namespace fbx::observe
