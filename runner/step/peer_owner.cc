// SPDX-License-Identifier: Apache-2.0
#include "runner/step/peer_owner.h"

#include <netinet/in.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <optional>

#include "base/mountinfo.h"
#include "runner/sandbox/descent.h"
#include "runner/step/sock_diag.h"

namespace fbx::step {

namespace {

// How often a connection that is still a request is asked for again before its listener is. The
// last ACK of a loopback handshake is some µs behind the connect that it completes.
constexpr int kRequestRetries = 64;

const std::string& cgroup_mount() {
  static const std::string mount = find_cgroup2_mount(own_mountinfo());
  return mount;
}

Result<uint64_t> cgroup_of_process(pid_t pid) {
  const std::string file = "/proc/" + std::to_string(pid) + "/cgroup";
  std::ifstream lines(file);
  std::string line;
  while (std::getline(lines, line)) {
    if (line.starts_with("0::")) return cgroup_id(cgroup_mount() + line.substr(3));
  }
  return fail(file + " names no cgroup v2");
}

Result<uint64_t> unix_owner(int fd) {
  ucred peer{};
  socklen_t size = sizeof peer;
  if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0)
    return fail_errno("asking who listens on a unix socket");
  if (sandbox::told_by_descent()) return sandbox::descent_of_process(peer.pid);
  if (peer.pid == 0) return fail("the unix socket's owner is in another PID namespace, or gone");
  return cgroup_of_process(peer.pid);
}

}  // namespace

Result<uint64_t> cgroup_id(const std::string& directory) {
  // kernfs gives its node's id as inode number on 64-bit machines (fs/kernfs/inode.c).
  struct stat info{};
  if (::stat(directory.c_str(), &info) != 0) return fail_errno("looking at cgroup " + directory);
  return static_cast<uint64_t>(info.st_ino);
}

Result<uint64_t> owner_cgroup(const sockaddr* local, const sockaddr* peer) {
  for (int attempt = 0; attempt < kRequestRetries; ++attempt) {
    auto owner = tcp_socket_cgroup(peer, local);
    if (!owner) return std::unexpected(owner.error());
    if (*owner) return **owner;
    ::sched_yield();
  }
  auto listener = tcp_socket_cgroup(peer, nullptr);
  if (!listener) return std::unexpected(listener.error());
  if (*listener) return **listener;
  return fail("no socket in this network namespace is the other end");
}

Result<uint64_t> owner_cgroup(int connected_fd) {
  sockaddr_storage local{}, peer{};
  socklen_t local_size = sizeof local, peer_size = sizeof peer;
  if (::getsockname(connected_fd, reinterpret_cast<sockaddr*>(&local), &local_size) != 0)
    return fail_errno("getsockname");
  if (local.ss_family == AF_UNIX) return unix_owner(connected_fd);
  if (::getpeername(connected_fd, reinterpret_cast<sockaddr*>(&peer), &peer_size) != 0)
    return fail_errno("getpeername");
  return owner_cgroup(reinterpret_cast<sockaddr*>(&local), reinterpret_cast<sockaddr*>(&peer));
}

namespace {

bool lies_below(const std::string& directory, uint64_t id) {
  namespace fs = std::filesystem;
  std::error_code error;
  fs::recursive_directory_iterator it(directory, fs::directory_options::skip_permission_denied,
                                      error);
  for (; !error && it != fs::recursive_directory_iterator(); it.increment(error)) {
    if (!it->is_directory(error)) continue;
    if (const Result<uint64_t> child = cgroup_id(it->path().string()); child && *child == id)
      return true;
  }
  return false;
}

}  // namespace

OwnerCheck owner_check(std::vector<uint64_t> descents) {
  return [ids = std::move(descents)](uint32_t service, uint64_t owner) {
    return service < ids.size() && owner != 0 && ids[service] == owner;
  };
}

OwnerCheck owner_check(std::vector<std::string> leaf_directories) {
  std::vector<uint64_t> ids;
  for (const std::string& leaf : leaf_directories) {
    const Result<uint64_t> id = leaf.empty() ? Result<uint64_t>(0) : cgroup_id(leaf);
    ids.push_back(id ? *id : 0);
  }
  return [leaves = std::move(leaf_directories), ids = std::move(ids)](uint32_t service,
                                                                      uint64_t cgroup) {
    if (service >= leaves.size() || leaves[service].empty()) return false;
    if (ids[service] == cgroup) return true;
    const Result<uint64_t> now = cgroup_id(leaves[service]);  // made after this check was
    return (now && *now == cgroup) || lies_below(leaves[service], cgroup);
  };
}

}  // namespace fbx::step
