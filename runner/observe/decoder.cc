// SPDX-License-Identifier: Apache-2.0
//
// What is filtered: strings and markers (joined into others), fork, exec and exit of threads, the
// ends of signal handlers, calls completed in place, records of another test, and calls that were
// looked at for escapes only and are none.
#include "runner/observe/decoder.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "bpf/abi/tables.h"

namespace fbx::observe {
namespace {

uint16_t event_flags(const fbx_call& call) {
  constexpr std::pair<uint32_t, uint16_t> kMeaning[] = {
      {FBX_SAW_SYNC, kSync},           {FBX_SAW_NONBLOCK, kNonBlock},
      {FBX_SAW_UNHASHED, kDeleted},    {FBX_SAW_OUTSIDE, kOutsideRoot},
      {FBX_SAW_CUT, kPathCut},         {FBX_SAW_NO_PATH, kPathUnread},
      {FBX_SAW_CREATED, kCreated},     {FBX_SAW_COMPAT, kCompat},
      {FBX_SAW_RESTART, kRestarted},   {FBX_SAW_PEER_LOST, kPeerLost},
  };
  uint16_t flags = 0;
  for (const auto& [saw, flag] : kMeaning)
    if (call.flags & saw) flags |= flag;
  if (!(call.flags & FBX_SAW_BEGIN)) flags |= kBeginUnknown | kFdAtEnd;
  return flags;
}

bool is_loopback(const fbx_endpoint& end) {
  static constexpr uint8_t kMapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  if (memcmp(end.addr, kMapped, sizeof kMapped) == 0) return end.addr[12] == 127 || !end.addr[12];
  static constexpr uint8_t kLoopback[15] = {};
  return memcmp(end.addr, kLoopback, sizeof kLoopback) == 0 && end.addr[15] <= 1;
}

// FdKind's kFile by inode is narrowed by where the file lives.
FdKind kind_of(const fbx_call& call, const std::string& file) {
  const auto kind = static_cast<FdKind>(call.kind);
  if (kind != FdKind::kFile) return kind;
  if ((call.flags & FBX_SAW_OUTSIDE) &&
      (file.starts_with("/memfd:") || file.starts_with("/SYSV") || file.starts_with("/dev/zero")))
    return FdKind::kPseudo;
  return file.starts_with("/dev/shm/") ? FdKind::kShm : kind;
}

}  // namespace

bool may_escape(const abi::Syscall& row) {
  return (row.traits & FBX_TRAIT_ESCAPES) || Mappings::concerns(row);
}

std::string normalised(const std::string& path) {
  std::vector<std::string_view> parts;
  std::string_view rest = path;
  while (!rest.empty()) {
    const size_t end = std::min(rest.find('/'), rest.size());
    const std::string_view part = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (part == ".." && !parts.empty())
      parts.pop_back();
    else if (!part.empty() && part != "." && part != "..")
      parts.push_back(part);
  }
  std::string clean;
  for (std::string_view part : parts) clean.append("/").append(part);
  return clean.empty() ? "/" : clean;
}

std::string endpoint_text(const fbx_endpoint& end) {
  static constexpr fbx_endpoint kNothing{};
  if (memcmp(&end, &kNothing, sizeof end) == 0) return {};
  char buffer[INET6_ADDRSTRLEN];
  static constexpr uint8_t kMapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  const std::string port = ":" + std::to_string(end.port);
  if (memcmp(end.addr, kMapped, sizeof kMapped) == 0)
    return inet_ntop(AF_INET, end.addr + 12, buffer, sizeof buffer) + port;
  return "[" + std::string(inet_ntop(AF_INET6, end.addr, buffer, sizeof buffer)) + "]" + port;
}

Decoder::Decoder(EventStore& store, uint32_t generation,
                 std::unordered_map<uint64_t, int16_t> owners)
    : store_(store), generation_(generation), owners_(std::move(owners)) {}

void Decoder::expect(int16_t service, const std::vector<uint16_t>& syscalls) {
  std::vector<bool>& asked = asked_[service];
  asked.assign(FBX_NR_LIMIT, false);
  for (uint16_t nr : syscalls)
    if (nr < FBX_NR_LIMIT) asked[nr] = true;
}

void Decoder::take(const void* record, size_t size) {
  fbx_head head;
  if (size < sizeof head) {
    ++filtered_;
    ++broken_;
    return;
  }
  memcpy(&head, record, sizeof head);
  const auto fits = [&](size_t want) {
    if (size >= want && head.size >= want) return true;
    ++filtered_;
    ++broken_;
    return false;
  };
  if (head.generation != generation_) {
    ++filtered_;
    return;
  }
  switch (head.kind) {
    case FBX_RECORD_CALL:
    case FBX_RECORD_SOCK_CALL: {
      const bool with_sock = head.kind == FBX_RECORD_SOCK_CALL;
      if (!fits(with_sock ? sizeof(fbx_sock_call) : sizeof(fbx_call))) return;
      fbx_sock_call call{};
      memcpy(&call, record, with_sock ? sizeof(fbx_sock_call) : sizeof(fbx_call));
      take_call(call.call, with_sock ? &call.sock : nullptr);
      return;
    }
    case FBX_RECORD_STRING: {
      fbx_string string;
      if (!fits(sizeof string)) return;
      memcpy(&string, record, sizeof string);
      if (!fits(sizeof string + string.len)) return;
      take_string(string, static_cast<const char*>(record) + sizeof string);
      break;
    }
    case FBX_RECORD_DECISION: {
      fbx_decided decided;
      if (!fits(sizeof decided)) return;
      memcpy(&decided, record, sizeof decided);
      decisions_.push_back(decided);
      break;
    }
    case FBX_RECORD_MARKER: {
      fbx_marker marker;
      if (!fits(sizeof marker)) return;
      memcpy(&marker, record, sizeof marker);
      marker_ = marker.id;
      marker_ns_ = marker.head.time_ns;
      worker_level_ = marker.level;
      break;
    }
    case FBX_RECORD_TASK: {
      fbx_task task;
      if (!fits(sizeof task)) return;
      memcpy(&task, record, sizeof task);
      take_task(task);
      if (task.what == FBX_TASK_SIGNAL) return;
      break;
    }
    default: ++broken_;
  }
  ++filtered_;
}

void Decoder::take_string(const fbx_string& string, const char* bytes) {
  std::string& text = texts_[string.id];
  if (!string.parts) {
    text.assign(bytes, string.len);
    return;
  }
  // NUL-terminated components, innermost first.
  text.clear();
  std::string_view rest(bytes, string.len);
  std::vector<std::string_view> parts;
  while (!rest.empty()) {
    const size_t end = std::min(rest.find('\0'), rest.size());
    parts.push_back(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  for (size_t i = parts.size(); i-- > 0;)
    if (parts[i] != "/") text.append("/").append(parts[i]);
  if (text.empty()) text = "/";
}

void Decoder::take_task(const fbx_task& task) {
  if (task.what == FBX_TASK_EXIT) {
    store_.drop_call(task.head.tid, task.head.time_ns);
    return;
  }
  if (task.what == FBX_TASK_LEFT) {
    if (!left_)
      left_ = Left{task.head.service, task.pid,
                   std::string(task.comm, strnlen(task.comm, sizeof task.comm))};
    return;
  }
  if (task.what == FBX_TASK_SIGNAL) return take_signal(task);
  const bool fork = task.what == FBX_TASK_FORK;
  Thread thread{.tid = fork ? static_cast<uint32_t>(task.value) : task.head.tid,
                .pid = task.pid,
                .exe = std::string(task.comm, strnlen(task.comm, sizeof task.comm))};
  threads_[task.inside].push_back({task.head.time_ns, std::move(thread)});
}

void Decoder::take_signal(const fbx_task& task) {
  Event event;
  event.type = EventType::kLifecycle;
  event.what = Lifecycle::kSignal;
  event.service = task.head.service;
  event.begin_ns = event.end_ns = task.head.time_ns;
  event.pid = task.head.pid;
  event.tid = task.head.tid;
  event.ret = task.value;
  event.exe = store_.intern({task.comm, strnlen(task.comm, sizeof task.comm)});
  store_.append(event);
  ++kept_;
}

Thread Decoder::thread(uint32_t inside, uint64_t at_ns) const {
  const auto found = threads_.find(inside);
  if (found == threads_.end()) return {};
  for (auto it = found->second.rbegin(); it != found->second.rend(); ++it)
    if (it->since_ns <= at_ns) return it->thread;
  return {};
}

const std::string& Decoder::text(uint64_t id) {
  static const std::string kNone;
  if (id == 0) return kNone;
  const auto found = texts_.find(id);
  if (found != texts_.end()) return found->second;
  ++broken_;  // a name that never came: what is called by it would not be found
  return kNone;
}

std::string Decoder::absolute(const fbx_call& call, int arg, int base) {
  if (call.strings[arg] == 0) return {};
  const std::string& path = text(call.strings[arg]);
  if (path.starts_with('/')) return path;
  const std::string& below = text(call.strings[base]);
  if (path.empty()) return below;
  if (below.empty()) return path;
  return below == "/" ? "/" + path : below + "/" + path;
}

void Decoder::name_paths(const fbx_call& call, Event& event) {
  const std::string first = absolute(call, FBX_STRING_ARG, FBX_STRING_BASE);
  const std::string second = absolute(call, FBX_STRING_ARG2, FBX_STRING_BASE2);
  const std::string& file = text(call.strings[FBX_STRING_FILE]);
  event.opened_as = store_.intern(first);
  const std::string& now = second.empty() ? first : second;
  if (!file.empty())
    event.path = store_.intern(file);
  else if (!now.empty())
    event.path = store_.intern(now.starts_with('/') ? normalised(now) : now);
}

void Decoder::name_peer(const fbx_call& call, const fbx_sock& sock, Event& event) {
  const std::string& unix_name = text(sock.unix_name);
  const bool names_own_end = call.nr == abi::find_syscall("bind")->nr() ||
                             call.nr == abi::find_syscall("listen")->nr();
  const std::string other = event.on == FdKind::kUnix
                                ? (unix_name.empty() ? "" : "unix:" + unix_name)
                                : endpoint_text(sock.remote);
  if (names_own_end)
    event.text = store_.intern(event.on == FdKind::kUnix ? other : endpoint_text(sock.local));
  else
    event.peer_text = store_.intern(other);
  event.peer_cgroup = sock.peer_cgroup;
  if (const auto owner = owners_.find(sock.peer_cgroup); owner != owners_.end()) {
    event.peer = owner->second;
  } else if (event.flags & kPeerLost) {
    event.peer = kPeerNone;
  } else if (sock.peer_cgroup != 0) {
    event.peer = kPeerOutside;
  } else if (sock.remote.port != 0 && !names_own_end) {
    const bool connected = event.on == FdKind::kStream && !event.failed();
    event.peer = connected || !is_loopback(sock.remote) ? kPeerOutside : kPeerNone;
  }
}

Event Decoder::event_of(const fbx_call& call, const fbx_sock* sock) {
  Event event;
  event.type = EventType::kSyscall;
  event.service = call.head.service;
  event.begin_ns = call.begin_ns ? call.begin_ns : call.head.time_ns;
  event.end_ns = call.head.time_ns;
  event.nr = call.nr;
  event.pid = call.head.pid;
  event.tid = call.head.tid;
  event.ret = call.ret;
  event.fd = call.fd;
  event.flags = event_flags(call);
  event.open_flags = call.open_flags;
  const abi::Syscall* row = abi::find_syscall(call.nr);
  for (size_t i = 0; i < 6; ++i) {
    const uint8_t role = row ? row->args[i] : uint8_t{FBX_ARG_WORD};
    if (role == FBX_ARG_NONE) continue;
    event.args[i] = FBX_ARG_IS_32BIT(role) ? static_cast<uint32_t>(call.args[i]) : call.args[i];
  }
  event.exe = store_.intern({call.comm, strnlen(call.comm, sizeof call.comm)});
  event.on = kind_of(call, text(call.strings[FBX_STRING_FILE]));
  name_paths(call, event);
  if (sock) name_peer(call, *sock, event);
  return event;
}

void Decoder::take_call(const fbx_call& call, const fbx_sock* sock) {
  if (store_.full() && store_.open_of(call.head.tid) == 0) {
    ++filtered_;
    ++broken_;  // no room for it: it is lost
    return;
  }
  const size_t before = store_.size();
  const abi::Syscall* row = abi::find_syscall(call.nr);
  if (row && may_escape(*row)) {
    Event event = event_of(call, sock);
    const auto asked = asked_.find(event.service);
    const bool wanted = asked == asked_.end() || asked->second[call.nr];
    const bool by_itself = (row->traits & FBX_TRAIT_ESCAPES) && !event.failed();
    if (mappings_.take(*row, event) || by_itself) {
      escapes_.push_back(store_.close_call(event).seq);
      ++(store_.size() > before ? kept_ : filtered_);
      return;
    }
    if (!wanted) {
      ++filtered_;
      return;
    }
  }
  if (call.flags & FBX_SAW_SIGRETURN) {
    // The handler ended and left EINTR: that is the interrupted call's result. Otherwise the call
    // goes on, and its next record completes it.
    const uint64_t open = store_.open_of(call.head.tid);
    if (call.ret == -EINTR && open != 0 && (store_.at(open).flags & kRestarted)) {
      Event end = store_.at(open);
      end.ret = call.ret;
      end.end_ns = call.head.time_ns;
      store_.close_call(end).flags &= static_cast<uint16_t>(~kRestarted);
    }
    if (call.flags & FBX_SAW_BEGIN) store_.append(event_of(call, sock));
  } else if (call.flags & FBX_SAW_RESTART) {
    Event event = event_of(call, sock);
    event.ret = 0;
    store_.at(store_.open_call(event)).flags |= kRestarted;
  } else {
    store_.close_call(event_of(call, sock));
  }
  if (store_.size() > before)
    ++kept_;
  else
    ++filtered_;
}

uint64_t Decoder::take_running(const fbx_sock_call& record) {
  if (record.call.head.generation != generation_) return 0;
  const auto asked = asked_.find(record.call.head.service);
  if (asked != asked_.end() && !asked->second[record.call.nr % FBX_NR_LIMIT]) return 0;
  Event event = event_of(record.call, record.call.head.kind == FBX_RECORD_SOCK_CALL ? &record.sock : nullptr);
  event.ret = 0;
  event.end_ns = 0;
  const uint64_t seq = store_.open_call(event);
  return store_.at(seq).state == CallState::kInFlight ? seq : 0;
}

std::vector<fbx_decided> Decoder::take_decisions() { return std::exchange(decisions_, {}); }

}  // namespace fbx::observe
