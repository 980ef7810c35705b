// SPDX-License-Identifier: Apache-2.0
//
// Places in a plan. `at = '+12:5  orders = service("orders",'` is 12 lines below the place before it
// in the same file and the same kind of table, column 5, with the text of that line; `at =
// "checkout+12:5"` is 12 lines below the `def checkout` of that file, where that is nearer. `file`
// names the file unless it is the spec. So an inserted line changes what stands between it and the
// next function, not all that follow.
//
// Thread rule: one thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/diagnostic.h"

namespace fbx::plan {

struct Anchor {
  std::string function;  // key; "" = the place before
  int64_t distance = 0;
  uint32_t col = 0;
  std::string source;
};

// "+12:5  text", "-3:1" without text, "checkout+2:5".
[[nodiscard]] std::string anchor_text(const Anchor& anchor);
[[nodiscard]] std::optional<Anchor> parse_anchor(std::string_view text);

// The functions of one file that places may count from: the first of each line, and of each key.
struct Landmarks {
  std::map<uint32_t, std::string> by_line;
  std::map<std::string, uint32_t, std::less<>> by_key;
  void add(uint32_t line, const std::string& key) {
    if (by_key.contains(key) || !by_line.try_emplace(line, key).second) return;
    by_key.emplace(key, line);
  }
};
using FunctionLines = std::map<std::string, Landmarks>;  // by file

// May places count from this function? Those named in the file's own top level.
[[nodiscard]] bool is_landmark(std::string_view key);

// The line that the last anchor of each file named.
class AnchorCounter {
 public:
  // `functions`, where there are any to count from, outlive this.
  explicit AnchorCounter(const FunctionLines* functions = nullptr) : functions_(functions) {}
  // How to say where `place` is; without its text. It becomes the last one.
  Anchor anchor_of(const Place& place);
  // The line that is meant, or nothing if there is none. It becomes the last one.
  std::optional<uint32_t> line_of(const std::string& file, const Anchor& anchor);

 private:
  const FunctionLines* functions_;
  std::map<std::string, int64_t> last_;
};

}  // namespace fbx::plan
