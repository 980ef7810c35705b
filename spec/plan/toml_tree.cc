// SPDX-License-Identifier: Apache-2.0
#include "spec/plan/toml_tree.h"

#include <stdexcept>

// A few malformed documents run into the parser's own assertions ("[[[x]]"), which a release build
// would take for granted. A document is never trusted: they become parse errors.
namespace fbx::plan {
[[noreturn]] static void toml_assertion_failed() { throw std::runtime_error("malformed document"); }
}  // namespace fbx::plan
#define TOML_ASSERT(expr) \
  (static_cast<bool>(expr) ? static_cast<void>(0) : fbx::plan::toml_assertion_failed())
#undef NDEBUG  // with it the library drops TOML_ASSERT, whoever defined it
#define TOML_HEADER_ONLY 1
#define TOML_ENABLE_FORMATTERS 0
#define TOML_ENABLE_WINDOWS_COMPAT 0
#define TOML_MAX_NESTED_VALUES 64
#include <toml++/toml.h>

#include <algorithm>
#include <exception>

namespace fbx::plan {

namespace {

TomlNode copy_node(const toml::node& from);

void copy_table(const toml::table& from, TomlNode& to) {
  to.kind = TomlNode::Kind::kTable;
  for (const auto& [key, value] : from) {
    to.members.push_back({std::string(key.str()), key.source().begin.line,
                          key.source().begin.column, copy_node(value)});
  }
  std::stable_sort(to.members.begin(), to.members.end(), [](const auto& a, const auto& b) {
    return std::pair(a.line, a.col) < std::pair(b.line, b.col);
  });
}

TomlNode copy_node(const toml::node& from) {
  TomlNode to;
  to.line = from.source().begin.line;
  to.col = from.source().begin.column;
  to.last_line = from.source().end.line;
  if (const auto* table = from.as_table()) {
    copy_table(*table, to);
  } else if (const auto* array = from.as_array()) {
    to.kind = TomlNode::Kind::kArray;
    for (const toml::node& item : *array) to.items.push_back(copy_node(item));
  } else if (const auto* string = from.as_string()) {
    to.kind = TomlNode::Kind::kString;
    to.text = string->get();
  } else if (const auto* integer = from.as_integer()) {
    to.kind = TomlNode::Kind::kInteger;
    to.integer = integer->get();
  } else if (const auto* real = from.as_floating_point()) {
    to.kind = TomlNode::Kind::kFloat;
    to.real = real->get();
  } else if (const auto* boolean = from.as_boolean()) {
    to.kind = TomlNode::Kind::kBool;
    to.boolean = boolean->get();
  } else {
    to.kind = TomlNode::Kind::kDate;
  }
  return to;
}

bool asserts(std::string_view text) {
  try {
    (void)toml::parse(text);
  } catch (const toml::parse_error&) {
  } catch (const std::exception&) {
    return true;
  }
  return false;
}

// The parser's assertions know no place: the line without which they hold.
uint32_t assertion_line(std::string_view text) {
  std::vector<size_t> ends;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\n') ends.push_back(i + 1);
  }
  const auto first = std::partition_point(ends.begin(), ends.end(), [&](size_t end) {
    return !asserts(text.substr(0, end));
  });
  return static_cast<uint32_t>(first - ends.begin()) + 1;
}

}  // namespace

const TomlNode* TomlNode::find(std::string_view key) const {
  for (const TomlMember& member : members) {
    if (member.key == key) return &member.value;
  }
  return nullptr;
}

uint32_t TomlNode::text_line() const {
  const auto inside = static_cast<uint32_t>(std::count(text.begin(), text.end(), '\n'));
  return last_line > line + inside ? line + 1 : line;
}

const char* toml_kind_name(TomlNode::Kind kind) {
  switch (kind) {
    case TomlNode::Kind::kTable: return "a table";
    case TomlNode::Kind::kArray: return "an array";
    case TomlNode::Kind::kString: return "a string";
    case TomlNode::Kind::kInteger: return "an integer";
    case TomlNode::Kind::kFloat: return "a float";
    case TomlNode::Kind::kBool: return "a boolean";
    case TomlNode::Kind::kDate: return "a date";
  }
  return "";
}

TomlNode parse_toml(std::string_view text, const std::string& file, Diagnostics& diagnostics) {
  try {
    return copy_node(toml::parse(text));
  } catch (const toml::parse_error& error) {
    const auto& at = error.source().begin;
    diagnostics.push_back({Place{file, at.line, at.column}, "plan-syntax",
                           "not valid TOML: " + std::string(error.description())});
  } catch (const std::exception& error) {
    diagnostics.push_back({Place{file, assertion_line(text), 1}, "plan-syntax",
                           std::string("not valid TOML: ") + error.what()});
  }
  return {};
}

}  // namespace fbx::plan
