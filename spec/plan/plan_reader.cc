// SPDX-License-Identifier: Apache-2.0
#include "spec/plan/plan_reader.h"

#include <algorithm>

#include "spec/plan/code_text.h"
#include "spec/starlark/core_text.h"

namespace fbx::plan {

using Kind = TomlNode::Kind;

void PlanReader::add(const Place& place, const std::string& code, const std::string& message,
                     const std::string& hint) {
  diagnostics_.push_back({place, code, message, hint});
}

std::optional<ReadPlan> PlanReader::read(std::string_view text) {
  const size_t before = diagnostics_.size();
  if (text.size() > kLargestPlan) {
    add(Place{file_}, "plan-too-large", "a plan of more than 64 MiB");
    return std::nullopt;
  }
  root_ = parse_toml(text, file_, diagnostics_);
  if (diagnostics_.size() != before) return std::nullopt;
  out_.places.document = Place{file_, 1, 1};
  header();
  // A plan of another format is not judged by this one's rules.
  if (diagnostics_.size() != before) return std::nullopt;
  services();
  assumptions();
  matrices();
  modules();
  functions();
  values();
  code();
  tests();
  link_baselines();
  unknown_sections();
  if (diagnostics_.size() != before) return std::nullopt;
  return std::move(out_);
}

const std::vector<TomlNode>& PlanReader::tables(std::string_view key) {
  static const std::vector<TomlNode> none;
  const TomlNode* node = root_.find(key);
  if (node == nullptr) return none;
  const bool good = node->kind == Kind::kArray &&
                    std::all_of(node->items.begin(), node->items.end(),
                                [](const TomlNode& item) { return item.kind == Kind::kTable; });
  if (good) return node->items;
  add(Place{file_, node->line, node->col}, "plan-type",
      "`" + std::string(key) + "` must be written as tables, [[" + std::string(key) + "]]");
  return none;
}

void PlanReader::header() {
  const TomlNode* version = root_.find("fbx_plan");
  if (version == nullptr) {
    add(Place{file_, 1, 1}, "plan-version", "this is no fbx plan: it has no `fbx_plan = 1`");
    return;
  }
  if (version->kind == Kind::kInteger && version->integer != kFormatVersion) {
    add(Place{file_, version->line, version->col}, "plan-version",
        "a plan of version " + std::to_string(version->integer) + "; this fbx reads version 1");
    return;
  }
  PlanKeys keys;
  TomlNode top = root_;
  std::erase_if(top.members, [](const TomlMember& m) {
    return m.value.kind == Kind::kTable || m.value.kind == Kind::kArray;
  });
  FieldReader reader(context_, top, "the plan");
  fields(reader, keys);
  reader.finish();
  Plan& plan = out_.plan;
  plan.spec = keys.spec;
  plan.sha256 = keys.sha256;
  plan.network = keys.network;
  plan.tmp = keys.tmp;
  plan.timeout_ns = keys.timeout_ns;
  for (const TomlNode& table : tables("env")) {
    FieldReader env(context_, table, "[[env]]");
    fields(env, plan.env_reads.emplace_back());
    env.finish();
  }
  for (const TomlNode& table : tables("file")) {
    FieldReader file(context_, table, "[[file]]");
    fields(file, plan.file_reads.emplace_back());
    file.finish();
  }
}

void PlanReader::unknown_sections() {
  static const std::vector<std::string> known = {"env",  "file",   "service", "assumption",
                                                 "test", "matrix", "values",  "function"};
  for (const TomlMember& member : root_.members) {
    if (member.value.kind != Kind::kTable && member.value.kind != Kind::kArray) continue;
    if (std::find(known.begin(), known.end(), member.key) != known.end()) continue;
    const std::string near = nearest_name(member.key, known);
    add(Place{file_, member.line, member.col}, "plan-key",
        "the plan has no section `" + member.key + "`",
        near.empty() ? "" : "did you mean " + near + "?");
  }
}

void PlanReader::services() {
  Plan& plan = out_.plan;
  const auto& all = tables("service");
  // Names first: a service may depend on one that stands below it.
  for (const TomlNode& table : all) {
    const TomlNode* name = table.find("name");
    plan.services.emplace_back().name = name != nullptr && name->kind == Kind::kString ? name->text : "";
  }
  AnchorCounter anchors;
  for (size_t i = 0; i < all.size(); ++i) {
    FieldReader reader(context_, all[i], "[[service]]", &anchors);
    fields(reader, plan.services[i]);
    reader.finish();
    out_.places.services.push_back(reader.place_of("name"));
  }
}

void PlanReader::assumptions() {
  AnchorCounter anchors;
  for (const TomlNode& table : tables("assumption")) {
    AssumptionKeys keys;
    FieldReader reader(context_, table, "[[assumption]]", &anchors);
    fields(reader, keys);
    reader.finish();
    Assumption assumption;
    assumption.name = keys.name;
    assumption.description = keys.description;
    assumption.place = keys.place;
    assumption_parts(reader, keys, assumption);
    out_.plan.assumptions.push_back(std::move(assumption));
  }
}

void PlanReader::assumption_parts(FieldReader& reader, const AssumptionKeys& keys,
                                  Assumption& out) {
  const auto& earlier = out_.plan.assumptions;
  const auto find = [&](const std::string& name) {
    return std::find_if(earlier.begin(), earlier.end(),
                        [&](const Assumption& a) { return a.name == name; });
  };
  if (find(keys.name) != earlier.end()) {
    reader.complain("name", "plan-twice", "two assumptions are named \"" + keys.name + "\"");
  }
  for (const std::string& name : keys.includes) {
    const auto found = find(name);
    if (found == earlier.end()) {
      reader.complain("includes", "plan-reference",
                      "no assumption before this one is named \"" + name + "\"");
    } else {
      out.includes.push_back(static_cast<uint32_t>(found - earlier.begin()));
    }
  }
  for (const FaultKeys& fault : keys.faults) {
    if (const auto assumed = assumed_fault(fault)) {
      out.faults.push_back(*assumed);
    } else {
      reader.complain("faults", "plan-fault",
                      "a fault says one of deny (with or without delay), delay, allow");
    }
  }
}

void PlanReader::matrices() {
  AnchorCounter anchors;
  for (const TomlNode& table : tables("matrix")) {
    FieldReader reader(context_, table, "[[matrix]]", &anchors);
    fields(reader, out_.plan.matrices.emplace_back());
    reader.finish();
  }
}

void PlanReader::add_module(const std::string& file) {
  if (module_of_.contains(file)) return;
  module_of_[file] = out_.plan.image.modules.size();
  Module module;
  module.code.file = file;
  out_.plan.image.modules.push_back(std::move(module));
  out_.places.code.emplace_back();
}

// The spec first, the files that it loads in order of their names.
void PlanReader::modules() {
  std::set<std::string> files;
  for (const TomlNode& table : tables("function")) {
    const TomlNode* file = table.find("file");
    if (file != nullptr && file->kind == Kind::kString) files.insert(file->text);
  }
  const TomlNode* values = root_.find("values");
  if (values != nullptr) {
    for (const TomlMember& member : values->members) files.insert(member.key);
  }
  add_module(out_.plan.spec);
  for (const std::string& file : files) add_module(file);
}

void PlanReader::functions() {
  AnchorCounter anchors;
  for (const TomlNode& table : tables("function")) function(table, anchors);
}

void PlanReader::function(const TomlNode& table, AnchorCounter& anchors) {
  FunctionKeys keys;
  FieldReader reader(context_, table, "[[function]]", &anchors);
  fields(reader, keys);
  reader.finish();
  const auto module = module_of_.find(keys.place.file);
  if (module == module_of_.end()) return;  // its `file` is no string: said already
  auto& functions = out_.plan.image.modules[module->second].code.functions;
  for (const auto& other : functions) {
    if (other.key == keys.name) {
      reader.complain("name", "plan-twice", "two functions are named \"" + keys.name + "\"");
      return;
    }
  }
  starlark::core::Function out;
  out.key = keys.name;
  out.line = keys.place.line;
  out.col = keys.place.col;
  if (std::string problem; !read_signature(keys, out, problem)) {
    reader.complain("params", "plan-signature", problem);
  }
  functions.push_back(std::move(out));
  Place place = reader.place_of("code");
  ++place.line;  // the text begins below the quotes
  place.col = 0;
  out_.places.code[module->second].push_back(place);
  pending_code_.push_back({module->second, functions.size() - 1, keys.code, place});
}

void PlanReader::values() {
  value_reader_.emplace(out_.plan.image, out_.places.values, diagnostics_);
  const TomlNode* values = root_.find("values");
  if (values != nullptr) {
    for (const TomlMember& file : values->members) {
      if (file.value.kind != Kind::kTable) {
        add(Place{file_, file.line, file.col}, "plan-type",
            "`values` holds one table for each file, [values.\"" + file.key + "\"]");
        continue;
      }
      for (const TomlMember& entry : file.value.members) {
        const Place place{file_, entry.line, entry.value.col};
        if (entry.value.kind != Kind::kString) {
          add(place, "plan-type", "the value `" + entry.key + "` is not written as a string");
          continue;
        }
        value_reader_->declare(static_cast<uint32_t>(module_of_.at(file.key)), entry.key,
                               entry.value.text, place);
      }
    }
  }
  value_reader_->finish();
}

void PlanReader::code() {
  for (Module& module : out_.plan.image.modules) {
    for (const auto& [name, value] : module.globals) module.code.globals.push_back(name);
  }
  for (const PendingCode& pending : pending_code_) {
    auto& module = out_.plan.image.modules[pending.module].code;
    auto& function = module.functions[pending.function];
    std::map<uint32_t, std::string> lines;
    const std::string text = split_code_text(pending.text, function.line, lines);
    auto& sources = out_.plan.sources;
    auto found = std::find_if(sources.begin(), sources.end(),
                              [&](const SourceLines& s) { return s.file == module.file; });
    if (found == sources.end()) found = sources.insert(found, SourceLines{module.file, {}});
    found->lines.insert(lines.begin(), lines.end());
    const auto read = starlark::core::read_code(text, module.globals, function);
    if (read) continue;
    Place place = pending.place;
    place.line += read.error().line > 0 ? static_cast<uint32_t>(read.error().line) - 1 : 0;
    place.col = static_cast<uint32_t>(std::max(read.error().col, 0));
    add(place, "plan-code", read.error().message, read.error().hint);
  }
}

}  // namespace fbx::plan
