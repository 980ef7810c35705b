// SPDX-License-Identifier: Apache-2.0
//
// The observer that has no records of its own: what it makes of what the supervisor tells.
#include <doctest/doctest.h>

#include <algorithm>
#include <cerrno>

#include "bpf/abi/tables.h"
#include "runner/observe/log_observer.h"

using namespace fbx;
using namespace fbx::observe;

namespace {

uint16_t nr_of(const char* name) {
  return static_cast<uint16_t>(abi::find_syscall(name)->nr());
}

CallBegun begun(const char* call, uint32_t tid, uint64_t at_ns) {
  CallBegun out;
  out.event.service = 0;
  out.event.tid = out.event.pid = tid;
  out.event.nr = nr_of(call);
  out.event.begin_ns = at_ns;
  out.path = "/tmp/a.wal";
  return out;
}

CallAnswered answered(const char* call, uint32_t tid, uint64_t at_ns, std::optional<int64_t> ret) {
  return {.tid = tid, .nr = nr_of(call), .at_ns = at_ns, .ret = ret, .rule = -1, .decision = {}};
}

struct Fresh {
  LogObserver observer;
  Fresh() { REQUIRE(observer.begin_test(watch())); }
  static TestWatch watch() {
    WatchedService service{.index = 0, .cgroup_id = 1, .syscalls = {nr_of("write"), nr_of("fsync")}};
    std::ranges::sort(service.syscalls);
    TestWatch out;
    out.services.push_back(service);
    return out;
  }
  const Event& only() {
    const auto barrier = observer.barrier(0);
    REQUIRE(barrier);
    CHECK(barrier->exact);
    REQUIRE(observer.store().size() == 1);
    return observer.store().at(1);
  }
};

TEST_CASE("a call that was let through has ended for us, and its result is unknown") {
  Fresh fresh;
  fresh.observer.call_log()->begun(begun("write", 7, 100));
  fresh.observer.call_log()->answered(answered("write", 7, 120, std::nullopt));
  const Event& event = fresh.only();
  CHECK(event.state == CallState::kDone);
  CHECK((event.flags & kResultUnknown) != 0);
  CHECK(event.begin_ns == 100);
  CHECK(event.end_ns == 120);
  CHECK(fresh.observer.store().string(event.path) == "/tmp/a.wal");
}

TEST_CASE("a denied call has its result") {
  Fresh fresh;
  fresh.observer.call_log()->begun(begun("write", 7, 100));
  fresh.observer.call_log()->answered(answered("write", 7, 120, -EIO));
  const Event& event = fresh.only();
  CHECK((event.flags & kResultUnknown) == 0);
  CHECK(event.ret == -EIO);
}

TEST_CASE("a call that is held is in flight") {
  Fresh fresh;
  fresh.observer.call_log()->begun(begun("fsync", 7, 100));
  CHECK(fresh.only().state == CallState::kInFlight);
  const auto barrier = fresh.observer.barrier(0);
  CHECK(barrier->in_flight == std::vector<uint64_t>{1});
}

TEST_CASE("what could not be looked at is lost, and io_uring is an escape") {
  Fresh fresh;
  fresh.observer.call_log()->begun(begun("io_uring_setup", 7, 100));
  static_cast<void>(fresh.only());
  CHECK(fresh.observer.loss().exact());
  CHECK(fresh.observer.escapes() == std::vector<uint64_t>{1});
  fresh.observer.call_log()->unread();
  REQUIRE(fresh.observer.pump());
  CHECK_FALSE(fresh.observer.loss().exact());
}

struct Mapping {
  const char* what;
  uint64_t prot, flags;
  FdKind on;
  bool escape;
};

TEST_CASE("a file that is written by memory is an escape, other mappings are nothing") {
  constexpr uint64_t kRead = 1, kWrite = 2, kShared = 1, kPrivate = 2;
  const Mapping rows[] = {{"writable", kRead | kWrite, kShared, FdKind::kFile, true},
                          {"of shm", kWrite, kShared, FdKind::kShm, true},
                          {"validated", kWrite, 3, FdKind::kFile, true},
                          {"read", kRead, kShared, FdKind::kFile, false},
                          {"private", kRead | kWrite, kPrivate, FdKind::kFile, false},
                          {"anonymous", kRead | kWrite, kShared, FdKind::kNone, false}};
  for (const Mapping& row : rows) {
    CAPTURE(row.what);
    Fresh fresh;
    CallBegun call = begun("mmap", 7, 100);
    call.event.args[2] = row.prot;
    call.event.args[3] = row.flags;
    call.event.on = row.on;
    fresh.observer.call_log()->begun(call);
    REQUIRE(fresh.observer.pump());
    CHECK(fresh.observer.escapes().size() == size_t{row.escape});
    CHECK(fresh.observer.store().size() == size_t{row.escape});
  }
}

TEST_CASE("a test begins with nothing of the one before") {
  Fresh fresh;
  fresh.observer.call_log()->begun(begun("write", 7, 100));
  fresh.observer.call_log()->unread();
  REQUIRE(fresh.observer.begin_test(Fresh::watch()));
  CHECK(fresh.observer.store().size() == 0);
  CHECK(fresh.observer.loss().exact());
}

}  // namespace
