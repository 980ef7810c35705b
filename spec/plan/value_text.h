// SPDX-License-Identifier: Apache-2.0
//
// The values of an image as text, and back: the notation of docs/plan-format.md.
//
//   None True 12 -3 1.5 float("nan") "text" b"bytes" (1, 2) [1] {"a": 1} set([1]) range(0, 3, 1)
//   struct(a = 1)            fields in order of name
//   function("f.lambda@1")   closures add defaults=[…] and cells=[…]; `unassigned` in a cell
//   function("f", file="lib/common.star")
//   builtin("json.encode")   method(orders, "post")
//   service("orders")        deny("EIO", path="/data/**")   and what else spec/model can thaw
//   place_order              the value of that name in the same [values] table
//   at("lib/common.star", "RETRIES[0]")   a named value of another file, or an odd name
//
// Values are named by where they stand: a global by its name; what several places refer to, and
// what holds itself, by the path from the first place that refers to it ("ROUTES[0].handlers").
//
// Thread rule: one thread.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/diagnostic.h"
#include "spec/plan/image.h"

namespace fbx::plan {

// Expressions nest at most this deep; the writer gives deeper values a name of their own.
constexpr int kDeepestExpression = 24;

// Where the text of a value begins; line 0 = not known.
struct TextPlace {
  uint32_t line = 0, col = 0;
};

struct NamedText {
  std::string name;
  std::string text;
};

// A value outside every global that the plan refers to, and what it is called should it need a name.
struct ValueRoot {
  std::string name;
  ValueRef value = kNoValue;
};

class ValueWriter {
 public:
  ValueWriter(const Image& image, const std::vector<ValueRoot>& roots);
  // The table [values."file"] of one module. Globals that hold the plain function of their own name
  // are left out: docs/plan-format.md.
  [[nodiscard]] const std::vector<NamedText>& table(size_t module) const { return tables_[module]; }
  // A root's value, or a global's, as an expression that stands in no table.
  [[nodiscard]] std::string root(const ValueRoot& root);

 private:
  struct Name {
    uint32_t module = 0;
    std::string name;
  };
  struct Pending {
    Name name;
    ValueRef value = kNoValue;
  };
  void count(const std::vector<ValueRoot>& roots);
  void define(const Name& name, ValueRef value);
  void define_pending();
  std::string reference(const Name& to, uint32_t from) const;
  std::string expression(ValueRef ref, const Name& at, int depth);
  std::string definition(ValueRef ref, const Name& at, int depth);
  std::string items(const Value& value, const Name& at, int depth);
  std::string dict(const Value& value, const Name& at, int depth);
  std::string structure(const Value& value, const Name& at, int depth);
  std::string function(const Value& value, const Name& at, int depth);
  std::string host(const Value& value, const Name& at, int depth);

  const Image& image_;
  std::vector<uint32_t> uses_;
  std::map<ValueRef, Name> names_;
  std::vector<Pending> pending_;
  std::vector<std::vector<NamedText>> tables_;
};

// Does the global hold the plain top-level function of its own name?
[[nodiscard]] bool is_own_function(const Image& image, uint32_t module, const std::string& name,
                                   ValueRef value);

// Reads the tables of a plan into an image whose modules (files and functions) are there already.
class ValueReader {
 public:
  // `places` gets the place at which each value is written.
  ValueReader(Image& image, std::vector<TextPlace>& places, Diagnostics& diagnostics)
      : image_(image), places_(places), diagnostics_(diagnostics) {}

  // One entry of a [values] table. Names must be declared before anything is resolved.
  void declare(uint32_t module, const std::string& name, const std::string& text, Place place);
  // Parses all that was declared; sets the modules' globals, own functions included.
  void finish();
  // An expression outside every table, in the spec's own names. After finish() only. kNoValue
  // after a diagnostic.
  ValueRef expression(const std::string& text, const Place& place);

 private:
  friend class ExpressionParser;
  struct Entry {
    std::string text;
    Place place;
    ValueRef value = kNoValue;
    bool own_function = false;
    bool resolving = false;
  };
  using Key = std::pair<uint32_t, std::string>;
  ValueRef resolve(const Key& key, const Place& from);
  void declare_own_functions();

  Image& image_;
  std::vector<TextPlace>& places_;
  Diagnostics& diagnostics_;
  std::map<Key, Entry> entries_;
};

}  // namespace fbx::plan
