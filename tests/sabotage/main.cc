// SPDX-License-Identifier: Apache-2.0
//
// fbx_sabotage NAME PLAN RESULTS: runs every test of a plan on a sabotaged machine, as `fbx run
// PLAN --json RESULTS` would on the real one. Without arguments: the sabotages, one a line.
#include <cstdio>
#include <cstring>
#include <string>

#include "runner/cli/files.h"
#include "runner/run/front.h"
#include "tests/sabotage/sabotage.h"

namespace {

int list() {
  for (const fbx::sabotage::Sabotage& one : fbx::sabotage::all()) {
    std::printf("%-24s %s\n", std::string(one.name).c_str(), std::string(one.what).c_str());
  }
  return 0;
}

int run(const fbx::sabotage::Sabotage& sabotage, const std::string& file, const char* results) {
  fbx::Diagnostics diagnostics;
  auto plan = fbx::cli::open_plan(file, diagnostics);
  for (const fbx::Diagnostic& one : diagnostics) std::fprintf(stderr, "%s\n", one.text().c_str());
  if (!plan) return 1;
  fbx::run::PlanRun all{.plan = std::move(*plan), .argument = file, .tests = {}};
  for (size_t i = 0; i < all.plan.tests.size(); ++i) {
    if (all.plan.tests[i].kind != fbx::plan::TestKind::kBaseline) all.tests.push_back(i);
  }
  std::vector<fbx::run::PlanRun> plans;
  plans.push_back(std::move(all));
  return fbx::run::run({.seed = 1, .json = results}, std::move(plans), sabotage.machine());
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 1) return list();
  if (argc != 4) {
    std::fprintf(stderr, "usage: fbx_sabotage NAME PLAN RESULTS\n");
    return 1;
  }
  for (const fbx::sabotage::Sabotage& one : fbx::sabotage::all()) {
    if (one.name == argv[1]) return run(one, argv[2], argv[3]);
  }
  std::fprintf(stderr, "fbx_sabotage: no sabotage is named %s\n", argv[1]);
  return 1;
}
