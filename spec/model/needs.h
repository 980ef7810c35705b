// SPDX-License-Identifier: Apache-2.0
//
// What a test must be able to enforce and to see, by analysis of every function it can reach: a
// conservative over-approximation. What can't be known is "*".
//
// Thread rule: one thread.
#pragma once

#include <vector>

#include "spec/model/knowledge.h"
#include "spec/plan/plan.h"

namespace fbx::model {

// Fills needs and observe, sorted, without repeats. `entry` and `args` are what the test calls.
void find_needs(Knowledge& knowledge, Value entry, const std::vector<Value>& args,
                plan::Test& test);

}  // namespace fbx::model
