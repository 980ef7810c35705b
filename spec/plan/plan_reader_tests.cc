// SPDX-License-Identifier: Apache-2.0
//
// The [[test]] tables of a plan: what each calls, and how cells find their matrix and baseline.
#include <algorithm>

#include "spec/plan/need_text.h"
#include "spec/plan/plan_reader.h"

namespace fbx::plan {

void PlanReader::tests() {
  AnchorCounter anchors(&landmarks_);
  const size_t before = diagnostics_.size();
  for (const TomlNode& table : tables("test")) {
    if (!enough()) test(table, anchors);
  }
  if (!said_since(before)) link_baselines();
}

void PlanReader::test(const TomlNode& table, AnchorCounter& anchors) {
  TestKeys keys;
  const size_t before = diagnostics_.size();
  FieldReader reader(context_, table, "[[test]]", &anchors);
  fields(reader, keys);
  reader.finish();
  const bool good = !said_since(before);
  Test out;
  out.name = keys.name;
  out.doc = keys.doc;
  out.place = keys.place;
  out.kind = keys.kind;
  out.require_faults_fire = keys.require_faults_fire;
  out.timeout_ns = keys.timeout_ns;
  if (!keys.known_failure.empty()) out.known_failure = keys.known_failure;
  const bool of_matrix = keys.kind == TestKind::kCell || keys.kind == TestKind::kBaseline;
  if (good) meaningless_keys(reader, table, keys.kind);
  if (good && of_matrix) cell_test(reader, keys, out);
  else if (good) plain_test(reader, keys, out);
  if (!out.name.empty() && !test_names_.insert(out.name).second) {
    reader.complain("name", "plan-twice", "two tests are named \"" + out.name + "\"");
  }
  needs(keys, out);
  out_.needs_given.push_back(table.find("needs") != nullptr || table.find("observe") != nullptr);
  out_.plan.tests.push_back(std::move(out));
}

// A key that this kind of test has no use for would be lost when the plan is written again.
void PlanReader::meaningless_keys(FieldReader& reader, const TomlNode& table, TestKind kind) {
  const bool cell = kind == TestKind::kCell;
  const bool of_matrix = cell || kind == TestKind::kBaseline;
  const std::pair<const char*, bool> keys[] = {
      {"matrix", of_matrix}, {"scenario", of_matrix},       {"assumption", cell},
      {"expect", cell},      {"require_faults_fire", cell}, {"args", !of_matrix}};
  for (const auto& [key, meant] : keys) {
    if (meant || table.find(key) == nullptr) continue;
    reader.complain(key, "plan-key", "`" + std::string(key) + "` means nothing to this kind of [[test]]");
  }
}

void PlanReader::plain_test(FieldReader& reader, const TestKeys& keys, Test& out) {
  if (keys.name.empty()) {
    reader.complain("name", "plan-missing", "[[test]] has no `name`");
    return;
  }
  const std::string& function = keys.function.empty() ? keys.name : keys.function;
  out.entry = value_reader_->expression(function, reader.place_of("function"));
  if (out.entry == kNoValue) return;
  auto& image = out_.plan.image;
  if (!keys.args.empty()) {
    const ValueRef args = value_reader_->expression(keys.args, reader.place_of("args"));
    if (args != kNoValue && image.values[args].kind != Value::Kind::kList) {
      reader.complain("args", "plan-type", "`args` in [[test]] is no list of values");
    } else if (args != kNoValue) {
      out.args = image.values[args].items;
    }
  }
  const Value& entry = image.values[out.entry];
  if (out.place.line != 0 || entry.kind != Value::Kind::kFunction) return;
  const auto& module = image.modules[entry.module].code;
  if (const auto* code = module.find(entry.text)) {
    out.place = Place{module.file, code->line, code->col};
  }
}

bool PlanReader::known_scenario(FieldReader& reader, const TestKeys& keys, const Test& out) {
  const Matrix& matrix = out_.plan.matrices[static_cast<size_t>(out.matrix)];
  const auto known = [](const std::vector<std::string>& all, const std::string& name) {
    return std::find(all.begin(), all.end(), name) != all.end();
  };
  if (!known(matrix.scenarios, keys.scenario)) {
    reader.complain("scenario", "plan-reference",
                    "its matrix has no scenario \"" + keys.scenario + "\"",
                    did_you_mean(keys.scenario, matrix.scenarios));
    return false;
  }
  if (out.kind == TestKind::kCell && !known(matrix.assumptions, keys.assumption)) {
    reader.complain("assumption", "plan-reference",
                    "its matrix has no assumption \"" + keys.assumption + "\"",
                    did_you_mean(keys.assumption, matrix.assumptions));
    return false;
  }
  return true;
}

void PlanReader::cell_test(FieldReader& reader, const TestKeys& keys, Test& out) {
  if (keys.matrix < 0 || static_cast<size_t>(keys.matrix) >= out_.plan.matrices.size()) {
    reader.complain("matrix", "plan-reference", "[[test]] says no [[matrix]] that there is");
    return;
  }
  out.matrix = static_cast<int>(keys.matrix);
  out.scenario = keys.scenario;
  out.assumption = keys.assumption;
  if (out.name.empty()) out.name = cell_name(keys.scenario, keys.assumption);
  if (out.place.line == 0) out.place = out_.plan.matrices[static_cast<size_t>(out.matrix)].place;
  if (!known_scenario(reader, keys, out)) return;
  const std::string& function = keys.function.empty() ? keys.scenario : keys.function;
  const ValueRef scenario = value_reader_->expression(function, reader.place_of("function"));
  if (out.kind == TestKind::kBaseline) {
    out.entry = scenario;
    return;
  }
  auto& image = out_.plan.image;
  Value cell;
  cell.kind = Value::Kind::kBuiltin;
  cell.text = kCellBuiltin;
  out.entry = image.add(std::move(cell));
  Value name;
  name.kind = Value::Kind::kString;
  name.text = keys.assumption;
  Value assumption;
  assumption.kind = Value::Kind::kHost;
  assumption.text = "assumption";
  assumption.items.push_back(image.add(std::move(name)));
  const ValueRef assumed = image.add(std::move(assumption));
  const std::string expect = keys.expect.empty() ? "None" : keys.expect;
  out.args = {scenario, assumed,
              value_reader_->expression(expect, reader.place_of("expect"))};
}

void PlanReader::needs(const TestKeys& keys, Test& out) {
  if (!context_.services_known) return;
  std::string problem, hint;
  const auto complain = [&](const char* key, size_t i) {
    add(out_.places.of({"test", out_.plan.tests.size(), key, i}), "plan-word", problem, hint);
  };
  for (size_t i = 0; i < keys.needs.size(); ++i) {
    auto need = parse_need(out_.plan, keys.needs[i], problem, hint);
    if (!need) {
      complain("needs", i);
      continue;
    }
    need->place = out.place;
    out.needs.push_back(std::move(*need));
  }
  for (size_t i = 0; i < keys.observe.size(); ++i) {
    auto interest = parse_interest(out_.plan, keys.observe[i], problem, hint);
    if (interest) out.observe.push_back(std::move(*interest));
    else complain("observe", i);
  }
}

void PlanReader::link_baselines() {
  auto& tests = out_.plan.tests;
  std::map<std::pair<int, std::string>, int> baselines;
  for (size_t i = 0; i < tests.size(); ++i) {
    const std::pair row(tests[i].matrix, tests[i].scenario);
    if (tests[i].kind == TestKind::kBaseline) baselines[row] = static_cast<int>(i);
    if (tests[i].kind != TestKind::kCell || tests[i].matrix < 0) continue;
    const auto found = baselines.find(row);
    if (found != baselines.end()) {
      tests[i].baseline = found->second;
    } else {
      add(out_.places.of({"test", i, "name"}), "plan-baseline",
          "the cell has no baseline of its scenario \"" + tests[i].scenario + "\" before it");
    }
  }
}

}  // namespace fbx::plan
