// SPDX-License-Identifier: Apache-2.0
//
// `fbx trace`: what a run saw, one line an event, from the file that `fbx run --trace` kept.
#include <cstdio>

#include "runner/check/event_reader.h"
#include "runner/cli/commands.h"
#include "runner/cli/show_diagnostics.h"
#include "runner/observe/trace.h"
#include "spec/model/load.h"

namespace fbx::cli {

namespace {

// Names come from services and files: no byte of theirs may speak to the terminal.
std::string printable(std::string text) {
  for (char& c : text)
    if ((c >= 0 && c < ' ') || c == 0x7f) c = '?';
  return text;
}

double ms_since(uint64_t zero_ns, uint64_t ns) {
  return static_cast<double>(static_cast<int64_t>(ns - zero_ns)) / 1e6;
}

void print_test(const plan::Plan& plan, const observe::Recording& test) {
  const observe::EventStore& store = *test.store;
  const check::StoreReader reader(plan, store);
  std::printf("%s: %zu events, %lu records lost\n",
              printable(plan.tests[test.test].name).c_str(), store.size(),
              static_cast<unsigned long>(test.loss.lost));
  const uint64_t zero = test.body_ns != 0 || store.size() == 0 ? test.body_ns : store.at(1).begin_ns;
  for (uint64_t seq = 1; seq <= store.size(); ++seq)
    std::printf("%6lu %12.3f ms  %s\n", static_cast<unsigned long>(seq),
                ms_since(zero, store.at(seq).begin_ns), printable(reader.text(seq)).c_str());
}

bool fits(const observe::Recording& test, const std::vector<plan::Plan>& plans) {
  const plan::Plan& plan = plans[test.plan];
  return test.test < plan.tests.size() && test.services == plan.services.size();
}

}  // namespace

int trace_command(const Options& options) {
  const std::string& path = options.inputs[0];
  const auto trace = observe::Trace::open(path);
  if (!trace) {
    std::fprintf(stderr, "fbx: %s\n", trace.error().text().c_str());
    return 1;
  }
  std::vector<plan::Plan> plans;
  for (const std::string_view text : trace->plans()) {
    Diagnostics diagnostics;
    auto plan = model::load_plan(text, path, diagnostics);
    print_diagnostics(diagnostics);
    if (!plan) return 1;
    plans.push_back(std::move(*plan));
  }
  for (const observe::Recording& test : trace->tests()) {
    if (!fits(test, plans)) {
      std::fprintf(stderr, "fbx: %s: a test is none of its plan's\n", path.c_str());
      return 1;
    }
    print_test(plans[test.plan], test);
  }
  return 0;
}

}  // namespace fbx::cli
