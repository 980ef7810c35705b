// SPDX-License-Identifier: Apache-2.0
//
// The built-ins of the language. The universal ones (None, True, False, len, print…) are known to
// compile() and every Module; `struct`, `json` and `math` are offered, a host predeclares them.
#pragma once

#include <string_view>
#include <vector>

#include "spec/starlark/heap.h"
#include "spec/starlark/host.h"
#include "spec/starlark/value.h"

namespace starlark {

// The universal name's value, or no value. `set` is among them whatever the options say.
Value universal(std::string_view name);
const std::vector<std::string_view>& universal_names();  // sorted

// `struct(**kwargs)`.
Value struct_builtin();
// The modules `json` and `math`, frozen; made once per heap.
Value json_module(Heap& heap);
Value math_module(Heap& heap);

// The method `name` of a built-in type, or null; its names, sorted.
const Builtin* method(Kind kind, std::string_view name);
std::vector<std::string_view> method_names(Kind kind);

// Any built-in of this library by the name a plan uses: "len", "struct", "json.encode",
// "math.sqrt", "list.append" (a method without its receiver). Null if there is none.
const Builtin* builtin_by_name(std::string_view name);
// The inverse: Builtin::name() of methods is the bare method name; this gives the full one.
std::string builtin_full_name(const Builtin& b);

}  // namespace starlark
