// SPDX-License-Identifier: Apache-2.0
#include <elf.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "runner/observe/trace.h"
#include "runner/observe/trace_format.h"

namespace fbx::observe {

namespace {

// The parts of a body: those that stand elsewhere, and those that are put together here.
class Parts {
 public:
  void add(const void* data, size_t bytes) {
    if (bytes == 0) return;
    if (bytes % 8 == 0) {
      all_.push_back({static_cast<const char*>(data), bytes});
    } else {
      std::string& copy = *made_.emplace_back(std::make_unique<std::string>(
          static_cast<const char*>(data), bytes));
      copy.resize(trace_padded(bytes));
      all_.emplace_back(copy.data(), copy.size());
    }
  }
  template <class T>
  void keep(const std::vector<T>& items) {
    const auto* data = reinterpret_cast<const char*>(items.data());
    const std::string& copy =
        *made_.emplace_back(std::make_unique<std::string>(data, items.size() * sizeof(T)));
    add(copy.data(), copy.size());
  }
  [[nodiscard]] const std::vector<std::string_view>& all() const { return all_; }
  [[nodiscard]] uint64_t size() const {
    uint64_t bytes = 0;
    for (const std::string_view part : all_) bytes += part.size();
    return bytes;
  }

 private:
  std::vector<std::string_view> all_;
  std::vector<std::unique_ptr<std::string>> made_;
};

Status write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return fail_errno("writing the trace");
    bytes.remove_prefix(static_cast<size_t>(n));
  }
  return {};
}

// Of the whole file, among processes; ends with the scope.
class Lock {
 public:
  explicit Lock(int fd) : fd_(fd) { held_ = set(F_WRLCK); }
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;
  ~Lock() {
    if (held_) static_cast<void>(set(F_UNLCK));
  }
  [[nodiscard]] bool held() const { return held_; }

 private:
  [[nodiscard]] bool set(short type) const {
    struct flock lock = {};
    lock.l_type = type;
    lock.l_whence = SEEK_SET;
    int done;
    do done = ::fcntl(fd_, F_SETLKW, &lock);
    while (done != 0 && errno == EINTR);
    return done == 0;
  }
  int fd_;
  bool held_ = false;
};

Status append(int fd, TraceKind kind, uint64_t size, const Parts& parts) {
  TraceSegment segment{.kind = static_cast<uint32_t>(kind), .zero = 0, .size = size, .check = 0};
  segment.check = trace_check(&segment, offsetof(TraceSegment, check));
  for (const std::string_view part : parts.all())
    segment.check = trace_check(part.data(), part.size(), segment.check);
  const Lock lock(fd);
  if (!lock.held()) return fail_errno("locking the trace");
  const off_t begin = ::lseek(fd, 0, SEEK_END);
  if (begin < 0) return fail_errno("finding the trace's end");
  Status done = write_all(fd, {reinterpret_cast<const char*>(&segment), sizeof segment});
  for (const std::string_view part : parts.all())
    if (done) done = write_all(fd, part);
  if (!done && ::ftruncate(fd, begin) != 0) return fail_errno("taking back a part of the trace");
  return done;
}

// Where each string ends, and all of them behind one another; id 0 is not written.
void add_strings(const EventStore& store, Parts& parts, TraceTest& test) {
  std::vector<uint64_t> ends;
  std::string bytes;
  for (size_t id = 1; id < store.strings().size(); ++id) {
    bytes += store.strings()[id];
    ends.push_back(bytes.size());
  }
  test.strings = ends.size();
  test.string_bytes = bytes.size();
  parts.keep(ends);
  parts.keep(std::vector<char>(bytes.begin(), bytes.end()));
}

void add_postings(const EventStore& store, Parts& parts, TraceTest& test) {
  std::vector<TraceList> lists;
  for (const auto& [key, seqs] : store.postings())
    lists.push_back({static_cast<int16_t>(key >> 16), static_cast<uint16_t>(key), 0, seqs.size()});
  std::ranges::sort(lists, {}, [](const TraceList& l) { return std::pair(l.service, l.nr); });
  std::vector<uint64_t> entries;
  for (const TraceList& list : lists) {
    const auto& seqs = store.of(list.service, list.nr);
    entries.insert(entries.end(), seqs.begin(), seqs.end());
  }
  test.lists = lists.size();
  test.list_entries = entries.size();
  parts.keep(lists);
  parts.keep(entries);
}

std::vector<TraceWatched> watched_of(const TestWatch& watch) {
  std::vector<TraceWatched> out;
  for (const WatchedService& service : watch.services)
    for (const uint16_t nr : service.syscalls) out.push_back({service.index, nr});
  std::ranges::sort(out, {}, [](const TraceWatched& w) { return std::pair(w.service, w.nr); });
  return out;
}

}  // namespace

void TraceWriter::close_fd(int* fd) {
  ::close(*fd);
  delete fd;
}

Result<TraceWriter> TraceWriter::create(const std::string& path, uint64_t seed) {
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK,
                        0600);
  if (fd < 0) return fail_errno("opening " + path);
  TraceWriter writer(fd);
  struct stat about;
  if (::fstat(fd, &about) != 0) return fail_errno("looking at " + path);
  if (!S_ISREG(about.st_mode)) return fail(path + " is no regular file");
  if (::fchmod(fd, 0600) != 0 || ::ftruncate(fd, 0) != 0) return fail_errno("emptying " + path);
  TraceHeader header{.magic = {}, .version = kTraceVersion, .event_size = sizeof(Event),
                     .arch = kArch, .zero = 0, .seed = seed, .check = 0};
  memcpy(header.magic, kTraceMagic, sizeof header.magic);
  header.check = trace_check(&header, offsetof(TraceHeader, check));
  if (Status done = write_all(fd, {reinterpret_cast<const char*>(&header), sizeof header}); !done)
    return std::unexpected(done.error());
  return writer;
}

Status TraceWriter::add_plan(std::string_view text) {
  Parts parts;
  parts.add(text.data(), text.size());
  return append(*fd_, TraceKind::kPlan, text.size(), parts);
}

Status TraceWriter::add_test(const Recording& recording) {
  const EventStore& store = *recording.store;
  TraceTest test{.plan = recording.plan,
                 .test = recording.test,
                 .services = recording.services,
                 .seed = recording.seed,
                 .body_ns = recording.body_ns,
                 .ended_ns = recording.ended_ns,
                 .written = recording.loss.written,
                 .kept = recording.loss.kept,
                 .filtered = recording.loss.filtered,
                 .lost = recording.loss.lost,
                 .events = store.size(),
                 .escapes = recording.escapes.size(),
                 .in_flight = recording.in_flight.size()};
  if (const auto& left = recording.loss.left) {
    test.left_service = left->service;
    test.left_pid = left->pid;
    left->exe.copy(test.left_exe, sizeof test.left_exe);
  }
  Parts parts;
  parts.add(&test, sizeof test);  // by reference: its numbers are filled in below
  for (size_t i = 0; i < store.chunks(); ++i) {
    const auto events = store.chunk(i);
    parts.add(events.data(), events.size_bytes());
  }
  add_strings(store, parts, test);
  add_postings(store, parts, test);
  const auto watched = watched_of(recording.watch);
  test.watched = watched.size();
  parts.keep(watched);
  parts.keep(recording.escapes);
  parts.keep(recording.in_flight);
  return append(*fd_, TraceKind::kTest, parts.size(), parts);
}

}  // namespace fbx::observe
