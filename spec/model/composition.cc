// SPDX-License-Identifier: Apache-2.0
//
// scenario(), test(), known_failure(), fault_assumption(), fault_matrix(): what makes tests of
// functions. And the built-in that a matrix's cells call.
#include <algorithm>

#include "spec/model/builder.h"
#include "spec/model/builtins.h"
#include "spec/model/host.h"
#include "spec/model/objects.h"
#include "spec/model/scopes.h"
#include "spec/plan/keys.h"
#include "spec/starlark/program.h"
#include "spec/starlark/values.h"

namespace fbx::model {

std::string doc_line(starlark::Value fn) {
  if (!starlark::is_kind(fn, starlark::Kind::function)) return "";
  const std::string& doc = starlark::view_function(fn).core->doc;
  const size_t begin = doc.find_first_not_of(" \t\r\n");
  if (begin == std::string::npos) return "";
  std::string line = doc.substr(begin, doc.find('\n', begin) - begin);
  while (!line.empty() && (line.back() == ' ' || line.back() == '\r' || line.back() == '\t')) {
    line.pop_back();
  }
  return line;
}

namespace {

using starlark::Call;
using starlark::Value;
using Pass = Param::Pass;

constexpr Param keyword(std::string_view name, Takes takes, bool none = false) {
  return {.name = name, .takes = takes, .none = none, .pass = Pass::kKeyword};
}

Builder& builder(Call& c) { return *c.host_as<Host>().builder; }

// The name of a def, to name a test after; "" for a lambda or a built-in.
std::string function_name(Value fn) {
  if (!starlark::is_kind(fn, starlark::Kind::function)) return "";
  const auto view = starlark::view_function(fn);
  return view.core->name == "lambda" ? "" : view.core->name;
}

Builder::Registered registered(Call& c, std::string name, Value fn) {
  Builder::Registered out;
  out.test.name = std::move(name);
  out.test.doc = doc_line(fn);
  out.test.place = to_place(c.place());
  out.entry = fn;
  out.line = statement_line(c);
  return out;
}

// ---- scenario(), test(), known_failure()

constexpr Param kScenarioParams[] = {{.name = "fn", .takes = Takes::kCallable, .required = true}};
constexpr Signature kScenario{
    .name = "scenario", .params = kScenarioParams, .where = Where::kTop};

Value scenario(Call& c) {
  Bound b;
  if (!bind_call(c, kScenario, b)) return Call::failed();
  const std::string name = function_name(b.values[0]);
  if (name.empty()) {
    return fail_with(c, {"unnamed", "scenario(): a lambda has no name to call the test by",
                         "use a def", 0});
  }
  auto test = registered(c, "test_" + name, b.values[0]);
  test.test.kind = plan::TestKind::kScenario;
  builder(c).add_test(std::move(test));
  return Value::none();
}

constexpr Param kTestParams[] = {{.name = "name", .takes = Takes::kName, .required = true},
                                 {.name = "fn", .takes = Takes::kCallable, .required = true}};
constexpr Signature kTest{.name = "test", .params = kTestParams, .extra = Extra::kPositional,
                          .where = Where::kTop};

Value test(Call& c) {
  Bound b;
  if (!bind_call(c, kTest, b)) return Call::failed();
  std::string name = string_arg(b, 0);
  if (!name.starts_with("test_")) name.insert(0, "test_");
  auto out = registered(c, std::move(name), b.values[1]);
  out.args = b.rest;
  builder(c).add_test(std::move(out));
  return Value::none();
}

constexpr Param kKnownParams[] = {{.name = "test", .takes = Takes::kText, .required = true},
                                  {.name = "reason", .takes = Takes::kText, .required = true}};
constexpr Signature kKnown{.name = "known_failure", .params = kKnownParams, .where = Where::kTop};

Value known_failure(Call& c) {
  Bound b;
  if (!bind_call(c, kKnown, b)) return Call::failed();
  builder(c).known_failures.push_back(
      {string_arg(b, 0), string_arg(b, 1), to_place(c.arg_place(0))});
  return Value::none();
}

// ---- fault_assumption()

enum AssumptionParam : size_t { kName, kTarget, kDescription, kMonitors, kFaults };

constexpr std::string_view kNoMonitors = "monitors come with a later version";

constexpr Param kAssumptionParams[] = {
    {.name = "name", .takes = Takes::kName, .required = true},
    keyword("target", Takes::kService, true), keyword("description", Takes::kString),
    {.name = "monitors", .pass = Pass::kKeyword, .later = kNoMonitors},
    keyword("faults", Takes::kAssumptions)};

std::optional<Problem> some_fault(const Bound& b, const CheckContext&) {
  if (b.extra.empty() && !b.has(kFaults) && !b.open) {
    return Problem{"no-fault", "neither a rule nor `faults` is given",
                   "write, for instance, write=deny(\"EIO\")"};
  }
  if (!b.extra.empty() && !b.has(kTarget) && !b.open) {
    return Problem{"missing-argument", "`target` is missing: whose calls fail?"};
  }
  return std::nullopt;
}

constexpr Signature kAssumption{.name = "fault_assumption", .params = kAssumptionParams,
                                .extra = Extra::kFaults, .where = Where::kTop, .also = some_fault};

Value fault_assumption(Call& c) {
  Bound b;
  if (!bind_call(c, kAssumption, b)) return Call::failed();
  plan::Assumption out;
  out.name = string_arg(b, kName);
  out.description = string_arg(b, kDescription);
  out.place = to_place(c.place());
  auto& all = builder(c).plan.assumptions;
  for (const plan::Assumption& other : all) {
    if (other.name != out.name) continue;
    return fail_with(c, {"assumption-twice", "fault_assumption(): \"" + out.name +
                                                 "\" is declared twice, first at " +
                                                 other.place.text()});
  }
  if (b.has(kFaults)) {
    for (const Value v : starlark::elements(b.values[kFaults])) {
      out.includes.push_back(starlark::host_as<AssumptionObject>(v)->index());
    }
  }
  for (const Keyword& rule : b.extra) {
    out.faults.push_back({services_arg(b, kTarget)[0],
                          std::string(starlark::to_string_view(rule.name)),
                          starlark::host_as<ActionObject>(rule.value)->action});
  }
  all.push_back(std::move(out));
  return c.heap().make_host<AssumptionObject>(&builder(c).plan,
                                              static_cast<uint32_t>(all.size() - 1));
}

// ---- fault_matrix()

enum MatrixParam : size_t {
  kScenarios, kMatrixFaults, kDefaultExpect, kOverrides, kExclude, kMatrixMonitors, kRequireFire
};

constexpr Param kMatrixParams[] = {
    {.name = "scenarios", .takes = Takes::kScenarios, .required = true, .pass = Pass::kKeyword},
    {.name = "faults", .takes = Takes::kAssumptions, .required = true, .pass = Pass::kKeyword},
    keyword("default_expect", Takes::kExpectation, true), keyword("overrides", Takes::kOverrides),
    keyword("exclude", Takes::kCells),
    {.name = "monitors", .pass = Pass::kKeyword, .later = kNoMonitors},
    keyword("require_faults_fire", Takes::kBool)};
constexpr Signature kMatrix{.name = "fault_matrix", .params = kMatrixParams, .where = Where::kTop};

// A (function, assumption) of overrides or exclude: where it stands in the matrix.
struct CellKey {
  size_t row = 0, column = 0;
};

class MatrixMaker {
 public:
  MatrixMaker(Call& c, const Bound& b) : c_(c), b_(b) {
    const auto rows = starlark::elements(b.values[kScenarios]);
    const auto columns = starlark::elements(b.values[kMatrixFaults]);
    rows_.assign(rows.begin(), rows.end());
    columns_.assign(columns.begin(), columns.end());
    expects_.assign(rows_.size() * columns_.size(),
                    b.has(kDefaultExpect) ? b.values[kDefaultExpect] : Value::none());
    excluded_.assign(expects_.size(), false);
  }

  std::optional<Problem> make() {
    if (auto p = names()) return p;
    if (auto p = overrides()) return p;
    if (auto p = exclude()) return p;
    register_tests();
    return std::nullopt;
  }

 private:
  const plan::Assumption& column(size_t i) const {
    return starlark::host_as<AssumptionObject>(columns_[i])->assumption();
  }

  std::optional<Problem> names() {
    if (rows_.empty()) return Problem{"argument-value", "`scenarios` is empty", {}, -1, "scenarios"};
    if (columns_.empty()) return Problem{"argument-value", "`faults` is empty", {}, -1, "faults"};
    for (const Value row : rows_) {
      matrix_.scenarios.push_back(function_name(row));
      if (!matrix_.scenarios.back().empty()) continue;
      return Problem{"unnamed", "`scenarios` holds a lambda, which has no name to call its tests by",
                     "use a def", -1, "scenarios"};
    }
    for (size_t i = 0; i < columns_.size(); ++i) matrix_.assumptions.push_back(column(i).name);
    return std::nullopt;
  }

  std::optional<CellKey> find(Value key) const {
    const bool pair = starlark::is_kind(key, starlark::Kind::tuple) && starlark::length(key) == 2;
    if (!pair) return std::nullopt;
    const auto parts = starlark::elements(key);
    for (size_t row = 0; row < rows_.size(); ++row) {
      for (size_t col = 0; col < columns_.size(); ++col) {
        const bool same = starlark::equal(parts[0], rows_[row]).value_or(false) &&
                          starlark::equal(parts[1], columns_[col]).value_or(false);
        if (same) return CellKey{row, col};
      }
    }
    return std::nullopt;
  }

  static Problem no_cell(const char* param, Value key) {
    return {"unknown-cell", "`" + std::string(param) + "` names " + starlark::repr(key) +
                                ", want a (scenario, assumption) of this matrix",
            {}, -1, param};
  }

  std::optional<Problem> overrides() {
    if (!b_.has(kOverrides)) return std::nullopt;
    size_t cursor = 0;
    Value key, expect;
    while (starlark::next_entry(b_.values[kOverrides], cursor, key, expect)) {
      const auto cell = find(key);
      if (!cell) return no_cell("overrides", key);
      if (!starlark::is_callable(expect) && !expect.is_none()) {
        return Problem{"argument-type", "`overrides` holds " + std::string(starlark::type_name(expect)) +
                                            ", want a function or expectation",
                       {}, -1, "overrides"};
      }
      expects_[cell->row * columns_.size() + cell->column] = expect;
    }
    return std::nullopt;
  }

  std::optional<Problem> exclude() {
    if (!b_.has(kExclude)) return std::nullopt;
    for (const Value key : starlark::elements(b_.values[kExclude])) {
      const auto cell = find(key);
      if (!cell) return no_cell("exclude", key);
      excluded_[cell->row * columns_.size() + cell->column] = true;
    }
    return std::nullopt;
  }

  Builder::Registered row_test(size_t row, plan::TestKind kind, const std::string& assumption) const {
    auto out = registered(c_, plan::cell_name(matrix_.scenarios[row], assumption), rows_[row]);
    out.test.kind = kind;
    out.test.matrix = static_cast<int>(builder(c_).plan.matrices.size());
    out.test.scenario = matrix_.scenarios[row];
    out.test.assumption = assumption;
    return out;
  }

  void register_tests() {
    matrix_.place = to_place(c_.place());
    for (size_t row = 0; row < rows_.size(); ++row) {
      const auto first = excluded_.begin() + static_cast<std::ptrdiff_t>(row * columns_.size());
      const bool any = std::find(first, first + static_cast<std::ptrdiff_t>(columns_.size()),
                                 false) != first + static_cast<std::ptrdiff_t>(columns_.size());
      if (any) builder(c_).add_test(row_test(row, plan::TestKind::kBaseline, ""));
      for (size_t col = 0; col < columns_.size(); ++col) {
        const size_t cell = row * columns_.size() + col;
        if (excluded_[cell]) continue;
        auto out = row_test(row, plan::TestKind::kCell, column(col).name);
        out.test.require_faults_fire = bool_arg(b_, kRequireFire, true);
        out.entry = cell_builtin().value();
        out.args = {rows_[row], columns_[col], expects_[cell]};
        builder(c_).add_test(std::move(out));
      }
    }
    builder(c_).plan.matrices.push_back(std::move(matrix_));
  }

  Call& c_;
  const Bound& b_;
  plan::Matrix matrix_;
  std::vector<Value> rows_, columns_, expects_;
  std::vector<bool> excluded_;
};

Value fault_matrix(Call& c) {
  Bound b;
  if (!bind_call(c, kMatrix, b)) return Call::failed();
  if (auto problem = MatrixMaker(c, b).make()) {
    problem->message = "fault_matrix(): " + problem->message;
    return fail_with(c, std::move(*problem));
  }
  return Value::none();
}

// ---- a cell: the scenario under the assumption, then the expectation

constexpr Param kCellParams[] = {
    {.name = "scenario", .takes = Takes::kCallable, .required = true},
    {.name = "assumption", .takes = Takes::kFaultTarget, .required = true},
    {.name = "expect", .takes = Takes::kCallable, .none = true}};
constexpr Signature kCellSignature{
    .name = plan::kCellBuiltin, .params = kCellParams, .where = Where::kBody};

class CellFrame final : public starlark::Continuation {
 public:
  explicit CellFrame(Value expect) : expect_(expect) {}

  Value next(Call& c, Value got) override {
    if (judged_) {
      if (!got.is_bool() || got.is_true()) return result_;
      return fail_assertion(c, "the expectation returned False", starlark::repr(result_), "");
    }
    judged_ = true;
    result_ = got;
    if (!expect_.valid()) return result_;
    // A ready-made one counts itself.
    if (starlark::host_as<ExpectationObject>(expect_) == nullptr) {
      ++c.host_as<Host>().body->asserted;
    }
    return c.call(expect_, {result_});
  }

 private:
  Value expect_, result_;
  bool judged_ = false;
};

constexpr starlark::Builtin kScopedFault{"fault", [](Call& c) -> Value {
  InstallFaults install;
  const auto* assumption = starlark::host_as<AssumptionObject>(c.args()[0]);
  assumption_rules(*c.host_as<Host>().plan, assumption->index(), {}, install.rules);
  return run_in_scope(c, std::move(install), c.args()[1]);
}};

Value cell(Call& c) {
  Bound b;
  if (!bind_call(c, kCellSignature, b)) return Call::failed();
  c.push<CellFrame>(b.values[2]);
  return c.call(kScopedFault.value(), {b.values[1], b.values[0]});
}

constexpr starlark::Builtin kCell{plan::kCellBuiltin, cell, &kCellSignature};

constexpr starlark::Builtin kAll[] = {
    {"scenario", scenario, &kScenario},
    {"test", test, &kTest},
    {"known_failure", known_failure, &kKnown},
    {"fault_assumption", fault_assumption, &kAssumption},
    {"fault_matrix", fault_matrix, &kMatrix}};

}  // namespace

std::span<const starlark::Builtin> composition_builtins() { return kAll; }

const starlark::Builtin& cell_builtin() { return kCell; }

}  // namespace fbx::model
