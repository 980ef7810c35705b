// SPDX-License-Identifier: Apache-2.0
#include "runner/inject/watched_calls.h"

#include <bitset>
#include <string>

#include "bpf/abi/tables.h"

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
  const std::string name = keyword.starts_with("=") ? keyword.substr(1) : keyword;
  for (const uint16_t nr : abi::numbers(name)) wanted.set(nr);
  for (const plan::Op& op : service.ops) {
    if (op.name != name) continue;
    for (const std::string& syscall : op.syscalls) {
      for (const uint16_t nr : abi::numbers(syscall)) wanted.set(nr);
    }
  }
}

}  // namespace

std::vector<uint16_t> watched_calls(const plan::Plan& plan, size_t test, size_t service) {
  Wanted wanted;
  const plan::Service& of = plan.services[service];
  add_keyword(of, "connect", wanted);
  add_keyword(of, "execve", wanted);
  for (const std::string& keyword : plan.tests[test].observe) add_keyword(of, keyword, wanted);
  for (const plan::Need& need : plan.tests[test].needs) {
    const bool concerns = need.service < 0 || static_cast<size_t>(need.service) == service;
    if (concerns && need.kind != plan::Need::Kind::kPartition) {
      add_keyword(of, need.syscall, wanted);
    }
  }
  std::vector<uint16_t> numbers;
  for (size_t nr = 0; nr < wanted.size(); ++nr) {
    if (wanted[nr]) numbers.push_back(static_cast<uint16_t>(nr));
  }
  return numbers;
}

}  // namespace fbx::inject
