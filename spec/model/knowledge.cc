// SPDX-License-Identifier: Apache-2.0
#include "spec/model/knowledge.h"

#include "spec/model/builtins.h"
#include "spec/model/objects.h"
#include "spec/starlark/builtins.h"

namespace fbx::model {

namespace {

namespace core = starlark::core;
using core::OperandKind;

constexpr int kDeepest = 16;

bool writes_temp(const core::Function& f, const core::Instr& instr, uint32_t temp) {
  const auto is = [&](const core::Operand& o) {
    return o.kind == OperandKind::temp && o.index == temp;
  };
  if (is(instr.dst)) return true;
  for (uint32_t t = 0; t < instr.targets; ++t) {
    if (is(f.operands[instr.first + instr.count + t])) return true;
  }
  return false;
}

// Is there a way to an instruction of (from, to] that does not begin at `from`?
bool entered_from_elsewhere(const core::Function& f, uint32_t from, uint32_t to) {
  for (uint32_t i = 0; i < f.code.size(); ++i) {
    if (f.code[i].label == core::kNone || (i > from && i < to)) continue;
    const uint32_t target = f.labels[f.code[i].label];
    if (target > from && target <= to) return true;
  }
  return false;
}

// Does it read the temporary, other than to put an entry into it?
bool reads_temp(const core::Function& f, const core::Instr& instr, uint32_t temp) {
  const bool entry = instr.op == core::Op::insert_new;
  for (uint32_t i = entry ? 1 : 0; i < instr.count; ++i) {
    const core::Operand& o = f.operands[instr.first + i];
    if (o.kind == OperandKind::temp && o.index == temp) return true;
  }
  return false;
}

// The instructions that fill the display which `index` begins in a temporary: those from there to
// the one call that reads it, without a jump. Nothing where it is read otherwise, or again.
std::optional<std::vector<uint32_t>> entries_of(const core::Function& f, uint32_t index) {
  const uint32_t temp = f.code[index].dst.index;
  std::vector<uint32_t> entries;
  std::optional<uint32_t> reader;
  for (uint32_t i = index + 1; i < f.code.size(); ++i) {
    const core::Instr& instr = f.code[i];
    const bool fills = instr.op == core::Op::insert_new &&
                       f.operands[instr.first].kind == OperandKind::temp &&
                       f.operands[instr.first].index == temp;
    if (fills && reader) return std::nullopt;
    if (fills) entries.push_back(i);
    if (reads_temp(f, instr, temp)) {
      if (reader || instr.op != core::Op::call) return std::nullopt;
      reader = i;
    }
    if (!reader && instr.label != core::kNone) return std::nullopt;
    if (writes_temp(f, instr, temp)) break;
  }
  if (!reader || entered_from_elsewhere(f, index, *reader)) return std::nullopt;
  return entries;
}

}  // namespace

const Knowledge::Writers& Knowledge::writers(const core::Function& function) {
  const auto [found, fresh] = writers_.try_emplace(&function);
  Writers& out = found->second;
  if (!fresh) return out;
  const auto note = [&](const core::Operand& target, uint32_t at) {
    if (target.kind != OperandKind::local) return;
    const auto [entry, first] = out.try_emplace({target.kind, target.index}, at);
    if (!first) entry->second = kMany;
  };
  for (uint32_t i = 0; i < function.params.size(); ++i) out[{OperandKind::local, i}] = kMany;
  for (uint32_t i = 0; i < function.code.size(); ++i) {
    const core::Instr& instr = function.code[i];
    note(instr.dst, i);
    for (uint32_t t = 0; t < instr.targets; ++t) {
      note(function.operands[instr.first + instr.count + t], i);
    }
  }
  return out;
}

Value Knowledge::constant(const core::Constant& c) {
  switch (c.kind) {
    case core::ConstantKind::none: return Value::none();
    case core::ConstantKind::boolean: return Value::boolean(c.i != 0);
    case core::ConstantKind::integer: return heap_.integer(c.i);
    case core::ConstantKind::big: return heap_.integer_from_decimal(c.s);
    case core::ConstantKind::floating: return heap_.floating(c.f);
    case core::ConstantKind::string: return heap_.string(c.s);
    case core::ConstantKind::bytes: return heap_.bytes(c.s);
  }
  return unknown_value();
}

std::optional<uint32_t> Knowledge::definition(const core::Function& function, uint32_t index,
                                              uint32_t temp) {
  for (uint32_t i = index; i-- > 0;) {
    if (!writes_temp(function, function.code[i], temp)) continue;
    if (entered_from_elsewhere(function, i, index)) return std::nullopt;
    return i;
  }
  return std::nullopt;
}

Value Knowledge::operand_at(const FunctionAt& at, uint32_t index, const core::Operand& operand,
                            int depth) {
  if (depth > kDeepest) return unknown_value();
  const core::Function& f = *at.function;
  const auto or_unknown = [](Value v) { return v.valid() ? v : unknown_value(); };
  switch (operand.kind) {
    case OperandKind::constant: return constant(f.constants[operand.index]);
    case OperandKind::global: return or_unknown(at.module->global(f.names[operand.index]));
    case OperandKind::predeclared: {
      const Value own = predeclared_.get(f.names[operand.index]);
      return or_unknown(own.valid() ? own : starlark::universal(f.names[operand.index]));
    }
    case OperandKind::free: return captured(at, f.free[operand.index], depth + 1);
    case OperandKind::local: return variable(at, {operand.kind, operand.index}, depth);
    case OperandKind::temp: {
      const auto writer = definition(f, index, operand.index);
      return writer ? written_by(at, *writer, depth) : unknown_value();
    }
    case OperandKind::none: break;
  }
  return unknown_value();
}

Value Knowledge::written_by(const FunctionAt& at, uint32_t index, int depth) {
  const auto key = std::pair(at.function, index);
  if (const auto known = known_.find(key); known != known_.end()) return known->second;
  known_[key] = unknown_value();  // what depends on itself is not known
  const Value out = result(at, index, depth + 1);
  known_[key] = out;
  return out;
}

Value Knowledge::variable(const FunctionAt& at, const Variable& variable, int depth) {
  const Writers& all = writers(*at.function);
  const auto writer = all.find(variable);
  if (writer == all.end() || writer->second == kMany) return unknown_value();
  return written_by(at, writer->second, depth);
}

// A captured variable is known when the function around sets it once.
Value Knowledge::captured(const FunctionAt& at, const std::string& name, int depth) {
  std::string key = at.function->key;
  const size_t dot = key.rfind('.');
  if (dot == std::string::npos || depth > kDeepest) return unknown_value();
  key.resize(dot);
  const FunctionAt around{at.module, at.module->program().core().find(key)};
  if (around.function == nullptr) return unknown_value();
  for (uint32_t i = 0; i < around.function->locals.size(); ++i) {
    if (around.function->locals[i].name == name) {
      return variable(around, {OperandKind::local, i}, depth + 1);
    }
  }
  return captured(around, name, depth + 1);
}

Value Knowledge::attribute(Value receiver, const std::string& name) {
  if (!is_known(receiver)) return unknown_value();
  Value out;
  if (starlark::is_kind(receiver, starlark::Kind::structure) ||
      starlark::is_kind(receiver, starlark::Kind::module)) {
    out = starlark::field(receiver, name);
  } else {
    out = service_attribute(heap_, receiver, name);
  }
  return out.valid() ? out : unknown_value();
}

// Its keys are known; what they stand for may be not.
Value Knowledge::dict(const FunctionAt& at, uint32_t index, int depth) {
  const core::Function& f = *at.function;
  if (f.code[index].dst.kind != OperandKind::temp) return unknown_value();
  const auto entries = entries_of(f, index);
  if (!entries) return unknown_value();
  const Value out = heap_.dict(entries->size());
  for (const uint32_t entry : *entries) {
    const auto operand = [&](uint32_t i) {
      return operand_at(at, entry, f.operands[f.code[entry].first + i], depth + 1);
    };
    const Value key = operand(1);
    if (!is_known(key) || !starlark::is_string(key)) return unknown_value();
    if (heap_.dict_set(out, key, operand(2)) != starlark::Refused::no) return unknown_value();
  }
  return out;
}

Value Knowledge::result(const FunctionAt& at, uint32_t index, int depth) {
  const core::Function& f = *at.function;
  const core::Instr& instr = f.code[index];
  const auto operand = [&](uint32_t i) {
    return operand_at(at, index, f.operands[instr.first + i], depth + 1);
  };
  switch (instr.op) {
    case core::Op::let: return operand(0);
    case core::Op::attr: return attribute(operand(0), f.names[instr.name]);
    case core::Op::tuple:
    case core::Op::list: {
      // A list in a variable may be changed later.
      if (instr.op == core::Op::list && instr.dst.kind != OperandKind::temp) return unknown_value();
      std::vector<Value> items;
      for (uint32_t i = 0; i < instr.count; ++i) {
        items.push_back(operand(i));
        if (!is_known(items.back())) return unknown_value();
      }
      return instr.op == core::Op::tuple ? heap_.tuple(items) : heap_.list(items);
    }
    case core::Op::dict: return dict(at, index, depth);
    case core::Op::call: {
      const CallSite site = call_at(at, index, depth + 1);
      if (site.signature == nullptr || site.signature->make == nullptr || site.open) {
        return unknown_value();
      }
      Bound bound;
      if (bind(*site.signature, Given{site.args, site.kwargs}, context_, bound)) {
        return unknown_value();
      }
      if (!bound.all_known()) return unknown_value();
      MakeContext context{heap_, context_.plan};
      const Value made = site.signature->make(context, bound);
      return context.problem || !made.valid() ? unknown_value() : made;
    }
    default: return unknown_value();
  }
}

CallSite Knowledge::call_at(const FunctionAt& at, uint32_t index, int depth) {
  const core::Function& f = *at.function;
  const core::Instr& instr = f.code[index];
  CallSite site;
  const Value first = operand_at(at, index, f.operands[instr.first], depth);
  if (instr.name == core::kNone) {
    site.callee = first;
  } else {
    site.receiver = first;
    site.callee = attribute(first, f.names[instr.name]);
  }
  if (is_known(site.callee)) {
    if (const auto* builtin = starlark::is_kind(site.callee, starlark::Kind::builtin)
                                  ? starlark::builtin_of(site.callee)
                                  : nullptr) {
      site.signature = signature_of(*builtin);
    }
  }
  for (uint32_t i = 1; i < instr.count; ++i) {
    const core::Operand& operand = f.operands[instr.first + i];
    const Value v = operand_at(at, index, operand, depth);
    switch (operand.role) {
      case core::Role::positional:
        if (site.open) break;  // behind *args: at a place that is not known
        site.args.push_back(v);
        site.arg_operands.push_back(&operand);
        break;
      case core::Role::keyword:
        site.kwargs.push_back({heap_.string(f.names[operand.name]), v});
        site.kwarg_operands.push_back(&operand);
        break;
      case core::Role::star:
      case core::Role::star_star: site.open = true; break;
    }
  }
  return site;
}

}  // namespace fbx::model
