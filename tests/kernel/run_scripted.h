// SPDX-License-Identifier: Apache-2.0
//
// The whole run with a body written in C++ in the place of the language: plans made by hand,
// effects in a list, everything below them real. It tests the run loop alone, and shows a failure
// of the machine apart from one of the language.
//
// Linking it replaces model::Session::start().
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "spec/model/session.h"

namespace fbx::run::testing {

// One effect, and what the body makes of its answer: a message fails the test.
struct Line {
  model::Effect effect;
  std::function<std::optional<std::string>(const model::Response&)> check = {};
};

// The bodies by name of the test.
std::map<std::string, std::vector<Line>>& scripts();

}  // namespace fbx::run::testing
