// SPDX-License-Identifier: Apache-2.0
//
// Fiber: one strand of execution on a heap. It runs until it is done, has failed, or asks something
// of the host; it never blocks and knows no clock. Several fibers may share a heap, one running at a
// time, on one thread. interrupt() alone may come from another thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "spec/starlark/diagnostic.h"
#include "spec/starlark/heap.h"
#include "spec/starlark/host.h"
#include "spec/starlark/program.h"
#include "spec/starlark/value.h"

namespace starlark {

struct Limits {
  std::uint64_t steps = UINT64_MAX;  // loop turns, calls and elements handled in C++, per fiber
  std::uint32_t depth = 10'000;      // active calls
};

// What fibers ask while they run. Must outlive them.
struct Environment {
  // print(): the line without its end. Null: dropped.
  std::function<void(Fiber& fiber, std::string_view line)> print;
  // load("name", …): the module, with its top level already run and frozen, or why not (the message
  // of an Error; its trace is not used). Null: load is an error. May run another fiber to make it.
  std::function<std::expected<Module*, Error>(Fiber& fiber, std::string_view name)> load;
  void* host = nullptr;  // Call::host()
  Limits limits;
};

class Fiber {
 public:
  enum class State : std::uint8_t { ready, running, suspended, done, failed };

  Fiber(Heap& heap, const Environment& env);
  ~Fiber();  // runs no exit actions: cancel() first
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  // Sets what to run; the state must be ready, done or failed. Runs nothing yet.
  void start(Value fn, std::span<const Value> args = {}, std::span<const Keyword> kwargs = {});

  // Runs on. From ready: resume(). From suspended: resume(answer), or resume_error(why), which the
  // built-in's continuation may handle, or which unwinds.
  State resume();
  State resume(Value answer);
  State resume_error(Error why);

  // Ends it from outside (timeout, violation): unwinds with `why`, running exit actions, which may
  // suspend: then the state is suspended and the host answers them as ever until the state is failed.
  // While exit actions are at work already, token() stays asked and they go on to their end: then it
  // unwinds with `why`, or with the error that made them run, `why` added to its `also`. While
  // cancelled, cancel() does nothing more. From ready: failed at once. From done, failed: nothing.
  State cancel(Error why);
  bool unwinding() const;  // cancelled, or an exit action runs because of an error

  // Every suspension is Code::effect from now on.
  void forbid_effects();

  // From another thread: the next poll raises Code::cancelled with this text. Sticky until raised.
  void interrupt() { interrupt_.store(true, std::memory_order_relaxed); }

  State state() const { return state_; }
  // suspended: what is asked. take_token leaves null.
  Token* token() const { return token_.get(); }
  std::unique_ptr<Token> take_token() { return std::move(token_); }
  Value result() const { return result_; }       // done
  const Error& error() const { return error_; }  // failed

  // Where it is: outermost call first.
  std::vector<TraceEntry> stack() const;
  // The place of the innermost Starlark frame.
  Place place() const;

  std::uint64_t steps() const;  // used so far
  void set_steps(std::uint64_t limit);
  Heap& heap() { return heap_; }
  const Environment& env() const { return env_; }
  void* user = nullptr;  // the host's own, per fiber

 private:
  friend class Call;
  friend struct Machine;
  struct Stack;
  Heap& heap_;
  const Environment& env_;
  State state_ = State::ready;
  std::atomic<bool> interrupt_{false};
  std::unique_ptr<Token> token_;
  Value result_;
  Error error_;
  std::unique_ptr<Stack> stack_;
};

// Runs to the end where no suspension is expected (top level at compile time, a pure callback): a
// suspension is Code::effect.
std::expected<Value, Error> run(Heap& heap, const Environment& env, Value fn,
                                std::span<const Value> args = {},
                                std::span<const Keyword> kwargs = {});

// The same in the heap's scratch region: everything made meanwhile is gone, but for the result,
// which is copied out. Values from outside cannot be changed (Code::frozen).
std::expected<Value, Error> run_pure(Heap& heap, const Environment& env, Value fn,
                                     std::span<const Value> args = {});

// Makes a Module of the program, runs its top level, freezes it.
std::expected<Module*, Error> run_module(Heap& heap, const Environment& env,
                                         std::shared_ptr<const Program> program,
                                         const Predeclared& predeclared);

}  // namespace starlark
