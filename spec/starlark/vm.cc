// SPDX-License-Identifier: Apache-2.0
//
// Fibers: starting, suspending, resuming, cancelling; calls; unwinding. The loop is in interpret.cc.
#include "spec/starlark/vm.h"

#include <algorithm>

#include "spec/starlark/machine.h"
#include "spec/starlark/values.h"

namespace starlark {
namespace {

// What exit actions may use once the budget is used up; each error that says so grants it again.
constexpr std::int64_t kUnwindSteps = 100'000;

}  // namespace

Fiber::Fiber(Heap& heap, const Environment& env)
    : heap_(heap), env_(env), stack_(std::make_unique<Stack>()) {
  set_steps(env.limits.steps);
}

Fiber::~Fiber() {
  Machine m(*this);
  while (!stack_->frames.empty()) m.pop();
}

void Fiber::set_steps(std::uint64_t limit) {
  std::uint64_t used = steps();
  stack_->steps_limit = limit;
  stack_->steps_extra = 0;
  std::uint64_t left = limit > used ? limit - used : 0;
  stack_->steps_left = static_cast<std::int64_t>(std::min<std::uint64_t>(left, INT64_MAX));
}

std::uint64_t Fiber::steps() const {
  std::uint64_t limit = std::min<std::uint64_t>(stack_->steps_limit, INT64_MAX);
  auto left = static_cast<std::uint64_t>(std::max<std::int64_t>(stack_->steps_left, 0));
  limit += static_cast<std::uint64_t>(stack_->steps_extra);
  return limit - std::min(limit, left);
}

void Fiber::forbid_effects() { stack_->pure = true; }
bool Fiber::unwinding() const {
  return stack_->cancelled || std::any_of(stack_->frames.begin(), stack_->frames.end(),
                                          [](const Frame& f) { return f.error != nullptr; });
}

void Fiber::start(Value fn, std::span<const Value> args, std::span<const Keyword> kwargs) {
  stack_->start_fn = fn;
  stack_->start_args.assign(args.begin(), args.end());
  stack_->start_kwargs.assign(kwargs.begin(), kwargs.end());
  stack_->pending = Pending::none;
  stack_->cancelled = false;
  stack_->cancel_later.reset();
  error_ = {};
  result_ = Value();
  state_ = State::ready;
}

Fiber::State Fiber::resume() {
  if (state_ != State::ready) return resume(Value::none());
  Machine m(*this);
  state_ = State::running;
  m.begin_call(stack_->start_fn, stack_->start_args, stack_->start_kwargs);
  return state_ = m.run();
}

Fiber::State Fiber::resume(Value answer) {
  if (state_ == State::ready) return resume();
  if (state_ != State::suspended) return state_;
  Machine m(*this);
  state_ = State::running;
  token_.reset();
  stack_->pending = Pending::none;
  m.deliver(answer);
  return state_ = m.run();
}

Fiber::State Fiber::resume_error(Error why) {
  if (state_ != State::suspended) return state_;
  Machine m(*this);
  state_ = State::running;
  token_.reset();
  if (why.trace.empty()) why.trace = m.trace();
  stack_->error = std::move(why);
  stack_->pending = Pending::error;
  return state_ = m.run();
}

Fiber::State Fiber::cancel(Error why) {
  if (state_ == State::ready) {
    error_ = std::move(why);
    return state_ = State::failed;
  }
  if (state_ != State::suspended || stack_->cancelled || stack_->cancel_later) return state_;
  Machine m(*this);
  if (why.trace.empty()) why.trace = m.trace();
  if (stack_->exiting > 0) {  // exit actions at work go on to their end first
    stack_->cancel_later = std::move(why);
    return state_;
  }
  state_ = State::running;
  token_.reset();
  stack_->error = std::move(why);
  stack_->cancelled = true;
  stack_->pending = Pending::error;
  return state_ = m.run();
}

std::vector<TraceEntry> Fiber::stack() const { return Machine(const_cast<Fiber&>(*this)).trace(); }

Place Fiber::place() const {
  Error e;
  e.trace = stack();
  return e.place();
}

// ---- Machine

std::size_t Machine::top() const {
  if (s.frames.empty()) return 0;
  const Frame& f = s.frames.back();
  return f.base + (f.code ? f.code->registers : 0);
}

Call Machine::context() const {
  Call c;
  c.fiber_ = &fiber;
  c.heap_ = &heap;
  return c;
}

void Machine::fail(Code code, std::string message, std::string hint) {
  context().fail(code, std::move(message), std::move(hint));
}

std::vector<TraceEntry> Machine::trace() const {
  std::vector<TraceEntry> out;
  auto add = [&](const Frame& f) {
    if (f.code == nullptr) {
      out.push_back({std::string(f.builtin ? f.builtin->name() : "?"), {"<builtin>", 0, 0}});
      return;
    }
    const core::Function& fn = *f.code->core;
    auto pc = static_cast<std::size_t>(f.pc - f.code->code.data());
    pc = std::min(pc, f.code->origin.size() - 1);
    const core::Instr& in = fn.code[f.code->origin[pc]];
    out.push_back({fn.name, {std::string(f.fn->module->file()), static_cast<int>(fn.line + in.line),
                             static_cast<int>(in.col)}});
  };
  std::size_t n = s.frames.size();
  for (std::size_t i = 0; i < n; ++i) {
    if (n > 200 && i == 100) {
      out.push_back({"… " + std::to_string(n - 200) + " calls …", {}});
      i = n - 100;
    }
    add(s.frames[i]);
  }
  return out;
}

void Machine::release_iterations(const Frame& f) {
  auto pc = static_cast<std::uint32_t>(f.pc - f.code->code.data());
  for (const IterRange& r : f.code->iterations) {
    if (pc < r.begin || pc >= r.end) continue;
    Value* it = s.values.data() + f.base + r.reg;
    if (it[3].is_true()) release(it[0]);
    it[3] = Value::boolean(false);
  }
}

void Machine::pop() {
  Frame& f = s.frames.back();
  if (f.code != nullptr) {
    release_iterations(f);
    --s.active[f.code->id & 63];
  } else {
    if (f.exiting) --s.exiting;
    f.native->~Continuation();
    s.blocks.pop_back();
  }
  s.frames.pop_back();
}

bool Machine::poll() {
  if (fiber.interrupt_.load(std::memory_order_relaxed) && s.exiting == 0 && !s.cancelled) {
    fiber.interrupt_.store(false, std::memory_order_relaxed);
    s.cancelled = true;
    fail(Code::cancelled, "interrupted");
    return false;
  }
  if (heap.exhausted()) {
    fail(Code::memory, "out of memory: the memory budget is used up");
    return false;
  }
  if (s.steps_left < 0) {
    s.steps_extra += kUnwindSteps - s.steps_left;
    s.steps_left = kUnwindSteps;
    fail(Code::steps, "the step budget is used up");
    return false;
  }
  return true;
}

Fiber::State Machine::run() {
  for (;;) {
    switch (s.pending) {
      case Pending::suspend: return Fiber::State::suspended;
      case Pending::error:
        if (!unwind() && s.frames.empty()) {
          fiber.error_ = std::move(s.error);
          s.pending = Pending::none;
          return Fiber::State::failed;
        }
        continue;
      case Pending::call: {
        s.pending = Pending::none;
        std::vector<Value> args = std::move(s.call_args);
        std::vector<Keyword> kwargs = std::move(s.call_kwargs);
        begin_call(s.call_fn, args, kwargs);
        continue;
      }
      case Pending::none: break;
    }
    if (s.frames.empty()) {
      if (!heap.exhausted()) return Fiber::State::done;
      // What was made beyond the budget may not be whole (Heap::list).
      fail(Code::memory, "out of memory: the memory budget is used up");
      continue;
    }
    if (s.frames.back().code == nullptr) {
      // A native frame on top without anything pending has asked for nothing: cannot happen.
      fail(Code::host, "a continuation asked for nothing");
      continue;
    }
    interpret();
  }
}

bool Machine::deliver(Value v) {
  for (;;) {
    if (s.frames.empty()) {
      fiber.result_ = v;
      return true;
    }
    Frame& f = s.frames.back();
    if (f.code != nullptr) {
      s.values[f.base + f.ret] = v;
      ++f.pc;  // past the call
      return true;
    }
    Call c = context();
    c.builtin_ = f.builtin;
    Continuation* native = f.native;
    Value r = f.exiting ? native->exit(c, v) : native->next(c, v);
    if (!r.valid() && s.pending == Pending::none) fail(Code::host, "a continuation returned nothing");
    s.frames.back().own_error = s.pending == Pending::error;
    if (!r.valid()) return false;
    return native_result(r);
  }
}

// Runs what is owed of exit(), then gives the result to the frame below.
bool Machine::native_result(Value v) {
  Frame& f = s.frames.back();
  if (!f.exiting && f.native->armed()) {
    begin_exit(f);
    f.kept = v;
    Call c = context();
    c.builtin_ = f.builtin;
    Value r = f.native->exit(c, Value::none());
    if (!r.valid() && s.pending == Pending::none) fail(Code::host, "an exit action returned nothing");
    if (!r.valid()) return false;
  }
  Frame& done = s.frames.back();
  Value kept = done.exiting ? done.kept : v;
  std::unique_ptr<Error> error = std::move(done.error);
  pop();
  if (error) {  // the exit ran while an error went by
    s.error = std::move(*error);
    s.pending = Pending::error;
    return false;
  }
  if (s.cancel_later && s.exiting == 0) {
    s.error = std::move(*s.cancel_later);
    s.cancel_later.reset();
    s.cancelled = true;
    s.pending = Pending::error;
    return false;
  }
  return deliver(kept);
}

namespace {

void add_also(Error& to, const Error& from) {
  to.also.push_back(from.text());
  to.also.insert(to.also.end(), from.also.begin(), from.also.end());
}

}  // namespace

void Machine::begin_exit(Frame& f) {
  f.exiting = true;
  ++s.exiting;
}

// An exit action cannot be cancelled, so what it calls handles its errors as ever. Nobody handles a
// used-up step budget: each new try would be granted more steps.
bool Machine::may_handle(const Frame& f, const Error& error) const {
  return !f.own_error && error.code != Code::steps && (!s.cancelled || s.exiting > 0);
}

// The host cancelled while exit actions ran because of an earlier error. That error stays the one
// reported, but nobody handles it any more.
void Machine::cancel_now(Error& error) {
  add_also(error, *s.cancel_later);
  s.cancel_later.reset();
  s.cancelled = true;
}

// s.error goes through the frames until one takes it.
bool Machine::unwind() {
  s.pending = Pending::none;
  Error error = std::move(s.error);
  while (!s.frames.empty()) {
    if (s.cancel_later && s.exiting == 0) cancel_now(error);
    Frame& f = s.frames.back();
    if (f.code != nullptr) {
      pop();
      continue;
    }
    if (f.exiting) {  // the exit action itself failed
      if (f.error) {
        add_also(*f.error, error);
        error = std::move(*f.error);
      }
      pop();
      continue;
    }
    Call c = context();
    c.builtin_ = f.builtin;
    if (may_handle(f, error)) {
      Value r = f.native->failed(c, error);
      if (s.pending == Pending::call || s.pending == Pending::suspend) return true;
      if (s.pending == Pending::error) {
        error = std::move(s.error);
        s.pending = Pending::none;
      } else if (r.valid()) {
        return native_result(r);
      }
    }
    if (f.native->armed()) {
      begin_exit(f);
      f.error = std::make_unique<Error>(std::move(error));
      Value r = f.native->exit(c, Value::none());
      if (!r.valid() && s.pending == Pending::none) {
        fail(Code::host, "an exit action returned nothing");
      }
      if (s.pending == Pending::call || s.pending == Pending::suspend) return true;
      if (s.pending == Pending::error) {
        add_also(*f.error, s.error);
        s.pending = Pending::none;
      }
      error = std::move(*f.error);
    }
    pop();
  }
  if (s.cancel_later) cancel_now(error);
  s.error = std::move(error);
  s.pending = Pending::error;
  s.cancelled = false;
  return false;
}

// ---- calls

// False: pending, or the callee's frame (or a native one) is on top now and its result is to come.
// True: a built-in has answered at once and its result is delivered.
bool Machine::begin_call(Value fn, std::span<const Value> args, std::span<const Keyword> kwargs) {
  if (((--s.steps_left & 1023) == 0 || s.steps_left < 0) && !poll()) return false;
  if (s.frames.size() >= fiber.env_.limits.depth) {
    fail(Code::depth, "Starlark stack overflow");
    return false;
  }
  Value out;
  if (is_kind(fn, Kind::function)) {
    std::size_t base = top();
    return bind(as<FunctionObject>(fn), args, kwargs, base) && enter(as<FunctionObject>(fn), base);
  }
  if (is_kind(fn, Kind::builtin)) {
    if (!call_builtin(*builtin_of(fn), receiver_of(fn), args, kwargs, out)) return false;
    return deliver(out);
  }
  if (is_kind(fn, Kind::host) && host_object(fn)->callable()) {
    return call_host(fn, args, kwargs, out) && deliver(out);
  }
  fail(Code::type, "invalid call of non-function (" + std::string(type_name(fn)) + ")");
  return false;
}

void Machine::attach_native(const Builtin* b) {
  Frame f;
  f.base = top();
  f.native = s.pushed;
  f.builtin = b;
  s.pushed = nullptr;
  s.frames.push_back(std::move(f));
}

// True: `out` is the result.
bool Machine::call_builtin(const Builtin& b, Value self, std::span<const Value> args,
                           std::span<const Keyword> kwargs, Value& out) {
  Call c = context();
  c.builtin_ = &b;
  c.self_ = self;
  c.args_ = args;
  c.kwargs_ = kwargs;
  out = b.fn()(c);
  if (s.pushed == nullptr) [[likely]] {
    if (out.valid()) [[likely]] return true;
    if (s.pending == Pending::none) fail(Code::host, "a built-in returned nothing");
    return false;
  }
  attach_native(&b);
  s.frames.back().own_error = s.pending == Pending::error;
  if (out.valid()) {
    native_result(out);
  } else if (s.pending == Pending::none) {
    fail(Code::host, "a built-in returned nothing");
  }
  return false;
}

bool Machine::call_host(Value object, std::span<const Value> args, std::span<const Keyword> kwargs,
                        Value& out) {
  Call c = context();
  c.self_ = object;
  c.args_ = args;
  c.kwargs_ = kwargs;
  out = host_object(object)->call(c);
  if (s.pushed != nullptr) {
    attach_native(nullptr);
    s.frames.back().own_error = s.pending == Pending::error;
    if (out.valid()) native_result(out);
    return false;
  }
  if (!out.valid() && s.pending == Pending::none) fail(Code::host, "a host object returned nothing");
  return out.valid();
}

// The frame's registers begin at `base`, where the parameters are already.
bool Machine::enter(FunctionObject* fn, std::size_t base) {
  const Lowered& code = *fn->code;
  if (!code.recursion && s.active[code.id & 63] > 0) {
    for (const Frame& f : s.frames) {
      if (f.code != &code) continue;
      fail(Code::recursion, "function " + code.core->name + " called recursively");
      return false;
    }
  }
  if (s.frames.size() >= fiber.env_.limits.depth) {
    fail(Code::depth, "Starlark stack overflow");
    return false;
  }
  if (s.values.size() < base + code.registers) s.values.resize(2 * (base + code.registers) + 256);
  Value* regs = s.values.data() + base;
  if (code.clear_locals || !code.cells.empty()) {
    for (std::size_t i = code.params.size(); i < code.core->locals.size(); ++i) regs[i] = Value();
  }
  for (std::uint16_t cell : code.cells) regs[cell] = heap.cell(regs[cell]);
  ++s.active[code.id & 63];
  Frame f;
  f.code = &code;
  f.fn = fn;
  f.pc = code.code.data();
  f.base = base;
  s.frames.push_back(std::move(f));
  return true;
}

}  // namespace starlark
