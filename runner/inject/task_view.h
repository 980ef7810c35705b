// SPDX-License-Identifier: Apache-2.0
//
// What can be learnt about a thread of a service from outside, while the supervisor holds one of
// its calls: its memory, the files behind its descriptors, what a path means to it.
//
// Nothing here is certain until SECCOMP_IOCTL_NOTIF_ID_VALID has said, afterwards, that the call is
// still held: until then the thread id may already be somebody else's.
//
// Thread rule: the supervisor's thread. `tid` is as the calling process's PID namespace numbers it.
#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "runner/sandbox/fd.h"

namespace fbx::inject {

// Up to `size` bytes at `address`; fewer when the memory ends. Empty = nothing could be read.
[[nodiscard]] std::vector<uint8_t> read_memory(pid_t tid, uint64_t address, size_t size);
// A NUL-terminated string of at most 4095 bytes.
[[nodiscard]] std::optional<std::string> read_string(pid_t tid, uint64_t address);

// The threads that calls come from, kept open between their calls. Both handles are bound to the
// thread itself and not to its number: when it is gone they fail, whoever has the number then, so
// what is kept can be useless and never wrong. One thread only.
class Tasks {
 public:
  Tasks();
  // A copy of the thread's descriptor, close-on-exec; unset when it is not open.
  sandbox::Fd copy(pid_t tid, int fd);
  // A symbolic link of the thread's folder in /proc ("root", "cwd").
  std::optional<std::string> link(pid_t tid, const char* name);
  // What `fd`, of this process, leads to.
  [[nodiscard]] std::optional<std::string> own_link(int fd) const;

 private:
  struct Task {
    sandbox::Fd pidfd, folder;
  };
  Task& known(pid_t tid);
  sandbox::Fd try_copy(pid_t tid, int fd);

  std::unordered_map<pid_t, Task> known_;
  sandbox::Fd own_fds_;  // /proc/self/fd
};

// What a descriptor of a thread is. Looked up once: all that it says is about one file, whatever
// other threads do to the number meanwhile.
class Descriptor {
 public:
  // `tasks` must outlive it.
  Descriptor(Tasks& tasks, pid_t tid, int fd);
  // FBX_KIND_*; FBX_KIND_NONE when it is not open.
  [[nodiscard]] uint8_t kind();
  // What the file behind it is called, as the service sees it, without " (deleted)". Unset for what
  // has no path (sockets, pipes) or is not open.
  [[nodiscard]] std::optional<std::string> path();
  // Its f_flags (O_DSYNC, O_NONBLOCK…).
  [[nodiscard]] std::optional<int> flags() const;
  [[nodiscard]] std::optional<int64_t> size() const;
  // To ask a socket about itself. −1: not open, or not ours to copy.
  [[nodiscard]] int copy() const { return name_only_ ? -1 : copy_.get(); }
  // Why nothing is known of a descriptor that may be open; 0 = that is not so.
  [[nodiscard]] int error() const { return error_; }

 private:
  const std::optional<std::string>& link();

  Tasks& tasks_;
  pid_t tid_;
  int fd_;
  sandbox::Fd copy_;
  bool name_only_ = false;  // copy_ names the file and is no descriptor of the thread's
  int error_ = 0;
  struct stat stat_ = {};
  std::optional<std::optional<std::string>> link_;  // what /proc calls it, when it was asked
};

// The file that is mapped at `address`: its kind and path. Unset when none is.
struct Mapping {
  uint8_t kind = 0;
  std::string path;
};
[[nodiscard]] std::optional<Mapping> mapped_file(Tasks& tasks, pid_t tid, uint64_t address);

// A path argument in both ways it may be meant: as given, made absolute without following links
// ("/data/../x" → "/x"); and as the file is called, links followed as the service would. A name
// that is not there yet is its folder's resolved path and the name. Unset: the folder is not there.
struct PathSeen {
  std::string given;
  std::optional<std::string> resolved;
  bool exists = false;
};
// `dirfd` as in openat (AT_FDCWD: the working directory).
[[nodiscard]] std::optional<PathSeen> see_path(Tasks& tasks, pid_t tid, int dirfd, const std::string& path,
                                               bool follow_last);

}  // namespace fbx::inject
