// SPDX-License-Identifier: Apache-2.0
//
// assert_count, assert_before, events and await_stable over a store: LANGUAGE section 7.
#include <doctest/doctest.h>

#include "runner/check/order.h"
#include "tests/unit/check_samples.h"

using namespace fbx;
using namespace fbx::check;
using observe::EventStore;
using observe::FdKind;
using How = Judged::How;

namespace {

struct World {
  plan::Plan plan = two_services();
  EventStore store;
  observe::TestWatch watch = watch_all();
  observe::BarrierResult barrier;
  observe::Loss loss{10, 10, 0, 0};
  Seen seen() { return {&plan, &store, &watch, barrier, loss}; }
};

struct Span {
  double begin_ms, end_ms;  // end < 0: in flight
};

void add(World& world, const char* syscall, const Span& span, const char* path = "/a",
         int64_t ret = 0) {
  Call call = Call(world.store, kInventory, syscall, span.begin_ms, ret).file(path);
  call.lasting(span.end_ms - span.begin_ms);
  if (span.end_ms < 0) call.in_flight();
  call.add();
}

Judged count(World& world, uint64_t least, uint64_t most) {
  LookBacks look_backs(world.store);
  return judge_count(look_backs, {least, most, filter_on("write", "/a")}, {"a.star", 1, 1},
                     world.seen(), 0);
}

BeforeWanted fsync_then_write(bool each = true) {
  BeforeWanted wanted;
  wanted.first = filter_on("fsync");
  wanted.then = filter_on("write");
  wanted.each = each;
  return wanted;
}

Judged before(World& world, const BeforeWanted& wanted) {
  LookBacks look_backs(world.store);
  return judge_before(look_backs, wanted, {"a.star", 1, 1}, world.seen(), 0);
}

}  // namespace

TEST_CASE("assert_count with so many sure and so many that may count") {
  struct Row {
    int sure, flying, nameless;
    uint64_t least, most;
    How how;
  };
  const Row rows[] = {
      {0, 0, 0, 0, 0, How::kHeld},         {1, 0, 0, 0, 0, How::kFailed},
      {2, 0, 0, 2, 2, How::kHeld},         {2, 0, 0, 3, 3, How::kFailed},
      {2, 0, 0, 1, 3, How::kHeld},         {4, 0, 0, 1, 3, How::kFailed},
      {2, 1, 0, 2, 2, How::kInconclusive}, {2, 1, 0, 3, 3, How::kInconclusive},
      {2, 1, 0, 2, 3, How::kHeld},         {2, 1, 0, 4, 9, How::kFailed},
      {2, 0, 1, 2, 2, How::kInconclusive}, {3, 0, 1, 2, 2, How::kFailed},
      {1, 1, 1, 1, 3, How::kHeld},         {1, 5, 0, 1, UINT64_MAX, How::kHeld},
  };
  for (const Row& row : rows) {
    CAPTURE(row.sure);
    CAPTURE(row.flying);
    CAPTURE(row.nameless);
    CAPTURE(row.least);
    World world;
    for (int i = 0; i < row.sure; ++i) add(world, "write", {20.0 + i, 21.0 + i}, "/a", 5);
    for (int i = 0; i < row.flying; ++i) add(world, "write", {40.0 + i, -1});
    for (int i = 0; i < row.nameless; ++i)
      Call(world.store, kInventory, "write", 60, 5).on(FdKind::kFile).add();
    add(world, "write", {70, 71}, "/a", -EIO);  // a failure is no success
    add(world, "write", {72, 73}, "/b", 5);
    CHECK(static_cast<int>(count(world, row.least, row.most).how) == static_cast<int>(row.how));
  }
}

TEST_CASE("assert_count does not believe an absence when something was lost") {
  World world;
  add(world, "write", {20, 21}, "/a", 5);
  world.loss.lost = 1;
  CHECK(count(world, 1, 1).how == How::kInconclusive);
  CHECK(count(world, 2, 2).how == How::kInconclusive);
  CHECK(count(world, 1, UINT64_MAX).how == How::kHeld);
  CHECK(count(world, 0, 0).how == How::kFailed);
  CHECK(count(world, 0, 0).place.line == 1);
}

TEST_CASE("assert_before: certain, certainly not, and not certain") {
  struct Row {
    const char* what;
    std::vector<Span> firsts, thens;
    How each, once;
  };
  const Row rows[] = {
      {"nothing at all", {}, {}, How::kHeld, How::kHeld},
      {"no then", {{1, 2}}, {}, How::kHeld, How::kHeld},
      {"before", {{1, 2}}, {{3, 4}}, How::kHeld, How::kHeld},
      {"touching", {{1, 3}}, {{3, 4}}, How::kHeld, How::kHeld},
      {"no first", {}, {{3, 4}}, How::kFailed, How::kFailed},
      {"after", {{5, 6}}, {{3, 4}}, How::kFailed, How::kFailed},
      {"overlapping", {{1, 3.5}}, {{3, 4}}, How::kInconclusive, How::kInconclusive},
      {"inside", {{3.2, 3.5}}, {{3, 4}}, How::kInconclusive, How::kInconclusive},
      {"in turn", {{1, 2}, {5, 6}}, {{3, 4}, {7, 8}}, How::kHeld, How::kHeld},
      {"one for two", {{1, 2}}, {{3, 4}, {5, 6}}, How::kFailed, How::kHeld},
      {"both firsts first", {{1, 2}, {2, 3}}, {{3, 4}, {5, 6}}, How::kHeld, How::kHeld},
      {"the second is late", {{1, 2}, {9, 10}}, {{3, 4}, {5, 6}}, How::kFailed, How::kHeld},
      {"the second overlaps", {{1, 2}, {5, 7}}, {{3, 4}, {6, 8}}, How::kInconclusive, How::kHeld},
      {"a first in flight", {{1, -1}}, {{3, 4}}, How::kInconclusive, How::kInconclusive},
      {"a then in flight, no first", {}, {{3, -1}}, How::kInconclusive, How::kInconclusive},
      {"a then in flight, covered", {{1, 2}}, {{3, -1}}, How::kHeld, How::kHeld},
      {"a then in flight takes a first",
       {{1, 2}},
       {{3, -1}, {4, 5}},
       How::kInconclusive,
       How::kHeld},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    World world;
    for (const Span& span : row.firsts) add(world, "fsync", span);
    for (const Span& span : row.thens) add(world, "write", span, "/a", 5);
    CHECK(static_cast<int>(before(world, fsync_then_write()).how) == static_cast<int>(row.each));
    CHECK(static_cast<int>(before(world, fsync_then_write(false)).how) ==
          static_cast<int>(row.once));
  }
}

TEST_CASE("a first that failed is no first") {
  World world;
  add(world, "fsync", {1, 2}, "/a", -EIO);
  add(world, "write", {3, 4}, "/a", 5);
  const Judged judged = before(world, fsync_then_write());
  CHECK(judged.how == How::kFailed);
  CHECK(judged.event == 2);
}

TEST_CASE("key= pairs events of one key only") {
  World world;
  add(world, "fsync", {1, 2}, "/a");
  add(world, "write", {3, 4}, "/b", 5);
  CHECK(before(world, fsync_then_write()).how == How::kHeld);
  BeforeWanted keyed = fsync_then_write();
  keyed.key = [&world](const observe::Event& event) {
    return std::string(world.store.string(event.path));
  };
  CHECK(before(world, keyed).how == How::kFailed);
  add(world, "fsync", {2, 2.5}, "/b");
  CHECK(before(world, keyed).how == How::kHeld);
}

TEST_CASE("assert_before does not believe an absence when something was lost") {
  World world;
  world.loss.lost = 1;
  CHECK(before(world, fsync_then_write()).how == How::kInconclusive);  // a then may be missing
  add(world, "write", {3, 4}, "/a", 5);
  CHECK(before(world, fsync_then_write()).how == How::kInconclusive);  // a first may be missing
  World unwatched;
  unwatched.watch.services[kInventory].syscalls = {nr_of("fsync")};
  CHECK(before(unwatched, fsync_then_write()).code == "not-watched");
}

TEST_CASE("events lists everything that matches, and says when something may be missing") {
  World world;
  add(world, "write", {1, 2}, "/a", 5);
  add(world, "write", {3, 4}, "/a", -EIO);
  add(world, "write", {5, -1}, "/a");
  add(world, "write", {6, 7}, "/b", 5);
  LookBacks look_backs(world.store);
  Listing all = list_events(look_backs, filter_on("write", "/a"), {}, world.seen(), 0);
  CHECK(all.seqs == std::vector<uint64_t>{1, 2, 3});
  CHECK_FALSE(all.doubt);
  CHECK(list_events(look_backs, filter_on("write", "/a"), {}, world.seen(), 3 * kMs).seqs.size() ==
        2);
  world.barrier.exact = false;
  all = list_events(look_backs, filter_on("write", "/a"), {"a.star", 2, 1}, world.seen(), 0);
  REQUIRE(all.doubt);
  CHECK(all.doubt->code == "inexact-barrier");
  CHECK(all.doubt->place.line == 2);
}

TEST_CASE("the last event tells how long it has been quiet") {
  World world;
  LookBacks look_backs(world.store);
  const auto last = [&] { return last_event_ns(look_backs, filter_on("write"), world.seen(), 0); };
  CHECK(*last() == 0);
  add(world, "write", {5, 9}, "/a", 1);
  add(world, "write", {6, 7}, "/a", 1);
  CHECK(*last() == 9 * kMs);
  add(world, "write", {8, -1}, "/a");
  CHECK(*last() == UINT64_MAX);
}
