// SPDX-License-Identifier: Apache-2.0
//
// Verified symbolic code to the VM's private bytecode: fixed-size instructions over the registers of
// a frame (locals, then temporaries, then four for each open iteration). Nothing of this is stored.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

#include "spec/starlark/core.h"
#include "spec/starlark/heap.h"
#include "spec/starlark/program.h"

namespace starlark {

// R: register, K: constant number, S: slot of a global or predeclared name.
// format is b % (…) without the tuple, its c operands in the list at d.
// add_own is a = a + c for a local; each other instruction that reads such a local stands behind a
// `share` of it. So what add_own made is nowhere else until then, and may grow where it is.
// Binary operations come as a=b?c (RR) and, for + and -, with a small constant in d (RI).
#define STARLARK_VM_OPS(X)                                                                       \
  X(move) X(load_const) X(load_global) X(store_global) X(load_free) X(load_cell) X(store_cell)   \
  X(check_local)                                                                                 \
  X(add) X(add_own) X(share) X(add_int) X(sub) X(sub_int) X(mul) X(floordiv) X(mod) X(format) X(binary)                        \
  X(eq) X(ne) X(lt) X(le) X(gt) X(ge)                                                            \
  X(jump_eq) X(jump_ne) X(jump_lt) X(jump_le) X(jump_gt) X(jump_ge)                              \
  X(op_not) X(unary) X(contains) X(attr) X(check_attr) X(set_attr) X(index) X(set_index) X(slice)              \
  X(tuple) X(list) X(list_to_tuple) X(dict) X(append) X(insert) X(insert_new) X(func)            \
  X(call) X(call_method) X(call_any) X(unpack) X(iter) X(next) X(next_loop) X(end_iter)          \
  X(jump) X(jump_back) X(jump_if) X(jump_not) X(ret) X(ret_const) X(load)

enum class VmOp : std::uint16_t {
#define X(id) id,
  STARLARK_VM_OPS(X)
#undef X
};

inline constexpr std::uint32_t kFormatOperands = 8;  // of `format`; with more the tuple is made

struct Ins {
  VmOp op;
  std::uint16_t a = 0, b = 0, c = 0;
  std::int32_t d = 0;  // jump target, constant, slot, small int, call site
  std::int32_t e = 0;  // second of these; attr: where the field was last (field_hint)
};
static_assert(sizeof(Ins) == 16);

// Operands of calls, displays and unpacking: a register, or ~constant where negative.
struct Site {
  std::uint32_t first = 0;        // in Lowered::lists: callee, positional, keywords, *, **
  std::uint32_t positional = 0;
  std::uint32_t keywords = 0;     // their names are in Lowered::keyword_names from `names` on
  std::uint32_t names = 0;
  bool star = false, star_star = false;
  Value method;                   // name, or no value
  const Builtin* methods[kKindCount] = {};  // by the receiver's kind
  std::uint32_t instr = 0;        // in core::Function::code, for places of arguments
};

struct IterRange {  // while begin <= pc < end, an iteration is open in `reg`
  std::uint32_t begin, end;
  std::uint16_t reg;
};

struct ParamSlot {
  Value name;
  core::ParamKind kind;
  std::int32_t default_index;  // among the defaults, or -1
};

struct Lowered {
  const core::Function* core = nullptr;
  std::uint32_t core_index = 0;
  std::uint32_t id = 0;
  std::vector<Ins> code;
  std::vector<std::uint32_t> origin;  // pc -> index into core code
  std::vector<Value> constants;
  std::vector<std::int32_t> lists;
  std::vector<Value> keyword_names;
  std::vector<Site> sites;
  std::vector<IterRange> iterations;
  std::vector<ParamSlot> params;
  std::uint32_t registers = 0;
  std::uint32_t normal = 0;      // parameters of ParamKind::normal
  std::uint32_t required = 0;    // of these, without a default
  std::uint32_t defaults = 0;
  bool direct = false;           // neither *args nor **kwargs
  bool clear_locals = false;     // some local may be read before it is assigned
  bool recursion = false;
  std::vector<std::uint16_t> cells;  // locals that are cells
  // func: what to make
  struct Made {
    const Lowered* code;
    std::vector<std::int32_t> free;  // register of a cell, or ~index of an own free variable
  };
  std::vector<Made> made;
};

struct Program::Image {
  Heap heap;
  std::unordered_map<std::string_view, Value> strings;  // names and literals: equal ones are the same
  std::vector<std::unique_ptr<Lowered>> functions;  // as core().functions
  std::unordered_map<std::string_view, std::uint32_t> by_key;
  std::vector<std::string> slots;  // globals, then predeclared names
  std::unordered_map<std::string_view, std::uint32_t> global_slot, predeclared_slot;
};

// Fills in image.functions from the module; both must stay where they are.
void lower(const core::Module& module, Program::Image& image);

}  // namespace starlark
