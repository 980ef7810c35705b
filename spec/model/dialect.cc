// SPDX-License-Identifier: Apache-2.0
#include "spec/model/dialect.h"

#include <algorithm>

#include "spec/model/builtins.h"
#include "spec/starlark/builtins.h"

namespace fbx::model {

namespace {

struct Later {
  std::string_view name;
  std::string_view instead;
};

constexpr Later kLater[] = {
    {"fail_after", ""},
    {"fault_scenario", "use fault_matrix() with one scenario and one assumption"},
    {"link", "use fault(…, connect=delay(…))"},
    {"load_file", ""},
    {"load_json", ""},
    {"load_toml", ""},
    {"load_yaml", ""},
    {"match", ""},
    {"monitor", "use assert_never()"},
    {"parallel", ""},
    {"short", ""},
    {"sweep", ""},
};

constexpr std::string_view kLanguage[] = {"json", "math", "struct"};

const starlark::Builtin* find_builtin(std::string_view name) {
  for (const auto family : builtin_families()) {
    for (const starlark::Builtin& builtin : family) {
      if (builtin.name() == name) return &builtin;
    }
  }
  return nullptr;
}

// Reached only where no look at the code came first (body_check.h): still no wrong result.
Value refuse_later(starlark::Call& c) {
  return fail_with(c, {"not-yet", std::string(c.name()) + "() is not there yet"});
}

const std::vector<starlark::Builtin>& later_builtins() {
  static const std::vector<starlark::Builtin> all = [] {
    std::vector<starlark::Builtin> out;
    for (const Later& later : kLater) out.emplace_back(later.name, refuse_later);
    return out;
  }();
  return all;
}

// "observe.stdout" is a member of a module, and no name by itself.
bool is_plain(const starlark::Builtin& builtin) {
  return builtin.name().find('.') == std::string_view::npos;
}

Value observe_module(starlark::Heap& heap) {
  constexpr std::string_view kPrefix = "observe.";
  std::vector<Keyword> members;
  for (const starlark::Builtin& builtin : output_builtins()) {
    if (!builtin.name().starts_with(kPrefix)) continue;
    members.push_back({heap.string(builtin.name().substr(kPrefix.size())), builtin.value()});
  }
  const Value module = heap.module("observe", members);
  heap.freeze(module);
  return module;
}

std::vector<std::string_view> all_names() {
  std::vector<std::string_view> out(std::begin(kLanguage), std::end(kLanguage));
  for (const auto family : builtin_families()) {
    for (const starlark::Builtin& builtin : family) {
      if (is_plain(builtin)) out.push_back(builtin.name());
    }
  }
  out.push_back("observe");
  for (const Later& later : kLater) out.push_back(later.name);
  std::sort(out.begin(), out.end());
  return out;
}

}  // namespace

starlark::Options language_options() { return {}; }

starlark::Predeclared predeclared(starlark::Heap& heap) {
  starlark::Predeclared out;
  for (const auto family : builtin_families()) {
    for (const starlark::Builtin& builtin : family) {
      if (is_plain(builtin)) out.set(builtin.name(), builtin.value());
    }
  }
  for (const starlark::Builtin& builtin : later_builtins()) {
    out.set(builtin.name(), builtin.value());
  }
  out.set("observe", observe_module(heap));
  out.set("struct", starlark::struct_builtin());
  out.set("json", starlark::json_module(heap));
  out.set("math", starlark::math_module(heap));
  return out;
}

bool is_predeclared(std::string_view name) {
  static const std::vector<std::string_view> names = all_names();
  return std::binary_search(names.begin(), names.end(), name);
}

starlark::Names predeclared_names() { return {is_predeclared, all_names}; }

std::string_view not_yet(std::string_view name) {
  for (const Later& later : kLater) {
    if (later.name == name) return later.instead.empty() ? "it comes later" : later.instead;
  }
  return "";
}

const starlark::Builtin* builtin_by_plan_name(std::string_view name) {
  if (name == cell_builtin().name()) return &cell_builtin();
  if (const auto* own = find_builtin(name)) return own;
  return starlark::builtin_by_name(name);
}

std::string plan_name(const starlark::Builtin& builtin) {
  if (signature_of(builtin) != nullptr || &builtin == &cell_builtin()) {
    return std::string(builtin.name());
  }
  return starlark::builtin_full_name(builtin);
}

}  // namespace fbx::model
