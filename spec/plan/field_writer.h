// SPDX-License-Identifier: Apache-2.0
//
// The visitor of fields.h that writes: `key = value` for what is not at its default, one a line, or
// as one inline table.
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
#include "spec/plan/duration.h"
#include "spec/plan/fields.h"
#include "spec/plan/keys.h"
#include "spec/plan/toml_text.h"

namespace fbx::plan {

class FieldWriter {
 public:
  FieldWriter(std::string& out, const Plan& plan, AnchorCounter* anchors, bool one_line = false)
      : out_(out), plan_(plan), anchors_(anchors), one_line_(one_line) {}

  void text(std::string_view key, const std::string& value, Presence, const char*) {
    if (!value.empty()) put(key, toml_string(value));
  }
  void text(std::string_view key, const std::string& value, const char* fallback, const char*) {
    if (value != fallback) put(key, toml_string(value));
  }
  void name(std::string_view key, const std::string& value, Presence need, const char* doc) {
    text(key, value, need, doc);
  }
  void sha256(std::string_view key, const std::string& value, Presence need, const char* doc) {
    text(key, value, need, doc);
  }
  void flag(std::string_view key, bool value, bool fallback, const char*) {
    if (value != fallback) put(key, value ? "true" : "false");
  }
  template <class T>
  void number(std::string_view key, T value, T fallback, T, T, const char*) {
    if (value != fallback) put(key, std::to_string(value));
  }
  void real(std::string_view key, double value, double fallback, double, double, const char*);
  void duration(std::string_view key, int64_t value, int64_t fallback, const char*) {
    if (value != fallback) put(key, toml_string(format_duration(value)));
  }
  template <class E>
  void choice(std::string_view key, E value, E fallback,
              std::initializer_list<std::pair<const char*, E>> words, const char*) {
    if (value == fallback) return;
    for (const auto& [word, meant] : words) {
      if (meant == value) put(key, toml_string(word));
    }
  }
  void words(std::string_view key, const std::vector<std::string>& value, const char*) {
    if (!value.empty()) put(key, toml_strings(value));
  }
  void word_lists(std::string_view key, const std::vector<std::vector<std::string>>& value,
                  const char*);
  void pairs(std::string_view key, const std::vector<std::pair<std::string, std::string>>& value,
             const char*);
  void limits(std::string_view key, const std::map<std::string, std::string>& value, const char*);
  void service(std::string_view key, uint32_t value, const char*) {
    put(key, toml_string(plan_.services[value].name));
  }
  void services(std::string_view key, const std::vector<uint32_t>& value, const char*);
  template <class T>
  void tables(std::string_view key, const std::vector<T>& value, const char*) {
    if (value.empty()) return;
    std::string list = "[";
    for (const T& item : value) list += (list.size() > 1 ? ", " : "") + inline_table(item);
    put(key, list + "]");
  }
  void health(std::string_view key, const HealthCheck& value, const char*) {
    if (!is_default(value)) put(key, inline_table(health_keys(value)));
  }
  void block(std::string_view key, const std::string& value, const char*) {
    put(key, toml_block(value));
  }
  void place(const Place& value);

 private:
  void put(std::string_view key, std::string_view value);
  template <class T>
  std::string inline_table(T item) {
    std::string text;
    FieldWriter inner(text, plan_, nullptr, true);
    fields(inner, item);
    return text.empty() ? "{}" : "{ " + text + " }";
  }

  std::string& out_;
  const Plan& plan_;
  AnchorCounter* anchors_;
  bool one_line_;
};

}  // namespace fbx::plan
