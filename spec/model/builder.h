// SPDX-License-Identifier: Apache-2.0
//
// What the top level of a spec declares while it is evaluated: the plan without its values and
// code, and the tests as VM values.
//
// Thread rule: one thread.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/diagnostic.h"
#include "spec/model/loader.h"
#include "spec/model/signature.h"
#include "spec/plan/plan.h"
#include "spec/starlark/host.h"

namespace fbx::model {

class Builder {
 public:
  explicit Builder(Loader& loader) : loader_(loader) {}

  // A test as the top level registered it.
  struct Registered {
    plan::Test test;  // name, doc, place, kind, matrix…
    starlark::Value entry;
    std::vector<starlark::Value> args;
    uint32_t line = 0;  // of the spec's own statement: tests run in this order
  };
  struct Known {
    std::string test, reason;
    Place place;
  };
  struct Dependency {
    uint32_t service = 0;
    std::string name;
    Place place;
  };

  plan::Plan plan;
  std::vector<Registered> registered;
  std::vector<Known> known_failures;
  std::vector<Dependency> named_dependencies;
  bool spec_called = false;

  // ---- what built-ins do; a problem is the caller's mistake

  // env(): the value, recorded.
  std::optional<std::string> read_env(const std::string& name,
                                      const std::optional<std::string>& fallback);
  // load_file() and its kin; `path` is relative to the spec's folder. Recorded with its hash.
  Result<std::string> read_file(const std::string& path);
  // Ports, names and places of a new service. A problem with an interface has its position among
  // the arguments of service().
  std::optional<Problem> add_service(plan::Service service);
  // Resolves the dependencies given by name and looks for cycles, when all services are known.
  void finish_services(Diagnostics& diagnostics);
  struct Cycle {
    uint32_t service = 0;
    std::string text;  // "a → b → a"
  };
  // Each cycle of dependencies once, at its first service.
  [[nodiscard]] std::vector<Cycle> cycles() const;
  void add_test(Registered test);

 private:
  std::optional<Problem> check_interfaces(const plan::Service& service) const;

  Loader& loader_;
};

// The first line of a function's docstring, to show with its test.
[[nodiscard]] std::string doc_line(starlark::Value fn);

// The line of the statement at the spec's top level that the running call belongs to.
[[nodiscard]] uint32_t statement_line(const starlark::Call& c);

}  // namespace fbx::model
