// SPDX-License-Identifier: Apache-2.0
//
// Shared mappings of files, by which a service writes and no call shows it: made writable at once by
// mmap, or later by mprotect, when the descriptor that was mapped was open for writing. What is mapped
// to be read stays in mind until then: databases do that all day, and write by calls.
//
// Mappings are kept by service, not by process: a fork takes them along. An address that another
// process of the service maps to something else can thus pass for a mapping; said too often, never
// too seldom.
//
// Pure. Thread rule: one thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "bpf/abi/tables.h"
#include "runner/observe/event.h"

namespace fbx::observe {

class Mappings {
 public:
  // Whether calls of this row are to be shown to take().
  [[nodiscard]] static bool concerns(const abi::Syscall& row);

  // A call that has ended. True when it gave the service a file to write to through memory: the
  // event then says which (path, on).
  bool take(const abi::Syscall& row, Event& event);

 private:
  struct Range {
    uint64_t begin = 0, end = 0;
    StringId path = 0;
    FdKind on = FdKind::kNone;
  };
  bool map(const Event& event);
  void move(const Event& event);
  bool protect(Event& event) const;

  std::map<int16_t, std::vector<Range>> readable_;  // by service: may become writable
};

}  // namespace fbx::observe
