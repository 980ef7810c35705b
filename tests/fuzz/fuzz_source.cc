// SPDX-License-Identifier: Apache-2.0
//
// libFuzzer: any bytes as a source file. Scan, parse, resolve, emit; what compiles is verified and
// lowered, and its symbolic code survives being written and read back.
#include <algorithm>
#include <cstdlib>
#include <string_view>

#include "spec/starlark/core_text.h"
#include "spec/starlark/program.h"

using namespace starlark;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view source(reinterpret_cast<const char*>(data), size);
  Options all{.while_loops = true, .recursion = true, .top_level_control = true, .global_reassign = true};
  for (const Options& options : {Options{}, all}) {
    Names names{[](std::string_view n) { return n.size() % 2 == 0; }, nullptr};
    check_syntax("f.star", source, options);
    auto module = compile("f.star", source, options, names);
    if (!module) {
      for (const Diagnostic& d : module.error()) {
        if (d.message.empty() || d.text().empty()) std::abort();
      }
      continue;
    }
    std::vector<std::string> globals = module->globals;
    std::sort(globals.begin(), globals.end());
    for (const core::Function& f : module->functions) {
      core::Function g = f;
      g.names.clear(), g.constants.clear(), g.code.clear(), g.operands.clear(), g.labels.clear();
      std::string text = core::write_code(f);
      if (!core::read_code(text, globals, g) || core::write_code(g) != text) std::abort();
    }
    // What the compiler makes, the verifier takes, but for what is too large.
    auto program = Program::create(std::move(*module), names);
    if (!program && size < 4096) std::abort();
  }
  return 0;
}
