// SPDX-License-Identifier: Apache-2.0
#include "spec/model/load.h"

#include <algorithm>

#include "bpf/abi/tables.h"
#include "spec/model/builder.h"
#include "spec/model/dialect.h"
#include "spec/model/needs.h"
#include "spec/model/thaw.h"
#include "spec/plan/keys.h"
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
    if (diagnostics_.size() == before) code();
    if (diagnostics_.size() == before) values();
    return diagnostics_.size() == before;
  }

 private:
  void add(const Place& place, std::string code, const std::string& message,
           const std::string& hint = "") {
    diagnostics_.push_back({place, std::move(code), message, hint});
  }

  // The checks of service() itself.
  void services() {
    NoLoader none;
    Builder builder(none);
    const size_t before = diagnostics_.size();
    for (size_t i = 0; i < plan_.services.size(); ++i) {
      const plan::Service& s = plan_.services[i];
      if (auto p = builder.add_service(s)) add(places_.services[i], p->code, p->message, p->hint);
      for (const auto& interface : s.interfaces) {
        const bool unix_socket = interface.protocol == plan::Protocol::kUnix;
        if ((interface.port == 0) == unix_socket && interface.path.empty() != unix_socket) continue;
        add(places_.services[i], "interface-port",
            "interface \"" + interface.name + "\" has a port, or for unix a path, and not both");
      }
      for (const plan::Op& op : s.ops) op_calls(op, places_.services[i]);
      word(Takes::kSignal, s.stop_signal, "stop_signal", places_.services[i]);
      word(Takes::kInject, s.inject, "inject", places_.services[i]);
    }
    if (diagnostics_.size() != before) return;
    Diagnostics cycles;
    builder.finish_services(cycles);
    for (Diagnostic& d : cycles) add(places_.services.front(), d.code, d.message, d.hint);
  }

  void op_calls(const plan::Op& op, const Place& place) {
    for (const std::string& call : op.syscalls) {
      if (!abi::members(call).empty()) continue;
      add(place, "unknown-syscall", "op \"" + op.name + "\" holds \"" + call +
                                        "\", which is no system call and no family of them",
          suggest(call, abi::keywords()));
    }
  }

  void word(Takes takes, const std::string& got, const char* what, const Place& place) {
    const CheckContext context{&plan_, true};
    if (auto p = check_takes(takes, heap_.string(got), what, context)) {
      add(place, p->code, p->message, p->hint);
    }
  }

  void assumptions() {
    const CheckContext context{&plan_, true};
    for (const plan::Assumption& a : plan_.assumptions) {
      for (const plan::AssumedFault& f : a.faults) {
        const Place& place = places_.document;
        if (auto p = check_fault_keyword(f.keyword, static_cast<int>(f.service), context)) {
          add(place, p->code, "assumption \"" + a.name + "\": " + p->message, p->hint);
        }
        if (!f.action.errname.empty()) word(Takes::kErrno, f.action.errname, "deny", place);
        if (!f.action.on.empty()) word(Takes::kOn, f.action.on, "on", place);
        if (!f.action.to.empty()) word(Takes::kTo, f.action.to, "to", place);
      }
    }
  }

  // ---- code

  void code() {
    for (size_t m = 0; m < plan_.image.modules.size(); ++m) {
      auto program = starlark::Program::create(plan_.image.modules[m].code, predeclared_names());
      if (program) {
        plan_.image.programs.push_back(std::move(*program));
        continue;
      }
      for (const auto& d : program.error()) add(code_place(m, d), "plan-code", d.message, d.hint);
    }
  }

  // The verifier names the function in its message, and counts lines from the code's first.
  Place code_place(size_t module, const starlark::Diagnostic& d) const {
    const auto& functions = plan_.image.modules[module].code.functions;
    Place best = places_.document;
    size_t longest = 0;
    for (size_t f = 0; f < functions.size(); ++f) {
      const std::string& key = functions[f].key;
      if (key.size() <= longest || d.message.find(key) == std::string::npos) continue;
      longest = key.size();
      best = places_.code[module][f];
      if (d.line > 0) best.line += static_cast<uint32_t>(d.line) - 1;
    }
    return best;
  }

  // ---- values

  void values() {
    Thawing thawing(plan_, heap_, predeclared_);
    if (!thawing.globals()) return bad_value(thawing);
    Knowledge knowledge(heap_, predeclared_, CheckContext{&plan_, true});
    for (size_t t = 0; t < plan_.tests.size(); ++t) {
      plan::Test& test = plan_.tests[t];
      const starlark::Value entry = thawing.value(test.entry);
      std::vector<starlark::Value> args;
      for (const plan::ValueRef arg : test.args) args.push_back(thawing.value(arg));
      if (!thawing.problem().empty()) return bad_value(thawing);
      if (!starlark::is_callable(entry)) {
        add(places_.tests[t], "plan-type", "what test \"" + test.name + "\" calls is " +
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
    for (const std::string& call : test.observe) want += " \"" + call + "\"";
    add(places_.tests[t], "plan-needs",
        "what test \"" + test.name + "\" says that it needs is not what its code needs: needs" + want,
        "leave needs and observe out, and they are computed");
  }

  void bad_value(const Thawing& thawing) {
    const plan::ValueRef culprit = thawing.culprit();
    Place place = places_.document;
    if (culprit < places_.values.size() && places_.values[culprit] != 0) {
      place = Place{place.file, places_.values[culprit], 0};
    }
    add(place, "plan-value", thawing.problem());
  }

  plan::Plan& plan_;
  const plan::PlanPlaces& places_;
  const std::vector<bool>& needs_given_;
  Diagnostics& diagnostics_;
  starlark::Heap heap_;
  starlark::Predeclared predeclared_;
};

}  // namespace

std::optional<plan::Plan> load_plan(std::string_view text, const std::string& file,
                                    Diagnostics& diagnostics) {
  auto read = plan::read_plan(text, file, diagnostics);
  if (!read || !PlanLoader(*read, diagnostics).load()) return std::nullopt;
  return std::move(read->plan);
}

}  // namespace fbx::model
