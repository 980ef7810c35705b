// SPDX-License-Identifier: Apache-2.0
#include "runner/sandbox/cgroup.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fstream>
#include <memory>
#include <string_view>

#include "base/clock.h"


namespace fbx::sandbox {

namespace {

// The kernel tells of changes of cgroup.events at most every 10 ms (kernel/cgroup/cgroup.c:
// cgroup_file_notify), which is longer than a small test's teardown takes: look again meanwhile.
constexpr timespec kLookAgain{0, 300'000};

// rmdir of a cgroup can say EBUSY for an instant after it was reported empty (a dying task still
// holds its css set), and no event tells when that is over.
constexpr timespec kRetryPause{0, 200'000};

struct CloseDir {
  void operator()(DIR* dir) const { ::closedir(dir); }
};
using Dir = std::unique_ptr<DIR, CloseDir>;

Dir open_dir(int fd) {
  const int own = ::openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  return Dir(own < 0 ? nullptr : ::fdopendir(own));
}

std::vector<std::string> children(int fd) {
  std::vector<std::string> names;
  const Dir dir = open_dir(fd);
  if (!dir) return names;
  while (const dirent* entry = ::readdir(dir.get())) {
    if (entry->d_type != DT_DIR || entry->d_name[0] == '.') continue;
    names.emplace_back(entry->d_name);
  }
  return names;
}

Result<std::string> read_at(int dir_fd, const char* name) {
  const Fd fd(::openat(dir_fd, name, O_RDONLY | O_CLOEXEC));
  if (!fd) return fail_errno(std::string("opening ") + name);
  std::string text;
  char buffer[4096];
  for (;;) {
    const ssize_t n = ::read(fd.get(), buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail_errno(std::string("reading ") + name);
    if (n == 0) return text;
    text.append(buffer, static_cast<size_t>(n));
  }
}

bool says_empty(int events_fd) {
  char buffer[256];
  const ssize_t n = ::pread(events_fd, buffer, sizeof buffer, 0);
  // The file goes away with its directory, which can only be removed when it is empty.
  if (n < 0) return errno == ENODEV;
  return std::string_view(buffer, static_cast<size_t>(n)).find("populated 0") !=
         std::string_view::npos;
}

void append_processes(int fd, std::vector<int>& pids) {
  if (auto text = read_at(fd, "cgroup.procs")) {
    for (size_t at = 0; at < text->size();) {
      const int pid = std::atoi(text->c_str() + at);
      if (pid > 0) pids.push_back(pid);
      const size_t end = text->find('\n', at);
      at = end == std::string::npos ? text->size() : end + 1;
    }
  }
  for (const std::string& child : children(fd)) {
    const Fd below(::openat(fd, child.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (below) append_processes(below.get(), pids);
  }
}

Status remove_before(int parent_fd, const std::string& name, uint64_t deadline_ns) {
  {
    const Fd fd(::openat(parent_fd, name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!fd && errno == ENOENT) return {};
    if (!fd) return fail_errno("opening cgroup " + name);
    for (const std::string& child : children(fd.get())) {
      if (Status s = remove_before(fd.get(), child, deadline_ns); !s)
        return fail_in(std::move(s), "cgroup " + name);
    }
  }
  for (;;) {
    if (::unlinkat(parent_fd, name.c_str(), AT_REMOVEDIR) == 0 || errno == ENOENT) return {};
    if (errno != EBUSY || now_ns() >= deadline_ns)
      return fail_errno("removing cgroup " + name);
    ::nanosleep(&kRetryPause, nullptr);
  }
}

std::string process_name(int pid) {
  std::ifstream comm("/proc/" + std::to_string(pid) + "/comm");
  std::string name;
  std::getline(comm, name);
  return name.empty() ? "?" : name;
}

}  // namespace

Result<Cgroup> Cgroup::make(int parent_fd, const std::string& name) {
  if (::mkdirat(parent_fd, name.c_str(), 0755) != 0) return fail_errno("making cgroup " + name);
  return open(parent_fd, name);
}

Result<Cgroup> Cgroup::open(int parent_fd, const std::string& name) {
  Cgroup cgroup;
  cgroup.fd_ = Fd(::openat(parent_fd, name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!cgroup.fd_) return fail_errno("opening cgroup " + name);
  struct stat info{};
  if (::fstat(cgroup.fd_.get(), &info) != 0) return fail_errno("looking at cgroup " + name);
  // kernfs gives its node's id as inode number on 64-bit machines (fs/kernfs/inode.c).
  cgroup.id_ = info.st_ino;
  cgroup.name_ = name;
  return cgroup;
}

Cgroup Cgroup::by_descent(std::string name) {
  Cgroup group;
  group.descent_ = Descent::make();
  group.id_ = group.descent_->id();
  group.name_ = std::move(name);
  return group;
}

Status Cgroup::kill() const {
  if (descent_) {
    descent_->kill();
    return {};
  }
  const Fd fd(::openat(fd_.get(), "cgroup.kill", O_WRONLY | O_CLOEXEC));
  if (!fd && errno == ENOENT && ::faccessat(fd_.get(), "cgroup.procs", F_OK, 0) != 0)
    return {};  // the directory itself is gone
  if (!fd) return fail_errno("opening cgroup.kill of " + name_);
  if (::write(fd.get(), "1", 1) != 1 && errno != ENODEV)
    return fail_errno("killing cgroup " + name_);
  return {};
}

Result<bool> Cgroup::freeze(bool frozen, int64_t bound_ns) const {
  if (descent_) return descent_->freeze(frozen, bound_ns);
  const uint64_t deadline = now_ns() + static_cast<uint64_t>(bound_ns);
  const Fd fd(::openat(fd_.get(), "cgroup.freeze", O_WRONLY | O_CLOEXEC));
  if (!fd) return fail_errno("opening cgroup.freeze of " + name_);
  const Fd events(::openat(fd_.get(), "cgroup.events", O_RDONLY | O_CLOEXEC));
  if (!events) return fail_errno("opening cgroup.events of " + name_);
  if (::write(fd.get(), frozen ? "1" : "0", 1) != 1)
    return fail_errno("freezing cgroup " + name_);
  pollfd waiting{events.get(), POLLPRI, 0};
  const char* wanted = frozen ? "frozen 1" : "frozen 0";
  for (;;) {
    char text[256] = {};
    if (::pread(events.get(), text, sizeof text - 1, 0) < 0)
      return fail_errno("reading cgroup.events of " + name_);
    if (std::strstr(text, wanted) != nullptr) return true;
    if (now_ns() >= deadline) return false;
    if (::ppoll(&waiting, 1, &kLookAgain, nullptr) < 0 && errno != EINTR)
      return fail_errno("waiting for cgroup " + name_);
  }
}

// Frozen, they can't fork while they are killed one by one.
Result<bool> Cgroup::empty(int64_t bound_ns) const {
  constexpr int64_t kFreezeNs = 100'000'000;
  if (descent_) {
    descent_->kill();
    return descent_->wait_empty(bound_ns);
  }
  const uint64_t deadline = now_ns() + static_cast<uint64_t>(bound_ns);
  while (!processes().empty()) {
    (void)freeze(true, kFreezeNs);
    for (const int pid : processes()) ::kill(pid, SIGKILL);
    if (auto thawed = freeze(false, kFreezeNs); !thawed) return thawed;
    auto gone = wait_empty(kFreezeNs);
    if (!gone || *gone) return gone;
    if (now_ns() >= deadline) return false;
  }
  return wait_empty(bound_ns);
}

Result<bool> Cgroup::wait_empty(int64_t bound_ns) const {
  if (descent_) return descent_->wait_empty(bound_ns);
  const uint64_t deadline = now_ns() + static_cast<uint64_t>(bound_ns);
  const Fd events(::openat(fd_.get(), "cgroup.events", O_RDONLY | O_CLOEXEC));
  if (!events && errno == ENOENT) return true;
  if (!events) return fail_errno("opening cgroup.events of " + name_);
  pollfd waiting{events.get(), POLLPRI, 0};
  while (!says_empty(events.get())) {
    if (now_ns() >= deadline) return false;
    if (::ppoll(&waiting, 1, &kLookAgain, nullptr) < 0 && errno != EINTR)
      return fail_errno("waiting for cgroup " + name_);
  }
  return true;
}

std::vector<int> Cgroup::processes() const {
  if (descent_) return descent_->processes();
  std::vector<int> pids;
  append_processes(fd_.get(), pids);
  return pids;
}

Status remove_cgroup_tree(int parent_fd, const std::string& name, int64_t bound_ns) {
  return remove_before(parent_fd, name, now_ns() + static_cast<uint64_t>(bound_ns));
}

std::vector<std::string> clear_cgroup_tree(int parent_fd, const std::string& name,
                                           int64_t bound_ns) {
  const uint64_t deadline = now_ns() + static_cast<uint64_t>(bound_ns);
  auto cgroup = Cgroup::open(parent_fd, name);
  if (!cgroup && cgroup.error().errnum == ENOENT) return {};
  if (!cgroup) return {cgroup.error().text()};
  std::vector<std::string> left;
  if (Status killed = cgroup->kill(); !killed) left.push_back(killed.error().text());
  auto empty = cgroup->wait_empty(bound_ns);
  if (!empty) left.push_back(empty.error().text());
  if (empty && !*empty) {
    for (const int pid : cgroup->processes())
      left.push_back("process " + std::to_string(pid) + " (" + process_name(pid) +
                     ") outlived SIGKILL in cgroup " + name);
  }
  const uint64_t now = now_ns();
  const int64_t rest = now < deadline ? static_cast<int64_t>(deadline - now) : 0;
  if (Status removed = remove_cgroup_tree(parent_fd, name, rest); !removed)
    left.push_back(removed.error().text());
  return left;
}

}  // namespace fbx::sandbox
