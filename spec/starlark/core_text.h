// SPDX-License-Identifier: Apache-2.0
//
// The symbolic core as text: one instruction a line, deterministic, readable, diffable.
//
//   1:5    call      orders.post path="/orders" body='{"sku":1}' -> resp
//   2:8    lt        resp.status 400 -> %1      (no: attributes need an `attr` line of their own)
//   L1:
//   3:9    next      %2 L2 -> x
//
// A line is `line:col`, the operation, operands, and `->` with the results; a label stands on a line
// of its own. Bare words are variables: locals first, then free variables, then globals, then
// predeclared names. `%1` is a temporary, `L1` a label. Constants: None True False, ints, floats
// (shortest form, or as `float("nan")`), strings in double or single quotes, b"bytes".
// Attribute names, module names and function keys are written `.name`, or quoted where they follow
// an operation as its `name`.
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "spec/starlark/core.h"
#include "spec/starlark/diagnostic.h"

namespace starlark::core {

// The instructions of `f`, each line ended by '\n'. `f` must be well-formed (verified or compiled).
std::string write_code(const Function& f);

// A string as the text form writes it, in the quotes that need fewer escapes. Bytes that are not
// UTF-8 are written \xNN.
std::string quote(std::string_view bytes);
// Reads one quoted string from the front of `text` and removes it; false if it is malformed.
bool unquote(std::string_view& text, std::string& out);

// Reads instructions into `f`, whose key, params, locals and free are set. `globals` are the names
// that are global variables (sorted). On failure `line` counts the lines of `text` from 1, `file`
// is empty, and `f` is unusable. Reading checks form only: verify before use.
std::expected<void, Diagnostic> read_code(std::string_view text,
                                          const std::vector<std::string>& globals, Function& f);

}  // namespace starlark::core
