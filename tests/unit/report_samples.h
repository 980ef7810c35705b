// SPDX-License-Identifier: Apache-2.0
//
// Outcomes for tests of the report, each with every field set that its verdict uses.
#pragma once

#include "runner/report/outcome.h"
#include "spec/plan/plan.h"

namespace fbx::report {

inline plan::Plan sample_plan() {
  plan::Plan plan;
  plan.spec = "partition-test.star";
  plan.env_reads = {{"BIN", "build/bin static", false}, {"POOL", "", true}};
  plan.sources.push_back({"partition-test.star",
                          {{40, "def test_recovers():"},
                           {43, "\tassert_eq(résumé.status, 503)"},
                           {44, "    assert_never(service=\"inventory\", syscall=\"write\")"}}});
  plan.matrices.push_back({.place = {},
                           .scenarios = {"order_flow", "browse"},
                           .assumptions = {"db_down", "slow_network"}});
  return plan;
}

inline Reason reason(Verdict verdict, const std::string& code, const std::string& text) {
  Reason r;
  r.verdict = verdict;
  r.code = code;
  r.text = text;
  return r;
}

inline TestOutcome passing(const std::string& name, uint64_t asserted = 1) {
  TestOutcome t;
  t.name = name;
  t.asserted = asserted;
  t.duration_ns = 2'412'000'000;
  return t;
}

inline Fires fires(const std::string& brief, const std::string& rule, uint64_t matched,
                   uint64_t fired) {
  Fires f;
  f.brief = brief;
  f.rule = rule;
  f.matched = matched;
  f.fired = fired;
  f.hand = "seccomp";
  return f;
}

inline TestOutcome failing() {
  TestOutcome t = passing("test_recovers");
  t.doc = "System works again after the partition.";
  t.verdict = Verdict::kFail;
  t.duration_ns = 31'400'000;
  t.place = {"partition-test.star", 40, 1};
  Reason broken = reason(Verdict::kFail, "assertion", "assert_eq: 200 is not 503");
  broken.place = {"partition-test.star", 43, 12};
  broken.actual = "200";
  broken.expected = "503";
  Reason exited =
      reason(Verdict::kFail, "service-exited", "inventory was killed by SIGSEGV\nlast words: bye");
  exited.remedy = "expect_exit(inventory)";
  t.reasons = {broken, exited};
  t.traceback = {{"test_recovers", {"partition-test.star", 40, 5}},
                 {"check", {"partition-test.star", 43, 12}}};
  t.step_in_flight = "orders.post /orders → 200, 2.1 ms";
  Fires cut = fires("partition(orders, inventory)", "partition(orders, inventory)", 3, 2);
  cut.by = {{"inventory", 2}};
  Fires missed =
      fires("inventory.fsync", "fsync=deny(\"EIO\", path=\"/data/*\") on inventory", 0, 0);
  missed.optional = true;
  missed.near_misses = 3;
  missed.nearest = "/tmp/inventory.wal";
  missed.note = "inventory made 3 fsync calls, 41 write";
  t.fires = {cut, missed};
  t.events = {
      {3, 0.1, "fault", "on: partition(orders, inventory)", false},
      {9, 1.25, "orders", "connect inventory (127.0.0.1:5432) → ECONNREFUSED  cut(refuse)", false},
      {12, 14.0, "inventory", "write /tmp/inventory.wal → 24 bytes", true}};
  t.outputs = {{"inventory", {"stderr: \x1b[31mpanic\x07", "stdout: bye"}}, {"orders", {}}};
  t.printed = {"one\ntwo"};
  t.notes = {"orders exited with status 1 when it was stopped"};
  t.kept = "/tmp/fbx-kept/test_recovers";
  return t;
}

inline TestOutcome inconclusive() {
  TestOutcome t = passing("test_never_hits");
  t.verdict = Verdict::kInconclusive;
  t.duration_ns = 1'230'000;
  Reason r = reason(Verdict::kInconclusive, "never-fired",
                    "rule fsync=deny(\"EIO\") on inventory: 0 fires in 1.2 s; "
                    "inventory made 0 fsync calls, 41 write");
  r.place = {"partition-test.star", 44, 5};
  r.remedy = "optional=True, if it need not fire";
  t.reasons = {r};
  t.fires = {fires("inventory.fsync", "fsync=deny(\"EIO\") on inventory", 0, 0)};
  return t;
}

inline TestOutcome cell(const std::string& scenario, const std::string& assumption,
                        Verdict verdict, uint64_t fired = 1) {
  TestOutcome t = passing("test_matrix_" + scenario + "_" + assumption);
  t.verdict = verdict;
  t.matrix = 0;
  t.scenario = scenario;
  t.assumption = assumption;
  t.fires = {fires("inventory.write", "write=deny(\"EIO\") on inventory", fired, fired)};
  if (verdict == Verdict::kNotApplicable)
    t.reasons = {reason(verdict, "never-fired", "rule write=deny(\"EIO\") on inventory: 0 fires")};
  return t;
}

inline TestOutcome baseline(const std::string& scenario, Verdict verdict = Verdict::kPass) {
  TestOutcome t = passing("test_" + scenario);
  t.verdict = verdict;
  t.matrix = 0;
  t.scenario = scenario;
  t.hidden = true;
  return t;
}

}  // namespace fbx::report
