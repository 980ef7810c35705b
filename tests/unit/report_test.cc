// SPDX-License-Identifier: Apache-2.0
//
// Verdicts of runs, JSON there and back, the document of --json, the reporter's exit codes.
#include <doctest/doctest.h>

#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "runner/report/json.h"
#include "runner/report/junit.h"
#include "runner/report/reporter.h"
#include "runner/report/run_verdict.h"
#include "tests/unit/report_samples.h"

using namespace fbx;
using namespace fbx::report;
using nlohmann::json;

TEST_CASE("a run is as good as its worst test") {
  using enum Verdict;
  struct Row {
    std::vector<Verdict> tests;
    Verdict run;
    int exit;
  };
  const Row rows[] = {
      {{}, kPass, 0},
      {{kPass}, kPass, 0},
      {{kPass, kKnown, kNotApplicable}, kPass, 0},
      {{kPass, kInconclusive}, kInconclusive, 3},
      {{kInconclusive, kFail, kPass}, kFail, 2},
      {{kFail, kInconclusive}, kFail, 2},
      {{kFail, kError, kInconclusive}, kError, 1},
      {{kInconclusive, kKnown}, kInconclusive, 3},
  };
  for (const Row& row : rows) {
    RunOutcome run;
    for (const Verdict verdict : row.tests) {
      TestOutcome t = passing("t");
      t.verdict = verdict;
      run.tests.push_back(t);
    }
    conclude(run);
    CAPTURE(verdict_name(row.run));
    CHECK(run.verdict == row.run);
    CHECK(exit_code(run.verdict) == row.exit);
  }
}

TEST_CASE("an assumption that never fired in any cell makes the run inconclusive") {
  using enum Verdict;
  struct Row {
    std::vector<Verdict> cells;  // of one assumption
    bool vacuous;
  };
  const Row rows[] = {
      {{kNotApplicable}, true},
      {{kNotApplicable, kNotApplicable}, true},
      {{kNotApplicable, kPass}, false},
      {{kNotApplicable, kInconclusive}, false},
  };
  for (const Row& row : rows) {
    RunOutcome run;
    run.tests = {passing("test_a"), cell("other", "fires", kPass)};
    int n = 0;
    for (const Verdict v : row.cells) run.tests.push_back(cell("s" + std::to_string(n++), "db", v));
    conclude(run);
    const bool said = !run.reasons.empty() && run.reasons[0].code == "assumption-never-fired";
    CHECK(said == row.vacuous);
    if (row.vacuous) CHECK(run.verdict == kInconclusive);
  }
}

TEST_CASE("a failure is not hidden by a vacuous assumption") {
  RunOutcome run;
  run.tests = {failing(), cell("s", "db", Verdict::kNotApplicable)};
  conclude(run);
  CHECK(run.verdict == Verdict::kFail);
}

TEST_CASE("the three kinds of failure have one mapping") {
  CHECK(reason_of(Diagnostic{{"a.star", 1, 2}, "unknown-errno", "m", "h"}).verdict ==
        Verdict::kError);
  const Reason refused = reason_of(Refusal{"needs-root", "w", "r"});
  CHECK(refused.verdict == Verdict::kInconclusive);
  CHECK(refused.code == "refused:needs-root");
  CHECK(reason_of(Error{"boom"}).verdict == Verdict::kInconclusive);
}

TEST_CASE("an outcome crosses a pipe unchanged") {
  TestOutcome all = failing();
  all.hands = {{"inventory.write", "seccomp"}};
  all.known_reason = "later";
  all.scenario = "s";
  all.assumption = "a";
  all.matrix = 3;
  all.escaped = {{1, "write", "write of /x was not seen"}};
  all.hidden = true;
  for (const TestOutcome& outcome : {all, passing("p"), inconclusive(), TestOutcome{}}) {
    const std::string line = to_json(outcome);
    CHECK(line.find('\n') == std::string::npos);
    const Result<TestOutcome> back = outcome_from_json(line);
    REQUIRE(back);
    CHECK(to_json(*back) == line);
    CHECK(back->name == outcome.name);
    CHECK(back->verdict == outcome.verdict);
    CHECK(back->reasons.size() == outcome.reasons.size());
    CHECK(back->fires.size() == outcome.fires.size());
    CHECK(back->events.size() == outcome.events.size());
    CHECK(back->kept == outcome.kept);
  }
  // Every field there is has been set above: a new one must be added to both directions.
  const json object = json::parse(to_json(all));
  for (const auto& [key, value] : object.items()) {
    CAPTURE(key);
    CHECK((value.is_number() || value.is_boolean() || !value.empty()));
  }
}

TEST_CASE("bytes that are no UTF-8 are repaired on the way") {
  TestOutcome outcome = passing("p");
  outcome.outputs = {{"s", {"stdout: \xff\xfe"}}};
  const Result<TestOutcome> back = outcome_from_json(to_json(outcome));
  REQUIRE(back);
  CHECK(back->outputs[0].lines[0].starts_with("stdout: "));
}

TEST_CASE("damaged outcomes are refused") {
  const std::string good = to_json(failing());
  const std::string rows[] = {"", "{}", "[]", "null", good.substr(0, good.size() / 2),
                              "{\"name\": 1}", good + "x"};
  for (const std::string& row : rows) {
    CAPTURE(row);
    CHECK_FALSE(outcome_from_json(row));
  }
}

TEST_CASE("the document of --json has what LANGUAGE section 10 says") {
  RunOutcome run;
  run.spec = "partition-test.star";
  run.seed = 42;
  run.duration_ns = 1'500'000;
  run.tests = {baseline("order_flow"), failing(), cell("order_flow", "db_down", Verdict::kPass)};
  conclude(run);
  const json doc = json::parse(results_json({run}));
  CHECK(doc["fbx_results"] == 1);
  CHECK(doc["spec"] == "partition-test.star");
  CHECK(doc["seed"] == 42);
  CHECK(doc["verdict"] == "fail");
  REQUIRE(doc["tests"].size() == 2);  // a baseline that passed is no test
  const json& test = doc["tests"][0];
  CHECK(test["name"] == "test_recovers");
  CHECK(test["verdict"] == "fail");
  CHECK(test["reason"] == "assert_eq: 200 is not 503");
  CHECK(test["asserted"] == 1);
  CHECK(test["duration_ms"] == 31.4);
  CHECK(test["fires"][0] ==
        json({{"rule", "partition(orders, inventory)"}, {"label", ""}, {"matched", 3},
              {"fired", 2}, {"by", {{"inventory", 2}}}}));
  CHECK(test["hands"].is_object());
  CHECK(doc["matrix"][0]["cells"]["order_flow"]["db_down"] == "pass");
}

TEST_CASE("several specs are several runs in one document") {
  RunOutcome a, b;
  a.spec = "a.star";
  b.spec = "b.star";
  b.tests = {inconclusive()};
  conclude(a);
  conclude(b);
  const json doc = json::parse(results_json({a, b}));
  CHECK(doc["verdict"] == "inconclusive");
  CHECK(doc["runs"].size() == 2);
  CHECK(doc["runs"][1]["spec"] == "b.star");
  CHECK(doc["runs"][0]["matrix"].is_null());
}

namespace {

struct Said {
  int exit = 0;
  std::string text, json_text;
};

Said report_on(const std::vector<TestOutcome>& tests, bool interrupted = false,
               const std::string& json_path = "", const std::string& junit_path = "") {
  char* buffer = nullptr;
  size_t size = 0;
  std::FILE* out = ::open_memstream(&buffer, &size);
  Said said;
  {
    ReporterOptions options;
    options.out = out;
    options.json = json_path;
    options.junit = junit_path;
    Reporter reporter(options);
    const plan::Plan plan = sample_plan();
    reporter.begin_run({&plan, "ex/partition-test.star", 42, tests.size(), {"--inject=seccomp"}});
    for (const TestOutcome& test : tests) {
      reporter.test_started(test.name);
      reporter.test_done(test);
    }
    reporter.end_run(3'100'000'000, interrupted);
    said.exit = reporter.finish();
  }
  std::fclose(out);
  said.text.assign(buffer, size);
  std::free(buffer);
  return said;
}

}  // namespace

TEST_CASE("the reporter says one line a green test and ends with the exit code") {
  const Said said = report_on({passing("test_a"), passing("test_b", 0)});
  CHECK(said.exit == 0);
  CHECK(said.text ==
        "ok   test_a  2.41 s\n"
        "ok   test_b  2.41 s  pass, nothing asserted\n"
        "2 tests: 2 passed (1 asserted nothing) · seed 42 · 3.10 s\n");
}

TEST_CASE("baselines that pass are silent, others are not") {
  CHECK(report_on({baseline("order_flow")}).text == "0 tests · seed 42 · 3.10 s\n");
  const Said failed = report_on({baseline("order_flow", Verdict::kFail)});
  CHECK(failed.exit == 2);
  CHECK(failed.text.find("FAIL test_order_flow") == 0);
}

TEST_CASE("an interrupted run says how far it came and ends with 130") {
  const Said said = report_on({passing("test_a")}, true);
  CHECK(said.exit == 130);
  CHECK(said.text.find("interrupted after 1 of 1 test\n") != std::string::npos);
}

TEST_CASE("the JSON file is written, and said when it can't be") {
  const std::string path = "/tmp/fbx-report-test-" + std::to_string(::getpid()) + ".json";
  CHECK(report_on({failing()}, false, path).exit == 2);
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  CHECK(json::parse(text.str())["tests"].size() == 1);
  std::remove(path.c_str());
  CHECK(report_on({passing("a")}, false, "/nowhere/x.json").exit == 1);
}

TEST_CASE("JUnit counts what is not green as not green") {
  RunOutcome run;
  run.spec = "a&b.star";
  run.seed = 7;
  run.tests = {passing("test_a"), failing(), inconclusive(), baseline("order_flow"),
               cell("order_flow", "db_down", Verdict::kNotApplicable)};
  conclude(run);
  const std::string text = results_junit({run});
  CHECK(text.find("<testsuite name=\"a&amp;b.star\" tests=\"5\" failures=\"1\" errors=\"2\" "
                  "skipped=\"1\"") != std::string::npos);
  CHECK(text.find("name=\"test_a\" time=\"2.412000\"/>") != std::string::npos);
  CHECK(text.find("<failure message=\"assert_eq: 200 is not 503\" type=\"assertion\">") !=
        std::string::npos);
  CHECK(text.find("<error message=\"assumption db_down never fired") != std::string::npos);
}

TEST_CASE("JUnit holds only what XML can") {
  RunOutcome run;
  TestOutcome odd = passing("test_<\"&'>");
  odd.verdict = Verdict::kFail;
  odd.reasons = {reason(Verdict::kFail, "assertion", "a\x01\xff\xc3\xa9\nb\xe2\x82")};
  run.tests = {odd};
  const std::string text = results_junit({run});
  CHECK(text.find("name=\"test_&lt;&quot;&amp;'&gt;\"") != std::string::npos);
  CHECK(text.find("message=\"a??\xc3\xa9&#10;b??\"") != std::string::npos);
}

TEST_CASE("the JUnit file is written, and said when it can't be") {
  const std::string path = "/tmp/fbx-report-test-" + std::to_string(::getpid()) + ".xml";
  CHECK(report_on({passing("a")}, false, "", path).exit == 0);
  CHECK(std::ifstream(path).good());
  std::remove(path.c_str());
  CHECK(report_on({passing("a")}, false, "", "/nowhere/x.xml").exit == 1);
}
