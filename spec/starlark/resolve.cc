// SPDX-License-Identifier: Apache-2.0
//
// Names: binding and use.
#include "spec/starlark/resolve.h"

#include <algorithm>

#include "spec/starlark/builtins.h"

namespace starlark::ast {

std::string Scope::local_name(std::uint32_t i) const {
  const Local& l = locals[i];
  return l.ordinal == 0 ? std::string(l.name)
                        : std::string(l.name) + "@" + std::to_string(l.ordinal);
}

Resolver::Resolver(std::string_view file, const Options& options, const Names& names,
                   std::vector<Diagnostic>& diagnostics)
    : file_(file), options_(options), names_(names), diagnostics_(diagnostics) {}

void Resolver::error(Pos at, Code code, std::string message, std::string hint) {
  if (diagnostics_.size() >= 200) return;
  diagnostics_.push_back({std::string(file_), static_cast<int>(at.line), static_cast<int>(at.col),
                          0, 0, std::move(message), std::move(hint), code});
}

Resolution Resolver::run(const File& file) {
  out_.scopes.push_back(std::make_unique<Scope>());
  scope_ = out_.scopes.back().get();
  scope_->ordinals = &scope_->own_ordinals;
  collect(file.body);
  stmts(file.body);
  return std::move(out_);
}

void Resolver::declare(std::string_view name, Pos pos, bool file_local) {
  if (in_function()) {
    auto [it, added] =
        scope_->by_name.emplace(name, static_cast<std::uint32_t>(scope_->locals.size()));
    if (added) scope_->locals.push_back({name});
    return;
  }
  auto [it, added] = globals_.emplace(name, static_cast<std::uint32_t>(out_.globals.size()));
  if (added) out_.globals.push_back({name, pos, file_local});
}

void Resolver::collect_target(Expr* e) {
  e = without_parens(e);
  if (e->kind == Ex::identifier) {
    declare(static_cast<Ident*>(e)->name, e->pos, false);
  } else if (e->kind == Ex::list || e->kind == Ex::tuple) {
    for (Expr* item : static_cast<Sequence*>(e)->items) collect_target(item);
  }
}

void Resolver::collect(std::span<Stmt* const> body) {
  for (Stmt* s : body) {
    switch (s->kind) {
      case St::assign: collect_target(static_cast<Assign*>(s)->left); break;
      case St::def: {
        Ident* name = static_cast<Def*>(s)->name;
        declare(name->name, name->pos, false);
        break;
      }
      case St::branch_if:
        for (IfClause& c : static_cast<If*>(s)->clauses) collect(c.body);
        break;
      case St::loop_for:
        collect_target(static_cast<For*>(s)->vars);
        collect(static_cast<For*>(s)->body);
        break;
      case St::loop_while: collect(static_cast<While*>(s)->body); break;
      case St::load:
        if (in_function()) break;
        for (LoadName& n : static_cast<Load*>(s)->names) {
          declare(n.to->name, n.to->pos, !options_.load_binds_globally);
        }
        break;
      case St::expression:
      case St::ret:
      case St::flow:
        break;
    }
  }
}

void Resolver::reassigned(std::string_view what, const Global& g, Pos pos) {
  Place first{std::string(file_), static_cast<int>(g.first.line), static_cast<int>(g.first.col)};
  error(pos, Code::redefined,
        "cannot reassign " + std::string(what) + " " + std::string(g.name) + " declared at " +
            first.text());
}

void Resolver::bind(Ident* id) {
  if (!scope_->blocks.empty()) {
    id->binding = {ScopeKind::local, scope_->blocks.back().at(id->name)};
    return;
  }
  if (in_function()) {
    id->binding = {ScopeKind::local, scope_->by_name.at(id->name)};
    return;
  }
  std::uint32_t index = globals_.at(id->name);
  Global& g = out_.globals[index];
  if (g.bound && !options_.global_reassign) {
    reassigned(g.file_local ? "local" : "global", g, id->pos);
  }
  if (!g.bound) g.first = id->pos;
  g.bound = true;
  id->binding = {ScopeKind::global, index};
}

void Resolver::bind_loaded(Ident* id) {
  auto found = globals_.find(id->name);
  if (found == globals_.end()) return;  // a load out of place
  Global& g = out_.globals[found->second];
  if (g.bound && !options_.global_reassign) {
    reassigned(options_.load_binds_globally ? "global" : "top-level", g, id->pos);
  }
  if (!g.bound) g.first = id->pos;
  g.bound = true;
  id->binding = {ScopeKind::global, found->second};
}

// A local variable of `scope` itself that is visible now.
bool Resolver::lookup_here(Scope& scope, std::string_view name, std::uint32_t& out) {
  for (auto block = scope.blocks.rbegin(); block != scope.blocks.rend(); ++block) {
    if (auto it = block->find(name); it != block->end()) {
      out = it->second;
      return true;
    }
  }
  if (auto it = scope.by_name.find(name); it != scope.by_name.end()) {
    out = it->second;
    return true;
  }
  return false;
}

std::uint32_t Resolver::capture(Scope& scope, std::string_view name, Binding outer) {
  std::uint64_t key = (outer.kind == ScopeKind::free ? std::uint64_t{1} << 32 : 0) | outer.index;
  auto [it, added] = scope.free_index.emplace(key, static_cast<std::uint32_t>(scope.free.size()));
  if (added) {
    scope.free.push_back(outer);
    scope.free_names.push_back(outer.kind == ScopeKind::free
                                   ? scope.parent->free_names[outer.index]
                                   : scope.parent->local_name(outer.index));
  }
  (void)name;
  return it->second;
}

// A local or captured variable; false if the name is none.
bool Resolver::lookup(Scope& scope, std::string_view name, Binding& out) {
  std::uint32_t index;
  if (lookup_here(scope, name, index)) {
    out = {ScopeKind::local, index};
    return true;
  }
  if (scope.is_file()) return false;
  Binding outer;
  if (!lookup(*scope.parent, name, outer)) return false;
  if (outer.kind == ScopeKind::local) scope.parent->locals[outer.index].cell = true;
  out = {ScopeKind::free, capture(scope, name, outer)};
  return true;
}

void Resolver::use(Ident* id) {
  if (lookup(*scope_, id->name, id->binding)) return;
  if (auto it = globals_.find(id->name); it != globals_.end()) {
    // With reassignment of globals, the order of statements decides (as in Python).
    bool here = scope_->is_file() && scope_->blocks.empty();
    if (!(options_.global_reassign && here && !out_.globals[it->second].bound)) {
      id->binding = {ScopeKind::global, it->second};
      return;
    }
  }
  bool universal_name = universal(id->name).valid();
  if (universal_name && id->name == "set" && !options_.set &&
      !(names_.predeclared && names_.predeclared(id->name))) {
    error(id->pos, Code::option, "this Starlark dialect does not support sets");
    return;
  }
  if (universal_name || (names_.predeclared && names_.predeclared(id->name))) {
    id->binding = {ScopeKind::predeclared, 0};
    return;
  }
  undefined(id);
}

std::vector<std::string_view> Resolver::visible_names() const {
  std::vector<std::string_view> names;
  for (const Scope* s = scope_; s != nullptr; s = s->parent) {
    for (auto& block : s->blocks) {
      for (auto& [name, index] : block) names.push_back(name);
    }
    for (auto& [name, index] : s->by_name) names.push_back(name);
  }
  for (const Global& g : out_.globals) names.push_back(g.name);
  if (names_.all) {
    for (std::string_view name : names_.all()) names.push_back(name);
  }
  for (std::string_view name : universal_names()) names.push_back(name);
  std::stable_sort(names.begin(), names.end());  // the hash tables' order must not show
  return names;
}

void Resolver::undefined(Ident* id) {
  error(id->pos, Code::undefined, "undefined: " + std::string(id->name),
        did_you_mean(id->name, visible_names()));
}

}  // namespace starlark::ast
