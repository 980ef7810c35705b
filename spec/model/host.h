// SPDX-License-Identifier: Apache-2.0
//
// What the dialect's built-ins share with whoever runs the VM: the compiler while the top level is
// evaluated, the session while a test's body runs.
//
// Thread rule: one thread.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/diagnostic.h"
#include "spec/model/session.h"
#include "spec/plan/plan.h"
#include "spec/starlark/host.h"

namespace fbx::model {

class Builder;

// What a body has going on: open scopes and what was started without one.
struct BodyState {
  uint64_t asserted = 0;
  ScopeId next_scope = kBodyScope + 1;
  std::vector<ScopeId> scopes = {kBodyScope};  // innermost last
  struct Started {
    std::vector<uint32_t> a, b;  // b empty: faults on a
    ScopeId scope = 0;
  };
  std::vector<Started> started;
  ConnectionId connections = 0;  // the last that was asked for
  uint32_t tentative = 0;        // eventually() calls that run
  std::vector<starlark::Value> callbacks;  // where= and key=: their number, from 1, is an effect's
  const EventReader* events = nullptr;     // as SessionOptions
};

// Environment::host of every fiber of the dialect. Exactly one of builder and body is set.
struct Host {
  const plan::Plan* plan = nullptr;
  Builder* builder = nullptr;
  BodyState* body = nullptr;
  [[nodiscard]] bool at_top() const { return builder != nullptr; }
};

// A mistake in a call: the diagnostic it becomes.
struct ProblemPayload final : starlark::ErrorPayload {
  DiagnosticCode code;
  starlark::Place place;
};

// An assertion or expectation that did not hold: the test failed, the spec is in order.
struct AssertionPayload final : starlark::ErrorPayload {
  std::string actual, expected;  // printed; both empty when there is nothing to compare
};

// What a built-in asks of the runner.
struct EffectToken final : starlark::Token {
  // What the call gives for a StepResult; kLine and kSent raise when it is not ok.
  enum class Gives : uint8_t { kNothing, kHttp, kExchange, kLine, kExec, kSent };
  Effect effect;
  Gives gives = Gives::kNothing;
  starlark::Place place;
};

// Suspends the call with an effect, at the call's place.
starlark::Value ask(starlark::Call& c, Effect effect,
                    EffectToken::Gives gives = EffectToken::Gives::kNothing);

// Sets the call's error: what was asserted does not hold.
starlark::Value fail_assertion(starlark::Call& c, std::string message, std::string actual,
                               std::string expected);

[[nodiscard]] inline Place to_place(const starlark::Place& p) {
  return {p.file, static_cast<uint32_t>(p.line), static_cast<uint32_t>(p.col)};
}

}  // namespace fbx::model
