// SPDX-License-Identifier: Apache-2.0
//
// Filter keys of events that are no calls: the fields of decoded lines, and what lifecycle events
// have.
//
// Thread rule: one thread at a time (decoding keeps compiled patterns).
#pragma once

#include <string>
#include <vector>

#include "runner/check/line_decoder.h"
#include "runner/observe/event.h"
#include "spec/model/session.h"
#include "spec/plan/plan.h"

namespace fbx::check {

// "started", "ready", "exited", "killed".
[[nodiscard]] std::string lifecycle_word(observe::Lifecycle what);
// "SIGKILL"; "signal 40" for one that has no name.
[[nodiscard]] std::string signal_word(int signal);

// "what", "code" or "signal" of a lifecycle event; None where it has none.
[[nodiscard]] model::EventValue lifecycle_field(const observe::Event& event, std::string_view name);

// The line of a stdout or stderr event by its service's decoder; without fields when it has none.
[[nodiscard]] DecodedLine decoded(const plan::Plan& plan, const observe::EventStore& store,
                                  const observe::Event& event);

// All fields are as wanted.
[[nodiscard]] bool lifecycle_matches(const std::vector<model::Filter::Field>& wanted,
                                     const observe::Event& event);
[[nodiscard]] bool line_matches(const std::vector<model::Filter::Field>& wanted,
                                const plan::Plan& plan, const observe::EventStore& store,
                                const observe::Event& event);

}  // namespace fbx::check
