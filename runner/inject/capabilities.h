// SPDX-License-Identifier: Apache-2.0
//
// What this machine lets us see, break and isolate, as one value: found once (probe.h), read by
// choose(), printed by `doctor` and `plan`. Nothing else asks the machine.
//
// Thread rule: values.
#pragma once

#include <cstdint>
#include <string>

namespace fbx::inject {

struct Capability {
  bool works = false;
  std::string why;     // what the kernel said, when it does not
  std::string remedy;  // the one thing that would change it; "" when there is none
  bool built = true;   // false: this fbx does not have it, whatever the machine could do
};

// Where tests run.
enum class Ground : uint8_t {
  kRoot,           // namespaces and cgroups of root's
  kUserNamespace,  // an ordinary user's own namespaces, processes told apart by descent
  kHost            // the host's namespaces: no network, /tmp or folder of the test's own
};

struct Capabilities {
  // Breaking.
  Capability cgroup = {};      // connect and sendmsg hooks with a chosen errno
  Capability unix_dials = {};  // the same for unix sockets (Linux 6.7)
  Capability packets = {};     // cgroup_skb/ingress
  Capability sockets = {};     // the tcp and unix iterators
  Capability resets = {};      // raw sockets
  Capability seccomp = {};     // notification with WAIT_KILLABLE_RECV (Linux 5.19)
  Capability borrow = {};      // a service's own socket, copied and disconnected (pidfd_getfd)
  Capability results = {};     // a call goes on and its result is replaced (ptrace): denied closes
  Capability accepts = {};     // connections are taken without waiting (io_uring): denied accepts
  Capability shim = {};
  Capability override_return = {};
  Capability fmod_ret = {};
  Capability lsm = {};
  Capability wire = {};
  // Seeing. Without records the supervisor sees calls begin and not how they end.
  Capability records = {};     // BPF at sys_enter and sys_exit, with the barrier's iterator
  // Isolating.
  Capability namespaces = {};  // PID, mount, network and IPC
  Capability overlay = {};     // over a folder of the host's
  Capability cgroups = {};     // version 2, with cgroup.kill
  Ground ground = Ground::kRoot;
  bool any_user = true;        // services may run as another user than the invoking one
  std::string user;            // the invoking one's name
};

}  // namespace fbx::inject
