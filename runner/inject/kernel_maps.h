// SPDX-License-Identifier: Apache-2.0
//
// The maps by which the kernel hands are switched: rule sets, counters, cuts. One BPF object serves
// all workers; each keeps to its own services' entries and its own stretch of counters.
//
// Thread rule: one thread, except for the counters, which are atomics.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/result.h"
#include "bpf/abi/call_rules.h"
#include "bpf/abi/cut.h"
#include "bpf/abi/rule.h"
#include "bpf/abi/stats.h"
#include "runner/observe/bpf_object.h"

namespace fbx::inject {

class KernelMaps {
 public:
  // `object` is loaded and must outlive this.
  static Result<std::unique_ptr<KernelMaps>> open(const observe::BpfObject& object);
  // The counters alone, for hands outside the kernel; nothing else may be asked of it.
  static Result<std::unique_ptr<KernelMaps>> counters_alone();
  ~KernelMaps();
  KernelMaps(const KernelMaps&) = delete;
  KernelMaps& operator=(const KernelMaps&) = delete;

  // All of them, FBX_COUNTERS; shared with the kernel.
  [[nodiscard]] fbx_counter* counters() const { return counters_; }

  // What the service whose leaf is `cgroup` has active; nullptr = nothing. Binds the next dial.
  Status set_rules(uint64_t cgroup, const fbx_ruleset* set);

  // The same for the hands that fail any call; binds the next one that enters.
  Status set_call_rules(uint64_t cgroup, const fbx_call_rules* rules);
  // The patterns of one rule, before a set with it is set. They stay until forget_patterns().
  Status add_pattern(const fbx_glob_key& key, const fbx_glob& pattern);
  void forget_patterns();

  // flags 0 = the link is up. The pair's counts are made when first needed and kept.
  Status set_cut(const fbx_pair& pair, uint32_t flags);
  [[nodiscard]] fbx_cut_count counts(const fbx_pair& pair) const;
  // Takes the pair's counts away.
  void forget(const fbx_pair& pair);

 private:
  explicit KernelMaps(const observe::BpfObject* object) : object_(object) {}
  void add_to_switch(uint64_t fbx_switch::* which, int64_t by);
  Status set_entry(const char* map, uint64_t fbx_switch::* which, uint64_t cgroup,
                   const void* value);

  const observe::BpfObject* object_;
  fbx_counter* counters_ = nullptr;
  fbx_switch* switch_ = nullptr;
  std::vector<fbx_glob_key> patterns_;
};

}  // namespace fbx::inject
