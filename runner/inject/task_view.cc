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
std::string proc_fd(pid_t tid, int fd) { return proc(tid, "fd/" + std::to_string(fd)); }

std::optional<std::string> read_link(const std::string& path) {
  std::string text(kPage, '\0');
  const ssize_t n = readlink(path.c_str(), text.data(), text.size());
  if (n < 0) return std::nullopt;
  text.resize(static_cast<size_t>(n));
  return text;
}

// /proc shows paths from the mount namespace's root; a chrooted service sees less.
std::string from_its_root(pid_t tid, std::string path) {
  const std::optional<std::string> root = read_link(proc(tid, "root"));
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

uint8_t file_kind(const struct stat& st, const std::string& link) {
  struct statfs fs{};
  if (st.st_dev == internal_shm_device()) return FBX_KIND_PSEUDO;
  if (statfs(link.c_str(), &fs) != 0) return FBX_KIND_FILE;
  if (fbx_is_pseudo_filesystem(static_cast<unsigned long>(fs.f_type))) return FBX_KIND_PSEUDO;
  if (fs.f_type == TMPFS_MAGIC)
    if (const auto path = read_link(link); path && path->starts_with("/dev/shm/"))
      return FBX_KIND_SHM;
  return FBX_KIND_FILE;
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
std::optional<std::string> resolve(pid_t tid, const std::string& path, bool follow_last) {
  const Fd root(open(proc(tid, "root").c_str(), O_PATH | O_CLOEXEC));
  if (!root) return std::nullopt;
  open_how how{};
  how.flags = O_PATH | O_CLOEXEC | (follow_last ? 0u : O_NOFOLLOW);
  how.resolve = RESOLVE_IN_ROOT;
  const Fd file(static_cast<int>(
      syscall(SYS_openat2, root.get(), path.c_str(), &how, sizeof how)));
  if (!file) return std::nullopt;
  auto text = read_link("/proc/self/fd/" + std::to_string(file.get()));
  return text ? std::optional(from_its_root(tid, *text)) : std::nullopt;
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

uint8_t descriptor_kind(pid_t tid, int fd) {
  if (fd < 0) return FBX_KIND_NONE;
  const std::string link = proc_fd(tid, fd);
  struct stat st{};
  if (stat(link.c_str(), &st) != 0) return FBX_KIND_NONE;
  switch (st.st_mode & S_IFMT) {
    case S_IFREG:
    case S_IFDIR: return file_kind(st, link);
    case S_IFBLK: return FBX_KIND_PSEUDO;
    case S_IFCHR: return fbx_is_tty(major(st.st_rdev)) ? FBX_KIND_TTY : FBX_KIND_PSEUDO;
    case S_IFIFO: return FBX_KIND_PIPE;
    case S_IFSOCK: {
      const Fd copy = descriptor_copy(tid, fd);
      return copy ? socket_kind(copy.get()) : FBX_KIND_SOCKET;
    }
    default: return FBX_KIND_OTHER;
  }
}

std::optional<std::string> descriptor_path(pid_t tid, int fd) {
  const std::string link = proc_fd(tid, fd);
  auto text = read_link(link);
  if (!text || !text->starts_with("/")) return std::nullopt;
  struct stat st{};
  constexpr std::string_view kDeleted = " (deleted)";
  if (text->ends_with(kDeleted) && stat(link.c_str(), &st) == 0) {
    struct stat named{};
    // A file may really be called "x (deleted)".
    const bool really = stat(proc(tid, "root" + *text).c_str(), &named) == 0 &&
                        named.st_ino == st.st_ino && named.st_dev == st.st_dev;
    if (!really) text->resize(text->size() - kDeleted.size());
  }
  return from_its_root(tid, *text);
}

std::optional<int> descriptor_flags(pid_t tid, int fd) {
  std::ifstream info(proc(tid, "fdinfo/" + std::to_string(fd)));
  for (std::string line; std::getline(info, line);)
    if (line.starts_with("flags:"))
      return static_cast<int>(std::strtol(line.c_str() + 6, nullptr, 8));
  return std::nullopt;
}

sandbox::Fd descriptor_copy(pid_t tid, int fd) {
  // A thread may have a table of descriptors of its own: ask the thread where the kernel can
  // (Linux 6.9), else its process.
  int handle = static_cast<int>(syscall(SYS_pidfd_open, tid, PIDFD_THREAD));
  if (handle < 0) handle = static_cast<int>(syscall(SYS_pidfd_open, process_of(tid), 0));
  const Fd pidfd(handle);
  if (!pidfd) return Fd();
  return Fd(static_cast<int>(syscall(SYS_pidfd_getfd, pidfd.get(), fd, 0)));
}

std::optional<Mapping> mapped_file(pid_t tid, uint64_t address) {
  std::ifstream maps(proc(tid, "maps"));
  for (std::string line; std::getline(maps, line);) {
    uint64_t begin = 0, end = 0;
    if (std::sscanf(line.c_str(), "%" SCNx64 "-%" SCNx64, &begin, &end) != 2) continue;
    if (address < begin || address >= end) continue;
    char name[64];
    std::snprintf(name, sizeof name, "map_files/%" PRIx64 "-%" PRIx64, begin, end);
    const std::string link = proc(tid, name);
    struct stat st{};
    auto path = read_link(link);
    if (!path || stat(link.c_str(), &st) != 0) return std::nullopt;
    const bool file = S_ISREG(st.st_mode);
    return Mapping{file ? file_kind(st, link) : uint8_t{FBX_KIND_PSEUDO},
                   from_its_root(tid, *path)};
  }
  return std::nullopt;
}

std::optional<PathSeen> see_path(pid_t tid, int dirfd, const std::string& path, bool follow_last) {
  std::string whole = path;
  if (!path.starts_with("/")) {
    const auto base =
        dirfd == AT_FDCWD ? read_link(proc(tid, "cwd")) : read_link(proc_fd(tid, dirfd));
    if (!base || !base->starts_with("/")) return std::nullopt;
    whole = from_its_root(tid, *base) + (path.empty() ? "" : "/" + path);
  }
  PathSeen seen;
  seen.given = without_dots(whole);
  seen.resolved = resolve(tid, whole, follow_last);
  seen.exists = seen.resolved.has_value();
  if (seen.exists) return seen;
  const size_t slash = whole.find_last_of('/');
  const std::string name = whole.substr(slash + 1);
  if (name.empty() || name == "." || name == "..") return seen;
  if (auto folder = resolve(tid, slash == 0 ? "/" : whole.substr(0, slash), true))
    seen.resolved = (*folder == "/" ? "" : *folder) + "/" + name;
  return seen;
}

}  // namespace fbx::inject
