// SPDX-License-Identifier: Apache-2.0
//
// Resolved syntax tree to symbolic core. One FunctionEmitter per function.
//
// An expression is emitted to an operand. A variable is handed on as itself, without a copy, where
// nothing can come between that would change when its being unassigned is noticed; `assigned_` knows
// the locals that surely are.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "spec/starlark/ast.h"
#include "spec/starlark/core.h"
#include "spec/starlark/diagnostic.h"
#include "spec/starlark/resolve.h"

namespace starlark::ast {

struct ModuleEmitter {
  const Resolution& resolution;
  core::Module& module;
  std::vector<Diagnostic>& diagnostics;
};

class FunctionEmitter {
 public:
  // `key` and `name` are the function's; `node` is null for the file's own code.
  FunctionEmitter(ModuleEmitter& module, const Scope& scope, std::string key, Function* node);
  // Emits the body into module.functions[slot].
  void run(std::span<Stmt* const> body, Expr* result, std::size_t slot);

 private:
  using Operand = core::Operand;
  struct Label {
    std::uint32_t at = core::kNone;
    bool used = false;
    std::vector<bool> assigned;  // by every jump to it so far
  };
  struct Loop {
    std::uint32_t break_label;
    std::uint32_t continue_label;
  };

  // statements
  void stmts(std::span<Stmt* const> body);
  void stmt(Stmt* s);
  void assign_stmt(Assign* s);
  void augmented(Assign* s);
  void if_stmt(If* s);
  void for_stmt(For* s);
  void while_stmt(While* s);
  void load_stmt(Load* s);
  void def_stmt(Def* s);
  void assign_to(Expr* target, Operand value, Pos pos);
  void unpack_to(Sequence* targets, Operand value, Pos pos);
  Operand variable(const Ident* id);
  bool is_plain_target(const Expr* e) const;

  // expressions
  Operand expr(Expr* e);              // anywhere; may be a variable
  Operand expr_before(Expr* e, bool more);  // as expr; `more`: code follows before it is used
  void expr_to(Expr* e, Operand dst);
  Operand use(Ident* id);
  Operand literal(Expr* e);
  Operand list_or_tuple(Sequence* s, Operand dst);
  Operand long_sequence(Sequence* s, Operand dst);
  Operand dict(DictExpr* d, Operand dst);
  Operand comprehension(Comprehension* c, Operand dst);
  void clauses(Comprehension* c, std::size_t i, Operand acc);
  Operand call(CallExpr* c, Operand dst);
  bool many_args(CallExpr* c, std::vector<Operand>& args);
  Operand unary(Unary* u, Operand dst);
  Operand binary(Binary* b, Operand dst);
  Operand and_or(Binary* b);
  Operand conditional(Conditional* c);
  Operand slice(Slice* s, Operand dst);
  Operand lambda(Lambda* l, Operand dst);
  Operand make_function(Function* f, std::string key, Operand dst, Pos pos);
  Operand emit_expr(Expr* e, Operand dst);
  void condition(Expr* e, bool jump_when, std::uint32_t label);

  // instructions
  core::Instr& emit(core::Op op, Pos pos, Operand dst, std::span<const Operand> operands);
  core::Instr& emit(core::Op op, Pos pos, Operand dst, std::initializer_list<Operand> operands) {
    return emit(op, pos, dst, std::span<const Operand>(operands.begin(), operands.size()));
  }
  void jump(core::Op op, Pos pos, Operand cond, std::uint32_t label);
  std::uint32_t new_label();
  void place(std::uint32_t label);
  Operand temp();
  Operand or_temp(Operand dst) { return dst.kind == core::OperandKind::none ? temp() : dst; }
  Operand materialise(Operand o, Pos pos);
  Operand constant(core::Constant c);
  Operand none() { return constant({}); }
  std::uint32_t name(std::string_view s);
  void mark_assigned(Operand dst);
  bool trivial(Expr* e) const;
  bool harmless(Expr* e) const;
  Operand joined_literals(std::vector<Binary*>& spine, Operand left);
  bool surely_assigned(Operand o) const;
  std::string child_key(std::string_view name, bool lambda);
  void finish(std::size_t slot);
  void too_large(Pos pos, const char* what);

  ModuleEmitter& module_;
  const Scope& scope_;
  core::Function f_;
  bool reachable_ = true;
  std::uint32_t temps_ = 0;
  std::uint32_t most_temps_ = 0;
  std::vector<Label> labels_;
  std::vector<Loop> loops_;
  std::vector<bool> assigned_;
  std::unordered_map<std::string, std::uint32_t> names_;
  std::unordered_map<std::string, std::uint32_t> constants_;
  std::unordered_map<std::string, int> child_names_;
  int lambdas_ = 0;
  core::Instr dropped_;
};

void emit_module(const File& file, const Resolution& resolution, core::Module& out,
                 std::vector<Diagnostic>& diagnostics);

}  // namespace starlark::ast
