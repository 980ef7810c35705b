// SPDX-License-Identifier: Apache-2.0
//
// Modules, freezing, functions from outside, and the short ways to run something.
#include <algorithm>
#include <memory>

#include "spec/starlark/builtins.h"
#include "spec/starlark/machine.h"
#include "spec/starlark/values.h"

namespace starlark {

void Predeclared::set(std::string_view name, Value value) {
  auto at = std::lower_bound(entries_.begin(), entries_.end(), name,
                             [](const auto& e, std::string_view n) { return e.first < n; });
  if (at != entries_.end() && at->first == name) {
    at->second = value;
  } else {
    entries_.insert(at, {std::string(name), value});
  }
}

Value Predeclared::get(std::string_view name) const {
  auto at = std::lower_bound(entries_.begin(), entries_.end(), name,
                             [](const auto& e, std::string_view n) { return e.first < n; });
  return at != entries_.end() && at->first == name ? at->second : Value();
}

std::vector<std::string_view> Predeclared::names() const {
  std::vector<std::string_view> out;
  for (const auto& [name, value] : entries_) out.push_back(name);
  return out;
}

Names Predeclared::as_names() const {
  return {[this](std::string_view name) { return has(name); }, [this] { return names(); }};
}

namespace {

// A module lives in its heap, and is destroyed with it: a host object that no program sees.
struct ModuleHolder : HostObject {
  explicit ModuleHolder(std::unique_ptr<Module> m) : module(std::move(m)) {}
  std::string_view type() const override { return "module holder"; }
  std::unique_ptr<Module> module;
};

}  // namespace

Module* Module::create(Heap& heap, std::shared_ptr<const Program> program,
                       const Predeclared& predeclared) {
  std::unique_ptr<Module> m(new Module);
  const Program::Image& image = *program->image_;
  m->program_ = program;
  m->heap_ = &heap;
  std::size_t n = image.slots.size();
  m->slots_ = static_cast<Value*>(heap.allocate(std::max<std::size_t>(n, 1) * sizeof(Value)));
  std::uninitialized_fill(m->slots_, m->slots_ + n, Value());
  for (const auto& [name, slot] : image.predeclared_slot) {
    Value v = predeclared.get(name);
    m->slots_[slot] = v.valid() ? v : universal(name);
  }
  Module* raw = m.get();
  heap.make_host<ModuleHolder>(std::move(m));
  return raw;
}

const std::string& Module::slot_name(std::size_t i) const { return program_->image_->slots[i]; }

Value Module::toplevel() { return heap_->function(*this, "", {}, {}); }

Value Module::global(std::string_view name) const {
  auto it = program_->image_->global_slot.find(name);
  return it == program_->image_->global_slot.end() ? Value() : slots_[it->second];
}

void Module::set_global(std::string_view name, Value value) {
  auto it = program_->image_->global_slot.find(name);
  if (it != program_->image_->global_slot.end()) slots_[it->second] = value;
}

std::vector<std::pair<std::string_view, Value>> Module::globals() const {
  std::vector<std::pair<std::string_view, Value>> out;
  for (const std::string& name : program_->core().globals) {
    if (Value v = global(name); v.valid()) out.push_back({name, v});
  }
  return out;
}

void Module::freeze() {
  if (frozen_) return;
  frozen_ = true;
  for (const auto& [name, v] : globals()) heap_->freeze(v);
}

Value Heap::function(Module& module, std::string_view key, std::span<const Value> defaults,
                     std::span<const Value> cells) {
  const Lowered* code = module.program().lowered(key);
  if (code == nullptr || defaults.size() != code->defaults ||
      cells.size() != code->core->free.size()) {
    return Value();
  }
  for (Value c : cells) {
    if (!is_kind(c, Kind::cell)) return Value();
  }
  std::size_t n = defaults.size() + cells.size();
  auto* f = static_cast<FunctionObject*>(allocate(sizeof(FunctionObject) + n * sizeof(Value)));
  init(f, Kind::function, region_);
  f->code = code;
  f->module = &module;
  std::copy(cells.begin(), cells.end(), std::copy(defaults.begin(), defaults.end(), f->slots()));
  return Value::of(f);
}

FunctionView view_function(Value function) {
  auto* f = as<FunctionObject>(function);
  return {f->code->core, f->module, {f->slots(), f->code->defaults},
          {f->slots() + f->code->defaults, f->code->core->free.size()}};
}

void Heap::freeze(Value root) {
  std::vector<Value> work{root};
  auto add = [&](Value v) {
    if (v.is_object() && v.object()->region != Object::kFrozen) work.push_back(v);
  };
  while (!work.empty()) {
    Value v = work.back();
    work.pop_back();
    if (!v.is_object() || v.object()->region == Object::kFrozen) continue;
    v.object()->region = Object::kFrozen;
    switch (v.object()->kind) {
      case Kind::string:
      case Kind::bytes: string_hash(as<StringObject>(v)); break;
      case Kind::list:
        for (Value item : elements(v)) add(item);
        break;
      case Kind::tuple:
        for (Value item : elements(v)) add(item);
        break;
      case Kind::dict:
      case Kind::set: {
        std::size_t cursor = 0;
        Value key, value;
        while (next_entry(v, cursor, key, value)) {
          add(key);
          add(value);
        }
        break;
      }
      case Kind::structure:
      case Kind::module:
        add(constructor(v));
        for (const Keyword& k : fields(v)) {
          add(k.name);
          add(k.value);
        }
        break;
      case Kind::builtin: add(receiver_of(v)); break;
      case Kind::function: {
        FunctionView f = view_function(v);
        for (Value d : f.defaults) add(d);
        for (Value c : f.cells) add(c);
        break;
      }
      case Kind::cell: add(cell_value(v)); break;
      case Kind::string_view: add(as<ViewObject>(v)->string); break;
      case Kind::host: {
        HostObject* o = host_object(v);
        if (o->frozen_) break;
        o->frozen_ = true;
        o->freeze();
        o->visit(add);
        break;
      }
      default: break;
    }
  }
}

bool Machine::load(const Lowered& code, const Ins& in, Value* base) {
  const std::int32_t* l = code.lists.data() + in.e;
  if (in.c != 0) {  // the i-th loaded value
    base[in.a] = s.loaded[static_cast<std::size_t>(in.d)];
    return true;
  }
  std::string name(to_string_view(code.constants[static_cast<std::size_t>(in.d)]));
  if (!fiber.env_.load) {
    fail(Code::load, "cannot load " + name + ": load is not supported here");
    return false;
  }
  auto module = fiber.env_.load(fiber, name);
  if (!module) {
    fail(Code::load, "cannot load " + name + ": " + module.error().message, module.error().hint);
    return false;
  }
  s.loaded.clear();
  const core::Module& m = (*module)->program().core();
  for (std::uint32_t i = 0; i < in.b; ++i) {
    std::string_view wanted = to_string_view(code.constants[static_cast<std::size_t>(~l[i])]);
    std::vector<std::string_view> exported;
    Value found;
    for (std::size_t g = 0; g < m.globals.size(); ++g) {
      if (g < m.file_local.size() && m.file_local[g]) continue;
      if (m.globals[g].starts_with('_')) continue;
      exported.push_back(m.globals[g]);
      if (m.globals[g] == wanted) found = (*module)->global(wanted);
    }
    if (!found.valid()) {
      fail(Code::load, "load: name " + std::string(wanted) + " not found in module " + name,
           did_you_mean(wanted, exported));
      return false;
    }
    s.loaded.push_back(found);
  }
  return true;
}

// ---- running to the end

namespace {

std::expected<Value, Error> finish(Fiber& fiber) {
  if (fiber.resume() == Fiber::State::done) return fiber.result();
  return std::unexpected(fiber.error());
}

}  // namespace

std::expected<Value, Error> run(Heap& heap, const Environment& env, Value fn,
                                std::span<const Value> args, std::span<const Keyword> kwargs) {
  Fiber fiber(heap, env);
  fiber.forbid_effects();
  fiber.start(fn, args, kwargs);
  return finish(fiber);
}

std::expected<Value, Error> run_pure(Heap& heap, const Environment& env, Value fn,
                                     std::span<const Value> args) {
  bool outer = heap.begin_scratch();
  auto result = run(heap, env, fn, args);
  if (outer) {
    Value kept = heap.end_scratch(result ? *result : Value());
    if (result && kept.valid()) {
      result = kept;
    } else if (result) {
      Error why;
      why.code = Code::value;
      why.message = "the result cannot be kept: it is nested too deeply, too large, or holds an "
                    "object made in the callback";
      result = std::unexpected(std::move(why));
    }
  }
  return result;
}

std::expected<Module*, Error> run_module(Heap& heap, const Environment& env,
                                         std::shared_ptr<const Program> program,
                                         const Predeclared& predeclared) {
  Module* m = Module::create(heap, std::move(program), predeclared);
  auto result = run(heap, env, m->toplevel());
  m->freeze();
  if (!result) return std::unexpected(result.error());
  return m;
}

}  // namespace starlark
