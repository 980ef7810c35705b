// SPDX-License-Identifier: Apache-2.0
//
// Whether the services of a test were seen at all.
//
// Thread rule: pure.
#pragma once

#include <optional>

#include "runner/check/facts.h"
#include "runner/observe/event.h"
#include "spec/plan/plan.h"

namespace fbx::run {

// The first service of which not even its start was recorded, as a doubt. For a test whose services
// were all started and whose store is complete.
[[nodiscard]] std::optional<check::Judged> unseen_service(const plan::Plan& plan,
                                                          const observe::EventStore& store);

}  // namespace fbx::run
