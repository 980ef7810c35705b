// SPDX-License-Identifier: Apache-2.0
#include "tests/fuzz/program_generator.h"

#include <array>
#include <string_view>
#include <vector>

namespace fuzz {
namespace {

enum class Type : std::uint8_t { integer, number, text, boolean, ints, texts, table, pair, numbers, any };
constexpr int kTypes = 9;  // `any` is one of the others

struct Name {
  std::string name;
  Type type;
};
struct Function {
  std::string name;
  std::vector<Type> params;
  std::size_t required;
  bool star, star_star;
  Type result;
};

class Generator {
 public:
  explicit Generator(std::uint64_t seed) : state_(seed * 0x9E3779B97F4A7C15ull + 1) {}

  std::string program() {
    for (int i = upto(3); i >= 0; --i) global();
    for (int i = upto(4); i >= 0; --i) function(0);
    for (int i = upto(4); i >= 0; --i) global();
    for (int i = upto(5); i >= 0; --i) line("print(" + (chance(70) && !functions_.empty() ? call() : expr(any(), 3)) + ")");
    return out_;
  }

 private:
  // ---- chance (splitmix64: no library's distribution, which differ)
  std::uint64_t next() {
    std::uint64_t z = state_ += 0x9E3779B97F4A7C15ull;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
    return z ^ (z >> 31);
  }
  int upto(int n) { return static_cast<int>(next() % static_cast<std::uint64_t>(n + 1)); }
  bool chance(int percent) { return upto(99) < percent; }
  template <std::size_t N>
  std::string_view one_of(const std::array<std::string_view, N>& words) {
    return words[static_cast<std::size_t>(upto(static_cast<int>(N) - 1))];
  }
  Type any() { return static_cast<Type>(upto(kTypes - 1)); }
  Type concrete(Type t) { return t == Type::any ? any() : t; }
  std::string fresh(char letter) { return letter + std::to_string(counter_++); }

  void line(const std::string& text) { out_ += std::string(indent_ * 2, ' ') + text + "\n"; }

  // ---- names in reach
  std::string variable(Type t) {
    std::vector<const Name*> fit;
    for (const Name& n : names_) {
      if (n.type == t) fit.push_back(&n);
    }
    if (fit.empty()) return literal(t);
    return fit[static_cast<std::size_t>(upto(static_cast<int>(fit.size()) - 1))]->name;
  }

  // ---- expressions
  std::string literal(Type t) {
    switch (t) {
      case Type::integer: {
        static constexpr std::array<std::string_view, 14> kInts = {
            "0", "1", "-1", "2", "7", "10", "255", "0x7fffffff", "4611686018427387903",
            "-4611686018427387904", "9223372036854775807", "123456789012345678901234567890", "0b101", "0o17"};
        return std::string(one_of(kInts));
      }
      case Type::number: {
        static constexpr std::array<std::string_view, 8> kFloats = {"0.0", "1.5", "-2.25", "1e10", "1e-7", "3.", ".5", "1e300"};
        return std::string(one_of(kFloats));
      }
      case Type::text: {
        static constexpr std::array<std::string_view, 10> kTexts = {
            "\"\"", "\"a\"", "'b c'", "\"hello, world\"", "\"é\"", "\"😀x\"", "\"\\n\\t\\\"\"", "r\"\\d\"", "\"%d\"", "\"{}\""};
        return std::string(one_of(kTexts));
      }
      case Type::boolean: return chance(50) ? "True" : "False";
      case Type::ints: return "[" + several(Type::integer, 0) + "]";
      case Type::texts: return "[" + several(Type::text, 0) + "]";
      case Type::table: return "{\"a\": 1, \"b\": " + literal(Type::integer) + "}";
      case Type::pair: return "(" + literal(Type::integer) + ", " + literal(Type::text) + ")";
      case Type::numbers: return chance(50) ? "set([1, 2, 3])" : "set(" + literal(Type::ints) + ")";
      case Type::any: break;
    }
    return "None";
  }

  std::string several(Type t, int depth) {
    std::string out;
    for (int i = upto(3); i > 0; --i) out += (out.empty() ? "" : ", ") + (depth > 0 ? expr(t, depth - 1) : literal(t));
    return out;
  }

  std::string expr(Type t, int depth) {
    t = concrete(t);
    if (depth <= 0) return chance(70) ? variable(t) : literal(t);
    if (chance(20)) return variable(t);
    if (chance(8)) return "(" + expr(t, depth - 1) + " if " + condition(depth - 1) + " else " + expr(t, depth - 1) + ")";
    if (chance(6)) return called(t, depth);
    if (chance(5)) return "(lambda x" + std::to_string(counter_) + ": " + expr(t, depth - 1) + ")(" + literal(Type::integer) + ")";
    if (chance(3)) return "(" + expr(t, depth - 1) + " or " + expr(t, depth - 1) + ")";
    switch (t) {
      case Type::integer: return integer(depth - 1);
      case Type::number: return number(depth - 1);
      case Type::text: return text(depth - 1);
      case Type::boolean: return condition(depth - 1);
      case Type::ints: return ints(depth - 1);
      case Type::texts: return texts(depth - 1);
      case Type::table: return table(depth - 1);
      case Type::pair: return "(" + expr(Type::integer, depth - 1) + ", " + expr(Type::text, depth - 1) + ")";
      case Type::numbers: return numbers(depth - 1);
      case Type::any: break;
    }
    return "None";
  }

  std::string binary(Type t, std::string_view op, int depth) {
    return "(" + expr(t, depth) + " " + std::string(op) + " " + expr(t, depth) + ")";
  }

  std::string integer(int d) {
    switch (upto(13)) {
      case 0:
      case 1:
      case 2: {
        static constexpr std::array<std::string_view, 9> kOps = {"+", "-", "*", "//", "%", "&", "|", "^", "+"};
        return binary(Type::integer, one_of(kOps), d);
      }
      case 3: return "(" + expr(Type::integer, d) + (chance(50) ? " << " : " >> ") + std::to_string(upto(70)) + ")";
      case 4: return (chance(50) ? "-" : "~") + ("(" + expr(Type::integer, d) + ")");
      case 5: return "len(" + expr(static_cast<Type>(4 + upto(2)), d) + ")";
      case 6: return expr(Type::ints, d) + "[" + std::to_string(upto(3) - 1) + "]";
      case 7: return expr(Type::table, d) + ".get(" + expr(Type::text, d) + ", 0)";
      case 8: return "int(" + expr(Type::number, d) + ")";
      case 9: return "max(" + expr(Type::integer, d) + ", " + expr(Type::integer, d) + ")";
      case 10: return expr(Type::text, d) + ".find(" + expr(Type::text, d) + ")";
      case 11: return "hash(" + expr(Type::text, d) + ")";
      case 12: return expr(Type::pair, d) + "[0]";
      default: return "abs(" + expr(Type::integer, d) + ")";
    }
  }

  std::string number(int d) {
    static constexpr std::array<std::string_view, 6> kOps = {"+", "-", "*", "/", "//", "%"};
    switch (upto(3)) {
      case 0: return "float(" + expr(Type::integer, d) + " % 1000)";
      case 1: return "(" + expr(Type::integer, d) + " / " + expr(Type::number, d) + ")";
      default: return binary(Type::number, one_of(kOps), d);
    }
  }

  std::string text(int d) {
    static constexpr std::array<std::string_view, 8> kMethods = {"upper", "lower", "strip", "title", "capitalize", "lstrip", "rstrip", "upper"};
    switch (upto(12)) {
      case 0:
      case 1: return binary(Type::text, "+", d);
      case 2: return "(" + expr(Type::text, d) + " * " + std::to_string(upto(4)) + ")";
      case 3: return "str(" + expr(any(), d) + ")";
      case 4: return "repr(" + expr(any(), d) + ")";
      case 5: return "(\"%s-%r\" % (" + expr(any(), d) + ", " + expr(any(), d) + "))";
      case 6: return "(\"%d|%s\" % " + expr(Type::pair, d) + ")";
      case 7: return "\"{}:{!r}\".format(" + expr(any(), d) + ", " + expr(any(), d) + ")";
      case 8: return expr(Type::text, d) + "." + std::string(one_of(kMethods)) + "()";
      case 9: return expr(Type::text, d) + "[" + std::to_string(upto(2)) + ":" + (chance(50) ? std::to_string(upto(5) - 2) : "") + "]";
      case 10: return expr(Type::text, d) + ".join(" + expr(Type::texts, d) + ")";
      case 11: return expr(Type::text, d) + ".replace(" + expr(Type::text, d) + ", " + expr(Type::text, d) + ")";
      default: return "type(" + expr(any(), d) + ")";
    }
  }

  std::string condition(int d) {
    static constexpr std::array<std::string_view, 6> kOrder = {"<", "<=", ">", ">=", "==", "!="};
    switch (upto(8)) {
      case 0: return "(" + expr(any(), d) + (chance(50) ? " == " : " != ") + expr(any(), d) + ")";
      case 1: return "(not " + expr(any(), d) + ")";
      case 2: return "(" + condition_part(d) + (chance(50) ? " and " : " or ") + condition_part(d) + ")";
      case 3: return "(" + expr(Type::text, d) + (chance(50) ? " in " : " not in ") + expr(chance(50) ? Type::text : Type::table, d) + ")";
      case 4: return "(" + expr(Type::integer, d) + " in " + expr(chance(50) ? Type::ints : Type::numbers, d) + ")";
      case 5: return "bool(" + expr(any(), d) + ")";
      case 6: return "hasattr(" + expr(any(), d) + ", \"keys\")";
      default: return binary(chance(60) ? Type::integer : chance(50) ? Type::text : Type::ints, one_of(kOrder), d);
    }
  }
  std::string condition_part(int d) { return d > 0 ? condition(d - 1) : literal(Type::boolean); }

  std::string comprehension(Type element, int d) {
    std::string name = fresh('c');
    bool over_ints = chance(60);
    std::string source = over_ints ? (chance(50) ? "range(" + std::to_string(upto(6)) + ")" : expr(Type::ints, d)) : expr(Type::texts, d);
    names_.push_back({name, over_ints ? Type::integer : Type::text});
    std::string filter = chance(40) ? " if " + condition(d) : "";
    std::string more;
    if (chance(15)) {
      std::string second = fresh('c');
      more = " for " + second + " in range(" + std::to_string(upto(3)) + ")";
      names_.push_back({second, Type::integer});
      std::string body = expr(element, d);
      names_.pop_back();
      names_.pop_back();
      return body + " for " + name + " in " + source + filter + more;
    }
    std::string body = expr(element, d);
    names_.pop_back();
    return body + " for " + name + " in " + source + filter;
  }

  std::string ints(int d) {
    switch (upto(8)) {
      case 0: return "[" + several(Type::integer, d) + "]";
      case 1: return "[" + comprehension(Type::integer, d) + "]";
      case 2: return binary(Type::ints, "+", d);
      case 3: return "sorted(" + expr(chance(50) ? Type::ints : Type::numbers, d) + (chance(30) ? ", reverse = True)" : ")");
      case 4: return expr(Type::ints, d) + "[" + std::to_string(upto(2)) + ":]";
      case 5: return expr(Type::ints, d) + "[::-1]";
      case 6: return "list(range(" + std::to_string(upto(5)) + "))";
      case 7: return "sorted(" + expr(Type::ints, d) + ", key = lambda k: " + (chance(50) ? "-k" : "k % 3") + ")";
      default: return expr(Type::table, d) + ".values()";
    }
  }

  std::string texts(int d) {
    switch (upto(5)) {
      case 0: return "[" + several(Type::text, d) + "]";
      case 1: return "[" + comprehension(Type::text, d) + "]";
      case 2: return expr(Type::text, d) + ".split(" + (chance(50) ? "\",\"" : "") + ")";
      case 3: return expr(Type::table, d) + ".keys()";
      case 4: return "list(" + expr(Type::text, d) + (chance(50) ? ".elems())" : ".codepoints())");
      default: return "sorted(" + expr(Type::texts, d) + ", key = len)";
    }
  }

  std::string table(int d) {
    switch (upto(4)) {
      case 0: return "{" + expr(Type::text, d) + ": " + expr(Type::integer, d) + "}";
      case 1: return binary(Type::table, "|", d);
      case 2: {
        std::string name = fresh('c');
        std::string source = expr(Type::texts, d);
        names_.push_back({name, Type::text});
        std::string out = "{" + name + ": " + expr(Type::integer, d) + " for " + name + " in " + source + "}";
        names_.pop_back();
        return out;
      }
      case 3: return "dict([" + expr(Type::pair, d) + "[::-1]], z = " + expr(Type::integer, d) + ")";
      default: return "dict(zip(" + expr(Type::texts, d) + ", " + expr(Type::ints, d) + "))";
    }
  }

  std::string numbers(int d) {
    static constexpr std::array<std::string_view, 4> kOps = {"|", "&", "-", "^"};
    switch (upto(2)) {
      case 0: return "set(" + expr(Type::ints, d) + ")";
      case 1: return expr(Type::numbers, d) + ".union(" + expr(Type::ints, d) + ")";
      default: return binary(Type::numbers, one_of(kOps), d);
    }
  }

  // ---- calls
  std::string arguments(const Function& f, int d) {
    std::string out;
    auto add = [&](const std::string& s) { out += (out.empty() ? "" : ", ") + s; };
    std::size_t given = f.required + static_cast<std::size_t>(upto(static_cast<int>(f.params.size() - f.required)));
    bool named = false;
    for (std::size_t i = 0; i < given; ++i) {
      named = named || chance(20);
      add((named ? "p" + std::to_string(i) + " = " : "") + expr(f.params[i], d));
    }
    if (f.star && !named && given == f.params.size() && chance(50)) add("*" + expr(Type::ints, d));
    if (f.star_star && chance(40)) add(chance(50) ? "**{\"q\": " + literal(Type::integer) + "}" : "**{}");
    return out;
  }
  std::string call() {
    const Function& f = functions_[static_cast<std::size_t>(upto(static_cast<int>(functions_.size()) - 1))];
    return f.name + "(" + arguments(f, 2) + ")";
  }
  std::string called(Type t, int d) {
    for (const Function& f : functions_) {
      if (f.result == t && chance(60)) return f.name + "(" + arguments(f, d - 1) + ")";
    }
    return variable(t);
  }

  // ---- statements
  void global() {
    std::string name = fresh('g');
    Type t = any();
    line(name + " = " + expr(t, 3));
    names_.push_back({name, t});
  }

  void function(int depth) {
    Function f{fresh('f'), {}, 0, chance(20), chance(20), any()};
    std::size_t outer = names_.size(), functions = functions_.size();
    std::string params;
    auto add = [&](const std::string& s) { params += (params.empty() ? "" : ", ") + s; };
    std::vector<Name> own;
    int n = upto(3);
    bool optional = false;
    for (int i = 0; i < n; ++i) {
      Type t = any();
      optional = optional || chance(30);
      add("p" + std::to_string(i) + (optional ? " = " + expr(t, 1) : ""));
      own.push_back({"p" + std::to_string(i), t});
      f.params.push_back(t);
      if (!optional) ++f.required;
    }
    if (f.star) add("*args");
    if (f.star_star) add("**kwargs");
    line("def " + f.name + "(" + params + "):");
    // A parameter hides the outer function's of the same name.
    std::vector<Name> around = names_;
    std::erase_if(names_, [](const Name& name) { return name.name[0] == 'p'; });
    names_.insert(names_.end(), own.begin(), own.end());
    ++indent_;
    block(depth, 1 + upto(4));
    line("return " + expr(f.result, 3));
    --indent_;
    names_ = around;
    names_.resize(outer);
    functions_.resize(functions);
    functions_.push_back(f);
  }

  void block(int depth, int statements) {
    for (int i = 0; i < statements; ++i) statement(depth);
  }

  // What is bound in here is not known to be bound afterwards.
  void inner(int depth) {
    std::size_t names = names_.size(), functions = functions_.size();
    ++indent_;
    block(depth + 1, 1 + upto(2));
    --indent_;
    names_.resize(names);
    functions_.resize(functions);
  }

  void statement(int depth) {
    switch (depth < 3 ? upto(11) : upto(6)) {
      case 0:
      case 1:
      case 2: {
        std::string name = fresh('v');
        Type t = any();
        line(name + " = " + expr(t, 3));
        names_.push_back({name, t});
        break;
      }
      case 3: {
        std::string name = fresh('v');
        line(name + " = " + literal(Type::ints));
        line(name + (chance(50) ? ".append(" + expr(Type::integer, 2) + ")" : " += " + expr(Type::ints, 2)));
        names_.push_back({name, Type::ints});
        break;
      }
      case 4: {
        std::string name = fresh('v');
        line(name + " = " + literal(Type::table));
        line(name + "[" + expr(Type::text, 2) + "] = " + expr(Type::integer, 2));
        names_.push_back({name, Type::table});
        break;
      }
      case 5: {
        std::string x = fresh('v'), y = fresh('v');
        line(x + ", " + y + " = " + expr(Type::pair, 2));
        names_.push_back({x, Type::integer});
        names_.push_back({y, Type::text});
        break;
      }
      case 6: {
        std::string name = fresh('v');
        line(name + " = " + literal(Type::integer));
        static constexpr std::array<std::string_view, 6> kOps = {"+", "-", "*", "|", "^", "&"};
        line(name + " " + std::string(one_of(kOps)) + "= " + expr(Type::integer, 2));
        names_.push_back({name, Type::integer});
        break;
      }
      case 7:
      case 8:
        line("if " + condition(2) + ":");
        inner(depth);
        if (chance(30)) {
          line("elif " + condition(2) + ":");
          inner(depth);
        }
        if (chance(40)) {
          line("else:");
          inner(depth);
        }
        break;
      case 9:
      case 10: loop(depth); break;
      default: function(depth + 1);
    }
  }

  void loop(int depth) {
    std::string name = fresh('v');
    bool ints = chance(60);
    line("for " + name + " in " + (ints ? "range(" + std::to_string(upto(5)) + ")" : expr(Type::texts, 2)) + ":");
    std::size_t names = names_.size();
    names_.push_back({name, ints ? Type::integer : Type::text});
    if (chance(30)) {
      ++indent_;
      line("if " + condition(1) + ":");
      line(chance(50) ? "  continue" : "  break");
      --indent_;
    }
    inner(depth);
    names_.resize(names);
  }

  std::uint64_t state_;
  std::string out_;
  std::size_t indent_ = 0;
  int counter_ = 0;
  std::vector<Name> names_;
  std::vector<Function> functions_;
};

}  // namespace

std::string random_program(std::uint64_t seed) { return Generator(seed).program(); }

}  // namespace fuzz
