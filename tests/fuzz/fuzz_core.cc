// SPDX-License-Identifier: Apache-2.0
//
// libFuzzer: any bytes as symbolic code, as a plan has it: functions divided by lines "== key", the
// first one the module's own. What the verifier passes is run, within small budgets.
#include <cstdint>
#include <string>
#include <string_view>

#include "spec/starlark/core_text.h"
#include "spec/starlark/core_verify.h"
#include "spec/starlark/values.h"
#include "spec/starlark/vm.h"

using namespace starlark;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  core::Module m;
  m.file = "f.star";
  m.globals = {"g", "h"};
  for (std::string key; m.functions.size() < 8;) {
    std::size_t end = text.find("== ");
    core::Function f;
    f.key = key;
    f.name = key.empty() ? "<toplevel>" : key;
    f.locals = {{"a", false}, {"b", false}, {"c", true}};
    if (!key.empty()) f.params = {{core::ParamKind::normal, false}, {core::ParamKind::normal, true}};
    if (key.find('.') != std::string::npos) f.free = {"c"}, f.locals.pop_back();
    if (!core::read_code(text.substr(0, end), m.globals, f)) return 0;
    m.functions.push_back(std::move(f));
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 3);
    std::size_t line = std::min(text.find('\n'), text.size());
    key = text.substr(0, line);
    text.remove_prefix(std::min(line + 1, text.size()));
  }
  for (const core::Function& f : m.functions) core::made_by(f), core::globals_of(f), core::predeclared_of(f);
  auto program = Program::create(std::move(m), {});
  if (!program) return 0;
  Heap heap(8 << 20);
  Environment env;
  env.limits = {.steps = 20'000, .depth = 200};
  Predeclared names;
  auto module = run_module(heap, env, *program, names);
  if (!module) return 0;
  for (auto& [name, value] : (*module)->globals()) repr(value);
  return 0;
}
