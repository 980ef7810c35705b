// SPDX-License-Identifier: Apache-2.0
//
// The frozen values and the code of a plan, as plain data: what a fresh VM heap is filled from.
// spec/model/freeze.h makes one from VM values, spec/model/thaw.h makes VM values of it again;
// value_text.h is how values are written.
//
//   modules   one per source file: symbolic code, and the globals that this code reads
//   values    a graph: lists may hold themselves, closures may share what they captured
//
// Frozen containers never change and the language has no identity test, so a reference counts as
// the value: what is referred to once is written where it stands.
//
// Thread rule: values.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "spec/starlark/core.h"

namespace starlark {
class Program;
}

namespace fbx::plan {

// Index of a value in Image::values.
using ValueRef = uint32_t;
constexpr ValueRef kNoValue = 0xffffffff;

struct Value {
  enum class Kind : uint8_t {
    kNone,
    kBool,
    kInt,       // text: decimal digits with sign, any size
    kFloat,     // real
    kString,    // text
    kBytes,     // text
    kTuple,     // items
    kList,      // items
    kDict,      // items: key, value, key, value…
    kSet,       // items
    kRange,     // range: start, stop, step
    kStruct,    // names, items
    kFunction,  // module, text: its key; items: `defaults` default values, then what each free
                // variable holds (kNoValue: not assigned)
    kBuiltin,   // text: "len", "json.encode", "fault", "json"
    kMethod,    // text: "post"; items[0]: the receiver
    kHost       // text: what makes it ("service", "deny"); names belong to the last items
  };
  Kind kind = Kind::kNone;
  bool boolean = false;
  uint32_t module = 0;
  uint32_t defaults = 0;
  double real = 0;
  std::string text;
  std::array<int64_t, 3> range = {};
  std::vector<ValueRef> items;
  std::vector<std::string> names;
};

struct Module {
  // `code.file` is the name in places; the module's own top level is not in it.
  starlark::core::Module code;
  std::vector<std::pair<std::string, ValueRef>> globals;  // sorted by name
};

struct Image {
  std::vector<Value> values;
  std::vector<Module> modules;  // the spec itself first
  // One per module, verified and lowered; made by whoever made the image, never written.
  std::vector<std::shared_ptr<const starlark::Program>> programs;

  ValueRef add(Value value) {
    values.push_back(std::move(value));
    return static_cast<ValueRef>(values.size() - 1);
  }
};

}  // namespace fbx::plan
