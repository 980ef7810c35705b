// SPDX-License-Identifier: Apache-2.0
#include <charconv>
#include <cmath>

#include "spec/plan/value_text.h"
#include "spec/starlark/core_text.h"

namespace fbx::plan {

namespace {

using Kind = Value::Kind;

// Kinds that a graph may share or close into a cycle; the others are written out everywhere.
bool has_parts(const Value& value) {
  switch (value.kind) {
    case Kind::kTuple:
    case Kind::kList:
    case Kind::kDict:
    case Kind::kSet:
    case Kind::kStruct:
    case Kind::kFunction:
    case Kind::kMethod: return true;
    case Kind::kNone:
    case Kind::kBool:
    case Kind::kInt:
    case Kind::kFloat:
    case Kind::kString:
    case Kind::kBytes:
    case Kind::kRange:
    case Kind::kBuiltin:
    case Kind::kHost: return false;
  }
  return false;
}

std::string quote(std::string_view text) { return starlark::core::quote(text); }

std::string float_literal(double value) {
  if (std::isnan(value)) return "float(\"nan\")";
  if (std::isinf(value)) return value < 0 ? "float(\"-inf\")" : "float(\"+inf\")";
  char buffer[40];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value);
  std::string text(buffer, end.ptr);
  if (text.find_first_of(".e") == std::string::npos) text += ".0";
  return text;
}

bool is_identifier(std::string_view name) {
  if (name.empty() || (name[0] >= '0' && name[0] <= '9')) return false;
  for (const char c : name) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
    if (!letter && !(c >= '0' && c <= '9')) return false;
  }
  return name != "None" && name != "True" && name != "False" && name != "unassigned";
}

std::string scalar(const Value& value) {
  switch (value.kind) {
    case Kind::kNone: return "None";
    case Kind::kBool: return value.boolean ? "True" : "False";
    case Kind::kInt: return value.text;
    case Kind::kFloat: return float_literal(value.real);
    case Kind::kString: return quote(value.text);
    case Kind::kBytes: return "b" + quote(value.text);
    case Kind::kBuiltin: return "builtin(" + quote(value.text) + ")";
    case Kind::kRange:
      return "range(" + std::to_string(value.range[0]) + ", " + std::to_string(value.range[1]) +
             ", " + std::to_string(value.range[2]) + ")";
    case Kind::kTuple:
    case Kind::kList:
    case Kind::kDict:
    case Kind::kSet:
    case Kind::kStruct:
    case Kind::kFunction:
    case Kind::kMethod:
    case Kind::kHost: break;
  }
  return "";
}

// The step from a container to one of its parts, as a name continues: `["key"]`, `[3]`, `.field`.
std::string step(const Image& image, const Value& value, size_t item) {
  switch (value.kind) {
    case Kind::kStruct: return "." + value.names[item];
    case Kind::kMethod: return ".self";
    case Kind::kFunction:
      return item < value.defaults ? ".defaults[" + std::to_string(item) + "]"
                                   : ".cells[" + std::to_string(item - value.defaults) + "]";
    case Kind::kDict: {
      if (item % 2 == 0) return ".keys[" + std::to_string(item / 2) + "]";
      const Value& key = image.values[value.items[item - 1]];
      const bool short_key = key.kind == Kind::kString && key.text.size() <= 40;
      return "[" + (short_key ? quote(key.text) : std::to_string(item / 2)) + "]";
    }
    default: return "[" + std::to_string(item) + "]";
  }
}

}  // namespace

bool is_own_function(const Image& image, uint32_t module, const std::string& name,
                     ValueRef value) {
  const Value& v = image.values[value];
  return v.kind == Kind::kFunction && v.module == module && v.text == name && v.items.empty();
}

ValueWriter::ValueWriter(const Image& image, const std::vector<ValueRoot>& roots)
    : image_(image), uses_(image.values.size()), tables_(image.modules.size()) {
  for (uint32_t m = 0; m < image.modules.size(); ++m) {
    for (const auto& [name, value] : image.modules[m].globals) {
      if (has_parts(image.values[value])) names_.try_emplace(value, Name{m, name});
    }
  }
  count(roots);
  for (uint32_t m = 0; m < image.modules.size(); ++m) {
    for (const auto& [name, value] : image.modules[m].globals) {
      if (!is_own_function(image, m, name, value)) define(Name{m, name}, value);
    }
  }
  for (const ValueRoot& r : roots) {
    if (!names_.contains(r.value) && has_parts(image.values[r.value]) && uses_[r.value] > 1) {
      names_.emplace(r.value, Name{0, r.name});
      define(Name{0, r.name}, r.value);
    }
  }
}

void ValueWriter::count(const std::vector<ValueRoot>& roots) {
  std::vector<ValueRef> todo;
  for (const Module& module : image_.modules) {
    for (const auto& [name, value] : module.globals) todo.push_back(value);
  }
  for (const ValueRoot& r : roots) todo.push_back(r.value);
  while (!todo.empty()) {
    const ValueRef ref = todo.back();
    todo.pop_back();
    if (uses_[ref]++ != 0) continue;
    for (const ValueRef item : image_.values[ref].items) {
      if (item != kNoValue) todo.push_back(item);
    }
  }
}

void ValueWriter::define(const Name& name, ValueRef value) {
  const auto owner = names_.find(value);
  const bool alias = owner != names_.end() &&
                     (owner->second.module != name.module || owner->second.name != name.name);
  std::string text =
      alias ? reference(owner->second, name.module) : definition(value, name, 0);
  tables_[name.module].push_back({name.name, std::move(text)});
  define_pending();
}

void ValueWriter::define_pending() {
  while (!pending_.empty()) {
    const std::vector<Pending> batch = std::move(pending_);
    pending_.clear();
    for (const Pending& p : batch) {
      std::string text = definition(p.value, p.name, 0);
      tables_[p.name.module].push_back({p.name.name, std::move(text)});
    }
  }
}

std::string ValueWriter::root(const ValueRoot& root) {
  return expression(root.value, Name{0, root.name}, 0);
}

std::string ValueWriter::reference(const Name& to, uint32_t from) const {
  if (to.module == from) return is_identifier(to.name) ? to.name : "at(" + quote(to.name) + ")";
  return "at(" + quote(image_.modules[to.module].code.file) + ", " + quote(to.name) + ")";
}

std::string ValueWriter::expression(ValueRef ref, const Name& at, int depth) {
  if (ref == kNoValue) return "unassigned";
  if (const auto known = names_.find(ref); known != names_.end()) {
    return reference(known->second, at.module);
  }
  const bool too_deep = depth >= kDeepestExpression;
  if (has_parts(image_.values[ref]) && (uses_[ref] > 1 || too_deep)) {
    names_.emplace(ref, at);
    pending_.push_back({at, ref});
    return reference(at, at.module);
  }
  return definition(ref, at, depth);
}

std::string ValueWriter::definition(ValueRef ref, const Name& at, int depth) {
  const Value& value = image_.values[ref];
  switch (value.kind) {
    case Kind::kTuple:
      return "(" + items(value, at, depth) + (value.items.size() == 1 ? ",)" : ")");
    case Kind::kList: return "[" + items(value, at, depth) + "]";
    case Kind::kSet: return "set([" + items(value, at, depth) + "])";
    case Kind::kDict: return dict(value, at, depth);
    case Kind::kStruct: return structure(value, at, depth);
    case Kind::kFunction: return function(value, at, depth);
    case Kind::kHost: return host(value, at, depth);
    case Kind::kMethod:
      return "method(" +
             expression(value.items[0], {at.module, at.name + step(image_, value, 0)}, depth + 1) +
             ", " + quote(value.text) + ")";
    case Kind::kNone:
    case Kind::kBool:
    case Kind::kInt:
    case Kind::kFloat:
    case Kind::kString:
    case Kind::kBytes:
    case Kind::kRange:
    case Kind::kBuiltin: break;
  }
  return scalar(value);
}

std::string ValueWriter::items(const Value& value, const Name& at, int depth) {
  std::string out;
  for (size_t i = 0; i < value.items.size(); ++i) {
    if (i != 0) out += ", ";
    out += expression(value.items[i], {at.module, at.name + step(image_, value, i)}, depth + 1);
  }
  return out;
}

std::string ValueWriter::dict(const Value& value, const Name& at, int depth) {
  std::string out = "{";
  for (size_t i = 0; i < value.items.size(); ++i) {
    if (i != 0) out += i % 2 == 0 ? ", " : ": ";
    out += expression(value.items[i], {at.module, at.name + step(image_, value, i)}, depth + 1);
  }
  return out + "}";
}

std::string ValueWriter::structure(const Value& value, const Name& at, int depth) {
  std::string out = "struct(";
  for (size_t i = 0; i < value.items.size(); ++i) {
    if (i != 0) out += ", ";
    out += value.names[i] + " = ";
    out += expression(value.items[i], {at.module, at.name + step(image_, value, i)}, depth + 1);
  }
  return out + ")";
}

std::string ValueWriter::function(const Value& value, const Name& at, int depth) {
  std::string out = "function(" + quote(value.text);
  if (value.module != at.module) {
    out += ", file=" + quote(image_.modules[value.module].code.file);
  }
  for (size_t i = 0; i < value.items.size(); ++i) {
    if (i == 0 || i == value.defaults) {
      if (i != 0) out += "]";
      out += i < value.defaults ? ", defaults=[" : ", cells=[";
    } else {
      out += ", ";
    }
    out += expression(value.items[i], {at.module, at.name + step(image_, value, i)}, depth + 1);
  }
  return out + (value.items.empty() ? ")" : "])");
}

std::string ValueWriter::host(const Value& value, const Name& at, int depth) {
  std::string out = value.text + "(";
  const size_t positional = value.items.size() - value.names.size();
  for (size_t i = 0; i < value.items.size(); ++i) {
    if (i != 0) out += ", ";
    if (i >= positional) out += value.names[i - positional] + "=";
    out += expression(value.items[i], {at.module, at.name + step(image_, value, i)}, depth + 1);
  }
  return out + ")";
}

}  // namespace fbx::plan
