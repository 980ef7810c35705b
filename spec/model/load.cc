// SPDX-License-Identifier: Apache-2.0
#include "spec/model/load.h"

#include <algorithm>
#include <cctype>
#include <initializer_list>

#include "bpf/abi/tables.h"
#include "spec/model/builder.h"
#include "spec/model/dialect.h"
#include "spec/model/needs.h"
#include "spec/model/thaw.h"
#include "spec/plan/keys.h"
#include "spec/plan/need_text.h"
#include "spec/plan/read.h"
#include "spec/starlark/values.h"

namespace fbx::model {

namespace {

class NoLoader final : public Loader {
 public:
  Result<std::string> read_file(const std::string&) override { return fail("a plan reads no files"); }
  std::optional<std::string> env(const std::string&) override { return std::nullopt; }
};

class PlanLoader {
 public:
  PlanLoader(plan::ReadPlan& read, Diagnostics& diagnostics)
      : plan_(read.plan), places_(read.places), needs_given_(read.needs_given),
        diagnostics_(diagnostics), predeclared_(predeclared(heap_)) {}

  bool load() {
    const size_t before = diagnostics_.size();
    services();
    assumptions();
    test_names();
    if (diagnostics_.size() == before) code();
    if (diagnostics_.size() == before) values();
    return diagnostics_.size() == before;
  }

 private:
  void add(const Place& place, DiagnosticCode code, const std::string& message,
           const std::string& hint = "") {
    diagnostics_.push_back({place, code, message, hint});
  }
  void add(const Place& place, Problem problem) {
    diagnostics_.push_back({place, problem.code, std::move(problem.message), std::move(problem.hint)});
  }

  // ---- what the built-ins that declare things check

  void services() {
    NoLoader none;
    Builder builder(none);
    const size_t before = diagnostics_.size();
    for (size_t i = 0; i < plan_.services.size(); ++i) {
      const plan::Service& s = plan_.services[i];
      if (auto p = builder.add_service(s)) add(argument_place(i, p->positional), std::move(*p));
      word(Takes::kSignal, s.stop_signal, "stop_signal", {"service", i, "stop_signal"});
      word(Takes::kInject, s.inject, "inject", {"service", i, "inject"});
      health(s.healthcheck, i);
      limits(s, i);
      for (size_t k = 0; k < s.interfaces.size(); ++k) interface(s.interfaces[k], i, k);
      for (size_t k = 0; k < s.ops.size(); ++k) op(s.ops[k], i, k);
      for (size_t k = 0; k < s.prepare.size(); ++k) {
        if (!s.prepare[k].empty()) continue;
        add(places_.of({"service", i, "prepare", k}), "argument-value",
            "`prepare` holds an empty command");
      }
    }
    if (diagnostics_.size() != before) return;
    for (const Builder::Cycle& cycle : builder.cycles()) {
      add(places_.of({"service", cycle.service, "depends_on"}), "dependency-cycle",
          "services depend on each other in a cycle: " + cycle.text);
    }
  }

  // Where the plan has what is an argument of service(): its name, then the interfaces.
  Place argument_place(size_t service, int position) const {
    if (position < 2) return places_.of({"service", service, "name"});
    return places_.of({"service", service, "interfaces", static_cast<size_t>(position - 2)});
  }

  void interface(const plan::Interface& interface, size_t service, size_t number) {
    const bool unix_socket = interface.protocol == plan::Protocol::kUnix;
    if ((interface.port == 0) == unix_socket && interface.path.empty() != unix_socket) return;
    add(places_.of({"service", service, "interfaces", number}), "interface-port",
        "interface \"" + interface.name + "\" has a port, or for unix a path, and not both");
  }

  void health(const plan::HealthCheck& check, size_t service) {
    using Kind = plan::HealthCheck::Kind;
    if (check.kind == Kind::kTcp) {
      word(Takes::kAddress, check.target, "tcp", {"service", service, "healthcheck", "tcp"});
    } else if (check.kind == Kind::kHttp) {
      word(Takes::kUrl, check.target, "http", {"service", service, "healthcheck", "http"});
    }
  }

  void limits(const plan::Service& s, size_t service) {
    const Value table = heap_.dict(s.limits.size());
    for (const auto& [key, value] : s.limits) {
      (void)heap_.dict_set(table, heap_.string(key), heap_.string(value));
    }
    check(Takes::kLimits, table, "limits", {"service", service, "limits"});
  }

  void op(const plan::Op& op, size_t service, size_t number) {
    if (!abi::members(op.name).empty()) {
      add(places_.of({"service", service, "ops", number, "name"}), "argument-value",
          "an op is named \"" + op.name + "\", which is a system call or a family already");
    }
    if (op.syscalls.empty()) {
      add(places_.of({"service", service, "ops", number}), "argument-value",
          "op \"" + op.name + "\" holds no system call");
    }
    for (size_t i = 0; i < op.syscalls.size(); ++i) {
      if (!abi::members(op.syscalls[i]).empty()) continue;
      add(places_.of({"service", service, "ops", number, "syscalls", i}), "unknown-syscall",
          "op \"" + op.name + "\" holds \"" + op.syscalls[i] +
              "\", which is no system call and no family of them",
          suggest(op.syscalls[i], abi::keywords()));
    }
  }

  void assumptions() {
    for (size_t a = 0; a < plan_.assumptions.size(); ++a) {
      const auto& faults = plan_.assumptions[a].faults;
      for (size_t i = 0; i < faults.size(); ++i) fault(faults[i], a, i);
    }
  }

  void fault(const plan::AssumedFault& f, size_t assumption, size_t number) {
    const auto at = [&](const char* key) {
      return places_.of({"assumption", assumption, "faults", number, key});
    };
    if (auto p = check_fault_keyword(f.keyword, static_cast<int>(f.service), context_)) {
      add(at("call"), std::move(*p));
    }
    const auto word_at = [&](Takes takes, const std::string& got, const char* key) {
      if (got.empty()) return;
      if (auto p = check_takes(takes, heap_.string(got), key, context_)) add(at(key), std::move(*p));
    };
    word_at(Takes::kErrno, f.action.errname, "deny");
    word_at(Takes::kOn, f.action.on, "on");
    word_at(Takes::kTo, f.action.to, "to");
  }

  void test_names() {
    if (plan_.tests.empty()) {
      add(places_.of({}), "no-tests", "the plan has no test", "add a [[test]]");
    }
    for (size_t t = 0; t < plan_.tests.size(); ++t) {
      for (const char c : plan_.tests[t].name) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte >= 0x80 || std::isalnum(byte) != 0 || c == '_' || c == '-') continue;
        add(places_.of({"test", t, "name"}), "argument-value",
            "test \"" + plan_.tests[t].name + "\": a name is made of letters, digits, `_` and `-`");
        break;
      }
    }
  }

  void word(Takes takes, const std::string& got, const char* what,
            std::initializer_list<plan::PlanStep> at) {
    check(takes, heap_.string(got), what, at);
  }
  void check(Takes takes, Value got, const char* what, std::initializer_list<plan::PlanStep> at) {
    if (auto p = check_takes(takes, got, what, context_)) add(places_.of(at), std::move(*p));
  }

  // ---- code

  // A plan of a later fbx may call what this one lacks.
  void calls_not_yet(size_t module) {
    const auto& functions = plan_.image.modules[module].code.functions;
    for (size_t f = 0; f < functions.size(); ++f) {
      for (size_t i = 0; i < functions[f].code.size(); ++i) {
        const auto& instr = functions[f].code[i];
        for (uint32_t o = 0; o < instr.count; ++o) {
          const auto& operand = functions[f].operands[instr.first + o];
          if (operand.kind != starlark::core::OperandKind::predeclared) continue;
          const std::string& name = functions[f].names[operand.index];
          if (const auto instead = not_yet(name); !instead.empty()) {
            add(instruction_place(module, f, i), "not-yet", name + "() is not there yet",
                std::string(instead));
          }
        }
      }
    }
  }

  // Labels have lines of their own.
  Place instruction_place(size_t module, size_t function, size_t instr) const {
    Place place = places_.code[module][function].first;
    for (const uint32_t label : plan_.image.modules[module].code.functions[function].labels) {
      place.line += label <= instr ? 1 : 0;
    }
    place.line += static_cast<uint32_t>(instr);
    return place;
  }

  void code() {
    for (size_t m = 0; m < plan_.image.modules.size(); ++m) {
      auto program = starlark::Program::create(plan_.image.modules[m].code, predeclared_names());
      if (program) {
        plan_.image.programs.push_back(std::move(*program));
        calls_not_yet(m);
        continue;
      }
      for (const auto& d : program.error()) add(code_place(m, d), "plan-code", d.message, d.hint);
    }
  }

  // The verifier begins its message with the function, and counts lines from the code's first.
  Place code_place(size_t module, const starlark::Diagnostic& d) const {
    const auto& functions = plan_.image.modules[module].code.functions;
    for (size_t f = 0; f < functions.size(); ++f) {
      if (!d.message.starts_with("function \"" + functions[f].key + "\": ")) continue;
      const auto& code = places_.code[module][f];
      if (d.line == 0) return places_.of({"function", code.table, "name"});
      Place place = code.first;
      place.line += static_cast<uint32_t>(d.line) - 1;
      return place;
    }
    return places_.of({});
  }

  // ---- values

  void values() {
    Thawing thawing(plan_, heap_, predeclared_);
    if (!thawing.globals()) return bad_value(thawing);
    Knowledge knowledge(heap_, predeclared_, context_);
    for (size_t t = 0; t < plan_.tests.size(); ++t) {
      plan::Test& test = plan_.tests[t];
      const starlark::Value entry = thawing.value(test.entry);
      std::vector<starlark::Value> args;
      for (const plan::ValueRef arg : test.args) args.push_back(thawing.value(arg));
      if (!thawing.problem().empty()) return bad_value(thawing);
      if (!starlark::is_callable(entry)) {
        add(test_place(t), "plan-type", "what test \"" + test.name + "\" calls is " +
                                               std::string(starlark::type_name(entry)) +
                                               ", and can't be called");
        continue;
      }
      needs(knowledge, entry, args, t);
    }
  }

  void needs(Knowledge& knowledge, starlark::Value entry,
             const std::vector<starlark::Value>& args, size_t t) {
    plan::Test& test = plan_.tests[t];
    const auto stated = std::pair(std::move(test.needs), std::move(test.observe));
    find_needs(knowledge, entry, args, test);
    if (!needs_given_[t] && stated.first.empty() && stated.second.empty()) return;
    if (stated.first == test.needs && stated.second == test.observe) return;
    std::string want;
    for (const plan::Need& need : test.needs) want += " \"" + plan::need_text(plan_, need) + "\"";
    want += "; observe";
    for (const auto& one : test.observe) want += " \"" + plan::interest_text(plan_, one) + "\"";
    add(test_place(t), "plan-needs",
        "what test \"" + test.name + "\" says that it needs is not what its code needs: needs" + want,
        "leave needs and observe out, and they are computed");
  }

  void bad_value(const Thawing& thawing) {
    const plan::ValueRef culprit = thawing.culprit();
    Place place = places_.of({});
    if (culprit < places_.values.size() && places_.values[culprit].line != 0) {
      place = Place{place.file, places_.values[culprit].line, places_.values[culprit].col};
    }
    add(place, "plan-value", thawing.problem(), thawing.hint());
  }

  Place test_place(size_t test) const { return places_.of({"test", test, "name"}); }

  plan::Plan& plan_;
  const plan::PlanPlaces& places_;
  const std::vector<bool>& needs_given_;
  Diagnostics& diagnostics_;
  starlark::Heap heap_;
  starlark::Predeclared predeclared_;
  CheckContext context_{&plan_, true};
};

}  // namespace

std::optional<plan::Plan> load_plan(std::string_view text, const std::string& file,
                                    Diagnostics& diagnostics) {
  auto read = plan::read_plan(text, file, diagnostics);
  if (!read || !PlanLoader(*read, diagnostics).load()) return std::nullopt;
  return std::move(read->plan);
}

}  // namespace fbx::model
