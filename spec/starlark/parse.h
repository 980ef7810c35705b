// SPDX-License-Identifier: Apache-2.0
//
// Tokens to syntax tree, by recursive descent. The grammar is grammar.txt beside this file. After a
// mistake it goes on with the next statement, so that a file can have several.
#pragma once

#include <string_view>
#include <vector>

#include "spec/starlark/ast.h"
#include "spec/starlark/diagnostic.h"
#include "spec/starlark/scan.h"

namespace starlark::ast {

// How deep expressions and blocks nest. Chains of operators, calls and attributes are counted apart.
inline constexpr int kMaxNesting = 200;
inline constexpr int kMaxChain = 2000;

class Parser {
 public:
  Parser(std::string_view file, std::string_view source, Arena& arena,
         std::vector<Diagnostic>& diagnostics);
  File parse_file();

 private:
  // statements
  void parse_stmt(std::vector<Stmt*>& out);
  void parse_compound(std::vector<Stmt*>& out);
  Stmt* parse_def();
  Stmt* parse_if();
  Stmt* parse_for();
  Stmt* parse_while();
  void parse_simple(std::vector<Stmt*>& out);
  Stmt* parse_small();
  Stmt* parse_assignment();
  Stmt* parse_load();
  void parse_load_name(std::vector<LoadName>& names);
  std::span<Stmt*> parse_suite();
  std::span<ParamNode> parse_params(Tok end);

  // expressions
  Expr* parse_expr(bool in_parens);
  Expr* parse_test();
  Expr* parse_test_no_cond();
  Expr* parse_lambda(bool allow_cond);
  Expr* parse_binary(int level);
  Expr* parse_not();
  Expr* parse_suffixed();
  Expr* parse_operand();
  Expr* parse_call(Expr* fn);
  Expr* parse_index(Expr* x);
  Expr* parse_list();
  Expr* parse_dict();
  Expr* parse_parens();
  Expr* parse_comp_suffix(Comprehension* c, Tok end);
  Entry parse_entry();
  Expr* parse_loop_vars();
  Ident* parse_ident();
  Tok binary_operator(int& level);
  bool ends_list() const;

  // tokens and mistakes
  void advance();
  Pos expect(Tok kind);
  bool accept(Tok kind);
  bool at(Tok kind) const { return token_.kind == kind; }
  void error(Pos at, Code code, std::string message, std::string hint = {});
  void unexpected(std::string wanted);
  void resynchronise();
  template <class T>
  T* make(Ex kind, Pos pos) {
    T* t = arena_.make<T>();
    t->kind = kind;
    t->pos = pos;
    return t;
  }
  template <class T>
  T* make(St kind, Pos pos) {
    T* t = arena_.make<T>();
    t->kind = kind;
    t->pos = pos;
    return t;
  }
  struct Deeper {
    explicit Deeper(Parser& p);
    ~Deeper() { --p_.depth_; }
    Deeper(const Deeper&) = delete;
    Parser& p_;
  };

  std::string_view file_;
  Arena& arena_;
  std::vector<Diagnostic>& diagnostics_;
  Scanner scanner_;
  Token token_;
  bool panic_ = false;      // a mistake was reported in this statement; token_ is eof meanwhile
  Tok offender_ = Tok::eof; // the token it was reported at
  int depth_ = 0;
};

}  // namespace starlark::ast
