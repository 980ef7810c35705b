// SPDX-License-Identifier: Apache-2.0
//
// A TOML document as a plain tree in which everything knows its line. toml++ does the parsing; it
// and its exceptions stay in toml_tree.cc.
//
// Thread rule: values.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/diagnostic.h"

namespace fbx::plan {

struct TomlMember;

struct TomlNode {
  enum class Kind : uint8_t { kTable, kArray, kString, kInteger, kFloat, kBool, kDate };
  Kind kind = Kind::kTable;
  uint32_t line = 0, col = 0;  // where the value begins
  uint32_t last_line = 0;      // where it ends
  std::string text;            // kString
  int64_t integer = 0;
  double real = 0;
  bool boolean = false;
  std::vector<TomlNode> items;      // kArray
  std::vector<TomlMember> members;  // kTable, in the order of the document

  [[nodiscard]] const TomlNode* find(std::string_view key) const;
  // The line at which `text` begins: TOML drops a line end right behind opening quotes.
  [[nodiscard]] uint32_t text_line() const;
};

struct TomlMember {
  std::string key;
  uint32_t line = 0, col = 0;  // of the key
  TomlNode value;
};

// "a table", "an array", "a string", …: for messages.
[[nodiscard]] const char* toml_kind_name(TomlNode::Kind kind);

// The root table. On failure adds one diagnostic "plan-syntax" and returns an empty table.
[[nodiscard]] TomlNode parse_toml(std::string_view text, const std::string& file,
                                  Diagnostics& diagnostics);

}  // namespace fbx::plan
