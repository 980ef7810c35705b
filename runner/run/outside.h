// SPDX-License-Identifier: Apache-2.0
//
// Dials to addresses outside the test (LANGUAGE section 2): in an isolated network "the database is
// down" is otherwise always true.
//
// Thread rule: pure.
#pragma once

#include <string>
#include <vector>

#include "runner/check/facts.h"
#include "runner/observe/event.h"
#include "spec/plan/plan.h"

namespace fbx::run {

// One doubt per service and address that it dialled although external= does not allow it.
[[nodiscard]] std::vector<check::Judged> outside_dials(const plan::Plan& plan,
                                                       const observe::EventStore& store);

// "127.0.0.1:5432", "[::1]:80", "[::ffff:127.0.0.9]:80", "0.0.0.0:80": an address that stays inside
// the test. Unix paths and texts that are no addresses do, too.
[[nodiscard]] bool stays_inside(const std::string& address);

}  // namespace fbx::run
