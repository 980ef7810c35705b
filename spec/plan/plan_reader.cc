// SPDX-License-Identifier: Apache-2.0
#include "spec/plan/plan_reader.h"

#include <algorithm>
#include <cctype>

#include "spec/plan/code_text.h"
#include "spec/starlark/core_text.h"

namespace fbx::plan {

using Kind = TomlNode::Kind;

void PlanReader::add(const Place& place, DiagnosticCode code, const std::string& message,
                     const std::string& hint) {
  diagnostics_.push_back({place, code, message, hint});
}

std::optional<ReadPlan> PlanReader::read(std::string_view text) {
  const size_t before = diagnostics_.size();
  if (text.size() > kLargestPlan) {
    add(Place{file_}, "plan-too-large", "a plan of more than 64 MiB");
    return std::nullopt;
  }
  out_.places.file = file_;
  root_ = parse_toml(text, file_, diagnostics_);
  if (diagnostics_.size() != before) return std::nullopt;
  header();
  // A plan of another format is not judged by this one's rules.
  if (said_since(before)) return std::nullopt;
  if (!sections()) return std::nullopt;
  landmarks();
  services();
  assumptions();
  matrices();
  modules();
  const size_t before_functions = diagnostics_.size();
  functions();
  if (!said_since(before_functions)) {
    values();
    code();
    tests();
  }
  if (said_since(before)) return std::nullopt;
  return std::move(out_);
}

namespace {

bool all_tables(const TomlNode& node) {
  return node.kind == Kind::kArray &&
         std::all_of(node.items.begin(), node.items.end(),
                     [](const TomlNode& item) { return item.kind == Kind::kTable; });
}

// Arrays of tables, in the order in which they are written, with how many there may be: reading
// takes its time for each pair of some. And the one table.
const std::map<std::string, size_t> kSections = {
    {"env", 10'000},   {"file", 10'000}, {"service", 1'000},    {"assumption", 10'000},
    {"matrix", 1'000}, {"test", 100'000}, {"function", 20'000}};
constexpr std::string_view kValues = "values";
// A plan with more mistakes than this is not read to its end.
constexpr size_t kMostMistakes = 100;

bool is_section(std::string_view key) {
  return key == kValues || kSections.contains(std::string(key));
}

}  // namespace

const std::vector<TomlNode>& PlanReader::tables(std::string_view key) const {
  static const std::vector<TomlNode> none;
  const TomlNode* node = root_.find(key);
  return node != nullptr && all_tables(*node) ? node->items : none;
}

// Sections that there are not, and those that are not written as tables. False when one is too long
// to be looked at.
bool PlanReader::sections() {
  bool small = true;
  std::vector<std::string> names = {std::string(kValues)};
  for (const auto& [name, most] : kSections) names.push_back(name);
  for (const TomlMember& member : root_.members) {
    const TomlNode& value = member.value;
    const bool table = value.kind == Kind::kTable || value.kind == Kind::kArray;
    if (is_section(member.key)) {
      const bool good = member.key == kValues ? value.kind == Kind::kTable : all_tables(value);
      const std::string shape = member.key == kValues ? "[values.\"FILE\"]" : "[[" + member.key + "]]";
      if (good && member.key != kValues && value.items.size() > kSections.at(member.key)) {
        small = false;
        add(Place{file_, value.line, value.col}, "plan-too-large",
            "more than " + std::to_string(kSections.at(member.key)) + " tables " + shape);
      }
      if (good) continue;
      add(Place{file_, value.line, value.col}, "plan-type",
          "`" + member.key + "` must be written as tables, " + shape);
    } else if (table) {
      add(Place{file_, member.line, member.col}, "plan-key",
          "the plan has no section `" + member.key + "`", did_you_mean(member.key, names));
    }
  }
  return small;
}

// The lines of the functions that places count from; what is wrong with them, functions() says.
void PlanReader::landmarks() {
  AnchorCounter anchors;
  const auto text = [](const TomlNode& table, std::string_view key) {
    const TomlNode* node = table.find(key);
    return node != nullptr && node->kind == Kind::kString ? node->text : "";
  };
  for (const TomlNode& table : tables("function")) {
    const std::string name = text(table, "name");
    const auto anchor = parse_anchor(text(table, "at"));
    if (!anchor) continue;
    const std::string file = table.find("file") == nullptr ? out_.plan.spec : text(table, "file");
    const auto line = anchors.line_of(file, *anchor);
    if (line && is_landmark(name)) landmarks_[file].add(*line, name);
  }
}

bool PlanReader::enough() const { return diagnostics_.size() > kMostMistakes; }

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
  TomlNode top;
  top.line = top.col = 1;
  for (const TomlMember& m : root_.members) {
    const bool table = m.value.kind == Kind::kTable || m.value.kind == Kind::kArray;
    if (!table && !is_section(m.key)) top.members.push_back(m);
  }
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

namespace {

bool good_name(std::string_view name) {
  const auto fits = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '-';
  };
  return !name.empty() && std::all_of(name.begin(), name.end(), fits);
}

}  // namespace

void PlanReader::services() {
  Plan& plan = out_.plan;
  const auto& all = tables("service");
  // Names first: a service may depend on one that stands below it.
  for (const TomlNode& table : all) {
    const TomlNode* name = table.find("name");
    plan.services.emplace_back().name = name != nullptr && name->kind == Kind::kString ? name->text : "";
  }
  for (size_t i = 0; i < all.size(); ++i) {
    const std::string& name = plan.services[i].name;
    const auto same = [&](const Service& other) { return other.name == name; };
    const auto here = plan.services.begin() + static_cast<std::ptrdiff_t>(i);
    context_.services_known &= good_name(name);
    if (name.empty() || std::none_of(plan.services.begin(), here, same)) continue;
    add(out_.places.of({"service", i, "name"}), "plan-twice",
        "two services are named \"" + name + "\"");
    context_.services_known = false;
  }
  AnchorCounter anchors(&landmarks_);
  for (size_t i = 0; i < all.size(); ++i) {
    FieldReader reader(context_, all[i], "[[service]]", &anchors);
    fields(reader, plan.services[i]);
    reader.finish();
  }
}

void PlanReader::assumptions() {
  AnchorCounter anchors(&landmarks_);
  for (const TomlNode& table : tables("assumption")) {
    if (enough()) return;
    AssumptionKeys keys;
    const size_t before = diagnostics_.size();
    FieldReader reader(context_, table, "[[assumption]]", &anchors);
    fields(reader, keys);
    reader.finish();
    assumptions_known_ &= good_name(keys.name);
    Assumption assumption;
    assumption.name = keys.name;
    assumption.description = keys.description;
    assumption.place = keys.place;
    if (!said_since(before)) assumption_parts(reader, keys, assumption);
    out_.plan.assumptions.push_back(std::move(assumption));
  }
}

void PlanReader::assumption_parts(FieldReader& reader, const AssumptionKeys& keys,
                                  Assumption& out) {
  const auto& earlier = out_.plan.assumptions;
  const size_t index = earlier.size();
  const auto find = [&](const std::string& name) {
    return std::find_if(earlier.begin(), earlier.end(),
                        [&](const Assumption& a) { return a.name == name; });
  };
  if (find(keys.name) != earlier.end()) {
    reader.complain("name", "plan-twice", "two assumptions are named \"" + keys.name + "\"");
    assumptions_known_ = false;
  }
  for (size_t i = 0; i < keys.includes.size(); ++i) {
    const auto found = find(keys.includes[i]);
    if (found == earlier.end()) {
      if (!assumptions_known_) continue;
      std::vector<std::string> names;
      for (const Assumption& a : earlier) names.push_back(a.name);
      add(out_.places.of({"assumption", index, "includes", i}), "plan-reference",
          "no assumption before this one is named \"" + keys.includes[i] + "\"",
          did_you_mean(keys.includes[i], names));
    } else {
      out.includes.push_back(static_cast<uint32_t>(found - earlier.begin()));
    }
  }
  for (size_t i = 0; i < keys.faults.size(); ++i) {
    if (const auto assumed = assumed_fault(keys.faults[i])) {
      out.faults.push_back(*assumed);
    } else {
      add(out_.places.of({"assumption", index, "faults", i}), "plan-fault",
          keys.faults[i].allow ? "a fault says `allow`, and `deny` or `delay` too"
                               : "a fault says none of `deny`, `delay`, `allow`");
    }
  }
}

void PlanReader::matrices() {
  AnchorCounter anchors(&landmarks_);
  for (const TomlNode& table : tables("matrix")) {
    FieldReader reader(context_, table, "[[matrix]]", &anchors);
    Matrix& matrix = out_.plan.matrices.emplace_back();
    fields(reader, matrix);
    reader.finish();
    std::vector<std::string> known;
    for (const Assumption& a : out_.plan.assumptions) known.push_back(a.name);
    for (size_t i = 0; i < matrix.assumptions.size(); ++i) {
      const std::string& name = matrix.assumptions[i];
      if (!assumptions_known_ || std::find(known.begin(), known.end(), name) != known.end()) continue;
      add(out_.places.of({"matrix", out_.plan.matrices.size() - 1, "assumptions", i}),
          "plan-reference", "no assumption is named \"" + name + "\"", did_you_mean(name, known));
    }
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
  const auto& all = tables("function");
  for (size_t i = 0; i < all.size() && !enough(); ++i) function(all[i], i, anchors);
}

void PlanReader::function(const TomlNode& table, size_t number, AnchorCounter& anchors) {
  FunctionKeys keys;
  FieldReader reader(context_, table, "[[function]]", &anchors);
  fields(reader, keys);
  reader.finish();
  const auto module = module_of_.find(keys.place.file);
  if (module == module_of_.end()) return;  // its `file` is no string: said already
  auto& functions = out_.plan.image.modules[module->second].code.functions;
  if (!function_names_.emplace(module->second, keys.name).second) {
    reader.complain("name", "plan-twice", "two functions are named \"" + keys.name + "\"");
    return;
  }
  starlark::core::Function out;
  out.key = keys.name;
  out.line = keys.place.line;
  out.col = keys.place.col;
  std::string key, problem;
  if (!read_signature(keys, out, key, problem)) reader.complain(key, "plan-signature", problem);
  functions.push_back(std::move(out));
  Place place = reader.place_of("code");
  if (const TomlNode* code = table.find("code")) place.line = code->text_line();
  place.col = 1;
  out_.places.code[module->second].push_back({place, number});
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
        if (enough()) return;
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
    if (enough()) return;
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
    place.col = static_cast<uint32_t>(std::max(read.error().col, 1));
    add(place, "plan-code", read.error().message, read.error().hint);
  }
}

}  // namespace fbx::plan
