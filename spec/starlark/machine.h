// SPDX-License-Identifier: Apache-2.0
//
// The inside of a Fiber: its stack, and the steps between frames.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "spec/starlark/lower.h"
#include "spec/starlark/objects.h"
#include "spec/starlark/vm.h"

namespace starlark {

// A Starlark function at work, or (code null) a built-in with a continuation.
struct Frame {
  const Lowered* code = nullptr;
  FunctionObject* fn = nullptr;
  const Ins* pc = nullptr;     // where it is; kept up to date when something may look
  std::size_t base = 0;        // registers, in Stack::values
  std::uint32_t ret = 0;       // register that waits for a result
  // native frames
  Continuation* native = nullptr;
  const Builtin* builtin = nullptr;
  std::size_t space = 0;       // where its continuation lies in Stack::natives
  bool exiting = false;
  bool own_error = false;      // the error is of its own step: failed() is not asked
  Value kept;                  // result to give when exit() is done
  std::unique_ptr<Error> error;  // or the error that is unwinding
};

enum class Pending : std::uint8_t { none, error, suspend, call };

struct Fiber::Stack {
  std::vector<Value> values;
  std::vector<Frame> frames;
  std::vector<std::unique_ptr<char[]>> blocks;  // continuations, one block each
  Pending pending = Pending::none;
  Error error;                  // Pending::error
  bool cancelled = false;       // the error is the host's: failed() is not asked
  std::size_t exiting = 0;      // frames whose exit action is at work
  std::optional<Error> cancel_later;  // until none is
  Value call_fn;                // Pending::call
  std::vector<Value> call_args;
  std::vector<Keyword> call_kwargs;
  Continuation* pushed = nullptr;
  bool pure = false;            // no suspension at all
  std::int64_t steps_left = 0;
  std::uint64_t steps_limit = 0;
  std::int64_t steps_extra = 0;  // given for unwinding, once the budget was used up
  std::uint32_t active[64] = {};  // frames by Lowered::id % 64: most calls need no look at the stack
  std::vector<Value> loaded;    // by the load statement at work
  Value start_fn;
  std::vector<Value> start_args;
  std::vector<Keyword> start_kwargs;
};

struct Machine {
  Fiber& fiber;
  Fiber::Stack& s;
  Heap& heap;

  explicit Machine(Fiber& f) : fiber(f), s(*f.stack_), heap(f.heap_) {}

  Fiber::State run();                 // from the state the stack is in, until something is to report
  bool interpret();                   // the loop: until a native frame is on top, or `pending`
  bool deliver(Value v);              // a result, to the frame on top; false: pending
  bool native_result(Value v);        // a native frame's step ended with v
  bool begin_call(Value fn, std::span<const Value> args, std::span<const Keyword> kwargs);
  bool bind(FunctionObject* fn, std::span<const Value> args, std::span<const Keyword> kwargs,
            std::size_t base);
  bool enter(FunctionObject* fn, std::size_t base);  // arguments are in place
  bool call_site(const Lowered& code, const Site& site, Value* base, std::size_t top);
  bool enter_directly(const Lowered& code, const Site& site, std::size_t base, FunctionObject* fn,
                      std::size_t top, bool& entered);
  bool call_with(Value callee, const Builtin* builtin, Value self, std::span<const Value> args,
                 std::span<const Keyword> kwargs, std::size_t top);
  bool spread(const Lowered& code, const Site& site, const Value* base, std::vector<Value>& args,
              std::vector<Keyword>& kwargs);
  bool call_builtin(const Builtin& b, Value self, std::span<const Value> args,
                    std::span<const Keyword> kwargs, Value& out);
  bool call_host(Value object, std::span<const Value> args, std::span<const Keyword> kwargs,
                 Value& out);
  void attach_native(const Builtin* b);
  bool unwind();                      // true: goes on; false: see pending, or no frame is left
  void pop();
  void begin_exit(Frame& f);
  bool may_handle(const Frame& f, const Error& error) const;
  void cancel_now(Error& error);
  void release_iterations(const Frame& f);
  std::size_t top() const;
  Call context() const;
  void fail(Code code, std::string message, std::string hint = {});
  std::vector<TraceEntry> trace() const;
  bool poll();                        // budgets and interruption; false: error
  bool load(const Lowered& code, const Ins& in, Value* base);
};

}  // namespace starlark
