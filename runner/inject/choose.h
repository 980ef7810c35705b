// SPDX-License-Identifier: Apache-2.0
//
// Which hand does what: one pure function over the plan and what the machine can do. `run` asks it
// before anything starts, `plan` and `doctor` print it, the injector follows it.
//
//   deny of connect           the cgroup hooks; seccomp where the same service has other rules that
//                             can hit connect, because rules of one call must be ordered by one
//                             hand
//   every other deny, delays  seccomp notification
//   partitions                the cgroup hooks, with resets for established connections
//
// Thread rule: pure.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <vector>

#include "base/refusal.h"
#include "runner/inject/rule_log.h"
#include "spec/plan/plan.h"

namespace fbx::inject {

struct Capability {
  bool works = false;
  std::string why;     // what the kernel said, when it does not
  std::string remedy;  // the one thing that would change it; "" when there is none
};

struct Capabilities {
  Capability cgroup;   // connect and sendmsg hooks with a chosen errno
  Capability unix_dials;  // the same for unix sockets (Linux 6.7)
  Capability packets;  // cgroup_skb/ingress
  Capability sockets;  // the tcp and unix iterators
  Capability resets;   // raw sockets
  Capability seccomp;  // notification with WAIT_KILLABLE_RECV (Linux 5.19)
};

struct ServiceHands {
  std::vector<uint16_t> supervised;  // native numbers, ascending; empty = no filter
  Hand connect = Hand::kNone;        // who decides about connect; kNone = nobody needs to
};

struct Assignment {
  std::vector<ServiceHands> services;  // by index in the plan
  std::vector<Hand> needs;             // by index in the test's needs
};

// Either every need of the test has its hand, or the reasons why some have none.
[[nodiscard]] std::expected<Assignment, std::vector<Refusal>> choose(
    const plan::Plan& plan, size_t test, const Capabilities& capabilities);

}  // namespace fbx::inject
