// SPDX-License-Identifier: Apache-2.0
//
// One event on one line.
#include <sys/wait.h>

#include <csignal>
#include <cstring>

#include "bpf/abi/tables.h"
#include "runner/check/calls.h"
#include "runner/check/fields.h"
#include "runner/check/timeline.h"

namespace fbx::check {

namespace {

using observe::Event;
using observe::EventStore;
using observe::EventType;
using observe::Lifecycle;

std::string peer_name(const plan::Plan& plan, const Event& event) {
  if (event.peer >= 0 && static_cast<size_t>(event.peer) < plan.services.size())
    return plan.services[static_cast<size_t>(event.peer)].name;
  if (event.peer == observe::kPeerClient) return "client";
  return "";
}

// "/tmp/x.wal", "inventory (127.0.0.1:5432)", "fd 7"; "" = the call is about nothing that has a
// name.
std::string object_of(const plan::Plan& plan, const EventStore& store, const Event& event) {
  const std::string address(store.string(event.peer_text));
  if (const std::string peer = peer_name(plan, event); !peer.empty())
    return address.empty() ? peer : peer + " (" + address + ")";
  if (!address.empty()) return address;
  const std::string path(store.string(event.path)), as(store.string(event.opened_as));
  if (!path.empty() && !as.empty() && path != as) return path + " (as " + as + ")";
  if (!path.empty() || !as.empty()) return path.empty() ? as : path;
  return event.fd >= 0 ? "fd " + std::to_string(event.fd) : "";
}

std::string result_of(const abi::Syscall* row, const Event& event) {
  if (event.state == observe::CallState::kInFlight) return "… in flight";
  if ((event.flags & observe::kResultUnknown) != 0) return "→ ?";
  if (event.failed()) return "→ " + errno_text(event);
  const uint32_t traits = row != nullptr ? row->traits : 0;
  const std::string value = std::to_string(event.ret);
  if ((traits & FBX_TRAIT_BYTES) != 0) return "→ " + value + (event.ret == 1 ? " byte" : " bytes");
  if ((traits & FBX_TRAIT_RETURNS_FD) != 0) return "→ fd " + value;
  return event.ret == 0 ? "→ ok" : "→ " + value;
}

std::string call_text(const plan::Plan& plan, const EventStore& store, const Event& event) {
  const abi::Syscall* row = abi::find_syscall(static_cast<int>(event.nr));
  std::string text = syscall_name(event.nr);
  if (const std::string object = object_of(plan, store, event); !object.empty())
    text += " " + object;
  text += " " + result_of(row, event);
  const std::string decision(store.string(event.decision)), label(store.string(event.label));
  if (!decision.empty()) text += "  " + decision;
  if (!label.empty()) text += " " + label;
  return text;
}

std::string exit_text(int64_t ret) {
  const int status = static_cast<int>(ret);
  if (WIFSIGNALED(status)) {
    const char* name = ::sigabbrev_np(WTERMSIG(status));
    return name != nullptr ? std::string("killed by SIG") + name
                           : "killed by signal " + std::to_string(WTERMSIG(status));
  }
  return "exited with status " + std::to_string(WEXITSTATUS(status));
}

std::string lifecycle_text(const Event& event) {
  switch (event.what) {
    case Lifecycle::kNone: return "";
    case Lifecycle::kStarted: return "started";
    case Lifecycle::kReady: return "ready";
    case Lifecycle::kExited:
    case Lifecycle::kKilled: return exit_text(event.ret);
    case Lifecycle::kSignal: return "took " + signal_word(static_cast<int>(event.ret));
  }
  return "";
}

}  // namespace

std::string describe(const plan::Plan& plan, const EventStore& store, const Event& event) {
  const std::string text(store.string(event.text));
  switch (event.type) {
    case EventType::kSyscall: return call_text(plan, store, event);
    case EventType::kFault:
    case EventType::kStep: return text;
    case EventType::kLifecycle: return lifecycle_text(event);
    case EventType::kStdout: return "stdout: " + text;
    case EventType::kStderr: return "stderr: " + text;
  }
  return text;
}

std::string column_of(const plan::Plan& plan, const Event& event) {
  if (event.type == EventType::kStep) return "step";
  if (event.type == EventType::kFault) return "fault";
  if (event.service >= 0 && static_cast<size_t>(event.service) < plan.services.size())
    return plan.services[static_cast<size_t>(event.service)].name;
  return "client";
}

}  // namespace fbx::check
