// SPDX-License-Identifier: Apache-2.0
//
// Looks at every byte of a trace file before any of it is believed (trace.h).
#include <elf.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "bpf/abi/tables.h"
#include "runner/observe/trace.h"
#include "runner/observe/trace_format.h"

namespace fbx::observe {

namespace {

// A new word of these must be entered here, and make a new version of the format.
bool known(EventType type) {
  switch (type) {
    case EventType::kSyscall:
    case EventType::kFault:
    case EventType::kStep:
    case EventType::kLifecycle:
    case EventType::kStdout:
    case EventType::kStderr: return true;
  }
  return false;
}

bool known(CallState state) {
  switch (state) {
    case CallState::kDone:
    case CallState::kInFlight: return true;
  }
  return false;
}

bool known(Lifecycle what) {
  switch (what) {
    case Lifecycle::kNone:
    case Lifecycle::kStarted:
    case Lifecycle::kReady:
    case Lifecycle::kExited:
    case Lifecycle::kKilled:
    case Lifecycle::kSignal: return true;
  }
  return false;
}

bool known(FdKind kind) {
  switch (kind) {
    case FdKind::kNone:
    case FdKind::kFile:
    case FdKind::kShm:
    case FdKind::kPseudo:
    case FdKind::kStream:
    case FdKind::kUdp:
    case FdKind::kUnix:
    case FdKind::kSocket:
    case FdKind::kPipe:
    case FdKind::kTty:
    case FdKind::kOther: return true;
  }
  return false;
}

// What stands at the front of the rest, taken off it; nothing where the rest is shorter.
class Rest {
 public:
  explicit Rest(std::span<char> bytes) : bytes_(bytes) {}

  std::optional<std::span<char>> take(uint64_t bytes) {
    if (bytes > bytes_.size()) return std::nullopt;
    const auto out = bytes_.first(static_cast<size_t>(bytes));
    bytes_ = bytes_.subspan(static_cast<size_t>(bytes));
    return out;
  }
  template <class T>
  std::optional<T> read() {
    const auto bytes = take(sizeof(T));
    if (!bytes) return std::nullopt;
    T out;
    memcpy(&out, bytes->data(), sizeof out);
    return out;
  }
  // `count` of them, filled up to 8 bytes.
  template <class T>
  std::optional<std::span<T>> many(uint64_t count) {
    if (count > bytes_.size() / sizeof(T)) return std::nullopt;
    const auto bytes = take(trace_padded(count * sizeof(T)));
    if (!bytes) return std::nullopt;
    return std::span(reinterpret_cast<T*>(bytes->data()), static_cast<size_t>(count));
  }
  [[nodiscard]] bool empty() const { return bytes_.empty(); }

 private:
  std::span<char> bytes_;
};

// What can't be in an event of a store with so many strings, or nullptr.
const char* wrong_in(const Event& event, uint64_t seq, const TraceTest& test) {
  const auto service = [&test](int16_t index, int16_t least) {
    return index >= least && (index < 0 || static_cast<uint32_t>(index) < test.services);
  };
  if (event.seq != seq) return "its number is not its place";
  if (!known(event.type) || !known(event.state) || !known(event.on) || !known(event.what))
    return "a word in it is unknown";
  if (!service(event.service, -1) || !service(event.peer, kPeerOutside))
    return "its service is none of the plan's";
  if (event.nr >= FBX_NR_LIMIT) return "its system call is out of range";
  if ((event.zero1 | event.zero2 | event.zero3 | event.zero4) != 0)
    return "it is not zero where it must be";
  if (event.rule < -1) return "its rule is out of range";
  for (const StringId id : {event.exe, event.path, event.opened_as, event.peer_text, event.text,
                            event.decision, event.label})
    if (id > test.strings) return "it names a string that is not there";
  return nullptr;
}

bool ascend(std::span<const uint64_t> seqs, uint64_t most) {
  uint64_t before = 0;
  for (const uint64_t seq : seqs) {
    if (seq <= before || seq > most) return false;
    before = seq;
  }
  return true;
}

// One test's body; `problem` says what is wrong where nothing comes.
class BodyReader {
 public:
  BodyReader(std::span<char> body, size_t plans) : rest_(body), plans_(plans) {}

  std::optional<Recording> read(std::unique_ptr<const EventStore>& store) {
    const auto head = rest_.read<TraceTest>();
    if (!head) return wrong("it is too short");
    test_ = *head;
    if (test_.plan >= plans_) return wrong("its plan is not in the file");
    if (test_.zero != 0 || test_.services > INT16_MAX || test_.left_service < -1 ||
        test_.left_service >= static_cast<int32_t>(test_.services))
      return wrong("its head is out of range");
    if (!events() || !strings() || !lists() || !others()) return std::nullopt;
    if (!rest_.empty()) return wrong("it is too long");
    store = std::make_unique<const EventStore>(events_, std::move(strings_), std::move(postings_));
    recording_.store = store.get();
    return std::move(recording_);
  }
  [[nodiscard]] const std::string& problem() const { return problem_; }

 private:
  std::nullopt_t wrong(const std::string& what) {
    problem_ = what;
    return std::nullopt;
  }
  bool bad(const std::string& what) {
    problem_ = what;
    return false;
  }

  bool events() {
    const auto events = rest_.many<Event>(test_.events);
    if (!events) return bad("it has fewer events than it says");
    events_ = *events;
    for (uint64_t seq = 1; seq <= events_.size(); ++seq) {
      const Event& event = events_[seq - 1];
      if (const char* what = wrong_in(event, seq, test_))
        return bad("event " + std::to_string(seq) + ": " + what);
      calls_ += event.type == EventType::kSyscall;
    }
    return true;
  }

  bool strings() {
    const auto ends = rest_.many<uint64_t>(test_.strings);
    if (!ends) return bad("it has fewer strings than it says");
    const auto bytes = rest_.many<char>(test_.string_bytes);
    if (!bytes) return bad("its strings are cut off");
    strings_.reserve(ends->size() + 1);
    strings_.emplace_back();
    uint64_t begin = 0;
    for (const uint64_t end : *ends) {
      if (end < begin || end > bytes->size()) return bad("a string ends before it begins");
      strings_.emplace_back(bytes->data() + begin, static_cast<size_t>(end - begin));
      begin = end;
    }
    return begin == bytes->size() || bad("bytes are left behind its strings");
  }

  bool lists() {
    const auto lists = rest_.many<TraceList>(test_.lists);
    const auto entries = lists ? rest_.many<uint64_t>(test_.list_entries) : std::nullopt;
    if (!entries) return bad("its posting lists are cut off");
    std::span<const uint64_t> left = *entries;
    for (const TraceList& list : *lists) {
      if (list.zero != 0 || list.entries > left.size())
        return bad("a posting list is longer than all of them");
      const auto seqs = left.first(static_cast<size_t>(list.entries));
      left = left.subspan(seqs.size());
      if (!of_list(list, seqs))
        return bad("a posting list holds what is not of its service and system call");
    }
    // Each call is in one list at most, since a list is met once.
    return (left.empty() && entries->size() == calls_) || bad("calls are missing in the posting lists");
  }

  bool of_list(const TraceList& list, std::span<const uint64_t> seqs) {
    if (!ascend(seqs, events_.size())) return false;
    for (const uint64_t seq : seqs) {
      const Event& event = events_[seq - 1];
      if (event.type != EventType::kSyscall || event.service != list.service || event.nr != list.nr)
        return false;
    }
    return postings_
        .try_emplace(EventStore::posting_key(list.service, list.nr), seqs.begin(), seqs.end())
        .second;
  }

  bool others() {
    const auto watched = rest_.many<TraceWatched>(test_.watched);
    const auto escapes = watched ? rest_.many<uint64_t>(test_.escapes) : std::nullopt;
    const auto in_flight = escapes ? rest_.many<uint64_t>(test_.in_flight) : std::nullopt;
    if (!in_flight) return bad("what stands behind its posting lists is cut off");
    if (!watch(*watched)) return bad("what was watched is out of range");
    for (const uint64_t seq : *escapes)
      if (seq == 0 || seq > events_.size()) return bad("an escape is no event");
    if (!ascend(*in_flight, events_.size())) return bad("a call in flight is no event");
    recording_.plan = test_.plan;
    recording_.test = test_.test;
    recording_.services = test_.services;
    recording_.seed = test_.seed;
    recording_.body_ns = test_.body_ns;
    recording_.ended_ns = test_.ended_ns;
    recording_.loss = {test_.written, test_.kept, test_.filtered, test_.lost};
    const std::string_view exe(test_.left_exe, strnlen(test_.left_exe, sizeof test_.left_exe));
    if (test_.left_service >= 0)
      recording_.loss.left = {static_cast<int16_t>(test_.left_service), test_.left_pid,
                              std::string(exe)};
    recording_.escapes.assign(escapes->begin(), escapes->end());
    recording_.in_flight.assign(in_flight->begin(), in_flight->end());
    return true;
  }

  bool watch(std::span<const TraceWatched> watched) {
    auto& services = recording_.watch.services;
    for (const TraceWatched& one : watched) {
      if (one.service < 0 || static_cast<uint32_t>(one.service) >= test_.services ||
          one.nr >= FBX_NR_LIMIT)
        return false;
      if (services.empty() || services.back().index != one.service) {
        if (!services.empty() && services.back().index > one.service) return false;
        services.push_back({.index = one.service, .cgroup_id = 0, .syscalls = {}});
      }
      auto& calls = services.back().syscalls;
      if (!calls.empty() && calls.back() >= one.nr) return false;
      calls.push_back(one.nr);
    }
    return true;
  }

  Rest rest_;
  size_t plans_;
  TraceTest test_;
  std::span<Event> events_;
  uint64_t calls_ = 0;
  std::vector<std::string_view> strings_;
  EventStore::Postings postings_;
  Recording recording_;
  std::string problem_;
};

}  // namespace

class TraceReader {
 public:
  TraceReader(std::span<char> bytes, Trace& out) : bytes_(bytes), rest_(bytes), out_(out) {}

  Status read() {
    const auto header = rest_.read<TraceHeader>();
    if (!header || memcmp(header->magic, kTraceMagic, sizeof kTraceMagic) != 0)
      return fail("it is no trace of fbx");
    if (header->version != kTraceVersion)
      return fail("it is of version " + std::to_string(header->version) + "; this fbx reads version " +
                  std::to_string(kTraceVersion));
    if (header->check != trace_check(&*header, offsetof(TraceHeader, check)) || header->zero != 0 ||
        header->event_size != sizeof(Event))
      return fail("its header is damaged");
    if (header->arch != kArch) return fail("it was made on another architecture");
    out_.seed_ = header->seed;
    for (uint64_t at = sizeof(TraceHeader); at < bytes_.size();) {
      const Result<uint64_t> size = segment();
      if (!size) return fail("at byte " + std::to_string(at) + ": " + size.error().message);
      at += *size;
    }
    return {};
  }

 private:
  // Its size with its head.
  Result<uint64_t> segment() {
    const auto head = rest_.read<TraceSegment>();
    if (!head) return fail("it is cut off");
    if (head->size > bytes_.size()) return fail("it is cut off, or its size is damaged");
    const auto body = rest_.take(trace_padded(head->size));
    if (!body) return fail("it is cut off");
    const uint64_t check = trace_check(&*head, offsetof(TraceSegment, check));
    if (head->check != trace_check(body->data(), body->size(), check) || head->zero != 0)
      return fail("it is damaged");
    if (Status done = take(*head, body->first(static_cast<size_t>(head->size))); !done)
      return std::unexpected(done.error());
    return sizeof *head + body->size();
  }

  Status take(const TraceSegment& head, std::span<char> body) {
    if (head.kind == static_cast<uint32_t>(TraceKind::kPlan)) {
      out_.plans_.emplace_back(body.data(), body.size());
      return {};
    }
    if (head.kind != static_cast<uint32_t>(TraceKind::kTest)) return fail("its kind is unknown");
    BodyReader reader(body, out_.plans_.size());
    std::unique_ptr<const EventStore> store;
    auto recording = reader.read(store);
    if (!recording) return fail("a test: " + reader.problem());
    out_.tests_.push_back(std::move(*recording));
    out_.stores_.push_back(std::move(store));
    return {};
  }

  std::span<char> bytes_;
  Rest rest_;
  Trace& out_;
};

Result<Trace> Trace::open(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return fail_errno("opening " + path);
  struct stat about;
  const bool regular = ::fstat(fd, &about) == 0 && S_ISREG(about.st_mode);
  const auto size = regular ? static_cast<size_t>(about.st_size) : 0;
  void* const at = size == 0 ? MAP_FAILED
                             : ::mmap(nullptr, size, PROT_READ | PROT_WRITE,
                                      MAP_PRIVATE | MAP_NORESERVE, fd, 0);
  const int error = errno;
  ::close(fd);
  if (size == 0) return fail(path + (regular ? " is empty" : " is no regular file"));
  if (at == MAP_FAILED) return fail_errno("mapping " + path, error);
  Trace trace;
  trace.map_ = std::shared_ptr<void>(at, [size](void* map) { ::munmap(map, size); });
  TraceReader reader({static_cast<char*>(at), size}, trace);
  if (Status done = reader.read(); !done) return fail(path + ": " + done.error().message);
  return trace;
}

}  // namespace fbx::observe
