// SPDX-License-Identifier: Apache-2.0
#include "spec/starlark/compile.h"

#include <algorithm>

#include "spec/starlark/emit.h"
#include "spec/starlark/parse.h"
#include "spec/starlark/resolve.h"
#include "spec/starlark/unicode.h"

namespace starlark {
namespace {

void tidy(std::vector<Diagnostic>& diagnostics) {
  std::stable_sort(diagnostics.begin(), diagnostics.end(),
                   [](const Diagnostic& a, const Diagnostic& b) {
                     return std::pair(a.line, a.col) < std::pair(b.line, b.col);
                   });
  if (diagnostics.size() > kMaxDiagnostics) diagnostics.resize(kMaxDiagnostics);
}

bool check_encoding(std::string_view file, std::string_view source,
                    std::vector<Diagnostic>& diagnostics) {
  std::size_t bad = source.size() > kMaxSource ? std::string_view::npos : first_malformed(source);
  Diagnostic d;
  d.file = file;
  if (source.size() > kMaxSource) {
    d.code = Code::too_large;
    d.message = "source larger than " + std::to_string(kMaxSource >> 20) + " MB";
  } else if (bad != std::string_view::npos) {
    std::string_view before = source.substr(0, bad);
    std::size_t line_start = before.rfind('\n');
    line_start = line_start == std::string_view::npos ? 0 : line_start + 1;
    d.line = 1 + static_cast<int>(std::count(before.begin(), before.end(), '\n'));
    d.col = 1 + static_cast<int>(count_code_points(before.substr(line_start)));
    d.code = Code::encoding;
    d.message = "the source is not UTF-8";
  } else {
    return true;
  }
  diagnostics.push_back(std::move(d));
  return false;
}

}  // namespace

std::vector<Diagnostic> check_syntax(std::string_view file, std::string_view source,
                                     const Options&) {
  std::vector<Diagnostic> diagnostics;
  if (!check_encoding(file, source, diagnostics)) return diagnostics;
  ast::Arena arena;
  ast::Parser(file, source, arena, diagnostics).parse_file();
  tidy(diagnostics);
  return diagnostics;
}

std::expected<core::Module, std::vector<Diagnostic>> compile(std::string_view file,
                                                             std::string_view source,
                                                             const Options& options,
                                                             const Names& names) {
  std::vector<Diagnostic> diagnostics;
  core::Module module;
  module.file = file;
  module.recursion = options.recursion;
  if (check_encoding(file, source, diagnostics)) {
    ast::Arena arena;
    ast::File tree = ast::Parser(file, source, arena, diagnostics).parse_file();
    ast::Resolution resolution;
    if (diagnostics.empty()) {
      resolution = ast::Resolver(file, options, names, diagnostics).run(tree);
    }
    if (diagnostics.empty()) ast::emit_module(tree, resolution, module, diagnostics);
  }
  if (diagnostics.empty()) return module;
  tidy(diagnostics);
  return std::unexpected(std::move(diagnostics));
}

}  // namespace starlark
