// SPDX-License-Identifier: Apache-2.0
//
// bench_plan: what a matrix of 1,000 cells takes to compile, to write, to read and verify, and how
// large its plan is. Processor time, so that a busy machine counts little. The aims are those of
// docs/performance.md.
#include <algorithm>
#include <cstdio>
#include <ctime>
#include <string>
#include <vector>

#include "spec/model/compile.h"
#include "spec/model/load.h"
#include "spec/plan/write.h"

namespace {

using namespace fbx;

constexpr int kRounds = 21;
constexpr size_t kRows = 20, kColumns = 50;

double now_ms() {
  timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) * 1e3 + static_cast<double>(t.tv_nsec) / 1e6;
}

class OneFile final : public model::Loader {
 public:
  explicit OneFile(std::string text) : text_(std::move(text)) {}
  Result<std::string> read_file(const std::string&) override { return text_; }
  std::optional<std::string> env(const std::string&) override { return std::nullopt; }

 private:
  std::string text_;
};

std::string matrix_spec() {
  std::string spec =
      "inventory = service('inventory', 'bin/inventory', interface('main', 'tcp', 5432))\n"
      "orders = service('orders', 'bin/orders', interface('public', 'http', 8080),\n"
      "    depends_on=[inventory])\n";
  std::string rows, columns;
  for (size_t i = 0; i < kRows; ++i) {
    const std::string name = "order_flow_" + std::to_string(i);
    spec += "def " + name + "():\n    \"\"\"Order flow " + std::to_string(i) + ".\"\"\"\n" +
            "    resp = orders.post('/orders', json={'sku': 'widget', 'qty': " + std::to_string(i) +
            "})\n    if resp.status == 409:\n        return None\n    return resp\n";
    rows += name + ", ";
  }
  for (size_t i = 0; i < kColumns; ++i) {
    const std::string name = "inventory_down_" + std::to_string(i);
    spec += name + " = fault_assumption('" + name +
            "', target=orders, connect=deny('ECONNREFUSED', to=inventory, after=" +
            std::to_string(i) + "))\n";
    columns += name + ", ";
  }
  return spec + "fault_matrix(scenarios=[" + rows + "], faults=[" + columns +
         "], default_expect=expect_error(status=503))\n";
}

template <class F>
void measure(const char* what, F work) {
  std::vector<double> took;
  for (int round = 0; round < kRounds; ++round) {
    const double begin = now_ms();
    work();
    took.push_back(now_ms() - begin);
  }
  std::sort(took.begin(), took.end());
  std::printf("  %-36s %7.1f ms (%.1f … %.1f)\n", what, took[kRounds / 2], took.front(), took.back());
}

}  // namespace

int main() {
  OneFile loader(matrix_spec());
  const auto compiled = model::compile_spec(loader, "matrix.star");
  if (!compiled.plan) {
    for (const Diagnostic& d : compiled.diagnostics) std::fprintf(stderr, "%s\n", d.text().c_str());
    return 1;
  }
  const std::string text = plan::write_plan(*compiled.plan);
  std::printf("a matrix of %zu × %zu cells:\n", kRows, kColumns);
  bool good = true;
  measure("compile it (aim: 50)", [&] { good = good && model::compile_spec(loader, "matrix.star").plan; });
  measure("write the plan", [&] { good = good && plan::write_plan(*compiled.plan).size() == text.size(); });
  measure("read and verify the plan (aim: 20)", [&] {
    Diagnostics diagnostics;
    good = good && model::load_plan(text, "matrix.toml", diagnostics);
  });
  std::printf("  %-36s %7zu bytes a cell, %zu in all\n", "size (condition: below 300)",
              text.size() / (kRows * kColumns), text.size());
  return good ? 0 : 1;
}
