// SPDX-License-Identifier: Apache-2.0
//
// One function's way from core code to bytecode: the state of its emission. What it needs to know
// along the paths comes from lower_flow; lower_ops.cc has the instructions.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "spec/starlark/builtins.h"
#include "spec/starlark/lower.h"
#include "spec/starlark/lower_flow.h"
#include "spec/starlark/objects.h"

namespace starlark {

class Lowering {
  using Instr = core::Instr;
  using Op = core::Op;
  using Operand = core::Operand;
  using OperandKind = core::OperandKind;
  using Role = core::Role;

 public:
  Lowering(const core::Module& module, Program::Image& image, Lowered& out)
      : module_(module), image_(image), out_(out), f_(*out.core), flow_(analyse(f_)) {}

  void run() {
    params();
    layout();
    find_grown();
    emit_all();
  }

 private:
  // ---- what the analyses need
  const Operand& arg(const Instr& in, std::uint32_t i) const { return f_.operands[in.first + i]; }
  std::span<const Operand> targets(const Instr& in) const {
    return {f_.operands.data() + in.first + in.count, in.targets};
  }
  bool plain_local(const Operand& o) const {
    return o.kind == OperandKind::local && !f_.locals[o.index].cell;
  }

  void params() {
    std::int32_t defaults = 0;
    out_.direct = true;
    for (std::size_t i = 0; i < f_.params.size(); ++i) {
      const core::Param& p = f_.params[i];
      ParamSlot slot{intern(f_.locals[i].name), p.kind, p.has_default ? defaults++ : -1};
      out_.params.push_back(slot);
      if (p.kind == core::ParamKind::normal) {
        ++out_.normal;
        out_.required += p.has_default ? 0 : 1;
      } else if (p.kind != core::ParamKind::keyword_only) {
        out_.direct = false;
      }
    }
    out_.defaults = static_cast<std::uint32_t>(defaults);
    for (std::size_t i = 0; i < f_.locals.size(); ++i) {
      if (f_.locals[i].cell) out_.cells.push_back(static_cast<std::uint16_t>(i));
    }
  }

  void layout() {
    temp_base_ = static_cast<std::uint32_t>(f_.locals.size());
    scratch_ = temp_base_ + flow_.temps;  // four registers for constants on their way
    iter_base_ = scratch_ + 4;
    for (const auto& c : flow_.check) out_.clear_locals = out_.clear_locals || !c.empty();
  }

  // local = local + x, where x is no small constant
  bool grows(const Instr& in) const {
    return (in.op == Op::add || in.op == Op::iadd) && plain_local(in.dst) && plain_local(arg(in, 0)) &&
           arg(in, 0).index == in.dst.index && !small_constant(arg(in, 1));
  }
  void find_grown() {
    grown_.assign(f_.locals.size(), false);
    for (const Instr& in : f_.code) {
      if (grows(in)) grown_[in.dst.index] = true;
    }
  }
  bool small_constant(const Operand& o) const {
    constexpr std::int64_t kMost = 0x40000000;
    if (o.kind != OperandKind::constant) return false;
    const core::Constant& c = f_.constants[o.index];
    return c.kind == core::ConstantKind::integer && c.i >= -kMost && c.i <= kMost;
  }

  // ---- emission
  Value intern(std::string_view s) {
    if (auto it = image_.strings.find(s); it != image_.strings.end()) return it->second;
    Value v = image_.heap.string(s);
    if (v.object()->region != Object::kFrozen) v.object()->region = Object::kFrozen;
    string_hash(as<StringObject>(v));
    image_.strings.emplace(to_string_view(v), v);
    return v;
  }

  std::int32_t constant(std::uint32_t index) {
    if (constants_.empty()) constants_.assign(f_.constants.size(), -1);
    if (constants_[index] >= 0) return constants_[index];
    const core::Constant& c = f_.constants[index];
    Value v;
    switch (c.kind) {
      case core::ConstantKind::none: v = Value::none(); break;
      case core::ConstantKind::boolean: v = Value::boolean(c.i != 0); break;
      case core::ConstantKind::integer: v = image_.heap.integer(c.i); break;
      case core::ConstantKind::big: v = image_.heap.integer_from_decimal(c.s); break;
      case core::ConstantKind::floating: v = image_.heap.floating(c.f); break;
      case core::ConstantKind::string: v = intern(c.s); break;
      case core::ConstantKind::bytes: v = image_.heap.bytes(c.s); break;
    }
    if (!v.valid()) v = Value::none();
    image_.heap.freeze(v);
    constants_[index] = static_cast<std::int32_t>(out_.constants.size());
    out_.constants.push_back(v);
    return constants_[index];
  }

  Ins& put(VmOp op, std::uint32_t a = 0, std::uint32_t b = 0, std::uint32_t c = 0,
           std::int32_t d = 0, std::int32_t e = 0) {
    Ins in{op, static_cast<std::uint16_t>(a), static_cast<std::uint16_t>(b),
           static_cast<std::uint16_t>(c), d, e};
    out_.code.push_back(in);
    out_.origin.push_back(static_cast<std::uint32_t>(now_));
    return out_.code.back();
  }

  std::int32_t slot(const Operand& o) const {
    const auto& map = o.kind == OperandKind::global ? image_.global_slot : image_.predeclared_slot;
    return static_cast<std::int32_t>(map.at(f_.names[o.index]));
  }

  // A register that holds the operand; `n` chooses the scratch register if one is needed.
  std::uint32_t reg(const Operand& o, std::uint32_t n) {
    switch (o.kind) {
      case OperandKind::temp: return temp_base_ + o.index;
      case OperandKind::local:
        if (!f_.locals[o.index].cell) return o.index;
        put(VmOp::load_cell, scratch_ + n, o.index);
        break;
      case OperandKind::free:
        put(VmOp::load_free, scratch_ + n, 0, 0, static_cast<std::int32_t>(o.index));
        break;
      case OperandKind::global:
      case OperandKind::predeclared:
        put(VmOp::load_global, scratch_ + n, 0, 0, slot(o));
        break;
      default: put(VmOp::load_const, scratch_ + n, 0, 0, constant(o.index));
    }
    return scratch_ + n;
  }

  // For operand lists: constants need no register; other variables are loaded into extra ones.
  std::int32_t listed(const Operand& o) {
    if (o.kind == OperandKind::constant) return ~constant(o.index);
    if (o.kind == OperandKind::temp) return static_cast<std::int32_t>(temp_base_ + o.index);
    if (plain_local(o)) return static_cast<std::int32_t>(o.index);
    std::uint32_t extra = extras_++;
    most_extras_ = std::max(most_extras_, extras_);
    std::uint32_t at = out_.code.size();
    reg(o, 0);
    // The load goes to a register behind the iterations, whose number is known at the end.
    patches_.push_back({at, static_cast<std::uint32_t>(out_.lists.size() + pending_lists_)});
    ++pending_lists_;
    return static_cast<std::int32_t>(extra);
  }

  std::uint32_t result(const Instr& in) const {
    if (in.dst.kind == OperandKind::temp) return temp_base_ + in.dst.index;
    if (plain_local(in.dst)) return in.dst.index;
    return scratch_;
  }
  void store(const Operand& dst, std::uint32_t from) {
    if (dst.kind == OperandKind::global) put(VmOp::store_global, from, 0, 0, slot(dst));
    if (dst.kind == OperandKind::local && f_.locals[dst.index].cell) {
      put(VmOp::store_cell, from, dst.index);
    }
  }

  void emit_all();
  std::uint32_t add_name(std::string_view s);
  void open_ranges(std::size_t i);
  void one(const Instr& in);
  void arithmetic(const Instr& in);
  bool only_the_next_reads_it(std::size_t i) const;
  bool fused_jump(std::size_t i);
  bool fused_format(std::size_t i);
  void share(const Instr& in);
  void list_of(std::span<const Operand> operands, std::vector<std::int32_t>& out);
  std::uint32_t add_list(std::span<const Operand> operands);
  void site_method(Site& site, std::string_view name);
  void call(const Instr& in);
  void make_function(const Instr& in);
  void unpack(const Instr& in);
  void jump_to(std::uint32_t label) { jumps_.push_back({out_.code.size() - 1, label}); }
  std::uint32_t iter_reg(const Operand& o) {
    auto [it, added] = iter_regs_.emplace(o.index, 0);
    if (added) it->second = iter_base_ + 4 * iter_count_++;
    return it->second;
  }

  const core::Module& module_;
  Program::Image& image_;
  Lowered& out_;
  const core::Function& f_;
  const Flow flow_;
  std::uint32_t temp_base_ = 0, scratch_ = 0, iter_base_ = 0, iter_count_ = 0;
  std::vector<bool> grown_;  // locals with an add_own
  std::vector<std::int32_t> constants_;
  std::size_t now_ = 0;
  struct Jump {
    std::size_t at;
    std::uint32_t label;
  };
  std::vector<Jump> jumps_;
  std::vector<std::uint32_t> label_pc_;
  std::uint32_t extras_ = 0, most_extras_ = 0;
  struct Patch {
    std::uint32_t load, list;
  };
  std::vector<Patch> patches_;
  std::size_t pending_lists_ = 0;
  std::unordered_map<std::uint32_t, std::uint32_t> iter_regs_;
  std::unordered_map<std::size_t, std::size_t> next_pc_;  // of a `next`, by instruction
  struct Open {
    std::uint32_t iteration, begin;  // of flow_.open; program counter
  };
  std::vector<Open> open_;
};

}  // namespace starlark
