// SPDX-License-Identifier: Apache-2.0
//
// What each rule and cut of a test did: matches, fires, by path or peer, near misses. The verdict
// and every test's line are made from it. A rule's index here is its name in events.
//
// Thread rule: owned by the worker's VM-and-step thread; hands on other threads deliver their
// entries through Injector::collect().
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "spec/model/session.h"

namespace fbx::inject {

enum class Hand : uint8_t { kNone, kCgroup, kSeccomp, kShim, kOverride, kFmodRet, kLsm, kWire };

[[nodiscard]] const char* hand_name(Hand hand);

struct RuleEntry {
  enum class Kind : uint8_t { kFault, kPartition } kind = Kind::kFault;
  model::RuleSpec rule;            // kFault
  model::InstallPartition cut;     // kPartition
  std::string display;
  std::string label;
  bool optional = false;
  model::ScopeId scope = 0;
  Place place;
  Hand hand = Hand::kNone;
  bool by_shim = false;    // the shim decides about it, whatever carries it out in the end
  bool past_shim = false;  // the shim's: some of its matches reached the supervisor through the gate
  uint64_t installed_ns = 0;
  uint64_t lifted_ns = 0;  // 0 = still active
  uint64_t matched = 0;
  uint64_t fired = 0;
  std::map<std::string, uint64_t> by;  // path or peer → fires
  uint64_t near_misses = 0;            // all but path= or to= matched
  std::string nearest;                 // of those, the one most like what the rule says
  std::vector<std::string> near_seen;  // the first few, each once
  std::vector<std::string> escapes;    // calls that it should have decided and did not; any = inconclusive
};

struct RuleLog {
  std::vector<RuleEntry> rules;
  // Syncs that succeeded after one of the same file had been denied, by (service, path).
  std::map<std::pair<int16_t, std::string>, uint64_t> after_lost_sync;
};

}  // namespace fbx::inject
