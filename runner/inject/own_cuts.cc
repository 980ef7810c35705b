// SPDX-License-Identifier: Apache-2.0
#include "runner/inject/own_cuts.h"

#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <optional>
#include <set>

#include "base/clock.h"
#include "runner/inject/diag_sockets.h"
#include "runner/inject/task_view.h"
#include "runner/sandbox/descent.h"
#include "runner/sandbox/process.h"

namespace fbx::inject {
namespace {

using model::InstallPartition;
using sandbox::Fd;

constexpr uint64_t kBoundNs = 1'000'000'000;
// include/net/tcp_states.h
constexpr uint8_t kSynSent = 2, kTimeWait = 6, kClose = 7, kLastAck = 9, kListen = 10, kClosing = 11;

bool carries(const DiagSocket& socket) {
  switch (socket.end.state) {
    case kTimeWait:
    case kClose:
    case kLastAck:
    case kListen:
    case kClosing: return false;
    default: return true;
  }
}

std::string tuple(const uint8_t a[16], uint16_t a_port, const uint8_t b[16], uint16_t b_port) {
  std::string out(reinterpret_cast<const char*>(a), 16);
  out.append(reinterpret_cast<const char*>(b), 16);
  return out + "/" + std::to_string(a_port) + "/" + std::to_string(b_port);
}
std::string own_tuple(const fbx_tcp_end& end) {
  return tuple(end.local, end.local_port, end.remote, end.remote_port);
}
std::string other_tuple(const fbx_tcp_end& end) {
  return tuple(end.remote, end.remote_port, end.local, end.local_port);
}

// The number and first argument of the call that a thread waits in; unset: it runs, or is gone.
struct Waiting {
  int64_t nr = -1;
  uint64_t first = 0;
};
std::optional<Waiting> waiting_in(const std::string& task) {
  std::ifstream file(task + "/syscall");
  std::string word;
  Waiting out;
  if (!(file >> word) || word == "running") return std::nullopt;
  out.nr = std::strtoll(word.c_str(), nullptr, 10);
  if (file >> word) out.first = std::strtoull(word.c_str(), nullptr, 16);
  return out;
}

// Whether some thread of the process waits in a call on that descriptor.
bool is_waited_on(pid_t pid, int fd) {
  const std::string tasks = "/proc/" + std::to_string(pid) + "/task";
  DIR* dir = ::opendir(tasks.c_str());
  if (dir == nullptr) return false;
  bool found = false;
  while (const dirent* entry = ::readdir(dir)) {
    if (entry->d_name[0] == '.') continue;
    const auto waiting = waiting_in(tasks + "/" + entry->d_name);
    static constexpr int64_t kOnSockets[] = {SYS_read,    SYS_readv,   SYS_recvfrom, SYS_recvmsg,
                                             SYS_write,   SYS_writev,  SYS_sendto,   SYS_sendmsg,
                                             SYS_connect, SYS_recvmmsg, SYS_sendmmsg, SYS_sendfile};
    if (waiting && waiting->first == static_cast<uint64_t>(fd) &&
        std::ranges::find(kOnSockets, waiting->nr) != std::end(kOnSockets))
      found = true;
  }
  ::closedir(dir);
  return found;
}

Fd copy_of(const sandbox::HeldSocket& held) {
  auto pidfd = sandbox::open_pidfd(held.pid);
  if (!pidfd) return Fd();
  auto copy = sandbox::fetch_fd(pidfd->get(), held.fd);
  struct stat st{};
  if (!copy || ::fstat(copy->get(), &st) != 0 || st.st_ino != held.inode) return Fd();
  return std::move(*copy);
}

// A dial has taken effect when its socket is no longer closed, or its thread is in another call.
bool has_begun(const LooseDial& dial) {
  const std::string task = "/proc/" + std::to_string(dial.tid);
  if (::access(task.c_str(), F_OK) != 0) return true;
  if (const auto waiting = waiting_in(task); waiting && waiting->nr != dial.nr) return true;
  if (dial.nr != SYS_connect) return false;
  Tasks tasks;
  const Fd copy = tasks.copy(static_cast<pid_t>(dial.tid), dial.fd);
  tcp_info info{};
  socklen_t size = sizeof info;
  return copy && ::getsockopt(copy.get(), IPPROTO_TCP, TCP_INFO, &info, &size) == 0 &&
         info.tcpi_state != kClose;
}

void pause_briefly() { ::poll(nullptr, 0, 1); }

}  // namespace

struct OwnCuts::Connection {
  Link link;                      // who opened it, whom it reached
  std::vector<DiagSocket> ends;  // one or two
};

bool OwnCuts::Cut::has(Link link) const {
  return std::ranges::find(links, link) != links.end();
}

// The supervisor's view: every link that some active cut refuses.
void OwnCuts::publish() {
  std::set<Link> refused;
  for (const auto& [id, cut] : cuts_)
    if (cut.healed_ns == 0) refused.insert(cut.links.begin(), cut.links.end());
  supervisor_.refuse(std::move(refused));
}

Status OwnCuts::check_uncuttable(const Cut& cut) const {
  const auto crosses = [&](uint64_t a, uint64_t b) {
    const int16_t one = peers_.service(a), other = peers_.service(b);
    return one >= 0 && other >= 0 && one != other &&
           (cut.has({one, other}) || cut.has({other, one}));
  };
  auto locals = peers_.sockets().unix_sockets();
  if (!locals) return std::unexpected(std::move(locals).error());
  for (const fbx_unix_end& end : *locals)
    if (end.peer_inode && crosses(end.cgroup, end.peer_cgroup))
      return fail("the services are connected by unix sockets, which can't be cut without root");
  auto datagrams = list_inet_sockets(IPPROTO_UDP);
  if (!datagrams) return std::unexpected(std::move(datagrams).error());
  for (const DiagSocket& end : *datagrams)
    for (const DiagSocket& other : *datagrams)
      if (end.end.remote_port != 0 && end.end.remote_port == other.end.local_port &&
          crosses(end.end.cgroup, other.end.cgroup))
        return fail("the services are connected by UDP sockets, which can't be cut without root");
  return {};
}

Status OwnCuts::wait_for_loose_dials() const {
  const uint64_t until = now_ns() + kBoundNs;
  for (const LooseDial& dial : supervisor_.loose_dials()) {
    while (!has_begun(dial)) {
      if (now_ns() >= until)
        return fail("a dial that was let go before the cut can't be told to have ended");
      // The thread may have made another call since, which says the same.
      const auto left = supervisor_.loose_dials();
      if (std::ranges::none_of(left, [&](const LooseDial& one) {
            return one.tid == dial.tid && one.at_ns == dial.at_ns;
          }))
        break;
      pause_briefly();
    }
  }
  return {};
}

Result<std::vector<OwnCuts::Connection>> OwnCuts::crossing(const Cut& cut) const {
  auto all = list_inet_sockets(IPPROTO_TCP);
  if (!all) return std::unexpected(std::move(all).error());
  std::map<std::string, const DiagSocket*> by_tuple;
  std::set<std::pair<uint64_t, uint16_t>> doors;  // owner and port of listeners
  for (const DiagSocket& one : *all) {
    by_tuple[own_tuple(one.end)] = &one;
    if (one.end.state == kListen) doors.insert({one.end.cgroup, one.end.local_port});
  }
  std::vector<Connection> out;
  std::set<std::string> taken;
  for (const DiagSocket& one : *all) {
    if (!carries(one) || taken.contains(own_tuple(one.end))) continue;
    taken.insert(other_tuple(one.end));
    const auto found = by_tuple.find(other_tuple(one.end));
    const DiagSocket* other = found == by_tuple.end() ? nullptr : found->second;
    int16_t mine = peers_.service(one.end.cgroup);
    Address at;
    std::memcpy(at.addr, one.end.remote, sizeof at.addr);
    at.family = AF_INET6;
    at.port = one.end.remote_port;
    // A dial that nobody has answered yet has no other end but the listener.
    int16_t theirs = other ? peers_.service(other->end.cgroup)
                           : one.end.state == kSynSent ? peers_.listener(at) : int16_t{-1};
    if (mine < 0 || theirs < 0 || mine == theirs) continue;
    const bool accepted = doors.contains({one.end.cgroup, one.end.local_port});
    const Link link = accepted ? Link{theirs, mine} : Link{mine, theirs};
    if (!cut.has(link)) continue;
    Connection connection{link, {one}};
    if (other && carries(*other)) connection.ends.push_back(*other);
    out.push_back(std::move(connection));
  }
  return out;
}

// Takes the end on which nobody waits, where there is one: the other end is reset by the network.
Status OwnCuts::reset(Connection& connection, Cut& cut) const {
  std::map<uint64_t, sandbox::HeldSocket> holders;
  for (const sandbox::HeldSocket& held : sandbox::held_sockets()) holders.emplace(held.inode, held);
  const sandbox::HeldSocket* best = nullptr;
  bool waited_on = false;
  for (const DiagSocket& end : connection.ends) {
    const auto held = holders.find(end.inode);
    if (end.inode == 0 || held == holders.end()) continue;
    const bool waits = is_waited_on(held->second.pid, held->second.fd);
    if (best && (waits || !waited_on)) continue;
    best = &held->second;
    waited_on = waits;
  }
  if (!best) return {};  // both ends are closing: the next look tells
  const Fd copy = copy_of(*best);
  if (!copy) return {};  // closed meanwhile
  const sockaddr nobody{.sa_family = AF_UNSPEC, .sa_data = {}};
  if (::connect(copy.get(), &nobody, sizeof nobody) != 0)
    return fail_errno("disconnecting a service's socket");
  cut.resets[connection.link]++;
  if (waited_on)
    cut.escapes.push_back("a connection had a thread waiting at both ends: one of them saw EPIPE "
                          "and not ECONNRESET");
  return {};
}

Status OwnCuts::reset_all(Cut& cut) {
  const uint64_t until = now_ns() + kBoundNs;
  for (;;) {
    auto left = crossing(cut);
    if (!left) return std::unexpected(std::move(left).error());
    if (left->empty()) return {};
    if (now_ns() > until)
      return fail(std::to_string(left->size()) + " connections survived their resets");
    for (Connection& connection : *left)
      if (Status s = reset(connection, cut); !s) return s;
  }
}

Status OwnCuts::cut(uint32_t id, const InstallPartition& what) {
  if (what.mode != InstallPartition::Mode::kRefuse)
    return fail(what.display + ": only root can make packets vanish");
  Cut fresh;
  fresh.display = what.display;
  for (const uint32_t a : what.a)
    for (const uint32_t b : what.b) {
      const auto one = static_cast<int16_t>(a), other = static_cast<int16_t>(b);
      if (one == other) continue;
      if (what.direction != InstallPartition::Direction::kBToA) fresh.links.push_back({one, other});
      if (what.direction != InstallPartition::Direction::kAToB) fresh.links.push_back({other, one});
    }
  fresh.installed_ns = now_ns();
  Cut& cut = cuts_[id] = std::move(fresh);
  publish();
  Status s = check_uncuttable(cut);
  if (s) s = wait_for_loose_dials();
  if (s) s = reset_all(cut);
  if (s) return {};
  cut.healed_ns = now_ns();
  publish();
  return fail_in(std::move(s), what.display);
}

Status OwnCuts::look_for_survivors() {
  for (auto& [id, cut] : cuts_) {
    if (cut.healed_ns != 0) continue;
    auto left = crossing(cut);
    if (!left) return std::unexpected(std::move(left).error());
    if (!left->empty() && cut.escapes.empty())
      cut.escapes.push_back(std::to_string(left->size()) + " connections cross the cut");
  }
  return {};
}

Status OwnCuts::heal(uint32_t id) {
  const auto found = cuts_.find(id);
  if (found == cuts_.end() || found->second.healed_ns != 0) return {};
  Status s = look_for_survivors();
  found->second.healed_ns = now_ns();
  publish();
  return s;
}

void OwnCuts::note_dial(int16_t from, int16_t to, uint64_t at_ns) {
  for (auto& [id, cut] : cuts_)
    if (cut.has({from, to}) && at_ns >= cut.installed_ns &&
        (cut.healed_ns == 0 || at_ns <= cut.healed_ns))
      cut.dials[{from, to}]++;
}

Partitions::Report OwnCuts::report(uint32_t id, const std::vector<std::string>& names) const {
  Partitions::Report out;
  const auto found = cuts_.find(id);
  if (found == cuts_.end()) return out;
  for (const auto* counts : {&found->second.dials, &found->second.resets})
    for (const auto& [link, n] : *counts) {
      (counts == &found->second.dials ? out.dials : out.resets) += n;
      out.by[names[static_cast<size_t>(link.first)] + " to " +
             names[static_cast<size_t>(link.second)]] += n;
    }
  out.escapes = found->second.escapes;
  return out;
}

bool OwnCuts::cuts(uint32_t id, int16_t from, int16_t to) const {
  const auto found = cuts_.find(id);
  return found != cuts_.end() && found->second.has({from, to});
}

}  // namespace fbx::inject
