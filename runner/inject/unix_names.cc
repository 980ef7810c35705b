// SPDX-License-Identifier: Apache-2.0
#include "runner/inject/unix_names.h"

#include <bpf/bpf.h>

#include <algorithm>
#include <cstring>

namespace fbx::inject {
namespace {

fbx_unix_key key_of(uint32_t worker, const fbx_unix_end& end) {
  fbx_unix_key key{};
  key.worker = worker;
  const size_t n = std::min<size_t>(end.name_len, sizeof key.name);
  if (end.name[0] == '\0') {
    key.len = static_cast<uint32_t>(n);
    std::memcpy(key.name, end.name, n);
  } else {
    std::memcpy(key.name, end.name, strnlen(end.name, n));
  }
  return key;
}

}  // namespace

UnixNames::UnixNames(const observe::BpfObject& object, uint32_t worker, const PeerFinder& peers)
    : object_(object), worker_(worker), peers_(peers) {}

UnixNames::~UnixNames() {
  for (const auto& [key, cgroup] : known_)
    bpf_map_delete_elem(object_.map_fd("fbx_unix_owners"), key.data());
}

Status UnixNames::refresh() {
  if (object_.program_fd("connect__on_unix") < 0) return {};
  const auto ends = peers_.sockets().unix_sockets();
  if (!ends) return std::unexpected(ends.error());
  for (const fbx_unix_end& end : *ends) {
    if (!owns_its_name(end) || peers_.service(end.cgroup) < 0) continue;
    const fbx_unix_key key = key_of(worker_, end);
    std::string bytes(reinterpret_cast<const char*>(&key), sizeof key);
    if (const auto old = known_.find(bytes); old != known_.end() && old->second == end.cgroup)
      continue;
    const Address at{.family = AF_UNIX,
                     .unix_name = key.len ? std::string(key.name, key.len) : std::string(key.name)};
    const fbx_unix_owner owner{end.cgroup, peers_.door(at), 0};
    if (bpf_map_update_elem(object_.map_fd("fbx_unix_owners"), &key, &owner, BPF_ANY) != 0)
      return fail_errno("telling the kernel who owns a unix socket");
    known_[std::move(bytes)] = end.cgroup;
  }
  return {};
}

}  // namespace fbx::inject
