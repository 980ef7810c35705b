// SPDX-License-Identifier: Apache-2.0
//
// The verdict table of LANGUAGE section 2, row by row and by precedence.
#include <doctest/doctest.h>

#include <csignal>
#include <functional>

#include "runner/check/facts.h"
#include "runner/check/fires.h"
#include "tests/unit/check_samples.h"

using namespace fbx;
using namespace fbx::check;
using inject::RuleEntry;
using model::Finished;
using report::TestOutcome;
using report::Verdict;
using How = Judged::How;

namespace {

// A test that passes with one assertion, and everything a row may spoil.
struct Case {
  plan::Plan plan = two_services();
  Facts facts;

  Case() {
    facts.plan = &plan;
    facts.ended = Finished{};
    facts.ended->asserted = 1;
    facts.loss = {10, 10, 0, 0};
  }
  Case(const Case&) = delete;
  Case& operator=(const Case&) = delete;

  plan::Test& test() { return plan.tests[0]; }
  void ends(Finished::How how, const std::string& message = "m") {
    facts.ended->how = how;
    facts.ended->message = message;
  }
  void judged(How how, const std::string& code, const std::string& text = "t") {
    facts.judged.push_back({.how = how, .code = code, .text = text});
  }
  void doubt(const std::string& code) {
    facts.doubts.push_back({.how = How::kInconclusive, .code = code, .text = code});
  }
  ServiceExit& exits(int wait_status) {
    ServiceExit exit;
    exit.service = kInventory;
    exit.wait_status = wait_status;
    facts.exits.push_back(exit);
    return facts.exits.back();
  }
  RuleEntry& rule(uint64_t matched, uint64_t fired) {
    RuleEntry entry;
    entry.rule.service = kInventory;
    entry.rule.keyword = "fsync";
    entry.rule.display = "fsync=deny(\"EIO\")";
    entry.matched = matched;
    entry.fired = fired;
    facts.rules.push_back(entry);
    return facts.rules.back();
  }
  void cell() {
    test().kind = plan::TestKind::kCell;
    test().scenario = "order_flow";
    test().baseline = 0;
    facts.baseline = Verdict::kPass;
  }
  TestOutcome judge() const {
    TestOutcome outcome;
    check::judge(facts, outcome);
    return outcome;
  }
};

int exited(int code) { return code << 8; }
int killed(int signal) { return signal; }

struct Row {
  const char* what;
  std::function<void(Case&)> spoil;
  Verdict verdict;
  std::string code;  // of the first reason; "" = none
};

void check_rows(std::initializer_list<Row> rows) {
  for (const Row& row : rows) {
    CAPTURE(row.what);
    Case c;
    row.spoil(c);
    const TestOutcome outcome = c.judge();
    CHECK(std::string(verdict_name(outcome.verdict)) == verdict_name(row.verdict));
    CHECK((outcome.reasons.empty() ? "" : outcome.reasons[0].code) == row.code);
  }
}

}  // namespace

TEST_CASE("how the body ends") {
  check_rows({
      {"returned", [](Case&) {}, Verdict::kPass, ""},
      {"assertion", [](Case& c) { c.ends(Finished::How::kFailed); }, Verdict::kFail, "assertion"},
      {"error", [](Case& c) { c.ends(Finished::How::kError); }, Verdict::kError, "spec-error"},
      {"timeout",
       [](Case& c) {
         c.ends(Finished::How::kCancelled);
         c.facts.timed_out = true;
       },
       Verdict::kFail, "timeout"},
      {"cancelled", [](Case& c) { c.ends(Finished::How::kCancelled); }, Verdict::kInconclusive,
       "interrupted"},
      {"never ran", [](Case& c) { c.facts.ended.reset(); }, Verdict::kInconclusive, "not-run"},
      {"not ready",
       [](Case& c) {
         c.facts.ended.reset();
         c.facts.start_failure = "orders is not ready after 10 s";
       },
       Verdict::kFail, "start-failed"},
      {"refused",
       [](Case& c) {
         c.facts.ended.reset();
         c.facts.refusals.push_back({"no-hand", "w"});
       },
       Verdict::kInconclusive, "refused:no-hand"},
  });
}

TEST_CASE("look-backs and doubts") {
  check_rows({
      {"held", [](Case& c) { c.judged(How::kHeld, ""); }, Verdict::kPass, ""},
      {"failed", [](Case& c) { c.judged(How::kFailed, "assertion"); }, Verdict::kFail, "assertion"},
      {"inconclusive", [](Case& c) { c.judged(How::kInconclusive, "not-watched"); },
       Verdict::kInconclusive, "not-watched"},
      {"inconclusive first, then an assertion",
       [](Case& c) {
         c.judged(How::kInconclusive, "not-watched");
         c.ends(Finished::How::kFailed);
       },
       Verdict::kFail, "assertion"},
      {"foreign answer", [](Case& c) { c.doubt("foreign-answer"); }, Verdict::kInconclusive,
       "foreign-answer"},
      {"events lost", [](Case& c) { c.facts.loss.lost = 1; }, Verdict::kInconclusive,
       "events-lost"},
      {"books do not balance", [](Case& c) { c.facts.loss.kept = 9; }, Verdict::kInconclusive,
       "events-lost"},
      {"left its cgroup", [](Case& c) { c.facts.loss.left = {0, 7, "cron"}; },
       Verdict::kInconclusive, "left-cgroup"},
      {"residue", [](Case& c) { c.facts.residue = {"pid 7"}; }, Verdict::kInconclusive, "residue"},
      {"escape", [](Case& c) { c.rule(3, 2).escapes = {"write(7)"}; }, Verdict::kInconclusive,
       "escape"},
  });
}

TEST_CASE("services that exit") {
  check_rows({
      {"status 0", [](Case& c) { c.exits(exited(0)); }, Verdict::kFail, "service-exited"},
      {"status 1", [](Case& c) { c.exits(exited(1)); }, Verdict::kFail, "service-exited"},
      {"signal", [](Case& c) { c.exits(killed(SIGSEGV)); }, Verdict::kFail, "service-exited"},
      {"asked", [](Case& c) { c.exits(exited(1)).asked = true; }, Verdict::kPass, ""},
      {"may_exit",
       [](Case& c) {
         c.plan.services[kInventory].may_exit = true;
         c.exits(killed(SIGKILL));
       },
       Verdict::kPass, ""},
      {"another service may",
       [](Case& c) {
         c.plan.services[kOrders].may_exit = true;
         c.exits(exited(0));
       },
       Verdict::kFail, "service-exited"},
      {"stopping, by its signal", [](Case& c) { c.exits(killed(SIGTERM)).stopping = true; },
       Verdict::kPass, ""},
      {"stopping, by another stop signal",
       [](Case& c) {
         c.plan.services[kInventory].stop_signal = "SIGINT";
         c.exits(killed(SIGINT)).stopping = true;
       },
       Verdict::kPass, ""},
      {"stopping, clean", [](Case& c) { c.exits(exited(0)).stopping = true; }, Verdict::kPass, ""},
      {"stopping, status 3", [](Case& c) { c.exits(exited(3)).stopping = true; }, Verdict::kPass,
       ""},
      {"stopping, crash", [](Case& c) { c.exits(killed(SIGSEGV)).stopping = true; },
       Verdict::kFail, "service-crashed"},
      {"stopping, crash, may_exit",
       [](Case& c) {
         c.plan.services[kInventory].may_exit = true;
         c.exits(killed(SIGABRT)).stopping = true;
       },
       Verdict::kFail, "service-crashed"},
      {"stop_timeout",
       [](Case& c) {
         ServiceExit& exit = c.exits(killed(SIGKILL));
         exit.stopping = exit.killed_by_fbx = true;
       },
       Verdict::kPass, ""},
      {"died while starting",
       [](Case& c) {
         c.facts.ended.reset();
         c.facts.start_failure = "inventory exited with status 1";
         c.exits(exited(1));
       },
       Verdict::kFail, "start-failed"},
  });
  Case shown;
  shown.exits(exited(3)).stopping = true;
  CHECK(shown.judge().notes ==
        std::vector<std::string>{"inventory exited with status 3 when it was stopped"});
}

TEST_CASE("rules that never fired") {
  const auto partition = [](Case& c, uint64_t fired) -> RuleEntry& {
    RuleEntry& entry = c.rule(fired, fired);
    entry.kind = RuleEntry::Kind::kPartition;
    entry.display = "partition(orders, inventory)";
    return entry;
  };
  check_rows({
      {"fired", [](Case& c) { c.rule(1, 1); }, Verdict::kPass, ""},
      {"no match", [](Case& c) { c.rule(0, 0); }, Verdict::kInconclusive, "never-fired"},
      {"matched only", [](Case& c) { c.rule(2, 0); }, Verdict::kInconclusive, "never-fired"},
      {"optional", [](Case& c) { c.rule(0, 0).optional = true; }, Verdict::kPass, ""},
      {"by chance, matched", [](Case& c) { c.rule(2, 0).rule.probability = 0.5; }, Verdict::kPass,
       ""},
      {"by chance, no match", [](Case& c) { c.rule(0, 0).rule.probability = 0.5; },
       Verdict::kInconclusive, "never-fired"},
      {"one of two", [](Case& c) { c.rule(1, 1); c.rule(0, 0); }, Verdict::kInconclusive,
       "never-fired"},
      {"cut", [&](Case& c) { partition(c, 2); }, Verdict::kPass, ""},
      {"cut nothing", [&](Case& c) { partition(c, 0); }, Verdict::kInconclusive, "never-fired"},
      {"optional cut", [&](Case& c) { partition(c, 0).optional = true; }, Verdict::kPass, ""},
  });
}

TEST_CASE("cells") {
  check_rows({
      {"fired",
       [](Case& c) {
         c.cell();
         c.rule(1, 1);
       },
       Verdict::kPass, ""},
      {"never fired",
       [](Case& c) {
         c.cell();
         c.rule(0, 0);
       },
       Verdict::kNotApplicable, "never-fired"},
      {"never fired, expectation failed",
       [](Case& c) {
         c.cell();
         c.rule(0, 0);
         c.ends(Finished::How::kFailed);
       },
       Verdict::kFail, "assertion"},
      {"never fired, events lost",
       [](Case& c) {
         c.cell();
         c.rule(0, 0);
         c.facts.loss.lost = 1;
       },
       Verdict::kInconclusive, "events-lost"},
      {"one of two fired",
       [](Case& c) {
         c.cell();
         c.rule(1, 1);
         c.rule(0, 0);
       },
       Verdict::kInconclusive, "never-fired"},
      {"an optional one fired",
       [](Case& c) {
         c.cell();
         c.rule(1, 1).optional = true;
         c.rule(0, 0);
       },
       Verdict::kInconclusive, "never-fired"},
      {"only optional ones",
       [](Case& c) {
         c.cell();
         c.rule(0, 0).optional = true;
       },
       Verdict::kPass, ""},
      {"require_faults_fire=False",
       [](Case& c) {
         c.cell();
         c.test().require_faults_fire = false;
         c.rule(0, 0);
       },
       Verdict::kPass, ""},
      {"baseline failed",
       [](Case& c) {
         c.cell();
         c.rule(1, 1);
         c.facts.baseline = Verdict::kFail;
       },
       Verdict::kInconclusive, "baseline"},
      {"baseline did not run",
       [](Case& c) {
         c.cell();
         c.rule(1, 1);
         c.facts.baseline.reset();
       },
       Verdict::kInconclusive, "baseline"},
      {"baseline failed, nothing fired",
       [](Case& c) {
         c.cell();
         c.rule(0, 0);
         c.facts.baseline = Verdict::kInconclusive;
       },
       Verdict::kInconclusive, "baseline"},
  });
}

TEST_CASE("known failures are inverted") {
  const auto known = [](Case& c) { c.test().known_failure = "issue 12"; };
  check_rows({
      {"passes", known, Verdict::kFail, "known-failure-passed"},
      {"fails", [&](Case& c) { known(c); c.ends(Finished::How::kFailed); }, Verdict::kKnown,
       "assertion"},
      {"inconclusive", [&](Case& c) { known(c); c.facts.loss.lost = 1; }, Verdict::kInconclusive,
       "events-lost"},
      {"error", [&](Case& c) { known(c); c.ends(Finished::How::kError); }, Verdict::kError,
       "spec-error"},
  });
}

TEST_CASE("nothing asserted is a pass, and inconclusive with --strict") {
  const auto nothing = [](Case& c) { c.facts.ended->asserted = 0; };
  const auto strict = [&](Case& c) {
    nothing(c);
    c.facts.strict = true;
  };
  check_rows({
      {"lenient", nothing, Verdict::kPass, ""},
      {"strict", strict, Verdict::kInconclusive, "nothing-asserted"},
      {"strict, asserted", [](Case& c) { c.facts.strict = true; }, Verdict::kPass, ""},
      {"strict, a look-back", [&](Case& c) { strict(c); c.judged(How::kHeld, ""); },
       Verdict::kPass, ""},
      {"strict, a baseline",
       [&](Case& c) {
         strict(c);
         c.test().kind = plan::TestKind::kBaseline;
       },
       Verdict::kPass, ""},
  });
}

TEST_CASE("every verdict gives way to the ones above it") {
  using Spoil = std::function<void(Case&)>;
  // In order of precedence.
  const std::pair<Verdict, Spoil> causes[] = {
      {Verdict::kError, [](Case& c) { c.ends(Finished::How::kError); }},
      {Verdict::kFail, [](Case& c) { c.exits(exited(1)); }},
      {Verdict::kInconclusive, [](Case& c) { c.doubt("foreign-answer"); }},
      {Verdict::kNotApplicable, [](Case& c) { c.cell(); c.rule(0, 0); }},
      {Verdict::kPass, [](Case&) {}},
  };
  for (size_t high = 0; high < std::size(causes); ++high) {
    for (size_t low = high; low < std::size(causes); ++low) {
      CAPTURE(high);
      CAPTURE(low);
      Case c;
      causes[low].second(c);
      if (low != high) causes[high].second(c);
      const TestOutcome outcome = c.judge();
      CHECK(outcome.verdict == causes[high].first);
      for (size_t i = 1; i < outcome.reasons.size(); ++i)
        CHECK(outcome.reasons[i - 1].verdict <= outcome.reasons[i].verdict);
    }
  }
}

TEST_CASE("assertions are counted once") {
  Case c;
  c.facts.ended->asserted = 2;
  c.judged(How::kHeld, "");
  c.judged(How::kHeld, "");
  c.facts.judged.back().again = true;
  CHECK(c.judge().asserted == 3);
}

TEST_CASE("a look-back that unwinds the body is one reason, with its event's place") {
  Case c;
  c.judged(How::kFailed, "assertion", "assert_never(…) did not hold");
  c.facts.judged.back().place = {"a.star", 3, 5};
  c.ends(Finished::How::kFailed, "assert_never(…) did not hold");
  c.judged(How::kFailed, "assertion", "assert_never(…) did not hold");  // judged again
  const TestOutcome outcome = c.judge();
  REQUIRE(outcome.reasons.size() == 1);
  CHECK(outcome.reasons[0].place.line == 3);
}

TEST_CASE("a failed assertion has its place, both values, and what it was called from") {
  Case c;
  c.ends(Finished::How::kFailed, "assert_eq failed");
  c.facts.ended->actual = "200";
  c.facts.ended->expected = "503";
  c.facts.ended->traceback = {{"test_x", {"a.star", 1, 1}}, {"inner", {"a.star", 7, 9}}};
  const TestOutcome outcome = c.judge();
  CHECK(outcome.reasons[0].place.text() == "a.star:7:9");
  CHECK(outcome.reasons[0].actual == "200");
  CHECK(outcome.reasons[0].expected == "503");
}

TEST_CASE("a rule that never fired says what the service did instead") {
  Case c;
  observe::EventStore store;
  const observe::TestWatch watch = watch_all();
  RuleEntry& entry = c.rule(0, 0);
  entry.installed_ns = 10 * kMs;
  entry.lifted_ns = 1210 * kMs;
  entry.rule.path = "/tmp/*.wal";
  entry.near_misses = 3;
  entry.nearest = "/tmp/e/member/wal/0.wal";
  for (int i = 0; i < 41; ++i) Call(store, kInventory, "write", 20 + i, 1).file("/a").add();
  Call(store, kInventory, "write", 5, 1).file("/a").add();     // before the rule
  Call(store, kInventory, "write", 1300, 1).file("/a").add();  // after it
  Call(store, kOrders, "fsync", 30).file("/a").add();
  c.facts.store = &store;
  c.facts.watch = &watch;
  const TestOutcome outcome = c.judge();
  CHECK(outcome.reasons[0].text ==
        "rule fsync=deny(\"EIO\") on inventory: 0 fires in 1.2 s; 3 calls matched all but "
        "path=\"/tmp/*.wal\": /tmp/e/member/wal/0.wal; inventory made 0 fsync calls, 41 write");
  CHECK(outcome.fires[0].brief == "inventory.fsync");
  CHECK(outcome.fires[0].note == "inventory made 0 fsync calls, 41 write");
}

TEST_CASE("calls that were not recorded are not counted as none") {
  Case c;
  observe::EventStore store;
  observe::TestWatch watch = watch_all();
  watch.services[kInventory].syscalls = {nr_of("write")};
  c.rule(0, 0);
  c.facts.store = &store;
  c.facts.watch = &watch;
  CHECK(c.judge().reasons[0].text == "rule fsync=deny(\"EIO\") on inventory: 0 fires");
}

struct UnsyncedRow {
  const char* what;
  const char* keyword;
  const char* hit;     // the path that the rule fired by
  const char* synced;  // the path that the service synced; "" = none
  bool noted;
};

TEST_CASE("a disk fault that hit only what is never synced is noted") {
  const UnsyncedRow rows[] = {
      {"a log", "write", "/tmp/app.log", "/tmp/data", true},
      {"nothing is synced", "write", "/tmp/app.log", "", true},
      {"the data", "write", "/tmp/data", "/tmp/data", false},
      {"a full disk", "space", "/tmp/app.log", "/tmp/data", true},
      {"a failing sync", "fsync", "/tmp/app.log", "", false},
  };
  for (const UnsyncedRow& row : rows) {
    CAPTURE(row.what);
    Case c;
    observe::EventStore store;
    observe::TestWatch watch = watch_all();
    RuleEntry& entry = c.rule(1, 1);
    entry.rule.keyword = row.keyword;
    entry.rule.action = model::RuleSpec::Action::kDeny;
    entry.by[row.hit] = 1;
    if (*row.synced) Call(store, kInventory, "fsync", 20).file(row.synced).add();
    c.facts.store = &store;
    c.facts.watch = &watch;
    const TestOutcome outcome = c.judge();
    REQUIRE(outcome.notes.size() == (row.noted ? 1 : 0));
    if (row.noted) CHECK(outcome.notes[0].find("hit only what the service never syncs") != std::string::npos);
    // Where syncs were not recorded, nothing is said.
    watch.services[kInventory].syscalls = {nr_of("write")};
    CHECK(c.judge().notes.empty());
  }
}
