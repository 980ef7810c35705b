// SPDX-License-Identifier: Apache-2.0
//
// The store as a trace file: what is looked back at in the reopened store gives the same answers;
// and whatever a file holds, it is read as it was written or refused with a reason. The latter with
// damage that the file's own checks find, and with damage that they were made anew for.
//
//   FBX_DAMAGED=100000 build/bin/check_trace_test   damages so many files of each kind
#include <doctest/doctest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <random>

#include "runner/check/event_reader.h"
#include "runner/check/look_back.h"
#include "runner/check/order.h"
#include "runner/check/timeline.h"
#include "runner/observe/trace.h"
#include "runner/observe/trace_format.h"
#include "tests/unit/check_samples.h"

using namespace fbx;
using namespace fbx::check;
using observe::Event;
using observe::EventStore;
using observe::EventType;
using observe::FdKind;
using observe::Recording;
using observe::Trace;
using observe::TraceWriter;
using Kind = model::LookBack::Kind;

namespace {

// A file of its own, which goes with it.
class TemporaryFile {
 public:
  TemporaryFile() {
    char name[] = "/tmp/fbx-trace-XXXXXX";
    const int fd = ::mkstemp(name);
    REQUIRE(fd >= 0);
    ::close(fd);
    path_ = name;
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  ~TemporaryFile() { ::unlink(path_.c_str()); }
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::string bytes() const {
    std::ifstream in(path_, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  void write(const std::string& bytes) const {
    std::ofstream(path_, std::ios::binary | std::ios::trunc) << bytes;
  }

 private:
  std::string path_;
};

// Thousands of events of all kinds, drawn with a fixed seed, as a run leaves them: some in flight,
// some denied, some of which nobody knows the result.
void fill(EventStore& store, size_t events, uint64_t seed) {
  std::mt19937_64 random(seed);
  const auto draw = [&random](uint64_t below) { return random() % below; };
  const char* const calls[] = {"write", "pwrite64", "fsync", "openat", "connect",
                               "read",  "unlink",   "close", "sendto", "accept4"};
  while (store.size() < events) {
    const double at_ms = 10 + 0.01 * static_cast<double>(store.size());
    const auto service = static_cast<int16_t>(draw(2));
    Call call(store, service, calls[draw(std::size(calls))], at_ms, 8);
    const uint64_t what = draw(10);
    if (what < 6) call.file("/data/" + std::to_string(draw(200)) + (what < 3 ? ".wal" : ".log"));
    if (what == 6) call.peer(static_cast<int16_t>(1 - service), "127.0.0.1:5432");
    if (what == 7) call.in_flight();
    if (what == 8) call.result_unknown();
    if (what == 9) call.decided("deny(EIO)", "disk").raw().ret = -EIO;
    if (draw(20) == 0) {
      call.raw().type = EventType::kStdout;
      call.raw().text = store.intern("line " + std::to_string(draw(50)) + "\xff\n");
    }
    call.lasting(0.01 * static_cast<double>(draw(30))).add();
  }
}

Recording recording_of(const EventStore& store) {
  Recording recording;
  recording.services = 2;
  recording.seed = 7;
  recording.body_ns = 10 * kMs;
  recording.ended_ns = 900 * kMs;
  recording.loss = {store.size() + 3, store.size(), 3, 0};
  if (store.size() < 5'000) recording.loss.left = {1, 77, "a-name-of-16-chr"};
  recording.watch = watch_all();
  if (store.size() > 5) recording.in_flight = {3, 5};
  recording.store = &store;
  return recording;
}

void write_trace(const std::string& path, const std::vector<const EventStore*>& stores) {
  auto writer = TraceWriter::create(path, 42);
  REQUIRE(writer);
  REQUIRE(writer->add_plan("fbx_plan = 1\n"));
  for (const EventStore* store : stores) REQUIRE(writer->add_test(recording_of(*store)));
}

std::vector<model::Filter> filters() {
  std::vector<model::Filter> out;
  for (const char* call : {"write", "=write", "fsync", "connect", "open", "close", ""})
    for (const char* path : {"", "/data/**", "/data/1*.wal", "/data/17.log", "/nowhere"}) {
      out.push_back(filter_on(call, path));
      out.push_back(filter_on(call, path));
      out.back().service = std::nullopt;
      out.back().ok = false;
    }
  model::Filter peer = filter_on("connect"), label = filter_on("write"), line;
  peer.peer = "orders";
  label.label = "disk";
  line.type = "stdout";
  for (model::Filter& one : out) one.display = one.syscall + " " + one.path;
  out.insert(out.end(), {peer, label, line});
  return out;
}

// Everything that can be said of a recording, as text.
std::string answers(const plan::Plan& plan, const Recording& recording) {
  const EventStore& store = *recording.store;
  Seen seen{&plan, &store, &recording.watch, {}, recording.loss, recording.escapes};
  seen.barrier.in_flight = recording.in_flight;
  LookBacks look_backs(store);
  std::string out;
  const auto say = [&out](const Judged& judged) {
    out += std::to_string(static_cast<int>(judged.how)) + " " + judged.code + " " + judged.text +
           " " + std::to_string(judged.event) + "\n";
  };
  for (const uint64_t window : {uint64_t{0}, 20 * kMs, 40 * kMs})
    for (const model::Filter& filter : filters()) {
      for (const Kind kind : {Kind::kNever, Kind::kEventually}) {
        model::LookBack what;
        what.kind = kind;
        what.filter = filter;
        say(look_backs.evaluate(what, {"a.star", 3, 5}, seen, window).judged);
      }
      say(judge_count(look_backs, {1, 400, filter}, {}, seen, window));
      say(judge_before(look_backs, {filter, filter_on("fsync"), false, {}}, {}, seen, window));
      for (const uint64_t seq : list_events(look_backs, filter, {}, seen, window).seqs)
        out += std::to_string(seq) + " ";
    }
  for (const auto& line : timeline(plan, store, {.body_ns = recording.body_ns, .until_ns = 60 * kMs}))
    out += line.text + "\n";
  const StoreReader reader(plan, store);
  for (uint64_t seq = 1; seq <= store.size(); seq += 97) out += reader.text(seq) + "\n";
  return out;
}

}  // namespace

TEST_CASE("look-backs over the reopened store give the same answers") {
  const plan::Plan plan = two_services();
  const TemporaryFile file;
  EventStore first, empty, second;
  fill(first, 9'000, 1);
  fill(second, 4'096, 2);
  write_trace(file.path(), {&first, &empty, &second});
  struct stat about = {};
  REQUIRE(::stat(file.path().c_str(), &about) == 0);
  CHECK((about.st_mode & 07777) == 0600);

  const auto trace = Trace::open(file.path());
  REQUIRE_MESSAGE(trace, trace.error().text());
  CHECK(trace->seed() == 42);
  REQUIRE(trace->plans().size() == 1);
  CHECK(trace->plans()[0] == "fbx_plan = 1\n");
  REQUIRE(trace->tests().size() == 3);
  const EventStore* const before[] = {&first, &empty, &second};
  for (size_t i = 0; i < 3; ++i) {
    CAPTURE(i);
    const Recording& after = trace->tests()[i];
    REQUIRE(after.store->size() == before[i]->size());
    const std::string said = answers(plan, recording_of(*before[i]));
    CHECK(said.size() > 1'000);
    CHECK(answers(plan, after) == said);
    CHECK(after.loss.written == before[i]->size() + 3);
  }
}

TEST_CASE("a trace takes the place of a file, and of nothing else") {
  const TemporaryFile file;
  REQUIRE(::chmod(file.path().c_str(), 0666) == 0);
  file.write("something that others could read");
  write_trace(file.path(), {});
  struct stat about = {};
  REQUIRE(::stat(file.path().c_str(), &about) == 0);
  CHECK((about.st_mode & 07777) == 0600);
  CHECK(Trace::open(file.path()));
  const std::string link = file.path() + ".link";
  REQUIRE(::symlink(file.path().c_str(), link.c_str()) == 0);
  CHECK_FALSE(TraceWriter::create(link, 0));
  CHECK(::unlink(link.c_str()) == 0);
  CHECK_FALSE(TraceWriter::create("/dev/null", 0));
  CHECK_FALSE(TraceWriter::create("/tmp", 0));
  CHECK_FALSE(Trace::open("/dev/null"));
  CHECK_FALSE(Trace::open("/nonexistent"));
}

TEST_CASE("what can't be appended whole is taken back") {
  const TemporaryFile file;
  EventStore store;
  fill(store, 5'000, 1);
  auto writer = TraceWriter::create(file.path(), 42);
  REQUIRE(writer);
  REQUIRE(writer->add_plan("p"));
  const auto size = std::filesystem::file_size(file.path());
  const rlimit kept = [] {
    rlimit limit = {};
    REQUIRE(::getrlimit(RLIMIT_FSIZE, &limit) == 0);
    return limit;
  }();
  const auto ignored = ::signal(SIGXFSZ, SIG_IGN);
  const rlimit little = {100'000, kept.rlim_max};
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &little) == 0);
  const Status done = writer->add_test(recording_of(store));
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &kept) == 0);
  ::signal(SIGXFSZ, ignored);
  CHECK_FALSE(done);
  CHECK(std::filesystem::file_size(file.path()) == size);
  CHECK(Trace::open(file.path()));
}

namespace {

// Writes anew the checks of every segment that can be found, so that what is looked at is what they
// guard. A size that leads nowhere ends it.
void guard_anew(std::string& bytes) {
  using namespace observe;
  const auto begin = offsetof(TraceSegment, check);
  if (bytes.size() < sizeof(TraceHeader)) return;
  uint64_t check = trace_check(bytes.data(), offsetof(TraceHeader, check));
  memcpy(bytes.data() + offsetof(TraceHeader, check), &check, 8);
  for (size_t at = sizeof(TraceHeader); at + sizeof(TraceSegment) <= bytes.size();) {
    TraceSegment segment;
    memcpy(&segment, bytes.data() + at, sizeof segment);
    const uint64_t left = bytes.size() - at - sizeof segment;
    if (segment.size > left || trace_padded(segment.size) > left) return;
    check = trace_check(bytes.data() + at, begin);
    check = trace_check(bytes.data() + at + sizeof segment, trace_padded(segment.size), check);
    memcpy(bytes.data() + at + begin, &check, 8);
    at += sizeof segment + trace_padded(segment.size);
  }
}

struct Damage {
  const char* what;
  std::function<void(std::string&, std::mt19937_64&)> make;
};

std::vector<Damage> damages() {
  const auto at = [](const std::string& bytes, std::mt19937_64& random) {
    return random() % bytes.size();
  };
  return {
      {"a bit flipped",
       [at](std::string& b, auto& r) { b[at(b, r)] ^= static_cast<char>(1u << r() % 8); }},
      {"a byte set", [at](std::string& b, auto& r) { b[at(b, r)] = static_cast<char>(r()); }},
      {"a word of a head set",
       [](std::string& b, auto& r) {
         const uint64_t odd[] = {0, 1, UINT64_MAX, uint64_t{1} << 63, b.size(), r(), r() % 5000};
         const size_t places[] = {0, 8, 16, 24, 32, 40, 48, 56, 80, 88, 96, 104, 112, 120, 128,
                                  136, 144, 152, 160, 168, 176, 184, 192, 200, 208, 216};
         const size_t place = places[r() % std::size(places)];
         memcpy(b.data() + place, &odd[r() % std::size(odd)], 8);
       }},
      {"cut off", [at](std::string& b, auto& r) { b.resize(at(b, r)); }},
      {"cut off at a unit", [at](std::string& b, auto& r) { b.resize(at(b, r) & ~size_t{7}); }},
      {"a part dropped",
       [at](std::string& b, auto& r) { b.erase(at(b, r) & ~size_t{7}, 8 * (r() % 40)); }},
      {"a part twice",
       [at](std::string& b, auto& r) {
         const size_t from = at(b, r) & ~size_t{7};
         b.insert(at(b, r) & ~size_t{7}, b.substr(from, 8 * (r() % 40)));
       }},
      {"something behind", [](std::string& b, auto& r) { b.append(1 + r() % 64, '\1'); }},
  };
}

size_t damaged_files() {
  const char* given = std::getenv("FBX_DAMAGED");
  return given == nullptr ? 50 : static_cast<size_t>(std::atoll(given));
}

}  // namespace

TEST_CASE("a damaged trace is refused with a reason, or is in range") {
  const plan::Plan plan = two_services();
  const TemporaryFile file;
  EventStore store, second;
  fill(store, 60, 3);
  fill(second, 20, 4);
  write_trace(file.path(), {&store, &second});
  const std::string whole = file.bytes();
  std::mt19937_64 random(5);
  size_t accepted = 0, refused = 0;
  for (const bool anew : {false, true})
    for (const Damage& damage : damages())
      for (size_t i = 0; i < damaged_files(); ++i) {
        CAPTURE(damage.what);
        CAPTURE(i);
        std::string bytes = whole;
        damage.make(bytes, random);
        if (anew) guard_anew(bytes);
        if (bytes == whole) continue;
        file.write(bytes);
        const auto trace = Trace::open(file.path());
        if (!trace) {
          ++refused;
          CHECK(trace.error().message.size() > file.path().size() + 5);
          continue;
        }
        ++accepted;
        // Cut off between two segments, or a part of zero size dropped: a shorter file is a file.
        if (!anew) CHECK((bytes.size() < whole.size() && whole.starts_with(bytes)));
        for (const Recording& test : trace->tests())
          if (test.services == plan.services.size()) CHECK(answers(plan, test).size() > 100);
      }
  MESSAGE(refused << " refused, " << accepted << " accepted");
  CHECK(refused > 100);
  CHECK(accepted > 10);
}

TEST_CASE("a store that is full says so") {
  EventStore store(100);
  fill(store, 99, 1);
  CHECK_FALSE(store.full());
  fill(store, 100, 1);
  CHECK(store.full());
}
