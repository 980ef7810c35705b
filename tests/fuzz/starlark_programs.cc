// SPDX-License-Identifier: Apache-2.0
//
// Runs random programs and holds them against each other:
//   starlark_programs [--count N] [--first SEED] [--print SEED]
// For every seed: the program compiles; two runs print the same and end alike; so does a run of its
// symbolic code written as text and read back, and the text survives that unchanged; with a small
// step or memory budget it ends in that budget's error or as before. Exit 1 names the seed.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "spec/starlark/builtins.h"
#include "spec/starlark/core_text.h"
#include "spec/starlark/values.h"
#include "spec/starlark/vm.h"
#include "tests/fuzz/program_generator.h"

using namespace starlark;

namespace {

constexpr std::size_t kBudget = 256 << 20;
constexpr std::uint64_t kSteps = 20'000'000;

struct Outcome {
  std::string printed;
  std::string error;  // with its traceback
  std::optional<Code> code;
  bool operator==(const Outcome&) const = default;
};

Outcome play(const std::shared_ptr<const Program>& program, std::uint64_t steps, std::size_t memory,
             std::string& broken) {
  Outcome out;
  Heap heap(memory);
  Environment env;
  env.limits.steps = steps;
  env.print = [&](Fiber&, std::string_view line) {
    out.printed += line;
    out.printed += '\n';
  };
  Predeclared names;
  auto module = run_module(heap, env, program, names);
  if (!module) {
    out.error = module.error().traceback();
    out.code = module.error().code;
  } else {
    for (auto& [name, value] : (*module)->globals()) {
      out.printed += std::string(name) + " = " + repr(value) + "\n";
      if (!is_frozen(value)) broken = "global " + std::string(name) + " is not frozen";
    }
  }
  if (heap.used() > memory + (1 << 20)) broken = "the memory budget does not hold";
  return out;
}

// The module with the code of every function written and read back.
std::optional<core::Module> through_text(const core::Module& from, std::string& broken) {
  core::Module to = from;
  std::vector<std::string> globals = from.globals;
  std::sort(globals.begin(), globals.end());
  for (std::size_t i = 0; i < from.functions.size(); ++i) {
    core::Function& f = to.functions[i];
    f.names.clear();
    f.constants.clear();
    f.code.clear();
    f.operands.clear();
    f.labels.clear();
    std::string text = core::write_code(from.functions[i]);
    if (auto read = core::read_code(text, globals, f); !read) {
      broken = "code of " + f.key + " cannot be read: " + read.error().text() + "\n" + text;
      return std::nullopt;
    }
    if (core::write_code(f) != text) {
      broken = "code of " + f.key + " is not the same when written again\n" + text;
      return std::nullopt;
    }
  }
  return to;
}

// Nothing, or what is wrong.
std::string check(std::uint64_t seed) {
  std::string source = fuzz::random_program(seed), broken;
  if (source != fuzz::random_program(seed)) return "the generator is not deterministic";
  auto program = Program::from_source("random.star", source, {}, {});
  if (!program) return "does not compile: " + program.error()[0].text();
  Outcome first = play(*program, kSteps, kBudget, broken);
  Outcome second = play(*program, kSteps, kBudget, broken);
  if (!(first == second)) return "two runs differ: " + first.error + " / " + second.error;
  auto module = through_text((*program)->core(), broken);
  if (!module) return broken;
  auto again = Program::create(std::move(*module), {});
  if (!again) return "code read back is refused: " + again.error()[0].text();
  Outcome third = play(*again, kSteps, kBudget, broken);
  if (!(first == third)) return "code read back runs otherwise: " + first.error + " / " + third.error;
  Outcome hurried = play(*program, seed % 500, kBudget, broken);
  if (hurried.code != Code::steps && !(hurried == first)) return "a small step budget changes the result: " + hurried.error;
  Outcome poor = play(*program, kSteps, (seed % 64) << 10, broken);
  if (poor.code != Code::memory && poor.code != Code::overflow && !(poor == first)) {
    return "a small memory budget changes the result: " + poor.error;
  }
  return broken;
}

}  // namespace

int main(int argc, char** argv) {
  std::uint64_t count = 2000, first = 1;
  for (int i = 1; i + 1 < argc; i += 2) {
    std::uint64_t n = std::strtoull(argv[i + 1], nullptr, 10);
    if (std::strcmp(argv[i], "--count") == 0) count = n;
    if (std::strcmp(argv[i], "--first") == 0) first = n;
    if (std::strcmp(argv[i], "--print") == 0) return std::puts(fuzz::random_program(n).c_str()), 0;
  }
  auto began = std::chrono::steady_clock::now();
  std::uint64_t wrong = 0;
  for (std::uint64_t seed = first; seed < first + count; ++seed) {
    std::string broken = check(seed);
    if (broken.empty()) continue;
    std::printf("seed %llu: %s\n", static_cast<unsigned long long>(seed), broken.c_str());
    if (++wrong == 10) break;
  }
  std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
  std::printf("%llu programs, %llu wrong, %.1f s\n", static_cast<unsigned long long>(count),
              static_cast<unsigned long long>(wrong), took.count());
  return wrong > 0 ? 1 : 0;
}
