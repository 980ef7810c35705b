// SPDX-License-Identifier: Apache-2.0
//
// Gives every name its variable: local, free (captured), global, or predeclared; reports undefined
// and wrongly bound names, statements out of place, and malformed parameter and argument lists.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "spec/starlark/ast.h"
#include "spec/starlark/compile.h"
#include "spec/starlark/diagnostic.h"

namespace starlark::ast {

// The variables of one function, or of the file's own code.
struct Scope {
  struct Local {
    std::string_view name;
    std::uint32_t ordinal = 0;  // > 0: the n-th comprehension variable of that name
    bool cell = false;
  };
  using Index = std::unordered_map<std::string_view, std::uint32_t>;

  Scope* parent = nullptr;  // null for the file
  bool is_file() const { return parent == nullptr; }
  std::vector<Local> locals;  // parameters first
  Index by_name;              // locals that are no comprehension's
  std::vector<Index> blocks;  // open comprehensions, innermost last
  // Captured from outside: where it is in the parent (ScopeKind::local or free).
  std::vector<Binding> free;
  std::vector<std::string> free_names;
  std::unordered_map<std::uint64_t, std::uint32_t> free_index;
  Index* ordinals = nullptr;  // counts comprehension variables of the outermost function around
  Index own_ordinals;

  std::string local_name(std::uint32_t i) const;
};

struct Global {
  std::string_view name;
  Pos first;
  bool file_local = false;
  bool bound = false;  // the resolver has passed its first binding
};

struct Resolution {
  std::vector<std::unique_ptr<Scope>> scopes;  // the file's first
  std::vector<Global> globals;
  std::vector<std::string_view> predeclared_used;
};

class Resolver {
 public:
  Resolver(std::string_view file, const Options& options, const Names& names,
           std::vector<Diagnostic>& diagnostics);
  Resolution run(const File& file);

 private:
  // first pass over a function's statements: what they bind
  void collect(std::span<Stmt* const> body);
  void collect_target(Expr* e);
  void declare(std::string_view name, Pos pos, bool file_local);

  // second pass
  void stmts(std::span<Stmt* const> body);
  void stmt(Stmt* s);
  void assign_stmt(Assign* s);
  void if_stmt(If* s);
  void for_stmt(For* s);
  void while_stmt(While* s);
  void flow_stmt(Flow* s);
  void return_stmt(Return* s);
  void load_stmt(Load* s);
  void target(Expr* e, bool augmented);
  void expr(Expr* e);
  void visit(Expr* e);
  void call(CallExpr* c);
  void call_args(CallExpr* c);
  void comprehension(Comprehension* c);
  void collect_block(Expr* vars);
  void function(Function* f, bool is_def);
  void params(Function* f);
  void param_order(Function* f);
  void add_param(ParamNode& p);

  void bind(Ident* id);
  void bind_loaded(Ident* id);
  void reassigned(std::string_view what, const Global& g, Pos pos);
  void use(Ident* id);
  bool lookup(Scope& scope, std::string_view name, Binding& out);
  bool lookup_here(Scope& scope, std::string_view name, std::uint32_t& out);
  std::uint32_t capture(Scope& scope, std::string_view name, Binding outer);
  void undefined(Ident* id);
  std::vector<std::string_view> visible_names() const;
  void error(Pos at, Code code, std::string message, std::string hint = {});
  bool in_function() const { return !scope_->is_file(); }

  std::string_view file_;
  const Options& options_;
  const Names& names_;
  std::vector<Diagnostic>& diagnostics_;
  Resolution out_;
  Scope* scope_ = nullptr;
  Scope::Index globals_;
  int loops_ = 0;
  static constexpr int kMaxDepth = 2500;
  int depth_ = 0;  // of expressions
  bool too_deep_ = false;
  int ifs_ = 0;
};

}  // namespace starlark::ast
