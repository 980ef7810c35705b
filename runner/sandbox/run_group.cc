// SPDX-License-Identifier: Apache-2.0
#include "runner/sandbox/run_group.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdio>

#include "base/mountinfo.h"

namespace fbx::sandbox {

namespace {

constexpr int64_t kClearBoundNs = 2'000'000'000;
constexpr size_t kNonceDigits = 16;

// "fbx.<pid>.<16 hex digits>"
bool is_run_name(const std::string& name) {
  if (!name.starts_with("fbx.")) return false;
  const size_t dot = name.find('.', 4);
  if (dot == std::string::npos || dot == 4) return false;
  if (name.find_first_not_of("0123456789", 4) != dot) return false;
  return name.size() == dot + 1 + kNonceDigits &&
         name.find_first_not_of("0123456789abcdef", dot + 1) == std::string::npos;
}

Result<std::string> new_run_name() {
  uint64_t nonce = 0;
  if (::getrandom(&nonce, sizeof nonce, 0) != sizeof nonce) return fail_errno("getrandom");
  char name[64];
  std::snprintf(name, sizeof name, "fbx.%d.%016llx", static_cast<int>(::getpid()),
                static_cast<unsigned long long>(nonce));
  return std::string(name);
}

std::vector<std::string> run_names(int parent_fd) {
  std::vector<std::string> names;
  const int fd = ::openat(parent_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR* dir = fd < 0 ? nullptr : ::fdopendir(fd);
  if (dir == nullptr) return names;
  while (const dirent* entry = ::readdir(dir)) {
    if (entry->d_type == DT_DIR && is_run_name(entry->d_name)) names.emplace_back(entry->d_name);
  }
  ::closedir(dir);
  return names;
}

Attempt<Fd> open_hierarchy(std::string& mount) {
  mount = find_cgroup2_mount(own_mountinfo());
  if (mount.empty())
    return refuse("no-cgroup2", "cgroup v2 is not mounted here",
                  "mount -t cgroup2 none /sys/fs/cgroup");
  Fd parent(::open(mount.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!parent) return trouble(fail_errno("opening " + mount));
  return parent;
}

std::unexpected<Trouble> explain_mkdir(const Error& error, const std::string& mount) {
  if (error.errnum == EROFS)
    return refuse("no-cgroup2", "cgroup v2 at " + mount + " is mounted read-only",
                  "in a container: run it with --privileged or with a writable cgroup mount");
  if (error.errnum == EACCES || error.errnum == EPERM)
    return refuse("needs-root", "fbx run needs root here: making a cgroup in " + mount +
                                    " was refused",
                  "run it with sudo");
  return std::unexpected<Trouble>(error);
}

// Makes the directory and takes its lock. A sweeper may have taken it in between: then it is gone,
// or will be, and another name is tried.
Attempt<Cgroup> make_locked(int parent_fd, const std::string& mount) {
  for (;;) {
    auto name = new_run_name();
    if (!name) return std::unexpected<Trouble>(name.error());
    auto cgroup = Cgroup::make(parent_fd, *name);
    if (!cgroup && cgroup.error().errnum == ENOENT) continue;
    if (!cgroup) return explain_mkdir(cgroup.error(), mount);
    if (::flock(cgroup->fd(), LOCK_EX) != 0)
      return trouble(fail_errno("locking cgroup " + *name));
    if (::faccessat(cgroup->fd(), "cgroup.procs", F_OK, 0) != 0) continue;
    if (::faccessat(cgroup->fd(), "cgroup.kill", F_OK, 0) == 0) return std::move(*cgroup);
    ::unlinkat(parent_fd, name->c_str(), AT_REMOVEDIR);
    return refuse("no-cgroup2", "this kernel has no cgroup.kill (Linux 5.14)");
  }
}

}  // namespace

int sweep_dead_runs(int parent_fd) {
  int removed = 0;
  for (const std::string& name : run_names(parent_fd)) {
    const Fd fd(::openat(parent_fd, name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!fd || ::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) continue;
    if (clear_cgroup_tree(parent_fd, name, kClearBoundNs).empty()) ++removed;
  }
  return removed;
}

Attempt<RunGroup> RunGroup::create() {
  std::string mount;
  auto parent = open_hierarchy(mount);
  if (!parent) return std::unexpected(parent.error());
  sweep_dead_runs(parent->get());
  auto cgroup = make_locked(parent->get(), mount);
  if (!cgroup) return std::unexpected(cgroup.error());
  RunGroup group;
  group.path_ = mount + "/" + cgroup->name();
  group.parent_ = std::move(*parent);
  group.cgroup_ = std::move(*cgroup);
  return group;
}

std::vector<std::string> RunGroup::clear_worker(int worker) const {
  std::vector<std::string> left;
  const std::string tests = "test." + std::to_string(worker) + ".";
  const int own = ::openat(cgroup_.fd(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR* dir = own < 0 ? nullptr : ::fdopendir(own);
  std::vector<std::string> names{"worker." + std::to_string(worker)};
  while (const dirent* entry = dir == nullptr ? nullptr : ::readdir(dir)) {
    if (std::string_view(entry->d_name).starts_with(tests)) names.emplace_back(entry->d_name);
  }
  if (dir != nullptr) ::closedir(dir);
  for (const std::string& name : names) {
    auto more = clear_cgroup_tree(cgroup_.fd(), name, kClearBoundNs);
    left.insert(left.end(), more.begin(), more.end());
  }
  return left;
}

std::vector<std::string> RunGroup::destroy() {
  if (cgroup_.fd() < 0) return {};
  auto left = clear_cgroup_tree(parent_.get(), cgroup_.name(), kClearBoundNs);
  cgroup_ = Cgroup();
  return left;
}

}  // namespace fbx::sandbox
