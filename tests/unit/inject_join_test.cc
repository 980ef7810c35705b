// SPDX-License-Identifier: Apache-2.0
//
// Decisions beside records: what fits, and what is an escape.
#include <doctest/doctest.h>
#include <sys/syscall.h>

#include <cerrno>

#include "bpf/abi/tables.h"
#include "runner/inject/decision_join.h"

using namespace fbx;
using namespace fbx::inject;

namespace {

constexpr uint64_t kMs = 1'000'000;

struct Bench {
  observe::EventStore store;
  DecisionJoin join{store};
  plan::Plan plan;
  CompiledRule compiled;
  JoinRule rule;

  explicit Bench(const std::string& keyword = "write") {
    plan.services.emplace_back();
    model::RuleSpec spec;
    spec.keyword = keyword;
    spec.errnum = EIO;
    compiled = *compile_rule(spec, plan, 0, 1);
    rule = {.index = 0, .service = 0, .by_cgroup = keyword == "connect", .rule = &compiled,
            .label = "disk", .installed_ns = 100 * kMs, .lifted_ns = 0};
  }
  observe::Event& event(uint64_t begin, uint64_t end, int64_t ret, uint16_t nr = SYS_write,
                        observe::FdKind on = observe::FdKind::kFile) {
    observe::Event e;
    e.service = 0;
    e.tid = e.pid = 77;
    e.nr = nr;
    e.on = on;
    e.begin_ns = begin * kMs;
    e.end_ns = end * kMs;
    e.ret = ret;
    return store.append(e);
  }
  static Decision decision(uint64_t entered, uint64_t answered, uint32_t action,
                           uint16_t nr = SYS_write) {
    Decision d;
    d.entered_ns = entered * kMs;
    d.answered_ns = answered * kMs;
    d.tid = 77;
    d.nr = nr;
    d.service = 0;
    d.action = action;
    d.errnum = EIO;
    d.rule = action == FBX_ACT_NONE ? -1 : 0;
    d.matched = {0};
    return d;
  }
  std::vector<Escape> run(std::vector<Decision> decisions, std::vector<Passed> passed = {}) {
    join.add(std::move(decisions), std::move(passed));
    return join.run({rule}, {}, settled_ns);
  }
  uint64_t settled_ns = 1000 * kMs;
};

TEST_CASE("a denied call has no begin of its own; the decision gives it one") {
  Bench b;
  b.event(0, 201, -EIO);
  CHECK(b.run({Bench::decision(200, 200, FBX_ACT_DENY)}).empty());
  const observe::Event& event = b.store.at(1);
  CHECK(event.rule == 0);
  CHECK(event.begin_ns == 200 * kMs);
  CHECK(b.store.string(event.decision) == "deny(EIO)");
  CHECK(b.store.string(event.label) == "disk");
}

TEST_CASE("a denied call has two seconds for its record, and none when all is settled") {
  struct Row {
    uint64_t settled_ns;
    size_t escapes;
  };
  for (const Row& row : {Row{201 * kMs, 0}, Row{2'199 * kMs, 0}, Row{2'200 * kMs, 1},
                         Row{DecisionJoin::kAllSettled, 1}}) {
    CAPTURE(row.settled_ns);
    Bench b;
    b.settled_ns = row.settled_ns;
    const auto escapes = b.run({Bench::decision(200, 200, FBX_ACT_DENY)});
    REQUIRE(escapes.size() == row.escapes);
    if (row.escapes)
      CHECK(escapes[0].text == "write was denied, and the kernel has no record of it");
  }
}

TEST_CASE("a call that was let pass needs no record") {
  Bench b;
  b.settled_ns = DecisionJoin::kAllSettled;
  CHECK(b.run({}, {Passed{200 * kMs, 200 * kMs, 77, SYS_write, 0}}).empty());
}

TEST_CASE("a decision that did not look at the path gets it from the record") {
  Bench b;
  observe::Event& event = b.event(0, 201, -EIO);
  event.path = b.store.intern("/data/a.wal");
  CHECK(b.run({Bench::decision(200, 200, FBX_ACT_DENY)}).empty());
  const auto named = b.join.take_named();
  REQUIRE(named.size() == 1);
  CHECK(named[0].rule == 0);
  CHECK(named[0].path == "/data/a.wal");
}

TEST_CASE("a denied call that succeeded is an escape") {
  Bench b;
  b.event(200, 201, 12);
  const auto escapes = b.run({Bench::decision(199, 200, FBX_ACT_DENY)});
  REQUIRE(escapes.size() == 1);
  CHECK(escapes[0].text == "write returned 12, and not EIO");
}

TEST_CASE("a record in the rule's time that no hand saw is an escape") {
  struct Row {
    const char* what;
    uint64_t begin, end;
    observe::FdKind on;
    bool escape;
  };
  const Row rows[] = {{"in its time", 200, 201, observe::FdKind::kFile, true},
                      {"before", 98, 99, observe::FdKind::kFile, false},
                      {"begun before", 99, 150, observe::FdKind::kFile, false},
                      {"ended after the lift", 390, 410, observe::FdKind::kFile, false},
                      {"on a socket", 200, 201, observe::FdKind::kStream, false}};
  for (const Row& row : rows) {
    CAPTURE(row.what);
    Bench b;
    b.rule.lifted_ns = 400 * kMs;
    b.event(row.begin, row.end, 12, SYS_write, row.on);
    CHECK(b.run({}).size() == (row.escape ? 1 : 0));
  }
}

TEST_CASE("a call that the supervisor passed did not escape") {
  Bench b;
  b.event(200, 201, 12);
  CHECK(b.run({}, {{.entered_ns = 199 * kMs, .answered_ns = 199 * kMs, .tid = 77, .nr = SYS_write,
                    .service = 0}})
            .empty());
}

TEST_CASE("a delay that ended early is an escape, one that a lift cut is not") {
  for (bool cut : {false, true}) {
    CAPTURE(cut);
    Bench b("fsync");
    b.event(220, 221, 0, SYS_fsync);
    Decision d = Bench::decision(200, 220, FBX_ACT_DELAY, SYS_fsync);
    d.delay_ns = 300 * kMs;
    d.cut_short = cut;
    CHECK(b.run({d}).size() == (cut ? 0 : 1));
    CHECK(b.store.string(b.store.at(1).decision) == (cut ? "delay(cut at 0.0s)" : "delay(300ms)"));
  }
}

TEST_CASE("one record with two decisions counted twice") {
  Bench b;
  b.event(210, 221, 3);
  const auto escapes = b.run({Bench::decision(200, 201, FBX_ACT_NONE),
                              Bench::decision(211, 212, FBX_ACT_NONE)});
  REQUIRE(escapes.size() == 1);
  CHECK(escapes[0].text.find("counted twice") != std::string::npos);
}

TEST_CASE("decisions and records of one thread pair up in order, whenever they arrive") {
  Bench b;
  b.event(0, 201, -EIO);
  CHECK(b.run({Bench::decision(200, 200, FBX_ACT_DENY), Bench::decision(300, 300, FBX_ACT_NONE)})
            .empty());
  b.event(301, 302, 5);
  CHECK(b.run({}).empty());
  CHECK(b.store.at(1).rule == 0);
  CHECK(b.store.at(2).rule == -1);
}

TEST_CASE("a denial without any record is an escape in the end") {
  Bench b;
  b.join.add({Bench::decision(200, 200, FBX_ACT_DENY)}, {});
  CHECK(b.join.run({b.rule}, {}, 300 * kMs).empty());
  CHECK(b.join.run({b.rule}, {}, 5000 * kMs).size() == 1);
}

TEST_CASE("a dial that failed before the hook is asked is no escape") {
  for (auto [ret, escapes] : {std::pair{-EISCONN, 0}, {-EALREADY, 0}, {0, 1}, {-EINPROGRESS, 1}}) {
    CAPTURE(ret);
    Bench b("connect");
    b.event(200, 201, ret, SYS_connect, observe::FdKind::kStream);
    CHECK(static_cast<int>(b.run({}).size()) == escapes);
  }
}

TEST_CASE("what the shim denied becomes an event, for there is no record of it") {
  Bench b;
  b.rule.by_shim = true;
  b.event(300, 301, 12);  // of a later write, which the shim matched and let pass
  Decision denied = Bench::decision(200, 201, FBX_ACT_DENY);
  denied.source = Decision::Source::kShim;
  denied.kind = FBX_KIND_FILE;
  denied.path = "/tmp/wal";
  denied.fd = 5;
  denied.pid = 70;
  denied.args[2] = 17;
  Decision passed = Bench::decision(299, 299, FBX_ACT_NONE);
  passed.source = Decision::Source::kShim;
  CHECK(b.run({denied, passed}).empty());
  REQUIRE(b.store.size() == 2);
  const observe::Event& event = b.store.at(2);
  CHECK(event.ret == -EIO);
  CHECK(event.rule == 0);
  CHECK(event.begin_ns == 200 * kMs);
  CHECK(event.end_ns == 201 * kMs);
  CHECK(event.pid == 70);
  CHECK(event.fd == 5);
  CHECK(event.args[2] == 17);
  CHECK(b.store.string(event.path) == "/tmp/wal");
  CHECK(b.store.string(event.decision) == "deny(EIO)");
  CHECK(b.store.string(event.label) == "disk");
  CHECK(b.run({}).empty());  // it is no record, to which an entry must be found
  CHECK(b.store.size() == 2);
}

TEST_CASE("a record that a rule of the shim's would have hit, without its entry, is an escape") {
  Bench b;
  b.rule.by_shim = true;
  b.event(200, 201, 12);
  CHECK(b.run({}).size() == 1);
}

// The record says that O_CREAT was given, not that there was no file; the hand looked, and says so.
TEST_CASE("an open that may have made its file is proven by the hand's look") {
  for (const bool looked : {true, false}) {
    CAPTURE(looked);
    Bench b("space");
    b.rule.by_shim = true;
    observe::Event& opened = b.event(200, 201, 5, SYS_openat, observe::FdKind::kFile);
    opened.flags |= observe::kCreated;
    Decision look = Bench::decision(200, 200, FBX_ACT_NONE, SYS_openat);
    look.source = Decision::Source::kShim;
    look.matched.clear();
    CHECK(b.run(looked ? std::vector{look} : std::vector<Decision>{}).size() == size_t{!looked});
  }
}

}  // namespace
