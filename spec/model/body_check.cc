// SPDX-License-Identifier: Apache-2.0
#include "spec/model/body_check.h"

#include <algorithm>

#include "bpf/abi/tables.h"
#include "spec/model/dialect.h"
#include "spec/model/objects.h"

namespace fbx::model {

namespace {

namespace core = starlark::core;

Place place_in(const std::string& file, const core::Function& f, uint32_t line, uint32_t col) {
  return {file, f.line + line, col};
}

Place instr_place(const std::string& file, const core::Function& f, const core::Instr& i) {
  return place_in(file, f, i.line, i.col);
}

Place operand_place(const std::string& file, const core::Function& f, const core::Instr& i,
                    const core::Operand& operand) {
  if (operand.col == 0) return instr_place(file, f, i);
  return place_in(file, f, operand.line, operand.col);
}

class BodyCheck {
 public:
  BodyCheck(const FunctionAt& at, Knowledge& knowledge, Diagnostics& diagnostics)
      : at_(at), f_(*at.function), file_(at.module->file()), knowledge_(knowledge),
        diagnostics_(diagnostics), top_(at.function->key.empty()) {}

  void check() {
    for (uint32_t i = 0; i < f_.code.size(); ++i) {
      const core::Instr& instr = f_.code[i];
      if (instr.op == core::Op::call) call(i);
      if (instr.op == core::Op::attr) {
        attribute(instr, knowledge_.operand(at_, i, f_.operands[instr.first]));
      }
    }
  }

 private:
  void add(const Place& place, Problem problem, Severity severity = Severity::kError) {
    if (top_ && severity == Severity::kError) return;
    diagnostics_.push_back({place, problem.code, std::move(problem.message),
                            std::move(problem.hint), severity});
  }

  void attribute(const core::Instr& instr, Value receiver) {
    if (!is_known(receiver) || !starlark::is_kind(receiver, starlark::Kind::host)) return;
    auto* object = starlark::host_object(receiver);
    const std::string& name = f_.names[instr.name];
    std::vector<std::string> known;
    for (const std::string_view n : object->attr_names()) known.emplace_back(n);
    if (std::find(known.begin(), known.end(), name) != known.end()) return;
    add(instr_place(file_, f_, instr),
        {"unknown-attribute", std::string(object->type()) + " " + subject(receiver) +
                                  "has no attribute `" + name + "`",
         suggest(name, known)});
  }

  static std::string subject(Value receiver) {
    const auto* service = starlark::host_as<ServiceObject>(receiver);
    return service == nullptr ? "" : "\"" + service->service().name + "\" ";
  }

  void call(uint32_t index) {
    const core::Instr& instr = f_.code[index];
    const CallSite site = knowledge_.call(at_, index);
    if (site.receiver.valid() && !is_known(site.callee)) attribute(instr, site.receiver);
    if (site.signature == nullptr) return;
    Bound bound;
    auto problem = bind(*site.signature, Given{site.args, site.kwargs, site.open},
                        knowledge_.context(), bound);
    if (!problem && site.signature->make != nullptr && bound.all_known() && !site.open) {
      starlark::Heap heap;
      MakeContext context{heap, knowledge_.context().plan};
      site.signature->make(context, bound);
      problem = std::move(context.problem);
      if (problem) problem->message = std::string(site.signature->name) + "(): " + problem->message;
    }
    if (problem) {
      const Place place = place_of(instr, site, *problem);
      add(place, std::move(*problem));
    } else if (site.signature->extra == Extra::kFaults) {
      warn_of_rules(instr, site, bound);
    }
  }

  Place place_of(const core::Instr& instr, const CallSite& site, const Problem& problem) const {
    if (problem.positional >= 0 &&
        static_cast<size_t>(problem.positional) < site.arg_operands.size()) {
      return operand_place(file_, f_, instr,
                           *site.arg_operands[static_cast<size_t>(problem.positional)]);
    }
    return keyword_place(instr, site, problem.keyword);
  }

  Place keyword_place(const core::Instr& instr, const CallSite& site,
                      std::string_view keyword) const {
    for (size_t i = 0; i < site.kwargs.size(); ++i) {
      if (starlark::to_string_view(site.kwargs[i].name) == keyword) {
        return operand_place(file_, f_, instr, *site.kwarg_operands[i]);
      }
    }
    return instr_place(file_, f_, instr);
  }

  void warn_of_rules(const core::Instr& instr, const CallSite& site, const Bound& bound) {
    for (const Keyword& rule : bound.extra) {
      if (!is_known(rule.value)) continue;
      const std::string keyword(starlark::to_string_view(rule.name));
      const plan::Action& action = starlark::host_as<ActionObject>(rule.value)->action;
      const Place place = keyword_place(instr, site, keyword);
      if (abi::members(keyword).empty()) continue;  // an op
      impossible_errno(place, keyword, action);
      meaningless_option(place, keyword, action);
    }
  }

  void impossible_errno(const Place& place, const std::string& keyword,
                        const plan::Action& action) {
    if (action.errname.empty() || abi::keyword_can_return(keyword, action.errname)) return;
    std::string hint;
    for (const auto& [disk, net] : {std::pair("write", "send"), {"read", "recv"}}) {
      if (keyword == disk && abi::keyword_can_return(net, action.errname)) {
        hint = std::string("did you mean ") + net + "=?";
      }
    }
    add(place, {"unlikely-errno", keyword + " does not return " + action.errname, hint},
        Severity::kWarning);
  }

  void meaningless_option(const Place& place, const std::string& keyword,
                          const plan::Action& action) {
    const uint32_t kinds = abi::default_kinds(keyword);
    const bool sockets_only = (kinds & ~uint32_t{FBX_KINDS_SOCKETS}) == 0;
    const bool files_only = (kinds & FBX_KINDS_SOCKETS) == 0;
    if (!action.path.empty() && sockets_only && action.on.empty()) {
      add(place, {"unlikely-path", keyword + " has no path that `path` could match",
                  "did you mean to=?"},
          Severity::kWarning);
    }
    if (!action.to.empty() && files_only && action.on.empty()) {
      add(place, {"unlikely-to", keyword + " hits files, which have no peer that `to` could match",
                  "did you mean path=?"},
          Severity::kWarning);
    }
  }

  const FunctionAt& at_;
  const core::Function& f_;
  std::string file_;
  Knowledge& knowledge_;
  Diagnostics& diagnostics_;
  bool top_;
};

}  // namespace

void check_not_yet(const core::Module& module, Diagnostics& diagnostics) {
  for (const core::Function& f : module.functions) {
    for (const core::Instr& instr : f.code) {
      for (uint32_t i = 0; i < instr.count; ++i) {
        const core::Operand& operand = f.operands[instr.first + i];
        if (operand.kind != core::OperandKind::predeclared) continue;
        const std::string& name = f.names[operand.index];
        const std::string_view instead = not_yet(name);
        if (instead.empty()) continue;
        diagnostics.push_back({operand_place(module.file, f, instr, operand), "not-yet",
                               name + "() is not there yet", std::string(instead)});
      }
    }
  }
}

void check_bodies(starlark::Module& module, Knowledge& knowledge, Diagnostics& diagnostics) {
  for (const core::Function& function : module.program().core().functions) {
    BodyCheck(FunctionAt{&module, &function}, knowledge, diagnostics).check();
  }
}

}  // namespace fbx::model
