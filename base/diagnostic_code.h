// SPDX-License-Identifier: Apache-2.0
//
// The codes of what a user did wrong, in one table. A code that is not in it does not compile, and
// a test provokes each (tests/diagnostics/). The language's own codes ("syntax.indentation") stand
// in spec/starlark/diagnostic.h.
//
// Thread rule: constants.
#pragma once

#include <array>
#include <stdexcept>
#include <string>
#include <string_view>

namespace fbx {

// X("code", "when it is reported")
#define FBX_DIAGNOSTIC_CODES(X)                                                             \
  X("address", "an address or URL that is none")                                            \
  X("argument-conflict", "arguments that exclude each other")                               \
  X("argument-twice", "one parameter given by position and by name")                        \
  X("argument-type", "an argument of the wrong type")                                       \
  X("argument-value", "an argument out of its range")                                       \
  X("assumption-twice", "two assumptions of one name")                                      \
  X("dependency-cycle", "services that depend on each other")                               \
  X("duration", "a duration that is none")                                                  \
  X("empty-filter", "a look-back that would match every event")                             \
  X("env-missing", "env() without a default reads a variable that is not set")              \
  X("fault-conflict", "an assumption together with other rules")                            \
  X("interface-name", "an interface with the name of an attribute")                         \
  X("interface-port", "a port where a path belongs, or the reverse")                        \
  X("interface-twice", "two interfaces of one name")                                        \
  X("internal", "fbx itself is wrong: please report it")                                    \
  X("misplaced", "a call at the top level, or in a test, that belongs to the other")        \
  X("missing-argument", "a required argument is missing")                                   \
  X("missing-binary", "a service's binary is not there")                                    \
  X("missing-interpreter", "a service is a script for an interpreter that is not there")    \
  X("no-fault", "a fault without a rule")                                                   \
  X("no-tests", "a spec without a test")                                                    \
  X("not-a-program", "a service's binary is neither a program nor a script")                \
  X("not-executable", "a service's binary can't be executed")                               \
  X("not-yet", "part of the language that this version lacks")                              \
  X("partition-itself", "a service cut off from itself, or from nobody")                    \
  X("plan-baseline", "a cell without a baseline before it")                                 \
  X("plan-code", "code of a plan that can't be read, or is refused by the verifier")        \
  X("plan-fault", "a fault of an assumption that says not one thing")                       \
  X("plan-health", "a health check that says not one thing")                                \
  X("plan-key", "a key or section that a plan does not have")                               \
  X("plan-missing", "a required key of a plan is missing")                                  \
  X("plan-needs", "a test that says it needs something else than its code does")            \
  X("plan-place", "a place in a plan that is none")                                         \
  X("plan-range", "a value of a plan out of its range")                                     \
  X("plan-reference", "a reference to nothing in a plan")                                   \
  X("plan-signature", "a function of a plan whose variables make no sense")                 \
  X("plan-syntax", "a plan that is not TOML")                                               \
  X("plan-too-large", "a plan beyond 64 MiB")                                               \
  X("plan-twice", "two of one name in a plan")                                              \
  X("plan-type", "a key of a plan with a value of the wrong type")                          \
  X("plan-value", "the text of a value in a plan that makes none")                          \
  X("plan-version", "no plan, or one of another format")                                    \
  X("plan-word", "a word in a plan that is none of those that may stand there")             \
  X("port-twice", "two interfaces on one port or path")                                     \
  X("service-twice", "two services of one name")                                            \
  X("spec-twice", "spec() called twice")                                                    \
  X("stop-without-start", "something stopped that was not started")                         \
  X("test-parameters", "a test's function takes other arguments than it gets")              \
  X("test-twice", "two tests of one name")                                                  \
  X("too-many-arguments", "more positional arguments than parameters")                      \
  X("unknown-attribute", "an attribute that a service or interface does not have")          \
  X("unknown-cell", "a cell that the matrix does not have")                                 \
  X("unknown-direction", "a direction of a partition that is none")                         \
  X("unknown-errno", "an errno that Linux does not have")                                   \
  X("unknown-event-type", "a type of event that is none")                                   \
  X("unknown-hand", "an injection hand that is none")                                       \
  X("unknown-keyword", "a keyword that the built-in does not take")                         \
  X("unknown-limit", "a resource limit that is none")                                       \
  X("unknown-mode", "a mode of a partition that is none")                                   \
  X("unknown-on", "a kind of descriptor that is none")                                      \
  X("unknown-op", "an op that no service has")                                              \
  X("unknown-protocol", "a protocol that is none")                                          \
  X("unknown-service", "a service or interface that is not declared")                       \
  X("unknown-signal", "a signal that is none")                                              \
  X("unknown-syscall", "a system call or family that is none")                              \
  X("unknown-test", "known_failure() of a test that is not there")                          \
  X("unlikely-errno", "an errno that the call never returns (warning)")                     \
  X("unlikely-path", "path= on a call that has none (warning)")                             \
  X("unlikely-to", "to= on a call that has no peer (warning)")                              \
  X("unnamed", "a lambda where a name is needed")                                           \
  X("unreadable", "a file that can't be read")                                              \
  X("wrong-architecture", "a service's binary is for another kind of machine")

struct DiagnosticCodeRow {
  std::string_view name;
  std::string_view when;
};
inline constexpr auto kDiagnosticCodes = std::to_array<DiagnosticCodeRow>({
#define X(name, when) {name, when},
    FBX_DIAGNOSTIC_CODES(X)
#undef X
});

class DiagnosticCode {
 public:
  constexpr DiagnosticCode() = default;
  // A code of the table above; anything else does not compile.
  // NOLINTNEXTLINE(google-explicit-constructor)
  consteval DiagnosticCode(const char* name) : name_(name) {
    for (const DiagnosticCodeRow& row : kDiagnosticCodes) {
      if (row.name == name_) return;
    }
    throw std::logic_error("this code has no row in FBX_DIAGNOSTIC_CODES");
  }
  // A code of the language's own table; `name` must live for ever.
  static constexpr DiagnosticCode of_language(std::string_view name) {
    DiagnosticCode out;
    out.name_ = name;
    return out;
  }

  [[nodiscard]] constexpr std::string_view name() const { return name_; }
  [[nodiscard]] std::string text() const { return std::string(name_); }
  constexpr bool operator==(const DiagnosticCode&) const = default;

 private:
  std::string_view name_;
};

}  // namespace fbx
