// SPDX-License-Identifier: Apache-2.0
//
// What a look-back over a million events costs: by filter keys alone, and by a where= that is asked
// about each. Processor time, medians of the rounds with the middle half.
//
//   bench_look_back [rounds]
#include <sys/syscall.h>
#include <time.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "bpf/abi/tables.h"
#include "runner/check/event_reader.h"
#include "runner/check/look_back.h"
#include "spec/model/compile.h"

namespace {

using namespace fbx;

constexpr uint64_t kEvents = 1'000'000;

constexpr const char* kSpec = R"(
db = service("db", "bin/db", interface("main", "tcp", 5432))
def test_filter():
    assert_count(0, service=db, syscall="=write", path="/var/lib/db/*.wal", fd=3)
def test_where():
    assert_count(0, service=db, syscall="=write", where=lambda e: e.fd > 1000)
)";

class OneFile final : public model::Loader {
 public:
  Result<std::string> read_file(const std::string&) override { return {kSpec}; }
  std::optional<std::string> env(const std::string&) override { return std::nullopt; }
};

[[noreturn]] void give_up(const std::string& what) {
  fprintf(stderr, "bench_look_back: %s\n", what.c_str());
  exit(1);
}

double now_ns() {
  timespec ts;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
  return static_cast<double>(ts.tv_sec) * 1e9 + static_cast<double>(ts.tv_nsec);
}

// Writes of a thousand files by four threads: a twentieth of the files end in ".wal".
void fill(observe::EventStore& store) {
  for (uint64_t i = 0; i < kEvents; ++i) {
    observe::Event event;
    event.service = 0;
    event.nr = SYS_write;
    event.ret = 100;
    event.fd = static_cast<int32_t>(4 + i % 40);
    event.pid = 100;
    event.tid = static_cast<uint32_t>(100 + i % 4);
    event.on = observe::FdKind::kFile;
    event.begin_ns = 1'000 * (i + 1);
    event.end_ns = event.begin_ns + 500;
    const uint64_t file = i % 1000;
    event.path = store.intern("/var/lib/db/" + std::to_string(file) +
                              (file % 20 == 0 ? ".wal" : ".page"));
    store.append(event);
  }
}

// One look-back of one test, anew each time: nothing is remembered from the last.
double once(const plan::Plan& plan, const observe::EventStore& store, size_t test) {
  check::StoreReader reader(plan, store);
  model::SessionOptions options;
  options.events = &reader;
  auto session = model::Session::start(plan, test, options);
  if (!session) give_up(session.error().text());
  model::Turn turn = (*session)->next();
  auto* request = std::get_if<model::Request>(&turn);
  auto* count = request ? std::get_if<model::CountLookBack>(&request->effect) : nullptr;
  if (count == nullptr) give_up("the body did not look back");
  auto filter = check::CompiledFilter::compile(count->filter, plan);
  if (!filter) give_up(filter.error().text());
  check::LookBacks looks(store);
  looks.ask([&](uint32_t callback, uint64_t seq) { return (*session)->where(callback, seq); });
  const double start = now_ns();
  const auto found = looks.matching(*filter, 0);
  const double took = now_ns() - start;
  if (!found.sure.empty() || !found.unsure.empty() || looks.failed()) give_up("something matched");
  return took;
}

double at(std::vector<double> all, double q) {
  std::ranges::sort(all);
  return all[static_cast<size_t>(q * static_cast<double>(all.size() - 1))];
}

}  // namespace

int main(int argc, char** argv) {
  const int rounds = argc > 1 ? std::max(3, atoi(argv[1])) : 15;
  OneFile loader;
  auto compiled = model::compile_spec(loader, "bench.star");
  if (!compiled.plan) give_up("the spec does not compile");
  observe::EventStore store;
  fill(store);
  std::vector<double> by_filter, by_where;
  for (int i = 0; i < rounds; ++i) {
    by_filter.push_back(once(*compiled.plan, store, 0) / 1e6);
    by_where.push_back(once(*compiled.plan, store, 1) / kEvents);
  }
  printf("a look-back over %lu events, %d rounds (middle half)\n", kEvents, rounds);
  printf("  by filter   %7.2f ms            (%.2f … %.2f)\n", at(by_filter, 0.5),
         at(by_filter, 0.25), at(by_filter, 0.75));
  printf("  by where=   %7.1f ns an event   (%.1f … %.1f)\n", at(by_where, 0.5), at(by_where, 0.25),
         at(by_where, 0.75));
}
