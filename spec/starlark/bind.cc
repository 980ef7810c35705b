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

// A call instruction. The result, if there is one at once, goes to the frame's waiting register.
bool Machine::call_site(const Lowered& code, const Site& site, Value* base, std::size_t top_at) {
  const std::int32_t* l = code.lists.data() + site.first;
  const Value* constants = code.constants.data();
  auto at = [&](std::size_t i) { return l[i] >= 0 ? base[l[i]] : constants[~l[i]]; };
  const std::size_t ret = s.frames.back().ret;
  Value callee = at(0), self;
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
  if (builtin == nullptr && is_kind(callee, Kind::builtin)) {
    builtin = builtin_of(callee);
    self = receiver_of(callee);
  }
  const bool plain = site.keywords == 0 && !site.star && !site.star_star;
  // The quick way: positional arguments only, straight into the new frame.
  if (plain && builtin == nullptr && is_kind(callee, Kind::function)) {
    auto* fn = as<FunctionObject>(callee);
    const Lowered& to = *fn->code;
    if (to.simple && site.positional <= to.normal && site.positional >= to.required) {
      if (s.values.size() < top_at + to.registers) {
        std::size_t offset = static_cast<std::size_t>(base - s.values.data());
        s.values.resize(2 * (top_at + to.registers) + 256);
        base = s.values.data() + offset;
      }
      Value* out = s.values.data() + top_at;
      for (std::uint32_t i = 0; i < site.positional; ++i) {
        std::int32_t from = l[i + 1];
        out[i] = from >= 0 ? base[from] : constants[~from];
      }
      for (std::uint32_t i = site.positional; i < to.normal; ++i) {
        out[i] = fn->slots()[to.params[i].default_index];
      }
      return enter(fn, top_at);
    }
  }
  std::vector<Value> many;
  Value few[8];
  std::vector<Keyword> kwargs;
  std::span<const Value> args;
  if (plain && site.positional <= 8) {
    for (std::uint32_t i = 0; i < site.positional; ++i) few[i] = at(i + 1);
    args = {few, site.positional};
  } else {
    std::uint32_t i = 1;
    for (; i <= site.positional; ++i) many.push_back(at(i));
    for (std::uint32_t k = 0; k < site.keywords; ++k, ++i) {
      kwargs.push_back({code.keyword_names[site.names + k], at(i)});
    }
    if (site.star) {
      Value star = at(i++);
      if (!is_iterable(star)) {
        fail(Code::type, "argument after * must be iterable, not " + std::string(type_name(star)));
        return false;
      }
      Call c = context();
      if (!ops::collect(c, star, many)) return false;
    }
    if (site.star_star) {
      Value dict = at(i);
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
    }
    args = many;
  }
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
