// SPDX-License-Identifier: Apache-2.0
#include "runner/observe/mappings.h"

#include <fcntl.h>
#include <sys/mman.h>

#include <algorithm>

namespace fbx::observe {
namespace {

// MAP_SHARED_VALIDATE has MAP_PRIVATE's bit: the type is a number, not flags.
bool is_shared(uint64_t flags) {
  const uint64_t type = flags & MAP_TYPE;
  return type == MAP_SHARED || type == MAP_SHARED_VALIDATE;
}

}  // namespace

bool Mappings::concerns(const abi::Syscall& row) {
  return row.name == "mmap" || row.name == "mremap" || row.name == "mprotect" ||
         row.name == "pkey_mprotect";
}

bool Mappings::take(const abi::Syscall& row, Event& event) {
  if (event.failed()) return false;
  if (row.name == "mmap") return map(event);
  if (row.name == "mremap") {
    move(event);
    return false;
  }
  return protect(event);
}

bool Mappings::map(const Event& event) {
  if (event.on != FdKind::kFile || !is_shared(event.args[3])) return false;
  if (event.args[2] & PROT_WRITE) return true;
  if ((event.open_flags & O_ACCMODE) != O_RDWR) return false;
  const auto begin = static_cast<uint64_t>(event.ret);
  readable_[event.service].push_back({begin, begin + event.args[1], event.path, event.on});
  return false;
}

// mremap(old address, old size, new size): what was mapped there is now at the result, too.
void Mappings::move(const Event& event) {
  std::vector<Range>& all = readable_[event.service];
  const uint64_t old = event.args[0], begin = static_cast<uint64_t>(event.ret);
  const auto from = std::ranges::find_if(
      all, [&](const Range& range) { return range.begin <= old && old < range.end; });
  if (from == all.end()) return;
  all.push_back({begin, begin + event.args[2], from->path, from->on});
}

bool Mappings::protect(Event& event) const {
  const auto found = readable_.find(event.service);
  if (!(event.args[2] & PROT_WRITE) || found == readable_.end()) return false;
  const uint64_t begin = event.args[0], end = begin + event.args[1];
  for (const Range& range : found->second) {
    if (end <= range.begin || range.end <= begin) continue;
    event.path = range.path;
    event.on = range.on;
    return true;
  }
  return false;
}

}  // namespace fbx::observe
