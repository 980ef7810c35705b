// SPDX-License-Identifier: Apache-2.0
//
// One line for a test.
#include <map>
#include <utility>
#include <vector>

#include "runner/report/human.h"
#include "runner/report/words.h"

namespace fbx::report {

namespace {

struct Sum {
  std::string brief;
  uint64_t fired = 0;
  bool optional = true;
  std::map<std::string, uint64_t> by;
};

// Rules that say the same thing about the same service are one number.
std::vector<Sum> sums_of(const std::vector<Fires>& all) {
  std::vector<Sum> sums;
  for (const Fires& fires : all) {
    Sum* sum = nullptr;
    for (Sum& known : sums)
      if (known.brief == fires.brief) sum = &known;
    if (sum == nullptr) {
      sums.push_back({fires.brief});
      sum = &sums.back();
    }
    sum->fired += fires.fired;
    sum->optional = sum->optional && fires.optional;
    for (const auto& [what, n] : fires.by) sum->by[what] += n;
  }
  return sums;
}

std::string fires_text(const TestOutcome& outcome) {
  std::string text;
  for (const Sum& sum : sums_of(outcome.fires)) {
    text += (text.empty() ? "" : ", ") + sum.brief + " " + std::to_string(sum.fired);
    if (sum.by.size() == 1) text += " " + sum.by.begin()->first;
    if (sum.fired == 0 && sum.optional) text += " optional";
  }
  return text.empty() ? "" : "  (fired: " + printable(text) + ")";
}

std::string remark(const TestOutcome& outcome) {
  switch (outcome.verdict) {
    case Verdict::kPass: return outcome.asserted == 0 ? "  pass, nothing asserted" : "";
    case Verdict::kKnown: return "  (known: " + printable(outcome.known_reason) + ")";
    case Verdict::kNotApplicable:
      return outcome.reasons.empty() ? "" : "  " + printable(outcome.reasons.front().text);
    case Verdict::kError:
    case Verdict::kFail:
    case Verdict::kInconclusive: return "";
  }
  return "";
}

}  // namespace

std::string test_line(const TestOutcome& outcome, bool colour) {
  const std::string word = verdict_word(outcome.verdict, false);
  const std::string gap = columns(word) < 5 ? std::string(5 - columns(word), ' ') : " ";
  std::string line = verdict_word(outcome.verdict, colour) + gap + outcome.name + "  " +
                     paint(duration_text(outcome.duration_ns), Colour::kDim, colour);
  line += remark(outcome);
  if (outcome.verdict != Verdict::kNotApplicable) line += fires_text(outcome);
  return line + "\n";
}

}  // namespace fbx::report
