// SPDX-License-Identifier: Apache-2.0
//
// Program: a verified, lowered module; immutable, shared by any number of heaps and threads.
// Module: one run of it (or, from a plan, its rebuilt image): the values of its globals.
#pragma once

#include <expected>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "spec/starlark/compile.h"
#include "spec/starlark/core.h"
#include "spec/starlark/diagnostic.h"
#include "spec/starlark/heap.h"
#include "spec/starlark/value.h"

namespace starlark {

struct Lowered;  // a lowered function, private

// Names that a host gives to every module it makes, with their values. The values must be frozen or
// belong to the heap of the modules that use them.
class Predeclared {
 public:
  void set(std::string_view name, Value value);  // replaces
  Value get(std::string_view name) const;        // the universal built-ins are not in here
  bool has(std::string_view name) const { return get(name).valid(); }
  std::vector<std::string_view> names() const;
  // For compile() and verify(); refers to *this.
  Names as_names() const;

 private:
  std::vector<std::pair<std::string, Value>> entries_;  // sorted by name
};

class Program {
 public:
  // Verifies and lowers.
  static std::expected<std::shared_ptr<const Program>, std::vector<Diagnostic>> create(
      core::Module module, const Names& names);
  // compile() and create() in one.
  static std::expected<std::shared_ptr<const Program>, std::vector<Diagnostic>> from_source(
      std::string_view file, std::string_view source, const Options& options, const Names& names);
  ~Program();

  const core::Module& core() const { return core_; }
  const Lowered* lowered(std::string_view key) const;  // null if there is no such function

  struct Image;  // every function's bytecode and constants

 private:
  friend class Module;
  friend class Heap;
  Program();
  core::Module core_;
  std::unique_ptr<Image> image_;
};

// Belongs to a heap; must not outlive it, nor the Predeclared's values.
class Module {
 public:
  // `predeclared` is read once, here. No value for a name the code uses: an Error when it is read.
  static Module* create(Heap& heap, std::shared_ptr<const Program> program,
                        const Predeclared& predeclared);

  const Program& program() const { return *program_; }
  std::string_view file() const { return program_->core().file; }
  // The function that runs the module's top level; no value if a plan left it out.
  Value toplevel();
  // The globals by name; no value if not (yet) assigned. Those bound by load() are excluded from
  // `exports` (names that another module may load, sorted) unless load_binds_globally.
  Value global(std::string_view name) const;
  void set_global(std::string_view name, Value value);  // only while rebuilding
  std::vector<std::pair<std::string_view, Value>> globals() const;  // assigned ones, in slot order
  // Freezes every global. A host does it when loading ends.
  void freeze();
  bool frozen() const { return frozen_; }

  // for the VM: globals first, then predeclared ones
  Value* slots() { return slots_; }
  const std::string& slot_name(std::size_t i) const;
  Heap& heap() { return *heap_; }

 private:
  friend class Heap;
  Module() = default;
  std::shared_ptr<const Program> program_;
  Heap* heap_ = nullptr;
  Value* slots_ = nullptr;
  bool frozen_ = false;
};

// ---- looking into a function value (kind function), to write it into a plan
struct FunctionView {
  const core::Function* core;
  Module* module;
  std::span<const Value> defaults;  // one per parameter that has a default, in order
  std::span<const Value> cells;     // one per free variable; compare cells with same()
};
FunctionView view_function(Value function);

}  // namespace starlark
