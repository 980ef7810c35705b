// SPDX-License-Identifier: Apache-2.0
#include "spec/plan/expression_parser.h"

#include <algorithm>
#include <charconv>
#include <limits>

#include "spec/starlark/core_text.h"
#include "spec/starlark/numbers.h"

namespace fbx::plan {

namespace {

using Kind = Value::Kind;

bool is_word_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool is_reserved(std::string_view word) {
  return word == "None" || word == "True" || word == "False" || word == "unassigned";
}

std::string_view word_at(std::string_view text) {
  size_t end = 0;
  while (end < text.size() && is_word_char(text[end])) ++end;
  return text.substr(0, end);
}

bool read_double(std::string_view text, double& out) {
  const auto read = starlark::parse_double(text);
  if (read) out = *read;
  return read.has_value();
}

}  // namespace

bool ExpressionParser::is_global_name(std::string_view name) {
  return !name.empty() && !is_digit(name[0]) && word_at(name).size() == name.size() &&
         !is_reserved(name);
}

bool ExpressionParser::is_reference(std::string_view text) {
  return is_global_name(text) || text.starts_with("at(");
}

void ExpressionParser::skip_space() {
  while (!rest_.empty() && rest_[0] == ' ') rest_.remove_prefix(1);
}

bool ExpressionParser::accept(char c) {
  skip_space();
  if (rest_.empty() || rest_[0] != c) return false;
  rest_.remove_prefix(1);
  return true;
}

bool ExpressionParser::expect(char c) {
  if (accept(c)) return true;
  return fail(std::string("want '") + c + "'");
}

bool ExpressionParser::fail(const std::string& message) {
  if (failed_) return false;
  failed_ = true;
  const std::string near(rest_.substr(0, 20));
  Place place = place_;  // one line, behind its quote
  if (place.col != 0) place.col += static_cast<uint32_t>(length_ - rest_.size()) + 1;
  reader_.diagnostics_.push_back({place, "plan-value",
                                  "not a value: " + message +
                                      (near.empty() ? " at its end" : " before `" + near + "`")});
  return false;
}

std::string_view ExpressionParser::word() {
  skip_space();
  const std::string_view out = word_at(rest_);
  rest_.remove_prefix(out.size());
  return out;
}

bool ExpressionParser::string(std::string& out) {
  skip_space();
  if (rest_.empty() || (rest_[0] != '"' && rest_[0] != '\'')) return fail("want a string");
  if (!starlark::core::unquote(rest_, out)) return fail("a malformed string");
  return true;
}

bool ExpressionParser::integer(std::string& out) {
  skip_space();
  size_t end = !rest_.empty() && rest_[0] == '-' ? 1 : 0;
  const size_t digits = end;
  while (end < rest_.size() && is_digit(rest_[end])) ++end;
  if (end == digits) return fail("want an integer");
  if (rest_[digits] == '0' && end != 1) return fail("an integer with a leading zero");
  out = rest_.substr(0, end);
  rest_.remove_prefix(end);
  return true;
}

bool ExpressionParser::small_integer(int64_t& out) {
  std::string text;
  if (!integer(text)) return false;
  const auto end = std::from_chars(text.data(), text.data() + text.size(), out);
  return end.ec == std::errc{} || fail("an integer out of range");
}

bool ExpressionParser::parse_into(ValueRef into) {
  Value out;
  const size_t before = reader_.image_.values.size();
  bool ok = value_into(out, 0);
  const size_t after = reader_.image_.values.size();
  const TextPlace here{place_.line, place_.col};
  reader_.places_.resize(after);
  std::fill(reader_.places_.begin() + static_cast<std::ptrdiff_t>(before), reader_.places_.end(),
            here);
  reader_.places_[into] = here;
  skip_space();
  if (ok && !rest_.empty()) ok = fail("want the end");
  if (ok) reader_.image_.values[into] = std::move(out);
  return ok;
}

std::optional<ExpressionParser::Key> ExpressionParser::parse_reference() {
  const std::string_view name = word();
  auto out = reference(name);
  skip_space();
  if (out && !rest_.empty()) {
    fail("want the end");
    return std::nullopt;
  }
  return out;
}

std::optional<ExpressionParser::Key> ExpressionParser::reference(std::string_view name) {
  if (name != "at") return Key{module_, std::string(name)};
  Key key{module_, ""};
  std::string first;
  if (!expect('(') || !string(first)) return std::nullopt;
  if (accept(',')) {
    if (!find_module(first, key.first) || !string(key.second)) return std::nullopt;
  } else {
    key.second = std::move(first);
  }
  if (!expect(')')) return std::nullopt;
  return key;
}

bool ExpressionParser::find_module(const std::string& file, uint32_t& out) {
  for (uint32_t m = 0; m < reader_.image_.modules.size(); ++m) {
    if (reader_.image_.modules[m].code.file == file) {
      out = m;
      return true;
    }
  }
  return fail("the plan has no file \"" + file + "\"");
}

ValueRef ExpressionParser::value(int depth) {
  if (depth > 2 * kDeepestExpression) {
    fail("nested too deeply");
    return kNoValue;
  }
  skip_space();
  const std::string_view name = word_at(rest_);
  const std::string_view after = rest_.substr(name.size());
  const bool plain = is_global_name(name) && !after.starts_with("(") && !after.starts_with("\"") &&
                     !after.starts_with("'");
  if (plain || name == "at") {
    word();
    const auto key = reference(name);
    const ValueRef found = key ? reader_.resolve(*key, place_) : kNoValue;
    if (found == kNoValue) failed_ = true;  // resolve() has said it
    return found;
  }
  Value out;
  if (!value_into(out, depth)) return kNoValue;
  return reader_.image_.add(std::move(out));
}

bool ExpressionParser::value_into(Value& out, int depth) {
  skip_space();
  if (rest_.empty()) return fail("want a value");
  const char c = rest_[0];
  if (c == '(') return tuple(out, depth);
  if (c == '[') return list(out, depth);
  if (c == '{') return dict(out, depth);
  if (c == '"' || c == '\'') {
    out.kind = Kind::kString;
    return string(out.text);
  }
  if (c == 'b' && rest_.size() > 1 && (rest_[1] == '"' || rest_[1] == '\'')) {
    out.kind = Kind::kBytes;
    rest_.remove_prefix(1);
    return string(out.text);
  }
  if (c == '-' || is_digit(c)) return number(out);
  const std::string_view name = word();
  if (name.empty()) return fail("want a value");
  return after_word(name, out, depth);
}

bool ExpressionParser::after_word(std::string_view name, Value& out, int depth) {
  if (name == "None") return true;
  if (name == "True" || name == "False") {
    out.kind = Kind::kBool;
    out.boolean = name == "True";
    return true;
  }
  if (!expect('(')) return false;
  if (name == "float") return float_call(out);
  if (name == "set") return set_call(out, depth);
  if (name == "range") return range_call(out);
  if (name == "struct") return struct_call(out, depth);
  if (name == "function") return function_call(out, depth);
  if (name == "builtin") return builtin_call(out);
  if (name == "method") return method_call(out, depth);
  return host_call(name, out, depth);
}

bool ExpressionParser::number(Value& out) {
  size_t end = rest_[0] == '-' ? 1 : 0;
  bool real = false;
  for (; end < rest_.size(); ++end) {
    const char c = rest_[end];
    const bool sign = (c == '-' || c == '+') && rest_[end - 1] == 'e';
    if (c == '.' || c == 'e') real = true;
    if (!is_digit(c) && c != '.' && c != 'e' && !sign) break;
  }
  if (!real) {
    out.kind = Kind::kInt;
    return integer(out.text);
  }
  out.kind = Kind::kFloat;
  if (!read_double(rest_.substr(0, end), out.real)) return fail("a malformed float");
  rest_.remove_prefix(end);
  return true;
}

bool ExpressionParser::list_items(Value& out, char close, int depth, bool cells) {
  if (accept(close)) return true;
  for (;;) {
    skip_space();
    if (cells && word_at(rest_) == "unassigned") {
      word();
      out.items.push_back(kNoValue);
    } else {
      out.items.push_back(value(depth + 1));
      if (out.items.back() == kNoValue) return false;
    }
    if (accept(close)) return true;
    if (!expect(',')) return false;
    if (close == ')' && out.items.size() == 1 && accept(close)) return true;
  }
}

bool ExpressionParser::tuple(Value& out, int depth) {
  out.kind = Kind::kTuple;
  return expect('(') && list_items(out, ')', depth, false);
}

bool ExpressionParser::list(Value& out, int depth) {
  out.kind = Kind::kList;
  return expect('[') && list_items(out, ']', depth, false);
}

bool ExpressionParser::dict(Value& out, int depth) {
  out.kind = Kind::kDict;
  if (!expect('{')) return false;
  if (accept('}')) return true;
  for (;;) {
    out.items.push_back(value(depth + 1));
    if (out.items.back() == kNoValue || !expect(':')) return false;
    out.items.push_back(value(depth + 1));
    if (out.items.back() == kNoValue) return false;
    if (accept('}')) return true;
    if (!expect(',')) return false;
  }
}

bool ExpressionParser::float_call(Value& out) {
  out.kind = Kind::kFloat;
  std::string text;
  if (!string(text) || !expect(')')) return false;
  if (text == "nan") out.real = std::numeric_limits<double>::quiet_NaN();
  else if (text == "+inf") out.real = std::numeric_limits<double>::infinity();
  else if (text == "-inf") out.real = -std::numeric_limits<double>::infinity();
  else return fail("want float(\"nan\"), float(\"+inf\") or float(\"-inf\")");
  return true;
}

bool ExpressionParser::set_call(Value& out, int depth) {
  out.kind = Kind::kSet;
  return expect('[') && list_items(out, ']', depth, false) && expect(')');
}

bool ExpressionParser::range_call(Value& out) {
  out.kind = Kind::kRange;
  for (size_t i = 0; i < 3; ++i) {
    if (!small_integer(out.range[i]) || !expect(i < 2 ? ',' : ')')) return false;
  }
  return out.range[2] != 0 || fail("a range with step 0");
}

bool ExpressionParser::builtin_call(Value& out) {
  out.kind = Kind::kBuiltin;
  return string(out.text) && expect(')');
}

bool ExpressionParser::method_call(Value& out, int depth) {
  out.kind = Kind::kMethod;
  out.items.push_back(value(depth + 1));
  return out.items.back() != kNoValue && expect(',') && string(out.text) && expect(')');
}

bool ExpressionParser::struct_call(Value& out, int depth) {
  out.kind = Kind::kStruct;
  if (accept(')')) return true;
  for (;;) {
    out.names.emplace_back(word());
    if (out.names.back().empty()) return fail("want a field's name");
    if (!expect('=')) return false;
    out.items.push_back(value(depth + 1));
    if (out.items.back() == kNoValue) return false;
    if (accept(')')) return true;
    if (!expect(',')) return false;
  }
}

bool ExpressionParser::function_call(Value& out, int depth) {
  out.kind = Kind::kFunction;
  out.module = module_;
  if (!string(out.text)) return false;
  while (!accept(')')) {
    if (!expect(',')) return false;
    const std::string_view key = word();
    if (!expect('=') || !function_part(key, out, depth)) return false;
  }
  return true;
}

bool ExpressionParser::function_part(std::string_view key, Value& out, int depth) {
  if (key == "file") {
    std::string file;
    return string(file) && find_module(file, out.module);
  }
  if (key == "defaults" && out.items.empty()) {
    if (!expect('[') || !list_items(out, ']', depth, false)) return false;
    out.defaults = static_cast<uint32_t>(out.items.size());
    return true;
  }
  if (key == "cells" && out.items.size() == out.defaults) {
    return expect('[') && list_items(out, ']', depth, true);
  }
  return fail("want file=, defaults= or cells=, once and in this order");
}

bool ExpressionParser::host_call(std::string_view name, Value& out, int depth) {
  out.kind = Kind::kHost;
  out.text = name;
  if (accept(')')) return true;
  for (;;) {
    skip_space();
    const std::string_view key = word_at(rest_);
    if (!key.empty() && rest_.substr(key.size()).starts_with("=")) {
      out.names.emplace_back(key);
      rest_.remove_prefix(key.size() + 1);
    } else if (!out.names.empty()) {
      return fail("a positional argument after a named one");
    }
    out.items.push_back(value(depth + 1));
    if (out.items.back() == kNoValue) return false;
    if (accept(')')) return true;
    if (!expect(',')) return false;
  }
}

}  // namespace fbx::plan
