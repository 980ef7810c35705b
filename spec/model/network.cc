// SPDX-License-Identifier: Apache-2.0
//
// partition(), partition_start(), partition_stop(), isolate(): who can't reach whom.
#include <algorithm>

#include "spec/model/builtins.h"
#include "spec/model/host.h"
#include "spec/model/objects.h"
#include "spec/model/scopes.h"

namespace fbx::model {

namespace {

using starlark::Call;
using starlark::Value;
using Pass = Param::Pass;

constexpr Param keyword(std::string_view name, Takes takes, bool none = false) {
  return {.name = name, .takes = takes, .none = none, .pass = Pass::kKeyword};
}

enum PartitionParam : size_t { kA, kB, kRun, kMode, kDirection, kOptional, kLabel };

#define FBX_CUT_OPTIONS                                                              \
  keyword("mode", Takes::kMode), keyword("direction", Takes::kDirection),            \
      keyword("optional", Takes::kBool), keyword("label", Takes::kText, true)

constexpr Param kPartitionParams[] = {
    {.name = "a", .takes = Takes::kServices, .required = true},
    {.name = "b", .takes = Takes::kServices, .required = true},
    {.name = "run", .takes = Takes::kCallable, .required = true}, FBX_CUT_OPTIONS};
constexpr Param kStartParams[] = {{.name = "a", .takes = Takes::kServices, .required = true},
                                  {.name = "b", .takes = Takes::kServices, .required = true},
                                  FBX_CUT_OPTIONS};
constexpr Param kStopParams[] = {{.name = "a", .takes = Takes::kServices, .required = true},
                                 {.name = "b", .takes = Takes::kServices, .required = true}};
constexpr Param kIsolateParams[] = {
    {.name = "a", .takes = Takes::kService, .required = true},
    {.name = "run", .takes = Takes::kCallable, .required = true},
    {.name = "client", .pass = Pass::kKeyword, .later = "the test's own client is never cut off"},
    FBX_CUT_OPTIONS};

bool known(const Bound& b, size_t i) { return b.has(i) && is_known(b.values[i]); }

std::optional<Problem> one_direction(const Bound& b, size_t direction) {
  if (!known(b, direction) || string_arg(b, direction) == "both") return std::nullopt;
  return Problem{"not-yet", "`direction` other than \"both\" is not there yet",
                 "for one direction of dialling, use fault(a, connect=deny(\"ECONNREFUSED\", to=b))",
                 -1, "direction"};
}

std::optional<Problem> not_itself(const Bound& b) {
  if (!known(b, kA) || !known(b, kB)) return std::nullopt;
  const auto a_side = services_arg(b, kA);
  for (const uint32_t service : services_arg(b, kB)) {
    if (std::find(a_side.begin(), a_side.end(), service) == a_side.end()) continue;
    return Problem{"partition-itself", "a service can't be partitioned from itself"};
  }
  return std::nullopt;
}

std::optional<Problem> check_partition(const Bound& b, const CheckContext&) {
  if (auto p = one_direction(b, kDirection)) return p;
  return not_itself(b);
}
std::optional<Problem> check_start(const Bound& b, const CheckContext&) {
  if (auto p = one_direction(b, kDirection - 1)) return p;
  return not_itself(b);
}
std::optional<Problem> check_stop(const Bound& b, const CheckContext&) { return not_itself(b); }
std::optional<Problem> check_isolate(const Bound& b, const CheckContext& c) {
  if (c.complete && c.plan->services.size() == 1) {
    return Problem{"partition-itself", "there is no other service to be isolated from"};
  }
  return one_direction(b, 4);
}

constexpr Signature kPartition{.name = "partition", .params = kPartitionParams,
                               .where = Where::kBody, .also = check_partition};
constexpr Signature kPartitionStart{.name = "partition_start", .params = kStartParams,
                                    .where = Where::kBody, .also = check_start};
constexpr Signature kPartitionStop{.name = "partition_stop", .params = kStopParams,
                                   .where = Where::kBody, .also = check_stop};
constexpr Signature kIsolate{.name = "isolate", .params = kIsolateParams, .where = Where::kBody,
                             .also = check_isolate};

std::string side_text(const plan::Plan& plan, const std::vector<uint32_t>& side) {
  if (side.size() == 1) return plan.services[side[0]].name;
  std::string out;
  for (const uint32_t service : side) {
    out += (out.empty() ? "[" : ", ") + plan.services[service].name;
  }
  return out + "]";
}

// `shift`: how far the options stand from their place in PartitionParam.
InstallPartition cut(Call& c, const Bound& b, size_t shift) {
  const plan::Plan& plan = *c.host_as<Host>().plan;
  InstallPartition out;
  out.mode = string_arg(b, kMode - shift, "refuse") == "drop" ? InstallPartition::Mode::kDrop
                                                              : InstallPartition::Mode::kRefuse;
  out.optional = bool_arg(b, kOptional - shift, false);
  out.label = string_arg(b, kLabel - shift);
  out.a = services_arg(b, kA);
  out.b = services_arg(b, kB);
  out.display = "partition(" + side_text(plan, out.a) + ", " + side_text(plan, out.b) +
                (out.mode == InstallPartition::Mode::kDrop ? ", mode=\"drop\")" : ")");
  return out;
}

Value partition(Call& c) {
  Bound b;
  if (!bind_call(c, kPartition, b)) return Call::failed();
  return run_in_scope(c, cut(c, b, 0), b.values[kRun]);
}

Value isolate(Call& c) {
  Bound b;
  if (!bind_call(c, kIsolate, b)) return Call::failed();
  const plan::Plan& plan = *c.host_as<Host>().plan;
  InstallPartition out;
  out.a = services_arg(b, 0);
  for (uint32_t i = 0; i < plan.services.size(); ++i) {
    if (i != out.a[0]) out.b.push_back(i);
  }
  const bool drop = string_arg(b, 3, "refuse") == "drop";
  out.mode = drop ? InstallPartition::Mode::kDrop : InstallPartition::Mode::kRefuse;
  out.optional = bool_arg(b, 5, false);
  out.label = string_arg(b, 6);
  out.display = "isolate(" + side_text(plan, out.a) + (drop ? ", mode=\"drop\")" : ")");
  return run_in_scope(c, std::move(out), b.values[1]);
}

Value partition_start(Call& c) {
  Bound b;
  if (!bind_call(c, kPartitionStart, b)) return Call::failed();
  InstallPartition install = cut(c, b, 1);
  BodyState& body = *c.host_as<Host>().body;
  install.scope = body.next_scope++;
  body.started.push_back({install.a, install.b, install.scope});
  return ask(c, std::move(install));
}

Value partition_stop(Call& c) {
  Bound b;
  if (!bind_call(c, kPartitionStop, b)) return Call::failed();
  const auto a_side = services_arg(b, kA);
  const auto b_side = services_arg(b, kB);
  auto& started = c.host_as<Host>().body->started;
  const auto found =
      std::find_if(started.rbegin(), started.rend(), [&](const BodyState::Started& s) {
        return (s.a == a_side && s.b == b_side) || (s.a == b_side && s.b == a_side);
      });
  if (found == started.rend()) {
    const plan::Plan& plan = *c.host_as<Host>().plan;
    return fail_with(c, {"stop-without-start", "partition_stop(): no partition was started between " +
                                                   side_text(plan, a_side) + " and " +
                                                   side_text(plan, b_side)});
  }
  const ScopeId scope = found->scope;
  started.erase(std::next(found).base());
  return ask(c, LeaveScope{scope});
}

constexpr starlark::Builtin kAll[] = {{"partition", partition, &kPartition},
                                      {"partition_start", partition_start, &kPartitionStart},
                                      {"partition_stop", partition_stop, &kPartitionStop},
                                      {"isolate", isolate, &kIsolate}};

}  // namespace

std::span<const starlark::Builtin> network_builtins() { return kAll; }

}  // namespace fbx::model
