// SPDX-License-Identifier: Apache-2.0
//
// The Plan: what remains of a spec when its top level has been evaluated. Plain structs, no
// behaviour. spec/model makes one from a .star file, spec/plan writes it as TOML and reads it back,
// the runner carries it out. `fbx run x.star` and `fbx run plan.toml` meet here: one code path after.
//
//   services   what is started, with everything needed to start it
//   tests      what runs, in source order, with what each must be able to enforce and to see
//   functions  symbolic code (spec/starlark/core.h), keyed by its path in the source
//   values     the frozen values that tests and functions refer to (image.h)
//   sources    the text of the source lines that a failure may quote
//
// Services are referred to by their index in `services` everywhere ("service 0").
// Durations are nanoseconds. Strings are UTF-8 unless said otherwise.
//
// Thread rule: a Plan is written by one thread and then only read.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/diagnostic.h"
#include "spec/plan/image.h"

namespace fbx::plan {

constexpr int kFormatVersion = 1;

enum class Protocol { kHttp, kTcp, kUdp, kUnix };

struct Interface {
  std::string name;
  Protocol protocol = Protocol::kTcp;
  uint16_t port = 0;  // 1…65535; 0 for kUnix
  std::string path;   // kUnix only
};

struct HealthCheck {
  // kListen: every declared interface listens; without interfaces, the service was executed.
  enum class Kind { kListen, kTcp, kHttp, kCommand, kOutput };
  Kind kind = Kind::kListen;
  std::string target;             // kTcp "localhost:5432"; kHttp the URL; kOutput the pattern
  std::vector<std::string> argv;  // kCommand
  int status = 0;                 // kHttp: the status that is healthy; 0 = 200…399
  int64_t timeout_ns = 10'000'000'000;
};

struct Op {
  std::string name;
  std::vector<std::string> syscalls;
  std::string path;  // glob; empty = any
};

// observe.stdout(decoder=…): how lines of output become fields of events.
struct OutputDecoder {
  bool is_stderr = false;
  enum class Kind { kJson, kLogfmt, kRegex } kind = Kind::kJson;
  std::string pattern;  // kRegex: RE2 with named groups
  bool operator==(const OutputDecoder&) const = default;
};

struct Service {
  std::string name;
  std::string binary;  // as written: absolute, relative to the spec's folder, or bare (on PATH)
  std::vector<Interface> interfaces;
  std::vector<std::string> args;
  std::vector<std::pair<std::string, std::string>> env;  // in the order written
  std::vector<std::string> inherit_env;                  // globs
  std::string cwd;                                       // empty = the spec's folder
  std::vector<uint32_t> depends_on;                      // service indexes
  HealthCheck healthcheck;
  std::vector<Op> ops;
  std::vector<OutputDecoder> observe;  // at most one for each stream
  std::string user;  // empty = the invoking user
  std::vector<std::vector<std::string>> prepare;
  bool manual_start = false;
  bool may_exit = false;
  std::string stop_signal = "SIGTERM";
  int64_t stop_timeout_ns = 2'000'000'000;
  std::string inject = "auto";
  bool io_uring = true;
  std::vector<std::string> external;
  std::map<std::string, std::string> limits;
  Place place;
};

// deny(…), delay(…), allow(): what a rule does to a call, and to which of the matching calls.
struct Action {
  enum class Kind : uint8_t { kDeny, kDelay, kAllow };
  Kind kind = Kind::kDeny;
  std::string errname;              // kDeny: "EIO"
  int64_t delay_ns = 0;             // kDelay; or delay= of a deny
  double probability = 1;           // 0…1
  uint64_t after = 0;               // nth=k is after=k−1, max_fires=1
  uint64_t every = 1;               // ≥ 1
  uint64_t max_fires = UINT64_MAX;  // ≥ 1
  std::string path;                 // glob; empty = any
  std::string to;                   // "inventory", "inventory.main", "host:port"; empty = any
  std::string on;  // "", "any", "file", "socket", "stream", "udp", "unix", "pipe"
  bool sticky = false;
  bool optional = false;
  std::string label;
  bool operator==(const Action&) const = default;
};

// One <keyword>=<action> of a named assumption.
struct AssumedFault {
  uint32_t service = 0;
  std::string keyword;  // family, syscall, or the service's op
  Action action;
};

// fault_assumption(): named faults, `includes` first, then `faults`, as written.
struct Assumption {
  std::string name;
  std::string description;
  std::vector<uint32_t> includes;  // indexes of assumptions before this one
  std::vector<AssumedFault> faults;
  Place place;
};

// One key=value by which a rule or a look-back tells calls apart, where it is known at compile time.
struct Narrowing {
  std::string key;       // "path", "peer", "ok"; of lines of output: a field's name
  std::string value;     // a string, or a word: 3, True, None
  bool is_text = true;   // a string
  auto operator<=>(const Narrowing&) const = default;
};
using Narrowings = std::vector<Narrowing>;

// What a test must be able to enforce, found by the compiler; `run` knows it before starting.
struct Need {
  enum class Kind { kDeny, kDelay, kPartition };
  Kind kind = Kind::kDeny;
  int service = -1;         // the service it is for; -1 = any (it cannot be known)
  std::string syscall;      // keyword as written ("write", "pwrite64", an op); "*" = unknown
  std::string mode;         // kPartition: "refuse" | "drop"
  Narrowings only = {};     // path, on, to of its rule
  Place place;  // of the test
  bool operator==(const Need&) const = default;
};

// What a test must be able to see: the events that one of its look-backs, traces or rules can refer
// to. A test sees the union. What is not known does not narrow.
struct Interest {
  int service = -1;        // whose; -1 = any (of all, or it cannot be known)
  // Family, call ("=write": the single one), or type of event ("stdout"); "*" = every call.
  std::string what = "*";
  Narrowings only = {};    // keys of the filter, in its order
  auto operator<=>(const Interest&) const = default;
};

enum class TestKind { kFunction, kScenario, kFaultScenario, kCell, kBaseline };

struct Test {
  std::string name;      // "test_happy_path", "test_matrix_order_flow_db_down"
  std::string doc;       // the docstring's first line
  Place place;
  TestKind kind = TestKind::kFunction;
  ValueRef entry = kNoValue;        // what is called…
  std::vector<ValueRef> args = {};  // …with these
  std::string scenario = {};        // kCell, kBaseline: the row
  std::string assumption = {};      // kCell: the column
  int matrix = -1;                  // kCell, kBaseline: index of its matrix
  int baseline = -1;                // kCell: index in `tests` of the fault-free run before it
  bool require_faults_fire = true;  // kCell
  std::optional<std::string> known_failure = {};  // the reason
  int64_t timeout_ns = 0;                         // 0 = the run's
  std::vector<Need> needs = {};
  std::vector<Interest> observe = {};  // sorted; none is part of another
};

struct Matrix {
  Place place;
  std::vector<std::string> scenarios;
  std::vector<std::string> assumptions;
};

enum class Network { kIsolated, kHost };
enum class Tmp { kFresh, kOverlay };

struct EnvRead {
  std::string name;
  std::string value;
  bool defaulted = false;
};

struct FileRead {
  std::string path;  // relative to the spec's folder where it lies below it
  std::string sha256;
};

// The source lines that a failure may quote: line number → text.
struct SourceLines {
  std::string file;
  std::map<uint32_t, std::string> lines;
};

struct Plan {
  std::string spec;      // as displayed: "partition-test.star"
  std::string spec_dir;  // absolute, of the machine it runs on; never written to TOML
  std::string sha256;
  Network network = Network::kIsolated;
  Tmp tmp = Tmp::kFresh;
  int64_t timeout_ns = 60'000'000'000;
  std::vector<EnvRead> env_reads;
  std::vector<FileRead> file_reads;
  std::vector<Service> services;
  std::vector<Assumption> assumptions;
  std::vector<Test> tests;  // source order; baselines stand before the cells that need them
  std::vector<Matrix> matrices;
  Image image;  // functions and values
  std::vector<SourceLines> sources;
};

// The text of a source line, or "" when the plan does not hold it.
[[nodiscard]] std::string source_line(const Plan& plan, const Place& place);

}  // namespace fbx::plan
