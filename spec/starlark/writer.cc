// SPDX-License-Identifier: Apache-2.0
//
// Values as text.
#include <cmath>

#include "spec/starlark/ints.h"
#include "spec/starlark/numbers.h"
#include "spec/starlark/objects.h"
#include "spec/starlark/program.h"
#include "spec/starlark/unicode.h"
#include "spec/starlark/values.h"

namespace starlark {

void Writer::add(std::string_view text) {
  if (full_ || text_.size() + text.size() > limit_) {
    full_ = true;
    return;
  }
  text_ += text;
}

void Writer::add(char c) { add(std::string_view(&c, 1)); }

std::string float_text(double d) {
  if (std::isnan(d)) return "nan";
  if (std::isinf(d)) return d > 0 ? "+inf" : "-inf";
  std::string text = shortest_double(d);
  if (text.find_first_of(".e") == std::string::npos) text += ".0";
  return text;
}

std::string quote_string(std::string_view s, bool bytes) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string out = bytes ? "b\"" : "\"";
  while (!s.empty()) {
    std::string_view rest = s;
    std::int32_t c;
    bool fine = decode_strict(rest, c);
    std::string_view one = s.substr(0, s.size() - rest.size());
    s = rest;
    static constexpr std::string_view kFrom = "\a\b\f\n\r\t\v\\\"";
    static constexpr std::string_view kTo = "abfnrtv\\\"";
    std::size_t simple = c < 0x80 ? kFrom.find(static_cast<char>(c)) : std::string_view::npos;
    if (simple != std::string_view::npos) {
      out += '\\';
      out += kTo[simple];
    } else if (fine && (c == ' ' || is_printable(c))) {
      out += one;
    } else if (fine && c >= 0x80) {
      char buffer[16];
      std::snprintf(buffer, sizeof buffer, c > 0xffff ? "\\U%08x" : "\\u%04x", static_cast<unsigned>(c));
      out += buffer;
    } else {
      for (char byte : one) {
        out += "\\x";
        out += kHex[(static_cast<unsigned char>(byte) >> 4) & 15];
        out += kHex[static_cast<unsigned char>(byte) & 15];
      }
    }
  }
  return out + '"';
}

void Writer::str(Value v) {
  if (is_string(v)) {
    add(to_string_view(v));
  } else if (is_kind(v, Kind::bytes)) {
    std::string out;
    std::string_view s = to_string_view(v);
    while (!s.empty()) encode(decode(s), out);
    add(out);
  } else if (is_kind(v, Kind::host)) {
    host_object(v)->str(*this);
  } else {
    repr(v);
  }
}

struct ReprState {
  // Opens a container; false if it is open already or too deep.
  static bool enter(Writer& w, Value v, std::string_view cyclic) {
    for (const Object* o : w.open_) {
      if (o == v.object()) {
        w.add(cyclic);
        return false;
      }
    }
    if (w.open_.size() > static_cast<std::size_t>(kMaxValueDepth) || w.full_) {
      w.add("...");
      return false;
    }
    w.open_.push_back(v.object());
    return true;
  }
  static void leave(Writer& w) { w.open_.pop_back(); }

  static void sequence(Writer& w, Value v) {
    bool list = v.object()->kind == Kind::list;
    if (!enter(w, v, list ? "[...]" : "(...)")) return;
    w.add(list ? '[' : '(');
    auto items = elements(v);
    for (std::size_t i = 0; i < items.size() && !w.full_; ++i) {
      if (i > 0) w.add(", ");
      w.repr(items[i]);
    }
    if (!list && items.size() == 1) w.add(',');
    w.add(list ? ']' : ')');
    leave(w);
  }

  static void table(Writer& w, Value v) {
    bool dict = v.object()->kind == Kind::dict;
    if (!enter(w, v, dict ? "{...}" : "set(...)")) return;
    w.add(dict ? "{" : "set([");
    std::size_t cursor = 0;
    Value key, value;
    for (bool first = true; !w.full_ && next_entry(v, cursor, key, value); first = false) {
      if (!first) w.add(", ");
      w.repr(key);
      if (!dict) continue;
      w.add(": ");
      w.repr(value);
    }
    w.add(dict ? "}" : "])");
    leave(w);
  }

  static void structure(Writer& w, Value v) {
    auto* s = as<StructObject>(v);
    if (!enter(w, v, "struct(...)")) return;
    if (s->constructor.valid()) {
      w.str(s->constructor);
    } else {
      w.add("struct");
    }
    w.add('(');
    for (std::uint64_t i = 0; i < s->count; ++i) {
      if (i > 0) w.add(", ");
      w.str(s->fields()[i].name);
      w.add(" = ");
      w.repr(s->fields()[i].value);
    }
    w.add(')');
    leave(w);
  }
};

void Writer::repr(Value v) {
  switch (kind_of(v)) {
    case Kind::none: return add("None");
    case Kind::boolean: return add(v.is_true() ? "True" : "False");
    case Kind::integer: return add(int_to_decimal(v));
    case Kind::floating: return add(float_text(float_value(v)));
    case Kind::string: return add(quote_string(to_string_view(v)));
    case Kind::bytes: return add(quote_string(to_string_view(v), true));
    case Kind::list:
    case Kind::tuple: return ReprState::sequence(*this, v);
    case Kind::dict:
    case Kind::set: return ReprState::table(*this, v);
    case Kind::range: {
      RangeInfo r = range_info(v);
      std::string out = "range(" + (r.start != 0 || r.step != 1 ? std::to_string(r.start) + ", " : "") +
                        std::to_string(r.stop);
      if (r.step != 1) out += ", " + std::to_string(r.step);
      return add(out + ")");
    }
    case Kind::function: return add("<function " + view_function(v).core->name + ">");
    case Kind::builtin: {
      std::string name(builtin_of(v)->name());
      if (receiver_of(v).valid()) {
        return add("<built-in method " + name + " of " + std::string(type_name(receiver_of(v))) +
                   " value>");
      }
      return add("<built-in function " + name + ">");
    }
    case Kind::structure: return ReprState::structure(*this, v);
    case Kind::module: {
      add("<module ");
      repr(constructor(v));
      return add(">");
    }
    case Kind::host: return host_object(v)->repr(*this);
    case Kind::string_view: {
      repr(as<ViewObject>(v)->string);
      static constexpr std::string_view kForms[] = {".elems()", ".elem_ords()", ".codepoints()",
                                                    ".codepoint_ords()"};
      return add(kForms[v.object()->flags]);
    }
    case Kind::cell: return add("cell");
  }
}

std::string repr(Value v) {
  Writer w;
  w.repr(v);
  return w.take();
}

std::string str(Value v) {
  Writer w;
  w.str(v);
  return w.take();
}

}  // namespace starlark
