// SPDX-License-Identifier: Apache-2.0
//
// Expressions.
#include <algorithm>

#include "spec/starlark/emit.h"

namespace starlark::ast {

using core::Op;
using core::OperandKind;
using core::Role;

namespace {

// Displays and calls with more parts than this are built piece by piece.
constexpr std::size_t kMaxParts = 250;

Op binary_op(Tok t) {
  switch (t) {
    case Tok::plus: return Op::add;
    case Tok::minus: return Op::sub;
    case Tok::star: return Op::mul;
    case Tok::slash: return Op::div;
    case Tok::slashslash: return Op::floordiv;
    case Tok::percent: return Op::mod;
    case Tok::amp: return Op::bit_and;
    case Tok::pipe: return Op::bit_or;
    case Tok::caret: return Op::bit_xor;
    case Tok::ltlt: return Op::shl;
    case Tok::gtgt: return Op::shr;
    case Tok::eq: return Op::eq;
    case Tok::ne: return Op::ne;
    case Tok::lt: return Op::lt;
    case Tok::le: return Op::le;
    case Tok::gt: return Op::gt;
    case Tok::ge: return Op::ge;
    case Tok::kw_in: return Op::in;
    default: return Op::not_in;
  }
}

bool is_and_or(const Expr* e) {
  if (e->kind != Ex::binary) return false;
  Tok op = static_cast<const Binary*>(e)->op;
  return op == Tok::kw_and || op == Tok::kw_or;
}

}  // namespace

// No code is made for it.
bool FunctionEmitter::trivial(Expr* e) const {
  e = without_parens(e);
  switch (e->kind) {
    case Ex::identifier:
    case Ex::integer:
    case Ex::big:
    case Ex::floating:
    case Ex::string:
    case Ex::bytes:
      return true;
    default: return false;
  }
}

// Evaluating it has no effect and can hardly fail.
bool FunctionEmitter::harmless(Expr* e) const {
  e = without_parens(e);
  if (e->kind == Ex::lambda) {
    auto params = static_cast<Lambda*>(e)->function->params;
    return std::all_of(params.begin(), params.end(), [](ParamNode& p) { return p.value == nullptr; });
  }
  if (e->kind == Ex::list || e->kind == Ex::tuple) {
    auto items = static_cast<Sequence*>(e)->items;
    return std::all_of(items.begin(), items.end(), [&](Expr* item) { return harmless(item); });
  }
  return trivial(e);
}

core::Operand FunctionEmitter::expr(Expr* e) { return emit_expr(e, {}); }

core::Operand FunctionEmitter::expr_before(Expr* e, bool more) {
  Operand o = expr(e);
  return more && !surely_assigned(o) ? materialise(o, e->pos) : o;
}

// The result is written by the last instruction only, so that the expression may read `dst`.
void FunctionEmitter::expr_to(Expr* e, Operand dst) {
  Operand o = emit_expr(e, dst);
  if (o.kind != dst.kind || o.index != dst.index) emit(Op::let, e->pos, dst, {o});
}

core::Operand FunctionEmitter::use(Ident* id) {
  Operand o = variable(id);
  o.line = id->pos.line - f_.line;
  o.col = static_cast<std::uint16_t>(std::min(id->pos.col, 0xffffu));
  return o;
}

core::Operand FunctionEmitter::literal(Expr* e) {
  auto* l = static_cast<Literal*>(e);
  core::Constant c;
  switch (e->kind) {
    case Ex::integer:
      c.kind = core::ConstantKind::integer;
      c.i = l->integer;
      break;
    case Ex::big:
      c.kind = core::ConstantKind::big;
      c.s = core::big_decimal(l->text);
      break;
    case Ex::floating:
      c.kind = core::ConstantKind::floating;
      c.f = l->floating;
      break;
    case Ex::bytes:
      c.kind = core::ConstantKind::bytes;
      c.s = l->text;
      break;
    default:
      c.kind = core::ConstantKind::string;
      c.s = l->text;
  }
  return constant(std::move(c));
}

// `dst` may be none (a temporary is taken), else the result goes there where that is possible; what
// it returns says where it is.
core::Operand FunctionEmitter::emit_expr(Expr* e, Operand dst) {
  switch (e->kind) {
    case Ex::identifier: return use(static_cast<Ident*>(e));
    case Ex::integer:
    case Ex::big:
    case Ex::floating:
    case Ex::string:
    case Ex::bytes:
      return literal(e);
    case Ex::list:
    case Ex::tuple: return list_or_tuple(static_cast<Sequence*>(e), dst);
    case Ex::dict: return dict(static_cast<DictExpr*>(e), dst);
    case Ex::comprehension: return comprehension(static_cast<Comprehension*>(e), dst);
    case Ex::dot: {
      auto* d = static_cast<Dot*>(e);
      Operand x = expr(d->x);
      dst = or_temp(dst);
      emit(Op::attr, d->name_pos, dst, {x}).name = name(d->name);
      return dst;
    }
    case Ex::call: return call(static_cast<CallExpr*>(e), dst);
    case Ex::index: {
      auto* i = static_cast<Index*>(e);
      Operand x = expr_before(i->x, !trivial(i->y));
      Operand y = expr(i->y);
      dst = or_temp(dst);
      emit(Op::index, i->lbrack, dst, {x, y});
      return dst;
    }
    case Ex::slice: return slice(static_cast<Slice*>(e), dst);
    case Ex::unary: return unary(static_cast<Unary*>(e), dst);
    case Ex::binary:
      return is_and_or(e) ? and_or(static_cast<Binary*>(e)) : binary(static_cast<Binary*>(e), dst);
    case Ex::conditional: return conditional(static_cast<Conditional*>(e));
    case Ex::lambda: return lambda(static_cast<Lambda*>(e), dst);
    case Ex::paren: return emit_expr(static_cast<Paren*>(e)->x, dst);
  }
  return none();
}

core::Operand FunctionEmitter::list_or_tuple(Sequence* s, Operand dst) {
  if (s->items.size() > kMaxParts) return long_sequence(s, dst);
  std::vector<Operand> items;
  for (std::size_t i = 0; i < s->items.size(); ++i) {
    bool more = std::any_of(s->items.begin() + static_cast<std::ptrdiff_t>(i) + 1, s->items.end(),
                            [&](Expr* later) { return !trivial(later); });
    items.push_back(expr_before(s->items[i], more));
  }
  dst = or_temp(dst);
  emit(s->kind == Ex::list ? Op::list : Op::tuple, s->pos, dst, items);
  return dst;
}

core::Operand FunctionEmitter::long_sequence(Sequence* s, Operand dst) {
  Operand acc = temp();
  emit(Op::list, s->pos, acc, {});
  for (Expr* item : s->items) {
    std::uint32_t mark = temps_;
    emit(Op::append, item->pos, {}, {acc, expr(item)});
    temps_ = mark;
  }
  if (s->kind == Ex::list) return acc;
  Operand star = acc;
  star.role = Role::star;
  dst = or_temp(dst);
  emit(Op::tuple, s->pos, dst, {star});
  return dst;
}

core::Operand FunctionEmitter::dict(DictExpr* d, Operand dst) {
  // Entries may read the variable that the dict is assigned to.
  Operand acc = d->entries.empty() ? or_temp(dst) : temp();
  emit(Op::dict, d->pos, acc, {});
  for (Entry& e : d->entries) {
    std::uint32_t mark = temps_;
    Operand key = expr_before(e.key, !trivial(e.value));
    Operand value = expr(e.value);
    emit(Op::insert_new, e.colon, {}, {acc, key, value});
    temps_ = mark;
  }
  return acc;
}

core::Operand FunctionEmitter::comprehension(Comprehension* c, Operand) {
  Operand acc = temp();
  emit(c->is_dict ? Op::dict : Op::list, c->pos, acc, {});
  std::vector<bool> before = assigned_;
  clauses(c, 0, acc);
  assigned_ = before;
  return acc;
}

void FunctionEmitter::clauses(Comprehension* c, std::size_t i, Operand acc) {
  std::uint32_t mark = temps_;
  if (i == c->clauses.size()) {
    if (c->is_dict) {
      Operand key = expr_before(c->entry.key, !trivial(c->entry.value));
      Operand value = expr(c->entry.value);
      emit(Op::insert, c->entry.colon, {}, {acc, key, value});
    } else {
      emit(Op::append, c->body->pos, {}, {acc, expr(c->body)});
    }
  } else if (!c->clauses[i].is_for) {
    std::uint32_t skip = new_label();
    condition(c->clauses[i].x, false, skip);
    clauses(c, i + 1, acc);
    place(skip);
  } else {
    Clause& clause = c->clauses[i];
    Operand x = expr(clause.x);
    Operand it = temp();
    emit(Op::iter, clause.pos, it, {x});
    std::uint32_t head = new_label(), exit = new_label();
    place(head);
    if (reachable_) {
      labels_[exit].used = true;
      labels_[exit].assigned = assigned_;
    }
    Expr* vars = without_parens(clause.vars);
    bool plain = vars->kind == Ex::identifier;
    Operand item = plain ? variable(static_cast<Ident*>(vars)) : temp();
    emit(Op::next, clause.pos, item, {it}).label = exit;
    if (!plain) assign_to(vars, item, vars->pos);
    clauses(c, i + 1, acc);
    jump(Op::jump, clause.pos, {}, head);
    place(exit);
    emit(Op::end, clause.pos, {}, {it});
  }
  temps_ = mark;
}

// The arguments; false if there are too many for one instruction (then *args carries all of them).
bool FunctionEmitter::many_args(CallExpr* c, std::vector<Operand>& args) {
  std::size_t positional = 0;
  for (Arg& a : c->args) positional += a.form == ArgForm::positional ? 1 : 0;
  if (positional <= kMaxParts) return false;
  Operand acc = temp();
  emit(Op::list, c->lparen, acc, {});
  for (Arg& a : c->args) {
    std::uint32_t mark = temps_;
    if (a.form == ArgForm::positional) {
      emit(Op::append, a.pos, {}, {acc, expr(a.value)});
    } else if (a.form == ArgForm::star) {
      emit(Op::iadd, a.pos, acc, {acc, expr(a.value)});
    }
    temps_ = mark;
  }
  acc.role = Role::star;
  args.push_back(acc);
  return true;
}

core::Operand FunctionEmitter::call(CallExpr* c, Operand dst) {
  Expr* fn = without_parens(c->fn);
  bool method = fn->kind == Ex::dot;
  bool plain_args = std::all_of(c->args.begin(), c->args.end(), [&](Arg& a) { return trivial(a.value); });
  Operand callee = expr_before(method ? static_cast<Dot*>(fn)->x : fn, !plain_args);
  if (method && !std::all_of(c->args.begin(), c->args.end(), [&](Arg& a) { return harmless(a.value); })) {
    // The attribute is looked up before the arguments are evaluated.
    auto* d = static_cast<Dot*>(fn);
    emit(Op::check_attr, d->name_pos, {}, {callee}).name = name(d->name);
  }
  std::vector<Operand> operands{callee};
  bool many = many_args(c, operands);
  if (c->args.size() > 5'000) too_large(c->lparen, "arguments");
  std::size_t keywords_at = operands.size();
  for (std::size_t i = 0; i < c->args.size(); ++i) {
    Arg& a = c->args[i];
    if (many && (a.form == ArgForm::positional || a.form == ArgForm::star)) continue;
    bool more = std::any_of(c->args.begin() + static_cast<std::ptrdiff_t>(i) + 1, c->args.end(),
                            [&](Arg& later) { return !trivial(later.value); });
    Operand o = expr_before(a.value, more);
    o.role = a.form == ArgForm::keyword     ? Role::keyword
             : a.form == ArgForm::star      ? Role::star
             : a.form == ArgForm::star_star ? Role::star_star
                                            : Role::positional;
    if (o.role == Role::keyword) o.name = name(a.name);
    o.line = a.pos.line - f_.line;
    o.col = static_cast<std::uint16_t>(std::min(a.pos.col, 0xffffu));
    operands.push_back(o);
  }
  // With many arguments the list stands first and keywords must come before it.
  if (many) std::rotate(operands.begin() + static_cast<std::ptrdiff_t>(keywords_at) - 1,
                        operands.begin() + static_cast<std::ptrdiff_t>(keywords_at),
                        std::find_if(operands.begin() + static_cast<std::ptrdiff_t>(keywords_at),
                                     operands.end(),
                                     [](const Operand& o) { return o.role == Role::star_star; }));
  dst = or_temp(dst);
  Pos pos = c->pos.line == c->lparen.line ? c->pos : c->lparen;
  if (method && c->pos.line != c->lparen.line) pos = static_cast<Dot*>(fn)->name_pos;
  core::Instr& in = emit(Op::call, pos, dst, operands);
  if (method) in.name = name(static_cast<Dot*>(fn)->name);
  return dst;
}

core::Operand FunctionEmitter::unary(Unary* u, Operand dst) {
  Expr* x = without_parens(u->x);
  if (u->op == Tok::minus) {
    auto* l = static_cast<Literal*>(x);
    if (x->kind == Ex::integer && l->integer != INT64_MIN) {
      return constant({core::ConstantKind::integer, -l->integer, 0, {}});
    }
    if (x->kind == Ex::floating) {
      return constant({core::ConstantKind::floating, 0, -l->floating, {}});
    }
  }
  Op op = u->op == Tok::minus ? Op::neg
          : u->op == Tok::plus  ? Op::pos
          : u->op == Tok::tilde ? Op::inv
                                : Op::op_not;
  Operand o = expr(u->x);
  dst = or_temp(dst);
  emit(op, u->pos, dst, {o});
  return dst;
}

// Adjacent literals are one: "a" + "b" over several lines is common. Takes them from the spine.
core::Operand FunctionEmitter::joined_literals(std::vector<Binary*>& spine, Operand left) {
  if (f_.constants[left.index].kind != core::ConstantKind::string) return left;
  std::string text = f_.constants[left.index].s;
  std::size_t before = spine.size();
  while (!spine.empty()) {
    Expr* y = without_parens(spine.back()->y);
    if (spine.back()->op != Tok::plus || y->kind != Ex::string) break;
    std::string_view more = static_cast<Literal*>(y)->text;
    if (text.size() + more.size() > (1u << 20)) break;
    text += more;
    spine.pop_back();
  }
  return spine.size() == before ? left
                                : constant({core::ConstantKind::string, 0, 0, std::move(text)});
}

// Chains lean left and may be long: no recursion along them.
core::Operand FunctionEmitter::binary(Binary* b, Operand dst) {
  std::vector<Binary*> spine{b};
  while (spine.back()->x->kind == Ex::binary && !is_and_or(spine.back()->x)) {
    spine.push_back(static_cast<Binary*>(spine.back()->x));
  }
  Operand left = expr_before(spine.back()->x, !trivial(spine.back()->y));
  if (left.kind == OperandKind::constant) left = joined_literals(spine, left);
  while (!spine.empty()) {
    Binary* here = spine.back();
    spine.pop_back();
    if (left.kind != OperandKind::constant && !surely_assigned(left) && !trivial(here->y)) {
      left = materialise(left, here->x->pos);
    }
    std::uint32_t mark = temps_;
    Operand right = expr(here->y);
    temps_ = mark;
    Operand out = spine.empty() ? or_temp(dst) : left.kind == OperandKind::temp ? left : temp();
    emit(binary_op(here->op), here->op_pos, out, {left, right});
    left = out;
  }
  return left;
}

// The value of the operand that decided.
core::Operand FunctionEmitter::and_or(Binary* b) {
  std::vector<Binary*> spine{b};
  while (is_and_or(spine.back()->x)) spine.push_back(static_cast<Binary*>(spine.back()->x));
  Operand out = temp();
  expr_to(spine.back()->x, out);
  for (; !spine.empty(); spine.pop_back()) {
    Binary* here = spine.back();
    std::uint32_t done = new_label();
    jump(here->op == Tok::kw_and ? Op::jump_not : Op::jump_if, here->op_pos, out, done);
    expr_to(here->y, out);
    place(done);
  }
  return out;
}

core::Operand FunctionEmitter::conditional(Conditional* c) {
  Operand out = temp();
  std::uint32_t otherwise = new_label(), done = new_label();
  condition(c->cond, false, otherwise);
  expr_to(c->yes, out);
  jump(Op::jump, c->yes->pos, {}, done);
  place(otherwise);
  expr_to(c->no, out);
  place(done);
  return out;
}

// Jumps to `label` if the truth of `e` is `when`, else goes on.
void FunctionEmitter::condition(Expr* e, bool when, std::uint32_t label) {
  e = without_parens(e);
  if (e->kind == Ex::unary && static_cast<Unary*>(e)->op == Tok::kw_not) {
    condition(static_cast<Unary*>(e)->x, !when, label);
    return;
  }
  if (is_and_or(e)) {
    auto* b = static_cast<Binary*>(e);
    bool stops_when = b->op == Tok::kw_or;  // the truth of x that decides
    if (b->x->kind != Ex::binary || !is_and_or(b->x)) {
      if (stops_when == when) {
        condition(b->x, when, label);
        condition(b->y, when, label);
      } else {
        std::uint32_t decided = new_label();
        condition(b->x, stops_when, decided);
        condition(b->y, when, label);
        place(decided);
      }
      return;
    }
  }
  std::uint32_t mark = temps_;
  Operand o = expr(e);
  jump(when ? Op::jump_if : Op::jump_not, e->pos, o, label);
  temps_ = mark;
}

core::Operand FunctionEmitter::slice(Slice* s, Operand dst) {
  std::vector<Expr*> parts{s->x, s->lo, s->hi, s->step};
  std::vector<Operand> operands;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    bool more = false;
    for (std::size_t j = i + 1; j < parts.size(); ++j) {
      more = more || (parts[j] != nullptr && !trivial(parts[j]));
    }
    operands.push_back(parts[i] != nullptr ? expr_before(parts[i], more) : none());
  }
  dst = or_temp(dst);
  emit(Op::slice, s->lbrack, dst, operands);
  return dst;
}

core::Operand FunctionEmitter::lambda(Lambda* l, Operand dst) {
  return make_function(l->function, child_key("", true), dst, l->pos);
}

}  // namespace starlark::ast
