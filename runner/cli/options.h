// SPDX-License-Identifier: Apache-2.0
//
// The command line as a struct. CLI11 stays in options.cc.
//
// Thread rule: values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace fbx::cli {

enum class Command : uint8_t { kRun, kCompile, kCheck, kPlan, kDoctor, kTrace };

struct Options {
  Command command = Command::kRun;
  std::vector<std::string> inputs;  // specs, plans, folders, as typed
  std::vector<std::string> tests;   // --test
  bool list = false;
  uint32_t jobs = 1;
  uint32_t runs = 1;
  std::optional<uint64_t> seed;
  int64_t timeout_ns = 0;  // 0: not given
  bool fail_fast = false, strict = false, keep = false;
  std::string output;              // compile -o
  bool json_flag = false;          // check, plan, doctor --json
  std::string inject = "auto";     // --inject
  bool isolation = true;           // false: --no-isolation
  std::string json;                // run --json FILE
  std::string trace;               // run --trace FILE
  std::vector<std::string> flags;  // those that a rerun needs, as typed
};

// Nothing when the process should end now with `exit_code`: --help, or a mistake, which was printed.
[[nodiscard]] std::optional<Options> parse_options(int argc, char** argv, int& exit_code);

}  // namespace fbx::cli
