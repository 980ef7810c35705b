// SPDX-License-Identifier: Apache-2.0
//
// Damaged plans: bits, bytes, lines and keys of valid ones are flipped, dropped, doubled and
// exchanged. Each is refused with a message at a line that is there, or it is a plan: it is written
// and read back the same, and its tests run within their budgets against a runner that answers
// everything. Never a crash, a hang, or memory beyond the budget.
//
//   plan_mutation_test [COUNT [FIRST-SEED [show]]]     prints what became of them, or the plans
#include <sys/resource.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "spec/model/load.h"
#include "spec/model/session.h"
#include "spec/plan/write.h"

namespace {

using namespace fbx;

constexpr const char* kSeeds[] = {"tests/plans/order.toml", "tests/plans/values.toml"};
constexpr time_t kLongest = 20;  // seconds of processor time for one damaged plan
constexpr long kMostMemoryKiB = 1L << 20;
constexpr int kMostEffects = 200;
constexpr model::SessionOptions kBudget{.seed = 1,
                                        .step_budget = 200'000,
                                        .memory_budget_bytes = 32ull << 20};

uint64_t current_seed = 0;

void too_long(int) {
  char text[64];
  const int length = std::snprintf(text, sizeof text, "seed %llu hangs\n",
                                   static_cast<unsigned long long>(current_seed));
  (void)!write(STDERR_FILENO, text, static_cast<size_t>(length));
  _exit(1);
}

[[noreturn]] void wrong(const std::string& what, const std::string& plan) {
  std::fprintf(stderr, "seed %llu: %s\n%s\n", static_cast<unsigned long long>(current_seed),
               what.c_str(), plan.c_str());
  std::exit(1);
}

// splitmix64: the same on every machine.
class Draw {
 public:
  explicit Draw(uint64_t seed) : state_(seed * 0x9e3779b97f4a7c15ull + 1) {}
  uint64_t next() {
    uint64_t z = (state_ += 0x9e3779b97f4a7c15ull);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
  }
  size_t below(size_t n) { return n == 0 ? 0 : next() % n; }

 private:
  uint64_t state_;
};

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> out;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) out.push_back(line + "\n");
  return out;
}

std::string joined(const std::vector<std::string>& lines) {
  std::string out;
  for (const std::string& line : lines) out += line;
  return out;
}

// ---- what is done to a plan

void damage_bytes(std::string& text, Draw& draw) {
  const size_t at = draw.below(text.size());
  const size_t length = std::min(text.size() - at, 1 + draw.below(8));
  switch (draw.below(5)) {
    case 0: text[at] = static_cast<char>(text[at] ^ (1 << draw.below(8))); break;
    case 1: text[at] = static_cast<char>(' ' + draw.below(95)); break;
    case 2: text.erase(at, length); break;
    case 3: text.insert(draw.below(text.size()), text.substr(at, length)); break;
    default: text[at] = static_cast<char>(draw.next()); break;
  }
}

void damage_lines(std::string& text, Draw& draw) {
  std::vector<std::string> lines = lines_of(text);
  if (lines.empty()) return;
  const size_t at = draw.below(lines.size()), other = draw.below(lines.size());
  const auto here = lines.begin() + static_cast<std::ptrdiff_t>(at);
  switch (draw.below(4)) {
    case 0: lines.erase(here); break;
    case 1: lines.insert(lines.begin() + static_cast<std::ptrdiff_t>(other), std::string(*here)); break;
    case 2: std::swap(lines[at], lines[other]); break;
    default: lines[at] = lines[other]; break;
  }
  text = joined(lines);
}

// Exchanges the values, or the keys, of two lines `key = value`.
void damage_keys(std::string& text, Draw& draw) {
  std::vector<std::string> lines = lines_of(text);
  std::vector<size_t> keys;
  for (size_t i = 0; i < lines.size(); ++i) {
    if (lines[i].find(" = ") != std::string::npos) keys.push_back(i);
  }
  if (keys.size() < 2) return;
  std::string& a = lines[keys[draw.below(keys.size())]];
  std::string& b = lines[keys[draw.below(keys.size())]];
  const std::string value_a = a.substr(a.find(" = ")), value_b = b.substr(b.find(" = "));
  if (draw.below(2) == 0) a = a.substr(0, a.find(" = ")) + value_b;
  else a = b.substr(0, b.find(" = ")) + value_a;
  text = joined(lines);
}

// Puts something that means something in place of a word.
void damage_words(std::string& text, Draw& draw) {
  static const char* const kWords[] = {
      "0", "-1", "9223372036854775807", "18446744073709551616", "1e308", "None", "True", "[]", "{}",
      "()", "call", "return", "jump", "iter", "next", "end", "unpack", "func", "L1", "L2", "%0",
      "%1", "%999999", "$None", "\"\"", "'x'", "b\"x\"", "at(\"x\")", "unassigned", "set([1])",
      "range(0, 9223372036854775807, 1)", "function(\"order\")", "method([], \"append\")",
      "builtin(\"sorted\")", "*rest", "**x", "a=1", "->", "mul", "shl", "add", "\\x00", "'''"};
  const auto is_word = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; };
  size_t at = draw.below(text.size());
  while (at < text.size() && !is_word(text[at])) ++at;
  size_t end = at;
  while (end < text.size() && is_word(text[end])) ++end;
  text.replace(at, end - at, kWords[draw.below(std::size(kWords))]);
}

std::string damaged(const std::string& plan, Draw& draw) {
  std::string out = plan;
  for (size_t times = 1 + draw.below(3); times > 0 && !out.empty(); --times) {
    switch (draw.below(4)) {
      case 0: damage_bytes(out, draw); break;
      case 1: damage_lines(out, draw); break;
      case 2: damage_keys(out, draw); break;
      default: damage_words(out, draw); break;
    }
  }
  return out;
}

// ---- what must hold

void check_refusal(const std::string& text, const Diagnostics& diagnostics) {
  if (!has_errors(diagnostics)) wrong("refused without a word", text);
  const auto lines = static_cast<uint32_t>(std::count(text.begin(), text.end(), '\n')) + 2;
  for (const Diagnostic& d : diagnostics) {
    if (d.message.empty() || d.code.name().empty()) wrong("refused with an empty message", text);
    if (d.place.line == 0 || d.place.line > lines) wrong("no such line: " + d.text(), text);
  }
}

void check_round_trip(const plan::Plan& plan, const std::string& text) {
  const std::string first = plan::write_plan(plan);
  Diagnostics diagnostics;
  const auto again = model::load_plan(first, "b.toml", diagnostics);
  if (!again) wrong("what was written is refused: " + diagnostics.front().text(), text + "\n====\n" + first);
  if (plan::write_plan(*again) != first) wrong("it is written in two ways", text);
}

model::Response answer(const model::Request& request) {
  model::StepResult good;
  good.status = 200;
  good.ok = true;
  good.body = "{\"a\": [1, 2]}";
  const bool step = std::holds_alternative<model::HttpStep>(request.effect) ||
                    std::holds_alternative<model::TcpSendStep>(request.effect) ||
                    std::holds_alternative<model::ExchangeStep>(request.effect);
  return step ? model::Response(good) : model::Response(model::Done{});
}

int play(const plan::Plan& plan, size_t test, const std::string& text) {
  auto session = model::Session::start(plan, test, kBudget);
  if (!session) wrong("what was loaded does not start: " + session.error().text(), text);
  for (int effects = 0;; ++effects) {
    const model::Turn turn = (*session)->next();
    if (std::holds_alternative<model::Finished>(turn)) return effects;
    if (effects > 2 * kMostEffects) wrong("a cancelled test goes on", text);
    if (effects == kMostEffects) (*session)->cancel("enough");
    else (*session)->resume(answer(std::get<model::Request>(turn)));
  }
}

struct Figures {
  uint64_t refused = 0, accepted = 0, tests = 0, effects = 0;
};

void try_one(const std::string& text, Figures& figures) {
  const itimerval limit{.it_interval = {}, .it_value = {.tv_sec = kLongest, .tv_usec = 0}};
  setitimer(ITIMER_PROF, &limit, nullptr);
  Diagnostics diagnostics;
  const auto plan = model::load_plan(text, "a.toml", diagnostics);
  if (!plan) {
    ++figures.refused;
    check_refusal(text, diagnostics);
    return;
  }
  ++figures.accepted;
  check_round_trip(*plan, text);
  for (size_t t = 0; t < plan->tests.size(); ++t) {
    ++figures.tests;
    figures.effects += static_cast<uint64_t>(play(*plan, t, text));
  }
}

std::string read_file(const char* path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  if (text.str().empty()) {
    std::fprintf(stderr, "%s: can't be read\n", path);
    std::exit(1);
  }
  return text.str();
}

}  // namespace

int main(int argc, char** argv) {
  const uint64_t count = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 3000;
  const uint64_t first = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 1;
  std::vector<std::string> seeds;
  for (const char* path : kSeeds) seeds.push_back(read_file(path));
  std::signal(SIGPROF, too_long);
  Figures figures;
  for (const std::string& seed : seeds) try_one(seed, figures);
  if (figures.accepted != seeds.size()) wrong("a plan is refused undamaged", "");
  for (uint64_t i = 0; i < count; ++i) {
    current_seed = first + i;
    Draw draw(current_seed);
    const std::string text = damaged(seeds[draw.below(seeds.size())], draw);
    if (argc > 3) std::puts(text.c_str());
    else try_one(text, figures);
  }
  rusage used{};
  getrusage(RUSAGE_SELF, &used);
  std::printf("%llu damaged plans: %llu refused, %llu accepted; %llu tests ran, with %llu effects; "
              "%ld MiB at most\n",
              static_cast<unsigned long long>(count),
              static_cast<unsigned long long>(figures.refused),
              static_cast<unsigned long long>(figures.accepted),
              static_cast<unsigned long long>(figures.tests),
              static_cast<unsigned long long>(figures.effects), used.ru_maxrss / 1024);
  if (used.ru_maxrss > kMostMemoryKiB) wrong("more memory than the budget", "");
  // All refused, or all accepted, would mean that nothing was tried.
  if (argc > 3) return 0;
  return figures.refused > count / 10 && figures.accepted > count / 50 ? 0 : 1;
}
