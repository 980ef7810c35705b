// SPDX-License-Identifier: Apache-2.0
//
// The module `json`: encode, decode, indent, encode_indent.
#include <algorithm>
#include <cmath>

#include "spec/starlark/builtin_tables.h"
#include "spec/starlark/builtins.h"
#include "spec/starlark/ints.h"
#include "spec/starlark/numbers.h"
#include "spec/starlark/objects.h"
#include "spec/starlark/unicode.h"
#include "spec/starlark/values.h"

namespace starlark {
namespace {

using View = std::string_view;

std::string json_quote(View s) {
  std::string out = "\"";
  while (!s.empty()) {
    std::int32_t x = decode(s);
    switch (x) {
      case '"': out += "\\\""; break;
      case '\\': out += "\\\\"; break;
      case '\n': out += "\\n"; break;
      case '\r': out += "\\r"; break;
      case '\t': out += "\\t"; break;
      case '\b': out += "\\b"; break;
      case '\f': out += "\\f"; break;
      default:
        if (x < 0x20) {
          char buffer[8];
          std::snprintf(buffer, sizeof buffer, "\\u%04x", static_cast<unsigned>(x));
          out += buffer;
        } else {
          encode(x, out);
        }
    }
  }
  return out + '"';
}

struct Encoder {
  Heap& heap;  // of what iterations make
  Writer out;
  std::string why = {};
  std::vector<const Object*> open = {};

  bool fail(std::string message) {
    why = std::move(message);
    return false;
  }
  bool enter(Value v) {
    if (std::find(open.begin(), open.end(), v.object()) != open.end()) return fail("cycle in JSON structure");
    if (open.size() > 1000) return fail("JSON structure nested too deeply");
    open.push_back(v.object());
    return true;
  }
  bool value(Value v) {
    if (out.full() || heap.exhausted()) return fail("text too large");
    switch (kind_of(v)) {
      case Kind::none: return add("null");
      case Kind::boolean: return add(v.is_true() ? "true" : "false");
      case Kind::integer: return add(int_to_decimal(v));
      case Kind::floating:
        if (!std::isfinite(float_value(v))) return fail("cannot encode non-finite float " + float_text(float_value(v)));
        return add(float_text(float_value(v)));
      case Kind::string: return text(to_string_view(v));
      case Kind::dict: return dict(v);
      case Kind::structure:
      case Kind::module: return structure(v);
      default: break;
    }
    if (!is_iterable(v)) return fail("cannot encode " + std::string(type_name(v)) + " as JSON");
    return sequence(v);
  }
  bool add(View s) {
    out.add(s);
    return true;
  }
  bool text(View s) {
    if (s.size() > out.room()) return add(s) && fail("text too large");
    return add(json_quote(s));
  }
  bool sequence(Value v) {
    if (!enter(v)) return false;
    Iterate it(heap, v);
    Value item;
    out.add('[');
    for (std::size_t i = 0; it.next(item); ++i) {
      if (i > 0) out.add(',');
      if (!value(item)) return fail("at " + std::string(type_name(v)) + " index " + std::to_string(i) + ": " + why);
    }
    out.add(']');
    open.pop_back();
    return true;
  }
  bool dict(Value v) {
    if (!enter(v)) return false;
    std::vector<std::pair<View, Value>> items;
    std::size_t cursor = 0;
    Value key, item;
    while (next_entry(v, cursor, key, item)) {
      if (!is_string(key)) return fail("dict has " + std::string(type_name(key)) + " key, want string");
      items.push_back({to_string_view(key), item});
    }
    std::sort(items.begin(), items.end(), [](auto& a, auto& b) { return a.first < b.first; });
    return members(items, "in dict key ");
  }
  bool structure(Value v) {
    if (!enter(v)) return false;
    std::vector<std::pair<View, Value>> items;
    for (const Keyword& k : fields(v)) items.push_back({to_string_view(k.name), k.value});
    return members(items, "in field .");
  }
  bool members(const std::vector<std::pair<View, Value>>& items, View where) {
    out.add('{');
    for (std::size_t i = 0; i < items.size(); ++i) {
      if (i > 0) out.add(',');
      if (!text(items[i].first)) return false;
      out.add(':');
      if (!value(items[i].second)) {
        bool quoted = where.ends_with(' ');
        return fail(std::string(where) + (quoted ? json_quote(items[i].first) : std::string(items[i].first)) + ": " + why);
      }
    }
    out.add('}');
    open.pop_back();
    return true;
  }
};

struct Decoder {
  Heap& heap;
  View all;
  std::size_t at = 0;
  std::string why = {};
  int depth = 0;

  Value fail(std::string message) {
    if (why.empty()) why = "at offset " + std::to_string(at) + ", " + std::move(message);
    return Value();
  }
  void skip() {
    while (at < all.size() && (all[at] == ' ' || all[at] == '\t' || all[at] == '\n' || all[at] == '\r')) ++at;
  }
  std::string here() {
    View rest = all.substr(at);
    std::string c;
    encode(decode(rest), c);
    return c == "'" ? "'\\''" : "'" + c + "'";
  }
  Value value() {
    skip();
    if (at >= all.size()) return fail("unexpected end of file");
    if (depth > 1000) return fail("nested too deeply");
    if (heap.exhausted()) return fail("out of memory");
    View rest = all.substr(at);
    if (rest[0] == '"') {
      std::string s;
      return string(s) ? heap.string(s) : Value();
    }
    for (auto [word, v] : {std::pair<View, Value>{"null", Value::none()}, {"true", Value::boolean(true)},
                           {"false", Value::boolean(false)}}) {
      if (rest.starts_with(word)) return at += word.size(), v;
    }
    if (rest[0] == '-' || (rest[0] >= '0' && rest[0] <= '9')) return number();
    if (rest[0] == '[') return array();
    if (rest[0] == '{') return object();
    return fail("unexpected character " + here());
  }
  Value number() {
    std::size_t start = at;
    bool real = false;
    if (all[at] == '-') ++at;
    std::size_t digits = at;
    while (at < all.size() && View("0123456789+-.eE").find(all[at]) != View::npos) {
      real = real || all[at] == '.' || all[at] == 'e' || all[at] == 'E';
      ++at;
    }
    View text = all.substr(start, at - start), body = all.substr(digits, at - digits);
    auto bad = [&] {
      at = start;
      return fail("invalid number: " + std::string(text));
    };
    if (body.empty() || body[0] < '0' || body[0] > '9') return bad();
    if (body.size() > 1 && body[0] == '0' && body[1] >= '0' && body[1] <= '9') return bad();
    if (real) {
      auto d = parse_double(text);
      std::size_t dot = text.find('.');
      bool digit_after = dot == View::npos || (dot + 1 < text.size() && text[dot + 1] >= '0' && text[dot + 1] <= '9');
      if (!d || !digit_after || std::isinf(*d)) return bad();
      return heap.floating(*d);
    }
    Value v = int_from_digits(heap, text, 10);
    return v.valid() ? v : bad();
  }
  bool string(std::string& out) {
    std::size_t start = at++;
    while (at < all.size() && all[at] != '"') {
      auto c = static_cast<unsigned char>(all[at]);
      if (c < 0x20) return fail("invalid character '\\x" + std::string(1, "0123456789abcdef"[c >> 4]) + "0123456789abcdef"[c & 15] + "' in string literal"), false;
      if (c != '\\') {
        out += all[at++];
        continue;
      }
      if (at + 1 >= all.size()) break;
      char e = all[at + 1];
      static constexpr View kFrom = "\"\\/bfnrt", kTo = "\"\\/\b\f\n\r\t";
      if (std::size_t i = kFrom.find(e); i != View::npos) {
        out += kTo[i];
        at += 2;
        continue;
      }
      std::uint32_t x = 0;
      if (e != 'u' || !unicode(x)) {
        if (e == 'u') return fail("invalid \\u escape"), false;
        return fail(std::string("invalid escape \\") + e), false;
      }
      if (x >= 0xd800 && x < 0xdc00 && all.substr(at).starts_with("\\u")) {
        std::size_t before = at;
        std::uint32_t low = 0;
        if (unicode(low) && low >= 0xdc00 && low < 0xe000) {
          x = 0x10000 + ((x - 0xd800) << 10) + (low - 0xdc00);
        } else {
          at = before;
        }
      }
      encode(static_cast<std::int32_t>(x), out);
    }
    if (at >= all.size() || all[at] != '"') {
      at = start;
      return fail("unclosed string literal"), false;
    }
    ++at;
    return true;
  }
  bool unicode(std::uint32_t& x) {
    if (at + 6 > all.size()) return false;
    for (std::size_t i = 2; i < 6; ++i) {
      char h = all[at + i];
      int d = h >= '0' && h <= '9' ? h - '0' : (h | 32) >= 'a' && (h | 32) <= 'f' ? (h | 32) - 'a' + 10 : -1;
      if (d < 0) return false;
      x = x * 16 + static_cast<std::uint32_t>(d);
    }
    at += 6;
    return true;
  }
  Value array() {
    ++at;
    ++depth;
    std::vector<Value> items;
    for (skip(); !(at < all.size() && all[at] == ']'); skip()) {
      if (!items.empty()) {
        if (at >= all.size()) return fail("unexpected end of file");
        if (all[at] != ',') return fail("got " + here() + ", want ',' or ']'");
        ++at;
      }
      Value v = value();
      if (!v.valid()) return v;
      items.push_back(v);
    }
    ++at;
    --depth;
    return heap.list(items);
  }
  Value object() {
    ++at;
    ++depth;
    Value d = heap.dict();
    bool first = true;
    for (skip(); !(at < all.size() && all[at] == '}'); skip(), first = false) {
      if (!first) {
        if (at >= all.size()) return fail("unexpected end of file");
        if (all[at] != ',') return fail("in object, got " + here() + ", want ',' or '}'");
        ++at;
        skip();
      }
      if (at >= all.size()) return fail("unexpected end of file");
      if (all[at] != '"') {
        if (all[at] == '}') return fail("unexpected character " + here());
        Value k = value();
        return k.valid() ? fail("got " + std::string(type_name(k)) + " for object key, want string") : k;
      }
      std::string key;
      if (!string(key)) return Value();
      skip();
      if (at >= all.size()) return fail("unexpected end of file");
      if (all[at] != ':') return fail("after object key, got " + here() + ", want ':'");
      ++at;
      Value v = value();
      if (!v.valid()) return v;
      if (dict_get(d, key).valid()) return fail("object has duplicate key: " + quote_string(key));
      heap.dict_set(d, key, v);
    }
    ++at;
    --depth;
    return d;
  }
};

// The text after the value, if it is one.
Value whole(Decoder& d) {
  Value v = d.value();
  d.skip();
  return v.valid() && d.at < d.all.size()
             ? d.fail("unexpected character " + d.here() + " after value")
             : v;
}

// Lays out JSON that is known to be valid.
void lay_out(View s, View prefix, View indent, Writer& out) {
  int depth = 0;
  auto newline = [&] {
    out.add('\n');
    out.add(prefix);
    for (int i = 0; i < depth; ++i) out.add(indent);
  };
  for (std::size_t i = 0; i < s.size() && !out.full(); ++i) {
    char c = s[i];
    if (c == '"') {
      std::size_t end = i + 1;
      while (s[end] != '"') end += s[end] == '\\' ? 2 : 1;
      out.add(s.substr(i, end - i + 1));
      i = end;
    } else if (c == '{' || c == '[') {
      out.add(c);
      std::size_t next = s.find_first_not_of(" \t\r\n", i + 1);
      if (s[next] == '}' || s[next] == ']') {
        out.add(s[next]);
        i = next;
      } else {
        ++depth;
        newline();
      }
    } else if (c == '}' || c == ']') {
      --depth;
      newline();
      out.add(c);
    } else if (c == ',') {
      out.add(c);
      newline();
    } else if (c == ':') {
      out.add(": ");
    } else if (c != ' ' && c != '\t' && c != '\n' && c != '\r') {
      out.add(c);
    }
  }
}

// Text is made outside of the heap, within what is left of its budget.
std::size_t room(const Heap& heap) {
  std::size_t left = heap.exhausted() ? 0 : heap.budget() - heap.used();
  return std::min(kMaxString, left / 2);
}

Value finished(Call& c, const Writer& w) {
  if (w.full()) return c.fail(Code::memory, std::string(c.name()) + ": text too large");
  if (!c.need_bytes(w.text().size()) || !c.charge(w.text().size() / 8)) return c.failed();
  return c.heap().string(w.text());
}

bool encoded(Call& c, Value x, Encoder& e) {
  if (e.value(x)) return true;
  Code code = e.out.full() || c.heap().exhausted() ? Code::memory : Code::value;
  c.fail(code, std::string(c.name()) + ": " + e.why);
  return false;
}

Value encode_(Call& c) {
  static constexpr Param kParams[] = {{.name = "x", .positional_only = true}};
  Value x;
  Encoder e{c.heap(), Writer(room(c.heap()))};
  return c.unpack(kParams, {&x, 1}) && encoded(c, x, e) ? finished(c, e.out) : c.failed();
}

Value decode_(Call& c) {
  static constexpr Param kParams[] = {{.name = "x", .want = kString, .positional_only = true},
                                      {"default", kAny, Param::optional}};
  Value a[2];
  if (!c.unpack(kParams, a) || !c.need_bytes(length(a[0]) * 8) || !c.charge(length(a[0]) / 8)) {
    return c.failed();
  }
  auto v = json_decode(c.heap(), to_string_view(a[0]));
  if (v) return *v;
  if (c.heap().exhausted()) return c.fail(Code::memory, "json.decode: " + v.error().message);
  return a[1].valid() ? a[1] : c.fail(Code::value, "json.decode: " + v.error().message);
}

Value indent_text(Call& c, View s, Value prefix, Value indent) {
  Writer w(room(c.heap()));
  lay_out(s, prefix.valid() ? to_string_view(prefix) : "", indent.valid() ? to_string_view(indent) : "\t", w);
  return finished(c, w);
}

constexpr Param kPrefix = {"prefix", kString, Param::keyword_only};
constexpr Param kIndent = {"indent", kString, Param::keyword_only};

Value indent_(Call& c) {
  static constexpr Param kParams[] = {{"str", kString}, kPrefix, kIndent};
  Value a[3];
  if (!c.unpack(kParams, a) || !c.charge(length(a[0]) / 8)) return c.failed();
  Heap scratch(room(c.heap()));  // of the values that nobody needs
  Decoder check{scratch, to_string_view(a[0])};
  if (!whole(check).valid()) {
    return c.fail(scratch.exhausted() ? Code::memory : Code::value,
                  "json.indent: invalid character: " + check.why);
  }
  return indent_text(c, to_string_view(a[0]), a[1], a[2]);
}

Value encode_indent_(Call& c) {
  static constexpr Param kParams[] = {{.name = "x", .positional_only = true}, kPrefix, kIndent};
  Value a[3];
  Encoder e{c.heap(), Writer(room(c.heap()))};
  if (!c.unpack(kParams, a) || !encoded(c, a[0], e)) return c.failed();
  if (e.out.full()) return finished(c, e.out);
  return indent_text(c, e.out.text(), a[1], a[2]);
}

constexpr Builtin kJsonFunctions[] = {{"json.decode", decode_}, {"json.encode", encode_},
                                      {"json.encode_indent", encode_indent_}, {"json.indent", indent_}};

Error value_error(std::string message) {
  Error e;
  e.code = Code::value;
  e.message = std::move(message);
  return e;
}

}  // namespace

std::expected<std::string, Error> json_encode(Heap& heap, Value v) {
  Encoder e{heap, Writer(room(heap))};
  if (!e.value(v)) return std::unexpected(value_error(e.why));
  if (e.out.full()) return std::unexpected(value_error("text too large"));
  return e.out.take();
}

std::expected<Value, Error> json_decode(Heap& heap, std::string_view text) {
  Decoder d{heap, text};
  Value v = whole(d);
  if (!v.valid()) return std::unexpected(value_error(d.why));
  return v;
}

std::span<const Builtin> json_functions() { return kJsonFunctions; }

Value json_module(Heap& heap) {
  std::vector<Keyword> members;
  for (const Builtin& b : kJsonFunctions) members.push_back({heap.string(b.name().substr(5)), b.value()});
  Value m = heap.module("json", members);
  heap.freeze(m);
  return m;
}

}  // namespace starlark
