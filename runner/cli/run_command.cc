// SPDX-License-Identifier: Apache-2.0
#include <cstdio>
#include <random>
#include <set>

#include "runner/cli/commands.h"
#include "runner/cli/files.h"
#include "runner/cli/machine.h"
#include "runner/cli/select.h"
#include "runner/cli/show_diagnostics.h"
#include "runner/run/front.h"

namespace fbx::cli {

namespace {

std::optional<std::vector<run::PlanRun>> open_plans(const Options& options) {
  const auto inputs = expand_inputs(options.inputs);
  if (!inputs) {
    std::fprintf(stderr, "fbx: %s\n", inputs.error().text().c_str());
    return std::nullopt;
  }
  std::vector<run::PlanRun> out;
  bool good = true;
  for (const std::string& input : *inputs) {
    Diagnostics diagnostics;
    auto plan = open_plan(input, diagnostics);
    print_diagnostics(diagnostics);
    if (!plan) {
      good = false;
      continue;
    }
    out.push_back({std::move(*plan), input, {}});
  }
  if (!good) return std::nullopt;
  return out;
}

// Says which patterns meant nothing, with the names nearest to them.
void print_unmatched(const std::vector<run::PlanRun>& plans, const std::string& pattern) {
  std::vector<std::string> names;
  for (const auto& p : plans) {
    for (const plan::Test& test : p.plan.tests) {
      if (test.kind == plan::TestKind::kBaseline) continue;
      names.push_back(test.name);
      if (test.name.starts_with("test_")) names.push_back(test.name.substr(5));
    }
  }
  std::fprintf(stderr, "fbx: --test %s matches no test\n", pattern.c_str());
  const std::string near = nearest_name(pattern, names);
  if (!near.empty()) std::fprintf(stderr, "  hint: did you mean %s?\n", near.c_str());
  std::fprintf(stderr, "  hint: --list shows the names\n");
}

bool select(const Options& options, std::vector<run::PlanRun>& plans) {
  std::vector<bool> matched(options.tests.size());
  for (auto& p : plans) {
    std::vector<bool> here;
    auto tests = select_tests(p.plan, options.tests, here);
    if (!tests) {
      std::fprintf(stderr, "fbx: %s\n", tests.error().text().c_str());
      return false;
    }
    p.tests = std::move(*tests);
    for (size_t i = 0; i < here.size(); ++i) matched[i] = matched[i] || here[i];
  }
  for (size_t i = 0; i < matched.size(); ++i) {
    if (matched[i]) continue;
    print_unmatched(plans, options.tests[i]);
    return false;
  }
  std::erase_if(plans, [](const auto& p) { return p.tests.empty(); });
  return true;
}

void list(const std::vector<run::PlanRun>& plans) {
  for (const auto& p : plans) {
    for (const size_t t : p.tests) {
      const plan::Test& test = p.plan.tests[t];
      if (test.kind == plan::TestKind::kBaseline) continue;
      std::printf("%s%s%s\n", test.name.c_str(), test.doc.empty() ? "" : "  ", test.doc.c_str());
    }
  }
}

}  // namespace

int run_command(const Options& options) {
  auto plans = open_plans(options);
  if (!plans || !select(options, *plans)) return 1;
  if (options.list) {
    list(*plans);
    return 0;
  }
  bool startable = true;
  for (const auto& p : *plans) {
    const Diagnostics missing = unfit_binaries(p.plan);
    print_diagnostics(missing);
    startable = startable && missing.empty();
  }
  if (!startable) return 1;
  run::RunOptions out;
  out.seed = options.seed ? *options.seed : std::random_device{}();
  out.timeout_ns = options.timeout_ns;
  out.runs = options.runs;
  out.fail_fast = options.fail_fast;
  out.strict = options.strict;
  out.keep = options.keep;
  out.json = options.json;
  out.trace = options.trace;
  out.flags = options.flags;
  out.wishes = {.inject = options.inject, .isolation = options.isolation};
  return run::run(out, std::move(*plans), run::real_machine(out.wishes));
}

}  // namespace fbx::cli
