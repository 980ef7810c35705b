// SPDX-License-Identifier: Apache-2.0
//
// Every code of the table in diagnostic.h is provoked: a row each, and a code without a row fails.
// The messages and their places are checked by the chunked files in tests/language; the same files
// must use every operation of the symbolic core.
#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <set>
#include <sstream>

#include "spec/starlark/builtins.h"
#include "spec/starlark/core_text.h"
#include "spec/starlark/core_verify.h"
#include "spec/starlark/values.h"
#include "spec/starlark/vm.h"

using namespace starlark;

namespace {

Value ask(Call& c) { return c.suspend(std::make_unique<Token>()); }
constexpr Builtin kAsk("ask", ask);
Value sorry(Call& c) { return c.fail(Code::host, "sorry"); }
constexpr Builtin kSorry("sorry", sorry);

struct Row {
  Code code;
  std::string source;
};

// What running the source ends in; nothing: it ran.
std::optional<Code> code_of(const std::string& source, const Options& options = {}) {
  Heap heap(16 << 20);
  Environment env;
  env.limits.steps = 1'000'000;
  Predeclared names;
  names.set("ask", kAsk.value());
  names.set("sorry", kSorry.value());
  auto program = Program::from_source("t.star", source, options, names.as_names());
  if (!program) return program.error().front().code;
  auto module = run_module(heap, env, *program, names);
  if (!module) return module.error().code;
  return std::nullopt;
}

std::string many_names() {
  std::string out = "def f():\n";
  for (int i = 0; i < 70'000; ++i) out += "  a" + std::to_string(i) + " = 1\n";
  return out;
}

const Row kRows[] = {
    {Code::encoding, "x = '\xff'"},
    {Code::character, "x = $"},
    {Code::indentation, "def f():\n    pass\n  pass\n"},
    {Code::literal, "x = 0x"},
    {Code::unexpected, "x = = 1"},
    {Code::target, "1 = 2"},
    {Code::arguments, "def f(x, x): pass"},
    {Code::nesting, "x = " + std::string(1000, '(') + std::string(1000, ')')},
    {Code::too_large, many_names()},
    {Code::undefined, "x = y"},
    {Code::redefined, "x = 1\nx = 2"},
    {Code::misplaced, "return 1"},
    {Code::option, "while 1: pass"},
    {Code::unassigned, "def f():\n  return x\nf()\nx = 1"},
    {Code::type, "1 + 'a'"},
    {Code::value, "int('x')"},
    {Code::call, "len()"},
    {Code::attribute, "[].nope"},
    {Code::key, "{}[1]"},
    {Code::index, "[][0]"},
    {Code::unpack, "a, b = [1]"},
    {Code::unhashable, "{[]: 1}"},
    {Code::division, "1 // 0"},
    {Code::overflow, "1 << 600"},
    {Code::iterating, "x = [1]\n[x.append(y) for y in x]"},
    {Code::recursion, "def f(): f()\nf()"},
    {Code::depth, "x = []\nx.append(x)\ny = []\ny.append(y)\nx == y"},
    {Code::steps, "[0 for x in range(1000000) for y in range(1000000)]"},
    {Code::memory, "'x' * 100000000"},
    {Code::fail, "fail('no')"},
    {Code::load, "load('other.star', 'x')"},
    {Code::effect, "ask()"},
    {Code::host, "sorry()"},
};

// Rows that need more than a source.
using Provoke = std::function<std::optional<Code>()>;
const std::pair<Code, Provoke> kMore[] = {
    {Code::core_text, [] {
       core::Function f;
       auto read = core::read_code("1:1 nonsense\n", {}, f);
       return read ? std::nullopt : std::optional(read.error().code);
     }},
    {Code::core_invalid, [] {
       core::Module m;
       m.functions.resize(1);
       auto fine = core::verify(m, nullptr);
       return fine ? std::nullopt : std::optional(fine.error().front().code);
     }},
    {Code::cancelled, []() -> std::optional<Code> {
       Heap heap;
       Environment env;
       auto program = Program::from_source("t.star", "[0 for x in range(1000000)]", {}, {});
       Predeclared names;
       Module* m = Module::create(heap, *program, names);
       Fiber fiber(heap, env);
       fiber.start(m->toplevel());
       fiber.interrupt();
       return fiber.resume() == Fiber::State::failed ? std::optional(fiber.error().code) : std::nullopt;
     }},
    {Code::frozen, []() -> std::optional<Code> {
       Heap heap;
       Environment env;
       Predeclared names;
       auto program = Program::from_source("t.star", "x = []\ndef f(): x.append(1)\n", {}, {});
       auto module = run_module(heap, env, *program, names);
       auto r = run(heap, env, (*module)->global("f"));
       return r ? std::nullopt : std::optional(r.error().code);
     }},
};

// Chunks of a file of tests/language, as starlark_run cuts them.
std::vector<std::string> chunks(const std::filesystem::path& path) {
  std::ifstream in(path);
  std::vector<std::string> out(1);
  for (std::string line; std::getline(in, line);) {
    if (line == "---") {
      out.emplace_back();
    } else {
      out.back() += line + "\n";
    }
  }
  return out;
}

}  // namespace

TEST_CASE("every code is provoked") {
  std::set<Code> seen;
  for (const Row& row : kRows) {
    CAPTURE(row.source.substr(0, 200));
    auto got = code_of(row.source);
    REQUIRE(got.has_value());
    CHECK(code_name(*got) == code_name(row.code));
    seen.insert(*got);
  }
  for (const auto& [code, provoke] : kMore) {
    CAPTURE(code_name(code));
    auto got = provoke();
    REQUIRE(got.has_value());
    CHECK(code_name(*got) == code_name(code));
    seen.insert(*got);
  }
  for (int i = 0; i < kCodeCount; ++i) {
    CAPTURE(code_name(static_cast<Code>(i)));
    CHECK(seen.contains(static_cast<Code>(i)));
  }
}

TEST_CASE("code names are stable, unique and say when") {
  std::set<std::string_view> names;
  for (int i = 0; i < kCodeCount; ++i) {
    auto code = static_cast<Code>(i);
    CHECK(names.insert(code_name(code)).second);
    CHECK(code_name(code).find('.') != std::string_view::npos);
    CHECK_FALSE(code_meaning(code).empty());
  }
}

TEST_CASE("tests/language uses every operation of the symbolic core") {
  std::set<core::Op> used;
  for (const auto& entry : std::filesystem::directory_iterator("tests/language")) {
    if (entry.path().extension() != ".star") continue;
    for (const std::string& source : chunks(entry.path())) {
      Options options{.while_loops = true, .top_level_control = true};
      Names names{[](std::string_view) { return true; }, nullptr};
      auto module = compile(entry.path().string(), source, options, names);
      if (!module) continue;
      for (const core::Function& f : module->functions) {
        for (const core::Instr& in : f.code) used.insert(in.op);
      }
    }
  }
  for (const core::OpInfo& op : core::all_ops()) {
    CAPTURE(op.text);
    CHECK(used.contains(op.op));
  }
}

// The chunked files cover by name; this is the list they are held against.
TEST_CASE("every built-in has a name a plan can use") {
  std::size_t n = 0;
  auto all = [&](std::string_view prefix, const std::vector<std::string_view>& names) {
    for (std::string_view name : names) {
      std::string full = std::string(prefix) + std::string(name);
      CAPTURE(full);
      const Builtin* b = builtin_by_name(full);
      REQUIRE(b != nullptr);
      CHECK(builtin_full_name(*b) == full);
      ++n;
    }
  };
  std::vector<std::string_view> universal_functions;
  for (std::string_view name : universal_names()) {
    if (is_callable(universal(name))) universal_functions.push_back(name);
  }
  all("", universal_functions);
  all("string.", method_names(Kind::string));
  all("bytes.", method_names(Kind::bytes));
  all("list.", method_names(Kind::list));
  all("dict.", method_names(Kind::dict));
  all("set.", method_names(Kind::set));
  CHECK(n > 90);
  for (std::string_view unknown : {"nope", "string.nope", "json.nope", ".", ""}) {
    CHECK(builtin_by_name(unknown) == nullptr);
  }
}
