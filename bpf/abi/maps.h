// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// Keys and values of the maps that the programs of different hook families share, and the runner
// fills. Map names are those of bpf/maps.bpf.h.
//
// Identity: every service of a test has a cgroup leaf; all leaves of a run stand at one depth of
// the hierarchy (fbx_config.leaf_level). A task or socket belongs to the service whose leaf is its
// cgroup's ancestor at that depth, so descendants that a service makes for itself belong to it.
//
// Valid C11, C++23 and BPF C.
#pragma once

#include "bpf/abi/event.h"
#include "bpf/abi/syscalls.h"

#define FBX_WORKERS 64       // rings; a worker's number is below this
#define FBX_SERVICES 4096    // entries of `fbx_services`, all workers together
#define FBX_TUPLES 65536

#define FBX_INTEREST_WORDS (FBX_NR_LIMIT / 64)

// A test's number, unlike that of any other test of the run. n counts from 1.
#define FBX_GENERATION(worker, n) (((uint32_t)(worker) << 24) | ((n) & 0xffffffu))

// fbx_service.flags
#define FBX_SERVICE_WATCHED (1u << 0)  // records are written; without it the entry is identity only
#define FBX_SERVICE_NAMES (1u << 1)    // its renames, links and unlinks make kept paths stale

// `fbx_services`: hash, cgroup id (u64) → this. The client's entry has service FBX_SERVICE_CLIENT
// and no interest; its key is its cgroup's ancestor at leaf_level, or the cgroup itself when that
// stands higher.
struct fbx_service {
  uint32_t worker;
  int16_t service;
  uint16_t flags;
  uint32_t generation;  // of the test: FBX_GENERATION(worker, n)
  uint32_t wake_at;     // bytes in the ring at which its reader is woken; a power of two
  uint64_t interest[FBX_INTEREST_WORDS];  // bit = native syscall number
};

// `fbx_near`: array, by the low bits of a service's cgroup id, of entries of fbx_services, to be found
// without a look-up in a hash. `id`: 0, no service ever had these bits; the id of whose entry it is;
// anything else: look in fbx_services. A slot that is 0 or FBX_NEAR_FREE is taken by exchanging that
// for FBX_NEAR_TAKEN, filled, and then given its id; it never becomes 0 again.
#define FBX_NEAR_SLOTS 1024
#define FBX_NEAR_FREE 1ull  // given back
#define FBX_NEAR_TAKEN 2ull  // being filled
struct fbx_near {
  uint64_t id;
  struct fbx_service service;
};

// `fbx_config`: array of one.
struct fbx_config {
  uint32_t leaf_level;  // depth of the services' leaves below the root, from 1; 0 = none yet
  uint32_t pad;
};

// `fbx_asked`: array by a call's number as it stands in the register, native and i386 alike, of u32.
// 0 = no service of the run has to do with a call of this number: what is looked at first, at every
// call of the machine. Entries are set before the service that asks is entered, and stay.

// `fbx_workers`: array by worker number.
struct fbx_worker {
  uint64_t token;       // what a marker call must carry; a service can't guess it
  uint32_t pid;         // the worker's, as the first PID namespace numbers it
  uint32_t generation;  // of the test it runs
};

// `fbx_counts`: per-CPU array by worker number. What became of each attempt to write a record.
struct fbx_count {
  uint64_t written;
  uint64_t lost;      // ring full
  uint64_t unbuilt;   // a record could not be built: no memory for the begin, no scratch
  uint64_t filtered;  // left out by the program that would have written it
};

// `fbx_tuples`: LRU hash, filled by the sockops program when a TCP connection is established.
struct fbx_tuple {
  uint64_t netns;  // cookie of the network namespace
  struct fbx_endpoint local;
  struct fbx_endpoint remote;
};

struct fbx_owner {
  uint64_t cgroup;  // the leaf's id when the socket was made below one; else its own cgroup's
};

// `fbx_tuple_use`: array of one. An entry of fbx_tuples that is not there was never made while `made`
// is at most `safe`; beyond that it may have been pushed out.
struct fbx_tuple_use {
  uint64_t made;
  uint64_t safe;  // half of what fbx_tuples holds
};

// `fbx_epochs`: array by worker number. Paths are kept by (dentry, inode, mount, root) and epoch.
struct fbx_epoch {
  uint64_t epoch;  // calls that can change a name have ended so often
  uint64_t busy;   // such calls that have begun and not ended: nothing is kept meanwhile
};

// What the task iterator writes for each thread that is inside a call of interest. The copy is
// whole when both sequence numbers are the same odd number.
struct fbx_running {
  uint64_t seq_before;
  uint32_t state;   // task_struct.__state: FBX_TASK_*
  uint32_t on_cpu;  // 1: it runs at this moment, whatever its state says
  struct fbx_sock_call record;  // as far as it is known at the call's begin
  uint64_t seq_after;
};

// include/linux/sched.h
#define FBX_TASK_INTERRUPTIBLE 0x1
#define FBX_TASK_UNINTERRUPTIBLE 0x2
#define FBX_TASK_STOPPED 0x4
#define FBX_TASK_TRACED 0x8

// Where the shim (bpf/abi/shim.h) makes the calls that are its own and not the program's: they are
// no events.
#define FBX_OWN_CALLS 0x7e9fb0000040ull
#define FBX_OWN_CALLS_END 0x7e9fb0000080ull

// The marker call: getpid(FBX_MARKER_MAGIC, worker, id, token); arguments that getpid ignores.
#define FBX_MARKER_MAGIC 0x5f6662785f6d726bULL

#ifndef __bpf__
static_assert(sizeof(struct fbx_service) == 16 + FBX_NR_LIMIT / 8, "layout");
static_assert(sizeof(struct fbx_near) == 8 + sizeof(struct fbx_service), "layout");
static_assert(sizeof(struct fbx_config) == 8, "layout");
static_assert(sizeof(struct fbx_worker) == 16, "layout");
static_assert(sizeof(struct fbx_count) == 32, "layout");
static_assert(sizeof(struct fbx_tuple) == 48, "layout");
static_assert(sizeof(struct fbx_owner) == 8, "layout");
static_assert(sizeof(struct fbx_tuple_use) == 16, "layout");
static_assert(sizeof(struct fbx_epoch) == 16, "layout");
static_assert(sizeof(struct fbx_running) == 24 + sizeof(struct fbx_sock_call), "layout");
#endif
