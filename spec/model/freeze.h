// SPDX-License-Identifier: Apache-2.0
//
// VM values into a plan's image: what the tests can reach, and nothing else. thaw.h is the way back.
//
// Thread rule: one thread.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "spec/plan/image.h"
#include "spec/starlark/program.h"
#include "spec/starlark/value.h"

namespace fbx::model {

class Freezer {
 public:
  // `modules`: the spec first, then what it loads, by name of file. Frozen; outlive the freezer.
  Freezer(const std::vector<starlark::Module*>& modules, plan::Image& image);

  // The value's number; what it reaches is taken in by finish().
  plan::ValueRef value(starlark::Value v);

  // Takes in all that is reached and makes the image's modules. The problem names a value that no
  // plan can hold; "" when there is none.
  std::string finish();

 private:
  struct Pending {
    plan::ValueRef ref = 0;
    starlark::Value value;
  };
  void fill(const Pending& pending);
  plan::Value describe(starlark::Value v);
  void describe_function(starlark::Value v, plan::Value& out);
  void describe_host(starlark::Value v, plan::Value& out);
  void describe_builtin(starlark::Value v, plan::Value& out);
  void need_function(uint32_t module, std::string_view key);
  void need_global(uint32_t module, const std::string& name);
  void make_module(uint32_t module);

  const std::vector<starlark::Module*>& modules_;
  plan::Image& image_;
  std::map<const starlark::Module*, uint32_t> module_of_;
  std::map<uint64_t, plan::ValueRef> known_;
  std::vector<Pending> pending_;
  std::vector<std::set<std::string, std::less<>>> functions_;
  std::vector<std::map<std::string, plan::ValueRef>> globals_;
  std::string problem_;
  starlark::Heap forms_;  // holds what host objects say of themselves
};

}  // namespace fbx::model
