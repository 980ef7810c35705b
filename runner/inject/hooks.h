// SPDX-License-Identifier: Apache-2.0
//
// Which programs of the kernel hands must be loaded. Loading is most of what a run costs beside its
// tests, so a run loads what its tests can come to need and nothing else. What is not loaded can't
// enforce anything: the injector refuses a rule or a cut whose programs are not there.
//
// Thread rule: pure, apart from enable_hooks().
#pragma once

#include <cstddef>

#include "runner/inject/call_hands.h"
#include "runner/inject/choose.h"
#include "runner/observe/bpf_object.h"
#include "spec/plan/plan.h"

namespace fbx::inject {

struct Hooks {
  bool dials = false;      // connect: rules on connect, partitions that refuse
  bool datagrams = false;  // sendmsg: partitions that refuse
  bool packets = false;    // ingress: partitions
  bool sockets = false;    // lists of sockets with their owners: whatever asks for a peer
  bool binds = false;      // bind: rules on it
  CallsByHand calls = {};  // what the hands that fail calls in the kernel may have to fail

  // Of the network: everything.
  [[nodiscard]] static Hooks all() { return {true, true, true, true, true, {}}; }
  Hooks& operator|=(const Hooks& other);
  bool operator==(const Hooks&) const = default;
};

// What the test can come to need, by whichever hand choose() may pick for it.
[[nodiscard]] Hooks hooks_for(const plan::Plan& plan, size_t test, const Wishes& wishes = {});

// Names the programs, between open() and load(). Unix dials are among them where the kernel has
// hooks for those. What fails calls is attached by attach_call_hands().
void enable_hooks(observe::BpfObject& object, const Hooks& hooks);

// The kernel has hooks for unix dials (Linux 6.7), found by loading one.
[[nodiscard]] bool kernel_takes_unix_hooks();

// Whether a partition can be carried out by what was loaded.
[[nodiscard]] bool can_cut(const observe::BpfObject& loaded, bool refuse);

}  // namespace fbx::inject
