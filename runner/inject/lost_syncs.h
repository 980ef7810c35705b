// SPDX-License-Identifier: Apache-2.0
//
// Syncs that succeed after one of the same file was denied. Linux reports a lost sync once and
// drops the pages; under a fault they stay dirty, so a program that merely syncs again would pass
// here and lose data in the field (LANGUAGE section 5). Such a success is marked, and said.
//
// A file is what its path is; a call without a path (sync, syncfs) is about no single file and is
// not marked.
//
// Thread rule: the thread that owns the store.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "runner/observe/event.h"

namespace fbx::inject {

class LostSyncs {
 public:
  explicit LostSyncs(observe::EventStore& store) : store_(store) {}

  // Marks what came into the store since the last call (observe::kAfterLostSync). Decisions must
  // have been joined with it.
  void mark();

  // Successful syncs after a lost one, by (service, path).
  using Counts = std::map<std::pair<int16_t, std::string>, uint64_t>;
  [[nodiscard]] const Counts& counts() const { return counts_; }

 private:
  void take(observe::Event& event);

  observe::EventStore& store_;
  uint64_t next_seq_ = 1;
  std::vector<uint64_t> open_;  // calls that had not ended
  std::set<std::pair<int16_t, observe::StringId>> lost_;
  Counts counts_;
};

}  // namespace fbx::inject
