// SPDX-License-Identifier: Apache-2.0
//
// The walk over statements and expressions, and the rules about where things may stand.
#include <unordered_set>

#include "spec/starlark/resolve.h"
#include "spec/starlark/scan.h"
#include "spec/starlark/values.h"

namespace starlark::ast {
namespace {

std::string_view expr_name(Ex kind) {
  switch (kind) {
    case Ex::identifier: return "ident";
    case Ex::integer:
    case Ex::big:
    case Ex::floating:
    case Ex::string:
    case Ex::bytes:
      return "literal";
    case Ex::list: return "listexpr";
    case Ex::tuple: return "tupleexpr";
    case Ex::dict: return "dictexpr";
    case Ex::comprehension: return "comprehension";
    case Ex::dot: return "dotexpr";
    case Ex::call: return "callexpr";
    case Ex::index: return "indexexpr";
    case Ex::slice: return "sliceexpr";
    case Ex::unary: return "unaryexpr";
    case Ex::binary: return "binaryexpr";
    case Ex::conditional: return "condexpr";
    case Ex::lambda: return "lambdaexpr";
    case Ex::paren: return "parenexpr";
  }
  return "";
}

}  // namespace

void Resolver::stmts(std::span<Stmt* const> body) {
  for (Stmt* s : body) stmt(s);
}

void Resolver::stmt(Stmt* s) {
  switch (s->kind) {
    case St::assign: assign_stmt(static_cast<Assign*>(s)); break;
    case St::expression: expr(static_cast<ExprStmt*>(s)->x); break;
    case St::def:
      bind(static_cast<Def*>(s)->name);
      function(static_cast<Def*>(s)->function, true);
      break;
    case St::branch_if: if_stmt(static_cast<If*>(s)); break;
    case St::loop_for: for_stmt(static_cast<For*>(s)); break;
    case St::loop_while: while_stmt(static_cast<While*>(s)); break;
    case St::ret: return_stmt(static_cast<Return*>(s)); break;
    case St::flow: flow_stmt(static_cast<Flow*>(s)); break;
    case St::load: load_stmt(static_cast<Load*>(s)); break;
  }
}

void Resolver::assign_stmt(Assign* s) {
  expr(s->right);
  target(s->left, s->op != Tok::assign);
}

void Resolver::target(Expr* e, bool augmented) {
  switch (e->kind) {
    case Ex::identifier: bind(static_cast<Ident*>(e)); break;
    case Ex::index:
      expr(static_cast<Index*>(e)->x);
      expr(static_cast<Index*>(e)->y);
      break;
    case Ex::dot: expr(static_cast<Dot*>(e)->x); break;
    case Ex::paren: target(static_cast<Paren*>(e)->x, augmented); break;
    case Ex::list:
    case Ex::tuple:
      if (augmented) {
        error(e->pos, Code::target,
              std::string("can't use ") + (e->kind == Ex::list ? "list" : "tuple") +
                  " expression in augmented assignment");
        return;
      }
      for (Expr* item : static_cast<Sequence*>(e)->items) target(item, false);
      break;
    default:
      error(e->pos, Code::target, "can't assign to " + std::string(expr_name(e->kind)));
  }
}

void Resolver::if_stmt(If* s) {
  if (!in_function() && !options_.top_level_control) {
    error(s->pos, Code::misplaced, "if statement not within a function",
          "put it into a function, or use a conditional expression");
  }
  for (IfClause& c : s->clauses) {
    if (c.cond != nullptr) expr(c.cond);
    ++ifs_;
    stmts(c.body);
    --ifs_;
  }
}

void Resolver::for_stmt(For* s) {
  if (!in_function() && !options_.top_level_control) {
    error(s->pos, Code::misplaced, "for loop not within a function",
          "put it into a function, or use a comprehension");
  }
  expr(s->x);
  target(s->vars, false);
  ++loops_;
  stmts(s->body);
  --loops_;
}

void Resolver::while_stmt(While* s) {
  if (!options_.while_loops) {
    error(s->pos, Code::option, "this Starlark dialect does not support while loops",
          "use a for loop over a range");
  } else if (!in_function() && !options_.top_level_control) {
    error(s->pos, Code::misplaced, "while loop not within a function");
  }
  expr(s->cond);
  ++loops_;
  stmts(s->body);
  --loops_;
}

void Resolver::return_stmt(Return* s) {
  if (!in_function()) error(s->pos, Code::misplaced, "return statement not within a function");
  if (s->x != nullptr) expr(s->x);
}

void Resolver::flow_stmt(Flow* s) {
  if (s->token != Tok::kw_pass && loops_ == 0) {
    error(s->pos, Code::misplaced, std::string(token_spelling(s->token)) + " not in a loop");
  }
}

void Resolver::load_stmt(Load* s) {
  const char* within = loops_ > 0        ? "a loop"
                       : ifs_ > 0        ? "a conditional"
                       : in_function()   ? "a function"
                                         : nullptr;
  if (within != nullptr) {
    error(s->pos, Code::misplaced, std::string("load statement within ") + within);
  }
  for (LoadName& n : s->names) {
    if (n.from.empty()) {
      error(n.from_pos, Code::misplaced, "load: empty identifier");
    } else if (n.from[0] == '_') {
      error(n.from_pos, Code::misplaced,
            "load: names with leading underscores are not exported: " + std::string(n.from));
    }
    for (std::string_view name : {n.from, n.to->name}) {
      if (name.empty() || is_identifier(name)) continue;
      error(n.from_pos, Code::misplaced, "load: not an identifier: " + quote_string(name));
      break;
    }
    bind_loaded(n.to);
  }
}

// Chains of attributes and calls may be long, and nest: what the emitter will recurse over, this
// recurses over first.
void Resolver::expr(Expr* e) {
  if (depth_ >= kMaxDepth) {
    if (!too_deep_) error(e->pos, Code::nesting, "expression nested too deeply");
    too_deep_ = true;
    return;
  }
  ++depth_;
  visit(e);
  --depth_;
}

void Resolver::visit(Expr* e) {
  switch (e->kind) {
    case Ex::identifier: use(static_cast<Ident*>(e)); break;
    case Ex::integer:
    case Ex::big:
    case Ex::floating:
    case Ex::string:
    case Ex::bytes:
      break;
    case Ex::list:
    case Ex::tuple:
      for (Expr* item : static_cast<Sequence*>(e)->items) expr(item);
      break;
    case Ex::dict:
      for (Entry& entry : static_cast<DictExpr*>(e)->entries) {
        expr(entry.key);
        expr(entry.value);
      }
      break;
    case Ex::comprehension: comprehension(static_cast<Comprehension*>(e)); break;
    case Ex::dot: expr(static_cast<Dot*>(e)->x); break;
    case Ex::call: call(static_cast<CallExpr*>(e)); break;
    case Ex::index:
      expr(static_cast<Index*>(e)->x);
      expr(static_cast<Index*>(e)->y);
      break;
    case Ex::slice: {
      auto* s = static_cast<Slice*>(e);
      expr(s->x);
      for (Expr* part : {s->lo, s->hi, s->step}) {
        if (part != nullptr) expr(part);
      }
      break;
    }
    case Ex::unary: expr(static_cast<Unary*>(e)->x); break;
    case Ex::binary: {
      // Chains of operators lean left and may be long: no recursion along them.
      std::vector<Binary*> spine;
      while (e->kind == Ex::binary) {
        spine.push_back(static_cast<Binary*>(e));
        e = spine.back()->x;
      }
      expr(e);
      for (; !spine.empty(); spine.pop_back()) expr(spine.back()->y);
      break;
    }
    case Ex::conditional: {
      auto* c = static_cast<Conditional*>(e);
      expr(c->cond);
      expr(c->yes);
      expr(c->no);
      break;
    }
    case Ex::lambda: function(static_cast<Lambda*>(e)->function, false); break;
    case Ex::paren: expr(static_cast<Paren*>(e)->x); break;
  }
}

void Resolver::call(CallExpr* c) {
  expr(c->fn);
  call_args(c);
  for (Arg& a : c->args) expr(a.value);
}

void Resolver::call_args(CallExpr* c) {
  bool star = false, star_star = false, named = false;
  std::unordered_set<std::string_view> seen;
  auto complain = [&](const Arg& a, std::string message) {
    error(a.pos, Code::arguments, std::move(message));
  };
  for (Arg& a : c->args) {
    switch (a.form) {
      case ArgForm::positional:
        if (star_star) {
          complain(a, "positional argument may not follow **kwargs");
        } else if (star) {
          complain(a, "positional argument may not follow *args");
        } else if (named) {
          complain(a, "positional argument may not follow named");
        }
        break;
      case ArgForm::keyword:
        if (star_star) {
          complain(a, "keyword argument may not follow **kwargs");
        } else if (star) {
          complain(a, "keyword argument may not follow *args");
        } else if (!seen.insert(a.name).second) {
          complain(a, "keyword argument \"" + std::string(a.name) + "\" is repeated");
        }
        named = true;
        break;
      case ArgForm::star:
        if (star_star) {
          complain(a, "*args may not follow **kwargs");
        } else if (star) {
          complain(a, "multiple *args not allowed");
        }
        star = true;
        break;
      case ArgForm::star_star:
        if (star_star) complain(a, "multiple **kwargs not allowed");
        star_star = true;
        break;
    }
  }
}

void Resolver::collect_block(Expr* vars) {
  vars = without_parens(vars);
  if (vars->kind == Ex::list || vars->kind == Ex::tuple) {
    for (Expr* item : static_cast<Sequence*>(vars)->items) collect_block(item);
    return;
  }
  if (vars->kind != Ex::identifier) return;
  std::string_view name = static_cast<Ident*>(vars)->name;
  auto [it, added] =
      scope_->blocks.back().emplace(name, static_cast<std::uint32_t>(scope_->locals.size()));
  if (added) scope_->locals.push_back({name, ++(*scope_->ordinals)[name]});
}

// The first iterable belongs to the block around; all else sees every variable of the comprehension.
void Resolver::comprehension(Comprehension* c) {
  expr(c->clauses[0].x);
  scope_->blocks.emplace_back();
  for (Clause& clause : c->clauses) {
    if (clause.is_for) collect_block(clause.vars);
  }
  for (std::size_t i = 0; i < c->clauses.size(); ++i) {
    Clause& clause = c->clauses[i];
    if (clause.is_for) target(clause.vars, false);
    if (i > 0) expr(clause.x);
  }
  if (c->is_dict) {
    expr(c->entry.key);
    expr(c->entry.value);
  } else {
    expr(c->body);
  }
  scope_->blocks.pop_back();
}

void Resolver::function(Function* f, bool is_def) {
  for (ParamNode& p : f->params) {
    if (p.value != nullptr) expr(p.value);
  }
  param_order(f);
  auto scope = std::make_unique<Scope>();
  scope->parent = scope_;
  bool own_numbers = is_def && scope_->is_file();
  scope->ordinals = own_numbers ? &scope->own_ordinals : scope_->ordinals;
  f->scope = scope.get();
  Scope* around = scope_;
  int loops = loops_, ifs = ifs_;
  scope_ = scope.get();
  loops_ = ifs_ = 0;
  out_.scopes.push_back(std::move(scope));
  params(f);
  if (f->result != nullptr) {
    expr(f->result);
  } else {
    collect(f->body);
    stmts(f->body);
  }
  loops_ = loops;
  ifs_ = ifs;
  scope_ = around;
}

void Resolver::param_order(Function* f) {
  const ParamNode* star = nullptr;
  const ParamNode* star_star = nullptr;
  bool optional = false;
  int keyword_only = 0;
  auto complain = [&](const ParamNode& p, std::string message) {
    error(p.pos, Code::arguments, std::move(message));
  };
  for (const ParamNode& p : f->params) {
    std::string after = star_star ? " parameter may not follow **" + std::string(star_star->name) : "";
    if (p.form == ParamForm::star_star) {
      if (star_star) complain(p, "multiple ** parameters not allowed");
      star_star = &p;
    } else if (p.form == ParamForm::star) {
      if (star_star) {
        complain(p, "*" + after);
      } else if (star) {
        complain(p, "multiple * parameters not allowed");
      } else {
        star = &p;
      }
    } else {
      if (star_star) {
        complain(p, (p.value ? "optional" : "required") + after);
      } else if (star) {
        ++keyword_only;
      } else if (p.value != nullptr) {
        optional = true;
      } else if (optional) {
        complain(p, "required parameter may not follow optional");
      }
    }
  }
  if (star && star->name.empty() && keyword_only == 0) {
    complain(*star, "bare * must be followed by keyword-only parameters");
  }
}

void Resolver::add_param(ParamNode& p) {
  p.local = static_cast<std::uint32_t>(scope_->locals.size());
  if (!scope_->by_name.emplace(p.name, p.local).second) {
    error(p.pos, Code::arguments, "duplicate parameter: " + std::string(p.name));
  }
  scope_->locals.push_back({p.name});
}

// Locals begin with the parameters in the order of core::Function: plain ones, *args, keyword-only
// ones, **kwargs.
void Resolver::params(Function* f) {
  std::vector<ParamNode*> plain, star, keyword_only, star_star;
  for (ParamNode& p : f->params) {
    if (p.form == ParamForm::star) {
      star.push_back(&p);
    } else if (p.form == ParamForm::star_star) {
      star_star.push_back(&p);
    } else {
      (star.empty() ? plain : keyword_only).push_back(&p);
    }
  }
  for (auto* group : {&plain, &star, &keyword_only, &star_star}) {
    for (ParamNode* p : *group) {
      if (!p->name.empty()) add_param(*p);
    }
  }
}

}  // namespace starlark::ast
