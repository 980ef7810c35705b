// SPDX-License-Identifier: Apache-2.0
//
// In two steps, because the graph may be cyclic: shells of containers and of what they hold, then
// their parts. Functions, structs and host values are made whole, from shells.
#include "spec/model/thaw.h"

#include <algorithm>

#include "spec/model/builtins.h"
#include "spec/model/dialect.h"
#include "spec/model/objects.h"
#include "spec/starlark/builtins.h"

namespace fbx::model {

namespace {

using starlark::Keyword;
using starlark::Value;
using PlanKind = plan::Value::Kind;

constexpr int kDeepestValue = 1000;

}  // namespace

Thawing::Thawing(const plan::Plan& plan, starlark::Heap& heap,
                 const starlark::Predeclared& predeclared)
    : plan_(plan), heap_(heap), values_(plan.image.values.size()),
      filled_(plan.image.values.size()), open_(plan.image.values.size()) {
  for (const auto& program : plan.image.programs) {
    modules_.push_back(starlark::Module::create(heap, program, predeclared));
  }
}

Value Thawing::fail(std::string problem, std::string hint) {
  if (problem_.empty()) {
    problem_ = std::move(problem);
    hint_ = std::move(hint);
  }
  return Value();
}

bool Thawing::globals() {
  for (size_t m = 0; m < modules_.size(); ++m) {
    for (const auto& [name, ref] : plan_.image.modules[m].globals) {
      const Value made = shell(ref, 0);
      if (!made.valid()) return false;
      modules_[m]->set_global(name, made);
    }
  }
  if (!fill_pending()) return false;
  for (starlark::Module* module : modules_) module->freeze();
  return true;
}

Value Thawing::value(plan::ValueRef ref) {
  const Value out = shell(ref, 0);
  if (!out.valid() || !fill_pending()) return Value();
  heap_.freeze(out);
  return out;
}

Value Thawing::shell(plan::ValueRef ref, int depth) {
  if (values_[ref].valid()) return values_[ref];
  if (problem_.empty()) culprit_ = ref;
  if (depth > kDeepestValue) return fail("a value is nested too deeply");
  if (open_[ref]) return fail("a function, struct or method that is made of itself");
  open_[ref] = true;
  const plan::Value& v = plan_.image.values[ref];
  Value out;
  switch (v.kind) {
    case PlanKind::kTuple: {
      const std::vector<Value> blanks(v.items.size(), Value::none());
      out = heap_.tuple(blanks);
      to_fill_.push_back(ref);
      break;
    }
    case PlanKind::kList: out = heap_.list(); to_fill_.push_back(ref); break;
    case PlanKind::kDict: out = heap_.dict(v.items.size() / 2); to_fill_.push_back(ref); break;
    case PlanKind::kSet: out = heap_.set(v.items.size()); to_fill_.push_back(ref); break;
    case PlanKind::kStruct: out = structure(v, depth); break;
    case PlanKind::kFunction: out = function(v, depth); break;
    case PlanKind::kMethod: out = method(v, depth); break;
    case PlanKind::kHost: out = host(v, depth); break;
    case PlanKind::kBuiltin: out = builtin(v); break;
    case PlanKind::kNone:
    case PlanKind::kBool:
    case PlanKind::kInt:
    case PlanKind::kFloat:
    case PlanKind::kString:
    case PlanKind::kBytes:
    case PlanKind::kRange: out = scalar(v); break;
  }
  open_[ref] = false;
  values_[ref] = out;
  return out;
}

Value Thawing::scalar(const plan::Value& v) {
  switch (v.kind) {
    case PlanKind::kBool: return Value::boolean(v.boolean);
    case PlanKind::kFloat: return heap_.floating(v.real);
    case PlanKind::kString: return heap_.string(v.text);
    case PlanKind::kBytes: return heap_.bytes(v.text);
    case PlanKind::kRange: return heap_.range(v.range[0], v.range[1], v.range[2]);
    case PlanKind::kInt: {
      const Value out = heap_.integer_from_decimal(v.text);
      return out.valid() ? out : fail("\"" + v.text + "\" is no integer");
    }
    default: return Value::none();
  }
}

Value Thawing::builtin(const plan::Value& v) {
  if (v.text == "json") return starlark::json_module(heap_);
  if (v.text == "math") return starlark::math_module(heap_);
  const auto* found = builtin_by_plan_name(v.text);
  return found != nullptr ? found->value() : fail("there is no built-in \"" + v.text + "\"");
}

Value Thawing::structure(const plan::Value& v, int depth) {
  std::vector<Keyword> fields;
  std::vector<std::string> names = v.names;
  std::sort(names.begin(), names.end());
  if (std::adjacent_find(names.begin(), names.end()) != names.end()) {
    return fail("a struct with two fields of one name");
  }
  for (size_t i = 0; i < v.items.size(); ++i) {
    const Value item = shell(v.items[i], depth + 1);
    if (!item.valid()) return Value();
    fields.push_back({heap_.string(v.names[i]), item});
  }
  return heap_.structure(fields);
}

Value Thawing::function(const plan::Value& v, int depth) {
  std::vector<Value> defaults, cells;
  for (size_t i = 0; i < v.defaults; ++i) {
    defaults.push_back(shell(v.items[i], depth + 1));
    if (!defaults.back().valid()) return Value();
  }
  for (size_t i = v.defaults; i < v.items.size(); ++i) {
    cells.push_back(heap_.cell());
    if (v.items[i] != plan::kNoValue) cells_.push_back({cells.back(), v.items[i]});
  }
  const Value out = heap_.function(*modules_[v.module], v.text, defaults, cells);
  if (out.valid()) return out;
  const auto& code = plan_.image.modules[v.module].code;
  if (code.find(v.text) != nullptr) {
    return fail("function \"" + v.text + "\" has another number of defaults, or of cells");
  }
  std::vector<std::string> known;
  for (const auto& function : code.functions) known.push_back(function.key);
  return fail("there is no function \"" + v.text + "\"", did_you_mean(v.text, known));
}

Value Thawing::method(const plan::Value& v, int depth) {
  const Value receiver = shell(v.items[0], depth + 1);
  if (!receiver.valid()) return Value();
  if (starlark::is_kind(receiver, starlark::Kind::host)) {
    const Value bound = service_attribute(heap_, receiver, v.text);
    if (bound.valid() && starlark::is_kind(bound, starlark::Kind::builtin)) return bound;
  } else if (const auto* found = starlark::method(starlark::kind_of(receiver), v.text)) {
    return heap_.bound(*found, receiver);
  }
  return fail(std::string(starlark::type_name(receiver)) + " has no method \"" + v.text + "\"");
}

// ---- host values

Value Thawing::host(const plan::Value& v, int depth) {
  std::vector<Value> args;
  std::vector<Keyword> named;
  const size_t positional = v.items.size() - v.names.size();
  for (size_t i = 0; i < v.items.size(); ++i) {
    const Value item = shell(v.items[i], depth + 1);
    if (!item.valid()) return Value();
    if (i < positional) args.push_back(item);
    else named.push_back({heap_.string(v.names[i - positional]), item});
  }
  // Arguments are looked at now: a list must have its parts. Theirs alone: what else waits for its
  // parts may hold this very value.
  for (const plan::ValueRef item : v.items) {
    if (!fill_now(item, depth + 1)) return Value();
  }
  if (named.empty() && v.text == "service") return service(args);
  if (named.empty() && v.text == "interface_of") return interface_of(args);
  if (named.empty() && v.text == "assumption") return assumption(args);
  return made(v, args, named);
}

namespace {

bool are_strings(const std::vector<Value>& args, size_t count) {
  return args.size() == count && std::all_of(args.begin(), args.end(), starlark::is_string);
}

template <class T>
std::vector<std::string> names_of(const std::vector<T>& all) {
  std::vector<std::string> out;
  for (const T& one : all) out.push_back(one.name);
  return out;
}

}  // namespace

// The number of the one named by args[number]; −1 after a problem.
int64_t Thawing::named(const std::vector<std::string>& all, const std::vector<Value>& args,
                       size_t number, const char* what) {
  if (!are_strings(args, number + 1)) {
    fail(std::string(what) + "(…) takes names");
    return -1;
  }
  const std::string name(starlark::to_string_view(args[number]));
  const auto found = std::find(all.begin(), all.end(), name);
  if (found != all.end()) return found - all.begin();
  fail(std::string(what) + "(…) names \"" + name + "\", and the plan has none of that name",
       did_you_mean(name, all));
  return -1;
}

Value Thawing::service(const std::vector<Value>& args) {
  const int64_t i = named(names_of(plan_.services), args, 0, "service");
  if (i < 0) return Value();
  return heap_.make_host<ServiceObject>(&plan_, static_cast<uint32_t>(i));
}

Value Thawing::interface_of(const std::vector<Value>& args) {
  if (!are_strings(args, 2)) return fail("interface_of(…) takes names");
  const int64_t s = named(names_of(plan_.services), {args[0]}, 0, "interface_of");
  if (s < 0) return Value();
  const int64_t i =
      named(names_of(plan_.services[static_cast<size_t>(s)].interfaces), args, 1, "interface_of");
  if (i < 0) return Value();
  return heap_.make_host<InterfaceObject>(&plan_, static_cast<uint32_t>(s),
                                          static_cast<uint32_t>(i));
}

Value Thawing::assumption(const std::vector<Value>& args) {
  const int64_t i = named(names_of(plan_.assumptions), args, 0, "assumption");
  if (i < 0) return Value();
  return heap_.make_host<AssumptionObject>(&plan_, static_cast<uint32_t>(i));
}

Value Thawing::made(const plan::Value& v, const std::vector<Value>& args,
                    const std::vector<Keyword>& named) {
  const auto* builtin = builtin_by_plan_name(v.text);
  const Signature* signature = builtin == nullptr ? nullptr : signature_of(*builtin);
  if (signature == nullptr || signature->make == nullptr) {
    return fail("no value is made by \"" + v.text + "\"");
  }
  Bound bound;
  auto problem = bind(*signature, Given{args, named}, CheckContext{&plan_, true}, bound);
  if (problem) return fail(problem->message, problem->hint);
  MakeContext context{heap_, &plan_};
  const Value out = signature->make(context, bound);
  if (!context.problem) return out;
  return fail(v.text + "(): " + context.problem->message, context.problem->hint);
}

// ---- parts

bool Thawing::fill_pending() {
  while (problem_.empty() && (!to_fill_.empty() || !cells_.empty())) {
    // Tuples first: keys of dicts and sets must be whole before they are hashed. What a part brings
    // with it is appended behind.
    std::vector<plan::ValueRef> batch = std::move(to_fill_);
    to_fill_.clear();
    for (size_t i = 0; i < batch.size(); ++i) {
      for (const plan::ValueRef item : plan_.image.values[batch[i]].items) {
        if (!shell(item, 0).valid()) return false;
      }
      batch.insert(batch.end(), to_fill_.begin(), to_fill_.end());
      to_fill_.clear();
    }
    std::stable_partition(batch.begin(), batch.end(), [&](plan::ValueRef ref) {
      return plan_.image.values[ref].kind == PlanKind::kTuple;
    });
    for (const plan::ValueRef ref : batch) {
      if (!fill(ref)) return false;
    }
    const std::vector<Cell> cells = std::move(cells_);
    cells_.clear();
    for (const Cell& cell : cells) {
      const Value content = shell(cell.content, 0);
      if (!content.valid()) return false;
      starlark::cell_assign(cell.cell, content);
    }
  }
  return problem_.empty();
}

bool Thawing::fill_now(plan::ValueRef ref, int depth) {
  const plan::Value& v = plan_.image.values[ref];
  const bool container = v.kind == PlanKind::kTuple || v.kind == PlanKind::kList ||
                         v.kind == PlanKind::kDict || v.kind == PlanKind::kSet;
  if (!container || filled_[ref]) return true;
  if (depth > kDeepestValue) {
    fail("a value is nested too deeply");
    return false;
  }
  for (const plan::ValueRef item : v.items) {
    if (!shell(item, depth + 1).valid()) return false;
    if (item != ref && !fill_now(item, depth + 1)) return false;
  }
  return fill(ref);
}

bool Thawing::fill(plan::ValueRef ref) {
  if (filled_[ref]) return true;
  filled_[ref] = true;
  const plan::Value& v = plan_.image.values[ref];
  const Value container = values_[ref];
  starlark::Refused refused = starlark::Refused::no;
  for (size_t i = 0; i < v.items.size() && refused == starlark::Refused::no; ++i) {
    const Value item = values_[v.items[i]];
    if (v.kind == PlanKind::kTuple) {
      heap_.tuple_fill(container, i, item);
    } else if (v.kind == PlanKind::kList) {
      refused = heap_.append(container, item);
    } else if (v.kind == PlanKind::kSet) {
      refused = heap_.set_add(container, item);
    } else {
      if (i % 2 == 0) refused = heap_.dict_set(container, item, values_[v.items[i + 1]]);
    }
  }
  if (refused == starlark::Refused::no) return true;
  culprit_ = ref;
  fail(starlark::refusal_text(refused, "fill", container));
  return false;
}

}  // namespace fbx::model
