// SPDX-License-Identifier: Apache-2.0
//
// What this machine can do, found by doing it and never by asking for a version.
//
// Thread rule: the probes fork; the caller may have threads; probe_wire() makes one.
#pragma once

#include "runner/inject/capabilities.h"
#include "runner/observe/bpf_object.h"

namespace fbx::inject {

// A child installs a filter, makes a supervised call, and must get the errno that it was given.
// `results`: it makes another, which goes on, and must get an errno all the same.
[[nodiscard]] Capability probe_seccomp(Capability& results);
// A connection over loopback is taken from a queue, and none from an empty one.
[[nodiscard]] Capability probe_accepts();
// Opens the raw socket that resets are sent by, in the caller's network namespace.
[[nodiscard]] Capability probe_resets();
// A child's connection over loopback is disconnected through a copy of its socket; the other end
// must see a reset.
[[nodiscard]] Capability probe_borrow();

// A wire is laid in a network namespace of its own.
[[nodiscard]] Capability probe_wire();

// A child makes namespaces as a test's guard does (as an ordinary user: inside a user namespace)
// and mounts in them. Fills namespaces, overlay, ground, any_user and user.
void probe_ground(Capabilities& into);

// For a run. Of a loaded object: what was loaded works, the verifier has run, and what was not
// asked for (hooks.h) does not; the rest by the probes above. Without one, `why` says why there is none, and what is left is probed.
void probe_loaded(const observe::BpfObject& loaded, Capabilities& into);
void probe_unloaded(const Refusal& why, Capabilities& into);

// For a person: everything, each by itself. Some tens of ms.
[[nodiscard]] Capabilities probe_machine();

}  // namespace fbx::inject
