// SPDX-License-Identifier: Apache-2.0
//
// The syntax tree: plain nodes in an arena, with what the resolver found out. Lives during one
// compile(); names and text are views into the source or the arena.
#pragma once

#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace starlark::ast {

struct Pos {
  std::uint32_t line = 0;
  std::uint32_t col = 0;
};

class Arena {
 public:
  template <class T, class... A>
  T* make(A&&... args) {
    static_assert(std::is_trivially_destructible_v<T>);
    return new (space(sizeof(T))) T{std::forward<A>(args)...};
  }
  template <class T>
  std::span<T> copy(const std::vector<T>& items) {
    static_assert(std::is_trivially_copyable_v<T>);
    if (items.empty()) return {};
    void* at = space(items.size() * sizeof(T));
    std::memcpy(at, items.data(), items.size() * sizeof(T));
    return {static_cast<T*>(at), items.size()};
  }
  std::string_view copy(std::string_view s) {
    char* at = static_cast<char*>(space(s.size() + 1));
    if (!s.empty()) std::memcpy(at, s.data(), s.size());
    return {at, s.size()};
  }

 private:
  void* space(std::size_t bytes) {
    bytes = (bytes + 15) & ~std::size_t{15};
    if (bytes > left_) {
      std::size_t size = bytes > kChunk ? bytes : kChunk;
      chunks_.push_back(std::make_unique<char[]>(size));
      next_ = chunks_.back().get();
      left_ = size;
    }
    void* at = next_;
    next_ += bytes;
    left_ -= bytes;
    return at;
  }
  static constexpr std::size_t kChunk = 32 * 1024;
  std::vector<std::unique_ptr<char[]>> chunks_;
  char* next_ = nullptr;
  std::size_t left_ = 0;
};

enum class Tok : std::uint8_t {
  eof, newline, indent, outdent,
  identifier, integer, floating, string, bytes,
  plus, minus, star, slash, slashslash, percent, amp, pipe, caret, ltlt, gtgt, tilde,
  dot, comma, assign, semi, colon, lparen, rparen, lbrack, rbrack, lbrace, rbrace,
  lt, gt, ge, le, eq, ne,
  plus_assign, minus_assign, star_assign, slash_assign, slashslash_assign, percent_assign,
  amp_assign, pipe_assign, caret_assign, ltlt_assign, gtgt_assign, starstar,
  kw_and, kw_break, kw_continue, kw_def, kw_elif, kw_else, kw_for, kw_if, kw_in, kw_lambda,
  kw_load, kw_not, not_in, kw_or, kw_pass, kw_return, kw_while,
  illegal,
};
// As it is named in messages: "newline", "int literal", "')'"…
std::string token_text(Tok t);
// The bare spelling: "+", "not in".
std::string_view token_spelling(Tok t);

enum class ScopeKind : std::uint8_t { unresolved, local, free, global, predeclared };
struct Binding {
  ScopeKind kind = ScopeKind::unresolved;
  std::uint32_t index = 0;  // local, free, global
};

enum class Ex : std::uint8_t {
  identifier, integer, big, floating, string, bytes, list, tuple, dict, comprehension, dot, call,
  index, slice, unary, binary, conditional, lambda, paren,
};

struct Expr {
  Ex kind;
  Pos pos;  // where it starts
};
struct Ident : Expr {
  std::string_view name;
  Binding binding;
};
struct Literal : Expr {
  std::int64_t integer = 0;
  double floating = 0;
  std::string_view text;  // string, bytes: contents; big: decimal digits
};
struct Sequence : Expr {  // list, tuple
  std::span<Expr*> items;
  bool parens = true;
};
struct Entry {
  Expr* key;
  Expr* value;
  Pos colon;
};
struct DictExpr : Expr {
  std::span<Entry> entries;
};
struct Clause {
  bool is_for;
  Pos pos;
  Expr* vars;  // for
  Expr* x;     // iterated, or condition
};
struct Comprehension : Expr {
  bool is_dict;
  Expr* body;   // list
  Entry entry;  // dict
  std::span<Clause> clauses;
};
struct Dot : Expr {
  Expr* x;
  std::string_view name;
  Pos name_pos;
};
enum class ArgForm : std::uint8_t { positional, keyword, star, star_star };
struct Arg {
  ArgForm form;
  std::string_view name;
  Expr* value;
  Pos pos;
};
struct CallExpr : Expr {
  Expr* fn;
  std::span<Arg> args;
  Pos lparen;
};
struct Index : Expr {
  Expr* x;
  Expr* y;
  Pos lbrack;
};
struct Slice : Expr {
  Expr* x;
  Expr* lo;  // these three may be null
  Expr* hi;
  Expr* step;
  Pos lbrack;
};
struct Unary : Expr {
  Tok op;
  Expr* x;
};
struct Binary : Expr {
  Tok op;
  Expr* x;
  Expr* y;
  Pos op_pos;
};
struct Conditional : Expr {
  Expr* cond;
  Expr* yes;
  Expr* no;
};
struct Paren : Expr {
  Expr* x;
};

struct Stmt;
enum class ParamForm : std::uint8_t { normal, star, star_star };
struct ParamNode {
  ParamForm form;
  std::string_view name;  // "" for a bare star
  Pos pos;
  Expr* value;  // default, or null
  std::uint32_t local = 0;
};
struct Scope;  // resolve.h
struct Function {
  std::string_view name;
  Pos pos;
  std::span<ParamNode> params;
  std::span<Stmt*> body;     // def
  Expr* result = nullptr;    // lambda
  Scope* scope = nullptr;
};
struct Lambda : Expr {
  Function* function;
};

enum class St : std::uint8_t {
  assign, expression, def, branch_if, loop_for, loop_while, ret, flow, load,
};
struct Stmt {
  St kind;
  Pos pos;
};
struct Assign : Stmt {
  Tok op;  // Tok::assign, plus_assign…
  Expr* left;
  Expr* right;
  Pos op_pos;
};
struct ExprStmt : Stmt {
  Expr* x;
};
struct Def : Stmt {
  Ident* name;
  Function* function;
};
struct IfClause {
  Expr* cond;  // null: else
  std::span<Stmt*> body;
};
struct If : Stmt {
  std::span<IfClause> clauses;
};
struct For : Stmt {
  Expr* vars;
  Expr* x;
  std::span<Stmt*> body;
};
struct While : Stmt {
  Expr* cond;
  std::span<Stmt*> body;
};
struct Return : Stmt {
  Expr* x;  // or null
};
struct Flow : Stmt {
  Tok token;  // break, continue, pass
};
struct LoadName {
  Ident* to;
  std::string_view from;
  Pos from_pos;
};
struct Load : Stmt {
  std::string_view module;
  Pos module_pos;
  std::span<LoadName> names;
};

struct File {
  std::vector<Stmt*> body;
};

inline Expr* without_parens(Expr* e) {
  while (e->kind == Ex::paren) e = static_cast<Paren*>(e)->x;
  return e;
}

}  // namespace starlark::ast
