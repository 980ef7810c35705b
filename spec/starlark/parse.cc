// SPDX-License-Identifier: Apache-2.0
//
// Statements, and the handling of mistakes.
#include "spec/starlark/parse.h"

namespace starlark::ast {

Parser::Parser(std::string_view file, std::string_view source, Arena& arena,
               std::vector<Diagnostic>& diagnostics)
    : file_(file), arena_(arena), diagnostics_(diagnostics),
      scanner_(file, source, arena, diagnostics) {}

Parser::Deeper::Deeper(Parser& p) : p_(p) {
  if (++p_.depth_ > kMaxNesting) {
    p_.error(p_.token_.pos, Code::nesting,
             "nested deeper than " + std::to_string(kMaxNesting) + " levels");
  }
}

void Parser::error(Pos where, Code code, std::string message, std::string hint) {
  if (panic_) return;
  if (!scanner_.fatal() && diagnostics_.size() < 200) {
    diagnostics_.push_back({std::string(file_), static_cast<int>(where.line),
                            static_cast<int>(where.col), 0, 0, std::move(message),
                            std::move(hint), code});
  }
  panic_ = true;
  offender_ = token_.kind;
  token_.kind = Tok::eof;  // makes every loop end
}

void Parser::unexpected(std::string wanted) {
  std::string got = token_text(token_.kind);
  if (token_.kind == Tok::illegal) got += " '" + std::string(token_.text) + "'";
  error(token_.pos, Code::unexpected,
        token_.unopened ? "unexpected " + got : "got " + got + ", want " + wanted);
}

void Parser::advance() {
  if (!panic_) token_ = scanner_.next();
}

Pos Parser::expect(Tok kind) {
  Pos pos = token_.pos;
  if (at(kind)) {
    advance();
  } else {
    unexpected(token_text(kind));
  }
  return pos;
}

bool Parser::accept(Tok kind) {
  if (!at(kind)) return false;
  advance();
  return true;
}

// Skips the rest of the logical line, and the block that belongs to it.
void Parser::resynchronise() {
  panic_ = false;
  Tok kind = offender_;
  scanner_.close_brackets();
  int blocks = kind == Tok::indent ? 1 : 0;
  while (kind != Tok::newline && kind != Tok::eof && blocks == 0) {
    kind = scanner_.next().kind;
    if (kind == Tok::indent) ++blocks;
  }
  scanner_.speak();
  token_ = scanner_.next();
  if (blocks == 0 && at(Tok::indent)) {
    ++blocks;
    token_ = scanner_.next();
  }
  while (blocks > 0 && !at(Tok::eof)) {
    if (at(Tok::indent)) ++blocks;
    if (at(Tok::outdent)) --blocks;
    token_ = scanner_.next();
  }
}

File Parser::parse_file() {
  File file;
  advance();
  while (!at(Tok::eof)) {
    if (accept(Tok::newline)) continue;
    parse_stmt(file.body);
  }
  return file;
}

void Parser::parse_stmt(std::vector<Stmt*>& out) {
  switch (token_.kind) {
    case Tok::kw_def:
    case Tok::kw_if:
    case Tok::kw_for:
    case Tok::kw_while:
      parse_compound(out);
      break;
    default:
      parse_simple(out);
  }
  if (panic_) resynchronise();
}

void Parser::parse_compound(std::vector<Stmt*>& out) {
  Deeper deeper(*this);
  Stmt* s = at(Tok::kw_def)   ? parse_def()
            : at(Tok::kw_if)  ? parse_if()
            : at(Tok::kw_for) ? parse_for()
            : at(Tok::kw_while) ? parse_while() : nullptr;
  if (s != nullptr && !panic_) out.push_back(s);
}

Stmt* Parser::parse_def() {
  Def* def = make<Def>(St::def, token_.pos);
  Function* f = arena_.make<Function>();
  f->pos = token_.pos;
  advance();
  def->name = parse_ident();
  f->name = def->name->name;
  expect(Tok::lparen);
  f->params = parse_params(Tok::rparen);
  expect(Tok::rparen);
  expect(Tok::colon);
  f->body = parse_suite();
  def->function = f;
  return def;
}

std::span<ParamNode> Parser::parse_params(Tok end) {
  std::vector<ParamNode> params;
  while (!at(end) && !at(Tok::eof)) {
    if (!params.empty()) {
      expect(Tok::comma);
      if (at(end)) break;
    }
    ParamNode p{ParamForm::normal, {}, token_.pos, nullptr};
    if (accept(Tok::starstar)) {
      p.form = ParamForm::star_star;
      p.name = parse_ident()->name;
    } else if (accept(Tok::star)) {
      p.form = ParamForm::star;
      if (at(Tok::identifier)) p.name = parse_ident()->name;
    } else {
      p.name = parse_ident()->name;
      if (accept(Tok::assign)) p.value = parse_test();
    }
    params.push_back(p);
  }
  return arena_.copy(params);
}

Stmt* Parser::parse_if() {
  If* s = make<If>(St::branch_if, token_.pos);
  std::vector<IfClause> clauses;
  do {
    advance();
    Expr* cond = parse_test();
    expect(Tok::colon);
    clauses.push_back({cond, parse_suite()});
  } while (at(Tok::kw_elif));
  if (accept(Tok::kw_else)) {
    expect(Tok::colon);
    clauses.push_back({nullptr, parse_suite()});
  }
  s->clauses = arena_.copy(clauses);
  return s;
}

Stmt* Parser::parse_for() {
  For* s = make<For>(St::loop_for, token_.pos);
  advance();
  s->vars = parse_loop_vars();
  expect(Tok::kw_in);
  s->x = parse_expr(false);
  expect(Tok::colon);
  s->body = parse_suite();
  return s;
}

Stmt* Parser::parse_while() {
  While* s = make<While>(St::loop_while, token_.pos);
  advance();
  s->cond = parse_test();
  expect(Tok::colon);
  s->body = parse_suite();
  return s;
}

std::span<Stmt*> Parser::parse_suite() {
  std::vector<Stmt*> body;
  if (!accept(Tok::newline)) {
    if (!panic_) parse_simple(body);
    return arena_.copy(body);
  }
  expect(Tok::indent);
  while (!at(Tok::outdent) && !at(Tok::eof)) {
    if (accept(Tok::newline)) continue;
    parse_stmt(body);
  }
  if (!scanner_.fatal()) expect(Tok::outdent);
  return arena_.copy(body);
}

void Parser::parse_simple(std::vector<Stmt*>& out) {
  for (;;) {
    Stmt* s = parse_small();
    if (panic_) return;
    if (s != nullptr) out.push_back(s);
    if (!accept(Tok::semi)) break;
    if (at(Tok::newline) || at(Tok::eof)) break;
  }
  if (!at(Tok::eof)) expect(Tok::newline);
}

Stmt* Parser::parse_small() {
  Pos pos = token_.pos;
  switch (token_.kind) {
    case Tok::kw_return: {
      Return* s = make<Return>(St::ret, pos);
      advance();
      s->x = at(Tok::newline) || at(Tok::semi) || at(Tok::eof) ? nullptr : parse_expr(false);
      return s;
    }
    case Tok::kw_break:
    case Tok::kw_continue:
    case Tok::kw_pass: {
      Flow* s = make<Flow>(St::flow, pos);
      s->token = token_.kind;
      advance();
      return s;
    }
    case Tok::kw_load:
      return parse_load();
    default:
      return parse_assignment();
  }
}

Stmt* Parser::parse_assignment() {
  Pos pos = token_.pos;
  Expr* x = parse_expr(false);
  switch (token_.kind) {
    case Tok::assign:
    case Tok::plus_assign:
    case Tok::minus_assign:
    case Tok::star_assign:
    case Tok::slash_assign:
    case Tok::slashslash_assign:
    case Tok::percent_assign:
    case Tok::amp_assign:
    case Tok::pipe_assign:
    case Tok::caret_assign:
    case Tok::ltlt_assign:
    case Tok::gtgt_assign: {
      Assign* s = make<Assign>(St::assign, pos);
      s->op = token_.kind;
      s->op_pos = token_.pos;
      advance();
      s->left = x;
      s->right = parse_expr(false);
      return s;
    }
    default: {
      ExprStmt* s = make<ExprStmt>(St::expression, pos);
      s->x = x;
      return s;
    }
  }
}

Stmt* Parser::parse_load() {
  Load* s = make<Load>(St::load, token_.pos);
  advance();
  expect(Tok::lparen);
  if (!at(Tok::string)) {
    error(token_.pos, Code::unexpected, "first operand of load statement must be a string literal");
  }
  s->module = token_.text;
  s->module_pos = token_.pos;
  advance();
  std::vector<LoadName> names;
  while (!at(Tok::rparen) && !at(Tok::eof)) {
    expect(Tok::comma);
    if (at(Tok::rparen)) break;
    parse_load_name(names);
  }
  Pos end = expect(Tok::rparen);
  if (names.empty()) {
    error(end, Code::unexpected, "load statement must import at least 1 symbol");
  }
  s->names = arena_.copy(names);
  return s;
}

void Parser::parse_load_name(std::vector<LoadName>& names) {
  Ident* to = make<Ident>(Ex::identifier, token_.pos);
  if (at(Tok::string)) {
    to->name = token_.text;
    names.push_back({to, token_.text, token_.pos});
    advance();
    return;
  }
  if (!at(Tok::identifier)) {
    error(token_.pos, Code::unexpected,
          "load operand must be \"name\" or localname=\"name\" (got " + token_text(token_.kind) +
              ")");
    return;
  }
  to->name = token_.text;
  std::string name(token_.text);
  Pos pos = token_.pos;
  advance();
  if (!accept(Tok::assign)) {
    error(pos, Code::unexpected,
          "load operand must be \"" + name + "\" or " + name + "=\"originalname\"");
    return;
  }
  if (!at(Tok::string)) {
    error(token_.pos, Code::unexpected,
          "original name of loaded symbol must be quoted: " + name + "=\"originalname\"");
    return;
  }
  names.push_back({to, token_.text, token_.pos});
  advance();
}

}  // namespace starlark::ast
