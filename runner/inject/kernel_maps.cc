// SPDX-License-Identifier: Apache-2.0
#include "runner/inject/kernel_maps.h"

#include <bpf/bpf.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <string>

namespace fbx::inject {
namespace {

constexpr size_t kCountersBytes = FBX_COUNTERS * sizeof(fbx_counter);

void* map_memory(int fd, size_t bytes) {
  return mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
}

bool has(int map, const void* key) {
  // Values of every size that the maps hold fit here.
  alignas(8) static thread_local char value[sizeof(fbx_call_rules)];
  return bpf_map_lookup_elem(map, key, value) == 0;
}

}  // namespace

Result<std::unique_ptr<KernelMaps>> KernelMaps::open(const observe::BpfObject& object) {
  std::unique_ptr<KernelMaps> maps(new KernelMaps(&object));
  void* counters = map_memory(object.map_fd("fbx_counters"), kCountersBytes);
  if (counters == MAP_FAILED) return fail_errno("mapping the rules' counters");
  maps->counters_ = static_cast<fbx_counter*>(counters);
  void* armed = map_memory(object.map_fd("fbx_switch"), sizeof(fbx_switch));
  if (armed == MAP_FAILED) return fail_errno("mapping the hands' switch");
  maps->switch_ = static_cast<fbx_switch*>(armed);
  return maps;
}

Result<std::unique_ptr<KernelMaps>> KernelMaps::counters_alone() {
  std::unique_ptr<KernelMaps> maps(new KernelMaps(nullptr));
  void* counters =
      mmap(nullptr, kCountersBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (counters == MAP_FAILED) return fail_errno("memory for the rules' counters");
  maps->counters_ = static_cast<fbx_counter*>(counters);
  return maps;
}

KernelMaps::~KernelMaps() {
  if (counters_) munmap(counters_, kCountersBytes);
  if (switch_) munmap(switch_, sizeof(fbx_switch));
}

void KernelMaps::add_to_switch(uint64_t fbx_switch::* which, int64_t by) {
  __atomic_fetch_add(&(switch_->*which), static_cast<uint64_t>(by), __ATOMIC_SEQ_CST);
}

// The switch goes on before the first entry and off after the last.
Status KernelMaps::set_entry(const char* name, uint64_t fbx_switch::* which, uint64_t cgroup,
                             const void* value) {
  const int map = object_->map_fd(name);
  const bool present = has(map, &cgroup);
  if (!value) {
    if (!present) return {};
    if (bpf_map_delete_elem(map, &cgroup) != 0) return fail_errno("lifting rules from the kernel");
    add_to_switch(which, -1);
    return {};
  }
  if (!present) add_to_switch(which, 1);
  if (bpf_map_update_elem(map, &cgroup, value, BPF_ANY) == 0) return {};
  const int error = errno;
  if (!present) add_to_switch(which, -1);
  return fail_errno("giving rules to the kernel", error);
}

Status KernelMaps::set_rules(uint64_t cgroup, const fbx_ruleset* set) {
  return set_entry("fbx_rulesets", &fbx_switch::rules, cgroup, set);
}

Status KernelMaps::set_call_rules(uint64_t cgroup, const fbx_call_rules* rules) {
  return set_entry("fbx_call_rules", &fbx_switch::calls, cgroup, rules);
}

Status KernelMaps::add_pattern(const fbx_glob_key& key, const fbx_glob& pattern) {
  if (bpf_map_update_elem(object_->map_fd("fbx_globs"), &key, &pattern, BPF_ANY) != 0)
    return fail_errno("giving a rule's path= to the kernel");
  patterns_.push_back(key);
  return {};
}

void KernelMaps::forget_patterns() {
  for (const fbx_glob_key& key : patterns_)
    bpf_map_delete_elem(object_->map_fd("fbx_globs"), &key);
  patterns_.clear();
}

Status KernelMaps::set_cut(const fbx_pair& pair, uint32_t flags) {
  const int map = object_->map_fd("fbx_cuts");
  const int count_map = object_->map_fd("fbx_cut_counts");
  const bool present = has(map, &pair);
  if (flags == 0) {
    if (!present) return {};
    if (bpf_map_delete_elem(map, &pair) != 0) return fail_errno("healing a link");
    add_to_switch(&fbx_switch::cuts, -1);
    return {};
  }
  const fbx_cut_count none{};
  if (bpf_map_update_elem(count_map, &pair, &none, BPF_NOEXIST) != 0 && errno != EEXIST)
    return fail_errno("making the counts of a cut");
  const fbx_cut cut{flags, 0};
  if (!present) add_to_switch(&fbx_switch::cuts, 1);
  if (bpf_map_update_elem(map, &pair, &cut, BPF_ANY) == 0) return {};
  const int error = errno;
  if (!present) add_to_switch(&fbx_switch::cuts, -1);
  return fail_errno("cutting a link", error);
}

fbx_cut_count KernelMaps::counts(const fbx_pair& pair) const {
  fbx_cut_count counts{};
  bpf_map_lookup_elem(object_->map_fd("fbx_cut_counts"), &pair, &counts);
  return counts;
}

void KernelMaps::forget(const fbx_pair& pair) {
  bpf_map_delete_elem(object_->map_fd("fbx_cut_counts"), &pair);
}

}  // namespace fbx::inject
