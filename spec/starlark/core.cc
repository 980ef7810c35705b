// SPDX-License-Identifier: Apache-2.0
#include "spec/starlark/core.h"

#include <gmp.h>

#include <algorithm>
#include <bit>

namespace starlark::core {

const std::vector<OpInfo>& all_ops() {
  static const std::vector<OpInfo> ops = {
#define X(id, text, operands, results, name, label, suspends, terminator, does) \
  {Op::id, text, operands, results, name != 0, label != 0, suspends != 0, terminator != 0, does},
      STARLARK_CORE_OPS(X)
#undef X
  };
  return ops;
}

const OpInfo& info(Op op) { return all_ops()[static_cast<std::size_t>(op)]; }

std::optional<Op> op_by_text(std::string_view text) {
  for (const OpInfo& row : all_ops()) {
    if (row.text == text) return row.op;
  }
  return std::nullopt;
}

bool Constant::operator==(const Constant& o) const {
  return kind == o.kind && i == o.i && s == o.s &&
         std::bit_cast<std::uint64_t>(f) == std::bit_cast<std::uint64_t>(o.f);
}

const Function* Module::find(std::string_view key) const {
  for (const Function& f : functions) {
    if (f.key == key) return &f;
  }
  return nullptr;
}

std::string big_decimal(std::string_view literal) {
  int base = 10;
  if (literal.starts_with("0x")) base = 16;
  if (literal.starts_with("0o")) base = 8;
  if (literal.starts_with("0b")) base = 2;
  std::string digits(base == 10 ? literal : literal.substr(2));
  mpz_t z;
  mpz_init_set_str(z, digits.c_str(), base);
  std::string out(mpz_sizeinbase(z, 10) + 2, '\0');
  mpz_get_str(out.data(), 10, z);
  mpz_clear(z);
  out.resize(out.find('\0'));
  return out;
}

namespace {

std::vector<std::string> names_of(const Function& f, OperandKind kind) {
  std::vector<std::string> out;
  auto add = [&](const Operand& o) {
    if (o.kind == kind) out.push_back(f.names[o.index]);
  };
  for (const Instr& in : f.code) {
    add(in.dst);
    for (std::uint32_t i = 0; i < in.count + in.targets; ++i) add(f.operands[in.first + i]);
  }
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

}  // namespace

std::vector<std::string> globals_of(const Function& f) { return names_of(f, OperandKind::global); }
std::vector<std::string> predeclared_of(const Function& f) {
  return names_of(f, OperandKind::predeclared);
}

std::vector<std::string> made_by(const Function& f) {
  std::vector<std::string> out;
  for (const Instr& in : f.code) {
    if (in.op == Op::func) out.push_back(f.names[in.name]);
  }
  return out;
}

}  // namespace starlark::core
