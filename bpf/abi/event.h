// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// Records as BPF programs write them into a worker's ring. Fixed size by kind; strings travel once,
// as records of their own (FBX_RECORD_STRING), and are named by id afterwards. A string's record
// stands in the ring before the first record that names it.
//
// Order: the position in the ring. It is a legal order of what happened; times are taken a little
// before the position and may run backwards between threads.
//
// Times are CLOCK_MONOTONIC ns. Process and thread ids are those of the first PID namespace.
// Valid C11, C++23 and BPF C; no pointers, enums, size_t or implicit padding.
#pragma once

#ifndef __bpf__
#include <assert.h>
#include <stdint.h>
#endif

// Log of what changed: 1 first form.
#define FBX_ABI_VERSION 1

// fbx_head.kind
#define FBX_RECORD_CALL 1       // struct fbx_call
#define FBX_RECORD_SOCK_CALL 2  // struct fbx_sock_call: a call about a socket
#define FBX_RECORD_STRING 3     // struct fbx_string and its bytes
#define FBX_RECORD_DECISION 4   // struct fbx_decided: what a BPF hand decided about a call
#define FBX_RECORD_MARKER 5     // struct fbx_marker: the worker's own, of a barrier
#define FBX_RECORD_TASK 6       // struct fbx_task: fork, exec, exit, signal
#define FBX_RECORD_KINDS 7

struct fbx_head {
  uint16_t kind;
  uint16_t size;        // of the whole record, this head included
  int16_t service;      // index in the plan; FBX_SERVICE_*
  uint16_t pad;
  uint32_t generation;  // of the test (maps.h); records of another one are left-overs
  uint32_t tid;
  uint32_t pid;
  uint32_t pad2;
  uint64_t time_ns;  // of a call: its end
};

// Values of a `service` field that name no service.
#define FBX_SERVICE_NONE (-1)
#define FBX_SERVICE_CLIENT (-2)  // the worker and its step clients

// fbx_call.flags
#define FBX_SAW_BEGIN (1u << 0)      // begin_ns is known. Not so for what seccomp denied
#define FBX_SAW_RESTART (1u << 1)    // ret is −512…−516: to be restarted, or EINTR
#define FBX_SAW_COMPAT (1u << 2)     // a 32-bit call: nr is in i386 numbering
#define FBX_SAW_SYNC (1u << 3)       // the descriptor is O_DSYNC or O_SYNC, or RWF_[D]SYNC is given
#define FBX_SAW_NONBLOCK (1u << 4)   // the descriptor is O_NONBLOCK
#define FBX_SAW_UNHASHED (1u << 5)   // the file has no name any more (deleted, O_TMPFILE, memfd)
#define FBX_SAW_OUTSIDE (1u << 6)    // the walk ended above the task's root: `path` begins there
#define FBX_SAW_CUT (1u << 7)        // the path is longer than FBX_PATH_LIMIT
#define FBX_SAW_NO_PATH (1u << 8)    // a path argument could not be read
#define FBX_SAW_CREATED (1u << 9)    // open: O_CREAT was given and the call succeeded
#define FBX_SAW_SIGRETURN (1u << 10) // ends a signal handler that interrupted a call
#define FBX_SAW_IN_FLIGHT (1u << 11) // not a record of a ring: begun and not ended (barrier)
#define FBX_SAW_STRANGER (1u << 12)  // the descriptor was resolved at the call's end, not its begin
#define FBX_SAW_PEER_LOST (1u << 13) // who owns the other end was known once: too many connections

// fbx_call.strings[]: ids, 0 = none.
#define FBX_STRING_FILE 0   // what the descriptor's file is called, from the task's root
#define FBX_STRING_ARG 1    // the PATH argument as given
#define FBX_STRING_BASE 2   // where a relative PATH begins: working directory or dirfd
#define FBX_STRING_ARG2 3   // the PATH2 argument
#define FBX_STRING_BASE2 4
#define FBX_STRINGS 5

#define FBX_PATH_LIMIT 4096
#define FBX_COMM 16

struct fbx_call {
  struct fbx_head head;
  uint64_t begin_ns;  // 0 = unknown
  int64_t ret;
  uint64_t args[6];  // as in the registers; FBX_ARG_IS_32BIT says which upper halves mean nothing
  uint64_t strings[FBX_STRINGS];
  uint32_t flags;     // FBX_SAW_*
  uint16_t nr;
  uint8_t kind;       // FBX_KIND_* of the descriptor
  uint8_t pad;
  int32_t fd;         // the descriptor the call is about (for open, accept…: the new one); −1
  uint32_t open_flags;  // f_flags of its file
  char comm[FBX_COMM];
};

// One end of a connection. Addresses are IPv6 in network order, IPv4 as ::ffff:a.b.c.d.
struct fbx_endpoint {
  uint8_t addr[16];
  uint16_t port;  // host order
  uint16_t pad;
};

struct fbx_sock {
  struct fbx_endpoint local;
  struct fbx_endpoint remote;
  uint16_t family;  // AF_*
  uint16_t type;    // SOCK_*
  uint32_t pad;
  uint64_t peer_cgroup;  // where the other end was made, as maps.h keys services; 0 = not known
  uint64_t cookie;       // names the socket for as long as it lives
  uint64_t unix_name;    // string id: the path or @name the connection was made to
};

struct fbx_sock_call {
  struct fbx_call call;
  struct fbx_sock sock;
};

struct fbx_string {
  struct fbx_head head;
  uint64_t id;
  uint32_t len;    // bytes that follow, no terminator
  uint32_t parts;  // 0: text as it is; else NUL-terminated components, innermost first
  uint32_t flags;  // FBX_SAW_UNHASHED, _OUTSIDE, _CUT
  uint32_t pad;
};

// What a BPF hand decided. `decision` is FBX_ACT_* of rule.h, or FBX_DECIDED_CUT.
#define FBX_DECIDED_CUT 16

struct fbx_decided {
  struct fbx_head head;
  uint32_t rule;     // index in the test's rule log
  uint16_t nr;
  uint16_t decision;
  int32_t errnum;    // positive
  uint32_t matched;  // bit = position in the set of a rule that counted this call
  uint64_t n;        // ordinal of the match that fired
  uint64_t delay_ns;
  struct fbx_endpoint to;
  int16_t peer;      // service that owns the other end, FBX_SERVICE_*
  uint16_t pad;
  uint32_t set;      // generation of the rule set that `matched` and `near` are positions in
  uint32_t near;     // bit = position of a rule that only its to= kept from matching
};

struct fbx_marker {
  struct fbx_head head;
  uint64_t id;     // as the worker gave it
  uint32_t level;  // depth of the worker's own cgroup below the root
  uint32_t pad;
};

#define FBX_TASK_FORK 1  // value: the child's tid
#define FBX_TASK_EXEC 2
#define FBX_TASK_EXIT 3  // value: as wait4 gives the status
#define FBX_TASK_LEFT 4  // moved, or was born, outside the service's cgroup: head.service is where from

#define FBX_TASK_SIGNAL 5  // value: the signal that the thread took

struct fbx_task {
  struct fbx_head head;
  uint32_t what;
  int32_t value;
  uint32_t pid;     // of the child, for a fork; else of the task itself
  uint32_t inside;  // that task's tid as its own PID namespace numbers it
  char comm[FBX_COMM];
};

#ifndef __bpf__
static_assert(sizeof(struct fbx_head) == 32, "layout");
static_assert(sizeof(struct fbx_call) == 32 + 8 + 8 + 48 + 40 + 16 + 16, "layout");
static_assert(sizeof(struct fbx_endpoint) == 20, "layout");
static_assert(sizeof(struct fbx_sock) == 72, "layout");
static_assert(sizeof(struct fbx_sock_call) == sizeof(struct fbx_call) + 72, "layout");
static_assert(sizeof(struct fbx_string) == 56, "layout");
static_assert(sizeof(struct fbx_decided) == 32 + 32 + 32, "layout");
static_assert(sizeof(struct fbx_marker) == 48, "layout");
static_assert(sizeof(struct fbx_task) == 64, "layout");
#endif
