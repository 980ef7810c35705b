// SPDX-License-Identifier: Apache-2.0
//
// What read_plan() does, section by section, in the order in which they refer to each other.
//
// Thread rule: one thread.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "spec/plan/field_reader.h"
#include "spec/plan/read.h"
#include "spec/plan/toml_tree.h"
#include "spec/plan/value_text.h"

namespace fbx::plan {

class PlanReader {
 public:
  PlanReader(const std::string& file, Diagnostics& diagnostics)
      : file_(file), diagnostics_(diagnostics), context_{file, out_.plan, diagnostics}, root_(out_.places.document) {}

  std::optional<ReadPlan> read(std::string_view text);

 private:
  // The tables [[key]] of the document; empty when there are none.
  const std::vector<TomlNode>& tables(std::string_view key) const;
  void header();
  bool sections();
  void landmarks();
  void services();
  void assumptions();
  void assumption_parts(FieldReader& reader, const AssumptionKeys& keys, Assumption& out);
  void matrices();
  void modules();
  void add_module(const std::string& file);
  void functions();
  void function(const TomlNode& table, size_t number, AnchorCounter& anchors);
  void values();
  void code();
  void tests();
  void test(const TomlNode& table, AnchorCounter& anchors);
  void meaningless_keys(FieldReader& reader, const TomlNode& table, TestKind kind);
  void plain_test(FieldReader& reader, const TestKeys& keys, Test& out);
  void cell_test(FieldReader& reader, const TestKeys& keys, Test& out);
  bool known_scenario(FieldReader& reader, const TestKeys& keys, const Test& out);
  void needs(const TestKeys& keys, Test& out);
  void link_baselines();
  // Was something said since there were `before` diagnostics? Then what follows from it is not.
  [[nodiscard]] bool said_since(size_t before) const { return diagnostics_.size() != before; }
  [[nodiscard]] bool enough() const;
  void add(const Place& place, DiagnosticCode code, const std::string& message,
           const std::string& hint = "");

  struct PendingCode {
    size_t module = 0;
    size_t function = 0;
    std::string text;
    Place place;
  };

  const std::string& file_;
  Diagnostics& diagnostics_;
  ReadPlan out_;
  ReadContext context_;
  TomlNode& root_;
  std::map<std::string, size_t> module_of_;
  std::vector<PendingCode> pending_code_;
  std::optional<ValueReader> value_reader_;
  std::set<std::string> test_names_;
  std::set<std::pair<size_t, std::string>> function_names_;
  FunctionLines landmarks_;
  bool assumptions_known_ = true;
};

}  // namespace fbx::plan
