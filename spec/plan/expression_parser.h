// SPDX-License-Identifier: Apache-2.0
//
// Parses one expression of the notation in value_text.h. Hostile input ends in one diagnostic
// ("plan-value") at the place of the TOML value; depth is bounded, numbers are checked.
//
// Thread rule: one thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "spec/plan/value_text.h"

namespace fbx::plan {

class ExpressionParser {
 public:
  ExpressionParser(ValueReader& reader, std::string_view text, const Place& place, uint32_t module)
      : reader_(reader), rest_(text), length_(text.size()), place_(place), module_(module) {}

  // Is the whole text a name, or at(…)?
  static bool is_reference(std::string_view text);
  // A name that code may read as a global: an identifier, not "ROUTES[0]".
  static bool is_global_name(std::string_view name);

  // Parses the whole text into the value `into`; false after a diagnostic.
  bool parse_into(ValueRef into);
  // Parses the whole text, which is_reference().
  std::optional<std::pair<uint32_t, std::string>> parse_reference();

 private:
  using Key = std::pair<uint32_t, std::string>;
  void skip_space();
  bool accept(char c);
  bool expect(char c);
  bool fail(const std::string& message);
  std::string_view word();
  bool string(std::string& out);
  bool integer(std::string& out);
  bool small_integer(int64_t& out);

  // Each parses one value and gives its number, or kNoValue after a diagnostic.
  ValueRef value(int depth);
  bool value_into(Value& out, int depth);
  bool after_word(std::string_view name, Value& out, int depth);
  bool number(Value& out);
  bool tuple(Value& out, int depth);
  bool list(Value& out, int depth);
  bool list_items(Value& out, char close, int depth, bool cells);
  bool dict(Value& out, int depth);
  bool float_call(Value& out);
  bool set_call(Value& out, int depth);
  bool range_call(Value& out);
  bool builtin_call(Value& out);
  bool method_call(Value& out, int depth);
  bool struct_call(Value& out, int depth);
  bool function_call(Value& out, int depth);
  bool function_part(std::string_view key, Value& out, int depth);
  bool host_call(std::string_view name, Value& out, int depth);
  std::optional<Key> reference(std::string_view name);
  bool find_module(const std::string& file, uint32_t& out);

  ValueReader& reader_;
  std::string_view rest_;
  size_t length_;
  const Place& place_;
  uint32_t module_;
  bool failed_ = false;
};

}  // namespace fbx::plan
