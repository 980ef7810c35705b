// SPDX-License-Identifier: Apache-2.0
//
// Arithmetic, concatenation, repetition, set operations, comparison, membership.
#include "spec/starlark/ops.h"

#include <cmath>

#include "spec/starlark/ints.h"
#include "spec/starlark/objects.h"
#include "spec/starlark/values.h"

namespace starlark::ops {
namespace {

using core::Op;

std::string type(Value v) { return std::string(type_name(v)); }

std::string_view symbol(Op op) {
  switch (op) {
    case Op::add:
    case Op::iadd: return "+";
    case Op::sub: return "-";
    case Op::mul: return "*";
    case Op::div: return "/";
    case Op::floordiv: return "//";
    case Op::mod: return "%";
    case Op::bit_and: return "&";
    case Op::bit_or:
    case Op::ior: return "|";
    case Op::bit_xor: return "^";
    case Op::shl: return "<<";
    case Op::shr: return ">>";
    default: return "?";
  }
}

bool to_float(Call& c, Value v, double& out) {
  out = to_double(v);
  if (!is_float(v) && std::isinf(out)) {
    c.fail(Code::overflow, "int too large to convert to float");
    return false;
  }
  return true;
}

double float_floordiv(double x, double y) {
  double q = std::floor(x / y);
  return q;
}

double float_mod(double x, double y) {
  double r = std::fmod(x, y);
  if (r != 0 && (r < 0) != (y < 0)) r += y;
  return r;
}

Value floats(Call& c, Op op, Value a, Value b) {
  double x, y;
  if (!to_float(c, a, x) || !to_float(c, b, y)) return Value();
  switch (op) {
    case Op::add:
    case Op::iadd: return c.heap().floating(x + y);
    case Op::sub: return c.heap().floating(x - y);
    case Op::mul: return c.heap().floating(x * y);
    case Op::div:
      if (y == 0) return c.fail(Code::division, "floating-point division by zero");
      return c.heap().floating(x / y);
    case Op::floordiv:
      if (y == 0) return c.fail(Code::division, "floored division by zero");
      return c.heap().floating(float_floordiv(x, y));
    case Op::mod:
      if (y == 0) return c.fail(Code::division, "floating-point modulo by zero");
      return c.heap().floating(float_mod(x, y));
    default: return Value();
  }
}

Value shift(Call& c, Op op, Value a, Value b) {
  auto n = to_int64(b);
  if (int_sign(b) < 0) return c.fail(Code::value, "negative shift count: " + int_to_decimal(b));
  if (op == Op::shr) {
    if (!n || *n > (std::int64_t{1} << 32)) return Value::small_int(int_sign(a) < 0 ? -1 : 0);
    return int_shr(c.heap(), a, static_cast<std::size_t>(*n));
  }
  if (!n || *n >= 512) return c.fail(Code::overflow, "shift count too large: " + int_to_decimal(b));
  Value r = int_shl(c.heap(), a, static_cast<std::size_t>(*n));
  return r.valid() ? r : c.fail(Code::overflow, "int too large");
}

Value ints(Call& c, Op op, Value a, Value b) {
  Heap& h = c.heap();
  Value r;
  if (std::uint64_t x = int_words(a), y = int_words(b); x + y > 64 && !c.charge((x + y) / 8 + x * y / 1024)) {
    return Value();
  }
  switch (op) {
    case Op::add:
    case Op::iadd: r = int_add(h, a, b); break;
    case Op::sub: r = int_sub(h, a, b); break;
    case Op::mul: r = int_mul(h, a, b); break;
    case Op::div: return floats(c, op, a, b);
    case Op::floordiv:
      if (int_sign(b) == 0) return c.fail(Code::division, "floored division by zero");
      r = int_floordiv(h, a, b);
      break;
    case Op::mod:
      if (int_sign(b) == 0) return c.fail(Code::division, "integer modulo by zero");
      r = int_mod(h, a, b);
      break;
    case Op::bit_and: r = int_and(h, a, b); break;
    case Op::bit_or:
    case Op::ior: r = int_or(h, a, b); break;
    case Op::bit_xor: r = int_xor(h, a, b); break;
    default: return shift(c, op, a, b);
  }
  return r.valid() ? r : c.fail(Code::overflow, "int too large");
}

Value repeat(Call& c, Value x, Value count) {
  auto n = to_int64(count);
  std::size_t size = length(x);
  if (int_sign(count) <= 0) n = 0;
  if (!n || *n > 0x3fffffff) {
    return c.fail(Code::overflow, "repeat count " + int_to_decimal(count) + " too large");
  }
  auto times = static_cast<std::size_t>(*n);
  Kind k = kind_of(x);
  bool text = k == Kind::string || k == Kind::bytes;
  std::size_t most = text ? kMaxString : kMaxString / 8;
  if (size > 0 && times > most / size) {
    return c.fail(Code::overflow, "excessive repeat (" + std::to_string(size) + " * " +
                                      std::to_string(times) + " elements)");
  }
  std::size_t total = size * times;
  if (!c.need_bytes(total * (text ? 1 : 8)) || !c.charge(total / 8)) return Value();
  if (text) {
    char* data;
    Value out = new_string(c.heap(), k, total, data);
    std::string_view s = to_string_view(x);
    if (s.size() == 1) {
      std::memset(data, s[0], total);
    } else {
      for (std::size_t i = 0; i < times && size > 0; ++i) std::memcpy(data + i * size, s.data(), size);
    }
    return out;
  }
  Value out = k == Kind::list ? new_list(c.heap(), total) : new_tuple(c.heap(), total);
  if (!out.valid()) return c.fail(Code::memory, "out of memory: the memory budget is used up");
  Value* to = k == Kind::list ? as<ListObject>(out)->items : as<TupleObject>(out)->items();
  auto from = elements(x);
  for (std::size_t i = 0; i < times; ++i) std::copy(from.begin(), from.end(), to + i * size);
  if (k == Kind::list) as<ListObject>(out)->size = static_cast<std::uint32_t>(total);
  return out;
}

Value join_sequences(Call& c, Value a, Value b) {
  auto x = elements(a), y = elements(b);
  std::size_t n = x.size() + y.size();
  bool list = kind_of(a) == Kind::list;
  if (!c.charge(n / 16)) return Value();
  Value out = list ? new_list(c.heap(), n) : new_tuple(c.heap(), n);
  if (!out.valid()) return c.fail(Code::memory, "out of memory: the memory budget is used up");
  Value* to = list ? as<ListObject>(out)->items : as<TupleObject>(out)->items();
  if (n > 0) std::copy(y.begin(), y.end(), std::copy(x.begin(), x.end(), to));
  if (list) as<ListObject>(out)->size = static_cast<std::uint32_t>(n);
  return out;
}

Value copy_table(Call& c, Value from) {
  auto* t = as<TableObject>(from);
  if (!c.charge(t->used / 4)) return Value();
  Value out = new_table(c.heap(), t->kind);
  Refused r = table_reserve(c.heap(), as<TableObject>(out), t->live);
  for (std::uint32_t i = 0; i < t->used && r == Refused::no; ++i) {
    TableEntry& e = t->entries[i];
    if (e.key.valid()) r = table_insert(c.heap(), as<TableObject>(out), e.key, e.hash, e.value);
  }
  return r == Refused::no ? out : c.refuse(r, "insert into", out);
}

bool merge(Call& c, Value into, Value from) {
  auto* t = as<TableObject>(from);
  if (!c.charge(t->used / 4)) return false;
  Refused r = Refused::no;
  for (std::uint32_t i = 0; i < t->used && r == Refused::no; ++i) {
    TableEntry e = t->entries[i];
    if (e.key.valid()) r = table_insert(c.heap(), as<TableObject>(into), e.key, e.hash, e.value);
  }
  if (r != Refused::no) c.refuse(r, "insert into", into);
  return r == Refused::no;
}

// a & b, a - b, a ^ b
Value set_algebra(Call& c, Op op, Value a, Value b) {
  Value out = new_table(c.heap(), Kind::set);
  if (!c.charge((std::uint64_t{as<TableObject>(a)->used} + as<TableObject>(b)->used) / 4)) return Value();
  auto pick = [&](Value from, Value other, bool wanted) {
    auto *t = as<TableObject>(from), *o = as<TableObject>(other);
    for (std::uint32_t i = 0; i < t->used; ++i) {
      TableEntry& e = t->entries[i];
      if (!e.key.valid()) continue;
      TableEntry* found;
      if (table_find(o, e.key, e.hash, found) != Refused::no) return false;
      if ((found != nullptr) == wanted &&
          table_insert(c.heap(), as<TableObject>(out), e.key, e.hash, Value::none()) != Refused::no) {
        return false;
      }
    }
    return true;
  };
  bool fine = op == Op::bit_and ? pick(a, b, true) : pick(a, b, false);
  if (fine && op == Op::bit_xor) fine = pick(b, a, false);
  return fine ? out : c.refuse(Refused::memory, "insert into", out);
}

Binary host_op(Op op) {
  switch (op) {
    case Op::add:
    case Op::iadd: return Binary::add;
    case Op::sub: return Binary::sub;
    case Op::mul: return Binary::mul;
    case Op::div: return Binary::div;
    case Op::floordiv: return Binary::floordiv;
    case Op::mod: return Binary::mod;
    case Op::bit_and: return Binary::bit_and;
    case Op::bit_or:
    case Op::ior: return Binary::bit_or;
    case Op::bit_xor: return Binary::bit_xor;
    case Op::shl: return Binary::shl;
    default: return Binary::shr;
  }
}

Value unknown(Call& c, Op op, Value a, Value b) {
  for (bool left : {true, false}) {
    Value mine = left ? a : b, other = left ? b : a;
    if (!is_kind(mine, Kind::host)) continue;
    Value r = host_object(mine)->binary(c, host_op(op), other, left);
    if (r.valid() || c.has_error()) return r;
  }
  return c.fail(Code::type, "unknown binary op: " + type(a) + " " + std::string(symbol(op)) + " " +
                                type(b));
}

Value structs(Call& c, Value a, Value b) {
  auto *x = as<StructObject>(a), *y = as<StructObject>(b);
  bool same = x->constructor.valid() == y->constructor.valid() &&
              (!x->constructor.valid() || equal(x->constructor, y->constructor).value_or(false));
  if (!same) {
    auto name = [](StructObject* s) { return s->constructor.valid() ? str(s->constructor) : "struct"; };
    return c.fail(Code::type, "cannot add structs of different constructors: " + name(x) + " + " +
                                  name(y));
  }
  std::vector<Keyword> all(x->fields(), x->fields() + x->count);
  for (std::uint64_t i = 0; i < y->count; ++i) {
    Keyword& f = y->fields()[i];
    bool replaced = false;
    for (Keyword& k : all) {
      if (same_string(as<StringObject>(k.name), as<StringObject>(f.name))) {
        k.value = f.value;
        replaced = true;
      }
    }
    if (!replaced) all.push_back(f);
  }
  return c.heap().structure(all, x->constructor);
}

}  // namespace

Value binary(Call& c, Op op, Value a, Value b) {
  const bool ia = is_int(a), ib = is_int(b);
  if (ia && ib) return ints(c, op, a, b);
  const bool arithmetic = op == Op::add || op == Op::iadd || op == Op::sub || op == Op::mul ||
                          op == Op::div || op == Op::floordiv || op == Op::mod;
  if (arithmetic && (ia || is_float(a)) && (ib || is_float(b))) return floats(c, op, a, b);
  const Kind ka = kind_of(a), kb = kind_of(b);
  switch (op) {
    case Op::add:
    case Op::iadd:
      if (op == Op::iadd && ka == Kind::list && (is_iterable(b) && kb != Kind::host)) {
        return extend(c, a, b, "apply += to") ? a : Value();
      }
      if (ka == kb) {
        if (ka == Kind::string || ka == Kind::bytes) {
          auto *x = as<StringObject>(a), *y = as<StringObject>(b);
          if (y->size == 0) return a;
          if (x->size == 0) return b;
          if (std::size_t{x->size} + y->size > kMaxString) return c.fail(Code::overflow, "string too large");
          Value r = concat(c.heap(), ka, x, y);
          return r.valid() ? r : c.refuse(Refused::memory, "", a);
        }
        if (ka == Kind::list || ka == Kind::tuple) return join_sequences(c, a, b);
        if (ka == Kind::structure) return structs(c, a, b);
      }
      break;
    case Op::mul: {
      auto sequence = [](Kind k) {
        return k == Kind::string || k == Kind::bytes || k == Kind::list || k == Kind::tuple;
      };
      if (sequence(ka) && ib) return repeat(c, a, b);
      if (ia && sequence(kb)) return repeat(c, b, a);
      break;
    }
    case Op::mod:
      if (ka == Kind::string) return format_percent(c, a, b);
      break;
    case Op::ior:
      if (ka == Kind::dict && kb == Kind::dict) {
        if (Refused r = changeable(c.heap(), a.object()); r != Refused::no) {
          return c.refuse(r, "apply |= to", a);
        }
        return a.same(b) || merge(c, a, b) ? a : Value();
      }
      [[fallthrough]];
    case Op::bit_or:
      if (ka == kb && (ka == Kind::dict || ka == Kind::set)) {
        Value out = copy_table(c, a);
        return out.valid() && merge(c, out, b) ? out : Value();
      }
      break;
    case Op::bit_and:
    case Op::bit_xor:
    case Op::sub:
      if (ka == Kind::set && kb == Kind::set) return set_algebra(c, op, a, b);
      break;
    default: break;
  }
  return unknown(c, op, a, b);
}

Value compare(Call& c, Op op, Value a, Value b) {
  std::uint64_t work = 0;
  if (op == Op::eq || op == Op::ne) {
    auto same = equal(a, b, &work);
    if (!c.charge(work / 8)) return Value();
    if (!same) return c.fail(Code::depth, "comparison exceeded maximum recursion depth");
    return Value::boolean(*same == (op == Op::eq));
  }
  if (kind_of(a) == Kind::set && kind_of(b) == Kind::set) {
    bool less = op == Op::lt || op == Op::le;
    Value small = less ? a : b, big = less ? b : a;
    bool subset = length(small) < length(big) ||
                  (length(small) == length(big) && (op == Op::le || op == Op::ge));
    std::size_t cursor = 0;
    Value key, ignored;
    if (!c.charge(subset ? length(small) / 4 : 0)) return Value();
    while (subset && next_entry(small, cursor, key, ignored)) {
      TableEntry* e;
      subset = table_find(as<TableObject>(big), key, *hash(key), e) == Refused::no && e != nullptr;
    }
    return Value::boolean(subset);
  }
  auto order = starlark::compare(a, b, &work);
  if (!c.charge(work / 8)) return Value();
  if (!order) {
    if (order.error().code != Code::type) return c.fail(order.error());
    // It names the values that have no order, which may lie inside of a and b.
    std::string text = order.error().message;
    std::string_view sign = op == Op::lt ? "<" : op == Op::le ? "<=" : op == Op::gt ? ">" : ">=";
    if (std::size_t at = text.find(" < "); at != std::string::npos) text.replace(at + 1, 1, sign);
    return c.fail(Code::type, std::move(text));
  }
  switch (op) {
    case Op::lt: return Value::boolean(*order < 0);
    case Op::le: return Value::boolean(*order <= 0);
    case Op::gt: return Value::boolean(*order > 0);
    default: return Value::boolean(*order >= 0);
  }
}

Value contains(Call& c, Value item, Value container) {
  switch (kind_of(container)) {
    case Kind::string:
      if (!is_string(item)) {
        return c.fail(Code::type, "'in <string>' requires string as left operand, not " + type(item));
      }
      if (!c.charge(length(container) / 32)) return Value();
      return Value::boolean(to_string_view(container).find(to_string_view(item)) != std::string_view::npos);
    case Kind::bytes: {
      std::string_view s = to_string_view(container);
      if (!c.charge(s.size() / 32)) return Value();
      if (is_kind(item, Kind::bytes)) return Value::boolean(s.find(to_string_view(item)) != std::string_view::npos);
      if (!is_int(item)) {
        return c.fail(Code::type, "'in bytes' requires bytes or int as left operand, not " + type(item));
      }
      auto n = to_int64(item);
      if (!n || *n < 0 || *n > 255) {
        return c.fail(Code::value, "int in bytes: " + int_to_decimal(item) + " out of range");
      }
      return Value::boolean(s.find(static_cast<char>(*n)) != std::string_view::npos);
    }
    case Kind::list:
    case Kind::tuple:
      for (std::uint64_t work = 0; Value v : elements(container)) {
        auto same = equal(v, item, &++work);
        if (!same) return c.fail(Code::depth, "comparison exceeded maximum recursion depth");
        if (*same) return c.charge(work / 8) ? Value::boolean(true) : Value();
        if (work < 4096) continue;
        if (!c.charge(work / 8)) return Value();
        work = 0;
      }
      return c.charge(length(container) % 4096 / 8) ? Value::boolean(false) : Value();
    case Kind::dict:
    case Kind::set: {
      std::string_view why;
      auto h = hash(item, &why);
      if (!h && kind_of(container) == Kind::dict) return Value::boolean(false);
      if (!h) return c.fail(Code::unhashable, "unhashable type: " + std::string(why));
      TableEntry* e;
      if (table_find(as<TableObject>(container), item, *h, e) != Refused::no) {
        return c.fail(Code::depth, "comparison exceeded maximum recursion depth");
      }
      return Value::boolean(e != nullptr);
    }
    case Kind::range: {
      if (is_float(item)) {
        double d = float_value(item);
        if (d != std::floor(d) || std::fabs(d) > 9e18) return Value::boolean(false);
        item = int_from_double(c.heap(), d);
      }
      if (!is_int(item)) {
        return c.fail(Code::type, "'in <range>' requires integer as left operand, not " + type(item));
      }
      auto n = to_int64(item);
      RangeInfo r = range_info(container);
      if (!n || r.length == 0) return Value::boolean(false);
      __int128 delta = static_cast<__int128>(*n) - r.start;
      return Value::boolean(delta % r.step == 0 && delta / r.step >= 0 && delta / r.step < r.length);
    }
    case Kind::host:
      if (auto r = host_object(container)->contains(item)) return Value::boolean(*r);
      break;
    default: break;
  }
  return c.fail(Code::type, "unknown binary op: " + type(item) + " in " + type(container));
}

Value unary(Call& c, Op op, Value a) {
  if (is_int(a)) {
    if (op == Op::neg) return int_neg(c.heap(), a);
    return op == Op::pos ? a : int_inv(c.heap(), a);
  }
  if (is_float(a) && op != Op::inv) {
    return op == Op::pos ? a : c.heap().floating(-float_value(a));
  }
  std::string_view sign = op == Op::neg ? "-" : op == Op::pos ? "+" : "~";
  return c.fail(Code::type, "unknown unary op: " + std::string(sign) + type(a));
}

bool collect(Call& c, Value iterable, std::vector<Value>& out) {
  Iterate it(c.heap(), iterable);
  if (!it.ok()) {
    c.fail(Code::type, type(iterable) + " value is not iterable");
    return false;
  }
  std::int64_t n = it.expected();
  if (n > 0 && (!c.need_bytes(static_cast<std::uint64_t>(n) * 8) || !c.charge(static_cast<std::uint64_t>(n) / 8))) {
    return false;
  }
  if (n > 0) out.reserve(out.size() + static_cast<std::size_t>(n));
  Value v;
  while (it.next(v)) {
    if ((out.size() & 1023) == 1023 && (!c.charge(128) || !c.need_bytes(out.size() * 8))) return false;
    out.push_back(v);
  }
  return true;
}

}  // namespace starlark::ops
