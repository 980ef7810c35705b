// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <csignal>

#include "runner/check/timeline.h"
#include "tests/unit/check_samples.h"

using namespace fbx;
using namespace fbx::check;
using observe::Event;
using observe::EventStore;
using observe::EventType;
using observe::FdKind;

namespace {

uint64_t add_text(EventStore& store, EventType type, double at_ms, const std::string& text,
                  int16_t service = -1) {
  Event event;
  event.type = type;
  event.service = service;
  event.begin_ns = event.end_ns = static_cast<uint64_t>(at_ms * 1e6);
  event.text = store.intern(text);
  return store.append(event).seq;
}

uint64_t add_exit(EventStore& store, double at_ms, int wait_status) {
  Event event;
  event.type = EventType::kLifecycle;
  event.what = observe::Lifecycle::kExited;
  event.service = kInventory;
  event.ret = wait_status;
  event.begin_ns = event.end_ns = static_cast<uint64_t>(at_ms * 1e6);
  return store.append(event).seq;
}

bool shows(const std::vector<report::EventLine>& lines, uint64_t seq) {
  for (const report::EventLine& line : lines)
    if (line.seq == seq) return true;
  return false;
}

}  // namespace

TEST_CASE("an event is one line") {
  const plan::Plan plan = two_services();
  EventStore store;
  struct Row {
    uint64_t seq;
    const char* text;
  };
  const Row rows[] = {
      {Call(store, kInventory, "write", 1, 24).file("/tmp/a.wal").add(),
       "write /tmp/a.wal → 24 bytes"},
      {Call(store, kInventory, "write", 1, 1).file("/tmp/a.wal").add(),
       "write /tmp/a.wal → 1 byte"},
      {Call(store, kInventory, "write", 1, 1).file("/b", "/a").add(), "write /b (as /a) → 1 byte"},
      {Call(store, kInventory, "fsync", 1, -EIO).file("/a").decided("deny(EIO)", "disk").add(),
       "fsync /a → EIO  deny(EIO) disk"},
      {Call(store, kInventory, "fsync", 1).file("/a").add(), "fsync /a → ok"},
      {Call(store, kOrders, "connect", 1, -ECONNREFUSED).peer(kInventory, "127.0.0.1:5432").add(),
       "connect inventory (127.0.0.1:5432) → ECONNREFUSED"},
      {Call(store, kOrders, "recvfrom", 1).peer(observe::kPeerClient, "").in_flight().add(),
       "recvfrom client … in flight"},
      {Call(store, kOrders, "accept4", 1, 9).on(FdKind::kStream, 3).add(), "accept4 fd 3 → fd 9"},
      {Call(store, kOrders, "getpid", 1, 4711).add(), "getpid → 4711"},
      {add_text(store, EventType::kStep, 1, "orders.get / → 200, 2.0 ms"),
       "orders.get / → 200, 2.0 ms"},
      {add_text(store, EventType::kStderr, 1, "oops", kOrders), "stderr: oops"},
      {add_exit(store, 1, 3 << 8), "exited with status 3"},
      {add_exit(store, 1, SIGSEGV), "killed by SIGSEGV"},
  };
  for (const Row& row : rows) CHECK(describe(plan, store, store.at(row.seq)) == row.text);
  CHECK(column_of(plan, store.at(1)) == "inventory");
}

TEST_CASE("a few events out of many, chosen by what they say") {
  const plan::Plan plan = two_services();
  EventStore store;
  const uint64_t fault = add_text(store, EventType::kFault, 10, "on: write=deny(\"EIO\")");
  for (int i = 0; i < 20000; ++i)
    Call(store, kOrders, "read", 11 + i * 0.01, 10).peer(observe::kPeerClient, "").add();
  const uint64_t denied =
      Call(store, kInventory, "write", 100, -EIO).file("/tmp/a.wal").decided("deny(EIO)").add();
  const uint64_t step = add_text(store, EventType::kStep, 120, "orders.post /orders → 500, 3.0 ms");
  for (int i = 0; i < 20000; ++i)
    Call(store, kOrders, "read", 121 + i * 0.001, -EAGAIN).on(FdKind::kStream).add();
  const uint64_t offending = Call(store, kInventory, "write", 150, 24).file("/tmp/a.wal").add();
  const uint64_t neighbour = Call(store, kInventory, "close", 151).file("/tmp/a.wal").add();
  const uint64_t exit = add_exit(store, 160, 1 << 8);
  const uint64_t late = add_text(store, EventType::kStep, 500, "later");

  TimelineFocus focus;
  focus.event = offending;
  focus.body_ns = 5 * kMs;
  focus.until_ns = 200 * kMs;
  const auto lines = timeline(plan, store, focus);
  CHECK(lines.size() <= focus.at_most);
  for (const uint64_t seq : {fault, denied, step, offending, neighbour, exit}) {
    CAPTURE(seq);
    CHECK(shows(lines, seq));
  }
  CHECK_FALSE(shows(lines, late));
  for (size_t i = 1; i < lines.size(); ++i) CHECK(lines[i - 1].at_ms <= lines[i].at_ms);
  for (const report::EventLine& line : lines) CHECK(line.offending == (line.seq == offending));
  CHECK(lines[0].at_ms == doctest::Approx(5.0));
}

TEST_CASE("events that read the same are not a wall") {
  const plan::Plan plan = two_services();
  EventStore store;
  for (int i = 0; i < 100; ++i)
    Call(store, kOrders, "connect", 10 + i, -ECONNREFUSED)
        .peer(kInventory, "127.0.0.1:5432")
        .decided("cut(refuse)")
        .add();
  const auto lines = timeline(plan, store, {});
  REQUIRE(lines.size() == 2);
  CHECK((lines[0].text.ends_with("(98 more alike)") || lines[1].text.ends_with("(98 more alike)")));
}

TEST_CASE("nothing to show is nothing shown") {
  const plan::Plan plan = two_services();
  EventStore store;
  CHECK(timeline(plan, store, {}).empty());
  TimelineFocus focus;
  focus.event = 7;  // not in the store
  CHECK(timeline(plan, store, focus).empty());
}
