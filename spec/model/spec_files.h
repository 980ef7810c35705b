// SPDX-License-Identifier: Apache-2.0
//
// The source files of a spec: reads, compiles and runs each once, follows load(), keeps the text of
// the lines that a failure may quote.
//
// Thread rule: one thread.
#pragma once

#include <expected>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/diagnostic.h"
#include "spec/model/builder.h"
#include "spec/starlark/program.h"
#include "spec/starlark/vm.h"

namespace fbx::model {

class SpecFiles {
 public:
  SpecFiles(Builder& builder, starlark::Heap& heap, const starlark::Predeclared& predeclared,
            const starlark::Environment& environment, Diagnostics& diagnostics)
      : builder_(builder), heap_(heap), predeclared_(predeclared), environment_(environment),
        diagnostics_(diagnostics) {}

  // The spec itself, run to the end of its top level. Null after diagnostics.
  starlark::Module* main(const std::string& spec);
  // load(): `name` as written in the file `from`.
  std::expected<starlark::Module*, starlark::Error> load(const std::string& from,
                                                         const std::string& name);

  // The spec first, the others by name.
  [[nodiscard]] std::vector<starlark::Module*> modules() const;
  [[nodiscard]] const std::string& main_sha256() const { return main_sha256_; }
  // Fills plan.sources for everything in the plan that has a place.
  void collect_sources();

 private:
  // Null after diagnostics.
  starlark::Module* run(const std::string& file, const std::string& text);
  void report(const starlark::Error& error);
  void quote(const Place& place);

  Builder& builder_;
  starlark::Heap& heap_;
  const starlark::Predeclared& predeclared_;
  const starlark::Environment& environment_;
  Diagnostics& diagnostics_;
  std::string main_file_, main_sha256_;
  std::map<std::string, starlark::Module*> modules_;
  std::map<std::string, std::vector<std::string>> lines_;
  std::set<std::string> open_;  // being run: loading one of them again is a cycle
};

}  // namespace fbx::model
