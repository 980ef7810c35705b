// SPDX-License-Identifier: Apache-2.0
//
// Built-ins by name.
#include "spec/starlark/builtins.h"

#include <algorithm>
#include <string>

#include "spec/starlark/builtin_tables.h"

namespace starlark {

Value universal(std::string_view name) {
  if (name == "None") return Value::none();
  if (name == "True" || name == "False") return Value::boolean(name == "True");
  for (const Builtin& b : universal_functions()) {
    if (b.name() == name) return b.value();
  }
  return Value();
}

const std::vector<std::string_view>& universal_names() {
  static const std::vector<std::string_view> names = [] {
    std::vector<std::string_view> out{"False", "None", "True"};
    for (const Builtin& b : universal_functions()) out.push_back(b.name());
    return out;
  }();
  return names;
}

const Builtin* method(Kind kind, std::string_view name) {
  for (const Builtin& b : methods_of(kind)) {
    if (b.name() == name) return &b;
  }
  return nullptr;
}

std::vector<std::string_view> method_names(Kind kind) {
  std::vector<std::string_view> out;
  for (const Builtin& b : methods_of(kind)) out.push_back(b.name());
  std::sort(out.begin(), out.end());
  return out;
}

namespace {
struct Home {
  Kind kind;
  std::string_view prefix;
};
constexpr Home kHomes[] = {{Kind::string, "string."}, {Kind::bytes, "bytes."}, {Kind::list, "list."},
                           {Kind::dict, "dict."}, {Kind::set, "set."}};
}  // namespace

const Builtin* builtin_by_name(std::string_view name) {
  for (const Builtin& b : universal_functions()) {
    if (b.name() == name) return &b;
  }
  if (name == "struct") return builtin_of(struct_builtin());
  for (const Home& home : kHomes) {
    if (name.starts_with(home.prefix)) return method(home.kind, name.substr(home.prefix.size()));
  }
  for (std::span<const Builtin> table : {json_functions(), math_functions()}) {
    for (const Builtin& b : table) {
      if (b.name() == name) return &b;
    }
  }
  return nullptr;
}

std::string builtin_full_name(const Builtin& b) {
  for (const Home& home : kHomes) {
    for (const Builtin& m : methods_of(home.kind)) {
      if (&m == &b) return std::string(home.prefix) + std::string(b.name());
    }
  }
  return std::string(b.name());
}

}  // namespace starlark
