// SPDX-License-Identifier: Apache-2.0
//
// Every kind of value goes through a plan and is the same behind it; what is written does not depend
// on the process's locale; and it is what is committed (tests/plans/*.toml). To write those anew:
//   FBX_WRITE_GOLDENS=1 build/bin/plan_values_test
#include <doctest/doctest.h>

#include <cstdlib>
#include <fstream>
#include <locale>

#include "spec/model/load.h"
#include "spec/plan/describe.h"
#include "spec/plan/write.h"
#include "tests/diagnostics/corpus.h"
#include "tests/unit/fake_runner.h"

namespace fbx {
namespace {

const std::string kFolder = "tests/plans/";

plan::Plan compiled(const std::string& spec) {
  testing::FakeLoader loader;
  for (const std::string& file : {spec, std::string("lib/common.star")}) {
    loader.files[file] = testing::read_text(kFolder + file);
  }
  auto out = model::compile_spec(loader, spec);
  for (const auto& d : out.diagnostics) FAIL_CHECK(d.text());
  REQUIRE(out.plan);
  return std::move(*out.plan);
}

plan::Plan read(const std::string& text) {
  Diagnostics diagnostics;
  auto out = model::load_plan(text, "a.toml", diagnostics);
  for (const auto& d : diagnostics) FAIL_CHECK(d.text());
  REQUIRE_MESSAGE(out, text);
  return std::move(*out);
}

bool writes_goldens() { return std::getenv("FBX_WRITE_GOLDENS") != nullptr; }

void check_golden(const std::string& path, const std::string& text) {
  if (writes_goldens()) std::ofstream(path, std::ios::binary) << text;
  CHECK(text == testing::read_text(path));
}

TEST_CASE("every kind of value is the same behind a plan") {
  const plan::Plan before = compiled("values.star");
  const std::string text = plan::write_plan(before);
  const plan::Plan after = read(text);
  CHECK(plan::write_plan(after) == text);
  for (const plan::Test& test : before.tests) {
    CAPTURE(test.name);
    const auto first = testing::FakeRunner{}.play(before, test.name);
    const auto second = testing::FakeRunner{}.play(after, test.name);
    CHECK(first.asked == second.asked);
    CHECK(first.finished.result == second.finished.result);
    CHECK(first.finished.message == second.finished.message);
    CHECK(first.finished.how == model::Finished::How::kReturned);
  }
}

TEST_CASE("plans are written as they are committed") {
  for (const char* name : {"order", "values"}) {
    const std::string text = plan::write_plan(compiled(std::string(name) + ".star"));
    check_golden(kFolder + name + ".toml", text);
    CHECK(plan::write_plan(read(text)) == text);
  }
}

// Digits by the dozen, a comma in floats.
class OddNumbers final : public std::numpunct<char> {
  char do_decimal_point() const override { return ','; }
  char do_thousands_sep() const override { return '.'; }
  std::string do_grouping() const override { return "\2"; }
};

TEST_CASE("the process's locale does not matter") {
  const std::string before = plan::write_plan(compiled("values.star"));
  const std::locale old = std::locale::global(std::locale(std::locale(), new OddNumbers));
  const std::string during = plan::write_plan(compiled("values.star"));
  const std::string again = plan::write_plan(read(before));
  std::locale::global(old);
  CHECK(during == before);
  CHECK(again == before);
}

TEST_CASE("a cell of a matrix takes less than 300 bytes") {
  constexpr size_t kSide = 32;
  std::string spec = "web = service('web', 'web', interface('public', 'http', 80))\n";
  std::string rows, columns;
  for (size_t i = 0; i < kSide; ++i) {
    const std::string n = std::to_string(i);
    spec += "def order_flow_" + n + "():\n    return web.post('/orders/" + n + "')\n";
    spec += "down_" + n + " = fault_assumption('inventory_down_" + n +
            "', target=web, connect=deny('ECONNREFUSED', after=" + n + "))\n";
    rows += "order_flow_" + n + ", ";
    columns += "down_" + n + ", ";
  }
  spec += "fault_matrix(scenarios=[" + rows + "], faults=[" + columns +
          "], default_expect=expect_error(status=503))\n";
  testing::FakeLoader loader;
  loader.files["a.star"] = spec;
  const auto out = model::compile_spec(loader, "a.star");
  REQUIRE(out.plan);
  const size_t size = plan::write_plan(*out.plan).size();
  MESSAGE((size / (kSide * kSide)) << " bytes a cell");
  CHECK(size < 300 * kSide * kSide);
}

// What stands between the two marks of docs/plan-format.md is made from the tables in the code.
TEST_CASE("the document's reference is that of the code") {
  constexpr std::string_view kBegin = "<!-- made by build/bin/plan_values_test: begin -->\n";
  constexpr std::string_view kEnd = "<!-- end -->\n";
  const std::string path = "docs/plan-format.md";
  const std::string text = testing::read_text(path);
  const size_t begin = text.find(kBegin) + kBegin.size(), end = text.find(kEnd);
  REQUIRE(begin <= end);
  REQUIRE(end != std::string::npos);
  const std::string made =
      text.substr(0, begin) + "\n" + plan::describe_format() + "\n" + text.substr(end);
  check_golden(path, made);
}

}  // namespace
}  // namespace fbx
