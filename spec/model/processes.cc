// SPDX-License-Identifier: Apache-2.0
//
// exec(), which runs a program as a step; kill(), stop(), start(), restart(), pause(), which end and
// start services in the middle of a test.
#include "spec/model/builtins.h"
#include "spec/model/host.h"
#include "spec/model/objects.h"
#include "spec/model/scopes.h"
#include "spec/starlark/values.h"

namespace fbx::model {

namespace {

using starlark::Call;
using starlark::Value;
using Pass = Param::Pass;

// ---- exec()

enum ExecParam : size_t { kArgv, kStdin, kEnv, kUser, kTimeout };

constexpr Param kExecParams[] = {
    {.name = "argv", .takes = Takes::kCommand, .required = true},
    {.name = "stdin", .takes = Takes::kData, .pass = Pass::kKeyword},
    {.name = "env", .takes = Takes::kStringTable, .pass = Pass::kKeyword},
    {.name = "user", .takes = Takes::kText, .none = true, .pass = Pass::kKeyword},
    {.name = "timeout", .takes = Takes::kLongDuration, .pass = Pass::kKeyword}};
constexpr Signature kExec{.name = "exec", .params = kExecParams, .where = Where::kBody};

Value exec(Call& c) {
  Bound b;
  if (!bind_call(c, kExec, b)) return Call::failed();
  ExecStep step;
  step.argv = strings_arg(b, kArgv);
  step.input = string_arg(b, kStdin);
  step.env = pairs_arg(b, kEnv);
  step.user = string_arg(b, kUser);
  step.timeout_ns = duration_arg(b, kTimeout, step.timeout_ns);
  return ask(c, std::move(step), EffectToken::Gives::kExec);
}

// ---- kill(), stop(), start(), restart()

constexpr Param kServiceParams[] = {{.name = "service", .takes = Takes::kService, .required = true}};
constexpr Param kKillParams[] = {{.name = "service", .takes = Takes::kService, .required = true},
                                 {.name = "signal", .takes = Takes::kSignal}};

constexpr Signature kKill{.name = "kill", .params = kKillParams, .where = Where::kBody};
constexpr Signature kStop{.name = "stop", .params = kServiceParams, .where = Where::kBody};
constexpr Signature kStart{.name = "start", .params = kServiceParams, .where = Where::kBody};
constexpr Signature kRestart{.name = "restart", .params = kServiceParams, .where = Where::kBody};

template <const Signature& signature, ServiceOrder::Kind kind>
Value order(Call& c) {
  Bound b;
  if (!bind_call(c, signature, b)) return Call::failed();
  ServiceOrder effect;
  effect.kind = kind;
  effect.service = services_arg(b, 0)[0];
  if constexpr (kind == ServiceOrder::Kind::kKill) effect.signal = string_arg(b, 1, "SIGKILL");
  return ask(c, std::move(effect));
}

// ---- pause()

constexpr Param kPauseParams[] = {
    {.name = "service", .takes = Takes::kService, .required = true},
    {.name = "run", .takes = Takes::kCallable, .required = true}};
constexpr Signature kPause{.name = "pause", .params = kPauseParams, .where = Where::kBody};

Value pause(Call& c) {
  Bound b;
  if (!bind_call(c, kPause, b)) return Call::failed();
  PauseService effect;
  effect.service = services_arg(b, 0)[0];
  return run_in_scope(c, effect, b.values[1]);
}

constexpr starlark::Builtin kAll[] = {
    {"exec", exec, &kExec},
    {"kill", order<kKill, ServiceOrder::Kind::kKill>, &kKill},
    {"stop", order<kStop, ServiceOrder::Kind::kStop>, &kStop},
    {"start", order<kStart, ServiceOrder::Kind::kStart>, &kStart},
    {"restart", order<kRestart, ServiceOrder::Kind::kRestart>, &kRestart},
    {"pause", pause, &kPause}};

}  // namespace

std::span<const starlark::Builtin> process_builtins() { return kAll; }

}  // namespace fbx::model
