// SPDX-License-Identifier: Apache-2.0
//
// What breaks below the real injector and the real observer, which then believe that all is well.
// The calls by which they reach the kernel are replaced when a test program is linked (--wrap in
// CMakeLists.txt); the objects are those of fbx.
//
// Thread rule: set before run::run() forks; BlindIterators on the worker's main thread.
#pragma once

namespace fbx::sabotage {

struct UnderTheSeams {
  bool seccomp_always_continues = false;  // whatever the supervisor answers, the call goes on
  bool resets_vanish = false;             // no TCP reset leaves
  bool rules_bind_late = false;  // rule sets and cuts wait for bind_what_is_late()
  bool cuts_stay = false;        // a link that was healed stays cut
  bool cuts_vanish = false;      // no cut reaches the kernel
  bool gate_gone = false;        // the shim's filter catches none of the calls it is made for
  unsigned steal_every = 0;      // every k-th record that the ring holds when it is read is gone
};

[[nodiscard]] UnderTheSeams& under_the_seams();

// Rule sets and cuts that the injector believes the kernel to have reach it now. Not from two threads.
void bind_what_is_late();

// While one lives, BPF iterators list nothing.
class BlindIterators {
 public:
  BlindIterators();
  ~BlindIterators();
  BlindIterators(const BlindIterators&) = delete;
  BlindIterators& operator=(const BlindIterators&) = delete;
};

}  // namespace fbx::sabotage
