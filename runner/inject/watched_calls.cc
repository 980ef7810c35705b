// SPDX-License-Identifier: Apache-2.0
#include "runner/inject/watched_calls.h"

#include <bitset>
#include <string>

#include "bpf/abi/tables.h"
#include "spec/plan/need_text.h"

namespace fbx::inject {

namespace {

using Wanted = std::bitset<FBX_NR_LIMIT>;

void add_keyword(const plan::Service& service, const std::string& keyword, Wanted& wanted) {
  if (keyword == "*") {
    for (const abi::Syscall& row : abi::kSyscalls) {
      if (row.nr() >= 0) wanted.set(static_cast<size_t>(row.nr()));
    }
    return;
  }
  if (keyword.starts_with("=")) {
    const abi::Syscall* row = abi::find_syscall(keyword.substr(1));
    if (row != nullptr && row->nr() >= 0) wanted.set(static_cast<size_t>(row->nr()));
    return;
  }
  for (const uint16_t nr : abi::numbers(keyword)) wanted.set(nr);
  for (const plan::Op& op : service.ops) {
    if (op.name != keyword) continue;
    for (const std::string& syscall : op.syscalls) {
      for (const uint16_t nr : abi::numbers(syscall)) wanted.set(nr);
    }
  }
}

// Whether the files that a rule hits are data or a log is told by what the service syncs.
bool writes(const plan::Service& service, const plan::Need& need) {
  if (need.kind != plan::Need::Kind::kDeny || need.syscall == "*") return false;
  Wanted wanted;
  add_keyword(service, need.syscall, wanted);
  return wanted[static_cast<size_t>(abi::find_syscall("write")->nr())];
}

}  // namespace

std::vector<uint16_t> watched_calls(const plan::Plan& plan, size_t test, size_t service) {
  Wanted wanted;
  const plan::Service& of = plan.services[service];
  add_keyword(of, "connect", wanted);
  add_keyword(of, "execve", wanted);
  const auto concerns = [service](int whose) {
    return whose < 0 || static_cast<size_t>(whose) == service;
  };
  for (const plan::Interest& interest : plan.tests[test].observe) {
    // Lines of output, exits, steps: seen without any system call.
    if (concerns(interest.service) && !plan::is_event_type(interest.what))
      add_keyword(of, interest.what, wanted);
  }
  for (const plan::Need& need : plan.tests[test].needs) {
    if (concerns(need.service) && need.kind != plan::Need::Kind::kPartition) {
      add_keyword(of, need.syscall, wanted);
    }
    if (concerns(need.service) && writes(of, need)) add_keyword(of, "fsync", wanted);
  }
  std::vector<uint16_t> numbers;
  for (size_t nr = 0; nr < wanted.size(); ++nr) {
    if (wanted[nr]) numbers.push_back(static_cast<uint16_t>(nr));
  }
  return numbers;
}

}  // namespace fbx::inject
