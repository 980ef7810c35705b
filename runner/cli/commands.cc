// SPDX-License-Identifier: Apache-2.0
#include "runner/cli/commands.h"

#include <cstdio>
#include <filesystem>

#include "runner/cli/files.h"
#include "runner/cli/machine.h"
#include "runner/cli/show_diagnostics.h"
#include "spec/plan/write.h"

namespace fbx::cli {

int compile_command(const Options& options) {
  Diagnostics diagnostics;
  const auto plan = open_plan(options.inputs[0], diagnostics);
  print_diagnostics(diagnostics);
  if (!plan) return 1;
  const std::string text = plan::write_plan(*plan);
  std::FILE* out = options.output.empty() ? stdout : std::fopen(options.output.c_str(), "wb");
  const bool written = out != nullptr && std::fwrite(text.data(), 1, text.size(), out) == text.size();
  const bool closed = out != nullptr && (out == stdout ? std::fflush(out) : std::fclose(out)) == 0;
  if (written && closed) return 0;
  std::perror(options.output.empty() ? "standard output" : options.output.c_str());
  return 1;
}

int check_command(const Options& options) {
  const std::string& input = options.inputs[0];
  Diagnostics diagnostics;
  const auto plan = open_plan(input, diagnostics);
  if (plan) {
    const auto folder = std::filesystem::path(input).parent_path();
    for (Diagnostic d : unfit_binaries(*plan)) {
      d.severity = Severity::kWarning;
      if (!d.place.file.empty()) d.place.file = (folder / d.place.file).string();
      diagnostics.push_back(std::move(d));
    }
  }
  if (options.json_flag) {
    print_diagnostics_json(input, diagnostics);
  } else {
    print_diagnostics(diagnostics);
    if (plan) std::printf("%s: %zu tests, no errors\n", input.c_str(), plan->tests.size());
  }
  return plan ? 0 : 1;
}

int run(const Options& options) {
  switch (options.command) {
    case Command::kRun: return run_command(options);
    case Command::kCompile: return compile_command(options);
    case Command::kCheck: return check_command(options);
    case Command::kPlan: return plan_command(options);
    case Command::kDoctor: return doctor_command(options);
    case Command::kTrace: return trace_command(options);
  }
  return 1;
}

}  // namespace fbx::cli
