// SPDX-License-Identifier: Apache-2.0
#include "spec/model/scopes.h"

#include <algorithm>

#include "bpf/abi/tables.h"
#include "spec/model/objects.h"

namespace fbx::model {

namespace {

class ScopeFrame final : public starlark::Continuation {
 public:
  ScopeFrame(BodyState& body, Value run) : body_(body), id_(body.next_scope++), run_(run) {
    body_.scopes.push_back(id_);
    arm();
  }
  ScopeId id() const { return id_; }

  Value next(starlark::Call& c, Value got) override {
    if (called_) return got;
    called_ = true;
    return c.call(run_);
  }

  Value exit(starlark::Call& c, Value) override {
    if (left_) return Value::none();
    left_ = true;
    std::erase(body_.scopes, id_);
    return ask(c, LeaveScope{id_});
  }

 private:
  BodyState& body_;
  ScopeId id_;
  Value run_;
  bool called_ = false;
  bool left_ = false;
};

template <class Install>
Value run_scope(starlark::Call& c, Install install, Value run) {
  auto& frame = c.push<ScopeFrame>(*c.host_as<Host>().body, run);
  install.scope = frame.id();
  return ask(c, std::move(install));
}

}  // namespace

Value run_in_scope(starlark::Call& c, InstallFaults install, Value run) {
  return run_scope(c, std::move(install), run);
}

Value run_in_scope(starlark::Call& c, InstallPartition install, Value run) {
  return run_scope(c, std::move(install), run);
}

Value run_in_scope(starlark::Call& c, PauseService install, Value run) {
  return run_scope(c, install, run);
}

RuleSpec rule_spec(uint32_t service, std::string_view keyword, const plan::Action& action,
                   const Place& place) {
  RuleSpec rule;
  rule.service = service;
  rule.keyword = keyword;
  switch (action.kind) {
    case plan::Action::Kind::kDeny: rule.action = RuleSpec::Action::kDeny; break;
    case plan::Action::Kind::kDelay: rule.action = RuleSpec::Action::kDelay; break;
    case plan::Action::Kind::kAllow: rule.action = RuleSpec::Action::kAllow; break;
  }
  rule.errnum = abi::errno_number(action.errname).value_or(0);
  rule.errname = action.errname;
  rule.delay_ns = action.delay_ns;
  rule.probability = action.probability;
  rule.after = action.after;
  rule.every = action.every;
  rule.max_fires = action.max_fires;
  rule.path = action.path;
  rule.to = action.to;
  rule.on = action.on;
  rule.sticky = action.sticky;
  rule.optional = action.optional;
  rule.label = action.label;
  rule.display = std::string(keyword) + "=" + action_text(action);
  rule.place = place;
  return rule;
}

void assumption_rules(const plan::Plan& plan, uint32_t assumption, const Place& place,
                      std::vector<RuleSpec>& out) {
  const plan::Assumption& a = plan.assumptions[assumption];
  for (const uint32_t included : a.includes) assumption_rules(plan, included, place, out);
  for (const plan::AssumedFault& fault : a.faults) {
    out.push_back(rule_spec(fault.service, fault.keyword, fault.action,
                            a.place.line != 0 ? a.place : place));
  }
}

}  // namespace fbx::model
