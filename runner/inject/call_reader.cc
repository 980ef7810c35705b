// SPDX-License-Identifier: Apache-2.0
#include "runner/inject/call_reader.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstring>
#include <optional>

#include "runner/inject/task_view.h"

namespace fbx::inject {
namespace {

struct Held {
  const seccomp_data& call;
  pid_t tid;
  const abi::Syscall& row;
  Tasks& tasks;
  std::optional<Descriptor> opened = std::nullopt;

  [[nodiscard]] std::optional<uint64_t> arg(int role) const {
    const int i = row.arg(role);
    if (i < 0) return std::nullopt;
    const uint64_t value = call.args[static_cast<size_t>(i)];
    return FBX_ARG_IS_32BIT(role) ? static_cast<uint32_t>(value) : value;
  }
  [[nodiscard]] int fd() const { return static_cast<int>(arg(FBX_ARG_FD).value_or(uint64_t(-1))); }
  // What the call's descriptor is; looked up when it is first asked for.
  [[nodiscard]] Descriptor& descriptor() {
    if (!opened) opened.emplace(tasks, tid, fd());
    return *opened;
  }
};

// Calls that act on the name itself and not on what a symbolic link leads to.
bool follows_last(const abi::Syscall& row, const Held& held) {
  constexpr uint64_t kNames = FBX_F_UNLINK | FBX_F_RENAME | FBX_F_RMDIR | FBX_F_MKDIR |
                              FBX_F_SYMLINK | FBX_F_READLINK | FBX_F_LINK | FBX_F_MKNOD;
  if ((row.families | row.sometimes) & kNames || row.name == "lstat" || row.name == "lchown")
    return false;
  const auto flags = held.arg(FBX_ARG_OPEN_FLAGS);
  return !(flags && (*flags & O_NOFOLLOW));
}

std::optional<PathSeen> path_argument(Held& held, int path_role, int dirfd_role) {
  const auto address = held.arg(path_role);
  if (!address) return std::nullopt;
  const auto text = read_string(held.tid, *address);
  if (!text) return std::nullopt;
  const auto dirfd = held.arg(dirfd_role);
  return see_path(held.tasks, held.tid, dirfd ? static_cast<int>(*dirfd) : AT_FDCWD, *text,
                  follows_last(held.row, held));
}

void add_names(const std::optional<PathSeen>& seen, std::vector<std::string>& names) {
  if (!seen) return;
  if (seen->resolved) names.push_back(*seen->resolved);
  if (!seen->resolved || seen->given != *seen->resolved) names.push_back(seen->given);
}

std::vector<std::string> names_of(Held& held) {
  std::vector<std::string> names;
  if (held.row.arg(FBX_ARG_PATH) >= 0) {
    add_names(path_argument(held, FBX_ARG_PATH, FBX_ARG_DIRFD), names);
    add_names(path_argument(held, FBX_ARG_PATH2, FBX_ARG_DIRFD2), names);
  } else if (held.row.name == "msync") {
    if (const auto map = mapped_file(held.tasks, held.tid, held.call.args[0])) names.push_back(map->path);
  } else if (held.fd() >= 0) {
    if (auto path = held.descriptor().path()) names.push_back(std::move(*path));
  }
  return names;
}

uint8_t kind_of(Held& held) {
  if (held.row.name == "sync") return FBX_KIND_FILE;
  if (held.row.name == "msync") {
    const auto map = mapped_file(held.tasks, held.tid, held.call.args[0]);
    return map ? map->kind : uint8_t{FBX_KIND_NONE};
  }
  return held.row.arg(FBX_ARG_FD) >= 0 ? held.descriptor().kind() : uint8_t{FBX_KIND_NONE};
}

std::optional<uint64_t> open_flags(const Held& held) {
  if (held.row.name == "creat") return O_CREAT | O_TRUNC | O_WRONLY;
  if (held.row.name != "openat2") return held.arg(FBX_ARG_OPEN_FLAGS);
  uint64_t flags = 0;
  const auto how = read_memory(held.tid, held.call.args[2], sizeof flags);
  if (how.size() != sizeof flags) return std::nullopt;
  std::memcpy(&flags, how.data(), sizeof flags);
  return flags;
}

uint32_t open_key_flags(Held& held) {
  const auto flags = open_flags(held);
  if (!flags || !(*flags & (O_CREAT | O_TRUNC))) return 0;
  const auto seen = path_argument(held, FBX_ARG_PATH, FBX_ARG_DIRFD);
  if (!seen) return 0;
  if (!seen->exists) return *flags & O_CREAT ? FBX_KEY_CREATES : 0;
  return *flags & O_TRUNC ? FBX_KEY_TRUNCATES : 0;
}

std::optional<int64_t> size_of(Held& held) {
  if (held.row.arg(FBX_ARG_PATH) < 0) return held.descriptor().size();
  const auto seen = path_argument(held, FBX_ARG_PATH, FBX_ARG_DIRFD);
  if (!seen || !seen->resolved) return std::nullopt;
  struct stat st{};
  const std::string file = "/proc/" + std::to_string(held.tid) + "/root" + *seen->resolved;
  return stat(file.c_str(), &st) == 0 ? std::optional<int64_t>(st.st_size) : std::nullopt;
}

uint32_t grows(Held& held) {
  const auto size = size_of(held);
  return size && static_cast<int64_t>(held.call.args[1]) > *size ? FBX_KEY_GROWS : 0;
}

bool says_dontwait(const Held& held) {
  const std::string_view name = held.row.name;
  size_t at = 6;
  if (name == "sendto" || name == "recvfrom" || name == "sendmmsg" || name == "recvmmsg") at = 3;
  if (name == "sendmsg" || name == "recvmsg") at = 2;
  return at < 6 && (held.call.args[at] & MSG_DONTWAIT);
}

uint32_t descriptor_key_flags(Held& held, uint32_t wanted) {
  uint32_t out = 0;
  if (wanted & (FBX_KEY_SYNC | FBX_KEY_NONBLOCK)) {
    const auto flags = held.descriptor().flags();
    if (flags && (*flags & O_DSYNC)) out |= FBX_KEY_SYNC;
    if (flags && (*flags & O_NONBLOCK)) out |= FBX_KEY_NONBLOCK;
  }
  if (const auto rw = held.arg(FBX_ARG_RW_FLAGS); rw && (*rw & (RWF_DSYNC | RWF_SYNC)))
    out |= FBX_KEY_SYNC;
  if (says_dontwait(held)) out |= FBX_KEY_NONBLOCK;
  return out;
}

uint32_t key_flags(Held& held, uint32_t wanted) {
  uint32_t out = 0;
  if (held.row.arg(FBX_ARG_FD) >= 0) out |= descriptor_key_flags(held, wanted);
  if (wanted & (FBX_KEY_CREATES | FBX_KEY_TRUNCATES) && held.row.families & FBX_F_OPEN)
    out |= open_key_flags(held);
  if (wanted & FBX_KEY_GROWS && held.row.sometimes & FBX_F_SPACE) out |= grows(held);
  if (wanted & FBX_KEY_SHARED) {
    const auto prot = held.arg(FBX_ARG_PROT), map = held.arg(FBX_ARG_MMAP_FLAGS);
    if (prot && map && *prot & PROT_WRITE && (*map & MAP_TYPE) != MAP_PRIVATE)
      out |= FBX_KEY_SHARED;
  }
  if (held.row.name == "unlinkat" && held.call.args[2] & AT_REMOVEDIR) out |= FBX_KEY_RMDIR;
  return out;
}

std::optional<Address> address_argument(const Held& held) {
  const int at = held.row.arg(FBX_ARG_SOCKADDR);
  if (at < 0) return std::nullopt;
  const uint64_t address = held.call.args[static_cast<size_t>(at)];
  const uint64_t length = held.arg(FBX_ARG_SOCKLEN).value_or(0);
  if (!address || !length || length > sizeof(sockaddr_storage)) return std::nullopt;
  const auto bytes = read_memory(held.tid, address, length);
  if (bytes.size() != length) return std::nullopt;
  return address_of(bytes.data(), bytes.size());
}

void see_peer(Held& held, const PeerFinder& peers, CallSeen& seen) {
  Address at;
  int16_t service = -1;
  if (auto named = address_argument(held)) {
    at = *named;
    service = peers.listener(at);
  } else if (held.fd() >= 0 && held.descriptor().copy() >= 0) {
    service = peers.other_end(held.descriptor().copy(), &at);
  }
  seen.peer = at.text();
  seen.key.peer_service = service >= 0 ? service : FBX_PEER_UNKNOWN;
  seen.key.has_addr = at.inet();
  seen.key.peer_door = peers.door(at);
  std::memcpy(seen.key.peer_addr, at.addr, sizeof seen.key.peer_addr);
  if (at.family == AF_UNIX && service >= 0) seen.key.flags |= FBX_KEY_OWNED;
}

}  // namespace

CallSeen read_call(const seccomp_data& call, pid_t tid, const abi::Syscall& row,
                   const Wanted& wanted, const PeerFinder& peers, Tasks& tasks) {
  Held held{call, tid, row, tasks};
  CallSeen seen;
  seen.key.nr = static_cast<uint32_t>(row.nr());
  seen.key.peer_service = FBX_PEER_UNKNOWN;
  seen.key.kind = kind_of(held);
  seen.key.flags = key_flags(held, wanted.flags);
  if (wanted.path) seen.paths = names_of(held);
  if (held.opened) seen.error = held.opened->error();
  const bool socket = (FBX_KINDS_SOCKETS >> seen.key.kind) & 1;
  if (socket && (wanted.peer || wanted.flags & FBX_KEY_OWNED)) see_peer(held, peers, seen);
  return seen;
}

std::vector<std::string> read_paths(const seccomp_data& call, pid_t tid, const abi::Syscall& row,
                                    Tasks& tasks) {
  Held held{call, tid, row, tasks};
  return names_of(held);
}

Result<SendingWay> sending_way(const seccomp_data& call, pid_t tid, const abi::Syscall& row) {
  const auto address_at = [tid](uint64_t at, uint64_t size) -> Result<std::optional<sockaddr_storage>> {
    if (at == 0) return std::optional<sockaddr_storage>();
    sockaddr_storage out{};
    const std::vector<uint8_t> bytes = read_memory(tid, at, std::min<uint64_t>(size, sizeof out));
    if (bytes.size() < sizeof out.ss_family) return fail("the address could not be read");
    std::memcpy(&out, bytes.data(), bytes.size());
    return std::optional(out);
  };
  SendingWay way;
  way.dials = (row.families & FBX_F_CONNECT) != 0;
  const bool sends = ((row.families | row.sometimes) & FBX_F_SEND) != 0;
  if (!way.dials && !sends)
    return fail("only what a socket sends can travel late; delay the send of its peer");
  Result<std::optional<sockaddr_storage>> to = std::optional<sockaddr_storage>();
  const int address = row.arg(FBX_ARG_SOCKADDR);
  if (address >= 0) {
    const auto at = static_cast<size_t>(address);
    to = address_at(call.args[at], call.args[at + 1]);
  } else if (row.name == "sendmsg") {
    const std::vector<uint8_t> bytes = read_memory(tid, call.args[1], sizeof(msghdr));
    msghdr message{};
    if (bytes.size() < sizeof message) return fail("the message could not be read");
    std::memcpy(&message, bytes.data(), sizeof message);
    to = address_at(reinterpret_cast<uint64_t>(message.msg_name), message.msg_namelen);
  } else if (row.name == "sendmmsg") {
    return fail("sendmmsg may send to many");
  }
  if (!to) return std::unexpected(to.error());
  if (way.dials && !*to) return fail("the address could not be read");
  way.to = *to;
  return way;
}

}  // namespace fbx::inject
