// SPDX-License-Identifier: Apache-2.0
//
// Places in a plan. `at = '+12:5  orders = service("orders",'` is 12 lines below the place before it
// in the same file and the same kind of table, column 5, with the text of that line; `file` names
// the file unless it is the spec. So an inserted line changes one number, not all that follow.
//
// Thread rule: one thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/diagnostic.h"

namespace fbx::plan {

struct Anchor {
  int64_t distance = 0;
  uint32_t col = 0;
  std::string source;
};

// "+12:5  text", "-3:1" without text.
[[nodiscard]] std::string anchor_text(const Anchor& anchor);
[[nodiscard]] std::optional<Anchor> parse_anchor(std::string_view text);

// The line that the last anchor of each file named.
class AnchorCounter {
 public:
  // `place` becomes the last one.
  int64_t distance_to(const Place& place) {
    const int64_t out = static_cast<int64_t>(place.line) - last_[place.file];
    last_[place.file] = place.line;
    return out;
  }
  // The line at that distance, or nothing if there is none. It becomes the last one.
  std::optional<uint32_t> line_at(const std::string& file, int64_t distance) {
    const int64_t line = last_[file] + distance;
    if (line < 0 || line > INT32_MAX) return std::nullopt;
    last_[file] = line;
    return static_cast<uint32_t>(line);
  }

 private:
  std::map<std::string, int64_t> last_;
};

}  // namespace fbx::plan
