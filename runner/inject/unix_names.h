// SPDX-License-Identifier: Apache-2.0
//
// Which service has bound which unix socket, for the kernel hook that sees a dialled name and can't
// see the socket behind it. Looked up when rules or cuts are installed and at every collect(); a
// name that was bound since is dialled without a decision, which the record of the dial shows.
//
// Thread rule: one thread, inside the test's network namespace.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/result.h"
#include "runner/inject/peer_finder.h"
#include "runner/observe/bpf_object.h"

namespace fbx::inject {

class UnixNames {
 public:
  // Both must outlive it.
  UnixNames(const observe::BpfObject& object, uint32_t worker, const PeerFinder& peers);
  // Takes its names away.
  ~UnixNames();
  UnixNames(const UnixNames&) = delete;
  UnixNames& operator=(const UnixNames&) = delete;

  Status refresh();

 private:
  const observe::BpfObject& object_;
  uint32_t worker_;
  const PeerFinder& peers_;
  std::map<std::string, uint64_t> known_;  // key's bytes → cgroup
};

}  // namespace fbx::inject
