// SPDX-License-Identifier: Apache-2.0
//
// Expressions.
#include "spec/starlark/parse.h"

namespace starlark::ast {
namespace {

// Binary operators bind tighter the higher their level; comparisons (kCompare) do not associate.
constexpr int kOr = 1, kAnd = 2, kNot = 3, kCompare = 4;

int level_of(Tok t) {
  switch (t) {
    case Tok::kw_or: return kOr;
    case Tok::kw_and: return kAnd;
    case Tok::eq:
    case Tok::ne:
    case Tok::lt:
    case Tok::gt:
    case Tok::le:
    case Tok::ge:
    case Tok::kw_in:
    case Tok::kw_not:  // of "not in"
      return kCompare;
    case Tok::pipe: return 5;
    case Tok::caret: return 6;
    case Tok::amp: return 7;
    case Tok::ltlt:
    case Tok::gtgt:
      return 8;
    case Tok::plus:
    case Tok::minus:
      return 9;
    case Tok::star:
    case Tok::slash:
    case Tok::slashslash:
    case Tok::percent:
      return 10;
    default: return 0;
  }
}

}  // namespace

Ident* Parser::parse_ident() {
  Ident* id = make<Ident>(Ex::identifier, token_.pos);
  if (!at(Tok::identifier)) {
    error(token_.pos, Code::unexpected, "not an identifier: got " + token_text(token_.kind));
    return id;
  }
  id->name = token_.text;
  advance();
  return id;
}

bool Parser::ends_list() const {
  switch (token_.kind) {
    case Tok::eof:
    case Tok::newline:
    case Tok::assign:
    case Tok::rbrace:
    case Tok::rbrack:
    case Tok::rparen:
    case Tok::semi:
      return true;
    default:
      return false;
  }
}

Expr* Parser::parse_expr(bool in_parens) {
  Expr* x = parse_test();
  if (!at(Tok::comma)) return x;
  std::vector<Expr*> items{x};
  while (at(Tok::comma)) {
    Pos comma = token_.pos;
    advance();
    if (ends_list()) {
      if (!in_parens) error(comma, Code::unexpected, "unparenthesized tuple with trailing comma");
      break;
    }
    items.push_back(parse_test());
  }
  Sequence* t = make<Sequence>(Ex::tuple, x->pos);
  t->items = arena_.copy(items);
  t->parens = false;
  return t;
}

Expr* Parser::parse_test() {
  if (at(Tok::kw_lambda)) return parse_lambda(true);
  Expr* x = parse_binary(kOr);
  if (!at(Tok::kw_if)) return x;
  Deeper deeper(*this);
  Conditional* c = make<Conditional>(Ex::conditional, x->pos);
  advance();
  c->yes = x;
  c->cond = parse_binary(kOr);
  if (!at(Tok::kw_else)) {
    error(token_.pos, Code::unexpected, "conditional expression without else clause");
  }
  advance();
  c->no = parse_test();
  return c;
}

Expr* Parser::parse_test_no_cond() {
  return at(Tok::kw_lambda) ? parse_lambda(false) : parse_binary(kOr);
}

Expr* Parser::parse_lambda(bool allow_cond) {
  Deeper deeper(*this);
  Lambda* l = make<Lambda>(Ex::lambda, token_.pos);
  Function* f = arena_.make<Function>();
  f->name = "lambda";
  f->pos = token_.pos;
  advance();
  f->params = parse_params(Tok::colon);
  expect(Tok::colon);
  f->result = allow_cond ? parse_test() : parse_test_no_cond();
  l->function = f;
  return l;
}

// The binary operator that comes next, `not in` read as one token; 0 in `level` if there is none.
Tok Parser::binary_operator(int& level) {
  level = level_of(token_.kind);
  return token_.kind;
}

Expr* Parser::parse_not() {
  Deeper deeper(*this);
  Unary* u = make<Unary>(Ex::unary, token_.pos);
  u->op = Tok::kw_not;
  advance();
  u->x = parse_binary(kNot);
  return u;
}

Expr* Parser::parse_binary(int min_level) {
  Deeper deeper(*this);
  Expr* x = at(Tok::kw_not) && min_level <= kNot ? parse_not() : parse_suffixed();
  Tok compared = Tok::eof;
  for (int chain = 0;; ++chain) {
    int level;
    Tok op = binary_operator(level);
    if (level == 0 || level < min_level) return x;
    Pos op_pos = token_.pos;
    advance();
    if (op == Tok::kw_not) {
      if (!at(Tok::kw_in)) unexpected("in");
      advance();
      op = Tok::not_in;
    }
    if (level == kCompare && compared != Tok::eof) {
      error(op_pos, Code::unexpected,
            std::string(token_spelling(compared)) + " does not associate with " +
                std::string(token_spelling(op)),
            "use parentheses");
    }
    compared = level == kCompare ? op : Tok::eof;
    Binary* b = make<Binary>(Ex::binary, x->pos);
    b->op = op;
    b->op_pos = op_pos;
    b->x = x;
    b->y = parse_binary(level + 1);
    x = b;
    if (chain > 1'000'000 || panic_) return x;
  }
}

Expr* Parser::parse_suffixed() {
  Expr* x = parse_operand();
  for (int chain = 0; !panic_; ++chain) {
    if (chain > kMaxChain) error(token_.pos, Code::nesting, "chain of calls and attributes too long");
    if (at(Tok::dot)) {
      advance();
      Dot* d = make<Dot>(Ex::dot, x->pos);
      d->x = x;
      d->name_pos = token_.pos;
      d->name = parse_ident()->name;
      x = d;
    } else if (at(Tok::lbrack)) {
      x = parse_index(x);
    } else if (at(Tok::lparen)) {
      x = parse_call(x);
    } else {
      break;
    }
  }
  return x;
}

Expr* Parser::parse_index(Expr* x) {
  Pos lbrack = token_.pos;
  advance();
  Expr* lo = nullptr;
  if (!at(Tok::colon)) {
    lo = parse_expr(false);
    if (at(Tok::rbrack)) {
      advance();
      Index* i = make<Index>(Ex::index, x->pos);
      i->x = x;
      i->y = lo;
      i->lbrack = lbrack;
      return i;
    }
  }
  Slice* s = make<Slice>(Ex::slice, x->pos);
  s->x = x;
  s->lo = lo;
  s->lbrack = lbrack;
  expect(Tok::colon);
  if (!at(Tok::colon) && !at(Tok::rbrack)) s->hi = parse_test();
  if (accept(Tok::colon) && !at(Tok::rbrack)) s->step = parse_test();
  expect(Tok::rbrack);
  return s;
}

Expr* Parser::parse_call(Expr* fn) {
  Deeper deeper(*this);
  CallExpr* c = make<CallExpr>(Ex::call, fn->pos);
  c->fn = fn;
  c->lparen = token_.pos;
  advance();
  std::vector<Arg> args;
  while (!at(Tok::rparen) && !at(Tok::eof)) {
    if (!args.empty()) {
      expect(Tok::comma);
      if (at(Tok::rparen)) break;
    }
    Arg a{ArgForm::positional, {}, nullptr, token_.pos};
    if (accept(Tok::star)) {
      a.form = ArgForm::star;
      a.value = parse_test();
    } else if (accept(Tok::starstar)) {
      a.form = ArgForm::star_star;
      a.value = parse_test();
    } else {
      a.value = parse_test();
      if (at(Tok::assign)) {
        if (a.value->kind != Ex::identifier) {
          error(token_.pos, Code::unexpected, "keyword argument must have form name=expr");
        }
        advance();
        a.form = ArgForm::keyword;
        a.name = static_cast<Ident*>(a.value)->name;
        a.value = parse_test();
      }
    }
    args.push_back(a);
  }
  expect(Tok::rparen);
  c->args = arena_.copy(args);
  return c;
}

Expr* Parser::parse_operand() {
  Pos pos = token_.pos;
  switch (token_.kind) {
    case Tok::identifier:
      return parse_ident();
    case Tok::integer:
    case Tok::floating:
    case Tok::string:
    case Tok::bytes: {
      Ex kind = at(Tok::floating) ? Ex::floating
                : at(Tok::string) ? Ex::string
                : at(Tok::bytes)  ? Ex::bytes
                : token_.big      ? Ex::big
                                  : Ex::integer;
      Literal* l = make<Literal>(kind, pos);
      l->integer = token_.integer;
      l->floating = token_.floating;
      l->text = token_.text;
      advance();
      return l;
    }
    case Tok::lbrack: return parse_list();
    case Tok::lbrace: return parse_dict();
    case Tok::lparen: return parse_parens();
    case Tok::plus:
    case Tok::minus:
    case Tok::tilde: {
      Deeper deeper(*this);
      Unary* u = make<Unary>(Ex::unary, pos);
      u->op = token_.kind;
      advance();
      u->x = parse_suffixed();
      return u;
    }
    default:
      unexpected("primary expression");
      return make<Ident>(Ex::identifier, pos);
  }
}

Expr* Parser::parse_parens() {
  Deeper deeper(*this);
  Pos pos = token_.pos;
  advance();
  if (accept(Tok::rparen)) return make<Sequence>(Ex::tuple, pos);
  Expr* x = parse_expr(true);
  expect(Tok::rparen);
  if (x->kind == Ex::tuple && !static_cast<Sequence*>(x)->parens) {
    static_cast<Sequence*>(x)->parens = true;
    x->pos = pos;
    return x;
  }
  Paren* p = make<Paren>(Ex::paren, pos);
  p->x = x;
  return p;
}

Expr* Parser::parse_list() {
  Deeper deeper(*this);
  Pos pos = token_.pos;
  advance();
  std::vector<Expr*> items;
  if (!at(Tok::rbrack)) {
    items.push_back(parse_test());
    if (at(Tok::kw_for)) {
      Comprehension* c = make<Comprehension>(Ex::comprehension, pos);
      c->is_dict = false;
      c->body = items[0];
      return parse_comp_suffix(c, Tok::rbrack);
    }
    while (accept(Tok::comma) && !at(Tok::rbrack)) items.push_back(parse_test());
  }
  expect(Tok::rbrack);
  Sequence* s = make<Sequence>(Ex::list, pos);
  s->items = arena_.copy(items);
  return s;
}

Entry Parser::parse_entry() {
  Entry e{parse_test(), nullptr, {}};
  e.colon = expect(Tok::colon);
  e.value = parse_test();
  return e;
}

Expr* Parser::parse_dict() {
  Deeper deeper(*this);
  Pos pos = token_.pos;
  advance();
  std::vector<Entry> entries;
  if (!at(Tok::rbrace)) {
    entries.push_back(parse_entry());
    if (at(Tok::kw_for)) {
      Comprehension* c = make<Comprehension>(Ex::comprehension, pos);
      c->is_dict = true;
      c->entry = entries[0];
      return parse_comp_suffix(c, Tok::rbrace);
    }
    while (accept(Tok::comma) && !at(Tok::rbrace)) entries.push_back(parse_entry());
  }
  expect(Tok::rbrace);
  DictExpr* d = make<DictExpr>(Ex::dict, pos);
  d->entries = arena_.copy(entries);
  return d;
}

Expr* Parser::parse_comp_suffix(Comprehension* c, Tok end) {
  std::vector<Clause> clauses;
  while (!at(end) && !at(Tok::eof)) {
    Pos pos = token_.pos;
    if (accept(Tok::kw_for)) {
      Expr* vars = parse_loop_vars();
      expect(Tok::kw_in);
      clauses.push_back({true, pos, vars, parse_binary(kOr)});
    } else if (accept(Tok::kw_if)) {
      clauses.push_back({false, pos, nullptr, parse_test_no_cond()});
    } else {
      unexpected(token_text(end) + ", for, or if");
    }
  }
  if (!at(end)) unexpected(token_text(end) + ", for, or if");
  expect(end);
  if (clauses.size() > static_cast<std::size_t>(kMaxNesting)) {
    error(c->pos, Code::nesting, "too many clauses in a comprehension");
  }
  c->clauses = arena_.copy(clauses);
  return c;
}

// Not a full expression: that would take the `in`.
Expr* Parser::parse_loop_vars() {
  Expr* x = parse_suffixed();
  if (!at(Tok::comma)) return x;
  std::vector<Expr*> items{x};
  while (accept(Tok::comma)) items.push_back(parse_suffixed());
  Sequence* t = make<Sequence>(Ex::tuple, x->pos);
  t->items = arena_.copy(items);
  t->parens = false;
  return t;
}

}  // namespace starlark::ast
