// SPDX-License-Identifier: Apache-2.0
//
// What an attacker, or a mistake, would write: deep nesting, huge numbers, texts and containers,
// graphs that contain themselves, hostile symbolic code. Each row ends in an error of the codes it
// names (or runs), within the budgets; never in a crash.
#include <doctest/doctest.h>

#include <functional>
#include <set>

#include "spec/starlark/builtins.h"
#include "spec/starlark/core_text.h"
#include "spec/starlark/core_verify.h"
#include "spec/starlark/values.h"
#include "spec/starlark/vm.h"

using namespace starlark;

namespace {

constexpr std::size_t kBudget = 64 << 20;
constexpr int kMany = 100'000;

std::string times(std::string_view text, int n) {
  std::string out;
  out.reserve(text.size() * static_cast<std::size_t>(n));
  for (int i = 0; i < n; ++i) out += text;
  return out;
}

std::string nested_blocks(std::string_view head, int n) {
  std::string out;
  for (int i = 0; i < n; ++i) out += std::string(static_cast<std::size_t>(i), ' ') + std::string(head) + "\n";
  return out + std::string(static_cast<std::size_t>(n), ' ') + "pass\n";
}

struct Ended {
  std::optional<Code> code;  // nothing: it ran
  std::string text;
  std::size_t used = 0;
};

Ended ends(const std::string& source, const Options& options = {}) {
  Heap heap(kBudget);
  Environment env;
  env.limits.steps = 20'000'000;
  Predeclared names;
  names.set("struct", struct_builtin());
  names.set("json", json_module(heap));
  auto program = Program::from_source("h.star", source, options, names.as_names());
  if (!program) return {program.error().front().code, program.error().front().text(), 0};
  auto module = run_module(heap, env, *program, names);
  if (!module) return {module.error().code, module.error().text(), heap.used()};
  return {std::nullopt, "", heap.used()};
}

struct Row {
  std::string name;
  std::string source;
  std::set<Code> codes;  // empty: it runs
};

const Code kNest = Code::nesting;

std::vector<Row> deep() {
  const std::set<Code> nest{kNest};
  std::string wide_call = "def f(*a): return len(a)\nx = f(" + times("1,", kMany) + ")\n";
  std::string chains = "x = 1\n_ = " + times("(", 90) + "x" + times(times(".a", 1900) + ")", 90);
  return {
      {"parentheses", "x = " + times("(", kMany) + "1" + times(")", kMany), nest},
      {"lists", "x = " + times("[", kMany) + times("]", kMany), nest},
      {"dicts", "x = " + times("{1:", kMany) + "1" + times("}", kMany), nest},
      {"calls", "x = " + times("len(", kMany) + times(")", kMany), nest},
      {"indices", "x = " + times("x[", kMany) + "0" + times("]", kMany), nest},
      {"minus", "x = " + times("- ", kMany) + "1", nest},
      {"not", "x = " + times("not ", kMany) + "1", nest},
      {"tilde", "x = " + times("~", kMany) + "1", nest},
      {"lambda", "x = " + times("lambda: ", kMany) + "1", nest},
      {"if else", "x = " + times("1 if 1 else ", kMany) + "1", nest},
      {"if in the middle", "x = " + times("1 if ", kMany) + "1", {kNest, Code::unexpected}},
      {"comprehensions", "x = " + times("[y for y in ", kMany) + "[]" + times("]", kMany), nest},
      {"clauses", "x = [1 " + times("for y in [1] ", kMany) + "]", nest},
      {"conditions", "x = [1 for y in [1] " + times("if 1 ", kMany) + "]", nest},
      {"defs", nested_blocks("def f():", 2000), nest},
      {"ifs", nested_blocks("if 1:", 2000), nest},
      {"ifs, top level", nested_blocks("if 1:", 2000), nest},
      {"targets", times("(", kMany) + "x" + times(")", kMany) + " = 1", nest},
      {"loop variables", "x = [1 for " + times("(", kMany) + "y" + times(")", kMany) + " in []]", nest},
      {"only opening", times("([{", kMany), nest},
      {"only closing", times(")]}", kMany), {Code::unexpected}},
      {"attributes", "x = 1\ny = x" + times(".a", kMany), nest},
      {"indexing", "x = [1]\ny = x" + times("[0]", kMany), nest},
      {"calling", "x = len" + times("()", kMany), nest},
      {"chains in chains", chains, nest},
      {"sum", "x = 1" + times(" + 1", kMany), {}},
      {"and", "x = 1" + times(" and 1", kMany / 5), {}},
      {"or", "x = 0" + times(" or 0", kMany / 5), {}},
      {"and or", "x = 1" + times(" and 0 or 1", kMany), {Code::too_large}},
      {"texts", "x = ''" + times(" + 'ab'", 60'000) + times(" + '" + times("y", 30) + "'", 60'000), {}},
      {"condition", "def f():\n  if 1" + times(" and 1", kMany / 5) + ":\n    return 1\nf()", {}},
      {"elif", "def f(x):\n  if x: return 1\n" + times("  elif x: return 2\n", 3'000) + "f(0)", {}},
      {"statements", times("x()\n", 0) + "def f():\n" + times("  pass\n", kMany) + "f()", {}},
      {"semicolons", "def f(): " + times("pass;", kMany) + "pass\nf()", {}},
      {"long list", "x = [" + times("1,", kMany) + "]", {}},
      {"long dict, a key twice", "x = {" + times("1:1,", kMany) + "}", {Code::key}},
      {"wide call", wide_call, {Code::too_large}},
      {"wide tuple", "(" + times("x,", kMany) + ") = 1", {Code::redefined, Code::too_large, Code::target}},
      {"parameters", "def f(" + times("x,", kMany) + "): pass", {Code::arguments}},
      {"newlines", times("\n", kMany * 10), {}},
      {"backslashes", times("\\\n", kMany), {}},
      {"comments", times("#\n", kMany), {}},
      {"quotes", times("'", kMany * 3), {Code::unexpected}},
      {"NUL", std::string("x = 1\0", 6), {Code::character}},
  };
}

std::vector<Row> large() {
  const std::string self = "x = []\nx.append(x)\ny = []\ny.append(y)\nd = {}\nd[1] = d\n";
  const std::string shared = "x = []\nfor _ in range(60):\n  x = [x, x]\ny = []\nfor _ in range(60):\n  y = [y, y]\n";
  const std::string structs = "s = struct(a = 1)\nfor _ in range(60):\n  s = struct(a = s, b = s)\n";
  const std::set<Code> big{Code::overflow}, full{Code::memory, Code::overflow}, steps{Code::steps};
  const std::string mega = "m = 'x' * 1000000\n";
  return {
      {"10 MB name", times("a", 10'000'000) + " = 1", {}},
      {"10 MB text", "x = '" + times("a", 10'000'000) + "'", {}},
      {"10 MB of escapes", "x = '" + times("\\n", 5'000'000) + "'", {}},
      {"10 MB number", "x = " + times("9", 10'000'000), {Code::literal, Code::overflow, Code::too_large, Code::core_invalid}},
      {"10 MB hex number", "x = 0x" + times("f", 10'000'000), {Code::literal, Code::overflow, Code::too_large, Code::core_invalid}},
      {"10 MB fraction", "x = 0." + times("1", 10'000'000), {}},
      {"10 MB indentation", std::string(10'000'000, ' ') + "x = 1", {Code::unexpected, Code::indentation}},
      {"range", "x = list(range(1 << 62))", {Code::memory, Code::overflow, Code::steps}},
      {"range, iterated", "x = [y for y in range(1 << 62) if y < 0]", steps},
      {"range, sum of two", "x = sorted(range(1 << 40))", full},
      {"range too long", "x = range(-(1 << 63), (1 << 63) - 1)", big},
      {"text * n", "x = 'x' * (1000000 * 1000000)", big},
      {"text * n within the limit", "x = 'x' * 1000000000", full},
      {"bytes * n", "x = b'x' * (1 << 61)", big},
      {"list * n", "x = [0] * (1 << 28)", full},
      {"list * huge", "x = [0] * (1 << 70)", big},
      {"tuple * n", "x = (0,) * (1 << 28)", full},
      {"empty * huge", "x = '' * (1 << 70)", big},
      {"shift", "x = 1 << (10 * 1000 * 1000 * 1000)", big},
      {"shift again", "x = 1\nfor _ in range(1000000):\n  x = x << 500", full},
      {"power", "x = 10\nfor _ in range(100):\n  x = x * x", {Code::overflow, Code::memory, Code::steps}},
      {"int of text", "x = int('9' * 50000000)", {Code::overflow, Code::memory, Code::value}},
      {"% width", "x = '%1000000000d' % 1", {Code::value}},
      {"% text", "x = '%s' * 1000000 % tuple(['x' * 1000000] * 1000000)", full},
      {"format width", "x = '{:1000000000}'.format(1)", {Code::value}},
      {"format text", mega + "x = ('{0}' * 100).format(m)", full},
      {"join", mega + "x = m.join(['a'] * 1000)", full},
      {"replace", mega + "x = m.replace('x', m)", full},
      {"replace nothing", mega + "x = m.replace('', m)", full},
      {"repr", "x = repr('\\x00' * 30000000)", full},
      {"upper", "x = ('a' * 40000000).upper()", {Code::memory}},
      {"doubling text", "x = 'x'\nfor _ in range(100):\n  x = x + x", full},
      {"growing text", mega + "x = ''\nfor _ in range(100000):\n  x += m", full},
      {"doubling list", "x = [1]\nfor _ in range(100):\n  x += x", full},
      {"growing dict", "x = {}\nfor i in range(1 << 40):\n  x[i] = i", {Code::memory, Code::steps}},
      {"growing set", "x = set()\nfor i in range(1 << 40):\n  x.add((i, i))", {Code::memory, Code::steps}},
      {"growing tuples", "x = ()\nfor i in range(1 << 40):\n  x = (x, i, i, i)", {Code::memory, Code::steps}},
      {"zip", "x = zip(*([range(100000)] * 1000))", {Code::memory, Code::steps}},
      {"enumerate", "x = enumerate(range(1 << 40))", full},
      {"dict of range", "x = dict([(i, i) for i in range(1 << 40)])", {Code::memory, Code::steps}},
      {"split", "x = ('a ' * 4000000).split()", full},
      {"splitlines", "x = ('\\n' * 8000000).splitlines()", full},
      {"elems", "x = list(('x' * 20000000).elems())", full},
      {"self: print", self + "print(x, d)\nrepr(x)\nstr(d)", {}},
      {"self: ==", self + "x == y", {Code::depth}},
      {"self: !=", self + "e = {}\ne[1] = e\nd != e", {Code::depth}},
      {"self: <", self + "x < y", {Code::depth}},
      {"self: sorted", self + "sorted([x, y])", {Code::depth}},
      {"self: max", self + "max(x, y)", {Code::depth}},
      {"self: in", self + "x in [y]", {Code::depth}},
      {"self: index", self + "[y].index(x)", {Code::depth}},
      {"self: remove", self + "[y].remove(x)", {Code::depth}},
      {"self: json", self + "json.encode(x)", {Code::value}},
      {"self: json of dict", "d = {}\nd['a'] = d\njson.encode(d)", {Code::value}},
      {"self: key", self + "{(1, x): 1}", {Code::unhashable}},
      {"self: extend", self + "x.extend(x)\nx += x", {}},
      {"shared: ==", shared + "x == y", {Code::depth}},
      {"shared: json", shared + "json.encode(x)", {Code::memory}},
      {"shared: repr", shared + "repr(x)", {Code::memory}},
      {"shared: key", structs + "{s: 1}", {}},
      {"shared: struct ==", structs + "t = struct(a = 1)\nfor _ in range(60):\n  t = struct(a = t, b = t)\nt == s", {Code::depth}},
      {"deep value: repr", "x = []\nfor _ in range(100000):\n  x = [x]\nrepr(x)", {}},
      {"deep value: ==", "x = []\ny = []\nfor _ in range(100000):\n  x = [x]\n  y = [y]\nx == y", {Code::depth}},
      {"deep value: json", "x = []\nfor _ in range(100000):\n  x = [x]\njson.encode(x)", {Code::value}},
      {"deep value: key", "x = ()\nfor _ in range(100000):\n  x = (x,)\n{x: 1}", {Code::unhashable}},
      {"deep value: frozen", "x = []\nfor _ in range(100000):\n  x = [x]", {}},
      {"json: deep", "json.decode('[' * 1000000)", {Code::value}},
      {"json: deep objects", "json.decode('{\"a\":' * 1000000)", {Code::value}},
      {"json: many", "json.decode('[' + '[],' * 3000000 + '1]')", full},
      {"json: long number", "json.decode('1' * 1000000 * 50)", full},
      {"json: indent", "json.indent('[' + '1,' * 100000 + '1]', indent = 'x' * 100000)", {Code::memory}},
      {"json: prefix", "json.encode_indent([1] * 100000, prefix = 'x' * 100000)", {Code::memory}},
      {"json: range", "json.encode(range(1 << 60))", {Code::memory}},
      {"json: texts", mega + "json.encode([m] * 1000000)", full},
      {"a loop", "while True:\n  pass", steps},
      {"calls", "def f(): pass\nwhile True:\n  f()", steps},
      {"recursion", "def f(n):\n  return f(n + 1)\nf(0)", {Code::depth}},
      {"recursion of keys", "def f(n):\n  return sorted([n], key = f)\nf(0)", {Code::depth}},
      {"recursion with arguments", "def f(*a, **k):\n  return f(*a, **k)\nf(*range(1000))", {Code::depth, Code::memory}},
      {"sort without end", "x = sorted(range(100000), key = lambda y: [y] * 100)", {Code::memory}},
      {"big keys", mega + "d = {}\nfor i in range(1000):\n  d[m + str(i)] = 1", full},
      {"unpack", "a, b = range(1 << 62)", {Code::unpack}},
      {"star", "def f(*a): pass\nf(*range(1 << 62))", {Code::memory, Code::steps}},
  };
}

}  // namespace

TEST_CASE("deep nesting in source ends in an error") {
  for (const Row& row : deep()) {
    CAPTURE(row.name);
    Ended got = ends(row.source, {.top_level_control = row.name == "ifs, top level"});
    CAPTURE(got.text.substr(0, 200));
    if (row.name == "ifs") {
      CHECK(got.code.has_value());
    } else if (row.codes.empty()) {
      CHECK_FALSE(got.code.has_value());
    } else {
      REQUIRE(got.code.has_value());
      CHECK(row.codes.contains(*got.code));
    }
  }
}

TEST_CASE("what is too large ends in an error, within the budgets") {
  Options options{.while_loops = true, .recursion = true, .top_level_control = true, .global_reassign = true};
  for (const Row& row : large()) {
    CAPTURE(row.name);
    Ended got = ends(row.source, options);
    CAPTURE(got.text.substr(0, 200));
    CHECK(got.used <= kBudget + (4 << 20));
    if (row.codes.empty()) {
      CHECK_FALSE(got.code.has_value());
    } else {
      REQUIRE(got.code.has_value());
      CHECK(row.codes.contains(*got.code));
    }
  }
}

// One call of each on n elements costs steps in proportion.
TEST_CASE("what takes time in proportion to a size is charged for it") {
  struct Cost {
    std::string make, work;
  };
  const Cost kCosts[] = {
      {"list(range(n))", "x.insert(0, 1)"}, {"list(range(n))", "x.pop(0)"},
      {"list(range(n))", "x.remove(n - 1)"}, {"list(range(n))", "x.index(n - 1)"},
      {"list(range(n))", "(n - 1) in x"}, {"list(range(n))", "x == list(x)"},
      {"list(range(n))", "x < list(x)"}, {"list(range(n))", "x[::2]"},
      {"list(range(n))", "sorted(x)"}, {"list(range(n))", "x + x"},
      {"list(range(n))", "reversed(x)"}, {"list(range(n))", "max(x)"}, {"list(range(n))", "all(x[1:])"},
      {"list(range(n))", "json.encode(x)"}, {"list(range(n))", "repr(x)"},
      {"list(range(n))", "sorted([x, list(x)])"}, {"list(range(n))", "min(x, list(x))"},
      {"tuple(range(n))", "x == tuple(list(x))"}, {"tuple(range(n))", "(n - 1) in x"},
      {"dict([(i, i) for i in range(n)])", "x == dict(x)"},
      {"dict([(i, i) for i in range(n)])", "x | x"}, {"dict([(i, i) for i in range(n)])", "x.items()"},
      {"dict([(i, i) for i in range(n)])", "x.clear()"},
      {"set(range(n))", "x & x"}, {"set(range(n))", "x | x"}, {"set(range(n))", "x == set(x)"},
      {"set(range(n))", "x <= x"}, {"set(range(n))", "x.union(x)"},
      {"'a' * n", "'b' in x"}, {"'a' * n", "x.find('b')"}, {"'a' * n", "x.count('b')"},
      {"'a' * n", "x.split(',')"}, {"'a' * n", "x.replace('b', 'c')"}, {"'a' * n", "x.upper()"},
      {"'a' * n", "x.isalpha()"}, {"'a' * n", "x.islower()"}, {"'a' * n", "x.istitle()"},
      {"'a' * n", "x.splitlines()"}, {"'a' * n", "x.partition(',')"}, {"' ' * n", "x.strip()"},
      {"'a' * n", "hash(x)"}, {"'a' * n", "repr(x)"}, {"'a' * n", "x == ('a' * n)"},
      {"b'a' * n", "b'b' in x"}, {"int('9' * n)", "x * x % 7"},
  };
  for (const Cost& cost : kCosts) {
    CAPTURE(cost.make);
    CAPTURE(cost.work);
    std::uint64_t used[2];
    for (int large : {0, 1}) {
      Heap heap;
      Environment env;
      Predeclared names;
      names.set("json", json_module(heap));
      std::string source = "n = " + std::to_string(large ? 100'000 : 100) + "\nx = " + cost.make +
                           "\ndef make():\n  return " + cost.make + "\ndef both():\n  x = make()\n  return " + cost.work + "\n";
      auto program = Program::from_source("c.star", source, {}, names.as_names());
      REQUIRE(program.has_value());
      auto module = run_module(heap, env, *program, names);
      REQUIRE(module.has_value());
      std::uint64_t steps[2];
      for (int i : {0, 1}) {
        Fiber fiber(heap, env);
        fiber.start((*module)->global(i == 0 ? "make" : "both"));
        REQUIRE(fiber.resume() == Fiber::State::done);
        steps[i] = fiber.steps();
      }
      used[large] = steps[1] - steps[0];
    }
    CHECK(used[1] > used[0] + 1000);
  }
}

TEST_CASE("hostile symbolic code is refused, or runs") {
  auto wrap = [](const std::string& code) {
    core::Module m;
    m.file = "p.star";
    m.functions.emplace_back();
    m.functions[0].name = "<toplevel>";
    auto read = core::read_code(code, {}, m.functions[0]);
    if (!read) return std::string(code_name(read.error().code));
    auto program = Program::create(std::move(m), {});
    if (!program) return std::string(code_name(program.error().front().code));
    return std::string("runs");
  };
  std::string nest, unnest;
  for (int i = 0; i < 5000; ++i) {
    nest += "1:1 iter \"\" -> %" + std::to_string(i) + "\n";
    unnest = "1:1 end %" + std::to_string(i) + "\n" + unnest;
  }
  struct Text {
    std::string name, code, ends;
  };
  const Text kTexts[] = {
      {"nothing", "", "core.invalid"},
      {"a long line", "1:1 list " + times("1 ", 1'000'000) + "-> %0\n1:1 return %0\n", "core.invalid"},
      {"many temporaries", "1:1 let 1 -> %59000\n1:1 return %59000\n", "runs"},
      {"too many temporaries", "1:1 let 1 -> %999999\n1:1 return None\n", "core.invalid"},
      {"deep iterations", nest + unnest + "1:1 return None\n", "core.invalid"},
      {"many labels", times("L1:\n", 1), "core.invalid"},
      {"many jumps", [] {
         std::string out;
         for (int i = 1; i <= 20'000; ++i) out += "1:1 jumpif 1 L" + std::to_string(i) + "\nL" + std::to_string(i) + ":\n";
         return out + "1:1 return None\n";
       }(), "runs"},
      {"backward jumps", [] {
         std::string out;
         for (int i = 1; i <= 20'000; ++i) out += "L" + std::to_string(i) + ":\n1:1 let 1 -> %0\n1:1 jumpif %0 L" + std::to_string(i) + "\n";
         return out + "1:1 return None\n";
       }(), "runs"},
      {"a jump nowhere", "1:1 jump L7\n", "core.text"},
      {"label 0", "1:1 jump L0\n", "core.text"},
      {"a label out of order", "L2:\n1:1 return None\n", "core.text"},
      {"a line too large", "99999999999:1 return None\n", "core.text"},
      {"a huge int", "1:1 return " + times("9", 100'000) + "\n", "runs"},
      {"a 2 MB int", "1:1 return " + times("9", 2'000'000) + "\n", "core.invalid"},
      {"an unclosed text", "1:1 return \"abc\n", "core.text"},
      {"an unknown escape", "1:1 return \"\\q\"\n", "core.text"},
      {"a name that is none", "1:1 attr 1 .a-b -> %0\n1:1 return %0\n", "core.text"},
      {"unknown names", "1:1 return nope\n", "core.invalid"},
      {"attributes without end", times("1:1 attr 1 .a -> %0\n", 100'000) + "1:1 return %0\n", "runs"},
      {"no place", "return None\n", "core.text"},
      {"not UTF-8", "1:1 return \"\xff\"\n", "runs"},
      {"binary", std::string("\0\1\2\3", 4), "core.text"},
  };
  for (const Text& text : kTexts) {
    CAPTURE(text.name);
    CHECK(wrap(text.code) == text.ends);
  }
}
