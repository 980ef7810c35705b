// SPDX-License-Identifier: Apache-2.0
//
// The filter keys of LANGUAGE section 7, one row each.
#include <doctest/doctest.h>

#include <fcntl.h>
#include <sys/mman.h>

#include <functional>

#include "runner/check/filter.h"
#include "tests/unit/check_samples.h"

using namespace fbx;
using namespace fbx::check;
using observe::Event;
using observe::EventStore;
using observe::FdKind;

namespace {

struct Row {
  const char* what;
  std::function<void(model::Filter&)> filter;
  std::function<Call(EventStore&)> call;
  Match match;
};

void check_rows(std::initializer_list<Row> rows) {
  const plan::Plan plan = two_services();
  for (const Row& row : rows) {
    CAPTURE(row.what);
    model::Filter filter;
    row.filter(filter);
    const auto compiled = CompiledFilter::compile(filter, plan);
    REQUIRE_MESSAGE(compiled.has_value(), compiled.error().text());
    EventStore store;
    Call call = row.call(store);
    const Event& event = store.at(call.add());
    CHECK(static_cast<int>(compiled->matches(store, event)) == static_cast<int>(row.match));
    CHECK(static_cast<int>(compiled->matches(store, event)) == static_cast<int>(row.match));
  }
}

Call write_to(EventStore& store, const char* path) {
  return Call(store, kInventory, "write", 1, 24).file(path);
}

auto syscall(const char* name) {
  return [name](model::Filter& f) { f.syscall = name; };
}
auto path(const char* glob) {
  return [glob](model::Filter& f) { f.path = glob; };
}
auto peer(const char* glob) {
  return [glob](model::Filter& f) { f.peer = glob; };
}
auto call(const char* name, int64_t ret = 0) {
  return [name, ret](EventStore& s) { return Call(s, kInventory, name, 1, ret); };
}
auto call_on(const char* name, FdKind kind) {
  return [name, kind](EventStore& s) { return Call(s, kInventory, name, 1).on(kind); };
}

}  // namespace

TEST_CASE("a family's name means the family, =name the single call") {
  check_rows({
      {"write is write", syscall("write"), call_on("write", FdKind::kFile), Match::kYes},
      {"write is pwritev2", syscall("write"), call_on("pwritev2", FdKind::kFile), Match::kYes},
      {"write is sendfile", syscall("write"), call_on("sendfile", FdKind::kFile), Match::kYes},
      {"write on a socket, too", syscall("write"), call_on("write", FdKind::kStream), Match::kYes},
      {"=write is not pwrite64", syscall("=write"), call_on("pwrite64", FdKind::kFile), Match::kNo},
      {"=write is write", syscall("=write"), call_on("write", FdKind::kFile), Match::kYes},
      {"pwrite64 alone", syscall("pwrite64"), call_on("write", FdKind::kFile), Match::kNo},
      {"openat is the family", syscall("openat"), call("open"), Match::kYes},
      {"=openat is the call", syscall("=openat"), call("open"), Match::kNo},
      {"globs", syscall("pwrite*"), call_on("pwritev2", FdKind::kFile), Match::kYes},
      {"send is sendto", syscall("send"), call_on("sendto", FdKind::kStream), Match::kYes},
      {"send is write on a socket", syscall("send"), call_on("write", FdKind::kUnix), Match::kYes},
      {"send is no write to a file", syscall("send"), call_on("write", FdKind::kFile), Match::kNo},
      {"recv is read on a socket", syscall("recv"), call_on("readv", FdKind::kUdp), Match::kYes},
      {"recv is no read of a pipe", syscall("recv"), call_on("read", FdKind::kPipe), Match::kNo},
      {"fsync is fdatasync", syscall("fsync"), call_on("fdatasync", FdKind::kFile), Match::kYes},
      {"fsync is no plain write", syscall("fsync"), call_on("write", FdKind::kFile), Match::kNo},
      {"fsync is a write that syncs", syscall("fsync"),
       [](EventStore& s) {
         Call c = Call(s, kInventory, "write", 1).on(FdKind::kFile);
         c.raw().flags = observe::kSync;
         return c;
       },
       Match::kYes},
      {"connect is no accept", syscall("connect"), call_on("accept4", FdKind::kStream), Match::kNo},
  });
}

TEST_CASE("space and modify depend on flags, and say when they can't be read") {
  const auto open_with = [](const char* name, int at, uint64_t flags) {
    return [=](EventStore& s) {
      Call c(s, kInventory, name, 1, 5);
      c.raw().args[at] = flags;
      c.raw().open_flags = static_cast<uint32_t>(flags);
      return c;
    };
  };
  const auto mapping = [](uint64_t prot, uint64_t flags) {
    return [=](EventStore& s) {
      Call c = Call(s, kInventory, "mmap", 1).on(FdKind::kFile);
      c.raw().args[2] = prot;
      c.raw().args[3] = flags;
      return c;
    };
  };
  check_rows({
      {"O_TRUNC", syscall("modify"), open_with("openat", 2, O_WRONLY | O_TRUNC), Match::kYes},
      {"no O_TRUNC", syscall("modify"), open_with("openat", 2, O_WRONLY), Match::kNo},
      {"creat", syscall("modify"), open_with("creat", 1, 0), Match::kYes},
      {"openat2 for writing", syscall("modify"), open_with("openat2", 5, O_WRONLY), Match::kMaybe},
      {"openat2 for reading", syscall("modify"), open_with("openat2", 5, O_RDONLY), Match::kNo},
      {"O_CREAT", syscall("space"), open_with("open", 1, O_CREAT | O_WRONLY), Match::kYes},
      {"no O_CREAT", syscall("space"), open_with("open", 1, O_WRONLY), Match::kNo},
      {"ftruncate may grow", syscall("space"), call_on("ftruncate", FdKind::kFile), Match::kMaybe},
      {"ftruncate modifies", syscall("modify"), call_on("ftruncate", FdKind::kFile), Match::kYes},
      {"shared and writable", syscall("modify"), mapping(PROT_WRITE, MAP_SHARED), Match::kYes},
      {"private", syscall("modify"), mapping(PROT_WRITE, MAP_PRIVATE), Match::kNo},
      {"read only", syscall("modify"), mapping(PROT_READ, MAP_SHARED), Match::kNo},
  });
}

TEST_CASE("path matches what the file is called now or was opened as") {
  const auto as = [](const char* now, const char* opened) {
    return [=](EventStore& s) { return Call(s, kInventory, "write", 1, 1).file(now, opened); };
  };
  check_rows({
      {"itself", path("/tmp/a.wal"), as("/tmp/a.wal", ""), Match::kYes},
      {"another", path("/tmp/a.wal"), as("/tmp/b.wal", ""), Match::kNo},
      {"* stays inside", path("/tmp/*.wal"), as("/tmp/d/a.wal", ""), Match::kNo},
      {"* matches a dot", path("/tmp/*"), as("/tmp/.hidden", ""), Match::kYes},
      {"** crosses", path("/tmp/**"), as("/tmp/d/e/a.wal", ""), Match::kYes},
      {"opened as", path("/tmp/a.wal"), as("/tmp/renamed", "/tmp/a.wal"), Match::kYes},
      {"a socket has none", path("/tmp/a"), call_on("write", FdKind::kStream), Match::kNo},
      {"a file without a name", path("/tmp/a"), call_on("write", FdKind::kFile), Match::kMaybe},
      {"an open without a name", path("/tmp/a"), call("openat"), Match::kMaybe},
      {"not open at all", path("/tmp/a"), call("write", -EBADF), Match::kNo},
      {"in flight, unresolved", path("/tmp/a"),
       [](EventStore& s) { return Call(s, kInventory, "write", 1).in_flight(); }, Match::kMaybe},
      {"a cut name", path("/tmp/a*"),
       [](EventStore& s) {
         Call c = write_to(s, "/long");
         c.raw().flags = observe::kPathCut;
         return c;
       },
       Match::kMaybe},
  });
}

TEST_CASE("on= is the kind of descriptor") {
  struct Kind {
    const char* on;
    std::vector<FdKind> kinds;
  };
  const Kind rows[] = {
      {"file", {FdKind::kFile}},
      {"socket", {FdKind::kStream, FdKind::kUdp, FdKind::kUnix, FdKind::kSocket}},
      {"stream", {FdKind::kStream}},
      {"udp", {FdKind::kUdp}},
      {"unix", {FdKind::kUnix}},
      {"pipe", {FdKind::kPipe}},
  };
  for (const Kind& row : rows) {
    for (int kind = 0; kind < FBX_KIND_COUNT; ++kind) {
      const auto fd_kind = static_cast<FdKind>(kind);
      const bool in = std::find(row.kinds.begin(), row.kinds.end(), fd_kind) != row.kinds.end();
      check_rows({{row.on, [&](model::Filter& f) { f.on = row.on; }, call_on("write", fd_kind),
                   in ? Match::kYes : Match::kNo}});
      check_rows({{"any", [](model::Filter& f) { f.on = "any"; }, call_on("write", fd_kind),
                   Match::kYes}});
    }
  }
  const auto shm = [](EventStore& s) {
    return Call(s, kInventory, "write", 1).file("/dev/shm/x").on(FdKind::kShm);
  };
  const auto on_file = [](const char* glob) {
    return [glob](model::Filter& f) {
      f.on = "file";
      f.path = glob;
    };
  };
  check_rows({{"shm is named", on_file("/dev/shm/*"), shm, Match::kYes},
              {"shm is not named", on_file("/**"), shm, Match::kNo}});
}

TEST_CASE("the plain keys") {
  const auto decided = [](const char* decision, const char* label = "") {
    return [=](EventStore& s) { return write_to(s, "/a").decided(decision, label); };
  };
  const auto failed = [](int64_t code) {
    return [=](EventStore& s) { return Call(s, kInventory, "write", 1, -code).file("/a"); };
  };
  const auto exe = [](EventStore& s) {
    Call c = write_to(s, "/a");
    c.raw().exe = s.intern("redis-server");
    return c;
  };
  const auto plain = [](EventStore& s) { return write_to(s, "/a"); };
  const auto sync = [](EventStore& s) { return Call(s, kInventory, "fsync", 1).file("/a"); };
  const auto late_sync = [](EventStore& s) {
    Call c = Call(s, kInventory, "fsync", 1).file("/a");
    c.raw().flags = observe::kAfterLostSync;
    return c;
  };
  using F = model::Filter;
  check_rows({
      {"service", [](F& f) { f.service = kInventory; }, plain, Match::kYes},
      {"other service", [](F& f) { f.service = kOrders; }, plain, Match::kNo},
      {"fd", [](F& f) { f.fd = 7; }, plain, Match::kYes},
      {"other fd", [](F& f) { f.fd = 8; }, plain, Match::kNo},
      {"pid", [](F& f) { f.pid = 101; }, plain, Match::kYes},
      {"other pid", [](F& f) { f.pid = 5; }, plain, Match::kNo},
      {"exe", [](F& f) { f.exe = "redis-*"; }, exe, Match::kYes},
      {"other exe", [](F& f) { f.exe = "sh"; }, exe, Match::kNo},
      {"errno", [](F& f) { f.errname = "EIO"; }, failed(EIO), Match::kYes},
      {"errno glob", [](F& f) { f.errname = "E*"; }, failed(ENOSPC), Match::kYes},
      {"errno alias", [](F& f) { f.errname = "EWOULDBLOCK"; }, failed(EAGAIN), Match::kYes},
      {"no errno", [](F& f) { f.errname = "EIO"; }, plain, Match::kNo},
      {"deny", [](F& f) { f.decision = "deny(*)"; }, decided("deny(EIO)"), Match::kYes},
      {"no rule is allow", [](F& f) { f.decision = "allow"; }, plain, Match::kYes},
      {"no rule is no deny", [](F& f) { f.decision = "deny(*)"; }, plain, Match::kNo},
      {"label", [](F& f) { f.label = "disk"; }, decided("deny(EIO)", "disk"), Match::kYes},
      {"no label", [](F& f) { f.label = "disk"; }, plain, Match::kNo},
      {"after a lost sync", [](F& f) { f.after_lost_sync = true; }, late_sync, Match::kYes},
      {"not after a lost sync", [](F& f) { f.after_lost_sync = true; }, sync, Match::kNo},
      {"no lost sync wanted", [](F& f) { f.after_lost_sync = false; }, late_sync, Match::kNo},
      {"type", [](F& f) { f.type = "lifecycle"; }, plain, Match::kNo},
      {"all keys",
       [](F& f) {
         f.service = kInventory;
         f.syscall = "write";
         f.path = "/*";
         f.fd = 7;
       },
       plain, Match::kYes},
      {"one key wrong",
       [](F& f) {
         f.service = kInventory;
         f.syscall = "write";
         f.path = "/b";
       },
       plain, Match::kNo},
  });
}

TEST_CASE("peer is a service, an interface or an address") {
  const auto talks = [](int16_t service, const char* address) {
    return [=](EventStore& s) {
      return Call(s, kOrders, "sendto", 1, 5).peer(service, address);
    };
  };
  const auto to_inventory = talks(kInventory, "127.0.0.1:5432");
  check_rows({
      {"service", peer("inventory"), to_inventory, Match::kYes},
      {"other service", peer("orders"), to_inventory, Match::kNo},
      {"glob", peer("inv*"), to_inventory, Match::kYes},
      {"interface", peer("inventory.main"), to_inventory, Match::kYes},
      {"its other port", peer("inventory.main"), talks(kInventory, "127.0.0.1:9"), Match::kNo},
      {"no such interface", peer("inventory.admin"), to_inventory, Match::kNo},
      {"address", peer("127.0.0.1:5432"), to_inventory, Match::kYes},
      {"other address", peer("127.0.0.1:1"), to_inventory, Match::kNo},
      {"client", peer("inventory"), talks(observe::kPeerClient, "127.0.0.1:40000"), Match::kNo},
      {"the test", peer("client"), talks(observe::kPeerClient, "127.0.0.1:40000"), Match::kYes},
      {"not the test", peer("client"), to_inventory, Match::kNo},
      {"unknown", peer("inventory"), call_on("sendto", FdKind::kStream), Match::kMaybe},
      {"a failed dial that is not known", peer("inventory"),
       [](EventStore& s) { return Call(s, kOrders, "connect", 1, -EFAULT).on(FdKind::kStream); },
       Match::kNo},
      {"a file has none", peer("inventory"), call_on("write", FdKind::kFile), Match::kNo},
      {"a listener has none", peer("inventory"), call_on("listen", FdKind::kStream), Match::kNo},
  });
}

TEST_CASE("op stands for its calls and path, of the services that declare it") {
  const auto persist = [](model::Filter& f) { f.op = "persist"; };
  check_rows({
      {"write", persist, [](EventStore& s) { return write_to(s, "/tmp/a.wal"); }, Match::kYes},
      {"other path", persist, [](EventStore& s) { return write_to(s, "/tmp/a.log"); }, Match::kNo},
      {"other call", persist,
       [](EventStore& s) { return Call(s, kInventory, "read", 1).file("/tmp/a.wal"); },
       Match::kNo},
      {"other service", persist,
       [](EventStore& s) { return Call(s, kOrders, "write", 1).file("/tmp/a.wal"); }, Match::kNo},
  });
}

TEST_CASE("what no compiler lets through is an error, not a filter that matches everything") {
  const plan::Plan plan = two_services();
  const std::function<void(model::Filter&)> rows[] = {
      [](model::Filter& f) { f.syscall = "wriet"; }, [](model::Filter& f) { f.syscall = "=send"; },
      [](model::Filter& f) { f.type = "sysscall"; }, [](model::Filter& f) { f.on = "disk"; },
      [](model::Filter& f) { f.op = "perssist"; },   [](model::Filter& f) { f.service = 2; },
      [](model::Filter& f) { f.op = "persist"; f.service = kOrders; },
  };
  for (const auto& row : rows) {
    model::Filter filter;
    row(filter);
    CHECK_FALSE(CompiledFilter::compile(filter, plan));
  }
}

TEST_CASE("a filter says which calls must have been recorded") {
  const plan::Plan plan = two_services();
  const auto syscalls = [&plan](auto set) {
    model::Filter filter;
    set(filter);
    return CompiledFilter::compile(filter, plan)->syscalls();
  };
  const auto has = [](const std::vector<uint16_t>& all, const char* name) {
    return std::binary_search(all.begin(), all.end(), nr_of(name));
  };
  const auto send = syscalls(syscall("send"));
  CHECK(has(send, "write"));
  CHECK(has(send, "sendmmsg"));
  CHECK_FALSE(has(send, "read"));
  const auto any_path = syscalls(path("/x"));
  CHECK(has(any_path, "unlink"));
  CHECK(has(any_path, "write"));
  CHECK_FALSE(has(any_path, "getpid"));
  CHECK(has(syscalls([](model::Filter& f) { f.service = 0; }), "getpid"));
  CHECK(syscalls([](model::Filter& f) { f.type = "lifecycle"; }).empty());
}
