// SPDX-License-Identifier: Apache-2.0
//
// What lowering needs to know along the paths of a function: which locals may be unassigned, which
// iterations are open, whether a temporary is read again. The function is verified.
#pragma once

#include <cstdint>
#include <vector>

#include "spec/starlark/core.h"

namespace starlark {

struct Flow {
  // By instruction.
  std::vector<std::vector<std::uint16_t>> check;  // plain locals it reads that may be unassigned
  std::vector<bool> reachable;
  std::vector<bool> dead_after;       // jumpif, jumpnot: the temporary tested is not read again;
                                      // mod: nor is the one on its right
  std::vector<std::uint32_t> open_at;  // the innermost open iteration before it: an index of `open`
  // Open iterations, each with the one around it. Index 0 is "none".
  struct Open {
    std::uint32_t temp, around;
  };
  std::vector<Open> open{{0, 0}};
  // By instruction, and one more: the first label before it, or core::kNone.
  std::vector<std::uint32_t> label_at;
  std::uint32_t temps = 0;  // one more than the highest temporary
};

Flow analyse(const core::Function& f);

}  // namespace starlark
