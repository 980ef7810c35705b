// SPDX-License-Identifier: Apache-2.0
//
// The table at the end of a matrix: each scenario's run without faults, then its cells.
#include <algorithm>

#include "runner/report/human.h"
#include "runner/report/words.h"

namespace fbx::report {

namespace {

constexpr const char* kBaseline = "no faults";

const TestOutcome* find(const RunOutcome& run, int matrix, const std::string& scenario,
                        const std::string& assumption) {
  const auto found = std::find_if(run.tests.begin(), run.tests.end(), [&](const TestOutcome& t) {
    return t.matrix == matrix && t.scenario == scenario && t.assumption == assumption;
  });
  return found == run.tests.end() ? nullptr : &*found;
}

std::string word_of(const TestOutcome* test) {
  if (test == nullptr) return "·";  // excluded, or not asked for
  if (test->verdict == Verdict::kPass && !test->hidden && !test->fires.empty() &&
      std::all_of(test->fires.begin(), test->fires.end(),
                  [](const Fires& f) { return f.fired == 0; }))
    return "not fired";
  return verdict_word(test->verdict, false);
}

Colour colour_of(const TestOutcome* test) {
  if (test == nullptr) return Colour::kDim;
  switch (test->verdict) {
    case Verdict::kError:
    case Verdict::kFail: return Colour::kRed;
    case Verdict::kInconclusive: return Colour::kYellow;
    case Verdict::kPass: return Colour::kGreen;
    case Verdict::kNotApplicable:
    case Verdict::kKnown: return Colour::kDim;
  }
  return Colour::kDim;
}

class Table {
 public:
  Table(const RunOutcome& run, const plan::Matrix& matrix, int index, bool colour)
      : run_(run), matrix_(matrix), index_(index), colour_(colour) {
    name_width_ = columns("matrix");
    for (const std::string& scenario : matrix.scenarios)
      name_width_ = std::max(name_width_, columns(scenario));
  }

  // "" when none of its cells ran.
  std::string text() const {
    std::string out = padded("matrix", name_width_) + "  " + head(kBaseline);
    for (const std::string& assumption : matrix_.assumptions) out += head(assumption);
    out = trimmed(out) + "\n";
    bool any = false;
    for (const std::string& scenario : matrix_.scenarios) {
      out += row(scenario);
      for (const std::string& assumption : matrix_.assumptions)
        any = any || find(run_, index_, scenario, assumption) != nullptr;
    }
    return any ? out : "";
  }

 private:
  static std::string trimmed(std::string line) {
    line.erase(line.find_last_not_of(' ') + 1);
    return line;
  }
  // Wide enough for the longest verdict.
  static size_t width_of(const std::string& title) {
    return std::max(columns(title), columns("INCONCLUSIVE"));
  }
  static std::string head(const std::string& title) { return padded(title, width_of(title) + 2); }

  std::string row(const std::string& scenario) const {
    std::string out = padded(scenario, name_width_) + "  " + cell(scenario, "");
    for (const std::string& assumption : matrix_.assumptions) out += cell(scenario, assumption);
    return trimmed(out) + "\n";
  }

  std::string cell(const std::string& scenario, const std::string& assumption) const {
    const TestOutcome* test = find(run_, index_, scenario, assumption);
    const std::string word = word_of(test);
    const size_t width = width_of(assumption.empty() ? kBaseline : assumption) + 2;
    return paint(word, colour_of(test), colour_) + std::string(width - columns(word), ' ');
  }

  const RunOutcome& run_;
  const plan::Matrix& matrix_;
  int index_;
  bool colour_;
  size_t name_width_;
};

}  // namespace

std::string matrix_tables(const RunOutcome& run, const plan::Plan& plan, bool colour) {
  std::string text;
  for (size_t i = 0; i < plan.matrices.size(); ++i) {
    const std::string table = Table(run, plan.matrices[i], static_cast<int>(i), colour).text();
    if (!table.empty()) text += "\n" + table;
  }
  return text;
}

}  // namespace fbx::report
