// SPDX-License-Identifier: Apache-2.0
//
// What the supervisor tells an observer that has no records of its own (observe/call_log.h).
#include <linux/seccomp.h>
#include <sys/ioctl.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>

#include "bpf/abi/event.h"
#include "bpf/abi/tables.h"
#include "runner/inject/decision_join.h"
#include "runner/inject/supervisor.h"

namespace fbx::inject {
namespace {

using observe::Event;

struct Owner {
  uint32_t pid = 0;
  std::string exe;
};

Owner owner_of(uint32_t tid) {
  Owner out{.pid = tid, .exe = {}};
  std::ifstream status("/proc/" + std::to_string(tid) + "/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("Name:\t")) out.exe = line.substr(6);
    if (!line.starts_with("Tgid:")) continue;
    out.pid = static_cast<uint32_t>(std::atoi(line.c_str() + 5));
    break;
  }
  return out;
}

uint16_t flags_of(const CallSeen& seen) {
  uint16_t flags = 0;
  if (seen.key.flags & FBX_KEY_SYNC) flags |= observe::kSync;
  if (seen.key.flags & FBX_KEY_NONBLOCK) flags |= observe::kNonBlock;
  if (seen.key.flags & FBX_KEY_CREATES) flags |= observe::kCreated;
  return flags;
}

}  // namespace

// A thread's entries in the shim's ring name it by what it gets here.
void Supervisor::greet(const Call& call) {
  const uint32_t tid = call.notif->pid;
  const Owner owner = owner_of(tid);
  greeted_.insert({call.service, tid});
  if (told_) told_->thread({.tid = tid, .pid = owner.pid, .exe = owner.exe});
  std::memset(response_buffer_.data(), 0, response_buffer_.size());
  auto* response = reinterpret_cast<seccomp_notif_resp*>(response_buffer_.data());
  response->id = call.notif->id;
  response->val = tid;
  while (ioctl(call.listener, SECCOMP_IOCTL_NOTIF_SEND, response) != 0 && errno == EINTR) {
  }
}

void Supervisor::tell_begun(const Call& call, const CallSeen& seen) {
  const seccomp_data& data = call.notif->data;
  const Owner owner = owner_of(call.notif->pid);
  observe::CallBegun begun;
  Event& event = begun.event;
  event.begin_ns = call.entered_ns;
  event.service = call.service;
  event.tid = call.notif->pid;
  event.pid = owner.pid;
  event.nr = static_cast<uint16_t>(data.nr);
  for (size_t i = 0; i < 6; ++i) event.args[i] = data.args[i];
  event.on = static_cast<observe::FdKind>(seen.key.kind);
  event.flags = flags_of(seen);
  if (const abi::Syscall* row = abi::find_syscall(data.nr); row && row->arg(FBX_ARG_FD) >= 0)
    event.fd = static_cast<int32_t>(data.args[row->arg(FBX_ARG_FD)]);
  if (seen.key.peer_service >= 0) event.peer = static_cast<int16_t>(seen.key.peer_service);
  begun.exe = owner.exe;
  if (!seen.paths.empty()) {
    begun.path = seen.paths.front();
    begun.opened_as = seen.paths.back();
  }
  begun.peer_text = seen.peer;
  told_->begun(std::move(begun));
}

void Supervisor::tell_answered(const seccomp_notif& call, uint64_t at_ns) {
  told_->answered({.tid = call.pid,
                   .nr = static_cast<uint16_t>(call.data.nr),
                   .at_ns = at_ns,
                   .ret = {},
                   .rule = -1,
                   .decision = {}});
}

void Supervisor::tell_answered(const Decision& d) {
  const bool denied = d.action == FBX_ACT_DENY || d.action == FBX_DECIDED_CUT;
  told_->answered({.tid = d.tid,
                   .nr = d.nr,
                   .at_ns = d.answered_ns,
                   .ret = denied ? std::optional<int64_t>(-d.errnum) : std::nullopt,
                   .rule = d.rule,
                   .decision = decision_text(d)});
}

}  // namespace fbx::inject
