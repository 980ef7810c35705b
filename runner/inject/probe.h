// SPDX-License-Identifier: Apache-2.0
//
// What the hands of this machine can do, found by doing it and never by asking for a version.
//
// Thread rule: probe_seccomp() forks; the caller may have threads.
#pragma once

#include "runner/inject/choose.h"
#include "runner/observe/bpf_object.h"

namespace fbx::inject {

// Names every program of the kernel hands, between open() and load().
void enable_hands(observe::BpfObject& object);

// A child installs a filter, makes a supervised call, and must get the errno that it was given.
[[nodiscard]] Capability probe_seccomp();
// Opens the raw socket that resets are sent by, in the caller's network namespace.
[[nodiscard]] Capability probe_resets();

// Of a loaded object: what was loaded works, the verifier has run; the rest by the probes above.
[[nodiscard]] Capabilities probe_capabilities(const observe::BpfObject& loaded);

}  // namespace fbx::inject
