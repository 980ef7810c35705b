// SPDX-License-Identifier: Apache-2.0
#include "runner/check/event_reader.h"

#include <algorithm>

#include "bpf/abi/tables.h"
#include "runner/check/calls.h"
#include "runner/check/counting.h"
#include "runner/check/fields.h"
#include "runner/check/filter.h"
#include "runner/check/timeline.h"

namespace fbx::check {

namespace {

using model::EventValue;
using observe::CallState;
using observe::Event;
using observe::EventType;
using observe::FdKind;

constexpr std::string_view kCommon[] = {"begin_ms", "end_ms", "exe", "pid", "seq",
                                        "service",  "tid",    "time_ms", "type"};
constexpr std::string_view kOfCalls[] = {
    "after_lost_sync", "args", "bytes", "decision", "errno", "family", "fd",    "label",  "ok",
    "on",              "op",   "opened_as", "path", "peer",  "ret",    "state", "syscall"};

const char* type_name(EventType type) {
  switch (type) {
    case EventType::kSyscall: return "syscall";
    case EventType::kFault: return "fault";
    case EventType::kStep: return "step";
    case EventType::kLifecycle: return "lifecycle";
    case EventType::kStdout: return "stdout";
    case EventType::kStderr: return "stderr";
  }
  return "";
}

const char* kind_name(FdKind kind) {
  switch (kind) {
    case FdKind::kNone: return "";
    case FdKind::kFile: return "file";
    case FdKind::kShm: return "shm";
    case FdKind::kPseudo: return "pseudo";
    case FdKind::kStream: return "stream";
    case FdKind::kUdp: return "udp";
    case FdKind::kUnix: return "unix";
    case FdKind::kSocket: return "socket";
    case FdKind::kPipe: return "pipe";
    case FdKind::kTty: return "tty";
    case FdKind::kOther: return "other";
  }
  return "";
}

EventValue text_or_none(std::string text) {
  return text.empty() ? EventValue(std::monostate()) : EventValue(std::move(text));
}

bool is_output(EventType type) { return type == EventType::kStdout || type == EventType::kStderr; }

}  // namespace

EventValue StoreReader::time(uint64_t ns) const {
  if (ns == 0) return std::monostate();
  return static_cast<double>(static_cast<int64_t>(ns - zero_ns_)) / 1e6;
}

std::optional<EventValue> StoreReader::common(const Event& event, std::string_view name) const {
  if (name == "seq") return static_cast<int64_t>(event.seq);
  if (name == "type") return std::string(type_name(event.type));
  if (name == "time_ms") return time(begin_of(event));
  if (name == "begin_ms") return time(begin_of(event));
  if (name == "end_ms")
    return event.state == CallState::kInFlight ? EventValue(std::monostate()) : time(event.end_ns);
  if (name == "pid") return static_cast<int64_t>(event.pid);
  if (name == "tid") return static_cast<int64_t>(event.tid);
  if (name == "exe") return std::string(store_.string(event.exe));
  if (name != "service") return std::nullopt;
  if (event.service < 0) return std::monostate();
  return plan_.services[static_cast<size_t>(event.service)].name;
}

EventValue StoreReader::peer(const Event& event) const {
  if (event.peer >= 0 && static_cast<size_t>(event.peer) < plan_.services.size())
    return plan_.services[static_cast<size_t>(event.peer)].name;
  if (event.peer == observe::kPeerClient) return std::string("client");
  return text_or_none(std::string(store_.string(event.peer_text)));
}

EventValue StoreReader::op(const Event& event) const {
  if (event.service < 0) return std::monostate();
  for (const plan::Op& op : plan_.services[static_cast<size_t>(event.service)].ops) {
    model::Filter filter;
    filter.service = static_cast<uint32_t>(event.service);
    filter.op = op.name;
    const auto compiled = CompiledFilter::compile(filter, plan_);
    if (compiled && compiled->matches(store_, event) == Match::kYes) return op.name;
  }
  return std::monostate();
}

std::optional<EventValue> StoreReader::of_call(const Event& event, std::string_view name) const {
  const bool ended = event.state == CallState::kDone && fate(event) != Fate::kUnknown;
  const auto if_ended = [ended](EventValue value) { return ended ? value : EventValue(); };
  if (name == "syscall") return syscall_name(event.nr);
  if (name == "family") return family_text(event);
  if (name == "ret") return if_ended(event.ret);
  if (name == "ok") return if_ended(fate(event) == Fate::kSuccess);
  if (name == "errno") return errno_text(event);
  if (name == "path") return std::string(store_.string(event.path));
  if (name == "opened_as") return std::string(store_.string(event.opened_as));
  if (name == "fd") return event.fd < 0 ? EventValue() : EventValue(int64_t{event.fd});
  if (name == "on") return std::string(kind_name(event.on));
  if (name == "peer") return peer(event);
  if (name == "label") return std::string(store_.string(event.label));
  if (name == "op") return op(event);
  if (name == "state") return std::string(ended ? "done" : "in flight");
  if (name == "decision")
    return event.decision == 0 ? std::string("allow") : std::string(store_.string(event.decision));
  if (name == "after_lost_sync") return (event.flags & observe::kAfterLostSync) != 0;
  if (name == "args") {
    std::vector<int64_t> args;
    for (const uint64_t arg : event.args) args.push_back(static_cast<int64_t>(arg));
    return args;
  }
  if (name != "bytes") return std::nullopt;
  const abi::Syscall* row = abi::find_syscall(static_cast<int>(event.nr));
  const bool moves = row != nullptr && (row->traits & FBX_TRAIT_BYTES) != 0;
  return moves && ended && event.ret >= 0 ? EventValue(event.ret) : EventValue();
}

// A name that is no attribute is a field, and a field that is not there is None.
std::optional<EventValue> StoreReader::of_line(const Event& event, std::string_view name) const {
  const std::string line(store_.string(event.text));
  const DecodedLine fields = decoded(plan_, store_, event);
  const auto json = fields.json();
  if (name == "data") return json ? EventValue(model::JsonText{*json}) : EventValue(line);
  if (name == "line") return line;
  if (name != "fields") return fields.field(name);
  return model::JsonText{json && fields.has_fields() ? *json : "{}"};
}

std::optional<EventValue> StoreReader::attribute(uint64_t seq, std::string_view name) const {
  if (seq == 0 || seq > store_.size()) return std::nullopt;
  const Event& event = store_.at(seq);
  if (auto value = common(event, name)) return value;
  if (event.type == EventType::kSyscall) return of_call(event, name);
  if (is_output(event.type)) return of_line(event, name);
  if (event.type == EventType::kLifecycle) {
    const bool there = name == "what" || name == "code" || name == "signal";
    return there ? std::optional(lifecycle_field(event, name)) : std::nullopt;
  }
  if (name == "label") return std::string(store_.string(event.label));
  return name == "data" ? std::optional<EventValue>(std::string(store_.string(event.text)))
                        : std::nullopt;
}

std::vector<std::string> StoreReader::names(uint64_t seq) const {
  std::vector<std::string> out(std::begin(kCommon), std::end(kCommon));
  if (seq == 0 || seq > store_.size()) return out;
  const Event& event = store_.at(seq);
  const auto add = [&out](std::initializer_list<const char*> more) {
    out.insert(out.end(), more.begin(), more.end());
  };
  switch (event.type) {
    case EventType::kSyscall: out.insert(out.end(), std::begin(kOfCalls), std::end(kOfCalls)); break;
    case EventType::kLifecycle: add({"code", "signal", "what"}); break;
    case EventType::kFault:
    case EventType::kStep: add({"data", "label"}); break;
    case EventType::kStdout:
    case EventType::kStderr: {
      add({"data", "fields", "line"});
      const auto fields = decoded(plan_, store_, event).names();
      out.insert(out.end(), fields.begin(), fields.end());
      break;
    }
  }
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

std::string StoreReader::text(uint64_t seq) const {
  if (seq == 0 || seq > store_.size()) return "no such event";
  const Event& event = store_.at(seq);
  return column_of(plan_, event) + ": " + describe(plan_, store_, event);
}

}  // namespace fbx::check
