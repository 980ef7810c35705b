// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// What the network hands share with the runner: which pairs of services are cut, and what became
// of what they sent. Services are named by the id of their cgroup leaf (maps.h: identity).
#ifndef FBX_ABI_CUT_H
#define FBX_ABI_CUT_H

#ifndef __bpf__
#include <assert.h>
#include <stdint.h>
#endif

#define FBX_CUTS 8192  // ordered pairs, all workers together

// `fbx_cuts`: hash, ordered pair → fbx_cut. No entry = the link is up.
struct fbx_pair {
  uint64_t from;
  uint64_t to;
};

#define FBX_CUT_REFUSE_DIALS (1u << 0)  // what `from` opens to `to` gets ECONNREFUSED
#define FBX_CUT_DROP (1u << 1)          // packets from `from` to `to` vanish, TCP resets excepted
#define FBX_CUT_SETTLED (1u << 2)       // the install has returned: TCP data now is a late packet

struct fbx_cut {
  uint32_t flags;
  uint32_t pad;
};

// `fbx_cut_counts`: hash, ordered pair → this. Outlives the cut; the runner makes and removes it.
struct fbx_cut_count {
  uint64_t dials;    // refused
  uint64_t packets;  // dropped, whatever the protocol
  uint64_t datagrams;  // of them UDP
  uint64_t late;     // dropped TCP segments with data, after the install returned: a connection
                     // that should have been reset lives
  uint64_t late_syn; // dropped SYNs after the install returned: a dial that passed the hook before
};

// `fbx_switch`: array of one, mappable. Hooks on every packet and call look at it first.
struct fbx_switch {
  uint64_t cuts;   // active cuts of all workers; 0 = nothing to do
  uint64_t rules;  // services with a rule set in the kernel
  uint64_t calls;  // services with rules on any call (call_rules.h)
};

// One TCP socket as the iterator lists it (bpf/sockets.bpf.c). Addresses as in fbx_endpoint.
struct fbx_tcp_end {
  uint64_t cgroup;  // identity
  uint64_t cookie;
  uint8_t local[16];
  uint8_t remote[16];
  uint16_t local_port;  // host order
  uint16_t remote_port;
  uint32_t rcv_nxt;
  uint32_t snd_nxt;
  uint8_t state;  // TCP_*, include/net/tcp_states.h
  uint8_t ipv6_wire;  // its packets are IPv6 (not v4-mapped)
  uint8_t v6only;
  uint8_t pad;
};

#define FBX_UNIX_NAME 108
// One unix socket as the iterator lists it.
struct fbx_unix_end {
  uint64_t cgroup;
  uint64_t inode;  // of the socket
  uint64_t peer_inode;  // of the socket it is connected to; 0 = none
  uint64_t peer_cgroup;
  uint32_t name_len;  // bytes of `name` that count; 0 = not bound
  uint8_t state;
  uint8_t type;  // SOCK_*
  uint16_t pad;
  char name[FBX_UNIX_NAME];  // sun_path; an abstract name begins with NUL
  uint32_t pad2;
};

// `fbx_unix_owners`: hash, bound name → who bound it, as of the runner's last look. A name that is
// not there is dialled without a decision, which the runner finds out from the record of the call.
struct fbx_unix_key {
  uint32_t worker;
  uint32_t len;  // of an abstract name, its NUL included; 0 for a path
  char name[FBX_UNIX_NAME];  // NUL-padded
};

struct fbx_unix_owner {
  uint64_t cgroup;
  uint32_t door;  // rule.h; 0 = no interface of the plan
  uint32_t pad;
};

#ifndef __bpf__
static_assert(sizeof(struct fbx_cut_count) == 40, "layout");
static_assert(sizeof(struct fbx_tcp_end) == 64, "layout");
static_assert(sizeof(struct fbx_unix_end) == 152, "layout");
static_assert(sizeof(struct fbx_unix_key) == 116, "layout");
static_assert(sizeof(struct fbx_unix_owner) == 16, "layout");
#endif

#endif
