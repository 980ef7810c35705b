// SPDX-License-Identifier: Apache-2.0
#include "spec/starlark/lower.h"

#include <algorithm>

#include "spec/starlark/lowering.h"

namespace starlark {
namespace {

using core::Instr;
using core::Op;
using core::Operand;
using core::OperandKind;
using core::Role;

VmOp jump_for(Op op, bool when) {
  switch (op) {
    case Op::eq: return when ? VmOp::jump_eq : VmOp::jump_ne;
    case Op::ne: return when ? VmOp::jump_ne : VmOp::jump_eq;
    case Op::lt: return VmOp::jump_lt;
    case Op::le: return VmOp::jump_le;
    case Op::gt: return VmOp::jump_gt;
    default: return VmOp::jump_ge;
  }
}

}  // namespace

// What the instruction makes is read by the one that follows it, and not again.
bool Lowering::only_the_next_reads_it(std::size_t i) const {
  return i + 1 < f_.code.size() && flow_.label_at[i + 1] == core::kNone && flow_.dead_after[i + 1];
}

// A comparison whose only use is the jump that follows it.
bool Lowering::fused_jump(std::size_t i) {
  const Instr& in = f_.code[i];
  if (in.op < Op::eq || in.op > Op::ge || in.dst.kind != OperandKind::temp) return false;
  if (!only_the_next_reads_it(i)) return false;
  const Instr& jump = f_.code[i + 1];
  if ((jump.op != Op::jump_if && jump.op != Op::jump_not) ||
      arg(jump, 0).kind != OperandKind::temp || arg(jump, 0).index != in.dst.index) {
    return false;
  }
  std::uint32_t x = reg(arg(in, 0), 0), y = reg(arg(in, 1), 1);
  bool when = jump.op == Op::jump_if;
  // a: 1 = jump when the comparison holds. Orders are not negated: NaN and sets have none.
  put(jump_for(in.op, when), in.op == Op::eq || in.op == Op::ne ? 1 : when ? 1 : 0, x, y);
  jump_to(jump.label);
  return true;
}

void Lowering::emit_all() {
  label_pc_.assign(f_.labels.size(), 0);
  for (now_ = 0; now_ < f_.code.size(); ++now_) {
    const auto labels = static_cast<std::uint32_t>(f_.labels.size());
    for (std::uint32_t l = flow_.label_at[now_]; l < labels && f_.labels[l] == now_; ++l) {
      label_pc_[l] = static_cast<std::uint32_t>(out_.code.size());
    }
    if (!flow_.reachable[now_]) continue;
    open_ranges(now_);
    const Instr& in = f_.code[now_];
    extras_ = 0;
    for (std::uint16_t local : flow_.check[now_]) put(VmOp::check_local, local);
    share(in);
    if (fused_jump(now_)) {
      ++now_;
      continue;
    }
    if (fused_format(now_)) continue;
    one(in);
  }
  open_ranges(f_.code.size());
  for (const Jump& j : jumps_) out_.code[j.at].d = static_cast<std::int32_t>(label_pc_[j.label]);
  std::uint32_t extra_base = iter_base_ + 4 * iter_count_;
  for (const Patch& p : patches_) {
    auto extra = static_cast<std::uint32_t>(out_.lists[p.list]);
    out_.code[p.load].a = static_cast<std::uint16_t>(extra_base + extra);
    out_.lists[p.list] = static_cast<std::int32_t>(extra_base + extra);
  }
  out_.registers = extra_base + most_extras_;
}

// A tuple whose only use is the % that follows it. Goes on to that one, so that its place is the %.
bool Lowering::fused_format(std::size_t i) {
  const Instr& in = f_.code[i];
  if (in.op != Op::tuple || in.dst.kind != OperandKind::temp || in.count > kFormatOperands ||
      (in.count == 1 && arg(in, 0).role == Role::star)) {
    return false;
  }
  if (!only_the_next_reads_it(i)) return false;
  const Instr& mod = f_.code[i + 1];
  const bool uses = mod.op == Op::mod && arg(mod, 1).kind == OperandKind::temp &&
                    arg(mod, 1).index == in.dst.index;
  if (!uses || (arg(mod, 0).kind == OperandKind::temp && arg(mod, 0).index == in.dst.index)) return false;
  std::uint32_t first = add_list({f_.operands.data() + in.first, in.count});
  ++now_;
  for (std::uint16_t local : flow_.check[now_]) put(VmOp::check_local, local);
  share(mod);
  std::uint32_t a = result(mod);
  put(VmOp::format, a, reg(arg(mod, 0), 0), in.count, static_cast<std::int32_t>(first));
  store(mod.dst, a);
  return true;
}

void Lowering::share(const Instr& in) {
  for (std::uint32_t k = grows(in) ? 1 : 0; k < in.count; ++k) {
    if (plain_local(arg(in, k)) && grown_[arg(in, k).index]) put(VmOp::share, arg(in, k).index);
  }
}

// Closes and opens ranges so that they say which iterations are open from here on.
void Lowering::open_ranges(std::size_t i) {
  const std::uint32_t innermost = i < flow_.open_at.size() ? flow_.open_at[i] : 0;
  if (innermost == (open_.empty() ? 0 : open_.back().iteration)) return;
  std::vector<std::uint32_t> now;
  for (std::uint32_t o = innermost; o != 0; o = flow_.open[o].around) now.push_back(o);
  std::reverse(now.begin(), now.end());
  auto pc = static_cast<std::uint32_t>(out_.code.size());
  std::size_t same = 0;
  while (same < open_.size() && same < now.size() && open_[same].iteration == now[same]) ++same;
  for (; open_.size() > same; open_.pop_back()) {
    const std::uint32_t temp = flow_.open[open_.back().iteration].temp;
    out_.iterations.push_back(
        {open_.back().begin, pc, static_cast<std::uint16_t>(iter_regs_.at(temp))});
  }
  for (; same < now.size(); ++same) open_.push_back({now[same], pc});
}

void lower(const core::Module& module, Program::Image& image) {
  auto add_slot = [&](std::string_view name, auto& map) {
    if (!map.contains(name)) {
      image.slots.emplace_back(name);
      map.emplace(name, static_cast<std::uint32_t>(image.slots.size() - 1));
    }
  };
  for (const std::string& g : module.globals) add_slot(g, image.global_slot);
  for (const core::Function& f : module.functions) {
    for (const Instr& in : f.code) {
      for (std::uint32_t i = 0; i < in.count; ++i) {
        const Operand& o = f.operands[in.first + i];
        if (o.kind == OperandKind::predeclared) add_slot(f.names[o.index], image.predeclared_slot);
      }
    }
  }
  for (std::size_t i = 0; i < module.functions.size(); ++i) {
    auto lowered = std::make_unique<Lowered>();
    lowered->core = &module.functions[i];
    lowered->core_index = lowered->id = static_cast<std::uint32_t>(i);
    lowered->recursion = module.recursion;
    image.by_key.emplace(module.functions[i].key, static_cast<std::uint32_t>(i));
    image.functions.push_back(std::move(lowered));
  }
  for (auto& lowered : image.functions) Lowering(module, image, *lowered).run();
}

std::size_t function_slots(const FunctionObject* f) {
  return f->code->defaults + f->code->core->free.size();
}

}  // namespace starlark
