// SPDX-License-Identifier: Apache-2.0
//
// Instructions, labels and statements.
#include "spec/starlark/emit.h"

#include <algorithm>
#include <bit>

namespace starlark::ast {

using core::Op;
using core::OperandKind;

FunctionEmitter::FunctionEmitter(ModuleEmitter& module, const Scope& scope, std::string key,
                                 Function* node)
    : module_(module), scope_(scope) {
  f_.key = std::move(key);
  f_.name = node ? std::string(node->name) : "<toplevel>";
  f_.line = node ? node->pos.line : 0;
  f_.col = node ? node->pos.col : 0;
  for (std::uint32_t i = 0; i < scope.locals.size(); ++i) {
    f_.locals.push_back({scope.local_name(i), scope.locals[i].cell});
  }
  f_.free = scope.free_names;
  assigned_.resize(f_.locals.size(), false);
}

void FunctionEmitter::too_large(Pos pos, const char* what) {
  module_.diagnostics.push_back({module_.module.file, static_cast<int>(pos.line),
                                 static_cast<int>(pos.col), 0, 0,
                                 std::string("too many ") + what + " in one function", "",
                                 Code::too_large});
}

// ---- instructions

core::Instr& FunctionEmitter::emit(Op op, Pos pos, Operand dst, std::span<const Operand> operands) {
  if (!reachable_) return dropped_ = core::Instr{};
  core::Instr in;
  in.op = op;
  in.line = pos.line - f_.line;
  in.col = pos.col;
  in.dst = dst;
  in.first = static_cast<std::uint32_t>(f_.operands.size());
  in.count = static_cast<std::uint32_t>(operands.size());
  f_.operands.insert(f_.operands.end(), operands.begin(), operands.end());
  f_.code.push_back(in);
  mark_assigned(dst);
  if (core::info(op).terminator) reachable_ = false;
  return f_.code.back();
}

void FunctionEmitter::mark_assigned(Operand dst) {
  if (dst.kind == OperandKind::local) assigned_[dst.index] = true;
}

std::uint32_t FunctionEmitter::new_label() {
  labels_.push_back({});
  return static_cast<std::uint32_t>(labels_.size() - 1);
}

void FunctionEmitter::jump(Op op, Pos pos, Operand cond, std::uint32_t label) {
  if (!reachable_) return;
  Label& l = labels_[label];
  if (!l.used || l.assigned.empty()) {
    l.assigned = assigned_;
  } else {
    for (std::size_t i = 0; i < assigned_.size(); ++i) {
      l.assigned[i] = l.assigned[i] && assigned_[i];
    }
  }
  l.used = true;
  core::Instr& in = op == Op::jump ? emit(op, pos, {}, {}) : emit(op, pos, {}, {cond});
  in.label = label;
}

// Backward labels are placed before they are used; what a loop's body assigns does not count there.
void FunctionEmitter::place(std::uint32_t label) {
  Label& l = labels_[label];
  l.at = static_cast<std::uint32_t>(f_.code.size());
  if (l.used) {
    if (reachable_) {
      for (std::size_t i = 0; i < assigned_.size(); ++i) assigned_[i] = assigned_[i] && l.assigned[i];
    } else {
      assigned_ = l.assigned;
    }
    reachable_ = true;
  }
}

core::Operand FunctionEmitter::temp() {
  Operand o;
  o.kind = OperandKind::temp;
  o.index = ++temps_;
  most_temps_ = std::max(most_temps_, temps_);
  return o;
}

core::Operand FunctionEmitter::materialise(Operand o, Pos pos) {
  Operand t = temp();
  emit(Op::let, pos, t, {o});
  return t;
}

core::Operand FunctionEmitter::constant(core::Constant c) {
  std::string id(1, static_cast<char>(c.kind));
  if (c.kind == core::ConstantKind::floating) {
    id += std::to_string(std::bit_cast<std::uint64_t>(c.f));
  } else {
    id += std::to_string(c.i);
  }
  id += ':';
  id += c.s;
  auto [it, added] =
      constants_.emplace(std::move(id), static_cast<std::uint32_t>(f_.constants.size()));
  if (added) f_.constants.push_back(std::move(c));
  Operand o;
  o.kind = OperandKind::constant;
  o.index = it->second;
  return o;
}

std::uint32_t FunctionEmitter::name(std::string_view s) {
  auto [it, added] = names_.emplace(std::string(s), static_cast<std::uint32_t>(f_.names.size()));
  if (added) f_.names.emplace_back(s);
  return it->second;
}

bool FunctionEmitter::surely_assigned(Operand o) const {
  switch (o.kind) {
    case OperandKind::local: return assigned_[o.index];
    case OperandKind::free:
    case OperandKind::global:
    case OperandKind::predeclared:
      return false;
    default: return true;
  }
}

std::string FunctionEmitter::child_key(std::string_view child, bool lambda) {
  std::string prefix = f_.key.empty() ? "" : f_.key + ".";
  if (lambda) return prefix + "lambda@" + std::to_string(++lambdas_);
  int n = ++child_names_[std::string(child)];
  return prefix + std::string(child) + (n > 1 ? "@" + std::to_string(n) : "");
}

// ---- the function as a whole

void FunctionEmitter::run(std::span<Stmt* const> body, Expr* result, std::size_t slot) {
  if (result != nullptr) {
    Operand r = expr(result);
    emit(Op::ret, result->pos, {}, {r});
  } else {
    if (!body.empty() && body[0]->kind == St::expression) {
      Expr* first = static_cast<ExprStmt*>(body[0])->x;
      if (first->kind == Ex::string) f_.doc = static_cast<Literal*>(first)->text;
    }
    stmts(body);
    Pos end = body.empty() ? Pos{f_.line, f_.col} : body.back()->pos;
    emit(Op::ret, end, {}, {none()});
  }
  finish(slot);
}

// Drops labels nobody jumps to and numbers the rest in order of place.
void FunctionEmitter::finish(std::size_t slot) {
  std::vector<std::uint32_t> order;
  for (std::uint32_t i = 0; i < labels_.size(); ++i) {
    if (labels_[i].used) order.push_back(i);
  }
  std::stable_sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) {
    return labels_[a].at < labels_[b].at;
  });
  std::vector<std::uint32_t> renumbered(labels_.size(), core::kNone);
  for (std::uint32_t i : order) {
    // Two labels at one place are one.
    if (f_.labels.empty() || f_.labels.back() != labels_[i].at) f_.labels.push_back(labels_[i].at);
    renumbered[i] = static_cast<std::uint32_t>(f_.labels.size() - 1);
  }
  for (core::Instr& in : f_.code) {
    if (in.label != core::kNone) in.label = renumbered[in.label];
  }
  if (f_.locals.size() + most_temps_ > 50'000) too_large({f_.line, f_.col}, "variables");
  module_.module.functions[slot] = std::move(f_);
}

void FunctionEmitter::stmts(std::span<Stmt* const> body) {
  for (Stmt* s : body) stmt(s);
}

void FunctionEmitter::stmt(Stmt* s) {
  const std::uint32_t mark = temps_;  // a statement's temporaries end with it
  switch (s->kind) {
    case St::assign: assign_stmt(static_cast<Assign*>(s)); break;
    case St::expression: {
      Expr* x = static_cast<ExprStmt*>(s)->x;
      if (x->kind != Ex::string) {
        Operand o = expr(x);
        if (!surely_assigned(o)) materialise(o, x->pos);  // reading it may be an error
      }
      break;
    }
    case St::def: def_stmt(static_cast<Def*>(s)); break;
    case St::branch_if: if_stmt(static_cast<If*>(s)); break;
    case St::loop_for: for_stmt(static_cast<For*>(s)); break;
    case St::loop_while: while_stmt(static_cast<While*>(s)); break;
    case St::ret: {
      Expr* x = static_cast<Return*>(s)->x;
      Operand o = x != nullptr ? expr(x) : none();
      emit(Op::ret, s->pos, {}, {o});
      break;
    }
    case St::flow: {
      Tok t = static_cast<Flow*>(s)->token;
      if (t == Tok::kw_break) jump(Op::jump, s->pos, {}, loops_.back().break_label);
      if (t == Tok::kw_continue) jump(Op::jump, s->pos, {}, loops_.back().continue_label);
      break;
    }
    case St::load: load_stmt(static_cast<Load*>(s)); break;
  }
  temps_ = mark;
}

// ---- assignment

core::Operand FunctionEmitter::variable(const Ident* id) {
  Operand o;
  switch (id->binding.kind) {
    case ScopeKind::local:
      o.kind = OperandKind::local;
      o.index = id->binding.index;
      break;
    case ScopeKind::free:
      o.kind = OperandKind::free;
      o.index = id->binding.index;
      break;
    case ScopeKind::global:
      o.kind = OperandKind::global;
      o.index = name(id->name);
      break;
    default:
      o.kind = OperandKind::predeclared;
      o.index = name(id->name);
  }
  return o;
}

void FunctionEmitter::assign_stmt(Assign* s) {
  if (s->op != Tok::assign) return augmented(s);
  Expr* left = without_parens(s->left);
  if (left->kind == Ex::identifier) {
    expr_to(s->right, variable(static_cast<Ident*>(left)));
    return;
  }
  Operand value = expr_before(s->right, true);
  assign_to(left, value, s->op_pos);
}

void FunctionEmitter::assign_to(Expr* target, Operand value, Pos pos) {
  target = without_parens(target);
  switch (target->kind) {
    case Ex::identifier:
      emit(Op::let, target->pos, variable(static_cast<Ident*>(target)), {value});
      break;
    case Ex::index: {
      auto* i = static_cast<Index*>(target);
      Operand x = expr_before(i->x, !trivial(i->y));
      Operand y = expr(i->y);
      emit(Op::set_index, i->lbrack, {}, {x, y, value});
      break;
    }
    case Ex::dot: {
      auto* d = static_cast<Dot*>(target);
      Operand x = expr(d->x);
      emit(Op::set_attr, d->name_pos, {}, {x, value}).name = name(d->name);
      break;
    }
    case Ex::list:
    case Ex::tuple: unpack_to(static_cast<Sequence*>(target), value, pos); break;
    default: break;  // the resolver refused it
  }
}

bool FunctionEmitter::is_plain_target(const Expr* e) const { return e->kind == Ex::identifier; }

void FunctionEmitter::unpack_to(Sequence* targets, Operand value, Pos pos) {
  std::vector<Operand> operands{value};
  for (Expr* t : targets->items) {
    t = without_parens(t);
    operands.push_back(is_plain_target(t) ? variable(static_cast<Ident*>(t)) : temp());
  }
  if (operands.size() > 10'000) too_large(pos, "targets");
  core::Instr& in = emit(Op::unpack, pos, {}, operands);
  in.count = 1;
  in.targets = static_cast<std::uint32_t>(operands.size() - 1);
  for (std::size_t i = 1; i < operands.size(); ++i) mark_assigned(operands[i]);
  for (std::size_t i = 0; i < targets->items.size(); ++i) {
    if (operands[i + 1].kind == OperandKind::temp) {
      assign_to(targets->items[i], operands[i + 1], pos);
    }
  }
}

namespace {
Op augmented_op(Tok t) {
  switch (t) {
    case Tok::plus_assign: return Op::iadd;
    case Tok::minus_assign: return Op::sub;
    case Tok::star_assign: return Op::mul;
    case Tok::slash_assign: return Op::div;
    case Tok::slashslash_assign: return Op::floordiv;
    case Tok::percent_assign: return Op::mod;
    case Tok::amp_assign: return Op::bit_and;
    case Tok::pipe_assign: return Op::ior;
    case Tok::caret_assign: return Op::bit_xor;
    case Tok::ltlt_assign: return Op::shl;
    default: return Op::shr;
  }
}
}  // namespace

void FunctionEmitter::augmented(Assign* s) {
  Op op = augmented_op(s->op);
  Expr* left = without_parens(s->left);
  bool more = !trivial(s->right);
  if (left->kind == Ex::identifier) {
    Operand x = use(static_cast<Ident*>(left));
    if (more && !surely_assigned(x)) x = materialise(x, left->pos);
    Operand y = expr(s->right);
    emit(op, s->op_pos, variable(static_cast<Ident*>(left)), {x, y});
  } else if (left->kind == Ex::index) {
    auto* i = static_cast<Index*>(left);
    Operand x = expr_before(i->x, true);
    Operand y = expr_before(i->y, true);
    Operand old = temp();
    emit(Op::index, i->lbrack, old, {x, y});
    Operand rhs = expr(s->right);
    Operand now = temp();
    emit(op, s->op_pos, now, {old, rhs});
    emit(Op::set_index, i->lbrack, {}, {x, y, now});
  } else if (left->kind == Ex::dot) {
    auto* d = static_cast<Dot*>(left);
    Operand x = expr_before(d->x, true);
    Operand old = temp();
    emit(Op::attr, d->name_pos, old, {x}).name = name(d->name);
    Operand rhs = expr(s->right);
    Operand now = temp();
    emit(op, s->op_pos, now, {old, rhs});
    emit(Op::set_attr, d->name_pos, {}, {x, now}).name = name(d->name);
  }
}

// ---- control

void FunctionEmitter::if_stmt(If* s) {
  std::uint32_t done = new_label();
  for (std::size_t i = 0; i < s->clauses.size(); ++i) {
    IfClause& c = s->clauses[i];
    if (c.cond == nullptr) {
      stmts(c.body);
      continue;
    }
    bool last = i + 1 == s->clauses.size();
    std::uint32_t otherwise = last ? done : new_label();
    condition(c.cond, false, otherwise);
    stmts(c.body);
    if (!last) {
      jump(Op::jump, c.body.empty() ? s->pos : c.body.back()->pos, {}, done);
      place(otherwise);
    }
  }
  place(done);
}

void FunctionEmitter::for_stmt(For* s) {
  Operand x = expr(s->x);
  Operand it = temp();
  emit(Op::iter, s->pos, it, {x});
  std::uint32_t head = new_label(), exit = new_label();
  place(head);
  Expr* vars = without_parens(s->vars);
  std::vector<bool> before = assigned_;
  if (reachable_) {
    labels_[exit].used = true;
    labels_[exit].assigned = before;
  }
  bool plain = vars->kind == Ex::identifier;
  Operand item = plain ? variable(static_cast<Ident*>(vars)) : temp();
  emit(Op::next, s->pos, item, {it}).label = exit;
  if (!plain) assign_to(vars, item, vars->pos);
  loops_.push_back({exit, head});
  stmts(s->body);
  loops_.pop_back();
  jump(Op::jump, s->pos, {}, head);
  place(exit);
  emit(Op::end, s->pos, {}, {it});
}

void FunctionEmitter::while_stmt(While* s) {
  std::uint32_t head = new_label(), exit = new_label();
  place(head);
  condition(s->cond, false, exit);
  loops_.push_back({exit, head});
  stmts(s->body);
  loops_.pop_back();
  jump(Op::jump, s->pos, {}, head);
  place(exit);
}

void FunctionEmitter::load_stmt(Load* s) {
  std::vector<Operand> operands;
  for (LoadName& n : s->names) {
    operands.push_back(constant({core::ConstantKind::string, 0, 0, std::string(n.from)}));
    operands.back().line = n.from_pos.line - f_.line;
    operands.back().col = static_cast<std::uint16_t>(std::min(n.from_pos.col, 0xffffu));
  }
  for (LoadName& n : s->names) operands.push_back(variable(n.to));
  core::Instr& in = emit(Op::load, s->pos, {}, operands);
  in.count = static_cast<std::uint32_t>(s->names.size());
  in.targets = in.count;
  in.name = name(s->module);
  module_.module.loads.emplace_back(s->module);
}

void FunctionEmitter::def_stmt(Def* s) {
  std::string key = child_key(s->name->name, false);
  make_function(s->function, std::move(key), variable(s->name), s->pos);
}

core::Operand FunctionEmitter::make_function(Function* node, std::string key, Operand dst,
                                             Pos pos) {
  std::vector<Operand> defaults;
  FunctionEmitter inner(module_, *node->scope, key, node);
  auto add = [&](core::ParamKind kind, bool has_default) {
    inner.f_.params.push_back({kind, has_default});
    inner.assigned_[inner.f_.params.size() - 1] = true;
  };
  bool star = false;
  std::vector<const ParamNode*> late;  // keyword-only and **: after *args
  const ParamNode* star_star = nullptr;
  for (const ParamNode& p : node->params) {
    if (p.value != nullptr) defaults.push_back(expr_before(p.value, true));
    if (p.form == ParamForm::star) {
      star = true;
      if (!p.name.empty()) add(core::ParamKind::star, false);
    } else if (p.form == ParamForm::star_star) {
      star_star = &p;
    } else {
      add(star ? core::ParamKind::keyword_only : core::ParamKind::normal, p.value != nullptr);
    }
  }
  if (star_star) add(core::ParamKind::star_star, false);
  if (node->params.size() > 10'000) too_large(pos, "parameters");
  if (!reachable_) return dst;
  std::uint32_t key_name = name(key);
  std::size_t slot = module_.module.functions.size();
  module_.module.functions.emplace_back();
  inner.run(node->body, node->result, slot);
  dst = or_temp(dst);
  emit(Op::func, pos, dst, defaults).name = key_name;
  return dst;
}

// ---- the file

void emit_module(const File& file, const Resolution& resolution, core::Module& out,
                 std::vector<Diagnostic>& diagnostics) {
  for (const Global& g : resolution.globals) {
    out.globals.emplace_back(g.name);
    out.file_local.push_back(g.file_local);
  }
  ModuleEmitter module{resolution, out, diagnostics};
  out.functions.emplace_back();
  FunctionEmitter top(module, *resolution.scopes[0], "", nullptr);
  top.run(file.body, nullptr, 0);
}

}  // namespace starlark::ast
