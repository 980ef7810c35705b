// SPDX-License-Identifier: Apache-2.0
#include "spec/plan/describe.h"

#include <charconv>
#include <initializer_list>
#include <string_view>
#include <utility>
#include <vector>

#include "spec/plan/duration.h"
#include "spec/plan/fields.h"
#include "spec/starlark/core.h"

namespace fbx::plan {

namespace {

// Rows of a Markdown table.
std::string row(std::initializer_list<std::string> cells) {
  std::string out = "|";
  for (const std::string& cell : cells) {
    out += " ";
    for (const char c : cell) out += c == '|' ? std::string("\\|") : std::string(1, c);
    out += " |";
  }
  return out + "\n";
}

std::string code(std::string_view text) { return "`" + std::string(text) + "`"; }

// The visitor of fields.h that writes one row for each key, and a table of their own for inline
// tables, behind the one they are used in.
class Describer {
 public:
  static std::string section(const std::string& title, const std::string& rows,
                             const std::string& inner) {
    return "### " + title + "\n\n| key | type | default | meaning |\n|---|---|---|---|\n" + rows +
           inner;
  }
  template <class T>
  static std::string of(const std::string& title) {
    Describer describer;
    T item{};
    fields(describer, item);
    return section(title, describer.rows_, describer.inner_);
  }

  void text(std::string_view key, const std::string&, Presence need, const char* meaning) {
    put(key, need == kRequired ? "string, not empty" : "string", need == kRequired ? "required" : "",
        meaning);
  }
  void text(std::string_view key, const std::string&, const char* fallback, const char* meaning) {
    put(key, "string", code(fallback), meaning);
  }
  void name(std::string_view key, const std::string&, Presence need, const char* meaning) {
    put(key, "letters, digits, `_` and `-`", need == kRequired ? "required" : "", meaning);
  }
  void sha256(std::string_view key, const std::string&, Presence need, const char* meaning) {
    put(key, "64 digits of lower-case hex", need == kRequired ? "required" : "", meaning);
  }
  void flag(std::string_view key, bool, bool fallback, const char* meaning) {
    put(key, "boolean", fallback ? "true" : "false", meaning);
  }
  template <class T>
  void number(std::string_view key, T, T fallback, T min, T max, const char* meaning) {
    const bool in_range = fallback >= min && fallback <= max;
    put(key, "integer, " + std::to_string(min) + " to " + std::to_string(max),
        in_range ? std::to_string(fallback) : "", meaning);
  }
  void real(std::string_view key, double, double fallback, double min, double max,
            const char* meaning) {
    put(key, "number, " + shown(min) + " to " + shown(max), shown(fallback), meaning);
  }
  void duration(std::string_view key, int64_t, int64_t fallback, const char* meaning) {
    put(key, "duration", fallback == 0 ? "" : code(format_duration(fallback)), meaning);
  }
  template <class E>
  void choice(std::string_view key, E, E fallback,
              std::initializer_list<std::pair<const char*, E>> words, const char* meaning) {
    std::string type, usual;
    for (const auto& [word, meant] : words) {
      type += (type.empty() ? "" : ", ") + code(word);
      if (meant == fallback) usual = code(word);
    }
    put(key, type, usual, meaning);
  }
  template <class T>
  void words(std::string_view key, const T&, const char* meaning) {
    put(key, "array of strings", "", meaning);
  }
  template <class T>
  void word_lists(std::string_view key, const T&, const char* meaning) {
    put(key, "array of arrays of strings", "", meaning);
  }
  template <class T>
  void pairs(std::string_view key, const T&, const char* meaning) {
    put(key, "table of strings", "", meaning);
  }
  template <class T>
  void limits(std::string_view key, const T&, const char* meaning) {
    put(key, "table of strings: `pids`, `memory`, `files`", "", meaning);
  }
  void service(std::string_view key, uint32_t, const char* meaning) {
    put(key, "name of a service", "required", meaning);
  }
  template <class T>
  void services(std::string_view key, const T&, const char* meaning) {
    put(key, "array of names of services", "", meaning);
  }
  template <class T>
  void tables(std::string_view key, const std::vector<T>&, const char* meaning) {
    put(key, "array of tables", "", meaning);
    inner_ += "\n" + of<T>("each of " + code(key));
  }
  void health(std::string_view key, const HealthCheck&, const char* meaning) {
    put(key, "table with one of `tcp`, `http`, `output`, `command`", "", meaning);
    inner_ += "\n" + of<HealthKeys>(code(key));
  }
  void block(std::string_view key, const std::string&, const char* meaning) {
    put(key, "string of several lines", "required", meaning);
  }
  void place(const Place&) {
    put("file", "string", "the spec", "file of `at`");
    put("at", "place", "", "where it stands");
  }

 private:
  void put(std::string_view key, const std::string& type, const std::string& fallback,
           const char* meaning) {
    rows_ += row({code(key), type, fallback, meaning});
  }
  static std::string shown(double value) {
    char buffer[40];
    return {buffer, std::to_chars(buffer, buffer + sizeof buffer, value).ptr};
  }

  std::string rows_, inner_;
};

std::string operations() {
  using starlark::core::OpInfo;
  std::string out = "### operations\n\n| operation | operands | results | does |\n|---|---|---|---|\n";
  for (const OpInfo& op : starlark::core::all_ops()) {
    std::string operands = op.operands < 0 ? "any" : std::to_string(op.operands);
    if (op.has_name) operands += ", name";
    if (op.has_label) operands += ", label";
    const std::string results = op.results == 2 ? "any" : std::to_string(op.results);
    std::string does(op.does);
    if (op.may_suspend) does += "; may suspend";
    if (op.terminator) does += "; may be the last";
    out += row({code(op.text), operands, results, does});
  }
  return out;
}

}  // namespace

std::string describe_format() {
  return Describer::of<PlanKeys>("the plan") + "\n" + Describer::of<EnvRead>("`[[env]]`") + "\n" +
         Describer::of<FileRead>("`[[file]]`") + "\n" + Describer::of<Service>("`[[service]]`") +
         "\n" + Describer::of<AssumptionKeys>("`[[assumption]]`") + "\n" +
         Describer::of<Matrix>("`[[matrix]]`") + "\n" + Describer::of<TestKeys>("`[[test]]`") +
         "\n" + Describer::of<FunctionKeys>("`[[function]]`") + "\n" + operations();
}

}  // namespace fbx::plan
