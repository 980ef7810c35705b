// SPDX-License-Identifier: Apache-2.0
//
// Partitions by identity (DESIGN section 8). A link between two services is up when no active cut
// cuts it; cuts nest and overlap.
//
// `refuse`, in the order that leaves no gap: dials are refused; packets of the pair are dropped,
// resets excepted; every connection between the two is listed and both its ends are reset; again
// until none is left. Packets stay dropped: UDP sockets that were connected before see silence, and
// a TCP segment that still comes is counted, because its connection should not exist.
// `drop`: packets of the pair are dropped, nothing else.
//
// Thread rule: one thread, inside the test's network namespace.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "runner/inject/kernel_maps.h"
#include "runner/inject/socket_list.h"
#include "runner/inject/tcp_reset.h"
#include "spec/model/session.h"

namespace fbx::inject {

class Partitions {
 public:
  // All must outlive it. `leaves`: service index → cgroup id of its leaf.
  Partitions(KernelMaps& maps, const SocketList& sockets, std::map<int16_t, uint64_t> leaves);
  ~Partitions();
  Partitions(const Partitions&) = delete;
  Partitions& operator=(const Partitions&) = delete;

  // Returns after the cut binds and established connections are reset. `id` names it afterwards.
  // What can't be cut is an Error that names it, and nothing of the cut stays.
  Status cut(uint32_t id, const model::InstallPartition& what);
  Status heal(uint32_t id);

  struct Report {
    uint64_t dials = 0, resets = 0, packets = 0;  // refused, connections reset, packets dropped
    std::map<std::string, uint64_t> by;           // "orders to inventory" → how many of these
    std::vector<std::string> escapes;
  };
  // What the cut did so far, or until it was healed.
  [[nodiscard]] Report report(uint32_t id, const std::vector<std::string>& names) const;

  // Whether the cut says something about what `from` opens to `to`.
  [[nodiscard]] bool cuts(uint32_t id, int16_t from, int16_t to) const;

  // The kernel refuses dials of unix sockets, too (Linux 6.7).
  bool unix_dials = false;

 private:
  struct Direction {
    int16_t from = -1, to = -1;
    uint32_t flags = 0;
    uint64_t resets = 0;
    fbx_cut_count before = {};
    std::optional<fbx_cut_count> after = std::nullopt;
  };
  struct Cut {
    model::InstallPartition what;
    std::vector<Direction> directions;
    bool active = true;
  };

  [[nodiscard]] fbx_pair pair(int16_t from, int16_t to) const;
  [[nodiscard]] Result<std::vector<Direction>> directions_of(
      const model::InstallPartition& what) const;
  Status apply(int16_t from, int16_t to);
  Status apply_all(const Cut& cut);
  Status reset_connections(Cut& cut);
  Result<size_t> reset_pass(Cut& cut, const TcpReset& reset, std::map<std::string, int>& seen);
  [[nodiscard]] Status check_unix(const Cut& cut) const;
  [[nodiscard]] Direction* direction(Cut& cut, uint64_t from, uint64_t to) const;

  KernelMaps& maps_;
  const SocketList& sockets_;
  std::map<int16_t, uint64_t> leaves_;
  std::map<uint32_t, Cut> cuts_;
};

}  // namespace fbx::inject
