// SPDX-License-Identifier: Apache-2.0
#include "runner/inject/probe.h"

#include <sched.h>
#include <unistd.h>

#include <initializer_list>
#include <thread>

#include "runner/inject/call_hands.h"
#include "runner/inject/hooks.h"
#include "runner/inject/shim_side.h"
#include "runner/inject/tcp_reset.h"
#include "runner/inject/wire_device.h"
#include "runner/observe/probe.h"

namespace fbx::inject {
namespace {

Capability can() { return {.works = true}; }

Capability cannot(std::string why, std::string remedy = {}) {
  return {.works = false, .why = std::move(why), .remedy = std::move(remedy)};
}

Capability from(const Refusal& refusal) { return cannot(refusal.what, refusal.remedy); }

// Loads these alone.
Capability try_programs(std::initializer_list<const char*> programs) {
  auto object = observe::BpfObject::open();
  if (!object) return from(object.error());
  for (const char* name : programs) (*object)->enable(name);
  if (auto loaded = (*object)->load(); !loaded) return from(loaded.error());
  return can();
}

Capability no_unix_hooks() {
  if (geteuid() != 0) return cannot("the kernel's hooks for unix dials need root", "run it with sudo");
  return cannot("the kernel has no hooks for unix dials", "Linux 6.7 has them");
}

Capability probe_shim() {
  auto library = find_shim_library();
  return library ? can() : cannot(library.error().text(), "install fbx whole, with its library");
}

}  // namespace

Capability probe_resets() {
  auto reset = TcpReset::open();
  if (reset) return can();
  return cannot(reset.error().text(), "run it with sudo");
}

Capability probe_wire() {
  Capability out;
  // A thread may have a network namespace of its own.
  std::thread([&out] {
    if (unshare(CLONE_NEWNET) != 0) {
      out = cannot("it needs a network of its own, and this user may not make one", "run it with sudo");
      return;
    }
    auto device = WireDevice::create();
    out = device ? can()
                 : cannot(device.error().text(),
                          "modprobe tun; in a container, --device /dev/net/tun");
  }).join();
  return out;
}

void probe_loaded(const observe::BpfObject& loaded, Capabilities& into) {
  auto has = [&](const char* program) {
    if (loaded.program_fd(program) >= 0) return can();
    return cannot(std::string("the BPF program ") + program + " is not loaded");
  };
  into.override_return = into.fmod_ret = into.lsm = cannot("it was not attached");
  into.records = has("calls__on_exit");
  into.cgroup = has("connect__on_ipv4");
  if (!into.cgroup.works && has("connect__on_bind4").works) into.cgroup = can();
  into.unix_dials = has("connect__on_unix");
  if (!into.unix_dials.works) into.unix_dials = no_unix_hooks();
  into.packets = has("partition__on_ingress");
  into.sockets = has("sockets__list_tcp");
  into.resets = probe_resets();
  into.seccomp = probe_seccomp(into.results);
  into.accepts = probe_accepts();
  into.shim = probe_shim();
  into.wire = cannot("it was not looked at: the first delay that needs it lays it");
  // Asked for only where the kernel hands can't cut.
  into.borrow = cannot("it was not looked at: the kernel hands cut");
}

void probe_unloaded(const Refusal& why, Capabilities& into) {
  into.records = into.cgroup = into.unix_dials = into.packets = into.sockets = from(why);
  into.override_return = into.fmod_ret = into.lsm = from(why);
  into.resets = probe_resets();
  into.seccomp = probe_seccomp(into.results);
  into.accepts = probe_accepts();
  into.shim = probe_shim();
  into.borrow = probe_borrow();
}

Capabilities probe_machine() {
  Capabilities out;
  probe_ground(out);
  const CallHands calls = try_call_hands();
  out.override_return = calls.override_return;
  out.fmod_ret = calls.fmod_ret;
  out.lsm = calls.lsm;
  const auto seeing = observe::probe_observe();
  out.records = seeing ? from(*seeing) : can();
  const auto cgroups = observe::probe_cgroup2();
  out.cgroups = cgroups ? from(*cgroups) : can();
  out.cgroup = try_programs({"connect__on_ipv4", "connect__on_ipv6", "connect__on_sendmsg4",
                             "connect__on_sendmsg6", "connect__on_bind4", "connect__on_bind6"});
  out.unix_dials = kernel_takes_unix_hooks() ? can() : no_unix_hooks();
  out.packets = try_programs({"partition__on_ingress"});
  out.sockets = try_programs({"sockets__list_tcp", "sockets__list_unix"});
  out.resets = probe_resets();
  out.seccomp = probe_seccomp(out.results);
  out.accepts = probe_accepts();
  out.shim = probe_shim();
  out.borrow = probe_borrow();
  out.wire = probe_wire();
  return out;
}

}  // namespace fbx::inject
