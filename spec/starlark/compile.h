// SPDX-License-Identifier: Apache-2.0
//
// Source to symbolic core: scan, parse, resolve, emit. Pure; several mistakes per file are reported,
// in source order, at most `kMaxDiagnostics`.
#pragma once

#include <expected>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "spec/starlark/core.h"
#include "spec/starlark/diagnostic.h"

namespace starlark {

inline constexpr std::size_t kMaxDiagnostics = 20;
inline constexpr std::size_t kMaxSource = std::size_t{64} << 20;  // bytes

struct Options {
  bool set = true;                 // the built-in `set`
  bool while_loops = false;        // `while`
  bool recursion = false;          // functions may be active twice, and `while` allowed with while_loops
  bool top_level_control = false;  // `if`, `for`, `while` outside functions
  bool global_reassign = false;    // a global, or a predeclared name, bound more than once
  bool load_binds_globally = false;  // names bound by load are globals, not file-local
};

struct Names {
  // Is this name predeclared by the host? The universal built-ins need not be repeated.
  std::function<bool(std::string_view)> predeclared;
  // For "did you mean": all of the host's names. May be null.
  std::function<std::vector<std::string_view>()> all;
};

// `file` is used in places only.
std::expected<core::Module, std::vector<Diagnostic>> compile(std::string_view file,
                                                             std::string_view source,
                                                             const Options& options,
                                                             const Names& names);

// Only scan and parse.
std::vector<Diagnostic> check_syntax(std::string_view file, std::string_view source,
                                     const Options& options);

}  // namespace starlark
