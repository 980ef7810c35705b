// SPDX-License-Identifier: Apache-2.0
#include "spec/model/freeze.h"

#include <algorithm>

#include "spec/model/dialect.h"
#include "spec/model/objects.h"

namespace fbx::model {

namespace {

using starlark::Kind;
using starlark::Value;
using PlanKind = plan::Value::Kind;

}  // namespace

Freezer::Freezer(const std::vector<starlark::Module*>& modules, plan::Image& image)
    : modules_(modules), image_(image), functions_(modules.size()), globals_(modules.size()) {
  for (uint32_t m = 0; m < modules.size(); ++m) module_of_[modules[m]] = m;
}

plan::ValueRef Freezer::value(Value v) {
  // Small ints, floats and the like have no identity; objects may be shared.
  if (v.is_object()) {
    const auto known = known_.find(v.bits());
    if (known != known_.end()) return known->second;
  }
  const plan::ValueRef ref = image_.add({});
  if (v.is_object()) known_[v.bits()] = ref;
  pending_.push_back({ref, v});
  return ref;
}

std::string Freezer::finish() {
  while (!pending_.empty()) {
    const Pending next = pending_.back();
    pending_.pop_back();
    fill(next);
  }
  for (uint32_t m = 0; m < modules_.size(); ++m) make_module(m);
  return problem_;
}

void Freezer::fill(const Pending& pending) {
  plan::Value out = describe(pending.value);
  image_.values[pending.ref] = std::move(out);
}

plan::Value Freezer::describe(Value v) {
  plan::Value out;
  const auto items = [&](PlanKind kind) {
    out.kind = kind;
    for (const Value item : starlark::elements(v)) out.items.push_back(value(item));
  };
  const auto entries = [&](PlanKind kind, bool values) {
    out.kind = kind;
    size_t cursor = 0;
    Value key, item;
    while (starlark::next_entry(v, cursor, key, item)) {
      out.items.push_back(value(key));
      if (values) out.items.push_back(value(item));
    }
  };
  const auto text = [&](PlanKind kind, std::string_view of) {
    out.kind = kind;
    out.text = of;
  };
  switch (starlark::kind_of(v)) {
    case Kind::none: break;
    case Kind::boolean:
      out.kind = PlanKind::kBool;
      out.boolean = v.is_true();
      break;
    case Kind::integer: text(PlanKind::kInt, starlark::int_to_decimal(v)); break;
    case Kind::floating:
      out.kind = PlanKind::kFloat;
      out.real = starlark::to_double(v);
      break;
    case Kind::string: text(PlanKind::kString, starlark::to_string_view(v)); break;
    case Kind::bytes: text(PlanKind::kBytes, starlark::to_string_view(v)); break;
    case Kind::list: items(PlanKind::kList); break;
    case Kind::tuple: items(PlanKind::kTuple); break;
    case Kind::dict: entries(PlanKind::kDict, true); break;
    case Kind::set: entries(PlanKind::kSet, false); break;
    case Kind::range: {
      const auto range = starlark::range_info(v);
      out.kind = PlanKind::kRange;
      out.range = {range.start, range.stop, range.step};
      break;
    }
    case Kind::structure:
      out.kind = PlanKind::kStruct;
      for (const auto& field : starlark::fields(v)) {
        out.names.emplace_back(starlark::to_string_view(field.name));
        out.items.push_back(value(field.value));
      }
      break;
    case Kind::module:
      text(PlanKind::kBuiltin, starlark::to_string_view(starlark::constructor(v)));
      break;
    case Kind::function: describe_function(v, out); break;
    case Kind::builtin: describe_builtin(v, out); break;
    case Kind::host: describe_host(v, out); break;
    case Kind::string_view:
    case Kind::cell:
      problem_ = "a test reaches a value of type " + std::string(starlark::type_name(v)) +
                 ", which no plan can hold";
      break;
  }
  return out;
}

void Freezer::describe_builtin(Value v, plan::Value& out) {
  const starlark::Builtin& builtin = *starlark::builtin_of(v);
  const Value receiver = starlark::receiver_of(v);
  if (receiver.valid()) {
    out.kind = PlanKind::kMethod;
    out.text = builtin.name();
    out.items.push_back(value(receiver));
    return;
  }
  out.kind = PlanKind::kBuiltin;
  out.text = plan_name(builtin);
}

void Freezer::describe_host(Value v, plan::Value& out) {
  out.kind = PlanKind::kHost;
  const auto* object = dynamic_cast<const FbxObject*>(starlark::host_object(v));
  const auto form = object == nullptr ? std::nullopt : object->form(forms_);
  if (!form) {
    problem_ = "a test reaches a value of type " + std::string(starlark::type_name(v)) +
               ", which no plan can hold";
    return;
  }
  out.text = form->maker;
  for (const Value arg : form->args) out.items.push_back(value(arg));
  for (const auto& [name, arg] : form->named) {
    out.names.push_back(name);
    out.items.push_back(value(arg));
  }
}

void Freezer::describe_function(Value v, plan::Value& out) {
  const starlark::FunctionView view = starlark::view_function(v);
  out.kind = PlanKind::kFunction;
  out.module = module_of_.at(view.module);
  out.text = view.core->key;
  out.defaults = static_cast<uint32_t>(view.defaults.size());
  for (const Value item : view.defaults) out.items.push_back(value(item));
  for (const Value cell : view.cells) {
    const Value held = starlark::cell_value(cell);
    out.items.push_back(held.valid() ? value(held) : plan::kNoValue);
  }
  need_function(out.module, view.core->key);
  // Whoever reads the plan finds a plain function under its own name: value_text.h.
  const bool plain = out.items.empty() && view.core->name == view.core->key;
  if (plain && view.module->global(view.core->key).same(v)) need_global(out.module, view.core->key);
}

void Freezer::need_global(uint32_t module, const std::string& name) {
  if (globals_[module].contains(name)) return;
  const Value held = modules_[module]->global(name);
  if (held.valid()) globals_[module][name] = value(held);
}

void Freezer::need_function(uint32_t module, std::string_view key) {
  std::vector<std::string> todo = {std::string(key)};
  while (!todo.empty()) {
    const std::string next = std::move(todo.back());
    todo.pop_back();
    if (!functions_[module].insert(next).second) continue;
    const auto* function = modules_[module]->program().core().find(next);
    for (const std::string& name : starlark::core::globals_of(*function)) need_global(module, name);
    for (std::string& made : starlark::core::made_by(*function)) todo.push_back(std::move(made));
  }
}

void Freezer::make_module(uint32_t module) {
  const auto& from = modules_[module]->program().core();
  if (module != 0 && functions_[module].empty() && globals_[module].empty()) return;
  plan::Module out;
  out.code.file = from.file;
  for (const auto& function : from.functions) {
    if (!functions_[module].contains(function.key)) continue;
    out.code.functions.push_back(function);
    out.code.functions.back().doc.clear();
  }
  std::stable_sort(out.code.functions.begin(), out.code.functions.end(),
                   [](const auto& a, const auto& b) {
                     return std::tie(a.line, a.col, a.key) < std::tie(b.line, b.col, b.key);
                   });
  for (const auto& [name, ref] : globals_[module]) {
    out.globals.emplace_back(name, ref);
    out.code.globals.push_back(name);
  }
  image_.modules.push_back(std::move(out));
}

}  // namespace fbx::model
