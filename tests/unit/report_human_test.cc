// SPDX-License-Identifier: Apache-2.0
//
// The human report against goldens in tests/unit/report_golden/. To write them anew:
//   FBX_REGEN=1 build/bin/report_test
#include <doctest/doctest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "runner/report/human.h"
#include "tests/unit/report_samples.h"

using namespace fbx;
using namespace fbx::report;

namespace {

// Run from the top of the tree, as ctest does.
void check_golden(const std::string& name, const std::string& text) {
  const std::string path = "tests/unit/report_golden/" + name + ".txt";
  if (std::getenv("FBX_REGEN") != nullptr) std::ofstream(path) << text;
  std::ifstream file(path);
  std::stringstream golden;
  golden << file.rdbuf();
  CAPTURE(path);
  CHECK(text == golden.str());
}

HumanContext context_of(const plan::Plan& plan, const std::string& test, bool colour = false) {
  return {&plan, colour, rerun_command(plan, "ex/partition-test.star", test, 42, {"--strict"})};
}

}  // namespace

TEST_CASE("a failure is one screen in the promised order") {
  const plan::Plan plan = sample_plan();
  check_golden("failure", test_details(failing(), context_of(plan, "test_recovers")));
  check_golden("failure_colour", test_details(failing(), context_of(plan, "test_recovers", true)));
}

TEST_CASE("an inconclusive test names the promise and one thing to do") {
  const plan::Plan plan = sample_plan();
  check_golden("inconclusive", test_details(inconclusive(), context_of(plan, "test_never_hits")));
}

TEST_CASE("without a plan and without places nothing is made up") {
  TestOutcome bare = passing("test_x");
  bare.verdict = Verdict::kInconclusive;
  bare.reasons = {reason(Verdict::kInconclusive, "refused:needs-root", "needs root")};
  check_golden("bare", test_details(bare, {}));
}

TEST_CASE("one line for each test that needs no screen") {
  TestOutcome known = passing("test_known");
  known.verdict = Verdict::kKnown;
  known.known_reason = "issue 12";
  TestOutcome two = passing("test_two_rules");
  two.fires = {fires("orders.connect", "a", 6, 6), fires("orders.connect", "b", 1, 1),
               fires("inventory.write", "c", 2, 2), fires("inventory.fsync", "d", 0, 0)};
  two.fires[2].by = {{"/tmp/inventory.wal", 2}};
  two.fires[3].optional = true;
  std::string lines;
  for (const TestOutcome& t : {passing("test_a"), passing("test_b", 0), known, two,
                               cell("order_flow", "db_down", Verdict::kNotApplicable, 0)})
    lines += test_line(t, false);
  check_golden("lines", lines + test_line(two, true));
}

TEST_CASE("a matrix is shown against its baseline") {
  RunOutcome run;
  run.tests = {baseline("order_flow"), cell("order_flow", "db_down", Verdict::kPass),
               cell("order_flow", "slow_network", Verdict::kPass, 0),
               baseline("browse", Verdict::kFail),
               cell("browse", "db_down", Verdict::kInconclusive)};
  check_golden("matrix", matrix_tables(run, sample_plan(), false));
  CHECK(matrix_tables(RunOutcome{}, sample_plan(), false).empty());
}

TEST_CASE("the summary counts every kind of verdict") {
  RunOutcome a, b;
  a.seed = b.seed = 42;
  a.duration_ns = 900'000'000;
  b.duration_ns = 200'000'000;
  a.tests = {passing("a"), passing("b", 0), failing(), inconclusive(), baseline("x")};
  b.tests = {cell("s", "a", Verdict::kNotApplicable)};
  check_golden("summary", summary_line({a, b}, false) + summary_line({}, false));
}

TEST_CASE("durations are short") {
  struct Row {
    int64_t ns;
    const char* text;
  };
  for (const Row& row : {Row{0, "0.0 ms"}, Row{2'140'000, "2.1 ms"}, Row{31'400'000, "31 ms"},
                         Row{2'412'000'000, "2.41 s"}, Row{150'000'000'000, "150 s"}}) {
    CHECK(duration_text(row.ns) == row.text);
  }
}

TEST_CASE("the command to run it again survives a shell") {
  plan::Plan plan = sample_plan();
  plan.env_reads.push_back({"Q", "it's", false});
  CHECK(rerun_command(plan, "my specs/x.star", "test_a", 7, {}) ==
        "BIN='build/bin static' Q='it'\\''s' fbx run 'my specs/x.star' --test test_a --seed 7");
}
