// SPDX-License-Identifier: Apache-2.0
//
// The table of LANGUAGE section 7: what each look-back sees, in which window, and when it must not
// answer.
#include <doctest/doctest.h>

#include <functional>

#include "runner/check/look_back.h"
#include "tests/unit/check_samples.h"

using namespace fbx;
using namespace fbx::check;
using observe::EventStore;
using observe::FdKind;
using How = Judged::How;
using Kind = model::LookBack::Kind;

namespace {

constexpr uint64_t kBody = 10 * kMs;

struct World {
  plan::Plan plan = two_services();
  EventStore store;
  observe::TestWatch watch = watch_all();
  observe::BarrierResult barrier;
  observe::Loss loss{10, 10, 0, 0};
  Seen seen() { return {&plan, &store, &watch, barrier, loss}; }
};

model::LookBack look_back(Kind kind, const model::Filter& filter) {
  model::LookBack what;
  what.kind = kind;
  what.filter = filter;
  return what;
}

Evaluation evaluate(World& world, const model::LookBack& what, uint64_t window_ns = kBody) {
  LookBacks look_backs(world.store);
  return look_backs.evaluate(what, {"a.star", 3, 5}, world.seen(), window_ns);
}

How judge(World& world, Kind kind, const model::Filter& filter, uint64_t window_ns = kBody) {
  return evaluate(world, look_back(kind, filter), window_ns).judged.how;
}

}  // namespace

TEST_CASE("what never and eventually see of one call") {
  struct Row {
    const char* what;
    std::function<Call(EventStore&)> call;
    std::function<void(model::Filter&)> key;  // one more key of the filter
    How never, eventually;
  };
  const auto none = [](model::Filter&) {};
  const auto wrote = [](int64_t ret) {
    return [ret](EventStore& s) { return Call(s, kInventory, "write", 20, ret).file("/a"); };
  };
  const auto denied = [](EventStore& s) {
    return Call(s, kInventory, "write", 20, -EIO).file("/a").decided("deny(EIO)", "disk");
  };
  const auto flying = [](EventStore& s) {
    return Call(s, kInventory, "write", 20).file("/a").in_flight();
  };
  const auto begun = [](EventStore& s) {
    return Call(s, kInventory, "write", 20).file("/a").decided("delay(1s)", "disk").result_unknown();
  };
  const auto ok_is = [](bool value) { return [value](model::Filter& f) { f.ok = value; }; };
  const auto any_ok = [](model::Filter& f) { f.ok_any = true; };
  const auto eio = [](model::Filter& f) { f.errname = "EIO"; };
  const auto disk = [](model::Filter& f) { f.label = "disk"; };
  const auto deny = [](model::Filter& f) { f.decision = "deny(*)"; };
  const Row rows[] = {
      {"nothing", nullptr, none, How::kHeld, How::kFailed},
      {"success", wrote(24), none, How::kFailed, How::kHeld},
      {"empty write", wrote(0), none, How::kFailed, How::kHeld},
      {"failure", wrote(-ENOSPC), none, How::kHeld, How::kFailed},
      {"denied", denied, none, How::kHeld, How::kFailed},
      {"in flight", flying, none, How::kFailed, How::kFailed},
      {"success, ok=True", wrote(1), ok_is(true), How::kFailed, How::kHeld},
      {"denied, ok=True", denied, ok_is(true), How::kHeld, How::kFailed},
      {"in flight, ok=True", flying, ok_is(true), How::kFailed, How::kFailed},
      {"success, ok=False", wrote(1), ok_is(false), How::kHeld, How::kFailed},
      {"denied, ok=False", denied, ok_is(false), How::kFailed, How::kHeld},
      {"in flight, ok=False", flying, ok_is(false), How::kHeld, How::kFailed},
      {"success, ok=None", wrote(1), any_ok, How::kFailed, How::kHeld},
      {"denied, ok=None", denied, any_ok, How::kFailed, How::kHeld},
      {"denied, errno", denied, eio, How::kFailed, How::kHeld},
      {"denied, label", denied, disk, How::kFailed, How::kHeld},
      {"denied, decision", denied, deny, How::kFailed, How::kHeld},
      {"success, decision", wrote(1), deny, How::kHeld, How::kFailed},
      {"begun", begun, none, How::kFailed, How::kInconclusive},
      {"begun, ok=True", begun, ok_is(true), How::kInconclusive, How::kInconclusive},
      {"begun, ok=False", begun, ok_is(false), How::kInconclusive, How::kInconclusive},
      {"begun, ok=None", begun, any_ok, How::kFailed, How::kHeld},
      {"begun, errno", begun, eio, How::kInconclusive, How::kInconclusive},
      {"begun, its label", begun, disk, How::kFailed, How::kHeld},
      {"begun, another decision", begun, deny, How::kHeld, How::kFailed},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    World world;
    if (row.call) row.call(world.store).add();
    model::Filter filter = filter_on("write");
    row.key(filter);
    CHECK(static_cast<int>(judge(world, Kind::kNever, filter)) == static_cast<int>(row.never));
    CHECK(static_cast<int>(judge(world, Kind::kEventually, filter)) ==
          static_cast<int>(row.eventually));
  }
}

TEST_CASE("a connect that has begun to dial is a success") {
  World world;
  Call(world.store, kInventory, "connect", 20, -EINPROGRESS).peer(kOrders, "127.0.0.1:8080").add();
  CHECK(judge(world, Kind::kNever, filter_on("connect")) == How::kFailed);
  CHECK(judge(world, Kind::kEventually, filter_on("connect")) == How::kHeld);
}

TEST_CASE("a wait in flight never counts, whatever is named") {
  for (const char* name : {"accept", "recvfrom", "poll", "read"}) {
    CAPTURE(name);
    World world;
    Call(world.store, kInventory, name, 20).on(FdKind::kStream).in_flight().add();
    model::Filter filter = filter_on(name);
    CHECK(judge(world, Kind::kNever, filter) == How::kHeld);
    filter.ok_any = true;
    CHECK(judge(world, Kind::kNever, filter) == How::kHeld);
  }
}

TEST_CASE("the window: effects count by their begin, waits by their end") {
  struct Row {
    const char* what;
    const char* syscall;
    double at_ms, lasts_ms;
    bool in;
  };
  const Row rows[] = {
      {"write before", "write", 5, 1, false},    {"write across", "write", 9.5, 5, false},
      {"write at the border", "write", 10, 1, true}, {"write after", "write", 11, 1, true},
      {"accept before", "accept", 5, 1, false},  {"accept across", "accept", 2, 20, true},
      {"accept after", "accept", 11, 1, true},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    World world;
    Call(world.store, kInventory, row.syscall, row.at_ms, 5)
        .on(FdKind::kStream)
        .lasting(row.lasts_ms)
        .add();
    CHECK((judge(world, Kind::kEventually, filter_on(row.syscall)) == How::kHeld) == row.in);
    CHECK(judge(world, Kind::kEventually, filter_on(row.syscall), 0) ==
          How::kHeld);  // since="start"
  }
}

TEST_CASE("a window's begin is found though ends are not in order") {
  World world;
  for (int i = 0; i < 50; ++i) {
    // Every fifth is long: its end lies behind the begin of the next ones.
    Call(world.store, kInventory, "write", i + 1, 1)
        .file("/a")
        .lasting(i % 5 == 0 ? 30 : 0.5)
        .add();
  }
  LookBacks look_backs(world.store);
  const auto filter = CompiledFilter::compile(filter_on("write"), world.plan);
  for (uint64_t begin = 0; begin <= 60; ++begin) {
    CAPTURE(begin);
    const size_t expected = begin > 50 ? 0 : begin == 0 ? 50 : 51 - begin;
    CHECK(look_backs.matching(*filter, begin * kMs).sure.size() == expected);
  }
}

TEST_CASE("a call that was in flight and ends later is found by the same look-backs") {
  World world;
  const uint64_t seq =
      Call(world.store, kInventory, "accept", 2).on(FdKind::kStream).in_flight().add();
  LookBacks look_backs(world.store);
  const auto what = look_back(Kind::kEventually, filter_on("accept"));
  CHECK(look_backs.evaluate(what, {}, world.seen(), kBody).judged.how == How::kFailed);
  world.store.at(seq).state = observe::CallState::kDone;
  world.store.at(seq).end_ns = 30 * kMs;
  world.store.at(seq).ret = 8;
  CHECK(look_backs.evaluate(what, {}, world.seen(), kBody).judged.how == How::kHeld);
}

TEST_CASE("absence is not believed when something may be missing") {
  struct Row {
    const char* code;
    std::function<void(World&)> spoil;
  };
  const Row rows[] = {
      {"events-lost", [](World& w) { w.loss.lost = 1; }},
      {"events-lost", [](World& w) { w.loss.written = 11; }},
      {"left-cgroup", [](World& w) { w.loss.left = {kInventory, 7, "cron"}; }},
      {"inexact-barrier", [](World& w) { w.barrier = {false, "the marker did not come", 0, {}}; }},
      {"not-watched", [](World& w) { w.watch.services[kInventory].syscalls = {nr_of("write")}; }},
      {"not-watched", [](World& w) { w.watch.services.clear(); }},
      {"undecided-event",
       [](World& w) { Call(w.store, kInventory, "write", 20, 3).on(FdKind::kFile).add(); }},
  };
  for (const Row& row : rows) {
    CAPTURE(row.code);
    World world;
    row.spoil(world);
    for (const Kind kind : {Kind::kNever, Kind::kEventually}) {
      const Evaluation got = evaluate(world, look_back(kind, filter_on("write", "/a")));
      CHECK(got.judged.how == How::kInconclusive);
      CHECK(got.judged.code == row.code);
      CHECK_FALSE(got.settled);
    }
    // What is seen is seen.
    Call(world.store, kInventory, "write", 21, 3).file("/a").add();
    CHECK(judge(world, Kind::kNever, filter_on("write", "/a")) == How::kFailed);
    CHECK(judge(world, Kind::kEventually, filter_on("write", "/a")) == How::kHeld);
  }
}

TEST_CASE("an undecided event that would not count anyway is no doubt") {
  World world;
  Call(world.store, kInventory, "write", 20, -EIO).on(FdKind::kFile).add();
  CHECK(judge(world, Kind::kNever, filter_on("write", "/a")) == How::kHeld);
}

TEST_CASE("loss elsewhere does not matter to a filter about other things") {
  World world;
  world.watch.services[kOrders].syscalls.clear();  // only inventory is asked about
  CHECK(judge(world, Kind::kNever, filter_on("write")) == How::kHeld);
}

TEST_CASE("a failure names the event, its place and how many more there are") {
  World world;
  const uint64_t first = Call(world.store, kInventory, "write", 20, 24).file("/tmp/a.wal").add();
  Call(world.store, kInventory, "write", 22, 24).file("/tmp/a.wal").add();
  const Evaluation got = evaluate(world, look_back(Kind::kNever, filter_on("write", "/tmp/*")));
  CHECK(got.settled);
  CHECK(got.judged.event == first);
  CHECK(got.judged.place.text() == "a.star:3:5");
  CHECK(got.judged.text ==
        "assert_never(service=\"inventory\", syscall=\"write\", path=\"/tmp/*\") did not hold: "
        "inventory: write /tmp/a.wal → 24 bytes (and 1 more)");
}

TEST_CASE("what was missed by little is said") {
  World world;
  Call(world.store, kInventory, "write", 20, 24).file("/var/a.wal").add();
  const Evaluation by_path =
      evaluate(world, look_back(Kind::kEventually, filter_on("write", "/tmp/*")));
  CHECK(by_path.judged.text.ends_with("no such event; 1 call matched all but path=: /var/a.wal"));
  Call(world.store, kInventory, "fsync", 21, -EIO).file("/tmp/a").decided("deny(EIO)").add();
  const Evaluation failed = evaluate(world, look_back(Kind::kEventually, filter_on("fsync")));
  CHECK(failed.judged.text.ends_with(
      "not counted, because it failed: inventory: fsync /tmp/a → EIO  deny(EIO)"));
}

TEST_CASE("other types than syscalls are looked for in the whole store") {
  World world;
  observe::Event exited;
  exited.type = observe::EventType::kLifecycle;
  exited.what = observe::Lifecycle::kExited;
  exited.service = kInventory;
  exited.begin_ns = exited.end_ns = 20 * kMs;
  world.store.append(exited);
  model::Filter filter;
  filter.type = "lifecycle";
  filter.service = kInventory;
  CHECK(judge(world, Kind::kEventually, filter) == How::kHeld);
  CHECK(judge(world, Kind::kEventually, filter, 21 * kMs) == How::kFailed);
  filter.service = kOrders;
  CHECK(judge(world, Kind::kEventually, filter) == How::kFailed);
}

TEST_CASE("a never is judged again when its scope is left, and only then") {
  World world;
  LookBacks look_backs(world.store);
  PendingNevers pending;
  model::LookBack inner = look_back(Kind::kNever, filter_on("write"));
  inner.scope = 2;
  model::LookBack outer = inner, now = inner;
  outer.scope = 0;
  now.until_now = true;
  pending.add(inner, {"a.star", 1, 1}, kBody);
  pending.add(outer, {"a.star", 2, 1}, kBody);
  pending.add(now, {"a.star", 3, 1}, kBody);
  pending.add(look_back(Kind::kEventually, filter_on("write")), {"a.star", 4, 1}, kBody);
  CHECK(pending.any(2));
  CHECK_FALSE(pending.any(1));
  CHECK(pending.leave(1, look_backs, world.seen()).empty());

  Call(world.store, kInventory, "write", 60, 24).file("/a").add();  // 50 ms after its reply
  const std::vector<Judged> left = pending.leave(2, look_backs, world.seen());
  REQUIRE(left.size() == 1);
  CHECK(left[0].how == How::kFailed);
  CHECK(left[0].again);
  CHECK(left[0].place.line == 1);
  CHECK_FALSE(pending.any(2));
  CHECK(pending.leave(0, look_backs, world.seen()).size() == 1);
  CHECK_FALSE(pending.any(0));
}

TEST_CASE("a scope that was never entered begins with the body") {
  ScopeClock scopes;
  CHECK(scopes.begin(3) == 0);
  scopes.enter(0, 5);
  scopes.enter(3, 9);
  CHECK(scopes.begin(0) == 5);
  CHECK(scopes.begin(3) == 9);
  scopes.leave(3);
  CHECK(scopes.begin(3) == 5);
}
