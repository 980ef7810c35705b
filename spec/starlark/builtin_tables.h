// SPDX-License-Identifier: Apache-2.0
//
// The tables that list every function, method and module function; one per family, each in its own file.
#pragma once

#include <span>

#include "spec/starlark/host.h"

namespace starlark {

std::span<const Builtin> universal_functions();
std::span<const Builtin> string_methods();
std::span<const Builtin> bytes_methods();
std::span<const Builtin> list_methods();
std::span<const Builtin> dict_methods();
std::span<const Builtin> set_methods();
std::span<const Builtin> json_functions();  // "json.encode"…
std::span<const Builtin> math_functions();
inline std::span<const Builtin> methods_of(Kind kind) {
  switch (kind) {
    case Kind::string: return string_methods();
    case Kind::bytes: return bytes_methods();
    case Kind::list: return list_methods();
    case Kind::dict: return dict_methods();
    case Kind::set: return set_methods();
    default: return {};
  }
}

}  // namespace starlark
