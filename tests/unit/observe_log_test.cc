// SPDX-License-Identifier: Apache-2.0
//
// The observer that has no records of its own: what it makes of what the supervisor tells.
#include <doctest/doctest.h>

#include <unistd.h>

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

// One who is asked, as the shims' rings are.
struct Asked {
  std::vector<CallLog::Entry> next;
  bool whole = true;
  explicit Asked(LogObserver& observer) {
    observer.call_log()->set_source([this](std::vector<CallLog::Entry>& out, bool) {
      for (CallLog::Entry& entry : next) out.push_back(std::move(entry));
      next.clear();
      return whole;
    });
  }
  void begins(uint64_t call, const char* name, uint32_t tid, uint64_t at_ns) {
    CallBegun one = begun(name, tid, at_ns);
    one.call = call;
    next.push_back({.begun = std::move(one)});
  }
  void ends(uint64_t call, const char* name, uint32_t tid, uint64_t at_ns, int64_t ret) {
    CallAnswered one = answered(name, tid, at_ns, ret);
    one.call = call;
    next.push_back({.answered = std::move(one)});
  }
};

// No thread has this number.
constexpr uint32_t kNobody = 0x7ffffff0;

TEST_CASE("what a source tells has its result, and its thread's name") {
  Fresh fresh;
  Asked asked(fresh.observer);
  fresh.observer.call_log()->thread({.tid = 7, .pid = 5, .exe = "victim"});
  asked.begins(1, "write", 7, 100);
  asked.ends(1, "write", 7, 120, 3);
  const Event& event = fresh.only();
  CHECK(event.state == CallState::kDone);
  CHECK(event.flags == 0);
  CHECK(event.ret == 3);
  CHECK(event.pid == 5);
  CHECK(fresh.observer.store().string(event.exe) == "victim");
}

TEST_CASE("two tellers are merged by time") {
  Fresh fresh;
  Asked asked(fresh.observer);
  fresh.observer.call_log()->begun(begun("write", 7, 100));
  fresh.observer.call_log()->answered(answered("write", 7, 150, std::nullopt));
  asked.begins(1, "fsync", 8, 120);
  asked.ends(1, "fsync", 8, 130, 0);
  asked.begins(2, "write", 7, 160);
  asked.ends(2, "write", 7, 170, 1);
  REQUIRE(fresh.observer.barrier(0));
  const EventStore& store = fresh.observer.store();
  REQUIRE(store.size() == 3);
  CHECK(store.at(1).begin_ns == 100);
  CHECK(store.at(2).begin_ns == 120);
  CHECK(store.at(3).begin_ns == 160);
  CHECK((store.at(1).flags & kResultUnknown) != 0);
  CHECK(store.at(3).ret == 1);
}

TEST_CASE("calls of one number inside each other are two") {
  Fresh fresh;
  Asked asked(fresh.observer);
  asked.begins(1, "write", 7, 100);
  asked.begins(2, "write", 7, 110);
  asked.ends(2, "write", 7, 120, 2);
  asked.ends(1, "write", 7, 130, 1);
  REQUIRE(fresh.observer.barrier(0));
  const EventStore& store = fresh.observer.store();
  REQUIRE(store.size() == 2);
  CHECK(store.at(1).ret == 1);
  CHECK(store.at(2).ret == 2);
}

TEST_CASE("what begins after the look is not seen by it") {
  Fresh fresh;
  Asked asked(fresh.observer);
  asked.begins(1, "write", 7, UINT64_MAX - 1);
  REQUIRE(fresh.observer.barrier(0));
  CHECK(fresh.observer.store().size() == 0);
  REQUIRE(fresh.observer.end_test());
  CHECK(fresh.observer.store().size() == 1);
}

TEST_CASE("a call whose thread died in it is in flight, and nobody waits for it") {
  Fresh fresh;
  Asked asked(fresh.observer);
  asked.begins(1, "write", kNobody, 100);
  CHECK(fresh.only().state == CallState::kInFlight);
  CHECK(fresh.observer.barrier(0)->in_flight.empty());
}

TEST_CASE("a look is inexact while a call runs, or is half told") {
  Fresh fresh;
  Asked asked(fresh.observer);
  asked.begins(1, "write", static_cast<uint32_t>(gettid()), 100);  // which runs, as this is read
  const auto barrier = fresh.observer.barrier(0);
  REQUIRE(barrier);
  CHECK_FALSE(barrier->exact);
  Fresh other;
  Asked half(other.observer);
  half.whole = false;
  CHECK_FALSE(other.observer.barrier(0)->exact);
  REQUIRE(other.observer.end_test());
  CHECK_FALSE(other.observer.loss().exact());
}

}  // namespace
