// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>

#include "runner/report/human.h"
#include "runner/report/words.h"

namespace fbx::report {

namespace {

struct Counts {
  std::array<uint64_t, 6> of = {};
  uint64_t tests = 0, nothing_asserted = 0;
  int64_t duration_ns = 0;
  std::vector<uint64_t> seeds;
};

Counts count(const std::vector<RunOutcome>& runs) {
  Counts counts;
  for (const RunOutcome& run : runs) {
    counts.duration_ns += run.duration_ns;
    if (std::find(counts.seeds.begin(), counts.seeds.end(), run.seed) == counts.seeds.end())
      counts.seeds.push_back(run.seed);
    for (const TestOutcome& test : run.tests) {
      if (test.hidden && test.verdict == Verdict::kPass) continue;
      ++counts.tests;
      ++counts.of[static_cast<size_t>(test.verdict)];
      if (test.verdict == Verdict::kPass && test.asserted == 0) ++counts.nothing_asserted;
    }
  }
  return counts;
}

struct Word {
  Verdict verdict;
  const char* word;
  Colour colour;
};
constexpr Word kWords[] = {
    {Verdict::kPass, "passed", Colour::kGreen},
    {Verdict::kFail, "failed", Colour::kRed},
    {Verdict::kError, "in error", Colour::kRed},
    {Verdict::kInconclusive, "inconclusive", Colour::kYellow},
    {Verdict::kNotApplicable, "n/a", Colour::kDim},
    {Verdict::kKnown, "known to fail", Colour::kDim},
};

}  // namespace

std::string summary_line(const std::vector<RunOutcome>& runs, bool colour) {
  const Counts counts = count(runs);
  std::string parts;
  for (const Word& word : kWords) {
    const uint64_t n = counts.of[static_cast<size_t>(word.verdict)];
    if (n == 0) continue;
    std::string part = std::to_string(n) + " " + word.word;
    if (word.verdict == Verdict::kPass && counts.nothing_asserted != 0)
      part += " (" + std::to_string(counts.nothing_asserted) + " asserted nothing)";
    parts += (parts.empty() ? "" : ", ") + paint(part, word.colour, colour);
  }
  std::string line = plural(counts.tests, "test") + (parts.empty() ? "" : ": " + parts);
  for (const uint64_t seed : counts.seeds) line += " · seed " + std::to_string(seed);
  return line + " · " + duration_text(counts.duration_ns) + "\n";
}

}  // namespace fbx::report
