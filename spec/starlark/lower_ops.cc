// SPDX-License-Identifier: Apache-2.0
#include "spec/starlark/lowering.h"

namespace starlark {

using core::Instr;
using core::Op;
using core::Operand;
using core::OperandKind;
using core::Role;

void Lowering::arithmetic(const Instr& in) {
  std::uint32_t a = result(in);
  const Operand &x = arg(in, 0), &y = arg(in, 1);
  bool small = small_constant(y);
  std::uint32_t b = reg(x, 0);
  bool plus = in.op == Op::add || in.op == Op::iadd;
  if (small && (plus || in.op == Op::sub)) {
    put(plus ? VmOp::add_int : VmOp::sub_int, a, b, 0,
        static_cast<std::int32_t>(f_.constants[y.index].i), static_cast<std::int32_t>(in.op));
    store(in.dst, a);
    return;
  }
  std::uint32_t c = reg(y, 1);
  VmOp op = VmOp::binary;
  switch (in.op) {
    case Op::add:
    case Op::iadd: op = grows(in) ? VmOp::add_own : VmOp::add; break;
    case Op::sub: op = VmOp::sub; break;
    case Op::mul: op = VmOp::mul; break;
    case Op::floordiv: op = VmOp::floordiv; break;
    case Op::mod: op = VmOp::mod; break;
    case Op::eq: op = VmOp::eq; break;
    case Op::ne: op = VmOp::ne; break;
    case Op::lt: op = VmOp::lt; break;
    case Op::le: op = VmOp::le; break;
    case Op::gt: op = VmOp::gt; break;
    case Op::ge: op = VmOp::ge; break;
    case Op::in:
    case Op::not_in: op = VmOp::contains; break;
    default: break;
  }
  put(op, a, b, c, static_cast<std::int32_t>(in.op), in.op == Op::not_in ? 1 : 0);
  store(in.dst, a);
}

void Lowering::list_of(std::span<const Operand> operands, std::vector<std::int32_t>& out) {
  pending_lists_ = out.size();
  for (const Operand& o : operands) {
    std::size_t before = patches_.size();
    pending_lists_ = out.size();
    std::int32_t v = listed(o);
    if (patches_.size() > before) patches_.back().list = static_cast<std::uint32_t>(out.size());
    out.push_back(v);
  }
}

std::uint32_t Lowering::add_list(std::span<const Operand> operands) {
  std::vector<std::int32_t> list;
  std::size_t patched = patches_.size();
  list_of(operands, list);
  auto first = static_cast<std::uint32_t>(out_.lists.size());
  for (std::size_t i = patched; i < patches_.size(); ++i) patches_[i].list += first;
  out_.lists.insert(out_.lists.end(), list.begin(), list.end());
  return first;
}

void Lowering::site_method(Site& site, std::string_view name) {
  site.method = intern(name);
  for (int k = 0; k < kKindCount; ++k) site.methods[k] = method(static_cast<Kind>(k), name);
}

void Lowering::call(const Instr& in) {
  Site site;
  site.first = add_list({f_.operands.data() + in.first, in.count});
  site.names = static_cast<std::uint32_t>(out_.keyword_names.size());
  site.instr = static_cast<std::uint32_t>(now_);
  for (std::uint32_t i = 1; i < in.count; ++i) {
    const Operand& o = arg(in, i);
    switch (o.role) {
      case Role::positional: ++site.positional; break;
      case Role::keyword:
        ++site.keywords;
        out_.keyword_names.push_back(intern(f_.names[o.name]));
        break;
      case Role::star: site.star = true; break;
      case Role::star_star: site.star_star = true; break;
    }
  }
  VmOp op = VmOp::call;
  if (in.name != core::kNone) {
    op = VmOp::call_method;
    site_method(site, f_.names[in.name]);
  }
  if (site.keywords > 0 || site.star || site.star_star) op = VmOp::call_any;
  out_.sites.push_back(site);
  std::uint32_t a = result(in);
  put(op, a, 0, 0, static_cast<std::int32_t>(out_.sites.size() - 1));
  store(in.dst, a);
}

void Lowering::make_function(const Instr& in) {
  std::uint32_t first = add_list({f_.operands.data() + in.first, in.count});
  Lowered::Made made;
  std::uint32_t index = image_.by_key.at(f_.names[in.name]);
  made.code = image_.functions[index].get();
  for (const std::string& name : module_.functions[index].free) {
    bool found = false;
    for (std::size_t i = 0; i < f_.locals.size() && !found; ++i) {
      if (f_.locals[i].cell && f_.locals[i].name == name) {
        made.free.push_back(static_cast<std::int32_t>(i));
        found = true;
      }
    }
    for (std::size_t i = 0; i < f_.free.size() && !found; ++i) {
      if (f_.free[i] == name) {
        made.free.push_back(~static_cast<std::int32_t>(i));
        found = true;
      }
    }
  }
  out_.made.push_back(std::move(made));
  std::uint32_t a = result(in);
  put(VmOp::func, a, in.count, 0, static_cast<std::int32_t>(out_.made.size() - 1),
      static_cast<std::int32_t>(first));
  store(in.dst, a);
}

// Targets that are no registers get theirs from extra ones.
void Lowering::unpack(const Instr& in) {
  std::uint32_t x = reg(arg(in, 0), 0);
  auto first = static_cast<std::uint32_t>(out_.lists.size());
  std::vector<std::pair<const Operand*, std::uint32_t>> later;
  put(VmOp::unpack, x, 0, 0, static_cast<std::int32_t>(first),
      static_cast<std::int32_t>(in.targets));
  for (const Operand& t : targets(in)) {
    if (t.kind == OperandKind::temp) {
      out_.lists.push_back(static_cast<std::int32_t>(temp_base_ + t.index));
    } else if (plain_local(t)) {
      out_.lists.push_back(static_cast<std::int32_t>(t.index));
    } else {
      std::uint32_t extra = extras_++;
      most_extras_ = std::max(most_extras_, extras_);
      later.push_back({&t, static_cast<std::uint32_t>(out_.lists.size())});
      out_.lists.push_back(static_cast<std::int32_t>(extra));
    }
  }
  for (auto& [target, list] : later) {
    // A move from the extra register, patched like a load: its `a` is the extra register.
    if (target->kind == OperandKind::global) {
      put(VmOp::store_global, 0, 0, 0, slot(*target));
    } else {
      put(VmOp::store_cell, 0, target->index);
    }
    patches_.push_back({static_cast<std::uint32_t>(out_.code.size() - 1), list});
  }
}

void Lowering::one(const Instr& in) {
  auto operand = [&](std::uint32_t i) { return reg(arg(in, i), i); };
  std::uint32_t a = result(in);
  auto name = [&] { return static_cast<std::int32_t>(add_name(f_.names[in.name])); };
  switch (in.op) {
    case Op::let: {
      const Operand& from = arg(in, 0);
      bool direct = in.dst.kind == OperandKind::temp || plain_local(in.dst);
      if (direct && from.kind == OperandKind::constant) {
        put(VmOp::load_const, a, 0, 0, constant(from.index));
      } else if (direct && !plain_local(from) && from.kind != OperandKind::temp) {
        reg(from, 0);
        out_.code.back().a = static_cast<std::uint16_t>(a);
      } else if (direct) {
        put(VmOp::move, a, operand(0));
      } else {
        store(in.dst, operand(0));
      }
      return;
    }
    case Op::neg:
    case Op::pos:
    case Op::inv: put(VmOp::unary, a, operand(0), 0, static_cast<std::int32_t>(in.op)); break;
    case Op::op_not: put(VmOp::op_not, a, operand(0)); break;
    case Op::attr: {
      std::uint32_t x = operand(0);
      put(VmOp::attr, a, x, 0, name());
      break;
    }
    case Op::check_attr: {
      put(VmOp::check_attr, operand(0), 0, 0, static_cast<std::int32_t>(out_.sites.size()));
      Site site;
      site_method(site, f_.names[in.name]);
      out_.sites.push_back(site);
      return;
    }
    case Op::set_attr: {
      std::uint32_t x = operand(0), y = operand(1);
      put(VmOp::set_attr, x, y, 0, name());
      break;
    }
    case Op::index: {
      std::uint32_t x = operand(0), y = operand(1);
      put(VmOp::index, a, x, y);
      break;
    }
    case Op::set_index:
    case Op::insert:
    case Op::insert_new: {
      std::uint32_t x = operand(0), y = operand(1), z = operand(2);
      put(in.op == Op::set_index ? VmOp::set_index
          : in.op == Op::insert  ? VmOp::insert
                                 : VmOp::insert_new, x, y, z);
      return;
    }
    case Op::slice: {
      std::uint32_t first = add_list({f_.operands.data() + in.first, 4});
      put(VmOp::slice, a, 0, 0, static_cast<std::int32_t>(first));
      break;
    }
    case Op::tuple:
    case Op::list: {
      if (in.count == 1 && arg(in, 0).role == Role::star) {
        put(VmOp::list_to_tuple, a, operand(0));
        break;
      }
      std::uint32_t first = add_list({f_.operands.data() + in.first, in.count});
      put(in.op == Op::list ? VmOp::list : VmOp::tuple, a, 0, 0, static_cast<std::int32_t>(first),
          static_cast<std::int32_t>(in.count));
      break;
    }
    case Op::dict: put(VmOp::dict, a); break;
    case Op::append: {
      std::uint32_t x = operand(0), y = operand(1);
      put(VmOp::append, x, y);
      return;
    }
    case Op::func: make_function(in); return;
    case Op::call: call(in); return;
    case Op::unpack: unpack(in); return;
    case Op::iter: put(VmOp::iter, iter_reg(in.dst), operand(0)); return;
    case Op::next:
      next_pc_[now_] = out_.code.size();
      put(VmOp::next, a, iter_reg(arg(in, 0)));
      jump_to(in.label);
      break;
    case Op::end: put(VmOp::end_iter, iter_reg(arg(in, 0))); return;
    case Op::jump: {
      std::size_t target = f_.labels[in.label];
      auto next = next_pc_.find(target);
      if (target <= now_ && next != next_pc_.end()) {
        const Instr& head = f_.code[target];
        put(VmOp::next_loop, result(head), iter_reg(arg(head, 0)), 0,
            static_cast<std::int32_t>(next->second + 1));
        put(VmOp::jump);
        jump_to(head.label);
        return;
      }
      put(target <= now_ ? VmOp::jump_back : VmOp::jump);
      jump_to(in.label);
      return;
    }
    case Op::jump_if:
    case Op::jump_not: {
      std::uint32_t x = operand(0);
      bool back = f_.labels[in.label] <= now_;
      put(in.op == Op::jump_if ? VmOp::jump_if : VmOp::jump_not, x, back ? 1 : 0);
      jump_to(in.label);
      return;
    }
    case Op::ret:
      if (arg(in, 0).kind == OperandKind::constant) {
        put(VmOp::ret_const, 0, 0, 0, constant(arg(in, 0).index));
      } else {
        put(VmOp::ret, operand(0));
      }
      return;
    case Op::load: {
      std::uint32_t first = add_list({f_.operands.data() + in.first, in.count});
      put(VmOp::load, 0, in.count, 0, name(), static_cast<std::int32_t>(first));
      for (std::uint32_t i = 0; i < in.targets; ++i) {
        const Operand& t = targets(in)[i];
        put(VmOp::load, scratch_, 0, 1, static_cast<std::int32_t>(i), static_cast<std::int32_t>(first));
        if (t.kind == OperandKind::temp) put(VmOp::move, temp_base_ + t.index, scratch_);
        if (plain_local(t)) put(VmOp::move, t.index, scratch_);
        store(t, scratch_);
      }
      return;
    }
    default: arithmetic(in); return;
  }
  store(in.dst, a);
}

std::uint32_t Lowering::add_name(std::string_view s) {
  out_.constants.push_back(intern(s));
  return static_cast<std::uint32_t>(out_.constants.size() - 1);
}

}  // namespace starlark
