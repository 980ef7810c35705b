// SPDX-License-Identifier: Apache-2.0
#include "spec/plan/write.h"

#include <charconv>

#include "spec/plan/code_text.h"
#include "spec/plan/field_writer.h"
#include "spec/plan/need_text.h"
#include "spec/plan/value_text.h"

namespace fbx::plan {

void FieldWriter::put(std::string_view key, std::string_view value) {
  if (one_line_ && !out_.empty()) out_ += ", ";
  out_ += key;
  out_ += " = ";
  out_ += value;
  if (!one_line_) out_ += "\n";
}

void FieldWriter::real(std::string_view key, double value, double fallback, double, double,
                       const char*) {
  if (value == fallback) return;
  char buffer[40];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value);
  std::string text(buffer, end.ptr);
  if (text.find_first_of(".e") == std::string::npos) text += ".0";
  put(key, text);
}

void FieldWriter::word_lists(std::string_view key,
                             const std::vector<std::vector<std::string>>& value, const char*) {
  if (value.empty()) return;
  std::string text = "[";
  for (const auto& list : value) text += (text.size() > 1 ? ", " : "") + toml_strings(list);
  put(key, text + "]");
}

void FieldWriter::pairs(std::string_view key,
                        const std::vector<std::pair<std::string, std::string>>& value,
                        const char*) {
  if (value.empty()) return;
  std::string text;
  for (const auto& [name, item] : value) {
    text += (text.empty() ? "" : ", ") + toml_key(name) + " = " + toml_string(item);
  }
  put(key, "{ " + text + " }");
}

void FieldWriter::limits(std::string_view key, const std::map<std::string, std::string>& value,
                         const char* doc) {
  pairs(key, {value.begin(), value.end()}, doc);
}

void FieldWriter::services(std::string_view key, const std::vector<uint32_t>& value,
                           const char* doc) {
  std::vector<std::string> names;
  for (const uint32_t service : value) names.push_back(plan_.services[service].name);
  words(key, names, doc);
}

void FieldWriter::place(const Place& value) {
  if (!value.file.empty() && value.file != plan_.spec) put("file", toml_string(value.file));
  if (value.line == 0) return;
  Anchor anchor = anchors_->anchor_of(value);
  anchor.source = source_line(plan_, value);
  put("at", toml_string(anchor_text(anchor)));
}

namespace {

// The function that a test is, when its entry is nothing but a global of the spec.
const starlark::core::Function* plain_entry(const Plan& plan, const Test& test) {
  const Value& entry = plan.image.values[test.entry];
  if (entry.kind != Value::Kind::kFunction || !entry.items.empty()) return nullptr;
  return plan.image.modules[entry.module].code.find(entry.text);
}

class PlanWriter {
 public:
  explicit PlanWriter(const Plan& plan)
      : plan_(plan), values_(plan.image, roots(plan)) {
    for (const Module& module : plan.image.modules) {
      for (const auto& f : module.code.functions) {
        if (f.line != 0 && is_landmark(f.key)) landmarks_[module.code.file].add(f.line, f.key);
      }
    }
  }

  std::string write() {
    section(PlanKeys{kFormatVersion, plan_.spec, plan_.sha256, plan_.network, plan_.tmp,
                     plan_.timeout_ns},
            "", nullptr);
    for (const EnvRead& e : plan_.env_reads) section(e, "[[env]]", nullptr);
    for (const FileRead& f : plan_.file_reads) section(f, "[[file]]", nullptr);
    sections(plan_.services, "[[service]]");
    assumptions();
    sections(plan_.matrices, "[[matrix]]");
    tests();
    values();
    functions();
    return std::move(out_);
  }

 private:
  template <class T>
  void section(T item, const char* header, AnchorCounter* anchors) {
    if (*header != 0) out_ += std::string("\n") + header + "\n";
    FieldWriter writer(out_, plan_, anchors);
    fields(writer, item);
  }
  template <class T>
  void sections(const std::vector<T>& items, const char* header) {
    AnchorCounter anchors(&landmarks_);
    for (const T& item : items) section(item, header, &anchors);
  }

  static ValueRoot function_root(const Test& test, ValueRef value) {
    return {test.name + ".function", value};
  }
  static ValueRoot arg_root(const Test& test, size_t arg) {
    return {test.name + ".args[" + std::to_string(arg) + "]", test.args[arg]};
  }

  static std::vector<ValueRoot> roots(const Plan& plan) {
    std::vector<ValueRoot> out;
    for (const Test& test : plan.tests) {
      out.push_back(function_root(test, test.entry));
      for (size_t i = 0; i < test.args.size(); ++i) out.push_back(arg_root(test, i));
    }
    return out;
  }

  void assumptions() {
    AnchorCounter anchors(&landmarks_);
    for (const Assumption& a : plan_.assumptions) {
      AssumptionKeys keys{a.name, a.description, {}, {}, a.place};
      for (const uint32_t i : a.includes) keys.includes.push_back(plan_.assumptions[i].name);
      for (const AssumedFault& fault : a.faults) keys.faults.push_back(fault_keys(fault));
      section(keys, "[[assumption]]", &anchors);
    }
  }

  // Cells and baselines say what they call by their scenario, and are where their matrix is.
  void cell_keys(const Test& test, TestKeys& keys) {
    if (test.name == cell_name(test.scenario, test.assumption)) keys.name.clear();
    if (test.place == plan_.matrices[static_cast<size_t>(test.matrix)].place) keys.place = {};
    const bool cell = test.kind == TestKind::kCell;
    keys.function = values_.root(cell ? arg_root(test, 0) : function_root(test, test.entry));
    if (keys.function == test.scenario) keys.function.clear();
    keys.args.clear();
    if (cell) keys.expect = values_.root(arg_root(test, 2));
    if (keys.expect == "None") keys.expect.clear();
  }

  void test_keys(const Test& test, TestKeys& keys) {
    keys.function = values_.root(function_root(test, test.entry));
    if (keys.function == test.name) keys.function.clear();
    const auto* entry = plain_entry(plan_, test);
    const uint32_t module = plan_.image.values[test.entry].module;
    if (entry != nullptr && test.place.line == entry->line && test.place.col == entry->col &&
        test.place.file == plan_.image.modules[module].code.file) {
      keys.place = {};
    }
    std::string args;
    for (size_t i = 0; i < test.args.size(); ++i) {
      args += (i == 0 ? "" : ", ") + values_.root(arg_root(test, i));
    }
    if (!args.empty()) keys.args = "[" + args + "]";
  }

  void tests() {
    AnchorCounter anchors(&landmarks_);
    for (const Test& test : plan_.tests) {
      TestKeys keys;
      keys.name = test.name;
      keys.doc = test.doc;
      keys.place = test.place;
      keys.kind = test.kind;
      keys.matrix = test.matrix;
      keys.scenario = test.scenario;
      keys.assumption = test.assumption;
      keys.known_failure = test.known_failure.value_or("");
      keys.require_faults_fire = test.require_faults_fire;
      keys.timeout_ns = test.timeout_ns;
      for (const Need& need : test.needs) keys.needs.push_back(need_text(plan_, need));
      for (const Interest& one : test.observe) keys.observe.push_back(interest_text(plan_, one));
      if (test.matrix >= 0) cell_keys(test, keys);
      else test_keys(test, keys);
      section(keys, "[[test]]", &anchors);
    }
  }

  void values() {
    for (size_t m = 0; m < plan_.image.modules.size(); ++m) {
      const auto& table = values_.table(m);
      if (table.empty()) continue;
      out_ += "\n[values." + toml_string(plan_.image.modules[m].code.file) + "]\n";
      for (const NamedText& entry : table) {
        out_ += toml_key(entry.name) + " = " + toml_string(entry.text) + "\n";
      }
    }
  }

  void functions() {
    AnchorCounter anchors;
    for (const Module& module : plan_.image.modules) {
      for (const auto& function : module.code.functions) {
        FunctionKeys keys;
        keys.name = function.key;
        keys.place = Place{module.code.file, function.line, function.col};
        signature_keys(function, keys);
        keys.code = code_text(plan_, module.code.file, function);
        section(keys, "[[function]]", &anchors);
      }
    }
  }

  const Plan& plan_;
  FunctionLines landmarks_;
  ValueWriter values_;
  std::string out_;
};

}  // namespace

std::string write_plan(const Plan& plan) { return PlanWriter(plan).write(); }

}  // namespace fbx::plan
