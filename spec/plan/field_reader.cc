// SPDX-License-Identifier: Apache-2.0
#include "spec/plan/field_reader.h"

#include <algorithm>
#include <cctype>
#include <charconv>

#include "spec/plan/duration.h"

namespace fbx::plan {

using Kind = TomlNode::Kind;

void FieldReader::report(const TomlNode& node, DiagnosticCode code, const std::string& message,
                         const std::string& hint) {
  context_.diagnostics.push_back({Place{context_.file, node.line, node.col}, code, message, hint});
}

Place FieldReader::place_of(std::string_view key) const {
  const TomlNode* node = table_.find(key);
  if (node == nullptr) node = &table_;
  return {context_.file, node->line, node->col};
}

void FieldReader::complain(std::string_view key, DiagnosticCode code,
                           const std::string& message, const std::string& hint) {
  const TomlNode* node = table_.find(key);
  report(node == nullptr ? table_ : *node, code, message, hint);
}

const TomlNode* FieldReader::find(std::string_view key, Kind kind) {
  known_.emplace_back(key);
  const TomlNode* node = table_.find(key);
  return node != nullptr && is_kind(key, *node, kind) ? node : nullptr;
}

bool FieldReader::is_kind(std::string_view key, const TomlNode& node, Kind kind) {
  if (node.kind == kind && node.text.find('\0') == std::string::npos) return true;
  if (node.kind == kind) {
    report(node, "plan-range", "`" + std::string(key) + "` in " + what_ + " holds a NUL character");
    return false;
  }
  report(node, "plan-type",
         "`" + std::string(key) + "` in " + what_ + " is " + toml_kind_name(node.kind) + ", want " +
             toml_kind_name(kind));
  return false;
}

void FieldReader::text(std::string_view key, std::string& out, Presence presence, const char*) {
  const TomlNode* node = find(key, Kind::kString);
  if (node != nullptr) out = node->text;
  if (presence == kOptional) return;
  if (table_.find(key) == nullptr) {
    report(table_, "plan-missing", what_ + " has no `" + std::string(key) + "`");
  } else if (node != nullptr && out.empty()) {
    report(*node, "plan-range", "`" + std::string(key) + "` in " + what_ + " is empty");
  }
}

void FieldReader::text(std::string_view key, std::string& out, const char* fallback, const char*) {
  const TomlNode* node = find(key, Kind::kString);
  out = node == nullptr ? fallback : node->text;
}

void FieldReader::name(std::string_view key, std::string& out, Presence presence, const char* doc) {
  text(key, out, presence, doc);
  for (const char c : out) {
    if (std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '-') continue;
    complain(key, "plan-range", "`" + std::string(key) + "` in " + what_ + " is \"" + out +
                                    "\", want letters, digits, `_` and `-`");
    return;
  }
}

void FieldReader::sha256(std::string_view key, std::string& out, Presence presence,
                         const char* doc) {
  text(key, out, presence, doc);
  const bool hex = out.find_first_not_of("0123456789abcdef") == std::string::npos;
  if (out.empty() || (hex && out.size() == 64)) return;
  complain(key, "plan-range",
           "`" + std::string(key) + "` in " + what_ + " is no SHA-256: want 64 digits of lower-case hex");
}

void FieldReader::block(std::string_view key, std::string& out, const char* doc) {
  text(key, out, kRequired, doc);
}

void FieldReader::flag(std::string_view key, bool& out, bool fallback, const char*) {
  const TomlNode* node = find(key, Kind::kBool);
  out = node == nullptr ? fallback : node->boolean;
}

bool FieldReader::integer(std::string_view key, int64_t& out, int64_t min, int64_t max) {
  const TomlNode* node = find(key, Kind::kInteger);
  if (node == nullptr) return false;
  out = node->integer;
  if (out >= min && out <= max) return true;
  report(*node, "plan-range",
         "`" + std::string(key) + "` in " + what_ + " is " + std::to_string(out) + ", want " +
             std::to_string(min) + " to " + std::to_string(max));
  return false;
}

void FieldReader::real(std::string_view key, double& out, double fallback, double min, double max,
                       const char*) {
  out = fallback;
  const TomlNode* node = table_.find(key);
  known_.emplace_back(key);
  if (node == nullptr) return;
  if (node->kind != Kind::kInteger && !is_kind(key, *node, Kind::kFloat)) return;
  const double value =
      node->kind == Kind::kInteger ? static_cast<double>(node->integer) : node->real;
  if (value >= min && value <= max) {
    out = value;
  } else {
    const auto text = [](double d) {
      char buffer[40];
      return std::string(buffer, std::to_chars(buffer, buffer + sizeof buffer, d).ptr);
    };
    report(*node, "plan-range",
           "`" + std::string(key) + "` in " + what_ + " is " + text(value) + ", want " + text(min) +
               " to " + text(max));
  }
}

void FieldReader::duration(std::string_view key, int64_t& out, int64_t fallback, const char*) {
  out = fallback;
  const TomlNode* node = find(key, Kind::kString);
  if (node == nullptr) return;
  if (const auto value = parse_duration(node->text).value_or(0); value > 0) {
    out = value;
  } else {
    report(*node, "plan-range",
           "`" + std::string(key) + "` in " + what_ + " is \"" + node->text +
               "\", want a duration such as \"1.5s\", above 0 and at most 24h");
  }
}

void FieldReader::unknown_word(std::string_view key, const TomlNode& node,
                               const std::vector<std::string>& known) {
  std::string list;
  for (const std::string& word : known) list += (list.empty() ? "" : ", ") + word;
  report(node, "plan-word",
         "`" + std::string(key) + "` in " + what_ + " is \"" + node.text + "\", want one of " + list,
         did_you_mean(node.text, known));
}

bool FieldReader::string_items(std::string_view key, const TomlNode& node,
                               std::vector<std::string>& out) {
  for (const TomlNode& item : node.items) {
    if (!is_kind(key, item, Kind::kString)) return false;
    out.push_back(item.text);
  }
  return true;
}

void FieldReader::words(std::string_view key, std::vector<std::string>& out, const char*) {
  const TomlNode* node = find(key, Kind::kArray);
  if (node != nullptr) string_items(key, *node, out);
}

void FieldReader::word_lists(std::string_view key, std::vector<std::vector<std::string>>& out,
                             const char*) {
  const TomlNode* node = find(key, Kind::kArray);
  if (node == nullptr) return;
  for (const TomlNode& item : node->items) {
    if (!is_kind(key, item, Kind::kArray)) return;
    if (!string_items(key, item, out.emplace_back())) return;
  }
}

void FieldReader::pairs(std::string_view key,
                        std::vector<std::pair<std::string, std::string>>& out, const char*) {
  const TomlNode* node = find(key, Kind::kTable);
  if (node == nullptr) return;
  for (const TomlMember& member : node->members) {
    if (is_kind(std::string(key) + "." + member.key, member.value, Kind::kString)) {
      out.emplace_back(member.key, member.value.text);
    }
  }
}

void FieldReader::limits(std::string_view key, std::map<std::string, std::string>& out,
                         const char* doc) {
  std::vector<std::pair<std::string, std::string>> all;
  pairs(key, all, doc);
  out.insert(all.begin(), all.end());
}

bool FieldReader::find_service(std::string_view key, const TomlNode& node, uint32_t& out) {
  if (!context_.services_known) return false;  // what is wrong with their names was said
  std::vector<std::string> names;
  for (uint32_t i = 0; i < context_.plan.services.size(); ++i) {
    names.push_back(context_.plan.services[i].name);
    if (names.back() == node.text) {
      out = i;
      return true;
    }
  }
  report(node, "plan-reference",
         "`" + std::string(key) + "` in " + what_ + " names \"" + node.text +
             "\", and no service has that name",
         did_you_mean(node.text, names));
  return false;
}

void FieldReader::service(std::string_view key, uint32_t& out, const char*) {
  const TomlNode* node = find(key, Kind::kString);
  if (node != nullptr) find_service(key, *node, out);
  if (table_.find(key) == nullptr) {
    report(table_, "plan-missing", what_ + " has no `" + std::string(key) + "`");
  }
}

void FieldReader::services(std::string_view key, std::vector<uint32_t>& out, const char*) {
  const TomlNode* node = find(key, Kind::kArray);
  if (node == nullptr) return;
  for (const TomlNode& item : node->items) {
    uint32_t service = 0;
    if (is_kind(key, item, Kind::kString) && find_service(key, item, service)) out.push_back(service);
  }
}

void FieldReader::health(std::string_view key, HealthCheck& out, const char*) {
  const TomlNode* node = find(key, Kind::kTable);
  if (node == nullptr) return;
  HealthKeys keys;
  const size_t before = context_.diagnostics.size();
  FieldReader inner(context_, *node, std::string(key));
  fields(inner, keys);
  inner.finish();
  if (const auto check = health_check(keys)) {
    out = *check;
  } else if (context_.diagnostics.size() == before) {
    report(*node, "plan-health",
           "a healthcheck has exactly one of tcp, http, output, command; status goes with http");
  }
}

void FieldReader::place(Place& out) {
  known_.emplace_back("file");
  known_.emplace_back("at");
  const TomlNode* file = table_.find("file");
  if (file != nullptr && !is_kind("file", *file, Kind::kString)) return;
  out.file = file == nullptr ? context_.plan.spec : file->text;
  const TomlNode* at = table_.find("at");
  if (at == nullptr || !is_kind("at", *at, Kind::kString)) return;
  const auto anchor = parse_anchor(at->text);
  if (!anchor || anchors_ == nullptr) {
    report(*at, "plan-place", "`at` is no place: want \"+lines:column\", then two spaces and the line");
    return;
  }
  const auto line = anchors_->line_of(out.file, *anchor);
  if (!line) {
    const bool counted = !anchor->function.empty();
    report(*at, "plan-place",
           counted ? "`at` counts from `" + anchor->function + "`, which is no function of its file"
                   : "`at` is no place: the file has no such line");
    return;
  }
  out.line = *line;
  out.col = anchor->col;
  if (anchor->source.empty()) return;
  auto& sources = context_.plan.sources;
  auto found = std::find_if(sources.begin(), sources.end(),
                            [&](const SourceLines& s) { return s.file == out.file; });
  if (found == sources.end()) found = sources.insert(found, SourceLines{out.file, {}});
  found->lines[out.line] = anchor->source;
}

void FieldReader::finish() {
  for (const TomlMember& member : table_.members) {
    if (std::find(known_.begin(), known_.end(), member.key) != known_.end()) continue;
    context_.diagnostics.push_back({Place{context_.file, member.line, member.col}, "plan-key",
                                    what_ + " has no key `" + member.key + "`",
                                    did_you_mean(member.key, known_)});
  }
}

}  // namespace fbx::plan
