// SPDX-License-Identifier: Apache-2.0
//
// Malformed specs and plans with what fbx must say about each, read from specs.txt and plans.txt:
//
//   === what is wrong with it
//   code: a part of the message
//   hint: the whole hint            (no such line: no hint)
//   --- spec                        behind the lines of prelude.star
//   --- bare                        the whole spec
//   --- other.star                  another file that the spec loads
//   --- replace                     lines of tests/plans/order.toml…
//   --- with                        …and what stands there instead
//   --- whole                       the whole plan
//
// ‸ marks the place that the message must name; without it there is none. "warning code: …" is a
// warning. ␡ stands for a byte that is no UTF-8, ⟦200×(⟧ for 200 of `(`.
//
// Thread rule: values.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/diagnostic.h"

namespace fbx::testing {

struct BadInput {
  std::string title;
  std::string code, message, hint;
  bool warning = false;
  std::map<std::string, std::string> sections;  // by what stands behind ---
};

// Fails the test when the file can't be read or is not in this form.
[[nodiscard]] std::vector<BadInput> read_corpus(const std::string& path);
[[nodiscard]] std::string read_text(const std::string& path);

// Takes ‸ out of `text`. The place where it stood, or Place{} without it.
[[nodiscard]] Place take_marker(std::string& text, const std::string& file);

// A message without what differs between two inputs of the same mistake: "…" and numbers.
[[nodiscard]] std::string shape_of(const std::string& message);

}  // namespace fbx::testing
