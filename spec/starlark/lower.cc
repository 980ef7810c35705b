// SPDX-License-Identifier: Apache-2.0
#include "spec/starlark/lower.h"

#include <algorithm>

#include "spec/starlark/builtins.h"
#include "spec/starlark/core_verify.h"
#include "spec/starlark/objects.h"

namespace starlark {
namespace {

using core::Instr;
using core::Op;
using core::Operand;
using core::OperandKind;
using core::Role;

using Bits = std::vector<bool>;

class Lowering {
 public:
  Lowering(const core::Module& module, Program::Image& image, Lowered& out)
      : module_(module), image_(image), out_(out), f_(*out.core) {}

  void run() {
    params();
    layout();
    assigned_flow();
    live_flow();
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
    std::uint32_t temps = 0;
    auto see = [&](const Operand& o) {
      if (o.kind == OperandKind::temp) temps = std::max(temps, o.index + 1);
    };
    for (const Instr& in : f_.code) {
      see(in.dst);
      for (std::uint32_t i = 0; i < in.count + in.targets; ++i) see(arg(in, i));
    }
    temp_base_ = static_cast<std::uint32_t>(f_.locals.size());
    scratch_ = temp_base_ + temps;  // four registers for constants on their way
    iter_base_ = scratch_ + 4;
    temps_ = temps;
    label_at_.assign(f_.code.size() + 1, core::kNone);
    for (std::uint32_t l = 0; l < f_.labels.size(); ++l) {
      if (label_at_[f_.labels[l]] == core::kNone) label_at_[f_.labels[l]] = l;
    }
  }

  // Which locals are surely assigned before each instruction.
  void assigned_flow() {
    std::vector<Bits> at(f_.labels.size());
    std::vector<bool> known(f_.labels.size(), false);
    std::vector<std::vector<std::uint32_t>> open_at_label(f_.labels.size());
    open_at_.assign(f_.code.size(), {});
    bool changed = true;
    check_.assign(f_.code.size(), {});
    reachable_.assign(f_.code.size(), false);
    while (changed) {
      changed = false;
      Bits now(f_.locals.size(), false);
      for (std::size_t i = 0; i < f_.params.size(); ++i) now[i] = true;
      bool live = true;
      std::vector<std::uint32_t> open;
      auto join = [&](std::uint32_t label) {
        if (!known[label]) {
          known[label] = true;
          at[label] = now;
          open_at_label[label] = open;
          changed = true;
          return;
        }
        for (std::size_t i = 0; i < now.size(); ++i) {
          if (at[label][i] && !now[i]) {
            at[label][i] = false;
            changed = true;
          }
        }
      };
      for (std::size_t i = 0; i < f_.code.size(); ++i) {
        for (std::uint32_t l = label_at_[i]; l < f_.labels.size() && f_.labels[l] == i; ++l) {
          if (live) join(l);
          live = known[l];
          if (live) now = at[l], open = open_at_label[l];
        }
        if (!live) continue;
        reachable_[i] = true;
        open_at_[i] = open;
        const Instr& in = f_.code[i];
        check_[i].clear();
        for (std::uint32_t k = 0; k < in.count; ++k) {
          const Operand& o = arg(in, k);
          if (plain_local(o) && !now[o.index]) {
            check_[i].push_back(static_cast<std::uint16_t>(o.index));
          }
        }
        if (in.label != core::kNone) join(in.label);
        if (in.op == Op::iter) open.push_back(in.dst.index);
        if (in.op == Op::end) open.pop_back();
        if (plain_local(in.dst)) now[in.dst.index] = true;
        for (const Operand& t : targets(in)) {
          if (plain_local(t)) now[t.index] = true;
        }
        if (core::info(in.op).terminator) live = false;
      }
    }
    for (auto& c : check_) out_.clear_locals = out_.clear_locals || !c.empty();
  }

  // Whether the temporary that a jump tests, or that a % has on its right, is read again.
  void live_flow() {
    dead_after_.assign(f_.code.size(), false);
    if (temps_ > 512 || f_.labels.size() * temps_ > 4'000'000) return;
    std::vector<Bits> at(f_.labels.size(), Bits(temps_, false));
    for (bool changed = true; changed;) {
      changed = false;
      Bits now(temps_, false);
      for (std::size_t i = f_.code.size(); i-- > 0;) {
        const Instr& in = f_.code[i];
        if (core::info(in.op).terminator) now.assign(temps_, false);
        if (in.label != core::kNone) {
          for (std::size_t t = 0; t < temps_; ++t) now[t] = now[t] || at[in.label][t];
        }
        if ((in.op == Op::jump_if || in.op == Op::jump_not) && arg(in, 0).kind == OperandKind::temp) {
          dead_after_[i] = !now[arg(in, 0).index];
        }
        if (in.op == Op::mod && arg(in, 1).kind == OperandKind::temp) {
          bool replaced = in.dst.kind == OperandKind::temp && in.dst.index == arg(in, 1).index;
          dead_after_[i] = replaced || !now[arg(in, 1).index];
        }
        if (in.dst.kind == OperandKind::temp && in.op != Op::next) now[in.dst.index] = false;
        for (const Operand& t : targets(in)) {
          if (t.kind == OperandKind::temp) now[t.index] = false;
        }
        for (std::uint32_t k = 0; k < in.count; ++k) {
          if (arg(in, k).kind == OperandKind::temp) now[arg(in, k).index] = true;
        }
        for (std::uint32_t l = label_at_[i]; l < f_.labels.size() && f_.labels[l] == i; ++l) {
          if (at[l] != now) {
            at[l] = now;
            changed = true;
          }
        }
      }
    }
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
  std::uint32_t temp_base_ = 0, scratch_ = 0, iter_base_ = 0, temps_ = 0, iter_count_ = 0;
  std::vector<std::uint32_t> label_at_;
  std::vector<std::vector<std::uint16_t>> check_;
  std::vector<bool> reachable_, dead_after_;
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
  std::vector<std::vector<std::uint32_t>> open_at_;  // iterations open before each instruction
  struct Open {
    std::uint32_t temp, begin;
  };
  std::vector<Open> open_;
};

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

// A comparison whose only use is the jump that follows it.
bool Lowering::fused_jump(std::size_t i) {
  const Instr& in = f_.code[i];
  if (in.op < Op::eq || in.op > Op::ge || in.dst.kind != OperandKind::temp) return false;
  if (i + 1 >= f_.code.size() || label_at_[i + 1] != core::kNone || !dead_after_[i + 1]) return false;
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
    for (std::uint32_t l = label_at_[now_]; l < f_.labels.size() && f_.labels[l] == now_; ++l) {
      label_pc_[l] = static_cast<std::uint32_t>(out_.code.size());
    }
    if (!reachable_[now_]) continue;
    open_ranges(now_);
    const Instr& in = f_.code[now_];
    extras_ = 0;
    for (std::uint16_t local : check_[now_]) put(VmOp::check_local, local);
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
  if (i + 1 >= f_.code.size() || label_at_[i + 1] != core::kNone || !dead_after_[i + 1]) return false;
  const Instr& mod = f_.code[i + 1];
  const bool uses = mod.op == Op::mod && arg(mod, 1).kind == OperandKind::temp &&
                    arg(mod, 1).index == in.dst.index;
  if (!uses || (arg(mod, 0).kind == OperandKind::temp && arg(mod, 0).index == in.dst.index)) return false;
  std::uint32_t first = add_list({f_.operands.data() + in.first, in.count});
  ++now_;
  for (std::uint16_t local : check_[now_]) put(VmOp::check_local, local);
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
  static const std::vector<std::uint32_t> kNothing;
  const auto& now = i < open_at_.size() ? open_at_[i] : kNothing;
  auto pc = static_cast<std::uint32_t>(out_.code.size());
  std::size_t same = 0;
  while (same < open_.size() && same < now.size() && open_[same].temp == now[same]) ++same;
  for (; open_.size() > same; open_.pop_back()) {
    out_.iterations.push_back({open_.back().begin, pc,
                               static_cast<std::uint16_t>(iter_regs_.at(open_.back().temp))});
  }
  for (; same < now.size(); ++same) open_.push_back({now[same], pc});
}

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

}  // namespace

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

// ---- Program

Program::Program() : image_(std::make_unique<Image>()) {}
Program::~Program() = default;

std::expected<std::shared_ptr<const Program>, std::vector<Diagnostic>> Program::create(
    core::Module module, const Names& names) {
  if (auto fine = core::verify(module, names.predeclared); !fine) {
    return std::unexpected(std::move(fine.error()));
  }
  std::shared_ptr<Program> p(new Program);
  p->core_ = std::move(module);
  lower(p->core_, *p->image_);
  for (const auto& f : p->image_->functions) {
    if (f->registers < 65'000) continue;
    Diagnostic d;
    d.file = p->core_.file;
    d.code = Code::too_large;
    d.message = "function \"" + f->core->key + "\" needs too many registers";
    return std::unexpected(std::vector<Diagnostic>{d});
  }
  return p;
}

std::expected<std::shared_ptr<const Program>, std::vector<Diagnostic>> Program::from_source(
    std::string_view file, std::string_view source, const Options& options, const Names& names) {
  auto module = compile(file, source, options, names);
  if (!module) return std::unexpected(std::move(module.error()));
  return create(std::move(*module), names);
}

const Lowered* Program::lowered(std::string_view key) const {
  auto it = image_->by_key.find(key);
  return it == image_->by_key.end() ? nullptr : image_->functions[it->second].get();
}

}  // namespace starlark
