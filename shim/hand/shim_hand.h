// SPDX-License-Identifier: Apache-2.0
//
// The runner's side of the shim: makes the segment of one service, publishes rules, takes the
// listener of the gate, reads what the shims report.
//
// The service can write into the segment. Nothing here trusts it: what the runner wrote is compared
// with its own copy, everything else is bounded, and what does not fit is said in ShimReport.
//
// Thread rule: one thread at a time. create() starts a thread that owns the segment until end() or
// destruction; the kernel marks the owner as dead when this process ends, however it ends, and from
// then on the shims let every call pass.
#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "bpf/abi/shim.h"

namespace fbx::inject {

struct ShimSetup {
  std::string library;          // libfbxshim.so, as the service sees it
  // Of the segment: made here, readable and writable for everybody. "": it has no name, and is
  // reached through this process's descriptors for as long as this process lives.
  std::string path;
  std::string seen_as;          // its path as the service sees it; "" = the same
  std::vector<uint16_t> calls;  // native numbers that rules of this test can hit
  std::vector<uint16_t> gated;  // those that go to the supervisor when made past the shim: the
                                // same, or nothing where no filter is wanted
  bool refuse_io_uring = false;
  // st_dev of fbx_shim_head.file_devs; at most three. The caller holds them in use.
  std::vector<dev_t> file_devs = {};
  // Begin and end of every call of `calls` that the shim makes are entered (FBX_SHIM_RECORDS); the
  // program is born behind the filter (probe_tag()), and the supervisor answers FBX_SHIM_HELLO.
  bool records = false;
};

struct ShimRule {
  fbx_rule rule = {};              // counter: index in counters()
  std::vector<std::string> globs;  // at most FBX_SHIM_GLOBS; all must match
  bool supervised = false;         // calls that it hits are left to the supervisor
};

struct ShimReport {
  std::vector<fbx_shim_entry> entries;  // in the order in which they were begun
  uint64_t lost = 0;                    // entries that found the ring full
  uint64_t undecided = 0;               // calls that nobody decided: escapes
  uint64_t torn = 0;                    // the same, in the middle of their rules
  uint32_t bare = 0;                    // processes without the filter they should have
  std::string damage;                   // "" or what the service did to the segment: inconclusive
};

class ShimHand {
 public:
  static Result<std::unique_ptr<ShimHand>> create(const ShimSetup& setup);
  ~ShimHand();  // as end(); unmaps and unlinks
  ShimHand(const ShimHand&) = delete;
  ShimHand& operator=(const ShimHand&) = delete;

  // "LD_PRELOAD=…", "FBX_SHIM=…".
  [[nodiscard]] std::vector<std::string> environment() const;

  // The listener of the filter that the service's first process has installed, which waits in its
  // constructor meanwhile. `pid` is that process as the caller numbers it. Waits until
  // `deadline_ns` (CLOCK_MONOTONIC). Fails with errno EBUSY when the process has another listener.
  // Call open_door() when the supervisor answers.
  Result<int> take_listener(pid_t pid, uint64_t deadline_ns);
  void open_door();

  // The rules in deciding order, instead of those before. When it returns, the next call that
  // enters is decided by them, and held calls of rules that are gone were woken. Fails when they
  // don't fit; then nothing has changed.
  Status publish(const std::vector<ShimRule>& rules);

  // FBX_COUNTERS of them; the supervisor of this service must count in the same ones.
  [[nodiscard]] fbx_counter* counters() { return shim_->counters; }

  // By what a filter answers FBX_SHIM_PROBE when it is this segment's.
  [[nodiscard]] uint32_t probe_tag() const {
    return FBX_SHIM_PROBE_FIXED + static_cast<uint32_t>(written_.nonce % 500);
  }

  // What has come since the last call, until the first entry that was begun and is not whole. `over`:
  // nobody can write any more, so such an entry's writer was killed in it, and it is passed over.
  // That is no loss: a call whose begin or decision was not entered was not made, and one whose end
  // was not entered has begun.
  [[nodiscard]] ShimReport read(bool over = false);
  // Entries begun so far, as the shims say.
  [[nodiscard]] uint64_t begun() const {
    return __atomic_load_n(&shim_->head.head, __ATOMIC_ACQUIRE);
  }
  // Of those, how many read() has gone by.
  [[nodiscard]] uint64_t taken() const { return tail_; }
  // Of fbx_shim_entry.name; "" = none, or not to be believed.
  [[nodiscard]] std::string name(uint32_t id) const;
  [[nodiscard]] uint32_t attached() const { return shim_->head.attached; }

  // Lifts everything and lets the shims pass every call from now on.
  void end();

 private:
  struct Owner;
  ShimHand() = default;
  [[nodiscard]] std::string damage() const;
  [[nodiscard]] bool sane(const fbx_shim_entry& entry) const;

  ShimSetup setup_;
  int fd_ = -1;  // of a segment without a name
  fbx_shim* shim_ = nullptr;
  std::unique_ptr<Owner> owner_;
  fbx_shim_head written_ = {};
  std::vector<uint8_t> active_;  // the set as published
  uint64_t tail_ = 0;
  bool broken_ = false;
};

}  // namespace fbx::inject
