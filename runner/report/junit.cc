// SPDX-License-Identifier: Apache-2.0
#include "runner/report/junit.h"

#include <cstdio>

#include "runner/report/human.h"

namespace fbx::report {

namespace {

// Bytes of the UTF-8 sequence at `at`; 0 = it is none.
size_t sequence_length(const std::string& text, size_t at) {
  const auto first = static_cast<unsigned char>(text[at]);
  const size_t length = first < 0x80             ? 1
                        : (first & 0xe0) == 0xc0 ? 2
                        : (first & 0xf0) == 0xe0 ? 3
                        : (first & 0xf8) == 0xf0 ? 4
                                                 : 0;
  if (length == 0 || at + length > text.size()) return 0;
  for (size_t i = 1; i < length; ++i)
    if ((static_cast<unsigned char>(text[at + i]) & 0xc0) != 0x80) return 0;
  return length;
}

std::string escaped(const std::string& text) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const size_t length = sequence_length(text, at);
    const char c = text[at];
    if (length > 1) {
      out.append(text, at, length);
    } else if (length == 0 || (static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\t')) {
      out += '?';
    } else if (c == '<') {
      out += "&lt;";
    } else if (c == '>') {
      out += "&gt;";
    } else if (c == '&') {
      out += "&amp;";
    } else if (c == '"') {
      out += "&quot;";
    } else if (c == '\n' || c == '\t') {
      out += c == '\n' ? "&#10;" : "&#9;";  // an attribute would lose them
    } else {
      out += c;
    }
    at += length == 0 ? 1 : length;
  }
  return out;
}

std::string seconds(int64_t ns) {
  char text[40];
  std::snprintf(text, sizeof text, "%.6f", static_cast<double>(ns) / 1e9);
  return text;
}

const char* element_of(Verdict verdict) {
  switch (verdict) {
    case Verdict::kFail: return "failure";
    case Verdict::kError:
    case Verdict::kInconclusive: return "error";
    case Verdict::kNotApplicable:
    case Verdict::kKnown: return "skipped";
    case Verdict::kPass: return "";
  }
  return "error";
}

struct Counts {
  size_t tests = 0, failures = 0, errors = 0, skipped = 0;
  void add(Verdict verdict) {
    ++tests;
    const std::string element = element_of(verdict);
    if (element == "failure") ++failures;
    if (element == "error") ++errors;
    if (element == "skipped") ++skipped;
  }
};

std::string case_text(const RunOutcome& run, const TestOutcome& test) {
  std::string text = "    <testcase classname=\"" + escaped(run.spec) + "\" name=\"" +
                     escaped(test.name) + "\" time=\"" + seconds(test.duration_ns) + "\"";
  const std::string element = element_of(test.verdict);
  if (element.empty()) return text + "/>\n";
  const Reason* reason = test.reasons.empty() ? nullptr : &test.reasons.front();
  text += ">\n      <" + element + " message=\"" +
          escaped(reason != nullptr ? reason->text : test.known_reason) + "\"";
  if (element == "skipped") return text + "/>\n    </testcase>\n";
  text += " type=\"" + escaped(reason != nullptr ? reason->code : "") + "\">" +
          escaped(test_details(test, {})) + "</" + element + ">\n    </testcase>\n";
  return text;
}

TestOutcome case_of_run(const RunOutcome& run) {
  TestOutcome test;
  test.name = "(run)";
  test.verdict = run.reasons.front().verdict;
  test.reasons = run.reasons;
  return test;
}

std::string suite_text(const RunOutcome& run) {
  Counts counts;
  std::string cases;
  const auto add = [&](const TestOutcome& test) {
    counts.add(test.verdict);
    cases += case_text(run, test);
  };
  for (const TestOutcome& test : run.tests)
    if (!test.hidden || test.verdict != Verdict::kPass) add(test);
  if (!run.reasons.empty()) add(case_of_run(run));
  return "  <testsuite name=\"" + escaped(run.spec) + "\" tests=\"" +
         std::to_string(counts.tests) + "\" failures=\"" + std::to_string(counts.failures) +
         "\" errors=\"" + std::to_string(counts.errors) + "\" skipped=\"" +
         std::to_string(counts.skipped) + "\" time=\"" + seconds(run.duration_ns) + "\">\n" +
         "    <properties><property name=\"seed\" value=\"" + std::to_string(run.seed) +
         "\"/></properties>\n" + cases + "  </testsuite>\n";
}

}  // namespace

std::string results_junit(const std::vector<RunOutcome>& runs) {
  std::string text = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n";
  for (const RunOutcome& run : runs) text += suite_text(run);
  return text + "</testsuites>\n";
}

}  // namespace fbx::report
