// SPDX-License-Identifier: Apache-2.0
//
// A plan's image into VM values on a fresh heap. The plan may be hostile: its code was verified,
// its values are checked here.
//
// Thread rule: one thread per Thawing; several may share a plan.
#pragma once

#include <string>
#include <vector>

#include "base/diagnostic.h"
#include "spec/plan/plan.h"
#include "spec/starlark/heap.h"
#include "spec/starlark/program.h"

namespace fbx::model {

class Thawing {
 public:
  // Makes the modules; `plan` and `predeclared` outlive the heap's use.
  Thawing(const plan::Plan& plan, starlark::Heap& heap, const starlark::Predeclared& predeclared);

  // Sets and freezes every global. False after a problem.
  bool globals();
  // One value, frozen; no value after a problem.
  starlark::Value value(plan::ValueRef ref);

  [[nodiscard]] const std::vector<starlark::Module*>& modules() const { return modules_; }
  // What is wrong, and with which value.
  [[nodiscard]] const std::string& problem() const { return problem_; }
  [[nodiscard]] const std::string& hint() const { return hint_; }
  [[nodiscard]] plan::ValueRef culprit() const { return culprit_; }

 private:
  starlark::Value shell(plan::ValueRef ref, int depth);
  starlark::Value scalar(const plan::Value& v);
  starlark::Value builtin(const plan::Value& v);
  starlark::Value structure(const plan::Value& v, int depth);
  starlark::Value function(const plan::Value& v, int depth);
  starlark::Value method(const plan::Value& v, int depth);
  starlark::Value host(const plan::Value& v, int depth);
  int64_t named(const std::vector<std::string>& all, const std::vector<starlark::Value>& args,
                size_t number, const char* what);
  starlark::Value service(const std::vector<starlark::Value>& args);
  starlark::Value interface_of(const std::vector<starlark::Value>& args);
  starlark::Value assumption(const std::vector<starlark::Value>& args);
  starlark::Value made(const plan::Value& v, const std::vector<starlark::Value>& args,
                       const std::vector<starlark::Keyword>& named);
  // Parts of a container, once every shell that they need is there.
  bool fill_pending();
  bool fill(plan::ValueRef ref);
  // A container and the containers in it, whose shells are there or are made.
  bool fill_now(plan::ValueRef ref, int depth);
  starlark::Value fail(std::string problem, std::string hint = "");

  const plan::Plan& plan_;
  starlark::Heap& heap_;
  std::vector<starlark::Module*> modules_;
  std::vector<starlark::Value> values_;
  std::vector<bool> filled_;  // a container that has its parts
  std::vector<bool> open_;  // being made: a function can't be its own default
  std::vector<plan::ValueRef> to_fill_;
  struct Cell {
    starlark::Value cell;
    plan::ValueRef content;
  };
  std::vector<Cell> cells_;
  std::string problem_, hint_;
  plan::ValueRef culprit_ = plan::kNoValue;
};

}  // namespace fbx::model
