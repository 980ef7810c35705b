// SPDX-License-Identifier: Apache-2.0
//
// Every name that a spec finds predeclared, in one table: the built-ins of this version, and those
// that the language has and this version lacks, which are refused by name.
//
// Thread rule: pure functions.
#pragma once

#include <string_view>
#include <vector>

#include "spec/starlark/compile.h"
#include "spec/starlark/program.h"

namespace fbx::model {

// Options of the language: what is on and what is off.
[[nodiscard]] starlark::Options language_options();

// The names with their values; modules are made in `heap`.
[[nodiscard]] starlark::Predeclared predeclared(starlark::Heap& heap);

// The names alone, valid for ever.
[[nodiscard]] starlark::Names predeclared_names();
[[nodiscard]] bool is_predeclared(std::string_view name);

// Why the language's built-in of this name is not there yet; "" when it is, or is none.
[[nodiscard]] std::string_view not_yet(std::string_view name);

// A built-in by the name a plan uses: the dialect's own, a cell's, or the language's.
[[nodiscard]] const starlark::Builtin* builtin_by_plan_name(std::string_view name);

// The name under which a plan holds a built-in.
[[nodiscard]] std::string plan_name(const starlark::Builtin& builtin);

}  // namespace fbx::model
