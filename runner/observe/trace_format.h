// SPDX-License-Identifier: Apache-2.0
//
// A trace file: what a run has seen, to be looked at again. Little-endian, in 8-byte units; every
// part begins at a multiple of 8 and is filled up with zeros. It is only ever appended to:
//
//   TraceHeader                       once
//   TraceSegment, its body            a plan, or a test; in the order in which they came to be
//   …
//
// Every plan stands before its tests. The body of a plan is its text (docs/plan-format.md). The body
// of a test, in this order:
//
//   TraceTest
//   Event[events]                     seq 1 to `events`; event.h
//   uint64_t[strings]                 where the string with id 1, 2, … ends in what follows
//   char[string_bytes]                not terminated, UTF-8 or not
//   TraceList[lists]                  by service, then nr: the posting lists
//   uint64_t[list_entries]            their seqs, ascending, list behind list; every system call of
//                                     the test is in its list
//   TraceWatched[watched]             what was recorded, by service, then nr
//   uint64_t[escapes]                 seqs: Observer::escapes()
//   uint64_t[in_flight]               seqs: what the last barrier left running
//
// Each part is guarded by trace_check(), which finds every change of one word and nearly every other.
// It is no signature: a reader believes nothing that could make it read elsewhere (trace.h).
//
// One version, that of the header: kTraceVersion goes up when a struct here, Event, or an enum in it
// changes. Numbers of calls are those of the header's architecture.
//
// 1  the first
#pragma once

#include <elf.h>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "runner/observe/event.h"

namespace fbx::observe {

// The machine whose numbers of calls a recording holds.
#if defined(__aarch64__)
inline constexpr uint32_t kArch = EM_AARCH64;
#else
inline constexpr uint32_t kArch = EM_X86_64;
#endif

constexpr char kTraceMagic[8] = {'f', 'b', 'x', 't', 'r', 'a', 'c', 'e'};
constexpr uint32_t kTraceVersion = 1;

struct TraceHeader {
  char magic[8] = {};
  uint32_t version = 0;
  uint32_t event_size = 0;  // of an Event, in bytes
  uint32_t arch = 0;        // ELF e_machine: 62 = x86-64, 183 = arm64
  uint32_t zero = 0;
  uint64_t seed = 0;        // of the run
  uint64_t check = 0;       // of what stands above
};

enum class TraceKind : uint32_t { kPlan = 1, kTest = 2 };

struct TraceSegment {
  uint32_t kind = 0;   // TraceKind
  uint32_t zero = 0;
  uint64_t size = 0;   // of the body, in bytes, before it is filled up
  uint64_t check = 0;  // of kind, zero, size and of the body as it is filled up
};

struct TraceTest {
  uint32_t plan = 0;      // number of the plan in this file, from 0
  uint32_t test = 0;      // number in its tests
  uint32_t services = 0;  // of the plan: Event::service and peer are below
  uint32_t zero = 0;
  uint64_t seed = 0;      // of the run, or of its repetition
  uint64_t body_ns = 0, ended_ns = 0;  // CLOCK_MONOTONIC; 0 = the body never began
  uint64_t written = 0, kept = 0, filtered = 0, lost = 0;  // Loss
  int32_t left_service = -1;  // Loss::left; -1 = nobody left
  uint32_t left_pid = 0;
  char left_exe[16] = {};  // NUL-terminated unless all are used
  uint64_t events = 0, strings = 0, string_bytes = 0, lists = 0, list_entries = 0;
  uint64_t watched = 0, escapes = 0, in_flight = 0;
};

struct TraceList {
  int16_t service = 0;
  uint16_t nr = 0;
  uint32_t zero = 0;
  uint64_t entries = 0;
};

struct TraceWatched {
  int16_t service = 0;
  uint16_t nr = 0;
};

static_assert(sizeof(TraceHeader) == 40 && sizeof(TraceSegment) == 24 && sizeof(TraceTest) == 160 &&
              sizeof(TraceList) == 16 && sizeof(TraceWatched) == 4);
static_assert(std::has_unique_object_representations_v<TraceHeader> &&
              std::has_unique_object_representations_v<TraceSegment> &&
              std::has_unique_object_representations_v<TraceTest> &&
              std::has_unique_object_representations_v<TraceList>);

// A round number of 8-byte units.
constexpr uint64_t trace_padded(uint64_t bytes) { return (bytes + 7) & ~uint64_t{7}; }

constexpr uint64_t kTraceCheckBegin = 0x9ae16a3b2f90404full;

// `bytes`: a multiple of 8. `check`: of what stands before. For one word changed the outcome always
// differs, since each step maps words one to one.
inline uint64_t trace_check(const void* data, size_t bytes, uint64_t check = kTraceCheckBegin) {
  const auto* at = static_cast<const char*>(data);
  for (size_t i = 0; i < bytes; i += 8) {
    uint64_t word;
    memcpy(&word, at + i, 8);
    check = std::rotl((check ^ word) * 0x9e3779b97f4a7c15ull, 29);
  }
  return check;
}

}  // namespace fbx::observe
