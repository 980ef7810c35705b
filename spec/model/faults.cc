// SPDX-License-Identifier: Apache-2.0
//
// fault(), fault_all(), fault_start(), fault_stop(): rules on system calls of services.
#include <algorithm>

#include "spec/model/builtins.h"
#include "spec/model/host.h"
#include "spec/model/objects.h"
#include "spec/model/scopes.h"
#include "spec/starlark/values.h"

namespace fbx::model {

namespace {

using starlark::Call;
using starlark::Value;

constexpr Param kFaultParams[] = {
    {.name = "service", .takes = Takes::kFaultTarget, .required = true},
    {.name = "run", .takes = Takes::kCallable, .required = true}};
constexpr Param kFaultAllParams[] = {
    {.name = "services", .takes = Takes::kServices, .required = true},
    {.name = "run", .takes = Takes::kCallable, .required = true}};
constexpr Param kStartParams[] = {
    {.name = "service", .takes = Takes::kFaultTarget, .required = true}};
constexpr Param kStopParams[] = {
    {.name = "service", .takes = Takes::kFaultTarget, .required = true}};

// A service needs at least one rule, an assumption brings its own.
std::optional<Problem> some_rule(const Bound& b, const CheckContext&) {
  const Value target = b.values[0];
  if (!target.valid() || !is_known(target) || b.open) return std::nullopt;
  const bool assumption = starlark::host_as<AssumptionObject>(target) != nullptr;
  if (assumption && !b.extra.empty()) {
    return Problem{"fault-conflict", "a fault_assumption brings its own rules, and takes no other",
                   "name both in a fault_assumption(faults=[…])", -1,
                   std::string(starlark::to_string_view(b.extra[0].name))};
  }
  if (!assumption && b.extra.empty()) {
    return Problem{"no-fault", "no rule is given", "write, for instance, write=deny(\"EIO\")"};
  }
  return std::nullopt;
}

constexpr Signature kFault{.name = "fault", .params = kFaultParams, .extra = Extra::kFaults,
                           .where = Where::kBody, .also = some_rule};
constexpr Signature kFaultAll{.name = "fault_all", .params = kFaultAllParams,
                              .extra = Extra::kFaults, .where = Where::kBody, .also = some_rule};
constexpr Signature kFaultStart{.name = "fault_start", .params = kStartParams,
                                .extra = Extra::kFaults, .where = Where::kBody, .also = some_rule};
constexpr Signature kFaultStop{.name = "fault_stop", .params = kStopParams,
                               .where = Where::kBody};

InstallFaults rules_of(Call& c, const Bound& b) {
  InstallFaults out;
  const Place place = to_place(c.place());
  if (const auto* a = starlark::host_as<AssumptionObject>(b.values[0])) {
    assumption_rules(*c.host_as<Host>().plan, a->index(), place, out.rules);
    return out;
  }
  for (const uint32_t service : services_arg(b, 0)) {
    for (const Keyword& rule : b.extra) {
      out.rules.push_back(rule_spec(service, starlark::to_string_view(rule.name),
                                    starlark::host_as<ActionObject>(rule.value)->action, place));
    }
  }
  return out;
}

template <const Signature& signature>
Value fault(Call& c) {
  Bound b;
  if (!bind_call(c, signature, b)) return Call::failed();
  return run_in_scope(c, rules_of(c, b), b.values[1]);
}

// What fault_start and fault_stop are about: the services whose calls are hit.
std::vector<uint32_t> hit_services(const InstallFaults& install) {
  std::vector<uint32_t> out;
  for (const RuleSpec& rule : install.rules) {
    if (std::find(out.begin(), out.end(), rule.service) == out.end()) out.push_back(rule.service);
  }
  std::sort(out.begin(), out.end());
  return out;
}

Value fault_start(Call& c) {
  Bound b;
  if (!bind_call(c, kFaultStart, b)) return Call::failed();
  InstallFaults install = rules_of(c, b);
  BodyState& body = *c.host_as<Host>().body;
  install.scope = body.next_scope++;
  body.started.push_back({hit_services(install), {}, install.scope});
  return ask(c, std::move(install));
}

// Lifts what was started on these services, one scope after the other, last first.
class StopFrame final : public starlark::Continuation {
 public:
  explicit StopFrame(std::vector<ScopeId> scopes) : scopes_(std::move(scopes)) {}
  Value next(Call& c, Value) override { return go_on(c); }
  Value go_on(Call& c) {
    if (scopes_.empty()) return Value::none();
    const ScopeId scope = scopes_.back();
    scopes_.pop_back();
    return ask(c, LeaveScope{scope});
  }

 private:
  std::vector<ScopeId> scopes_;
};

Value fault_stop(Call& c) {
  Bound b;
  if (!bind_call(c, kFaultStop, b)) return Call::failed();
  BodyState& body = *c.host_as<Host>().body;
  std::vector<uint32_t> services;
  if (const auto* a = starlark::host_as<AssumptionObject>(b.values[0])) {
    InstallFaults install;
    assumption_rules(*c.host_as<Host>().plan, a->index(), {}, install.rules);
    services = hit_services(install);
  } else {
    services = services_arg(b, 0);
  }
  std::vector<ScopeId> scopes;
  std::erase_if(body.started, [&](const BodyState::Started& s) {
    if (s.a != services || !s.b.empty()) return false;
    scopes.push_back(s.scope);
    return true;
  });
  if (scopes.empty()) {
    return fail_with(c, {"stop-without-start",
                         "fault_stop(): no fault was started on " + starlark::repr(b.values[0])});
  }
  return c.push<StopFrame>(std::move(scopes)).go_on(c);
}

constexpr starlark::Builtin kAll[] = {{"fault", fault<kFault>, &kFault},
                                      {"fault_all", fault<kFaultAll>, &kFaultAll},
                                      {"fault_start", fault_start, &kFaultStart},
                                      {"fault_stop", fault_stop, &kFaultStop}};

}  // namespace

std::span<const starlark::Builtin> fault_builtins() { return kAll; }

}  // namespace fbx::model
