// SPDX-License-Identifier: Apache-2.0
#include "spec/model/needs.h"

#include <algorithm>
#include <set>

#include "bpf/abi/tables.h"
#include "spec/model/builtins.h"
#include "spec/model/filters.h"
#include "spec/model/objects.h"
#include "spec/plan/need_text.h"
#include "spec/starlark/values.h"

namespace fbx::model {

namespace {

namespace core = starlark::core;
using starlark::Kind;

class NeedsFinder {
 public:
  NeedsFinder(Knowledge& knowledge, plan::Test& test)
      : knowledge_(knowledge), plan_(*knowledge.context().plan), test_(test) {}

  void find(Value entry, const std::vector<Value>& args) {
    todo_.push_back(entry);
    todo_.insert(todo_.end(), args.begin(), args.end());
    reach();
    if (starlark::is_kind(entry, Kind::builtin) &&
        starlark::builtin_of(entry) == &cell_builtin()) {
      assumption(starlark::host_as<AssumptionObject>(args[1])->index());
    }
    for (const FunctionAt& at : functions_) scan(at);
    finish();
  }

 private:
  // ---- what can be reached

  void reach() {
    while (!todo_.empty()) {
      const Value v = todo_.back();
      todo_.pop_back();
      if (!v.valid() || !v.is_object() || !seen_.insert(v.bits()).second) continue;
      visit(v);
    }
  }

  void visit(Value v) {
    switch (starlark::kind_of(v)) {
      case Kind::list:
      case Kind::tuple:
        for (const Value item : starlark::elements(v)) todo_.push_back(item);
        break;
      case Kind::dict:
      case Kind::set: {
        size_t cursor = 0;
        Value key, item;
        while (starlark::next_entry(v, cursor, key, item)) {
          todo_.push_back(key);
          todo_.push_back(item);
        }
        break;
      }
      case Kind::structure:
        for (const Keyword& field : starlark::fields(v)) todo_.push_back(field.value);
        break;
      case Kind::function: {
        const auto view = starlark::view_function(v);
        todo_.insert(todo_.end(), view.defaults.begin(), view.defaults.end());
        for (const Value cell : view.cells) todo_.push_back(starlark::cell_value(cell));
        function({view.module, view.core});
        break;
      }
      case Kind::builtin: loose(*starlark::builtin_of(v)); break;
      case Kind::host:
        if (const auto* a = starlark::host_as<AssumptionObject>(v)) assumptions_.insert(a->index());
        break;
      default: break;
    }
  }

  void function(const FunctionAt& at) {
    if (!known_functions_.insert(at.function).second) return;
    functions_.push_back(at);
    for (const auto& name : core::globals_of(*at.function)) {
      todo_.push_back(at.module->global(name));
    }
    for (const auto& key : core::made_by(*at.function)) {
      function({at.module, at.module->program().core().find(key)});
    }
  }

  // A built-in as a value: it may be called anywhere, with anything.
  void loose(const starlark::Builtin& builtin) {
    const Signature* signature = signature_of(builtin);
    if (signature == nullptr) return;
    const std::string_view name = signature->name;
    if (name.starts_with("fault")) any_fault();
    if (name.starts_with("partition") || name == "isolate") any_partition();
    if (looks_back(name) || name == "assert_before" || name.starts_with("trace")) {
      see({});
    }
  }

  // Takes a filter's keys.
  static bool looks_back(std::string_view name) {
    constexpr std::string_view kNames[] = {"assert_count", "assert_eventually", "assert_never",
                                           "await_event",  "await_stable",      "events"};
    return std::ranges::find(kNames, name) != std::end(kNames);
  }

  void any_fault() {
    add(plan::Need::Kind::kDeny, -1, "*");
    add(plan::Need::Kind::kDelay, -1, "*");
    see({});
  }
  void any_partition() {
    partition("refuse");
    partition("drop");
  }

  // ---- what the reached code does

  void scan(const FunctionAt& at) {
    const core::Function& f = *at.function;
    for (uint32_t i = 0; i < f.code.size(); ++i) {
      const core::Instr& instr = f.code[i];
      // They read an iteration. What it goes over was looked at where it was opened.
      if (instr.op == core::Op::next || instr.op == core::Op::end) continue;
      const bool call = instr.op == core::Op::call;
      const CallSite site = call ? knowledge_.call(at, i) : CallSite{};
      // A temporary that holds a built-in is looked at where it is read.
      const bool moved = instr.op == core::Op::let && instr.dst.kind == core::OperandKind::temp;
      const bool callee = call && instr.name == core::kNone && is_known(site.callee);
      for (uint32_t o = moved || callee ? 1 : 0; o < instr.count; ++o) {
        may_hold(at, i, f.operands[instr.first + o]);
      }
      if (call) look_at(site);
    }
  }

  // The operand may be a built-in that is passed on, or called where it can't be followed.
  void may_hold(const FunctionAt& at, uint32_t index, const core::Operand& operand) {
    const core::Function& f = *at.function;
    if (operand.kind == core::OperandKind::temp) {
      if (const auto writer = Knowledge::definition(f, index, operand.index)) {
        return may_move(at, *writer);
      }
      for (uint32_t i = 0; i < f.code.size(); ++i) {
        const core::Operand& dst = f.code[i].dst;
        if (dst.kind == operand.kind && dst.index == operand.index) may_move(at, i);
      }
      return;
    }
    if (operand.kind != core::OperandKind::predeclared) return;
    const Value v = knowledge_.operand(at, index, operand);
    if (is_known(v) && starlark::is_kind(v, Kind::builtin)) loose(*starlark::builtin_of(v));
  }

  void may_move(const FunctionAt& at, uint32_t writer) {
    if (!moves_.insert({at.function, writer}).second) return;
    const core::Instr& instr = at.function->code[writer];
    if (instr.op == core::Op::let) may_hold(at, writer, at.function->operands[instr.first]);
  }

  void look_at(const CallSite& site) {
    if (site.signature == nullptr) return;
    Bound b;
    // A call with a mistake fails before it does anything.
    if (bind(*site.signature, Given{site.args, site.kwargs, site.open}, knowledge_.context(), b)) {
      return;
    }
    const std::string_view name = site.signature->name;
    if (site.signature->extra == Extra::kFaults) return fault(b);
    if (name == "partition" || name == "partition_start" || name == "isolate") {
      return cut(*site.signature, b);
    }
    if (looks_back(name)) return filter(b);
    if (name == "assert_before") {
      filter_dict(b.values[0]);
      return filter_dict(b.values[1]);
    }
    if (name == "trace" || name == "trace_start") return trace(b);
  }

  static Value named(const Signature& signature, const Bound& b, std::string_view param) {
    for (size_t i = 0; i < signature.params.size(); ++i) {
      if (signature.params[i].name == param) return b.values[i];
    }
    return Value();
  }

  void fault(const Bound& b) {
    const Value target = b.values.empty() ? Value() : b.values[0];
    const bool known = target.valid() && is_known(target);
    const auto* assumed = known ? starlark::host_as<AssumptionObject>(target) : nullptr;
    if (assumed != nullptr) return assumption(assumed->index());
    std::vector<int> services = {-1};
    if (known) {
      const auto all = services_arg(b, 0);
      services.assign(all.begin(), all.end());
    } else {
      for (const uint32_t index : assumptions_) assumption(index);
    }
    for (const int service : services) {
      for (const Keyword& rule : b.extra) {
        const std::string keyword(starlark::to_string_view(rule.name));
        if (is_known(rule.value)) {
          action(service, keyword, starlark::host_as<ActionObject>(rule.value)->action);
        } else {
          add(plan::Need::Kind::kDeny, service, keyword);
          add(plan::Need::Kind::kDelay, service, keyword);
          watch(service, keyword, {});
        }
      }
      if (b.open) {
        add(plan::Need::Kind::kDeny, service, "*");
        add(plan::Need::Kind::kDelay, service, "*");
        see({.service = service});
      }
    }
  }

  void assumption(uint32_t index) {
    const plan::Assumption& a = plan_.assumptions[index];
    for (const uint32_t included : a.includes) assumption(included);
    for (const auto& f : a.faults) action(static_cast<int>(f.service), f.keyword, f.action);
  }

  void action(int service, const std::string& keyword, const plan::Action& action) {
    plan::Narrowings only, seen;
    const auto narrow = [&](const char* key, const char* seen_as, const std::string& value) {
      if (value.empty()) return;
      only.push_back({key, value});
      seen.push_back({seen_as, value});
    };
    narrow("path", "path", action.path);
    narrow("on", "on", action.on);
    narrow("to", "peer", action.to);
    if (action.kind == plan::Action::Kind::kDeny)
      add(plan::Need::Kind::kDeny, service, keyword, only);
    if (action.delay_ns != 0) add(plan::Need::Kind::kDelay, service, keyword, only);
    // To let a call through, before a rule behind it decides, is to decide about it: by a hand that
    // could as well deny it, or hold it, where it can't be denied.
    if (action.kind == plan::Action::Kind::kAllow)
      add(can_be_denied(service, keyword) ? plan::Need::Kind::kDeny : plan::Need::Kind::kDelay,
          service, keyword, only);
    watch(service, keyword, std::move(seen));
  }

  // By every hand: close would leave its descriptor, accept its connection, exit does not return.
  [[nodiscard]] bool can_be_denied(int service, const std::string& keyword) const {
    std::vector<std::string> words = {keyword};
    for (size_t s = 0; s < plan_.services.size(); ++s) {
      if (service >= 0 && static_cast<size_t>(service) != s) continue;
      for (const plan::Op& op : plan_.services[s].ops)
        if (op.name == keyword) words.insert(words.end(), op.syscalls.begin(), op.syscalls.end());
    }
    for (const std::string& word : words)
      for (const abi::Syscall* row : abi::members(word))
        if (row->families & (FBX_F_CLOSE | FBX_F_ACCEPT) || row->traits & FBX_TRAIT_NO_RETURN)
          return false;
    return true;
  }

  void cut(const Signature& signature, const Bound& b) {
    const Value mode = named(signature, b, "mode");
    const bool known = !mode.valid() || is_known(mode);
    if (!known || b.open) return any_partition();
    partition(mode.valid() ? std::string(starlark::to_string_view(mode)) : "refuse");
  }

  void partition(const std::string& mode) {
    plan::Need need;
    need.kind = plan::Need::Kind::kPartition;
    need.mode = mode;
    need.place = test_.place;
    needs_.push_back(std::move(need));
    see({.what = "connect"});
  }

  void filter_dict(Value dict) {
    Bound b;
    const bool known = is_known(dict) &&
                       !bind_filter_dict(dict, "filter", knowledge_.context(), b);
    if (known) filter(b);
    else see({});
  }

  void filter(const Bound& b) {
    if (b.open) return see({});
    const int service = service_of(b, kService);
    const bool typed = b.has(kType) && is_known(b.values[kType]);
    const std::string type = typed ? string_arg(b, kType) : "syscall";
    if (b.has(kType) && !typed) return see({.service = service});
    if (type != "syscall") return see({service, type, field_keys(b)});
    const bool called = b.has(kSyscall) && is_known(b.values[kSyscall]);
    const bool named = b.has(kOp) && is_known(b.values[kOp]);
    // An op stands for its calls, unless one of them is asked for.
    plan::Narrowings only = filter_keys(b, called);
    if (called) watch(service, string_arg(b, kSyscall), std::move(only));
    else if (named) watch_op(service, string_arg(b, kOp), only);
    else see({service, "*", std::move(only)});
  }

  // The one service that a filter names; −1 when that is not known, or no name of one.
  int service_of(const Bound& b, size_t param) const {
    if (!b.has(param) || !is_known(b.values[param])) return -1;
    const std::string name = peer_arg(b, param);
    const auto found = std::ranges::find(plan_.services, name, &plan::Service::name);
    return found == plan_.services.end() ? -1 : static_cast<int>(found - plan_.services.begin());
  }

  static plan::Narrowings filter_keys(const Bound& b, bool with_op) {
    plan::Narrowings out;
    for (size_t i = kPath; i <= kExe; ++i) {
      if (!b.has(i) || !is_known(b.values[i]) || (i == kOp && !with_op)) continue;
      // ok=None is any.
      if (i == kOk && b.values[i].is_none()) continue;
      const std::string name(filter_key_name(i));
      if (i == kPeer) out.push_back({name, peer_arg(b, i)});
      else narrow(name, b.values[i], out);
    }
    return out;
  }

  // What events of other types are told apart by: the fields of a line, the label of a fault.
  static plan::Narrowings field_keys(const Bound& b) {
    plan::Narrowings out = filter_keys(b, true);
    for (const Keyword& field : b.extra) {
      if (is_known(field.value)) narrow(std::string(starlark::to_string_view(field.name)), field.value, out);
    }
    return out;
  }

  static void narrow(const std::string& name, Value v, plan::Narrowings& out) {
    if (starlark::is_string(v)) out.push_back({name, std::string(starlark::to_string_view(v))});
    else if (!starlark::is_kind(v, Kind::floating)) out.push_back({name, starlark::repr(v), false});
  }

  void trace(const Bound& b) {
    const int service = b.open ? -1 : service_of(b, 0);
    if (!b.has(1) || !is_known(b.values[1]) || b.open) return see({.service = service});
    for (const std::string& keyword : strings_of(b.values[1])) watch(service, keyword, {});
  }

  // A keyword as what is seen: a family by its own name, an op by its calls.
  void watch(int service, const std::string& keyword, plan::Narrowings only) {
    if (const auto* family = abi::find_family(keyword)) {
      see({service, std::string(family->name), std::move(only)});
    } else if (keyword.starts_with("=") || abi::find_syscall(keyword) != nullptr) {
      see({service, keyword, std::move(only)});
    } else {
      watch_op(service, keyword, only);
    }
  }

  // Without a path of its own, a filter or rule by an op is about the op's.
  void watch_op(int service, const std::string& name, const plan::Narrowings& only) {
    bool found = false;
    for (size_t s = 0; s < plan_.services.size(); ++s) {
      if (service >= 0 && s != static_cast<size_t>(service)) continue;
      for (const plan::Op& op : plan_.services[s].ops) {
        if (op.name != name) continue;
        found = true;
        plan::Narrowings of_op = only;
        const bool path = std::ranges::find(only, "path", &plan::Narrowing::key) != only.end();
        if (!path && !op.path.empty()) of_op.insert(of_op.begin(), {"path", op.path});
        for (const std::string& call : op.syscalls) watch(static_cast<int>(s), call, of_op);
      }
    }
    if (!found) see({.service = service, .only = only});
  }

  void see(plan::Interest interest) { observe_.push_back(std::move(interest)); }

  // ---- the result

  void add(plan::Need::Kind kind, int service, const std::string& keyword,
           plan::Narrowings only = {}) {
    plan::Need need;
    need.kind = kind;
    need.service = service;
    need.syscall = keyword;
    need.only = std::move(only);
    need.place = test_.place;
    needs_.push_back(std::move(need));
  }

  void finish() {
    const auto key = [](const plan::Need& n) {
      return std::tie(n.kind, n.service, n.syscall, n.mode, n.only);
    };
    std::sort(needs_.begin(), needs_.end(),
              [&](const auto& a, const auto& b) { return key(a) < key(b); });
    needs_.erase(std::unique(needs_.begin(), needs_.end()), needs_.end());
    test_.needs = std::move(needs_);
    std::ranges::sort(observe_);
    for (const plan::Interest& one : observe_) {
      const bool part = std::ranges::any_of(observe_, [&](const plan::Interest& other) {
        return &other != &one && plan::covers(other, one) &&
               (other != one || &other < &one);
      });
      if (!part) test_.observe.push_back(one);
    }
  }

  Knowledge& knowledge_;
  const plan::Plan& plan_;
  plan::Test& test_;
  std::vector<Value> todo_;
  std::set<uint64_t> seen_;
  std::set<const core::Function*> known_functions_;
  std::vector<FunctionAt> functions_;
  std::set<std::pair<const core::Function*, uint32_t>> moves_;
  std::set<uint32_t> assumptions_;
  std::vector<plan::Need> needs_;
  std::vector<plan::Interest> observe_;
};

}  // namespace

void find_needs(Knowledge& knowledge, Value entry, const std::vector<Value>& args,
                plan::Test& test) {
  NeedsFinder(knowledge, test).find(entry, args);
}

}  // namespace fbx::model
