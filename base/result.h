// SPDX-License-Identifier: Apache-2.0
//
// The one way a function of fbx says that it could not do its work.
//
//   Result<int> r = open_file(path);
//   if (!r) return fail_in(std::move(r), "reading the plan");   // adds a context, keeps the rest
//   use(*r);
//
// There are three kinds of failure, and three types. They never mix:
//   Diagnostic (base/diagnostic.h)  the user's mistake: place, code, hint
//   Refusal    (base/refusal.h)     this machine can't: what is missing, what would make it possible
//   Error      (here)               everything else: the OS refused a call, or fbx itself is wrong
// runner/report/outcome.h maps the three to verdicts and exit codes, in one function.
//
// Thread rule: values; no shared state.
#pragma once

#include <expected>
#include <string>
#include <utility>
#include <vector>

namespace fbx {

struct Error {
  // What went wrong, without a final full stop: "exec bin/order-svc".
  std::string message;
  // errno of the failed call, positive; 0 when there is none. base/errno_name.h spells it.
  int errnum = 0;
  // Outermost last: {"starting service orders", "test test_x"}.
  std::vector<std::string> contexts = {};

  // "test test_x: starting service orders: exec bin/order-svc: No such file or directory"
  [[nodiscard]] std::string text() const;
};

template <typename T>
using Result = std::expected<T, Error>;
using Status = std::expected<void, Error>;

// An Error with no errno.
[[nodiscard]] std::unexpected<Error> fail(std::string message);
// An Error for a call that left `errnum` (positive, or negative as kernel and libbpf return it).
[[nodiscard]] std::unexpected<Error> fail_errno(std::string message, int errnum);
// The same with the thread's errno. Call it before anything else can change errno.
[[nodiscard]] std::unexpected<Error> fail_errno(std::string message);

// The error of `r` with one more context around it.
template <typename T>
[[nodiscard]] std::unexpected<Error> fail_in(Result<T>&& r, std::string context) {
  Error e = std::move(r).error();
  e.contexts.push_back(std::move(context));
  return std::unexpected<Error>(std::move(e));
}

}  // namespace fbx
