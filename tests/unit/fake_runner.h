// SPDX-License-Identifier: Apache-2.0
//
// A runner without a machine: compiles a spec from memory, plays one test of it, writes down what
// was asked and answers as it was told. The whole dialect, in microseconds, without root.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "spec/model/compile.h"
#include "spec/model/session.h"

namespace fbx::testing {

// Files and environment from memory.
class FakeLoader final : public model::Loader {
 public:
  std::map<std::string, std::string> files, environment;
  Result<std::string> read_file(const std::string& path) override {
    const auto found = files.find(path);
    return found == files.end() ? Result<std::string>(fail("no such file")) : found->second;
  }
  std::optional<std::string> env(const std::string& name) override {
    const auto found = environment.find(name);
    return found == environment.end() ? std::nullopt : std::optional(found->second);
  }
};

struct Played {
  std::vector<std::string> asked;  // "faults 1 inventory write=deny(\"EIO\")", "leave 1", …
  model::Finished finished;
};

class FakeRunner {
 public:
  // What the next steps answer, in order; then 200 and an empty body.
  std::vector<model::StepResult> steps;
  // The answer to a request by its line in `asked`; Done unless it is here.
  std::map<std::string, model::Response> answers;
  // What a body reads of events; may be null.
  const model::EventReader* events = nullptr;
  // Cancels the body when this was asked.
  std::string cancel_at;

  Played play(const plan::Plan& plan, const std::string& test);

 private:
  model::Response answer(const std::string& asked, const model::Effect& effect);
  size_t step_ = 0;
  uint64_t now_ns_ = 1;
};

}  // namespace fbx::testing
