// SPDX-License-Identifier: Apache-2.0
//
// The symbolic core: what source is compiled to, what is written into a plan and read back, and
// what the verifier (core_verify.h) passes before lowering (lower.h) makes private bytecode of it.
// It is three-address code over names. It never grows for speed.
//
// Rules:
//  - Code is a list of instructions; labels stand before instructions. The last one is a terminator.
//  - Operands read locals (parameters first), free variables, globals, predeclared names,
//    temporaries and constants; the result goes to a local, a global or a temporary.
//    A local that an inner function captures is marked `cell`; operands need not care.
//  - Reading a variable that is not assigned is an error at the instruction's place.
//  - Temporaries are written before they are read, on every path.
//  - `iter` opens an iteration in a temporary of its own, `next` and `end` name it; they nest, and
//    every label is reached with the same iterations open; `next` jumps forward. `return` closes all.
//  - Only `call` may suspend.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace starlark::core {

// What an instruction has besides its operands (`name` is an attribute, key or module).
// X(enumerator, "text", operands, result, name, label, suspends, terminator, "what it does")
//   operands: how many, -1 = any number (call, list, tuple, dict: see the comment)
//   result:   0 none, 1 one, 2 any number of targets (unpack, load)
//   label:    1 = has a jump target
#define STARLARK_CORE_OPS(X) \
  X(let, "let", 1, 1, 0, 0, 0, 0, "r = a") \
  X(add, "add", 2, 1, 0, 0, 0, 0, "r = a + b") \
  X(sub, "sub", 2, 1, 0, 0, 0, 0, "r = a - b") \
  X(mul, "mul", 2, 1, 0, 0, 0, 0, "r = a * b") \
  X(div, "div", 2, 1, 0, 0, 0, 0, "r = a / b") \
  X(floordiv, "floordiv", 2, 1, 0, 0, 0, 0, "r = a // b") \
  X(mod, "mod", 2, 1, 0, 0, 0, 0, "r = a % b") \
  X(bit_and, "bitand", 2, 1, 0, 0, 0, 0, "r = a & b") \
  X(bit_or, "bitor", 2, 1, 0, 0, 0, 0, "r = a | b") \
  X(bit_xor, "bitxor", 2, 1, 0, 0, 0, 0, "r = a ^ b") \
  X(shl, "shl", 2, 1, 0, 0, 0, 0, "r = a << b") \
  X(shr, "shr", 2, 1, 0, 0, 0, 0, "r = a >> b") \
  X(eq, "eq", 2, 1, 0, 0, 0, 0, "r = a == b") \
  X(ne, "ne", 2, 1, 0, 0, 0, 0, "r = a != b") \
  X(lt, "lt", 2, 1, 0, 0, 0, 0, "r = a < b") \
  X(le, "le", 2, 1, 0, 0, 0, 0, "r = a <= b") \
  X(gt, "gt", 2, 1, 0, 0, 0, 0, "r = a > b") \
  X(ge, "ge", 2, 1, 0, 0, 0, 0, "r = a >= b") \
  X(in, "in", 2, 1, 0, 0, 0, 0, "r = a in b") \
  X(not_in, "notin", 2, 1, 0, 0, 0, 0, "r = a not in b") \
  X(iadd, "iadd", 2, 1, 0, 0, 0, 0, "r = a += b: lists in place") \
  X(ior, "ior", 2, 1, 0, 0, 0, 0, "r = a |= b: dicts and sets in place") \
  X(neg, "neg", 1, 1, 0, 0, 0, 0, "r = -a") \
  X(pos, "pos", 1, 1, 0, 0, 0, 0, "r = +a") \
  X(inv, "inv", 1, 1, 0, 0, 0, 0, "r = ~a") \
  X(op_not, "not", 1, 1, 0, 0, 0, 0, "r = not a") \
  X(attr, "attr", 1, 1, 1, 0, 0, 0, "r = a.name") \
  X(check_attr, "checkattr", 1, 0, 1, 0, 0, 0, "an error if a has no .name") \
  X(set_attr, "setattr", 2, 0, 1, 0, 0, 0, "a.name = b") \
  X(index, "index", 2, 1, 0, 0, 0, 0, "r = a[b]") \
  X(set_index, "setindex", 3, 0, 0, 0, 0, 0, "a[b] = c") \
  X(slice, "slice", 4, 1, 0, 0, 0, 0, "r = a[b:c:d]; None = left out") \
  X(tuple, "tuple", -1, 1, 0, 0, 0, 0, "r = (a, b, ...); `*a`: of what a iterates over") \
  X(list, "list", -1, 1, 0, 0, 0, 0, "r = [a, b, ...]") \
  X(dict, "dict", 0, 1, 0, 0, 0, 0, "r = {}") \
  X(append, "append", 2, 0, 0, 0, 0, 0, "a.append(b), in displays") \
  X(insert, "insert", 3, 0, 0, 0, 0, 0, "a[b] = c, in comprehensions") \
  X(insert_new, "insertnew", 3, 0, 0, 0, 0, 0, "a[b] = c, in displays: b twice is an error") \
  X(func, "func", -1, 1, 1, 0, 0, 0, "r = the function `name`; operands: its defaults") \
  X(call, "call", -1, 1, 0, 0, 1, 0, "r = a(b, key=c, *d, **e); with `name`: a.name(b, ...)") \
  X(unpack, "unpack", 1, 2, 0, 0, 0, 0, "r, s, ... = a") \
  X(iter, "iter", 1, 1, 0, 0, 0, 0, "r = an iteration over a") \
  X(next, "next", 1, 1, 0, 1, 0, 0, "r = next item of the iteration a; jumps when there is none") \
  X(end, "end", 1, 0, 0, 0, 0, 0, "ends the iteration a") \
  X(jump, "jump", 0, 0, 0, 1, 0, 1, "goes to the label") \
  X(jump_if, "jumpif", 1, 0, 0, 1, 0, 0, "goes to the label if a is true") \
  X(jump_not, "jumpnot", 1, 0, 0, 1, 0, 0, "goes to the label unless a is true") \
  X(ret, "return", 1, 0, 0, 0, 0, 1, "returns a") \
  X(load, "load", -1, 2, 1, 0, 0, 0, "r, s, ... = names from the file `name` (not in a plan)")

enum class Op : std::uint8_t {
#define X(id, ...) id,
  STARLARK_CORE_OPS(X)
#undef X
};

struct OpInfo {
  Op op;
  std::string_view text;
  int operands;  // -1: any number
  int results;   // 0, 1, 2 = any number
  bool has_name;
  bool has_label;
  bool may_suspend;
  bool terminator;
  std::string_view does;  // operands a, b, …; result r
};
const OpInfo& info(Op op);
const std::vector<OpInfo>& all_ops();
std::optional<Op> op_by_text(std::string_view text);

enum class OperandKind : std::uint8_t {
  none,
  local,        // index into Function::locals
  free,         // index into Function::free
  global,       // index into Function::names
  predeclared,  // index into Function::names
  temp,         // its number
  constant,     // index into Function::constants
};

// In a call: how the operand is passed. Elsewhere always positional.
enum class Role : std::uint8_t { positional, keyword, star, star_star };

struct Operand {
  OperandKind kind = OperandKind::none;
  Role role = Role::positional;
  std::uint16_t col = 0;    // where the argument begins, if known; not part of the text form
  std::uint32_t line = 0;   // counted like Instr::line
  std::uint32_t index = 0;
  std::uint32_t name = 0;   // Role::keyword: index into Function::names
};

// `line` counts from the function's `def` line (0 is that line itself), `col` from 1.
inline constexpr std::uint32_t kNone = 0xffffffff;
struct Instr {
  Op op = Op::ret;
  std::uint32_t line = 0;
  std::uint32_t col = 0;
  Operand dst;               // kind none if the operation has no single result
  std::uint32_t first = 0;   // operands: Function::operands[first, first + count)
  std::uint32_t count = 0;
  std::uint32_t targets = 0; // unpack, load: that many targets follow the operands
  std::uint32_t name = kNone;   // index into Function::names (attr, set_attr, func, load; call: method)
  std::uint32_t label = kNone;  // index into Function::labels
};

enum class ConstantKind : std::uint8_t { none, boolean, integer, big, floating, string, bytes };
struct Constant {
  ConstantKind kind = ConstantKind::none;
  std::int64_t i = 0;  // boolean, integer
  double f = 0;        // floating
  std::string s;       // string, bytes: the bytes; big: decimal digits with sign
  bool operator==(const Constant& o) const;  // floats by bits
};

enum class ParamKind : std::uint8_t { normal, keyword_only, star, star_star };
struct Param {
  ParamKind kind = ParamKind::normal;  // its name is locals[its position].name
  bool has_default = false;            // normal and keyword_only
};

struct Local {
  std::string name;  // comprehension variables are "x@1", "x@2"… within the outermost function
  bool cell = false;
};

// Order of params: normal, then star or keyword_only ones (star first), then star_star.
struct Function {
  std::string key;   // path in the source: "f", "f.g", "f.lambda@1"; "" is the module itself
  std::string name;  // "f", "lambda", "<toplevel>"
  std::uint32_t line = 0;  // of `def` or `lambda`, in the file; 0 for the module itself
  std::uint32_t col = 0;
  std::string doc;  // docstring as written, "" if there is none
  std::vector<Param> params;
  std::vector<Local> locals;
  std::vector<std::string> free;  // each names a local marked cell, or a free variable, of the function around
  std::vector<std::string> names;
  std::vector<Constant> constants;
  std::vector<Instr> code;
  std::vector<Operand> operands;
  std::vector<std::uint32_t> labels;  // label number -> index into code
};

// The functions of one source file, or those of them that a plan needs.
struct Module {
  std::string file;
  bool recursion = false;  // functions may call themselves
  std::vector<Function> functions;       // with the module's own code first, if it is there
  std::vector<std::string> globals;      // every global the functions name; order is slot order
  std::vector<bool> file_local;          // parallel to globals (shorter: false): bound by load(), not exported
  std::vector<std::string> loads;        // module names, in order, as written; for the host
  const Function* find(std::string_view key) const;
};

// The decimal digits of an integer literal, which may begin with 0x, 0o or 0b.
std::string big_decimal(std::string_view literal);

// Names of the globals, and of the predeclared names, which this function (not those it makes) reads
// or writes; sorted.
std::vector<std::string> globals_of(const Function& f);
std::vector<std::string> predeclared_of(const Function& f);
// Keys of the functions that `f` makes, in order.
std::vector<std::string> made_by(const Function& f);

}  // namespace starlark::core
