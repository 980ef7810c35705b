// SPDX-License-Identifier: Apache-2.0
//
// What the run has seen, as look-backs and reports read it. An Event is what remains of one ABI
// record (bpf/abi/event.h), one decision of a hand, one step, one line of output. Strings are
// interned in the store and named by id; id 0 is the empty string.
//
// The store is the recording: an Event is what a trace file holds of it, byte for byte
// (trace_format.h). So it has no pointer, no padding that nobody sets, and a version there.
//
// Times are CLOCK_MONOTONIC ns. Thread rule: see EventStore.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <unordered_map>
#include <vector>

namespace fbx::observe {

using StringId = uint32_t;

enum class EventType : uint8_t { kSyscall, kFault, kStep, kLifecycle, kStdout, kStderr };

// Kind of descriptor, by the file behind it and never by its number (LANGUAGE section 5).
enum class FdKind : uint8_t {
  kNone,     // the call has no descriptor, or it was not open
  kFile,     // regular file or directory of a real file system
  kShm,      // the same in /dev/shm: a file only when path= names it
  kPseudo,   // proc, sysfs, cgroup, tracefs, bpffs, memfd, character and block devices
  kStream,   // TCP (and MPTCP), unix stream and seqpacket are kUnix
  kUdp,
  kUnix,
  kSocket,   // any other socket: netlink, packet, raw
  kPipe,
  kTty,
  kOther     // eventfd, epoll, signalfd, io_uring…
};

enum class CallState : uint8_t { kDone, kInFlight };

// kSignal: a thread of the service took a signal; Event::ret is its number.
enum class Lifecycle : uint8_t { kNone, kStarted, kReady, kExited, kKilled, kSignal };

// Event::flags.
constexpr uint16_t kSync = 1u << 0;          // writes through: O_DSYNC, O_SYNC, RWF_[D]SYNC
constexpr uint16_t kNonBlock = 1u << 1;      // the descriptor is O_NONBLOCK
constexpr uint16_t kDeleted = 1u << 2;       // `path` was the file's name; it has none any more
constexpr uint16_t kOutsideRoot = 1u << 3;   // `path` can't be reached from the task's root
constexpr uint16_t kPathCut = 1u << 4;       // `path` or `opened_as` is longer than could be kept
constexpr uint16_t kPathUnread = 1u << 5;    // the path argument could not be read
constexpr uint16_t kCreated = 1u << 6;       // a successful open with O_CREAT
constexpr uint16_t kCompat = 1u << 7;        // a 32-bit call; nr is the native call of that name
constexpr uint16_t kBeginUnknown = 1u << 8;  // begin_ns is not measured (seccomp denied the call)
constexpr uint16_t kFdAtEnd = 1u << 9;       // path and kind are those of the call's end
constexpr uint16_t kWasHeld = 1u << 10;      // the supervisor held it (set by the injector)
constexpr uint16_t kRestarted = 1u << 11;    // interrupted by signals and gone on; one event
// A sync that succeeded after one of the same file was denied (set by the injector).
constexpr uint16_t kAfterLostSync = 1u << 12;
constexpr uint16_t kResultUnknown = 1u << 13;  // let through at end_ns by one who sees no results
constexpr uint16_t kPeerLost = 1u << 14;  // too many connections: `peer` is unknown, may be any

// Who is at the other end of a socket.
constexpr int16_t kPeerNone = -1;     // not a connected socket, or not known
constexpr int16_t kPeerClient = -2;   // the test's own step client
constexpr int16_t kPeerOutside = -3;  // an address that no service and no step of the test has

// A thread of a service as the host's PID namespace numbers it; 0 = unknown.
struct Thread {
  uint32_t tid = 0, pid = 0;
  std::string exe;  // comm of its process
};

struct Event {
  uint64_t seq = 0;  // position in the store, from 1
  uint64_t begin_ns = 0, end_ns = 0;
  EventType type = EventType::kSyscall;
  CallState state = CallState::kDone;
  FdKind on = FdKind::kNone;
  Lifecycle what = Lifecycle::kNone;
  int16_t service = -1;  // index in the plan; -1 = none (the runner)
  int16_t peer = kPeerNone;
  uint16_t nr = 0;       // syscall, native numbering (bpf/abi/syscalls.h)
  uint16_t zero1 = 0;    // always, like the other three
  uint32_t pid = 0, tid = 0;  // as the host's PID namespace numbers them
  uint32_t zero2 = 0;
  int64_t ret = 0;       // negative errno on failure; of an exit: wait status
  uint64_t args[6] = {};
  int32_t fd = -1;
  uint16_t flags = 0;        // kSync…
  uint16_t zero3 = 0;
  uint32_t open_flags = 0;   // O_* of the descriptor (f_flags), where it has one
  uint32_t zero4 = 0;
  uint64_t peer_cgroup = 0;  // of the other end's maker, where known and no service
  StringId exe = 0;        // comm of the process
  // What the file is called now, as the service sees it; "" = unknown. Of rename and link: the new
  // name. Of calls that take a path and no descriptor: opened_as, normalised.
  StringId path = 0;
  StringId opened_as = 0;  // the path argument, made absolute; "" when the call has none
  StringId peer_text = 0;  // "127.0.0.1:5432", "unix:/tmp/x.sock"
  StringId text = 0;       // steps, fault events, lines of output
  // The hand's decision about this call; -1 = no rule of any hand matched it.
  int32_t rule = -1;       // index in RuleLog (runner/inject/rule_log.h)
  StringId decision = 0;   // "allow", "deny(EIO)", "delay(2s)", "cut(refuse)"
  StringId label = 0;

  [[nodiscard]] bool failed() const { return ret < 0 && ret >= -4095; }
};

static_assert(sizeof(Event) == 160 && std::is_trivially_copyable_v<Event> &&
              std::has_unique_object_representations_v<Event>);

// Append-only. One thread appends (the one that pumps the observer) and the same thread reads.
class EventStore {
 public:
  // seqs, ascending, by service and nr.
  using Postings = std::unordered_map<uint32_t, std::vector<uint64_t>>;
  // So many are kept, and so many bytes of strings: about a gigabyte. Then full() is true, and who
  // takes records counts them as lost.
  static constexpr size_t kMostEvents = 4u << 20;
  static constexpr size_t kMostStringBytes = 256u << 20;

  explicit EventStore(size_t most_events = kMostEvents);
  // Over events and strings that stand elsewhere and outlive it: a trace file that was checked.
  // Only to be read.
  EventStore(std::span<Event> events, std::vector<std::string_view> strings, Postings postings);
  [[nodiscard]] bool full() const {
    return size_ >= most_events_ || string_bytes_ >= kMostStringBytes;
  }
  // The id of `text`, made when new.
  StringId intern(std::string_view text);
  // "" for 0. The view lives as long as the store.
  [[nodiscard]] std::string_view string(StringId id) const;
  // Appends a copy and gives it its seq.
  Event& append(const Event& event);
  [[nodiscard]] size_t size() const { return size_; }
  // seq from 1 to size().
  [[nodiscard]] const Event& at(uint64_t seq) const {
    return chunks_[(seq - 1) / kChunk][(seq - 1) % kChunk];
  }
  [[nodiscard]] Event& at(uint64_t seq) { return chunks_[(seq - 1) / kChunk][(seq - 1) % kChunk]; }
  // A call that somebody else than the kernel side sees begin (the supervisor holds it): appended
  // with state kInFlight, completed in place by the record of its end. `call` has service, tid,
  // pid, nr, begin_ns, and whatever is known. Returns its seq; when that thread's call has ended
  // meanwhile, or stands in the store already, the seq of that event and nothing is appended.
  uint64_t open_call(const Event& call);
  // The same by one who knows that it is another call than those that are open. To be ended by
  // close_call() with its seq.
  uint64_t open_another(const Event& call);
  // The innermost open call of a thread, or 0.
  [[nodiscard]] uint64_t open_of(uint32_t tid) const;
  // Ends the thread's open call in place with what `end` knows (an earlier begin is kept), or
  // appends `end` when there is none for this nr. Which one: end.seq, unless that is 0.
  Event& close_call(const Event& end);
  // The thread died at that time: its open calls have ended without a result. Their state remains
  // kInFlight (what they did, nobody can say), but they are no longer open; nor is one of before
  // that is entered later.
  void drop_call(uint32_t tid, uint64_t at_ns);
  // The seqs of open calls, ascending.
  [[nodiscard]] std::vector<uint64_t> open_calls() const;
  // The seqs of the events of one service and one syscall, ascending.
  [[nodiscard]] const std::vector<uint64_t>& of(int16_t service, uint16_t nr) const;

  // What a trace file is made of: events in parts of at most kChunk, strings by id, the postings.
  static constexpr size_t kChunk = 4096;
  [[nodiscard]] std::span<const Event> chunk(size_t number) const {
    return {chunks_[number], std::min(kChunk, size_ - number * kChunk)};
  }
  [[nodiscard]] size_t chunks() const { return (size_ + kChunk - 1) / kChunk; }
  [[nodiscard]] const std::vector<std::string_view>& strings() const { return strings_; }
  [[nodiscard]] const Postings& postings() const { return postings_; }
  static constexpr uint32_t posting_key(int16_t service, uint16_t nr) {
    return static_cast<uint32_t>(static_cast<uint16_t>(service)) << 16 | nr;
  }

 private:
  size_t most_events_ = 0;
  size_t size_ = 0;
  std::vector<Event*> chunks_;
  std::vector<std::unique_ptr<Event[]>> made_;  // those of chunks_ that are its own
  std::vector<std::string_view> strings_;       // by id
  std::deque<std::string> texts_;               // of interned strings
  size_t string_bytes_ = 0;
  std::unordered_map<std::string_view, StringId> ids_;
  Postings postings_;
  // The seq of the thread's open call that `end` ends, taken off its stack with all that stand
  // above it; 0 = none.
  uint64_t take_open(const Event& end);

  // tid → seqs of its open calls: an interrupted one stands below those of its signal handler.
  std::unordered_map<uint32_t, std::vector<uint64_t>> open_;
  std::unordered_map<uint32_t, uint64_t> last_;  // tid → seq of its latest call that ended
  std::unordered_map<uint32_t, uint64_t> died_;  // tid → when
};

}  // namespace fbx::observe
