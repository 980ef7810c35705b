// SPDX-License-Identifier: Apache-2.0
//
// The visitor of fields.h that reads one table: types, ranges, words, references to services; what
// is missing and, in finish(), what is unknown. Each mistake is one diagnostic at its own line.
//
// Thread rule: one thread.
#pragma once

#include <initializer_list>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "spec/plan/anchor.h"
#include "spec/plan/fields.h"
#include "spec/plan/keys.h"
#include "spec/plan/toml_tree.h"

namespace fbx::plan {

// What all tables of one document share.
struct ReadContext {
  const std::string& file;  // of the plan, for diagnostics
  Plan& plan;
  Diagnostics& diagnostics;
  bool services_known = true;  // false: their names are in disorder, so no reference is judged
};

class FieldReader {
 public:
  // `what` names the table in messages: "[[service]]".
  FieldReader(const ReadContext& context, const TomlNode& table, std::string what,
              AnchorCounter* anchors = nullptr)
      : context_(context), table_(table), what_(std::move(what)), anchors_(anchors) {}

  void text(std::string_view key, std::string& out, Presence presence, const char*);
  void text(std::string_view key, std::string& out, const char* fallback, const char*);
  void name(std::string_view key, std::string& out, Presence presence, const char* doc);
  void sha256(std::string_view key, std::string& out, Presence presence, const char* doc);
  void flag(std::string_view key, bool& out, bool fallback, const char*);
  template <class T>
  void number(std::string_view key, T& out, T fallback, T min, T max, const char*) {
    int64_t value = 0;
    out = fallback;
    if (integer(key, value, static_cast<int64_t>(min), static_cast<int64_t>(max))) {
      out = static_cast<T>(value);
    }
  }
  void real(std::string_view key, double& out, double fallback, double min, double max,
            const char*);
  void duration(std::string_view key, int64_t& out, int64_t fallback, const char*);
  template <class E>
  void choice(std::string_view key, E& out, E fallback,
              std::initializer_list<std::pair<const char*, E>> words, const char*) {
    out = fallback;
    const TomlNode* node = find(key, TomlNode::Kind::kString);
    if (node == nullptr) return;
    std::vector<std::string> names;
    for (const auto& [word, meant] : words) {
      if (node->text == word) {
        out = meant;
        return;
      }
      names.emplace_back(word);
    }
    unknown_word(key, *node, names);
  }
  void words(std::string_view key, std::vector<std::string>& out, const char*);
  void word_lists(std::string_view key, std::vector<std::vector<std::string>>& out, const char*);
  void pairs(std::string_view key, std::vector<std::pair<std::string, std::string>>& out,
             const char*);
  void limits(std::string_view key, std::map<std::string, std::string>& out, const char*);
  void service(std::string_view key, uint32_t& out, const char*);
  void services(std::string_view key, std::vector<uint32_t>& out, const char*);
  template <class T>
  void tables(std::string_view key, std::vector<T>& out, const char*) {
    const TomlNode* node = find(key, TomlNode::Kind::kArray);
    if (node == nullptr) return;
    for (const TomlNode& item : node->items) {
      if (!is_kind(key, item, TomlNode::Kind::kTable)) continue;
      FieldReader inner(context_, item, std::string(key));
      fields(inner, out.emplace_back());
      inner.finish();
    }
  }
  void health(std::string_view key, HealthCheck& out, const char*);
  void block(std::string_view key, std::string& out, const char*);
  void place(Place& out);

  // Reports keys that nobody asked for. Once, at the end.
  void finish();

  // A diagnostic at the line of `key`'s value, or of the table when it is absent.
  void complain(std::string_view key, DiagnosticCode code, const std::string& message,
                const std::string& hint = "");
  // Where the value of `key` begins; of the table when it is absent.
  [[nodiscard]] Place place_of(std::string_view key) const;

 private:
  const TomlNode* find(std::string_view key, TomlNode::Kind kind);
  bool is_kind(std::string_view key, const TomlNode& node, TomlNode::Kind kind);
  bool integer(std::string_view key, int64_t& out, int64_t min, int64_t max);
  bool string_items(std::string_view key, const TomlNode& node, std::vector<std::string>& out);
  void unknown_word(std::string_view key, const TomlNode& node,
                    const std::vector<std::string>& known);
  bool find_service(std::string_view key, const TomlNode& node, uint32_t& out);
  void report(const TomlNode& node, DiagnosticCode code, const std::string& message,
              const std::string& hint = "");

  const ReadContext& context_;
  const TomlNode& table_;
  std::string what_;
  AnchorCounter* anchors_;
  std::vector<std::string> known_;
};

}  // namespace fbx::plan
