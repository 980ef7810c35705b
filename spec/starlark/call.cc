// SPDX-License-Identifier: Apache-2.0
//
// Call: what a built-in sees. Argument unpacking, errors, the ways out.
#include <algorithm>

#include "spec/starlark/machine.h"
#include "spec/starlark/values.h"

namespace starlark {
namespace {

struct WantRow {
  std::uint32_t bit;
  std::string_view text;
};
constexpr WantRow kWants[] = {
    {kNone, "None"}, {kBool, "bool"}, {kString, "string"}, {kBytes, "bytes"}, {kList, "list"},
    {kTuple, "tuple"}, {kDict, "dict"}, {kSet, "set"}, {kCallable, "callable"},
    {kIterable, "iterable"}, {kStruct, "struct"}, {kInt, "int"}, {kFloat, "float"}, {kHost, "object"},
};

// By Kind.
constexpr std::uint32_t kBits[kKindCount] = {kNone, kBool, kInt, kFloat, kString, kBytes, kList, kTuple,
                                             kDict, kSet, 0, 0, 0, kStruct, 0, kHost, 0, 0};
static_assert(kBits[static_cast<int>(Kind::set)] == kSet &&
              kBits[static_cast<int>(Kind::structure)] == kStruct &&
              kBits[static_cast<int>(Kind::host)] == kHost);

bool fits(Value v, std::uint32_t want) {
  if (want == kAny || (want & kBits[static_cast<int>(kind_of(v))]) != 0) return true;
  return ((want & kCallable) != 0 && is_callable(v)) || ((want & kIterable) != 0 && is_iterable(v));
}

bool by_position(const Param& p) { return p.form == Param::required || p.form == Param::optional; }

// Positional arguments only, and nothing wrong with them.
bool unpack_quickly(std::span<const Value> args, std::span<const Param> params,
                    std::span<Value> out) {
  if (args.size() > params.size()) return false;
  std::size_t i = 0;
  for (; i < args.size(); ++i) {
    if (!by_position(params[i]) || !fits(args[i], params[i].want)) return false;
    out[i] = args[i];
  }
  for (; i < params.size(); ++i) {
    if (params[i].form != Param::optional && params[i].form != Param::keyword_only) return false;
    out[i] = Value();
  }
  return true;
}

std::string want_text(std::uint32_t want) {
  std::string out;
  for (const WantRow& row : kWants) {
    if ((want & row.bit) != 0) out += (out.empty() ? "" : " or ") + std::string(row.text);
  }
  return out;
}

bool type_error(Call& c, const Param& p, Value v) {
  c.fail(Code::type, std::string(c.name()) + ": for parameter " + std::string(p.name) + ": got " +
                         std::string(type_name(v)) + ", want " +
                         (p.want_text.empty() ? want_text(p.want) : std::string(p.want_text)));
  return false;
}

bool keyword_error(Call& c, std::string_view keyword, std::span<const Param> params) {
  std::vector<std::string_view> names;
  for (const Param& p : params) {
    if (!p.positional_only) names.push_back(p.name);
  }
  if (names.empty()) {
    c.fail(Code::call, std::string(c.name()) + ": unexpected keyword arguments");
    return false;
  }
  c.fail(Code::call, std::string(c.name()) + ": unexpected keyword argument " +
                         std::string(keyword), did_you_mean(keyword, names));
  return false;
}

bool keywords(Call& c, std::span<const Param> params, std::span<Value> out) {
  for (const Keyword& k : c.kwargs()) {
    std::string_view name = to_string_view(k.name);
    std::size_t i = 0;
    while (i < params.size() && (params[i].positional_only || params[i].name != name)) ++i;
    if (i == params.size()) return keyword_error(c, name, params);
    if (out[i].valid()) {
      c.fail(Code::call, std::string(c.name()) + ": got multiple values for keyword argument \"" +
                             std::string(name) + "\"");
      return false;
    }
    out[i] = k.value;
  }
  return true;
}

bool finish(Call& c, std::span<const Param> params, std::span<Value> out) {
  for (std::size_t i = 0; i < params.size(); ++i) {
    const Param& p = params[i];
    if (out[i].valid()) {
      if (!fits(out[i], p.want)) return type_error(c, p, out[i]);
    } else if (p.form == Param::required || p.form == Param::required_keyword_only) {
      c.fail(Code::call, std::string(c.name()) + ": missing argument for " + std::string(p.name));
      return false;
    }
  }
  return true;
}

}  // namespace

std::string_view Call::name() const {
  if (builtin_ != nullptr) return builtin_->name();
  return self_.valid() ? type_name(self_) : "call";
}

void* Call::host() const { return fiber_->env_.host; }

bool Call::unpack(std::span<const Param> params, std::span<Value> out) {
  if (kwargs_.empty() && unpack_quickly(args_, params, out)) return true;
  auto positional = static_cast<std::size_t>(std::count_if(params.begin(), params.end(), by_position));
  if (args_.size() > positional) {
    fail(Code::call, std::string(name()) + ": got " + std::to_string(args_.size()) +
                         " arguments, want " +
                         (positional > 0 && params[positional - 1].form == Param::optional ? "at most " : "") +
                         std::to_string(positional));
    return false;
  }
  std::copy(args_.begin(), args_.end(), out.begin());
  std::fill(out.begin() + static_cast<std::ptrdiff_t>(args_.size()), out.end(), Value());
  return keywords(*this, params, out) && finish(*this, params, out);
}

bool Call::unpack_keywords(std::span<const Param> params, std::span<Value> out) {
  std::fill(out.begin(), out.end(), Value());
  return keywords(*this, params, out) && finish(*this, params, out);
}

bool Call::check(Value v, std::uint32_t want, std::string_view param) {
  return fits(v, want) || type_error(*this, {param, want}, v);
}

Place Call::place() const { return fiber_->place(); }

namespace {

const Frame* innermost(const std::vector<Frame>& frames) {
  for (auto f = frames.rbegin(); f != frames.rend(); ++f) {
    if (f->code != nullptr) return &*f;
  }
  return nullptr;
}

Place operand_place(const Frame& f, const core::Operand& o, Place otherwise) {
  if (o.col == 0) return otherwise;
  return {otherwise.file, static_cast<int>(f.code->core->line + o.line), o.col};
}

}  // namespace

Place Call::arg_place(std::size_t positional) const {
  Place here = place();
  const Frame* f = innermost(fiber_->stack_->frames);
  if (f == nullptr || f->pc->op < VmOp::call || f->pc->op > VmOp::call_any) return here;
  const Site& site = f->code->sites[static_cast<std::size_t>(f->pc->d)];
  if (positional >= site.positional) return here;
  const core::Instr& in = f->code->core->code[site.instr];
  return operand_place(*f, f->code->core->operands[in.first + 1 + positional], here);
}

Place Call::kwarg_place(std::string_view keyword) const {
  Place here = place();
  const Frame* f = innermost(fiber_->stack_->frames);
  if (f == nullptr || f->pc->op < VmOp::call || f->pc->op > VmOp::call_any) return here;
  const Site& site = f->code->sites[static_cast<std::size_t>(f->pc->d)];
  const core::Function& fn = *f->code->core;
  const core::Instr& in = fn.code[site.instr];
  for (std::uint32_t i = 1; i < in.count; ++i) {
    const core::Operand& o = fn.operands[in.first + i];
    if (o.role == core::Role::keyword && fn.names[o.name] == keyword) {
      return operand_place(*f, o, here);
    }
  }
  return here;
}

std::vector<TraceEntry> Call::stack() const { return fiber_->stack(); }

Value Call::fail(Code code, std::string message, std::string hint) {
  Error e;
  e.code = code;
  e.message = std::move(message);
  e.hint = std::move(hint);
  return fail(std::move(e));
}

Value Call::fail(Error error) {
  Fiber::Stack& s = *fiber_->stack_;
  // In a heap that gave something smaller than was asked for, what looks like the program's mistake
  // may be that: the budget is what ended the run.
  if (heap_->exhausted() && error.code != Code::memory && error.code != Code::cancelled &&
      error.code != Code::steps) {
    error.code = Code::memory;
    error.message = "out of memory: the memory budget is used up";
    error.hint.clear();
  }
  if (error.trace.empty()) {
    error.trace = fiber_->stack();
    bool native_on_top = !s.frames.empty() && s.frames.back().code == nullptr;
    if (builtin_ != nullptr && !native_on_top) {
      error.trace.push_back({std::string(builtin_->name()), {"<builtin>", 0, 0}});
    }
  }
  s.error = std::move(error);
  s.pending = Pending::error;
  return Value();
}

Value Call::refuse(Refused why, std::string_view verb, Value container) {
  Code code = why == Refused::frozen      ? Code::frozen
              : why == Refused::iterating ? Code::iterating
              : why == Refused::memory    ? Code::memory
              : why == Refused::too_deep  ? Code::depth
                                          : Code::unhashable;
  std::string text = refusal_text(why, verb, container);
  if (builtin_ != nullptr) text = std::string(builtin_->name()) + ": " + text;
  return fail(code, std::move(text));
}

bool Call::has_error() const { return fiber_->stack_->pending == Pending::error; }

Value Call::suspend(std::unique_ptr<Token> token) {
  Fiber::Stack& s = *fiber_->stack_;
  bool pure = s.pure;
  for (const Frame& f : s.frames) pure = pure || (f.native != nullptr && f.native->pure());
  if (pure) {
    return fail(Code::effect, std::string(name()) + ": an effect is not allowed here (in a callback, "
                              "or while the file is loaded)");
  }
  fiber_->token_ = std::move(token);
  s.pending = Pending::suspend;
  return Value();
}

Value Call::call(Value fn, std::span<const Value> args, std::span<const Keyword> kwargs) {
  Fiber::Stack& s = *fiber_->stack_;
  s.call_fn = fn;
  s.call_args = std::vector<Value>(args.begin(), args.end());
  s.call_kwargs = std::vector<Keyword>(kwargs.begin(), kwargs.end());
  s.pending = Pending::call;
  return Value();
}

void* Call::push_space(std::size_t bytes) {
  auto& blocks = fiber_->stack_->blocks;
  blocks.push_back(std::make_unique<char[]>(bytes + 16));
  return blocks.back().get();
}

void Call::pushed(Continuation* c) { fiber_->stack_->pushed = c; }

bool Call::charge(std::uint64_t steps) {
  Fiber::Stack& s = *fiber_->stack_;
  const std::int64_t before = s.steps_left;
  s.steps_left -= static_cast<std::int64_t>(std::min<std::uint64_t>(steps, std::uint64_t{1} << 40));
  if ((before >> 10) == (s.steps_left >> 10) && s.steps_left >= 0 && !heap_->exhausted()) return true;
  return Machine(*fiber_).poll();
}

bool Call::need_bytes(std::uint64_t bytes) {
  if (bytes < 4096 || heap_->try_bytes(bytes)) return true;
  fail(Code::memory, "out of memory: the memory budget is used up");
  return false;
}

Value Continuation::failed(Call&, const Error&) { return Value(); }
Value Continuation::exit(Call&, Value) { return Value::none(); }

// ---- HostObject's defaults

Value HostObject::attr(Call&, std::string_view) { return Value(); }
std::vector<std::string_view> HostObject::attr_names() const { return {}; }
bool HostObject::has_set_attr() const { return false; }
Value HostObject::set_attr(Call&, std::string_view, Value) { return Value(); }
bool HostObject::callable() const { return false; }
Value HostObject::call(Call& c) { return c.fail(Code::type, "not callable"); }
void HostObject::repr(Writer& w) const { w.add("<" + std::string(type()) + ">"); }
void HostObject::str(Writer& w) const { repr(w); }
bool HostObject::truth() const { return true; }
std::optional<std::uint64_t> HostObject::hash() const { return std::nullopt; }
bool HostObject::equals(const HostObject& other) const { return this == &other; }
std::optional<int> HostObject::compare(const HostObject&) const { return std::nullopt; }
std::int64_t HostObject::length() const { return -1; }
bool HostObject::iterable() const { return false; }
bool HostObject::next(Heap&, IterState&, Value&) { return false; }
bool HostObject::indexable() const { return false; }
Value HostObject::index(Call& c, Value) { return c.fail(Code::type, "not indexable"); }
std::optional<bool> HostObject::contains(Value) const { return std::nullopt; }
Value HostObject::binary(Call&, Binary, Value, bool) { return Value(); }
void HostObject::visit(const std::function<void(Value)>&) const {}
void HostObject::freeze() {}

}  // namespace starlark
