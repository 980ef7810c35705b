// SPDX-License-Identifier: Apache-2.0
//
// service(), interface(), health checks, spec(), env(): what is declared at the top level.
#include "spec/model/builder.h"
#include "spec/model/builtins.h"
#include "spec/model/host.h"
#include "spec/model/objects.h"
#include "spec/plan/duration.h"
#include "spec/starlark/values.h"

namespace fbx::model {

namespace {

using starlark::Call;
using starlark::Value;
using Pass = Param::Pass;

// ---- service()

enum ServiceParam : size_t {
  kName, kBinary, kArgs, kEnv, kInheritEnv, kCwd, kDependsOn, kHealthcheck, kOps, kUser, kPrepare,
  kStart, kMayExit, kStopSignal, kStopTimeout, kInject, kIoUring, kExternal, kLimits, kObserve
};

constexpr Param keyword(std::string_view name, Takes takes, bool none = false) {
  return {.name = name, .takes = takes, .none = none, .pass = Pass::kKeyword};
}

constexpr Param later(std::string_view name, std::string_view why) {
  return {.name = name, .pass = Pass::kKeyword, .later = why};
}

constexpr std::string_view kContainers = "services are binaries so far";

constexpr Param kServiceParams[] = {
    {.name = "name", .takes = Takes::kName, .required = true},
    {.name = "binary", .takes = Takes::kText, .required = true},
    keyword("args", Takes::kStrings),
    keyword("env", Takes::kStringTable),
    keyword("inherit_env", Takes::kStrings),
    keyword("cwd", Takes::kText, true),
    keyword("depends_on", Takes::kDependencies),
    keyword("healthcheck", Takes::kHealth, true),
    keyword("ops", Takes::kOps),
    keyword("user", Takes::kText, true),
    keyword("prepare", Takes::kStringLists),
    keyword("start", Takes::kText),
    keyword("may_exit", Takes::kBool),
    keyword("stop_signal", Takes::kSignal),
    keyword("stop_timeout", Takes::kLongDuration),
    keyword("inject", Takes::kInject),
    keyword("io_uring", Takes::kBool),
    keyword("external", Takes::kStrings),
    keyword("limits", Takes::kLimits),
    keyword("observe", Takes::kObserved),
    later("image", kContainers),
    later("build", kContainers),
    later("remote", kContainers),
    later("reuse", "every test starts its services anew"),
    later("seed", "use `prepare`"),
    later("reset", "every test starts its services anew"),
};
constexpr Signature kService{.name = "service",
                             .params = kServiceParams,
                             .extra = Extra::kPositional,
                             .where = Where::kTop};

// What is wrong with start=.
std::optional<Problem> start_problem(const Bound& b) {
  const std::string start = string_arg(b, kStart, "auto");
  if (start == "auto" || start == "manual") return std::nullopt;
  return Problem{"argument-value",
                 "service(): `start` is \"" + start + "\", want \"auto\" or \"manual\"",
                 suggest(start, {"auto", "manual"}), -1, "start"};
}

std::optional<Problem> observe_problem(const plan::Service& s) {
  for (size_t i = 0; i < s.observe.size(); ++i) {
    for (size_t k = 0; k < i; ++k) {
      if (s.observe[i].is_stderr != s.observe[k].is_stderr) continue;
      return Problem{"argument-value",
                     std::string("service(): `observe` decodes ") +
                         (s.observe[i].is_stderr ? "stderr" : "stdout") + " twice",
                     {}, -1, "observe"};
    }
  }
  return std::nullopt;
}

plan::Service read_service(const Bound& b) {
  plan::Service s;
  s.name = string_arg(b, kName);
  s.binary = string_arg(b, kBinary);
  s.args = strings_arg(b, kArgs);
  s.env = pairs_arg(b, kEnv);
  s.inherit_env = strings_arg(b, kInheritEnv);
  s.cwd = string_arg(b, kCwd);
  if (b.has(kHealthcheck)) s.healthcheck = starlark::host_as<HealthObject>(b.values[kHealthcheck])->check;
  s.user = string_arg(b, kUser);
  if (b.has(kPrepare)) {
    for (const Value command : starlark::elements(b.values[kPrepare])) {
      s.prepare.push_back(strings_of(command));
    }
  }
  s.manual_start = string_arg(b, kStart) == "manual";
  s.may_exit = bool_arg(b, kMayExit, false);
  s.stop_signal = string_arg(b, kStopSignal, "SIGTERM");
  s.stop_timeout_ns = duration_arg(b, kStopTimeout, s.stop_timeout_ns);
  s.inject = string_arg(b, kInject, "auto");
  s.io_uring = bool_arg(b, kIoUring, true);
  s.external = strings_arg(b, kExternal);
  for (const auto& [key, value] : pairs_arg(b, kLimits)) s.limits[key] = value;
  if (b.has(kObserve)) {
    for (const Value one : starlark::elements(b.values[kObserve])) {
      s.observe.push_back(starlark::host_as<ObservedObject>(one)->decoder);
    }
  }
  if (b.has(kOps)) {
    size_t cursor = 0;
    Value key, value;
    while (starlark::next_entry(b.values[kOps], cursor, key, value)) {
      plan::Op op = starlark::host_as<OpObject>(value)->op;
      op.name = starlark::to_string_view(key);
      s.ops.push_back(std::move(op));
    }
  }
  return s;
}

void read_dependencies(Call& c, const Bound& b, plan::Service& s, Builder& builder) {
  if (!b.has(kDependsOn)) return;
  for (const Value v : starlark::elements(b.values[kDependsOn])) {
    if (const auto* known = starlark::host_as<ServiceObject>(v)) {
      s.depends_on.push_back(known->index());
    } else {
      builder.named_dependencies.push_back(
          {static_cast<uint32_t>(builder.plan.services.size()),
           std::string(starlark::to_string_view(v)), to_place(c.kwarg_place("depends_on"))});
    }
  }
}

Value service(Call& c) {
  Bound b;
  if (!bind_call(c, kService, b)) return Call::failed();
  if (auto problem = start_problem(b)) return fail_with(c, std::move(*problem));
  plan::Service s = read_service(b);
  if (auto problem = observe_problem(s)) return fail_with(c, std::move(*problem));
  for (size_t i = 0; i < b.rest.size(); ++i) {
    const auto* interface = starlark::host_as<InterfaceObject>(b.rest[i]);
    if (interface == nullptr) {
      return fail_with(c, {"argument-type",
                           "service(): got " + std::string(starlark::type_name(b.rest[i])) +
                               " after the binary, want interface(…)",
                           {}, static_cast<int>(i + 2)});
    }
    s.interfaces.push_back(interface->interface());
  }
  s.place = to_place(c.place());
  Builder& builder = *c.host_as<Host>().builder;
  read_dependencies(c, b, s, builder);
  if (auto problem = builder.add_service(std::move(s))) {
    problem->message = "service(): " + problem->message;
    return fail_with(c, std::move(*problem));
  }
  return c.heap().make_host<ServiceObject>(
      &builder.plan, static_cast<uint32_t>(builder.plan.services.size() - 1));
}

// ---- interface()

constexpr Param kInterfaceParams[] = {{.name = "name", .takes = Takes::kName, .required = true},
                                      {.name = "protocol", .takes = Takes::kProtocol, .required = true},
                                      {.name = "port", .takes = Takes::kPort},
                                      keyword("path", Takes::kText)};

Value make_interface(MakeContext& context, const Bound& b) {
  plan::Interface i;
  i.name = string_arg(b, 0);
  const std::string protocol = string_arg(b, 1);
  i.protocol = protocol == "http"  ? plan::Protocol::kHttp
               : protocol == "tcp" ? plan::Protocol::kTcp
               : protocol == "udp" ? plan::Protocol::kUdp
                                   : plan::Protocol::kUnix;
  i.port = static_cast<uint16_t>(int_arg(b, 2, 0));
  i.path = string_arg(b, 3);
  const bool unix_socket = i.protocol == plan::Protocol::kUnix;
  if (b.has(2) == unix_socket || b.has(3) != unix_socket) {
    context.problem = Problem{"interface-port", unix_socket ? "a unix interface has a path and no port"
                                                            : "a " + protocol +
                                                                  " interface has a port and no path"};
    return Value();
  }
  return context.heap.make_host<InterfaceObject>(std::move(i));
}

constexpr Signature kInterface{
    .name = "interface", .params = kInterfaceParams, .where = Where::kTop, .make = make_interface};

// ---- health checks

constexpr Param kTcpParams[] = {{.name = "addr", .takes = Takes::kAddress, .required = true},
                                keyword("timeout", Takes::kLongDuration)};
constexpr Param kHttpParams[] = {{.name = "url", .takes = Takes::kUrl, .required = true},
                                 keyword("timeout", Takes::kLongDuration),
                                 keyword("status", Takes::kStatus, true)};
constexpr Param kCommandParams[] = {{.name = "argv", .takes = Takes::kCommand, .required = true},
                                    keyword("timeout", Takes::kLongDuration)};
constexpr Param kOutputParams[] = {{.name = "pattern", .takes = Takes::kText, .required = true},
                                   keyword("timeout", Takes::kLongDuration)};

template <plan::HealthCheck::Kind kind>
Value make_health(MakeContext& context, const Bound& b) {
  plan::HealthCheck check;
  check.kind = kind;
  check.timeout_ns = duration_arg(b, 1, check.timeout_ns);
  if constexpr (kind == plan::HealthCheck::Kind::kCommand) {
    check.argv = strings_arg(b, 0);
  } else {
    check.target = string_arg(b, 0);
  }
  if constexpr (kind == plan::HealthCheck::Kind::kTcp) {
    if (check.target.starts_with("tcp://")) check.target.erase(0, 6);
  }
  if constexpr (kind == plan::HealthCheck::Kind::kHttp) {
    if (!check.target.starts_with("http://")) check.target.insert(0, "http://");
    check.status = static_cast<int>(int_arg(b, 2, 0));
  }
  return context.heap.make_host<HealthObject>(std::move(check));
}

using HealthKind = plan::HealthCheck::Kind;
constexpr Signature kTcp{.name = "tcp", .params = kTcpParams, .make = make_health<HealthKind::kTcp>};
constexpr Signature kHttp{
    .name = "http", .params = kHttpParams, .make = make_health<HealthKind::kHttp>};
constexpr Signature kCommand{
    .name = "command", .params = kCommandParams, .make = make_health<HealthKind::kCommand>};
constexpr Signature kOutput{
    .name = "output", .params = kOutputParams, .make = make_health<HealthKind::kOutput>};

// ---- spec(), env()

constexpr Param kSpecParams[] = {keyword("network", Takes::kText), keyword("tmp", Takes::kText),
                                 keyword("timeout", Takes::kLongDuration)};
constexpr Signature kSpec{.name = "spec", .params = kSpecParams, .where = Where::kTop};

Value wrong_word(Call& c, const char* param, const std::string& got,
                 const std::vector<std::string>& known) {
  std::string message = "spec(): `" + std::string(param) + "` is \"" + got + "\", want one of ";
  for (size_t i = 0; i < known.size(); ++i) message += (i == 0 ? "\"" : ", \"") + known[i] + "\"";
  return fail_with(c, {"argument-value", message, suggest(got, known), -1, param});
}

Value spec(Call& c) {
  Bound b;
  if (!bind_call(c, kSpec, b)) return Call::failed();
  Builder& builder = *c.host_as<Host>().builder;
  if (builder.spec_called) {
    return fail_with(c, {"spec-twice", "spec() is called twice: it belongs to the spec once"});
  }
  builder.spec_called = true;
  const std::string network = string_arg(b, 0, "isolated");
  if (network != "isolated" && network != "host") {
    return wrong_word(c, "network", network, {"isolated", "host"});
  }
  const std::string tmp = string_arg(b, 1, "fresh");
  if (tmp != "fresh" && tmp != "overlay") return wrong_word(c, "tmp", tmp, {"fresh", "overlay"});
  builder.plan.network = network == "host" ? plan::Network::kHost : plan::Network::kIsolated;
  builder.plan.tmp = tmp == "overlay" ? plan::Tmp::kOverlay : plan::Tmp::kFresh;
  builder.plan.timeout_ns = duration_arg(b, 2, builder.plan.timeout_ns);
  return Value::none();
}

constexpr Param kEnvParams[] = {{.name = "name", .takes = Takes::kText, .required = true},
                                {.name = "default", .takes = Takes::kString, .none = true}};
constexpr Signature kEnvSignature{.name = "env", .params = kEnvParams, .where = Where::kTop};

Value env(Call& c) {
  Bound b;
  if (!bind_call(c, kEnvSignature, b)) return Call::failed();
  const auto fallback = b.has(1) ? std::optional(string_arg(b, 1)) : std::nullopt;
  const auto value = c.host_as<Host>().builder->read_env(string_arg(b, 0), fallback);
  if (!value) {
    return fail_with(c, {"env-missing",
                         "env(): the variable \"" + string_arg(b, 0) +
                             "\" is not set, and there is no default",
                         {}, 0});
  }
  return c.heap().string(*value);
}

constexpr starlark::Builtin kAll[] = {{"service", service, &kService},
                                      {"interface", make_builtin, &kInterface},
                                      {"tcp", make_builtin, &kTcp},
                                      {"http", make_builtin, &kHttp},
                                      {"command", make_builtin, &kCommand},
                                      {"output", make_builtin, &kOutput},
                                      {"spec", spec, &kSpec},
                                      {"env", env, &kEnvSignature}};

}  // namespace

std::span<const starlark::Builtin> topology_builtins() { return kAll; }

}  // namespace fbx::model
