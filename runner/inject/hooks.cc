// SPDX-License-Identifier: Apache-2.0
#include "runner/inject/hooks.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <algorithm>
#include <initializer_list>
#include <iterator>

#include "bpf/abi/tables.h"
#include "runner/inject/rule_compile.h"
#include "runner/sandbox/fd.h"

namespace fbx::inject {
namespace {

// include/uapi/linux/bpf.h, Linux 6.7; not in the headers of Debian 12.
constexpr auto kUnixConnect = static_cast<bpf_attach_type>(49);
constexpr auto kUnixSendmsg = static_cast<bpf_attach_type>(50);

void enable_unix(observe::BpfObject& object, const char* name, bpf_attach_type type) {
  bpf_program__set_expected_attach_type(object.program(name), type);
  object.enable(name);
}

// Whether the keyword can hit this call on this service; of an unknown service, on any.
bool can_hit(const plan::Plan& plan, const plan::Need& need, const char* call) {
  const auto nr = static_cast<uint16_t>(abi::find_syscall(call)->nr());
  for (size_t s = 0; s < plan.services.size(); ++s) {
    if (need.service >= 0 && static_cast<size_t>(need.service) != s) continue;
    const auto calls = keyword_calls(plan.services[s], need.syscall);
    if (std::binary_search(calls.begin(), calls.end(), nr)) return true;
  }
  return false;
}

}  // namespace

Hooks& Hooks::operator|=(const Hooks& other) {
  dials |= other.dials;
  datagrams |= other.datagrams;
  packets |= other.packets;
  sockets |= other.sockets;
  binds |= other.binds;
  for (const auto& [hand, numbers] : other.calls) calls[hand].insert(numbers.begin(), numbers.end());
  return *this;
}

Hooks hooks_for(const plan::Plan& plan, size_t test, const Wishes& wishes) {
  Hooks hooks;
  for (const plan::Need& need : plan.tests[test].needs) {
    hooks.sockets = true;
    // Delays are the supervisor's: the hooks can't wait.
    if (need.kind != plan::Need::Kind::kPartition) {
      hooks.dials |= need.kind == plan::Need::Kind::kDeny && can_hit(plan, need, "connect");
      hooks.binds |= need.kind == plan::Need::Kind::kDeny && can_hit(plan, need, "bind");
      continue;
    }
    hooks.packets = true;
    if (need.mode != "drop") hooks.dials = hooks.datagrams = true;
  }
  for (size_t s = 0; s < plan.services.size(); ++s) {
    const std::set<uint16_t> calls = calls_to_fail(plan, test, s, wishes);
    if (!calls.empty())
      hooks.calls[hand_named(wished_hand(plan.services[s], wishes))].insert(calls.begin(),
                                                                           calls.end());
  }
  return hooks;
}

bool kernel_takes_unix_hooks() {
  const bpf_insn pass[] = {
      {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = 1},
      {.code = BPF_JMP | BPF_EXIT, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = 0}};
  LIBBPF_OPTS(bpf_prog_load_opts, options, .expected_attach_type = kUnixConnect);
  const sandbox::Fd program(bpf_prog_load(BPF_PROG_TYPE_CGROUP_SOCK_ADDR, "fbx_probe", "GPL", pass,
                                          std::size(pass), &options));
  return static_cast<bool>(program);
}

void enable_hooks(observe::BpfObject& object, const Hooks& hooks) {
  const auto enable = [&](bool wanted, std::initializer_list<const char*> programs) {
    for (const char* program : programs)
      if (wanted) object.enable(program);
  };
  enable(hooks.dials, {"connect__on_ipv4", "connect__on_ipv6"});
  enable(hooks.datagrams, {"connect__on_sendmsg4", "connect__on_sendmsg6"});
  enable(hooks.packets, {"partition__on_ingress"});
  enable(hooks.sockets, {"sockets__list_tcp", "sockets__list_unix"});
  enable(hooks.binds, {"connect__on_bind4", "connect__on_bind6"});
  enable_call_hands(object, hooks.calls);
  if (!hooks.dials || !kernel_takes_unix_hooks()) return;
  enable_unix(object, "connect__on_unix", kUnixConnect);
  if (hooks.datagrams) enable_unix(object, "connect__on_unix_send", kUnixSendmsg);
}

bool can_cut(const observe::BpfObject& loaded, bool refuse) {
  const auto all = [&](std::initializer_list<const char*> programs) {
    return std::ranges::all_of(
        programs, [&](const char* program) { return loaded.program_fd(program) >= 0; });
  };
  return all({"partition__on_ingress", "sockets__list_tcp", "sockets__list_unix"}) &&
         (!refuse || all({"connect__on_ipv4", "connect__on_ipv6", "connect__on_sendmsg4",
                          "connect__on_sendmsg6"}));
}

}  // namespace fbx::inject
