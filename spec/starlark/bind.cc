// SPDX-License-Identifier: Apache-2.0
//
// Arguments to parameters: of Starlark functions here, of built-ins in call.cc.
#include <algorithm>

#include "spec/starlark/machine.h"
#include "spec/starlark/ops.h"
#include "spec/starlark/values.h"

namespace starlark {
namespace {

std::string plural(std::size_t n, std::string_view word) {
  return std::to_string(n) + " " + std::string(word) + (n == 1 ? "" : "s");
}

std::string missing_text(const Lowered& code, const std::vector<std::size_t>& missing) {
  std::string names;
  for (std::size_t i : missing) {
    names += (names.empty() ? "" : ", ") + std::string(to_string_view(code.params[i].name));
  }
  return "function " + code.core->name + " missing " + plural(missing.size(), "argument") + " (" +
         names + ")";
}

std::string accepts_text(const Lowered& code, std::size_t given) {
  std::string head = "function " + code.core->name + " accepts ";
  if (code.params.empty()) return head + "no arguments (" + std::to_string(given) + " given)";
  bool at_most = code.required < code.normal;
  return head + (at_most ? "at most " : "") + plural(code.normal, "positional argument") + " (" +
         std::to_string(given) + " given)";
}

}  // namespace

// Puts the arguments where the frame's registers will begin. The spans do not lie there.
bool Machine::bind(FunctionObject* fn, std::span<const Value> args, std::span<const Keyword> kwargs,
                   std::size_t base) {
  const Lowered& code = *fn->code;
  if (s.values.size() < base + code.registers) {
    s.values.resize(2 * (base + code.registers) + 256);
  }
  Value* out = s.values.data() + base;
  const std::size_t n = code.params.size();
  std::fill(out, out + n, Value());
  const bool has_star = code.normal < n && code.params[code.normal].kind == core::ParamKind::star;
  const bool has_kwargs = n > 0 && code.params[n - 1].kind == core::ParamKind::star_star;
  const std::size_t direct = std::min<std::size_t>(args.size(), code.normal);
  std::copy(args.begin(), args.begin() + static_cast<std::ptrdiff_t>(direct), out);
  if (args.size() > direct && !has_star) {
    fail(Code::call, accepts_text(code, args.size()));
    return false;
  }
  if (has_star) out[code.normal] = heap.tuple(args.subspan(direct));
  Value extra;
  if (has_kwargs) out[n - 1] = extra = heap.dict();
  for (const Keyword& k : kwargs) {
    std::size_t i = 0;
    for (; i < n; ++i) {
      core::ParamKind kind = code.params[i].kind;
      if (kind != core::ParamKind::normal && kind != core::ParamKind::keyword_only) continue;
      Value name = code.params[i].name;
      if (name.same(k.name) || same_string(as<StringObject>(name), as<StringObject>(k.name))) break;
    }
    std::string_view name = to_string_view(k.name);
    if (i < n) {
      if (out[i].valid()) {
        fail(Code::call, "function " + code.core->name + " got multiple values for parameter \"" +
                             std::string(name) + "\"");
        return false;
      }
      out[i] = k.value;
    } else if (has_kwargs) {
      auto* t = as<TableObject>(extra);
      std::uint32_t before = t->live;
      heap.dict_set(extra, k.name, k.value);
      if (t->live == before) {
        fail(Code::call, "function " + code.core->name + " got multiple values for parameter \"" +
                             std::string(name) + "\"");
        return false;
      }
    } else {
      std::vector<std::string_view> known;
      for (const ParamSlot& p : code.params) known.push_back(to_string_view(p.name));
      fail(Code::call, "function " + code.core->name + " got an unexpected keyword argument \"" +
                           std::string(name) + "\"", did_you_mean(name, known));
      return false;
    }
  }
  std::vector<std::size_t> missing;
  for (std::size_t i = 0; i < n; ++i) {
    if (out[i].valid()) continue;
    if (code.params[i].default_index >= 0) {
      out[i] = fn->slots()[code.params[i].default_index];
    } else {
      missing.push_back(i);
    }
  }
  if (missing.empty()) return true;
  fail(Code::call, missing_text(code, missing));
  return false;
}

namespace {

// A site's operands: registers and constants.
struct Operands {
  const std::int32_t* list;
  const Value* base;
  const Value* constants;
  Operands(const Lowered& code, const Site& site, const Value* registers)
      : list(code.lists.data() + site.first), base(registers), constants(code.constants.data()) {}
  Value at(std::size_t i) const { return list[i] >= 0 ? base[list[i]] : constants[~list[i]]; }
};

// The parameter of that name, or params.size(). Keywords mostly come in the order of the parameters,
// and names of one program are the same objects.
std::size_t parameter(const Lowered& to, Value name, std::size_t likely) {
  const std::size_t n = to.params.size();
  if (likely < n && to.params[likely].name.same(name)) return likely;
  for (std::size_t i = 0; i < n; ++i) {
    if (to.params[i].name.same(name)) return i;
  }
  for (std::size_t i = 0; i < n; ++i) {
    if (same_string(as<StringObject>(to.params[i].name), as<StringObject>(name))) return i;
  }
  return n;
}

// The site's keywords, then defaults; false: something is wrong, the general way says what.
bool fill_named(const Lowered& code, const Site& site, const Operands& from, FunctionObject* fn,
                Value* out) {
  const Lowered& to = *fn->code;
  const std::size_t n = to.params.size();
  std::fill(out + site.positional, out + n, Value());
  for (std::uint32_t k = 0; k < site.keywords; ++k) {
    std::size_t i = parameter(to, code.keyword_names[site.names + k], site.positional + k);
    if (i == n || out[i].valid()) return false;
    out[i] = from.at(1 + site.positional + k);
  }
  for (std::size_t i = site.positional; i < n; ++i) {
    if (out[i].valid()) continue;
    if (to.params[i].default_index < 0) return false;
    out[i] = fn->slots()[to.params[i].default_index];
  }
  return true;
}

}  // namespace

// Arguments straight into the new frame, without a look at their names where there are none. False:
// the error is set. Not `entered`: the general way must do it, or say what is wrong.
bool Machine::enter_directly(const Lowered& code, const Site& site, std::size_t base,
                             FunctionObject* fn, std::size_t top_at, bool& entered) {
  const Lowered& to = *fn->code;
  entered = false;
  if (!to.direct || site.star || site.star_star || site.positional > to.normal) return true;
  if (s.values.size() < top_at + to.registers) s.values.resize(2 * (top_at + to.registers) + 256);
  Operands from(code, site, s.values.data() + base);
  Value* out = s.values.data() + top_at;
  for (std::uint32_t i = 0; i < site.positional; ++i) out[i] = from.at(i + 1);
  if ((site.keywords > 0 || site.positional < to.params.size()) &&
      !fill_named(code, site, from, fn, out)) {
    return true;
  }
  entered = true;
  return enter(fn, top_at);
}

// A call instruction. The result, if there is one at once, goes to the frame's waiting register.
bool Machine::call_site(const Lowered& code, const Site& site, Value* base, std::size_t top_at) {
  Operands operand(code, site, base);
  Value callee = operand.at(0), self;
  const Builtin* builtin = nullptr;
  if (site.method.valid()) {
    builtin = site.methods[static_cast<int>(kind_of(callee))];
    if (builtin != nullptr) {
      self = callee;
    } else {
      Call c = context();
      callee = ops::attribute(c, callee, site.method);
      if (!callee.valid()) return false;
    }
  }
  if (builtin == nullptr) {
    if (is_kind(callee, Kind::function)) {
      bool entered;
      auto base_at = static_cast<std::size_t>(base - s.values.data());
      bool fine = enter_directly(code, site, base_at, as<FunctionObject>(callee), top_at, entered);
      if (entered || !fine) return fine;
      operand.base = s.values.data() + base_at;
    } else if (is_kind(callee, Kind::builtin)) {
      builtin = builtin_of(callee);
      self = receiver_of(callee);
    }
  }
  constexpr std::uint32_t kFew = 8;
  if (site.star || site.star_star || site.positional > kFew || site.keywords > kFew) {
    std::vector<Value> args;
    std::vector<Keyword> kwargs;
    return spread(code, site, operand.base, args, kwargs) &&
           call_with(callee, builtin, self, args, kwargs, top_at);
  }
  Value args[kFew];
  for (std::uint32_t i = 0; i < site.positional; ++i) args[i] = operand.at(i + 1);
  if (site.keywords == 0) return call_with(callee, builtin, self, {args, site.positional}, {}, top_at);
  Keyword kwargs[kFew];
  for (std::uint32_t k = 0; k < site.keywords; ++k) {
    kwargs[k] = {code.keyword_names[site.names + k], operand.at(1 + site.positional + k)};
  }
  return call_with(callee, builtin, self, {args, site.positional}, {kwargs, site.keywords}, top_at);
}

// All arguments of a site, with * and ** opened.
bool Machine::spread(const Lowered& code, const Site& site, const Value* base,
                     std::vector<Value>& args, std::vector<Keyword>& kwargs) {
  Operands operand(code, site, base);
  std::uint32_t i = 1;
  for (; i <= site.positional; ++i) args.push_back(operand.at(i));
  for (std::uint32_t k = 0; k < site.keywords; ++k, ++i) {
    kwargs.push_back({code.keyword_names[site.names + k], operand.at(i)});
  }
  if (site.star) {
    Value star = operand.at(i++);
    if (!is_iterable(star)) {
      fail(Code::type, "argument after * must be iterable, not " + std::string(type_name(star)));
      return false;
    }
    Call c = context();
    if (!ops::collect(c, star, args)) return false;
  }
  if (!site.star_star) return true;
  Value dict = operand.at(i);
  if (!is_kind(dict, Kind::dict)) {
    fail(Code::type, "argument after ** must be a mapping, not " + std::string(type_name(dict)));
    return false;
  }
  std::size_t cursor = 0;
  Keyword k;
  while (next_entry(dict, cursor, k.name, k.value)) {
    if (!is_string(k.name)) {
      fail(Code::type, "keywords must be strings, not " + std::string(type_name(k.name)));
      return false;
    }
    kwargs.push_back(k);
  }
  return true;
}

bool Machine::call_with(Value callee, const Builtin* builtin, Value self, std::span<const Value> args,
                        std::span<const Keyword> kwargs, std::size_t top_at) {
  const std::size_t ret = s.frames.back().ret;
  Value out;
  if (builtin != nullptr) {
    if (!call_builtin(*builtin, self, args, kwargs, out)) return false;
  } else if (is_kind(callee, Kind::function)) {
    auto* fn = as<FunctionObject>(callee);
    return bind(fn, args, kwargs, top_at) && enter(fn, top_at);
  } else if (is_kind(callee, Kind::host) && host_object(callee)->callable()) {
    if (!call_host(callee, args, kwargs, out)) return false;
  } else {
    fail(Code::type, "invalid call of non-function (" + std::string(type_name(callee)) + ")");
    return false;
  }
  s.values[s.frames.back().base + ret] = out;
  return true;
}

}  // namespace starlark
