// SPDX-License-Identifier: Apache-2.0
//
// A worker's entries in the tables by which the programs tell whose a task is and which calls count
// (bpf/abi/maps.h: fbx_services, fbx_near, fbx_asked). Other workers enter and remove theirs at the
// same time.
//
// Thread rule: one thread.
#pragma once

#include <cstdint>
#include <vector>

#include "base/result.h"
#include "bpf/abi/maps.h"
#include "runner/observe/bpf_object.h"

namespace fbx::observe {

class ServiceTable {
 public:
  explicit ServiceTable(BpfObject& object) : object_(object) {}
  ~ServiceTable();
  ServiceTable(const ServiceTable&) = delete;
  ServiceTable& operator=(const ServiceTable&) = delete;

  // Makes the calls in entry.interest, and those that change names, visible for all tasks of this
  // identity. Before the first of them is born.
  Status enter(uint64_t id, const fbx_service& entry);
  // Removes everything entered. The tasks must be dead, or their calls are no longer seen.
  void clear();

 private:
  Status map_slots();
  Status ask_for(const fbx_service& entry);

  BpfObject& object_;
  fbx_near* near_ = nullptr;  // FBX_NEAR_SLOTS, shared with the kernel and the other workers
  std::vector<uint64_t> ids_;
  std::vector<bool> asked_ = std::vector<bool>(FBX_NR_LIMIT);  // of fbx_asked, what is set
};

}  // namespace fbx::observe
