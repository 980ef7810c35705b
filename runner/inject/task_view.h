// SPDX-License-Identifier: Apache-2.0
//
// What can be learnt about a thread of a service from outside, while the supervisor holds one of
// its calls: its memory, the files behind its descriptors, what a path means to it.
//
// Nothing here is certain until SECCOMP_IOCTL_NOTIF_ID_VALID has said, afterwards, that the call is
// still held: until then the thread id may already be somebody else's.
//
// Thread rule: no state. `tid` is as the calling process's PID namespace numbers it.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "runner/sandbox/fd.h"

namespace fbx::inject {

// Up to `size` bytes at `address`; fewer when the memory ends. Empty = nothing could be read.
[[nodiscard]] std::vector<uint8_t> read_memory(pid_t tid, uint64_t address, size_t size);
// A NUL-terminated string of at most 4095 bytes.
[[nodiscard]] std::optional<std::string> read_string(pid_t tid, uint64_t address);

// FBX_KIND_* of the descriptor; FBX_KIND_NONE when it is not open.
[[nodiscard]] uint8_t descriptor_kind(pid_t tid, int fd);
// What the file behind it is called, as the service sees it, without " (deleted)". Unset for what
// has no path (sockets, pipes) or is not open.
[[nodiscard]] std::optional<std::string> descriptor_path(pid_t tid, int fd);
// Its f_flags (O_DSYNC, O_NONBLOCK…).
[[nodiscard]] std::optional<int> descriptor_flags(pid_t tid, int fd);
// A copy of the descriptor, to ask a socket about itself. Close-on-exec.
[[nodiscard]] sandbox::Fd descriptor_copy(pid_t tid, int fd);

// The file that is mapped at `address`: its kind and path. Unset when none is.
struct Mapping {
  uint8_t kind = 0;
  std::string path;
};
[[nodiscard]] std::optional<Mapping> mapped_file(pid_t tid, uint64_t address);

// A path argument in both ways it may be meant: as given, made absolute without following links
// ("/data/../x" → "/x"); and as the file is called, links followed as the service would. A name
// that is not there yet is its folder's resolved path and the name. Unset: the folder is not there.
struct PathSeen {
  std::string given;
  std::optional<std::string> resolved;
  bool exists = false;
};
// `dirfd` as in openat (AT_FDCWD: the working directory).
[[nodiscard]] std::optional<PathSeen> see_path(pid_t tid, int dirfd, const std::string& path,
                                               bool follow_last);

}  // namespace fbx::inject
