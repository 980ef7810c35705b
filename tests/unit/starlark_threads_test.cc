// SPDX-License-Identifier: Apache-2.0
//
// A frozen module is shared: several threads, each with a heap of its own, run its functions at the
// same time and see the same. Under ThreadSanitizer this finds what freezing forgot.
#include <doctest/doctest.h>

#include <string>
#include <thread>
#include <vector>

#include "spec/starlark/builtins.h"
#include "spec/starlark/values.h"
#include "spec/starlark/vm.h"

using namespace starlark;

namespace {

constexpr const char* kSource = R"(
TABLE = {"k%d" % i: (i, "v%d" % i, [i, {"x": i}]) for i in range(200)}
NUMBERS = [i * i for i in range(500)]
SEEN = set([("a", i) for i in range(50)])
BIG = 1 << 200
S = struct(a = 1, b = struct(c = (1, 2, "x")), f = lambda x: x + len(TABLE))
KEYS = {struct(n = i, t = (i, str(i))): i for i in range(50)}

def adder(n):
    return lambda x: x + n

ADDERS = [adder(i) for i in range(10)]

def work(seed):
    out = []
    for k in TABLE:
        if TABLE[k][0] % 7 == seed % 7:
            out.append(TABLE[k][1])
    total = 0
    for n in NUMBERS:
        total += n if n in NUMBERS[:3] else 1
    for pair in SEEN:
        total += pair[1]
    total += sum_of([f(1) for f in ADDERS])
    total += len([1 for k in KEYS if k in KEYS])
    text = ",".join(sorted(out, key = lambda s: s[::-1]))
    return (total, text, S.f(1), str(BIG + seed)[-3:], json.encode(TABLE["k1"]), repr(S), hash("k1"),
            "%s %r" % (S.b, TABLE["k2"]), TABLE == dict(TABLE), max(NUMBERS), S.b.c in {(1, 2, "x"): 1})

def sum_of(xs):
    n = 0
    for x in xs:
        n += x
    return n

def change():
    NUMBERS.append(1)
)";

}  // namespace

TEST_CASE("threads share a frozen module") {
  Heap home;
  Environment env;
  Predeclared names;
  names.set("struct", struct_builtin());
  names.set("json", json_module(home));
  auto program = Program::from_source("shared.star", kSource, {}, names.as_names());
  REQUIRE(program.has_value());
  auto module = run_module(home, env, *program, names);
  REQUIRE(module.has_value());
  const Value work = (*module)->global("work"), change = (*module)->global("change");

  constexpr int kThreads = 4, kRounds = 20;
  std::vector<std::vector<std::string>> seen(kThreads);
  std::vector<int> refused(kThreads, 0);
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int round = 0; round < kRounds; ++round) {
        Heap heap;
        Value args[] = {Value::small_int(round)};
        auto result = run(heap, env, work, args);
        seen[static_cast<std::size_t>(t)].push_back(result ? repr(*result) : result.error().traceback());
        auto changed = run(heap, env, change);
        if (!changed && changed.error().code == Code::frozen) ++refused[static_cast<std::size_t>(t)];
      }
    });
  }
  for (std::thread& t : threads) t.join();
  for (int t = 0; t < kThreads; ++t) {
    CHECK(seen[static_cast<std::size_t>(t)] == seen[0]);
    CHECK(refused[static_cast<std::size_t>(t)] == kRounds);
  }
  CHECK(seen[0][0].starts_with("("));
  CHECK(seen[0][0] != seen[0][1]);
}

TEST_CASE("threads load the same program into heaps of their own") {
  auto program = Program::from_source("shared.star", kSource, {}, {[](std::string_view n) { return n == "struct" || n == "json"; }, nullptr});
  REQUIRE(program.has_value());
  std::vector<std::string> seen(4);
  std::vector<std::thread> threads;
  for (std::string& out : seen) {
    threads.emplace_back([&out, &program] {
      Heap heap;
      Environment env;
      Predeclared names;
      names.set("struct", struct_builtin());
      names.set("json", json_module(heap));
      auto module = run_module(heap, env, *program, names);
      Value args[] = {Value::small_int(3)};
      auto result = run(heap, env, (*module)->global("work"), args);
      out = result ? repr(*result) : result.error().traceback();
    });
  }
  for (std::thread& t : threads) t.join();
  for (const std::string& out : seen) CHECK(out == seen[0]);
  CHECK(seen[0].starts_with("("));
}
