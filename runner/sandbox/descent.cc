// SPDX-License-Identifier: Apache-2.0
#include "runner/sandbox/descent.h"

#include <dirent.h>
#include <poll.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fstream>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "base/clock.h"
#include "runner/sandbox/process.h"

namespace fbx::sandbox {

namespace {

// Ids of cgroups are inode numbers; these are far above.
constexpr uint64_t kFirstId = 1ull << 62;
constexpr int kLooks = 20;

struct Nanny {
  uint64_t descent = 0;
  pid_t pid = -1;
};

// All nannies of this process's tests.
struct Registry {
  std::mutex mutex;
  std::vector<Nanny> nannies;
  std::set<uint64_t> descents;
  uint64_t next = kFirstId;
};

Registry& registry() {
  static Registry all;
  return all;
}

std::vector<Nanny> nannies_of(uint64_t descent) {
  Registry& all = registry();
  const std::lock_guard lock(all.mutex);
  std::vector<Nanny> out;
  for (const Nanny& nanny : all.nannies)
    if (descent == 0 || nanny.descent == descent) out.push_back(nanny);
  return out;
}

std::optional<pid_t> number(const char* text) {
  pid_t value = 0;
  const char* end = text + std::strlen(text);
  const auto [at, error] = std::from_chars(text, end, value);
  return error == std::errc() && at == end ? std::optional(value) : std::nullopt;
}

struct Stat {
  pid_t parent = 0;
  bool dead = false;  // a zombie: its files are closed, its parent has not noticed yet
  bool stopped = false;
};

std::optional<Stat> read_stat(const std::string& task) {
  std::ifstream file(task + "/stat");
  std::string text;
  if (!std::getline(file, text)) return std::nullopt;
  // "pid (comm) state ppid …"; the name may hold anything.
  const size_t name_end = text.rfind(')');
  if (name_end == std::string::npos || name_end + 4 >= text.size()) return std::nullopt;
  const char state = text[name_end + 2];
  return Stat{std::atoi(text.c_str() + name_end + 4), state == 'Z' || state == 'X', state == 'T'};
}

std::string folder_of(pid_t pid) { return "/proc/" + std::to_string(pid); }

// Whether none of its threads runs any more.
bool is_stopped(pid_t pid) {
  const std::string tasks = folder_of(pid) + "/task";
  DIR* dir = ::opendir(tasks.c_str());
  if (dir == nullptr) return errno == ENOENT;
  bool all = true;
  while (const dirent* entry = ::readdir(dir)) {
    if (!number(entry->d_name)) continue;
    const auto stat = read_stat(tasks + "/" + entry->d_name);
    all &= !stat || stat->dead || stat->stopped;
  }
  ::closedir(dir);
  return all;
}

using Tree = std::map<pid_t, Stat>;

// False: somebody's parent died while we looked, so whose child it is now is not known.
bool look(Tree& tree) {
  tree.clear();
  DIR* dir = ::opendir("/proc");
  if (dir == nullptr) return false;
  while (const dirent* entry = ::readdir(dir)) {
    const auto pid = number(entry->d_name);
    if (!pid) continue;
    if (const auto stat = read_stat(folder_of(*pid))) tree[*pid] = *stat;
  }
  ::closedir(dir);
  return std::ranges::all_of(tree, [&](const auto& one) {
    return one.second.parent == 0 || tree.contains(one.second.parent);
  });
}

Tree look_well() {
  Tree tree;
  for (int i = 0; i < kLooks && !look(tree); ++i) {
  }
  return tree;
}

// The nearest of `ancestors` above `pid`; -1 = none.
pid_t ancestor(const Tree& tree, pid_t pid, const std::set<pid_t>& ancestors) {
  for (auto at = tree.find(pid); at != tree.end(); at = tree.find(at->second.parent))
    if (ancestors.contains(at->second.parent)) return at->second.parent;
  return -1;
}

// "socket:[4711]"
std::optional<uint64_t> socket_inode(const std::string& link) {
  char target[64];
  const ssize_t n = ::readlink(link.c_str(), target, sizeof target - 1);
  if (n <= 9 || std::strncmp(target, "socket:[", 8) != 0) return std::nullopt;
  target[n] = 0;
  return std::strtoull(target + 8, nullptr, 10);
}

void each_socket(pid_t pid, const std::function<void(int fd, uint64_t inode)>& tell) {
  const std::string folder = "/proc/" + std::to_string(pid) + "/fd";
  DIR* dir = ::opendir(folder.c_str());
  if (dir == nullptr) return;
  while (const dirent* entry = ::readdir(dir)) {
    const auto fd = number(entry->d_name);
    if (!fd) continue;
    if (const auto inode = socket_inode(folder + "/" + entry->d_name)) tell(*fd, *inode);
  }
  ::closedir(dir);
}

// Every process of every descent.
std::vector<std::pair<pid_t, uint64_t>> everybody() {
  std::map<pid_t, uint64_t> by_nanny;
  std::set<pid_t> nannies;
  for (const Nanny& nanny : nannies_of(0)) {
    by_nanny[nanny.pid] = nanny.descent;
    nannies.insert(nanny.pid);
  }
  std::vector<std::pair<pid_t, uint64_t>> out;
  if (nannies.empty()) return out;
  const Tree tree = look_well();
  for (const auto& [pid, stat] : tree) {
    if (stat.dead || nannies.contains(pid)) continue;
    if (const pid_t above = ancestor(tree, pid, nannies); above >= 0)
      out.emplace_back(pid, by_nanny[above]);
  }
  return out;
}

}  // namespace

std::shared_ptr<Descent> Descent::make() {
  Registry& all = registry();
  const std::lock_guard lock(all.mutex);
  std::shared_ptr<Descent> made(new Descent);
  made->id_ = all.next++;
  all.descents.insert(made->id_);
  return made;
}

Descent::~Descent() {
  Registry& all = registry();
  const std::lock_guard lock(all.mutex);
  all.descents.erase(id_);
  std::erase_if(all.nannies, [this](const Nanny& nanny) { return nanny.descent == id_; });
}

void Descent::add(pid_t nanny) {
  Registry& all = registry();
  const std::lock_guard lock(all.mutex);
  all.nannies.push_back({id_, nanny});
}

void Descent::forget(pid_t nanny) {
  (void)reap(nanny);
  Registry& all = registry();
  const std::lock_guard lock(all.mutex);
  std::erase_if(all.nannies, [&](const Nanny& one) { return one.pid == nanny; });
}

std::vector<int> Descent::processes() const {
  std::vector<int> out;
  for (const auto& [pid, descent] : everybody())
    if (descent == id_) out.push_back(pid);
  return out;
}

bool Descent::all_stopped() const { return std::ranges::all_of(processes(), is_stopped); }

bool Descent::freeze(bool frozen, int64_t bound_ns) {
  constexpr timespec kPause{0, 200'000};
  const uint64_t deadline = now_ns() + static_cast<uint64_t>(bound_ns);
  // A child that was born while its parent was being stopped is found by a look that begins when
  // all that were known stand.
  for (int stand = 0; frozen; ::nanosleep(&kPause, nullptr)) {
    stand = all_stopped() ? stand + 1 : 0;
    if (stand == 2) return true;
    for (const int pid : processes())
      if (!is_stopped(pid) && ::kill(pid, SIGSTOP) == 0) stopped_.insert(pid);
    if (now_ns() >= deadline) return false;
  }
  const std::vector<int> now = processes();
  for (const int pid : std::exchange(stopped_, {}))
    if (std::ranges::find(now, pid) != now.end()) ::kill(pid, SIGCONT);
  return true;
}

void Descent::kill() {
  for (const Nanny& nanny : nannies_of(id_)) ::kill(nanny.pid, SIGTERM);
}

// A nanny ends when it has no child left.
bool Descent::wait_empty(int64_t bound_ns) {
  const uint64_t deadline = now_ns() + static_cast<uint64_t>(bound_ns);
  for (const Nanny& nanny : nannies_of(id_)) {
    auto pidfd = open_pidfd(nanny.pid);
    pollfd ended{pidfd ? pidfd->get() : -1, POLLIN, 0};
    while (pidfd && ::poll(&ended, 1, poll_timeout_ms(deadline)) != 1)
      if (now_ns() >= deadline) return false;
    forget(nanny.pid);
  }
  return true;
}

bool told_by_descent() {
  Registry& all = registry();
  const std::lock_guard lock(all.mutex);
  return !all.descents.empty();
}

uint64_t descent_of_process(pid_t wanted) {
  for (const auto& [pid, descent] : everybody())
    if (pid == wanted) return descent;
  return 0;
}

std::vector<HeldSocket> held_sockets() {
  std::vector<HeldSocket> out;
  for (const auto& [pid, descent] : everybody())
    each_socket(pid, [&, owner = descent, holder = pid](int fd, uint64_t inode) {
      out.push_back({inode, owner, holder, fd});
    });
  return out;
}

uint64_t descent_of_socket(uint64_t inode) {
  uint64_t owner = 0;
  for (const HeldSocket& held : held_sockets()) {
    if (held.inode != inode || held.descent == owner) continue;
    if (owner != 0) return 0;
    owner = held.descent;
  }
  return owner;
}

std::vector<pid_t> descendants_of(pid_t pid) {
  const Tree tree = look_well();
  std::vector<pid_t> out;
  for (const auto& [one, stat] : tree)
    if (one != pid && ancestor(tree, one, {pid}) == pid) out.push_back(one);
  return out;
}

}  // namespace fbx::sandbox
