// SPDX-License-Identifier: Apache-2.0
#include "runner/cli/select.h"

#include <re2/re2.h>

namespace fbx::cli {

namespace {

bool glob_matches(std::string_view glob, std::string_view text) {
  size_t g = 0, t = 0, star = std::string_view::npos, resume = 0;
  while (t < text.size()) {
    if (g < glob.size() && (glob[g] == '?' || (glob[g] == text[t] && glob[g] != '*'))) {
      ++g, ++t;
    } else if (g < glob.size() && glob[g] == '*') {
      star = g++;
      resume = t;
    } else if (star != std::string_view::npos) {
      g = star + 1;
      t = ++resume;
    } else {
      return false;
    }
  }
  while (g < glob.size() && glob[g] == '*') ++g;
  return g == glob.size();
}

bool matches(const plan::Test& test, const std::string& pattern) {
  if (test.name == pattern || test.name == "test_" + pattern) return true;
  if (test.matrix >= 0 && (pattern == "matrix_" + test.scenario ||
                           pattern == "test_matrix_" + test.scenario)) {
    return true;
  }
  if (pattern.find_first_of("*?") == std::string::npos) return false;
  return glob_matches(pattern, test.name) || glob_matches("test_" + pattern, test.name);
}

}  // namespace

Result<std::vector<size_t>> select_tests(const plan::Plan& plan,
                                         const std::vector<std::string>& patterns,
                                         std::vector<bool>& matched) {
  matched.resize(patterns.size());
  std::vector<bool> wanted(plan.tests.size(), patterns.empty());
  for (size_t p = 0; p < patterns.size(); ++p) {
    const bool regex = patterns[p].starts_with('~');
    const re2::RE2 compiled(regex ? patterns[p].substr(1) : "", re2::RE2::Quiet);
    if (!compiled.ok()) return fail("--test " + patterns[p] + ": " + compiled.error());
    for (size_t t = 0; t < plan.tests.size(); ++t) {
      const plan::Test& test = plan.tests[t];
      const bool hit =
          regex ? re2::RE2::PartialMatch(test.name, compiled) : matches(test, patterns[p]);
      if (!hit) continue;
      wanted[t] = true;
      matched[p] = true;
    }
  }
  std::vector<size_t> out;
  for (size_t t = 0; t < wanted.size(); ++t) {
    if (wanted[t]) out.push_back(t);
  }
  return out;
}

}  // namespace fbx::cli
