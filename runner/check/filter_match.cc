// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "base/glob.h"
#include "bpf/abi/kinds.h"
#include "runner/check/filter.h"
#include "runner/check/fields.h"

namespace fbx::check {

namespace {

using observe::Event;
using observe::EventStore;
using observe::EventType;
using observe::FdKind;

Match both(Match a, Match b) { return std::min(a, b); }

bool is_socket(FdKind kind) {
  return kind == FdKind::kStream || kind == FdKind::kUdp || kind == FdKind::kUnix ||
         kind == FdKind::kSocket;
}

// The call was about a file whose name the record does not have.
bool path_is_missing(const Event& event) {
  if ((event.flags & observe::kPathCut) != 0) return true;
  if (event.path != 0 || event.opened_as != 0) return false;
  if (event.on == FdKind::kFile || event.on == FdKind::kShm) return true;
  const abi::Syscall* row = abi::find_syscall(static_cast<int>(event.nr));
  if (row == nullptr) return false;
  if (row->arg(FBX_ARG_PATH) >= 0) return true;
  // In flight and not resolved: the descriptor may be a file's.
  return event.on == FdKind::kNone && row->arg(FBX_ARG_FD) >= 0 && fate(event) == Fate::kInFlight;
}

// The call carried data on a connection whose other end the record does not have.
bool peer_is_missing(const Event& event) {
  if ((event.flags & observe::kPeerLost) != 0) return true;
  if (event.peer != observe::kPeerNone || event.peer_text != 0) return false;
  if (event.on == FdKind::kNone) return fate(event) == Fate::kInFlight;
  if (!is_socket(event.on) || fate(event) == Fate::kFailure) return false;
  return in_family(event, FBX_F_CONNECT) == Match::kYes ||
         in_family(event, FBX_F_SEND) == Match::kYes || in_family(event, FBX_F_RECV) == Match::kYes;
}

Match test_path(const EventStore& store, const Event& event, const auto& glob) {
  if ((event.path != 0 && glob.test(store, event.path)) ||
      (event.opened_as != 0 && glob.test(store, event.opened_as)))
    return Match::kYes;
  return path_is_missing(event) ? Match::kMaybe : Match::kNo;
}

}  // namespace

bool CompiledFilter::Glob::test(const EventStore& store, observe::StringId id) const {
  if (id >= seen.size()) seen.resize(id + 1, -1);
  if (seen[id] < 0) {
    const std::string_view text = store.string(id);
    seen[id] = is_path ? glob_match_path(pattern, text) : glob_match(pattern, text);
  }
  return seen[id] == 1;
}

Match CompiledFilter::Keyword::test(const Event& event) const {
  if (!std::binary_search(numbers.begin(), numbers.end(), event.nr)) return Match::kNo;
  return family == 0 ? Match::kYes : in_family(event, family);
}

bool CompiledFilter::test_on(const EventStore& store, const Event& event) const {
  if (kinds_ == 0) return true;
  if ((kinds_ >> static_cast<uint8_t>(event.on) & 1) == 0) return false;
  if (event.on != FdKind::kShm) return true;
  return path_.has_value() && path_->pattern.starts_with("/dev/shm") &&
         test_path(store, event, *path_) != Match::kNo;
}

bool CompiledFilter::may_concern(const EventStore& store, const Event& event) const {
  return test_on(store, event) && (!path_ || test_path(store, event, *path_) != Match::kNo);
}

bool CompiledFilter::test_errno(const Event& event) const {
  if (fate(event) == Fate::kUnknown) return true;  // it may; counting.cc says that it is open
  return errname_.empty() || (event.failed() && glob_match(errname_, errno_text(event)));
}

// A call that no rule met was let through.
bool CompiledFilter::test_decision(const EventStore& store, const Event& event) const {
  if (!decision_) return true;
  if (event.decision == 0 && event.type == EventType::kSyscall)
    return glob_match(decision_->pattern, "allow");
  return decision_->test(store, event.decision);
}

bool CompiledFilter::test_plain(const EventStore& store, const Event& event) const {
  if (event.type != type_) return false;
  if (service_ && event.service != static_cast<int16_t>(*service_)) return false;
  if (fd_ && event.fd != *fd_) return false;
  if (pid_ && event.pid != *pid_) return false;
  if (label_ && !label_->test(store, event.label)) return false;
  if (exe_ && !exe_->test(store, event.exe)) return false;
  if (type_ != EventType::kSyscall) return test_fields(store, event);
  const bool after_lost_sync = (event.flags & observe::kAfterLostSync) != 0;
  if (after_lost_sync_ && *after_lost_sync_ != after_lost_sync) return false;
  return test_on(store, event) && test_errno(event) && test_decision(store, event);
}

bool CompiledFilter::test_fields(const EventStore& store, const Event& event) const {
  if (fields_.empty()) return true;
  return type_ == EventType::kLifecycle ? lifecycle_matches(fields_, event)
                                        : line_matches(fields_, *plan_, store, event);
}

// peer="inventory" | "inventory.main" | "127.0.0.1:5432" | "client"
Match CompiledFilter::test_peer(const EventStore& store, const Event& event) const {
  if (event.peer_text != 0 && peer_text_->test(store, event.peer_text)) return Match::kYes;
  if (peer_is_missing(event)) return Match::kMaybe;
  if (event.peer == observe::kPeerClient) return means_client_ ? Match::kYes : Match::kNo;
  if (event.peer < 0 || static_cast<size_t>(event.peer) >= plan_->services.size())
    return Match::kNo;
  const plan::Service& peer = plan_->services[static_cast<size_t>(event.peer)];
  if (glob_match(peer_, peer.name)) return Match::kYes;
  const std::string_view address = store.string(event.peer_text);
  for (const plan::Interface& interface : peer.interfaces) {
    const std::string end =
        interface.protocol == plan::Protocol::kUnix ? interface.path
                                                    : ":" + std::to_string(interface.port);
    if (glob_match(peer_, peer.name + "." + interface.name) && address.ends_with(end))
      return Match::kYes;
  }
  return Match::kNo;
}

Match CompiledFilter::test_op(const EventStore& store, const Event& event) const {
  const auto found = ops_.find(static_cast<uint32_t>(event.service));
  if (event.service < 0 || found == ops_.end()) return Match::kNo;
  Match any = Match::kNo;
  for (const Keyword& keyword : found->second.keywords) any = std::max(any, keyword.test(event));
  if (any == Match::kNo || !found->second.path) return any;
  return both(any, test_path(store, event, *found->second.path));
}

Match CompiledFilter::matches(const EventStore& store, const Event& event) const {
  if (!test_plain(store, event)) return Match::kNo;
  Match all = keyword_ ? keyword_->test(event) : Match::kYes;
  if (all != Match::kNo && path_) all = both(all, test_path(store, event, *path_));
  if (all != Match::kNo && peer_text_) all = both(all, test_peer(store, event));
  if (all != Match::kNo && !ops_.empty()) all = both(all, test_op(store, event));
  return all;
}

}  // namespace fbx::check
