// SPDX-License-Identifier: Apache-2.0
//
// Records made by hand, and what becomes of them: paths, restarts, damaged records, open calls.
#include <doctest/doctest.h>
#include <errno.h>
#include <sys/syscall.h>

#include <cstring>

#include "runner/observe/decoder.h"

namespace {

using namespace fbx;
using namespace fbx::observe;

constexpr uint32_t kGeneration = FBX_GENERATION(3, 7);

struct Bench {
  EventStore store;
  Decoder decoder{store, kGeneration, {{500, 1}, {600, kPeerClient}}};

  fbx_sock_call call(uint16_t nr, int64_t ret, uint32_t flags = FBX_SAW_BEGIN) {
    fbx_sock_call record{};
    record.call.head = {.kind = FBX_RECORD_CALL, .size = sizeof(fbx_call), .service = 0, .pad = 0,
                        .generation = kGeneration, .tid = 10, .pid = 10, .pad2 = 0,
                        .time_ns = ++time};
    record.call.begin_ns = flags & FBX_SAW_BEGIN ? ++time : 0;
    record.call.head.time_ns = ++time;
    record.call.nr = nr;
    record.call.ret = ret;
    record.call.flags = flags;
    record.call.fd = -1;
    return record;
  }
  void take(const fbx_sock_call& record) { decoder.take(&record.call, sizeof record.call); }
  void take_sock(fbx_sock_call record) {
    record.call.head.kind = FBX_RECORD_SOCK_CALL;
    record.call.head.size = sizeof record;
    decoder.take(&record, sizeof record);
  }
  // `text`: as it is, or components innermost first, each with its NUL.
  void string(uint64_t id, const std::string& text, bool parts) {
    std::string bytes(sizeof(fbx_string), '\0');
    fbx_string head{};
    head.head = {.kind = FBX_RECORD_STRING,
                 .size = static_cast<uint16_t>(sizeof head + text.size()),
                 .generation = kGeneration};
    head.id = id;
    head.len = static_cast<uint32_t>(text.size());
    head.parts = parts;
    memcpy(bytes.data(), &head, sizeof head);
    bytes += text;
    decoder.take(bytes.data(), bytes.size());
  }
  uint64_t time = 1000;
};

TEST_CASE("paths: components turned round, arguments made absolute, names normalised") {
  Bench bench;
  using namespace std::string_literals;
  bench.string(1, "x.wal\0data\0"s, true);
  bench.string(2, "../data/./x.wal", false);
  bench.string(3, "tmp\0"s, true);
  bench.string(4, "", true);
  bench.string(5, "rel", false);
  fbx_sock_call open = bench.call(SYS_openat, 5);
  open.call.strings[FBX_STRING_FILE] = 1;
  open.call.strings[FBX_STRING_ARG] = 2;
  open.call.strings[FBX_STRING_BASE] = 3;
  bench.take(open);
  CHECK(bench.store.string(bench.store.at(1).path) == "/data/x.wal");
  CHECK(bench.store.string(bench.store.at(1).opened_as) == "/tmp/../data/./x.wal");
  fbx_sock_call failed = bench.call(SYS_openat, -ENOENT);
  failed.call.strings[FBX_STRING_ARG] = 2;
  failed.call.strings[FBX_STRING_BASE] = 3;
  bench.take(failed);
  CHECK(bench.store.string(bench.store.at(2).path) == "/data/x.wal");
  fbx_sock_call at_root = bench.call(SYS_unlink, 0);
  at_root.call.strings[FBX_STRING_ARG] = 5;
  at_root.call.strings[FBX_STRING_BASE] = 4;
  bench.take(at_root);
  CHECK(bench.store.string(bench.store.at(3).path) == "/rel");
  CHECK(normalised("/a//b/../../..") == "/");
  CHECK(normalised("/a/./b/") == "/a/b");
}

TEST_CASE("odd bytes and 4095 of them arrive as they are") {
  Bench bench;
  std::string odd = "/";
  for (int i = 1; i < 256; ++i)
    if (i != '/') odd += static_cast<char>(i);
  odd += std::string(4095 - odd.size(), 'z');
  bench.string(1, odd, false);
  fbx_sock_call open = bench.call(SYS_open, -ENAMETOOLONG);
  open.call.strings[FBX_STRING_ARG] = 1;
  bench.take(open);
  CHECK(bench.store.string(bench.store.at(1).opened_as) == odd);
}

TEST_CASE("unused and upper halves of arguments are not shown") {
  Bench bench;
  fbx_sock_call write = bench.call(SYS_write, 1);
  for (uint64_t& arg : write.call.args) arg = 0xdeadbeef00000007;
  bench.take(write);
  const Event& event = bench.store.at(1);
  CHECK(event.args[0] == 7);
  CHECK(event.args[2] == 0xdeadbeef00000007);
  CHECK(event.args[3] == 0);
}

TEST_CASE("a restarted call is one event with the first begin") {
  Bench bench;
  const fbx_sock_call first = bench.call(SYS_read, -512, FBX_SAW_BEGIN | FBX_SAW_RESTART);
  bench.take(first);
  CHECK(bench.store.open_calls().size() == 1);
  // The handler makes a call of its own.
  bench.take(bench.call(SYS_write, 3));
  bench.take(bench.call(SYS_rt_sigreturn, SYS_read, FBX_SAW_SIGRETURN));
  bench.take(bench.call(SYS_read, -512, FBX_SAW_BEGIN | FBX_SAW_RESTART));
  bench.take(bench.call(SYS_rt_sigreturn, SYS_read, FBX_SAW_SIGRETURN));
  bench.take(bench.call(SYS_read, 4));
  REQUIRE(bench.store.size() == 2);
  CHECK(bench.store.at(1).ret == 4);
  CHECK(bench.store.at(1).state == CallState::kDone);
  CHECK(bench.store.at(1).begin_ns == first.call.begin_ns);
  CHECK((bench.store.at(1).flags & kRestarted));
  CHECK(bench.store.at(2).nr == SYS_write);
  CHECK(bench.store.open_calls().empty());
  CHECK(bench.decoder.kept() == 2);
  CHECK(bench.decoder.filtered() == 4);
}

TEST_CASE("a handler that leaves EINTR ends the call with it") {
  Bench bench;
  bench.take(bench.call(SYS_nanosleep, -516, FBX_SAW_BEGIN | FBX_SAW_RESTART));
  bench.take(bench.call(SYS_rt_sigreturn, -EINTR, FBX_SAW_SIGRETURN));
  REQUIRE(bench.store.size() == 1);
  CHECK(bench.store.at(1).ret == -EINTR);
  CHECK(bench.store.at(1).state == CallState::kDone);
  bench.take(bench.call(SYS_nanosleep, 0));
  CHECK(bench.store.size() == 2);
}

TEST_CASE("peers: service, client, outside, nobody") {
  Bench bench;
  fbx_sock_call call = bench.call(SYS_sendto, 1);
  call.call.kind = FBX_KIND_STREAM;
  call.sock.remote = {.addr = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 127, 0, 0, 1}, .port = 80};
  const struct {
    uint64_t cgroup;
    int64_t ret;
    uint8_t last;
    int16_t peer;
  } rows[] = {{500, 1, 1, 1},
              {600, 1, 1, kPeerClient},
              {700, 1, 1, kPeerOutside},
              {0, 1, 1, kPeerOutside},
              {0, -ECONNREFUSED, 1, kPeerNone}};
  for (const auto& row : rows) {
    CAPTURE(row.cgroup);
    call.sock.peer_cgroup = row.cgroup;
    call.call.ret = row.ret;
    bench.take_sock(call);
    CHECK(bench.store.at(bench.store.size()).peer == row.peer);
  }
  call.sock.remote.addr[12] = 10;
  bench.take_sock(call);
  CHECK(bench.store.at(bench.store.size()).peer == kPeerOutside);
  CHECK(bench.store.string(bench.store.at(bench.store.size()).peer_text) == "10.0.0.1:80");
}

TEST_CASE("damaged and foreign records are counted, not believed") {
  Bench bench;
  fbx_sock_call record = bench.call(SYS_write, 1);
  bench.decoder.take(&record.call, 10);
  bench.decoder.take(&record.call, sizeof record.call - 8);
  CHECK(bench.decoder.broken() == 2);
  record.call.head.kind = 77;
  bench.take(record);
  CHECK(bench.decoder.broken() == 3);
  record = bench.call(SYS_write, 1);
  record.call.head.generation = kGeneration + 1;
  bench.take(record);
  CHECK(bench.decoder.broken() == 3);
  CHECK(bench.store.size() == 0);
  CHECK(bench.decoder.filtered() == 4);
}

TEST_CASE("a call found running is opened once and completed by its record") {
  Bench bench;
  fbx_sock_call running = bench.call(SYS_write, 0);
  const uint64_t seq = bench.decoder.take_running(running);
  CHECK(seq == 1);
  CHECK(bench.decoder.take_running(running) == seq);
  running.call.head.time_ns = ++bench.time;
  running.call.ret = 9;
  bench.take(running);
  CHECK(bench.store.size() == 1);
  CHECK(bench.store.at(1).ret == 9);
  CHECK(bench.store.at(1).state == CallState::kDone);
  // The iterator's copy is older than the record: nothing new.
  CHECK(bench.decoder.take_running(running) == 0);
  CHECK(bench.store.size() == 1);
}

TEST_CASE("a dead thread's calls are open no more, also those entered late") {
  EventStore store;
  Event call;
  call.tid = 5;
  call.nr = SYS_fsync;
  call.begin_ns = 100;
  store.open_call(call);
  store.drop_call(5, 200);
  CHECK(store.open_calls().empty());
  CHECK(store.at(1).state == CallState::kInFlight);
  call.nr = SYS_write;
  store.open_call(call);
  CHECK(store.open_calls().empty());
  call.begin_ns = 300;  // the number belongs to a new thread
  call.nr = SYS_read;
  store.open_call(call);
  CHECK(store.open_calls().size() == 1);
}

TEST_CASE("a number inside is the thread that had it at that time") {
  Bench bench;
  const auto task = [&](uint32_t what, uint32_t tid, int32_t value, uint32_t pid, uint64_t at) {
    fbx_task record{};
    record.head = {.kind = FBX_RECORD_TASK, .size = sizeof record, .generation = kGeneration,
                   .tid = tid, .pid = pid, .time_ns = at};
    record.what = what;
    record.value = value;
    record.pid = pid;
    record.inside = 7;
    strcpy(record.comm, "svc");
    bench.decoder.take(&record, sizeof record);
  };
  task(FBX_TASK_FORK, 100, 101, 100, 1000);
  task(FBX_TASK_EXIT, 101, 0, 100, 2000);
  task(FBX_TASK_EXEC, 205, 205, 205, 3000);
  CHECK(bench.decoder.thread(7, 999).tid == 0);
  CHECK(bench.decoder.thread(7, 1500).tid == 101);
  CHECK(bench.decoder.thread(7, 1500).pid == 100);
  CHECK(bench.decoder.thread(7, 3500).tid == 205);
  CHECK(bench.decoder.thread(7, 3500).exe == "svc");
  CHECK(bench.decoder.thread(8, 3500).tid == 0);
}

TEST_CASE("what finds no room in the store is lost; calls under way still end") {
  EventStore store(2);
  Decoder decoder(store, kGeneration, {});
  Bench records;
  fbx_sock_call running = records.call(SYS_read, 0);
  running.call.head.tid = 11;
  REQUIRE(decoder.take_running(running) == 1);
  const auto take = [&decoder](const fbx_sock_call& record) {
    decoder.take(&record.call, sizeof record.call);
  };
  take(records.call(SYS_write, 1));
  CHECK(store.full());
  CHECK(decoder.broken() == 0);
  take(records.call(SYS_write, 1));
  CHECK(store.size() == 2);
  CHECK(decoder.broken() == 1);
  fbx_sock_call ended = records.call(SYS_read, 5);
  ended.call.head.tid = 11;
  take(ended);
  CHECK(store.size() == 2);
  CHECK(store.at(1).ret == 5);
  CHECK(decoder.broken() == 1);
}

TEST_CASE("strings are stored once, postings are by service and call") {
  EventStore store;
  CHECK(store.intern("") == 0);
  const StringId id = store.intern("/tmp/x");
  CHECK(store.intern("/tmp/x") == id);
  CHECK(store.string(id) == "/tmp/x");
  Event event;
  event.service = -1;
  event.nr = 1;
  store.append(event);
  event.service = 2;
  store.append(event);
  CHECK(store.of(2, 1) == std::vector<uint64_t>{2});
  CHECK(store.of(-1, 1) == std::vector<uint64_t>{1});
  CHECK(store.of(3, 1).empty());
}

}  // namespace
