// SPDX-License-Identifier: Apache-2.0
#include "spec/plan/expression_parser.h"
#include "spec/plan/value_text.h"

namespace fbx::plan {

// More mistakes than these are not looked for: each looks through all names for what was meant.
constexpr size_t kMostMistakes = 100;

void ValueReader::declare(uint32_t module, const std::string& name, const std::string& text,
                          Place place) {
  Entry entry;
  entry.text = text;
  entry.place = std::move(place);
  entries_[{module, name}] = std::move(entry);
}

// A function that stands at the top level of its file and needs nothing but its code is there under
// its own name, unless the table says otherwise.
void ValueReader::declare_own_functions() {
  for (uint32_t m = 0; m < image_.modules.size(); ++m) {
    for (const auto& function : image_.modules[m].code.functions) {
      bool defaults = false;
      for (const auto& param : function.params) defaults |= param.has_default;
      if (function.name != function.key || function.key == "lambda" || defaults ||
          entries_.contains({m, function.key})) {
        continue;
      }
      Value value;
      value.kind = Value::Kind::kFunction;
      value.module = m;
      value.text = function.key;
      Entry entry;
      entry.own_function = true;
      entry.value = image_.add(std::move(value));
      entries_.emplace(Key{m, function.key}, std::move(entry));
    }
  }
}

void ValueReader::finish() {
  declare_own_functions();
  // Everything that is no plain reference gets its number first, so that cycles close.
  for (auto& [key, entry] : entries_) {
    if (entry.value != kNoValue || ExpressionParser::is_reference(entry.text)) continue;
    entry.value = image_.add(Value{});
  }
  const size_t before = diagnostics_.size();
  for (auto& [key, entry] : entries_) {
    if (diagnostics_.size() > before + kMostMistakes) return;
    const ValueRef value = resolve(key, entry.place);
    if (value == kNoValue || entry.own_function) continue;
    if (ExpressionParser::is_reference(entry.text)) continue;
    ExpressionParser(*this, entry.text, entry.place, key.first).parse_into(value);
  }
  for (auto& [key, entry] : entries_) {
    if (entry.value != kNoValue && ExpressionParser::is_global_name(key.second)) {
      image_.modules[key.first].globals.emplace_back(key.second, entry.value);
    }
  }
}

ValueRef ValueReader::resolve(const Key& key, const Place& from) {
  const auto found = entries_.find(key);
  if (found == entries_.end()) {
    std::vector<std::string> names;
    for (const auto& [other, entry] : entries_) {
      if (other.first == key.first) names.push_back(other.second);
    }
    diagnostics_.push_back({from, "plan-reference", "no value is named \"" + key.second + "\"",
                            did_you_mean(key.second, names)});
    return kNoValue;
  }
  Entry& entry = found->second;
  if (entry.value != kNoValue) return entry.value;
  if (entry.resolving) {
    diagnostics_.push_back(
        {entry.place, "plan-reference", "\"" + key.second + "\" refers to nothing but itself"});
    return kNoValue;
  }
  entry.resolving = true;
  ExpressionParser parser(*this, entry.text, entry.place, key.first);
  const auto target = parser.parse_reference();
  if (target) entry.value = resolve(*target, entry.place);
  entry.resolving = false;
  return entry.value;
}

ValueRef ValueReader::expression(const std::string& text, const Place& place) {
  ExpressionParser parser(*this, text, place, 0);
  if (ExpressionParser::is_reference(text)) {
    const auto target = parser.parse_reference();
    return target ? resolve(*target, place) : kNoValue;
  }
  const ValueRef value = image_.add(Value{});
  return parser.parse_into(value) ? value : kNoValue;
}

}  // namespace fbx::plan
