// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// The memory that the shim in a service's processes shares with the runner: one file per service
// and test, mapped by both. Everything in it can be written by the service, so the runner keeps a
// copy of what it wrote itself and believes nothing else without checking it.
//
// Who writes what:
//   runner   head (but for the words marked "shim"), sets, tail
//   shim     the marked words, counters (with the supervisor), entries, names
//
// Publishing rules: the runner fills sets[g % FBX_SHIM_SETS] for g = current + 1, writes the set's
// generation last, then head.current = g. A shim that reads a set checks afterwards that the set's
// generation is still the one it began with; if not it begins again, which is right because a rule
// binds calls that enter after it was installed. Sets are reused only after FBX_SHIM_SETS more
// installs, so a call between two of its rules practically never finds its set gone; one that does
// says so (head.torn), and the runner reports it as an escape.
//
// Valid C11 and C++23.
#ifndef FBX_ABI_SHIM_H
#define FBX_ABI_SHIM_H

#include "bpf/abi/rule.h"
#include "bpf/abi/stats.h"

#define FBX_SHIM_MAGIC 0x31306d6968736266ull  // "fbshim01"
// log: 1 first form; 2 arguments in entries, own calls; 3 begins and ends of calls, hello
#define FBX_SHIM_VERSION 3

#define FBX_SHIM_ENV "FBX_SHIM"  // path of the segment

#define FBX_SHIM_SETS 64        // powers of two
#define FBX_SHIM_ENTRIES 16384
#define FBX_SHIM_NAMES 1024
#define FBX_SHIM_GLOBS 2        // of one rule: path= and that of its op
#define FBX_SHIM_GLOB_TEXT 8192
#define FBX_SHIM_NAME_TEXT 496

#define FBX_SHIM_DEV(major, minor) ((uint64_t)(major) << 32 | (uint32_t)(minor))

// head.flags
#define FBX_SHIM_NO_IO_URING (1u << 0)  // the filter answers io_uring_setup with ENOSYS
// Nobody else sees what the shim lets pass: it enters the begin and the end of every call of
// `calls` that it makes itself, and leaves to the supervisor what it can't describe whole.
#define FBX_SHIM_RECORDS (1u << 1)

// head.owner is a robust futex that a thread of the runner holds: the kernel sets
// FBX_SHIM_OWNER_DIED when that thread ends, however it ends. No syscall is needed to see it.
#define FBX_SHIM_OWNER_DIED 0x40000000u
#define FBX_SHIM_OWNER_TID 0x3fffffffu

// head.door: how the filter's listener gets to the runner. The shim that installs the filter
// claims the door, publishes pid and descriptor, and waits; the runner takes the descriptor
// (pidfd_getfd), has its supervisor answer, and opens it.
#define FBX_DOOR_FREE 0
#define FBX_DOOR_CLAIMED 1
#define FBX_DOOR_PUBLISHED 2
#define FBX_DOOR_ADOPTED 3
#define FBX_DOOR_REFUSED 4  // no filter could be installed: door_errno (EBUSY: another listener)

// seccomp(FBX_SHIM_PROBE) is answered by our own filter with an errno that names it.
#define FBX_SHIM_PROBE 0x66627801u
#define FBX_SHIM_PROBE_FIXED 3000u  // + nonce % 500: the gate is at FBX_SHIM_GATE
#define FBX_SHIM_PROBE_LOCAL 3500u  // + nonce % 500: it is inside the library
// Under FBX_SHIM_RECORDS the supervisor answers seccomp(FBX_SHIM_HELLO) with the number that the
// calling thread has for it, which is what that thread's entries name it by.
#define FBX_SHIM_HELLO 0x66627802u

// Where the gate's instruction is mapped, so that a program that a service executes has it at the
// same place and passes the filter it inherited. In the range that address sanitizers leave alone.
// Behind it stands the instruction by which the shim makes calls of its own (maps.h:
// FBX_OWN_CALLS), which are no events.
#define FBX_SHIM_GATE 0x7e9fb0000000ull
#define FBX_SHIM_GATE_BYTES 128

// Calls that all but a rule's path= or to= fits are entered until the rule has seen so many.
#define FBX_SHIM_NEAR_SHOWN 8

struct fbx_shim_head {
  uint64_t magic;
  uint32_t version;
  uint32_t flags;
  uint64_t size;   // of the whole segment, bytes
  uint64_t nonce;
  uint64_t calls[FBX_NR_WORDS];  // calls that rules of this test can hit: the shim decides these
  uint64_t gated[FBX_NR_WORDS];  // calls that the filter lets pass from the gate alone
  uint64_t memfd_dev;     // FBX_SHIM_DEV of memfds and shared anonymous memory
  // Of file systems in memory whose files are files, none of them /dev/shm's; the runner holds them
  // in use, so that no other file system gets the number meanwhile. 0 = none.
  uint64_t file_devs[3];

  uint64_t current;  // generation of the active set; 0 = none yet
  uint64_t tail;     // entries that the runner has taken
  uint32_t wake;     // futex; changes with every publication
  uint32_t owner;
  uint64_t pad1[5];

  // From here on: shim.
  uint32_t door;  // futex
  int32_t door_pid;  // as its PID namespace numbers it
  int32_t door_fd;
  int32_t door_errno;
  uint32_t attached;  // processes that mapped the segment
  uint32_t gated_processes;  // of them behind a filter that lets their gate pass
  uint32_t outside;   // of them behind a filter made for another address: wholly supervised
  uint32_t bare;      // of them without a filter, although `gated` is not empty
  uint64_t handed_on; // calls left to the supervisor
  uint64_t undecided; // the same, but there is no filter that would catch them: escapes
  uint64_t torn;      // calls whose set vanished under them after they had counted a match
  uint64_t lost;      // entries that found the ring full
  uint64_t head;      // entries begun
};

struct fbx_shim_set {
  uint64_t generation;
  uint64_t calls[FBX_NR_WORDS];  // calls that some rule of the set can hit
  uint32_t supervised;  // bit = position of a rule that the supervisor alone decides
  uint32_t pad;
  struct fbx_ruleset rules;      // counter: index in the segment's counters
  uint16_t glob_at[FBX_SET_RULES][FBX_SHIM_GLOBS];
  uint16_t glob_len[FBX_SET_RULES][FBX_SHIM_GLOBS];  // 0 = no such glob
  char globs[FBX_SHIM_GLOB_TEXT];
};

// fbx_shim_entry.what
#define FBX_SHIM_DECISION 1  // a call that a rule matched, fired or not, or nearly (near)
#define FBX_SHIM_RELEASED 2  // the end of a call's hold; delay_ns is how long it was held
#define FBX_SHIM_BEGUN 3     // a call, before anything came of it
#define FBX_SHIM_ENDED 4     // its end: end_ns, ret
// fbx_shim_entry.flags
#define FBX_SHIM_CUT 1u   // released because the rule was lifted
#define FBX_SHIM_LOST 2u  // gave up counting: an escape
#define FBX_SHIM_SYNC 4u  // the descriptor writes through, as far as somebody asked
#define FBX_SHIM_NONBLOCK 8u  // of what has begun: the descriptor does not block
#define FBX_SHIM_CREATES 16u  // of what has begun: an open of what is not there, with O_CREAT

// Complete when seq is its position + 1.
struct fbx_shim_entry {
  uint64_t seq;
  uint64_t begin_ns;    // CLOCK_MONOTONIC: when the call entered
  uint64_t end_ns;      // when it was decided (or released)
  uint64_t generation;  // of the set that decided
  uint64_t n;           // ordinal of the match that fired
  uint64_t delay_ns;
  uint64_t args[6];
  uint64_t begun;  // position + 1 of the entry of the same call's begin; 0 = there is none
  int64_t ret;     // of what has ended: as the kernel returns it
  uint32_t tid;  // as its PID namespace numbers it; under FBX_SHIM_RECORDS, as the supervisor's does
  uint16_t what;
  uint16_t nr;
  uint16_t kind;
  uint16_t flags;
  uint32_t action;  // FBX_ACT_*; NONE when nothing fired
  int32_t errnum;   // of a denied call
  uint32_t rule;    // that fired, as in fbx_decision
  uint32_t position;
  uint32_t matched;
  uint32_t near;
  int32_t fd;     // -1: the call has none
  uint32_t name;   // index in names + 1; 0 = none. Of a path argument: what it leads to
  uint32_t given;  // the same as given, made absolute, where that differs
};

struct fbx_shim_name {
  uint64_t hash;   // 0 = free
  uint32_t ready;  // 1 = text is complete
  uint32_t len;    // bytes of text; longer names are not kept
  char text[FBX_SHIM_NAME_TEXT];
};

struct fbx_shim {
  struct fbx_shim_head head;
  struct fbx_shim_set sets[FBX_SHIM_SETS];
  struct fbx_counter counters[FBX_COUNTERS];
  struct fbx_shim_entry entries[FBX_SHIM_ENTRIES];
  struct fbx_shim_name names[FBX_SHIM_NAMES];
};

static_assert(sizeof(struct fbx_shim_entry) == 160, "layout");
static_assert(sizeof(struct fbx_shim_name) == 512, "layout");
static_assert(sizeof(struct fbx_shim_head) % 8 == 0, "layout");
static_assert(sizeof(struct fbx_shim_set) % 8 == 0, "layout");

#endif
