// SPDX-License-Identifier: Apache-2.0
#include "runner/cli/commands.h"

#include <cerrno>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "runner/cli/files.h"
#include "runner/cli/preflight.h"
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

namespace {

nlohmann::ordered_json json_of(const Diagnostic& d) {
  return {{"severity", d.severity == Severity::kError ? "error" : "warning"},
          {"code", d.code},
          {"file", d.place.file},
          {"line", d.place.line},
          {"col", d.place.col},
          {"message", d.message},
          {"hint", d.hint}};
}

}  // namespace

int check_command(const Options& options) {
  Diagnostics diagnostics;
  const auto plan = open_plan(options.inputs[0], diagnostics);
  if (plan) {
    for (Diagnostic d : preflight(*plan)) {
      d.severity = Severity::kWarning;
      diagnostics.push_back(std::move(d));
    }
  }
  if (options.json_flag) {
    nlohmann::ordered_json out = nlohmann::ordered_json::array();
    for (const Diagnostic& d : diagnostics) out.push_back(json_of(d));
    const auto replace = nlohmann::ordered_json::error_handler_t::replace;
    std::printf("%s\n", out.dump(2, ' ', false, replace).c_str());
  } else {
    print_diagnostics(diagnostics);
    if (plan) std::printf("%s: %zu tests, no errors\n", options.inputs[0].c_str(), plan->tests.size());
  }
  return plan ? 0 : 1;
}

int run(const Options& options) {
  switch (options.command) {
    case Command::kRun: return run_command(options);
    case Command::kCompile: return compile_command(options);
    case Command::kCheck: return check_command(options);
    case Command::kDoctor: return doctor_command(options);
  }
  return 1;
}

}  // namespace fbx::cli
