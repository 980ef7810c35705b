// SPDX-License-Identifier: Apache-2.0
#include "runner/inject/task_view.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <fstream>

#include "bpf/abi/kinds.h"

#ifndef PIDFD_THREAD
#define PIDFD_THREAD O_EXCL
#endif

namespace fbx::inject {
namespace {

using sandbox::Fd;

constexpr size_t kPage = 4096;

std::string proc(pid_t tid, const std::string& rest) {
  return "/proc/" + std::to_string(tid) + "/" + rest;
}

// `path` from the folder `at` on.
std::optional<std::string> read_link(int at, const char* path) {
  char text[kPage];
  const ssize_t n = readlinkat(at, path, text, sizeof text);
  return n < 0 ? std::nullopt : std::optional(std::string(text, static_cast<size_t>(n)));
}

// /proc shows paths from the mount namespace's root; a chrooted service sees less.
std::string from_its_root(Tasks& tasks, pid_t tid, std::string path) {
  const std::optional<std::string> root = tasks.link(tid, "root");
  if (!root || *root == "/") return path;
  if (path == *root) return "/";
  if (path.starts_with(*root + "/")) return path.substr(root->size());
  return path;
}

// Kernel-internal tmpfs: memfds and shared anonymous memory live there and nowhere else.
dev_t internal_shm_device() {
  static const dev_t device = [] {
    const Fd fd(static_cast<int>(syscall(SYS_memfd_create, "fbx", MFD_CLOEXEC)));
    struct stat st{};
    return fd && fstat(fd.get(), &st) == 0 ? st.st_dev : dev_t{0};
  }();
  return device;
}

// `link`: what /proc calls it; asked for where the file system alone does not tell.
template <typename Link>
uint8_t kind_of_file(int fd, const struct stat& st, const Link& link) {
  struct statfs fs{};
  if (st.st_dev == internal_shm_device()) return FBX_KIND_PSEUDO;
  if (fstatfs(fd, &fs) != 0) return FBX_KIND_FILE;
  if (fbx_is_pseudo_filesystem(static_cast<unsigned long>(fs.f_type))) return FBX_KIND_PSEUDO;
  if (fs.f_type != TMPFS_MAGIC) return FBX_KIND_FILE;
  const std::optional<std::string>& path = link();
  return path && path->starts_with("/dev/shm/") ? FBX_KIND_SHM : FBX_KIND_FILE;
}

uint8_t socket_kind(int fd) {
  int domain = 0, type = 0, protocol = 0;
  socklen_t n = sizeof(int);
  if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &n) != 0) return FBX_KIND_SOCKET;
  n = sizeof(int);
  getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &n);
  n = sizeof(int);
  getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &n);
  return static_cast<uint8_t>(fbx_socket_kind(static_cast<unsigned>(domain),
                                              static_cast<unsigned>(type),
                                              static_cast<unsigned>(protocol)));
}

pid_t process_of(pid_t tid) {
  std::ifstream status(proc(tid, "status"));
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("Tgid:")) return static_cast<pid_t>(std::atoi(line.c_str() + 5));
  return tid;
}

// "/a/./b//../c" → "/a/c".
std::string without_dots(const std::string& path) {
  std::vector<std::string> parts;
  for (size_t i = 0; i < path.size();) {
    size_t end = path.find('/', i);
    if (end == std::string::npos) end = path.size();
    const std::string part = path.substr(i, end - i);
    if (part == ".." && !parts.empty()) parts.pop_back();
    if (!part.empty() && part != "." && part != "..") parts.push_back(part);
    i = end + 1;
  }
  std::string out;
  for (const std::string& part : parts) out += "/" + part;
  return out.empty() ? "/" : out;
}

// What `path` (absolute, as the task sees it) leads to below the task's own root.
std::optional<std::string> resolve(Tasks& tasks, pid_t tid, const std::string& path,
                                   bool follow_last) {
  const Fd root(open(proc(tid, "root").c_str(), O_PATH | O_CLOEXEC));
  if (!root) return std::nullopt;
  open_how how{};
  how.flags = O_PATH | O_CLOEXEC | (follow_last ? 0u : O_NOFOLLOW);
  how.resolve = RESOLVE_IN_ROOT;
  const Fd file(static_cast<int>(
      syscall(SYS_openat2, root.get(), path.c_str(), &how, sizeof how)));
  if (!file) return std::nullopt;
  auto text = tasks.own_link(file.get());
  return text ? std::optional(from_its_root(tasks, tid, *text)) : std::nullopt;
}

}  // namespace

std::vector<uint8_t> read_memory(pid_t tid, uint64_t address, size_t size) {
  std::vector<uint8_t> out(size);
  size_t done = 0;
  while (done < size) {
    const uint64_t at = address + done;
    const size_t chunk = std::min(size - done, kPage - at % kPage);
    iovec local{out.data() + done, chunk};
    iovec remote{reinterpret_cast<void*>(at), chunk};
    const ssize_t n = process_vm_readv(tid, &local, 1, &remote, 1, 0);
    if (n <= 0) break;
    done += static_cast<size_t>(n);
  }
  out.resize(done);
  return out;
}

std::optional<std::string> read_string(pid_t tid, uint64_t address) {
  std::string text;
  while (text.size() < kPage) {
    const uint64_t at = address + text.size();
    const std::vector<uint8_t> piece =
        read_memory(tid, at, std::min<uint64_t>(kPage - at % kPage, 256));
    if (piece.empty()) return std::nullopt;
    const auto end = std::find(piece.begin(), piece.end(), uint8_t{0});
    text.append(piece.begin(), end);
    if (end != piece.end()) return text;
  }
  return std::nullopt;
}

Tasks::Tasks() : own_fds_(open("/proc/self/fd", O_PATH | O_DIRECTORY | O_CLOEXEC)) {}

// A thread may have a table of descriptors of its own: the handle is the thread's where the kernel
// can (Linux 6.9). Elsewhere it is left unset, and copy() asks the process.
Tasks::Task& Tasks::known(pid_t tid) {
  constexpr size_t kKept = 64;  // two descriptors each
  if (const auto found = known_.find(tid); found != known_.end()) return found->second;
  if (known_.size() >= kKept) known_.clear();
  Task& task = known_[tid];
  task.pidfd.reset(static_cast<int>(syscall(SYS_pidfd_open, tid, PIDFD_THREAD)));
  task.folder.reset(open(proc(tid, "").c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  return task;
}

Fd Tasks::try_copy(pid_t tid, int fd) {
  const Task& task = known(tid);
  if (task.pidfd) return Fd(static_cast<int>(syscall(SYS_pidfd_getfd, task.pidfd.get(), fd, 0)));
  const Fd process(static_cast<int>(syscall(SYS_pidfd_open, process_of(tid), 0)));
  if (!process) return Fd();
  return Fd(static_cast<int>(syscall(SYS_pidfd_getfd, process.get(), fd, 0)));
}

Fd Tasks::copy(pid_t tid, int fd) {
  if (Fd copied = try_copy(tid, fd); copied || errno != ESRCH) return copied;
  known_.erase(tid);  // the number is somebody else's by now
  return try_copy(tid, fd);
}

std::optional<std::string> Tasks::link(pid_t tid, const char* name) {
  if (auto text = read_link(known(tid).folder.get(), name)) return text;
  known_.erase(tid);
  return read_link(known(tid).folder.get(), name);
}

std::optional<std::string> Tasks::own_link(int fd) const {
  return read_link(own_fds_.get(), std::to_string(fd).c_str());
}

Descriptor::Descriptor(Tasks& tasks, pid_t tid, int fd) : tasks_(tasks), tid_(tid), fd_(fd) {
  if (fd < 0) return;
  copy_ = tasks.copy(tid, fd);
  // Copying may be forbidden (Yama) where looking is not.
  name_only_ = !copy_ && errno != EBADF;
  if (name_only_) {
    copy_.reset(open(proc(tid, "fd/" + std::to_string(fd)).c_str(), O_PATH | O_CLOEXEC));
    if (!copy_ && errno != ENOENT && errno != ESRCH) error_ = errno;
  }
  if (copy_ && fstat(copy_.get(), &stat_) != 0) copy_.reset();
}

uint8_t Descriptor::kind() {
  if (!copy_) return FBX_KIND_NONE;
  switch (stat_.st_mode & S_IFMT) {
    case S_IFREG:
    case S_IFDIR: return kind_of_file(copy_.get(), stat_, [this]() -> auto& { return link(); });
    case S_IFBLK: return FBX_KIND_PSEUDO;
    case S_IFCHR: return fbx_is_tty(major(stat_.st_rdev)) ? FBX_KIND_TTY : FBX_KIND_PSEUDO;
    case S_IFIFO: return FBX_KIND_PIPE;
    case S_IFSOCK: return socket_kind(copy_.get());
    default: return FBX_KIND_OTHER;
  }
}

const std::optional<std::string>& Descriptor::link() {
  if (!link_) link_ = copy_ ? tasks_.own_link(copy_.get()) : std::nullopt;
  return *link_;
}

std::optional<std::string> Descriptor::path() {
  if (!link() || !link()->starts_with("/")) return std::nullopt;
  std::string text = *link();
  constexpr std::string_view kDeleted = " (deleted)";
  if (text.ends_with(kDeleted)) {
    struct stat named{};
    // A file may really be called "x (deleted)".
    const bool really = stat(proc(tid_, "root" + text).c_str(), &named) == 0 &&
                        named.st_ino == stat_.st_ino && named.st_dev == stat_.st_dev;
    if (!really) text.resize(text.size() - kDeleted.size());
  }
  return from_its_root(tasks_, tid_, std::move(text));
}

std::optional<int> Descriptor::flags() const {
  if (!copy_) return std::nullopt;
  if (!name_only_) return fcntl(copy_.get(), F_GETFL);
  std::ifstream info(proc(tid_, "fdinfo/" + std::to_string(fd_)));
  for (std::string line; std::getline(info, line);)
    if (line.starts_with("flags:"))
      return static_cast<int>(std::strtol(line.c_str() + 6, nullptr, 8));
  return std::nullopt;
}

std::optional<int64_t> Descriptor::size() const {
  return copy_ ? std::optional<int64_t>(stat_.st_size) : std::nullopt;
}

namespace {

// Following map_files is root's (fs/proc/base.c: checkpoint_restore_ns_capable). Without, the name
// that maps shows is looked at; what has lost its name is a file still, unless no file system that
// anybody can mount has it.
std::optional<Mapping> mapped_by_name(pid_t tid, const std::string& line) {
  const size_t at = line.find('/');
  if (at == std::string::npos) return std::nullopt;
  std::string path = line.substr(at);
  for (const char* internal : {"/memfd:", "/dev/zero (deleted)", "/SYSV", "/dev/shm/"})
    if (path.starts_with(internal))
      return Mapping{path.starts_with("/dev/shm/") ? uint8_t{FBX_KIND_SHM} : uint8_t{FBX_KIND_PSEUDO},
                     path};
  constexpr std::string_view kDeleted = " (deleted)";
  struct stat st{};
  if (stat(proc(tid, ("root" + path).c_str()).c_str(), &st) == 0)
    return Mapping{S_ISREG(st.st_mode) ? uint8_t{FBX_KIND_FILE} : uint8_t{FBX_KIND_PSEUDO}, path};
  if (path.ends_with(kDeleted)) path.resize(path.size() - kDeleted.size());
  return Mapping{FBX_KIND_FILE, path};
}

}  // namespace

std::optional<Mapping> mapped_file(Tasks& tasks, pid_t tid, uint64_t address) {
  std::ifstream maps(proc(tid, "maps"));
  for (std::string line; std::getline(maps, line);) {
    uint64_t begin = 0, end = 0;
    if (std::sscanf(line.c_str(), "%" SCNx64 "-%" SCNx64, &begin, &end) != 2) continue;
    if (address < begin || address >= end) continue;
    char name[64];
    std::snprintf(name, sizeof name, "map_files/%" PRIx64 "-%" PRIx64, begin, end);
    const Fd file(open(proc(tid, name).c_str(), O_PATH | O_CLOEXEC));
    if (!file && errno == EPERM) return mapped_by_name(tid, line);
    auto path = file ? tasks.own_link(file.get()) : std::nullopt;
    struct stat st{};
    if (!path || fstat(file.get(), &st) != 0) return std::nullopt;
    const uint8_t kind = S_ISREG(st.st_mode)
                             ? kind_of_file(file.get(), st, [&]() -> auto& { return path; })
                             : uint8_t{FBX_KIND_PSEUDO};
    return Mapping{kind, from_its_root(tasks, tid, *path)};
  }
  return std::nullopt;
}

std::optional<PathSeen> see_path(Tasks& tasks, pid_t tid, int dirfd, const std::string& path,
                                 bool follow_last) {
  std::string whole = path;
  if (!path.starts_with("/")) {
    const Fd folder = dirfd == AT_FDCWD ? Fd() : tasks.copy(tid, dirfd);
    const auto base = dirfd == AT_FDCWD ? tasks.link(tid, "cwd") : tasks.own_link(folder.get());
    if (!base || !base->starts_with("/")) return std::nullopt;
    whole = from_its_root(tasks, tid, *base) + (path.empty() ? "" : "/" + path);
  }
  PathSeen seen;
  seen.given = without_dots(whole);
  seen.resolved = resolve(tasks, tid, whole, follow_last);
  seen.exists = seen.resolved.has_value();
  if (seen.exists) return seen;
  const size_t slash = whole.find_last_of('/');
  const std::string name = whole.substr(slash + 1);
  if (name.empty() || name == "." || name == "..") return seen;
  if (auto folder = resolve(tasks, tid, slash == 0 ? "/" : whole.substr(0, slash), true))
    seen.resolved = (*folder == "/" ? "" : *folder) + "/" + name;
  return seen;
}

}  // namespace fbx::inject
