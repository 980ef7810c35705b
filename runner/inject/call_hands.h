// SPDX-License-Identifier: Apache-2.0
//
// The hands that fail calls from within the kernel: what of them this kernel lets load, which of
// their programs a run needs, and how those are attached (once, for the whole run; rules come and go
// by map).
//
//   override   one probe over the functions of all wanted calls (kprobe.multi), or one per function
//              where such a probe can't override
//   fmod_ret   a program per call; few calls only, because each takes long to detach
//   lsm        security hooks: reads and writes, and what goes over sockets, before any effect
//
// Thread rule: call_hands() any; the rest the front's only thread.
#pragma once

#include <cstdint>
#include <map>
#include <set>

#include "runner/inject/capabilities.h"
#include "runner/inject/rule_log.h"
#include "runner/observe/bpf_object.h"

namespace fbx::inject {

struct CallHands {
  Capability override_return = {};
  bool multi = false;     // one probe over many functions can override
  Capability fmod_ret = {};
  Capability lsm = {};
  bool lsm_by_modules = false;  // by BPF's own security module, and not by fmod_ret
};

// What loads here, by a program of a few instructions for each; asked once in a process.
[[nodiscard]] const CallHands& call_hands();
// For a person: the same, attached and seen to fail a call of our own. Some tens of ms.
[[nodiscard]] CallHands try_call_hands();

// The hand has a program that decides about this call, by its native number.
[[nodiscard]] bool hand_has_call(Hand hand, uint16_t nr);

// By hand, the calls that it may have to fail; kNone = whichever works here.
using CallsByHand = std::map<Hand, std::set<uint16_t>>;

// Between open() and load(): names the programs. What can't be loaded here is left out.
void enable_call_hands(observe::BpfObject& object, const CallsByHand& calls);
// After load(): attaches them. `into` gets the three capabilities; a hand that was not asked for, or
// that the kernel did not attach, does not work, and says why.
void attach_call_hands(observe::BpfObject& object, const CallsByHand& calls, Capabilities& into);

}  // namespace fbx::inject
