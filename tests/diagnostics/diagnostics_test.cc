// SPDX-License-Identifier: Apache-2.0
//
// Every input of the corpus has exactly one message, with its code, at its place; together they
// provoke every code that there is.
#include <doctest/doctest.h>

#include <algorithm>
#include <set>

#include "spec/model/load.h"
#include "spec/plan/read.h"
#include "spec/starlark/diagnostic.h"
#include "tests/diagnostics/corpus.h"
#include "tests/unit/fake_runner.h"

namespace fbx {
namespace {

using testing::BadInput;

constexpr const char* kFolder = "tests/diagnostics/";

struct Said {
  Diagnostics diagnostics;
  Place expected;
  bool accepted = false;
};

Said say_of_spec(const BadInput& input) {
  Said out;
  testing::FakeLoader loader;
  for (auto [name, text] : input.sections) {
    if (name == "spec") text.insert(0, testing::read_text(std::string(kFolder) + "prelude.star"));
    const std::string file = name == "spec" || name == "bare" ? "a.star" : name;
    if (const Place at = testing::take_marker(text, file); at.line != 0) out.expected = at;
    loader.files[file] = text;
  }
  model::CompileLimits limits;
  if (input.code == "run.steps") limits.steps = 1'000'000;
  auto compiled = model::compile_spec(loader, "a.star", limits);
  out.diagnostics = std::move(compiled.diagnostics);
  out.accepted = compiled.plan.has_value();
  return out;
}

std::string damaged_plan(const BadInput& input) {
  if (input.sections.contains("whole")) return input.sections.at("whole");
  std::string plan = testing::read_text("tests/plans/order.toml");
  const std::string& from = input.sections.at("replace");
  const size_t at = plan.find(from);
  REQUIRE_MESSAGE(at != std::string::npos, from);
  REQUIRE_MESSAGE(plan.find(from, at + 1) == std::string::npos, from);
  const auto with = input.sections.find("with");
  return plan.replace(at, from.size(), with == input.sections.end() ? "" : with->second);
}

Said say_of_plan(const BadInput& input) {
  Said out;
  std::string plan = damaged_plan(input);
  out.expected = testing::take_marker(plan, "a.toml");
  out.accepted = model::load_plan(plan, "a.toml", out.diagnostics).has_value();
  return out;
}

void check_input(const BadInput& input, const Said& said) {
  CAPTURE(input.title);
  CHECK(said.accepted == input.warning);
  std::string all;
  for (const Diagnostic& d : said.diagnostics) all += d.text() + " [" + d.code.text() + "]\n";
  CAPTURE(all);
  CHECK(said.diagnostics.size() == 1);
  if (said.diagnostics.empty()) return;
  const Diagnostic& d = said.diagnostics[0];
  CHECK(d.place.text() == said.expected.text());
  CHECK(d.code.name() == input.code);
  CHECK(d.message.find(input.message) != std::string::npos);
  CHECK(d.hint == input.hint);
  CHECK((d.severity == Severity::kWarning) == input.warning);
}

template <class Say>
void check_corpus(const std::string& file, Say say) {
  const auto all = testing::read_corpus(kFolder + file);
  CHECK(all.size() >= 100);
  std::map<std::string, std::string> shapes;
  for (const BadInput& input : all) {
    const Said said = say(input);
    check_input(input, said);
    if (said.diagnostics.empty()) continue;
    const Diagnostic& d = said.diagnostics[0];
    const std::string shape = d.code.text() + " " + testing::shape_of(d.message);
    const auto [first, fresh] = shapes.try_emplace(shape, input.title);
    CHECK_MESSAGE(fresh, "\"" << input.title << "\" is the same mistake as \"" << first->second
                              << "\": " << shape);
  }
}

TEST_CASE("every malformed spec has one message, at its place") {
  check_corpus("specs.txt", say_of_spec);
}

TEST_CASE("every malformed plan has one message, at its place") {
  check_corpus("plans.txt", say_of_plan);
}

TEST_CASE("the plan that the malformed ones are made of is in order") {
  Diagnostics diagnostics;
  CHECK(model::load_plan(testing::read_text("tests/plans/order.toml"), "a.toml",
                         diagnostics));
  for (const Diagnostic& d : diagnostics) FAIL_CHECK(d.text());
}

TEST_CASE("two mistakes have two messages") {
  testing::FakeLoader loader;
  loader.files["a.star"] =
      "db = service('db', 'db')\n"
      "def test_x():\n"
      "    fault(db, wirte=deny('EIO'), run=len)\n"
      "    assert_never(syscall='fsnyc')\n"
      "    sleep(1)\n";
  const auto out = model::compile_spec(loader, "a.star");
  REQUIRE(out.diagnostics.size() == 3);
  for (size_t i = 0; i < 3; ++i) CHECK(out.diagnostics[i].place.line == 3 + i);
}

// Codes that no spec and no plan provokes alone, and the test that does.
const std::map<std::string, std::string> kElsewhere = {
    {"missing-binary", "tests/unit/service_pure_test.cc"},
    {"missing-interpreter", "tests/unit/service_pure_test.cc"},
    {"not-a-program", "tests/unit/service_pure_test.cc"},
    {"not-executable", "tests/unit/service_pure_test.cc"},
    {"wrong-architecture", "tests/unit/service_pure_test.cc"},
    {"plan-too-large", "tests/diagnostics/diagnostics_test.cc"},
    {"unreadable", "tests/diagnostics/diagnostics_test.cc"},
};
// Codes of the language that never reach a user of fbx as a diagnostic: of code that is not running
// a spec's top level, or because fbx has its own.
const std::set<std::string> kNeverSeen = {
    "core.text",      // a plan's: plan-code
    "core.invalid",   // a plan's: plan-code
    "run.cancelled",  // a test's: its verdict
    "run.effect",     // a test's: no effect is possible at the top level
    "run.host",       // built-ins of the dialect have codes of their own
    "internal",       // our bug, and no input's
    "stop-without-start",  // a test's: its verdict
};

TEST_CASE("every code is provoked") {
  std::set<std::string> provoked;
  for (const char* file : {"specs.txt", "plans.txt"}) {
    for (const auto& input : testing::read_corpus(std::string(kFolder) + file)) {
      provoked.insert(input.code);
    }
  }
  std::vector<std::string> all;
  for (const DiagnosticCodeRow& row : kDiagnosticCodes) all.emplace_back(row.name);
  for (int i = 0; i < starlark::kCodeCount; ++i) {
    all.emplace_back(starlark::code_name(static_cast<starlark::Code>(i)));
  }
  for (const std::string& code : all) {
    CAPTURE(code);
    if (const auto elsewhere = kElsewhere.find(code); elsewhere != kElsewhere.end()) {
      CHECK(testing::read_text(elsewhere->second).find("\"" + code + "\"") != std::string::npos);
      CHECK_FALSE(provoked.contains(code));
    } else {
      CHECK(provoked.contains(code) != kNeverSeen.contains(code));
    }
  }
  for (const std::string& code : provoked) {
    CAPTURE(code);
    CHECK(std::find(all.begin(), all.end(), code) != all.end());
  }
}

TEST_CASE("a plan beyond all bounds is refused unread") {
  Diagnostics diagnostics;
  CHECK_FALSE(model::load_plan(std::string(plan::kLargestPlan + 1, '#'), "a.toml", diagnostics));
  REQUIRE(diagnostics.size() == 1);
  CHECK(diagnostics[0].code.name() == "plan-too-large");
}

TEST_CASE("a spec that is not there is unreadable") {
  testing::FakeLoader loader;
  const auto out = model::compile_spec(loader, "a.star");
  REQUIRE(out.diagnostics.size() == 1);
  CHECK(out.diagnostics[0].code.name() == "unreadable");
  CHECK(out.diagnostics[0].message.find("no such file") != std::string::npos);
}

}  // namespace
}  // namespace fbx
