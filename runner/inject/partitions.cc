// SPDX-License-Identifier: Apache-2.0
#include "runner/inject/partitions.h"

#include <arpa/inet.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>

#include "base/clock.h"
#include "runner/inject/peer_finder.h"

namespace fbx::inject {
namespace {

using model::InstallPartition;

constexpr uint8_t kSynSent = 2;
constexpr uint8_t kListen = 10;
constexpr uint64_t kResetBoundNs = 5'000'000'000;

bool is_any(const uint8_t addr[16]) {
  uint32_t w[4];
  std::memcpy(w, addr, 16);
  return !w[0] && !w[1] && (!w[2] || w[2] == htonl(0xffff)) && !w[3];
}

std::string tuple_text(const fbx_tcp_end& end, bool turned) {
  std::string local(reinterpret_cast<const char*>(end.local), 16);
  std::string remote(reinterpret_cast<const char*>(end.remote), 16);
  local += std::to_string(end.local_port);
  remote += std::to_string(end.remote_port);
  return turned ? remote + "|" + local : local + "|" + remote;
}

// Who is at the other end of each listed socket: the socket with the turned tuple, and for a dial
// that nobody has answered, the listener it is going to.
class Others {
 public:
  explicit Others(const std::vector<fbx_tcp_end>& ends) : ends_(ends) {
    for (const fbx_tcp_end& end : ends)
      if (end.state != kListen) by_tuple_[tuple_text(end, false)] = end.cgroup;
  }
  [[nodiscard]] uint64_t of(const fbx_tcp_end& end) const {
    const auto found = by_tuple_.find(tuple_text(end, true));
    if (found != by_tuple_.end()) return found->second;
    return end.state == kSynSent ? listener(end) : 0;
  }

 private:
  [[nodiscard]] uint64_t listener(const fbx_tcp_end& dial) const {
    uint64_t wildcard = 0;
    for (const fbx_tcp_end& end : ends_) {
      if (end.state != kListen || end.local_port != dial.remote_port) continue;
      if (std::memcmp(end.local, dial.remote, 16) == 0) return end.cgroup;
      if (is_any(end.local)) wildcard = end.cgroup;
    }
    return wildcard;
  }
  const std::vector<fbx_tcp_end>& ends_;
  std::map<std::string, uint64_t> by_tuple_;
};

}  // namespace

Partitions::Partitions(KernelMaps& maps, const SocketList& sockets,
                       std::map<int16_t, uint64_t> leaves)
    : maps_(maps), sockets_(sockets), leaves_(std::move(leaves)) {}

Partitions::~Partitions() {
  for (auto& [id, cut] : cuts_)
    for (const Direction& d : cut.directions) {
      static_cast<void>(maps_.set_cut(pair(d.from, d.to), 0));
      maps_.forget(pair(d.from, d.to));
    }
}

fbx_pair Partitions::pair(int16_t from, int16_t to) const {
  return {leaves_.at(from), leaves_.at(to)};
}

Result<std::vector<Partitions::Direction>> Partitions::directions_of(
    const InstallPartition& what) const {
  const bool refuse = what.mode == InstallPartition::Mode::kRefuse;
  if (refuse && what.direction != InstallPartition::Direction::kBoth)
    return fail(what.display + ": a partition that refuses in one direction only is not built yet");
  const uint32_t flags = refuse ? FBX_CUT_REFUSE_DIALS | FBX_CUT_DROP : FBX_CUT_DROP;
  std::vector<Direction> out;
  for (uint32_t a : what.a) {
    for (uint32_t b : what.b) {
      const auto from = static_cast<int16_t>(a), to = static_cast<int16_t>(b);
      if (from == to) continue;
      if (!leaves_.contains(from) || !leaves_.contains(to))
        return fail(what.display + ": not a service of this test");
      if (what.direction != InstallPartition::Direction::kBToA) out.push_back({from, to, flags});
      if (what.direction != InstallPartition::Direction::kAToB) out.push_back({to, from, flags});
    }
  }
  return out;
}

// What the pair's link is now: all that the active cuts say together.
Status Partitions::apply(int16_t from, int16_t to) {
  uint32_t flags = 0;
  for (const auto& [id, cut] : cuts_)
    for (const Direction& d : cut.directions)
      if (cut.active && d.from == from && d.to == to) flags |= d.flags;
  return maps_.set_cut(pair(from, to), flags);
}

Status Partitions::apply_all(const Cut& cut) {
  for (const Direction& d : cut.directions)
    if (Status s = apply(d.from, d.to); !s) return s;
  return {};
}

Status Partitions::cut(uint32_t id, const InstallPartition& what) {
  auto directions = directions_of(what);
  if (!directions) return std::unexpected(std::move(directions).error());
  Cut fresh{.what = what, .directions = std::move(*directions)};
  if (Status s = check_unix(fresh); !s) return s;
  for (Direction& d : fresh.directions) d.before = maps_.counts(pair(d.from, d.to));
  Cut& cut = cuts_[id] = std::move(fresh);
  Status s = apply_all(cut);
  if (s && what.mode == InstallPartition::Mode::kRefuse) {
    s = reset_connections(cut);
    for (Direction& d : cut.directions) d.flags |= FBX_CUT_SETTLED;
    if (s) s = apply_all(cut);
  }
  if (s) return {};
  static_cast<void>(heal(id));
  return fail_in(std::move(s), what.display);
}

Status Partitions::heal(uint32_t id) {
  const auto found = cuts_.find(id);
  if (found == cuts_.end() || !found->second.active) return {};
  Cut& cut = found->second;
  cut.active = false;
  Status s = apply_all(cut);
  for (Direction& d : cut.directions) d.after = maps_.counts(pair(d.from, d.to));
  return s;
}

Partitions::Direction* Partitions::direction(Cut& cut, uint64_t from, uint64_t to) const {
  for (Direction& d : cut.directions)
    if (leaves_.at(d.from) == from && leaves_.at(d.to) == to) return &d;
  return nullptr;
}

// Lists, resets, and says how many ends there were. `seen` counts each connection once.
Result<size_t> Partitions::reset_pass(Cut& cut, const TcpReset& reset,
                                      std::map<std::string, int>& seen) {
  auto ends = sockets_.tcp();
  if (!ends) return std::unexpected(std::move(ends).error());
  const Others others(*ends);
  size_t found = 0;
  for (const fbx_tcp_end& end : *ends) {
    if (end.state == kListen) continue;
    Direction* d = direction(cut, end.cgroup, others.of(end));
    if (!d) continue;
    ++found;
    const bool fresh =
        !seen.contains(tuple_text(end, false)) && !seen.contains(tuple_text(end, true));
    if (fresh) {
      seen[tuple_text(end, false)] = 1;
      d->resets++;
    }
    if (Status s = reset.send(end); !s) return std::unexpected(std::move(s).error());
  }
  return found;
}

Status Partitions::reset_connections(Cut& cut) {
  auto reset = TcpReset::open();
  if (!reset) return std::unexpected(std::move(reset).error());
  std::map<std::string, int> seen;
  const uint64_t until = now_ns() + kResetBoundNs;
  for (;;) {
    auto left = reset_pass(cut, *reset, seen);
    if (!left) return std::unexpected(std::move(left).error());
    if (*left == 0) return {};
    if (now_ns() > until)
      return fail(std::to_string(*left) + " ends of connections survived their resets");
  }
}

// Unix dials can be refused where the kernel has the hooks; a connection that stands, and packets
// that should vanish silently, are cut by no hand of this fbx yet: where there are any, say so.
Status Partitions::check_unix(const Cut& cut) const {
  const auto ends = sockets_.unix_sockets();
  if (!ends) return {};
  std::map<std::string, uint64_t> owners;  // bound name → cgroup
  for (const fbx_unix_end& end : *ends)
    if (owns_its_name(end)) owners[bound_name(end)] = end.cgroup;
  const bool can_refuse = unix_dials && cut.what.mode == InstallPartition::Mode::kRefuse;
  for (const fbx_unix_end& end : *ends) {
    for (const Direction& d : cut.directions) {
      const auto owner = end.name_len ? owners.find(bound_name(end)) : owners.end();
      const bool named = owner != owners.end() && owner->second == leaves_.at(d.to);
      // The dialler's end has an inode as long as it is open.
      const bool accepted = named && !owns_its_name(end) && end.peer_inode &&
                            end.cgroup == leaves_.at(d.from);
      const bool datagrams = end.type == SOCK_DGRAM && end.cgroup == leaves_.at(d.from) &&
                             end.peer_cgroup == leaves_.at(d.to);
      const bool connected = accepted || datagrams;
      const bool listens = named && owns_its_name(end);
      if (connected || (listens && !can_refuse))
        return fail(cut.what.display + ": the services " +
                    (connected ? "are connected by" : "listen on") +
                    " unix sockets, which no hand of this fbx can cut");
    }
  }
  return {};
}

bool Partitions::cuts(uint32_t id, int16_t from, int16_t to) const {
  const auto found = cuts_.find(id);
  if (found == cuts_.end()) return false;
  for (const Direction& d : found->second.directions)
    if (d.from == from && d.to == to) return true;
  return false;
}

Partitions::Report Partitions::report(uint32_t id, const std::vector<std::string>& names) const {
  Report out;
  const auto found = cuts_.find(id);
  if (found == cuts_.end()) return out;
  const bool refuse = found->second.what.mode == InstallPartition::Mode::kRefuse;
  for (const Direction& d : found->second.directions) {
    const fbx_cut_count now = d.after ? *d.after : maps_.counts(pair(d.from, d.to));
    const std::string link =
        names[static_cast<size_t>(d.from)] + " to " + names[static_cast<size_t>(d.to)];
    const uint64_t dials = now.dials - d.before.dials;
    // The segments that a refusing cut drops belong to connections that it resets.
    const uint64_t packets =
        refuse ? now.datagrams - d.before.datagrams : now.packets - d.before.packets;
    out.dials += dials;
    out.resets += d.resets;
    out.packets += packets;
    if (const uint64_t all = dials + d.resets + packets) out.by[link] += all;
    if (!refuse) continue;
    if (const uint64_t late = now.late - d.before.late)
      out.escapes.push_back(link + ": " + std::to_string(late) +
                            " segments with data came after the cut, so a connection survived it");
    if (const uint64_t late = now.late_syn - d.before.late_syn)
      out.escapes.push_back(link + ": a dial that had begun before the cut was not refused (" +
                            std::to_string(late) + " SYN packets)");
  }
  return out;
}

}  // namespace fbx::inject
