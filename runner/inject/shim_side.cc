// SPDX-License-Identifier: Apache-2.0
#include "runner/inject/shim_side.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <optional>
#include <utility>

#include "base/clock.h"

namespace fbx::inject {
namespace {

constexpr const char* kFolder = "/dev/shm/.fbx-shim";
constexpr const char* kLibrary = "/libfbxshim.so";
constexpr auto kDrainEvery = std::chrono::milliseconds(10);
// A ring of begins and ends is full after 10 ms of nothing but calls.
constexpr auto kDrainRecordsEvery = std::chrono::milliseconds(2);
// A thread writes its entry within nanoseconds of beginning it, unless it is not on a processor.
constexpr uint64_t kBegunNs = 200'000'000;
// From exec to the shim's constructor: the dynamic loader's work, on a busy machine.
constexpr uint64_t kLoadNs = 10'000'000'000;
constexpr uint64_t kLoadSliceNs = 50'000'000;

bool has_died(pid_t pid) {
  siginfo_t info{};
  return ::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG | WNOWAIT) != 0 ||
         info.si_pid == pid;
}

Status copy_file(const std::string& from, const std::string& to) {
  std::ifstream in(from, std::ios::binary);
  std::ofstream out(to, std::ios::binary | std::ios::trunc);
  out << in.rdbuf();
  out.close();
  if (!in || !out) return fail_errno("copying " + from + " to " + to);
  if (::chmod(to.c_str(), 0755) != 0) return fail_errno("chmod of " + to);
  return {};
}

std::string escape_of(const ShimReport& seen) {
  if (seen.bare)
    return "a process of it could not be put behind the filter that catches what passes libc";
  if (seen.undecided) return "calls that the shim left to the supervisor reached nobody";
  if (seen.torn) return "rules were replaced under a call that was being decided";
  if (seen.lost) return "the shim's ring was full";
  return "";
}

}  // namespace

ShimSide::~ShimSide() {
  {
    const std::lock_guard lock(mutex_);
    over_ = true;
  }
  change_.notify_all();
  if (drain_.joinable()) drain_.join();
  sides_.clear();
  if (folder_.empty()) return;
  ::unlink((folder_ + kLibrary).c_str());
  ::rmdir(folder_.c_str());
}

// The test's file systems in memory: an open folder keeps each from going, and its number from being
// given to another.
void ShimSide::hold_file_systems() {
  struct stat shm{}, st{};
  if (::stat((place_.root + "/dev/shm").c_str(), &shm) != 0) return;
  for (const char* path : {"/tmp", "/var/tmp"}) {
    sandbox::Fd folder(::open((place_.root + path).c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    struct statfs fs{};
    if (!folder || ::fstatfs(folder.get(), &fs) != 0 || ::fstat(folder.get(), &st) != 0) continue;
    if (fs.f_type != TMPFS_MAGIC || st.st_dev == shm.st_dev) continue;
    held_.push_back(std::move(folder));
    file_devs_.push_back(st.st_dev);
  }
}

// Beside the segments, where every user of the test can read it, wherever fbx is installed.
Status ShimSide::make_folder() {
  if (!folder_.empty() || place_.on_host) return {};
  seen_folder_ = kFolder;
  const std::string folder = place_.root + kFolder;
  if (::mkdir(folder.c_str(), 0755) != 0) return fail_errno("making " + folder);
  folder_ = folder;
  if (::chmod(folder.c_str(), 0755) != 0) return fail_errno("chmod of " + folder);
  return copy_file(place_.library, folder + kLibrary);
}

Result<std::vector<std::string>> ShimSide::prepare(int16_t service,
                                                   const std::vector<uint16_t>& calls,
                                                   bool refuse_io_uring) {
  if (Status made = make_folder(); !made) return std::unexpected(std::move(made).error());
  const uint32_t number = starts_++;
  const std::string name = "/" + std::to_string(service) + "." + std::to_string(number);
  ShimSetup setup{.library = seen_folder_ + kLibrary,
                  .path = folder_ + name,
                  .seen_as = seen_folder_ + name,
                  .calls = calls,
                  .gated = calls,
                  .refuse_io_uring = refuse_io_uring,
                  .file_devs = file_devs_,
                  .records = records()};
  if (place_.on_host) setup.library = place_.library, setup.path = setup.seen_as = "";
  auto hand = ShimHand::create(setup);
  if (!hand) return std::unexpected(std::move(hand).error());
  std::vector<std::string> environment = (*hand)->environment();
  {
    const std::lock_guard lock(mutex_);
    Side& side = sides_[service];
    Side fresh;
    fresh.number = number;
    if (side.hand) {
      await_begun(service, side);
      std::copy_n(side.hand->counters(), FBX_COUNTERS, (*hand)->counters());
      // What the processes before told stands as it was read; its names are theirs.
      fresh.told_before = std::move(side.told_before);
      fresh.told_before.push_back(std::make_unique<Side>(std::move(side)));
    }
    fresh.hand = std::move(*hand);
    side = std::move(fresh);
  }
  if (!drain_.joinable()) drain_ = std::thread([this] { drain(); });
  if (const auto wanted = wanted_.find(service); wanted != wanted_.end())
    if (Status s = publish(service, wanted->second); !s)
      return std::unexpected(std::move(s).error());
  return environment;
}

Result<int> ShimSide::take_listener(int16_t service, pid_t pid) {
  ShimHand& hand = *sides_.at(service).hand;
  const uint64_t deadline = now_ns() + kLoadNs;
  for (;;) {
    Result<int> taken = hand.take_listener(pid, now_ns() + kLoadSliceNs);
    if (taken || taken.error().errnum != ETIMEDOUT) return taken;
    if (has_died(pid)) return -1;
    if (now_ns() < deadline) continue;
    if (hand.attached() == 0) return fail("the program did not load the shim");
    return taken;
  }
}

uint32_t ShimSide::probe_tag(int16_t service) const { return sides_.at(service).hand->probe_tag(); }

void ShimSide::open_door(int16_t service) { sides_.at(service).hand->open_door(); }

Status ShimSide::publish(int16_t service, std::shared_ptr<const ActiveSet> set) {
  wanted_[service] = set;
  const auto found = sides_.find(service);
  if (found == sides_.end()) return {};
  std::vector<ShimRule> rules;
  for (size_t i = 0; set && i < set->rules.size(); ++i)
    rules.push_back({.rule = set->abi.rules[i], .globs = set->rules[i].paths,
                     .supervised = set->rules[i].sticky || set->rules[i].has_effect});
  {
    const std::lock_guard lock(mutex_);
    Side& side = found->second;
    if (rules.empty() && !side.active) return {};
    if (Status s = side.hand->publish(rules); !s) return s;
    side.sets.push_back(set ? set->rules_of(~0u) : std::vector<uint32_t>());
    side.active = std::move(set);
  }
  change_.notify_all();
  return {};
}

fbx_counter* ShimSide::counters(int16_t service) { return sides_.at(service).hand->counters(); }

// Rules are what fills the rings, so without one there is nothing to be done, unless calls are
// recorded.
void ShimSide::drain() {
  std::unique_lock lock(mutex_);
  while (!over_) {
    bool active = records();
    for (auto& [service, side] : sides_) {
      active |= side.active != nullptr;
      read(side);
    }
    if (active)
      change_.wait_for(lock, records() ? kDrainRecordsEvery : kDrainEvery);
    else
      change_.wait(lock);
  }
}

void ShimSide::read(Side& side, bool over) {
  ShimReport report = side.hand->read(over);
  for (const fbx_shim_entry& entry : report.entries) {
    const bool of_call = entry.what == FBX_SHIM_BEGUN || entry.what == FBX_SHIM_ENDED;
    if (records() && (of_call || entry.begun != 0)) side.calls.push_back(entry);
    if (!of_call) side.entries.push_back(entry);
  }
  report.entries.clear();
  side.seen = std::move(report);
}

// Entries that were begun before are whole, or were begun by who is dead. False: neither, in time.
bool ShimSide::await_begun(int16_t service, Side& side) {
  const uint64_t deadline = now_ns() + kBegunNs, begun = side.hand->begun();
  side.unfinished = false;
  for (read(side); side.hand->taken() < begun && side.seen.damage.empty(); read(side)) {
    if (place_.lives && !place_.lives(service)) {
      read(side, true);
      return true;
    }
    if (now_ns() >= deadline) {
      side.unfinished = true;
      return false;
    }
    ::sched_yield();
  }
  return true;
}

bool ShimSide::decision_of(const Side& side, const fbx_shim_entry& entry, int16_t service,
                           const observe::Thread& thread, Decision& out) const {
  if (entry.generation == 0 || entry.generation >= side.sets.size()) return false;
  const std::vector<uint32_t>& rules = side.sets[entry.generation];
  const uint32_t known = rules.size() >= 32 ? ~0u : (1u << rules.size()) - 1;
  const bool fired = entry.action != FBX_ACT_NONE;
  if ((entry.matched | entry.near) & ~known || (fired && entry.position >= rules.size()))
    return false;
  out.source = Decision::Source::kShim;
  out.entered_ns = entry.begin_ns;
  out.answered_ns = entry.end_ns;
  out.tid = thread.tid;
  out.pid = thread.pid;
  out.exe = thread.exe;
  out.nr = entry.nr;
  out.service = service;
  out.action = entry.action;
  out.errnum = entry.errnum;
  out.delay_ns = entry.delay_ns;
  out.rule = fired ? static_cast<int32_t>(rules[entry.position]) : -1;
  out.n = entry.n;
  for (size_t i = 0; i < rules.size(); ++i) {
    if (entry.matched >> i & 1) out.matched.push_back(rules[i]);
    if (entry.near >> i & 1) out.near.push_back(rules[i]);
  }
  out.kind = static_cast<uint8_t>(entry.kind);
  out.path = side.hand->name(entry.name);
  out.fd = entry.fd;
  std::copy_n(entry.args, 6, out.args.begin());
  out.writes_through = entry.flags & FBX_SHIM_SYNC;
  if (entry.flags & FBX_SHIM_LOST) out.escape = "its rule's counter could not be reached";
  return true;
}

void ShimSide::tell(Side& side, int16_t service, const FindThread& find_thread, Report& report) {
  for (auto& before : side.told_before) tell(*before, service, find_thread, report);
  while (!side.entries.empty()) {
    const fbx_shim_entry& entry = side.entries.front();
    const observe::Thread thread = find_thread(entry.tid, entry.begin_ns);
    if (thread.tid == 0) break;  // its birth is on its way; until then nobody can join it
    std::vector<Decision>& holding = side.holding[entry.tid];
    if (entry.what == FBX_SHIM_RELEASED) {
      // A signal's handler may have been held inside.
      const auto held = std::find_if(holding.rbegin(), holding.rend(), [&](const Decision& d) {
        return d.answered_ns == entry.begin_ns && d.nr == entry.nr;
      });
      if (held != holding.rend()) {
        held->answered_ns = entry.end_ns;
        held->cut_short = entry.flags & FBX_SHIM_CUT;
        report.decisions.push_back(std::move(*held));
        holding.erase(std::next(held).base());
      }
    } else {
      Decision decision;
      const bool holds = entry.delay_ns != 0 && entry.action != FBX_ACT_NONE &&
                         entry.action != FBX_ACT_ALLOW;
      if (!decision_of(side, entry, service, thread, decision))
        report.damage = "the service wrote into the shim's ring";
      else
        (holds ? holding : report.decisions).push_back(std::move(decision));
    }
    if (holding.empty()) side.holding.erase(entry.tid);
    side.entries.pop_front();
  }
  for (const auto& [tid, holding] : side.holding)
    report.held.insert(report.held.end(), holding.begin(), holding.end());
  std::string escape = escape_of(side.seen);
  if (escape.empty() && side.unfinished)
    escape = "a process of it began to tell what became of a call, and never ended";
  if (!escape.empty()) report.escapes[service] = std::move(escape);
  if (!side.seen.damage.empty()) report.damage = side.seen.damage;
}

ShimSide::Report ShimSide::collect(const FindThread& find_thread) {
  Report report;
  const std::lock_guard lock(mutex_);
  for (auto& [service, side] : sides_) await_begun(service, side);
  for (auto& [service, side] : sides_) tell(side, service, find_thread, report);
  std::ranges::stable_sort(report.decisions, {}, &Decision::entered_ns);
  return report;
}

Result<std::string> find_shim_library() {
  std::error_code error;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", error);
  if (error) return fail_errno("reading /proc/self/exe", error.value());
  for (const char* below : {FBX_SHIM_INSTALLED, "lib"}) {
    const auto path = (self.parent_path().parent_path() / below / "libfbxshim.so").lexically_normal();
    if (::access(path.c_str(), R_OK) == 0) return path.string();
  }
  return fail("libfbxshim.so is not there: not in " FBX_SHIM_INSTALLED
              " and not in lib beside the folder of " + self.string());
}

}  // namespace fbx::inject
