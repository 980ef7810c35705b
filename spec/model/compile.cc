// SPDX-License-Identifier: Apache-2.0
#include "spec/model/compile.h"

#include <algorithm>
#include <set>

#include "spec/model/body_check.h"
#include "spec/model/builder.h"
#include "spec/model/dialect.h"
#include "spec/model/freeze.h"
#include "spec/model/host.h"
#include "spec/model/needs.h"
#include "spec/model/spec_files.h"
#include "spec/plan/keys.h"
#include "spec/plan/sha256.h"
#include "spec/starlark/vm.h"

namespace fbx::model {

namespace {

using starlark::Value;

class Compiler {
 public:
  Compiler(Loader& loader, const std::string& spec, const CompileLimits& limits)
      : spec_(spec), predeclared_(predeclared(heap_)), builder_(loader),
        files_(builder_, heap_, predeclared_, environment_, out_.diagnostics),
        knowledge_(heap_, predeclared_, CheckContext{&builder_.plan, true}) {
    host_.plan = &builder_.plan;
    host_.builder = &builder_;
    environment_.host = &host_;
    environment_.limits.steps = limits.steps;
    environment_.load = [this](starlark::Fiber& fiber, std::string_view name) {
      return files_.load(fiber.place().file, std::string(name));
    };
  }

  Compiled compile() {
    builder_.plan.spec = spec_;
    main_ = files_.main(spec_);
    if (main_ == nullptr) return std::move(out_);
    builder_.plan.sha256 = files_.main_sha256();
    builder_.finish_services(out_.diagnostics);
    for (starlark::Module* module : files_.modules()) {
      check_bodies(*module, knowledge_, out_.diagnostics);
    }
    collect_tests();
    if (!has_errors(out_.diagnostics)) freeze();
    sort_diagnostics();
    if (!has_errors(out_.diagnostics)) out_.plan = std::move(builder_.plan);
    return std::move(out_);
  }

 private:
  void add(const Place& place, DiagnosticCode code, const std::string& message,
           const std::string& hint = "") {
    out_.diagnostics.push_back({place, code, message, hint});
  }

  // ---- tests

  // Every name test_… that the spec binds at top level to a function.
  void collect_functions() {
    namespace core = starlark::core;
    const auto* top = main_->program().core().find("");
    if (top == nullptr) return;
    for (const core::Instr& instr : top->code) {
      bound(*top, instr, instr.dst);
      for (uint32_t t = 0; t < instr.targets; ++t) {
        bound(*top, instr, top->operands[instr.first + instr.count + t]);
      }
    }
  }

  void bound(const starlark::core::Function& top, const starlark::core::Instr& instr,
             const starlark::core::Operand& target) {
    if (target.kind != starlark::core::OperandKind::global) return;
    const std::string& name = top.names[target.index];
    const Value fn = main_->global(name);
    if (!fn.valid() || !starlark::is_kind(fn, starlark::Kind::function)) return;
    if (!name.starts_with("test_")) {
      if (name.find("test") != std::string::npos) nearly_test_ = name;
      return;
    }
    Builder::Registered test;
    const auto view = starlark::view_function(fn);
    test.test.name = name;
    test.test.doc = doc_line(fn);
    test.test.place = {std::string(view.module->file()), view.core->line, view.core->col};
    test.entry = fn;
    test.line = top.line + instr.line;
    builder_.add_test(std::move(test));
  }

  void collect_tests() {
    collect_functions();
    auto& all = builder_.registered;
    std::stable_sort(all.begin(), all.end(),
                     [](const auto& a, const auto& b) { return a.line < b.line; });
    std::map<std::string, Place> seen;
    for (const auto& test : all) {
      const auto [first, fresh] = seen.try_emplace(test.test.name, test.test.place);
      if (!fresh) {
        add(test.test.place, "test-twice",
            "two tests are named \"" + test.test.name + "\", the first at " + first->second.text());
      }
      check_parameters(test);
    }
    mark_known(seen);
    if (all.empty() && !has_errors(out_.diagnostics)) {
      const std::string nearly =
          nearly_test_.empty() ? "" : ": " + nearly_test_ + " does not begin with test_";
      add(Place{spec_, 1, 1}, "no-tests", "the spec has no test" + nearly,
          "define a function test_…, or register one with scenario() or test()");
    }
  }

  // How many arguments the test's function is called with must be how many it takes.
  void check_parameters(const Builder::Registered& test) {
    if (!starlark::is_kind(test.entry, starlark::Kind::function)) return;
    using starlark::core::ParamKind;
    size_t required = 0, most = 0;
    bool any = false;
    for (const auto& param : starlark::view_function(test.entry).core->params) {
      if (param.kind == ParamKind::star) any = true;
      if (param.kind == ParamKind::normal) ++most;
      const bool named = param.kind == ParamKind::normal || param.kind == ParamKind::keyword_only;
      if (named && !param.has_default) ++required;
    }
    const size_t got = test.args.size();
    if (got >= required && (any || got <= most)) return;
    add(test.test.place, "test-parameters",
        "test \"" + test.test.name + "\" calls its function with " + std::to_string(got) +
            " arguments, and it takes " + std::to_string(required) +
            (any ? " or more" : most > required ? " to " + std::to_string(most) : ""));
  }

  void mark_known(const std::map<std::string, Place>& tests) {
    for (const auto& known : builder_.known_failures) {
      const auto test =
          std::find_if(builder_.registered.begin(), builder_.registered.end(), [&](const auto& t) {
            return t.test.name == known.test || t.test.name == "test_" + known.test;
          });
      if (test != builder_.registered.end()) {
        test->test.known_failure = known.reason;
        continue;
      }
      std::vector<std::string> names;
      for (const auto& [name, place] : tests) names.push_back(name);
      add(known.place, "unknown-test",
          "known_failure() names \"" + known.test + "\", and no test has that name",
          suggest(known.test, names));
    }
  }

  // ---- the image

  void freeze() {
    plan::Plan& plan = builder_.plan;
    const std::vector<starlark::Module*> modules = files_.modules();
    Freezer freezer(modules, plan.image);
    std::map<std::pair<int, std::string>, int> baselines;
    for (Builder::Registered& r : builder_.registered) {
      heap_.freeze(r.entry);
      r.test.entry = freezer.value(r.entry);
      for (const Value arg : r.args) {
        heap_.freeze(arg);
        r.test.args.push_back(freezer.value(arg));
      }
      const std::pair row(r.test.matrix, r.test.scenario);
      if (r.test.kind == plan::TestKind::kBaseline) baselines[row] = static_cast<int>(plan.tests.size());
      if (r.test.kind == plan::TestKind::kCell) r.test.baseline = baselines.at(row);
      find_needs(knowledge_, r.entry, r.args, r.test);
      plan.tests.push_back(r.test);
    }
    if (const std::string problem = freezer.finish(); !problem.empty()) {
      add(Place{spec_}, "plan-value", problem);
      return;
    }
    for (const plan::Module& module : plan.image.modules) {
      auto program = starlark::Program::create(module.code, predeclared_names());
      if (!program) {
        add(Place{spec_}, "internal", "the compiled code does not verify: " + program.error()[0].message);
        return;
      }
      plan.image.programs.push_back(std::move(*program));
    }
    files_.collect_sources();
  }

  void sort_diagnostics() {
    const auto key = [](const Diagnostic& d) {
      return std::tie(d.place.file, d.place.line, d.place.col);
    };
    std::stable_sort(out_.diagnostics.begin(), out_.diagnostics.end(),
                     [&](const auto& a, const auto& b) { return key(a) < key(b); });
  }

  std::string spec_;
  Compiled out_;
  starlark::Heap heap_;
  starlark::Predeclared predeclared_;
  Builder builder_;
  Host host_;
  starlark::Environment environment_;
  SpecFiles files_;
  Knowledge knowledge_;
  starlark::Module* main_ = nullptr;
  std::string nearly_test_;  // a function that was perhaps meant to be one
};

}  // namespace

Compiled compile_spec(Loader& loader, const std::string& spec, const CompileLimits& limits) {
  return Compiler(loader, spec, limits).compile();
}

}  // namespace fbx::model
