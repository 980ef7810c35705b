// SPDX-License-Identifier: Apache-2.0
//
// Partitions (`refuse`) by the supervisor, where no hook of the kernel cuts:
//
//   new links          every dial and every addressed datagram is supervised; one that would cross
//                      a cut gets ECONNREFUSED
//   established ones   one end's socket, copied out of its process, is disconnected
//                      (connect(AF_UNSPEC)): the kernel then resets the connection, and both ends
//                      see ECONNRESET. Where a thread waits in a call on both ends, the one whose
//                      socket was taken would see EPIPE: that is an escape.
//   not cut at all     unix sockets that are connected, UDP sockets that are: refused by name
//
// A dial that the supervisor let go just before is waited for. A connection found on a cut link
// later on is an escape.
//
// Thread rule: the worker's, inside the test's network namespace.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "runner/inject/partitions.h"
#include "runner/inject/peer_finder.h"
#include "runner/inject/supervisor.h"

namespace fbx::inject {

class OwnCuts {
 public:
  // Both must outlive it.
  OwnCuts(Supervisor& supervisor, const PeerFinder& peers)
      : supervisor_(supervisor), peers_(peers) {}

  // As of Partitions.
  Status cut(uint32_t id, const model::InstallPartition& what);
  Status heal(uint32_t id);
  [[nodiscard]] Partitions::Report report(uint32_t id, const std::vector<std::string>& names) const;
  [[nodiscard]] bool cuts(uint32_t id, int16_t from, int16_t to) const;

  // A dial that the supervisor refused.
  void note_dial(int16_t from, int16_t to, uint64_t at_ns);
  // Looks for connections that cross a cut.
  Status look_for_survivors();

 private:
  using Link = std::pair<int16_t, int16_t>;  // who opens, who is reached
  struct Cut {
    std::vector<Link> links;
    std::string display;
    uint64_t installed_ns = 0, healed_ns = 0;
    std::map<Link, uint64_t> dials, resets;
    std::vector<std::string> escapes;
    [[nodiscard]] bool has(Link link) const;
  };
  struct Connection;

  void publish();
  Status check_uncuttable(const Cut& cut) const;
  Status wait_for_loose_dials() const;
  [[nodiscard]] Result<std::vector<Connection>> crossing(const Cut& cut) const;
  Status reset_all(Cut& cut);
  Status reset(Connection& connection, Cut& cut) const;

  Supervisor& supervisor_;
  const PeerFinder& peers_;
  std::map<uint32_t, Cut> cuts_;
};

}  // namespace fbx::inject
