// SPDX-License-Identifier: Apache-2.0
//
// What the language has to say about a program: one small struct for mistakes found before it
// runs (several per file), one for the error that ends a run. Both carry a Code from one table, so
// that a host can tell them apart without reading English and a test can see that each is provoked.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace starlark {

// X(identifier, "stable.name", "when it is reported")
#define STARLARK_CODES(X)                                                               \
  X(encoding, "syntax.encoding", "the source is not UTF-8")                             \
  X(character, "syntax.character", "a character no token starts with")                  \
  X(indentation, "syntax.indentation", "indent or dedent that matches no block")        \
  X(literal, "syntax.literal", "a malformed number, string or escape")                  \
  X(unexpected, "syntax.unexpected", "a token the grammar does not allow here")         \
  X(target, "syntax.target", "assignment to something that cannot be assigned")         \
  X(arguments, "syntax.arguments", "order or repetition of parameters or arguments")    \
  X(nesting, "syntax.nesting", "nested deeper than the limit")                          \
  X(too_large, "syntax.too_large", "more code, names or constants than the limits")     \
  X(undefined, "name.undefined", "a name that is not defined")                          \
  X(redefined, "name.redefined", "a name bound twice where the options forbid it")      \
  X(misplaced, "name.misplaced", "return, break, continue, load, if, for out of place") \
  X(option, "name.option", "a construct that the options turn off")                     \
  X(core_text, "core.text", "symbolic code that cannot be read")                        \
  X(core_invalid, "core.invalid", "symbolic code that the verifier refuses")            \
  X(unassigned, "run.unassigned", "a variable read before it was assigned")             \
  X(type, "run.type", "an operand or argument of the wrong type")                       \
  X(value, "run.value", "an operand or argument of a wrong value")                      \
  X(call, "run.call", "arguments that do not fit the parameters")                       \
  X(attribute, "run.attribute", "no such attribute")                                    \
  X(key, "run.key", "no such key, or a key twice in one literal")                       \
  X(index, "run.index", "an index out of range")                                        \
  X(unpack, "run.unpack", "a sequence of the wrong length is unpacked")                 \
  X(unhashable, "run.unhashable", "an unhashable value where a key is needed")          \
  X(division, "run.division", "division by zero")                                       \
  X(overflow, "run.overflow", "a result too large to make")                             \
  X(frozen, "run.frozen", "a frozen value, or one from outside a pure callback, changed") \
  X(iterating, "run.iterating", "a container changed while it is iterated")             \
  X(recursion, "run.recursion", "a function called while it is active")                 \
  X(depth, "run.depth", "calls, values or comparisons nested too deeply")               \
  X(steps, "run.steps", "the step budget is used up")                                   \
  X(memory, "run.memory", "the memory budget is used up")                               \
  X(fail, "run.fail", "the program called fail()")                                      \
  X(load, "run.load", "a module or a name in it cannot be loaded")                      \
  X(effect, "run.effect", "an effect inside a pure callback")                           \
  X(cancelled, "run.cancelled", "the host cancelled the fiber")                         \
  X(host, "run.host", "reported by a built-in of the host")

enum class Code : std::uint8_t {
#define X(id, name, when) id,
  STARLARK_CODES(X)
#undef X
};

inline constexpr int kCodeCount = 0
#define X(id, name, when) +1
    STARLARK_CODES(X)
#undef X
    ;

// "run.type"; stable between versions.
std::string_view code_name(Code code);
// The third column of the table.
std::string_view code_meaning(Code code);

// A position in a source file. Lines and columns count from 1, columns in code points; 0 = unknown.
struct Place {
  std::string file;
  int line = 0;
  int col = 0;
  // "file:line:col", leaving out what is unknown.
  std::string text() const;
  bool operator==(const Place&) const = default;
};

// A mistake in a source file or in symbolic code, found before anything runs.
struct Diagnostic {
  std::string file;
  int line = 0;
  int col = 0;
  int end_line = 0;  // 0: not known; else one past the last character of what is meant
  int end_col = 0;
  std::string message;
  std::string hint;  // "did you mean foo?", or ""
  Code code = Code::unexpected;
  // "file:line:col: message (hint)"
  std::string text() const;
};

// What a host attaches to an error to know it again (a failed assertion with both values, …).
class ErrorPayload {
 public:
  virtual ~ErrorPayload() = default;
};

// One active call, innermost last in Error::trace.
struct TraceEntry {
  std::string function;  // its name; "<toplevel>" for a module; the built-in's name for built-ins
  Place place;           // where it was (file is "<builtin>" for built-ins)
};

// The error that ended a fiber.
struct Error {
  std::string message;
  std::string hint;
  Code code = Code::host;
  std::vector<TraceEntry> trace;          // outermost call first
  std::shared_ptr<ErrorPayload> payload;  // may be null
  std::vector<std::string> also;          // errors of exit actions while this one unwound

  // The innermost entry that is in a source file; an empty Place if there is none.
  Place place() const;
  // "file:line:col: message (hint)".
  std::string text() const;
  // The Starlark traceback, outermost call first, the message last; several lines.
  std::string traceback() const;
};

// The nearest of `candidates` to `word` by edit distance, if it is near enough to be meant; else "".
std::string_view nearest(std::string_view word, const std::vector<std::string_view>& candidates);
// "did you mean NAME?", or "".
std::string did_you_mean(std::string_view word, const std::vector<std::string_view>& candidates);

}  // namespace starlark
