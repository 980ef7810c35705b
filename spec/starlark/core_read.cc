// SPDX-License-Identifier: Apache-2.0
//
// Reading the text form. Everything is checked here that is a matter of form: known operations,
// numbers in range, declared labels, one result where one is due. The rest is the verifier's.
#include <algorithm>
#include <charconv>
#include <unordered_map>

#include "spec/starlark/core_text.h"
#include "spec/starlark/numbers.h"
#include "spec/starlark/unicode.h"

namespace starlark::core {
namespace {

int hex(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

bool word_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '@' || static_cast<unsigned char>(c) >= 0x80;
}

class Reader {
 public:
  Reader(std::string_view text, const std::vector<std::string>& globals, Function& f)
      : text_(text), globals_(globals), f_(f) {
    for (std::uint32_t i = 0; i < f.locals.size(); ++i) locals_.emplace(f.locals[i].name, i);
    for (std::uint32_t i = 0; i < f.free.size(); ++i) free_.emplace(f.free[i], i);
  }

  std::expected<void, Diagnostic> read() {
    while (!text_.empty() && message_.empty()) {
      ++line_number_;
      std::size_t end = text_.find('\n');
      line_ = text_.substr(0, end);
      text_.remove_prefix(end == std::string_view::npos ? text_.size() : end + 1);
      column_base_ = line_;
      skip();
      if (!line_.empty()) one_line();
    }
    if (message_.empty()) resolve_labels();
    if (message_.empty()) return {};
    Diagnostic d;
    d.line = line_number_;
    d.col = static_cast<int>(column_base_.size() - line_.size()) + 1;
    d.message = message_;
    d.hint = hint_;
    d.code = Code::core_text;
    return std::unexpected(std::move(d));
  }

 private:
  void fail(std::string message, std::string hint = {}) {
    if (!message_.empty()) return;
    message_ = std::move(message);
    hint_ = std::move(hint);
  }
  void skip() {
    while (!line_.empty() && (line_[0] == ' ' || line_[0] == '\r')) line_.remove_prefix(1);
  }
  bool eat(std::string_view s) {
    if (!line_.starts_with(s)) return false;
    line_.remove_prefix(s.size());
    return true;
  }
  std::string_view word() {
    std::size_t n = 0;
    while (n < line_.size() && word_char(line_[n])) ++n;
    std::string_view w = line_.substr(0, n);
    line_.remove_prefix(n);
    return w;
  }
  std::uint32_t number(std::uint32_t most) {
    std::uint32_t n = 0;
    auto [end, problem] = std::from_chars(line_.data(), line_.data() + line_.size(), n);
    if (problem != std::errc{} || n > most) fail("expected a number up to " + std::to_string(most));
    line_.remove_prefix(static_cast<std::size_t>(end - line_.data()));
    return n;
  }

  void one_line() {
    if (line_[0] == 'L') {
      eat("L");
      std::uint32_t n = number(10'000'000);
      if (!eat(":") || !line_.empty()) return fail("expected a label alone on its line, as L1:");
      if (n != f_.labels.size() + 1) {
        return fail("labels are numbered in order: expected L" + std::to_string(f_.labels.size() + 1));
      }
      f_.labels.push_back(static_cast<std::uint32_t>(f_.code.size()));
      return;
    }
    Instr in;
    if (line_[0] < '0' || line_[0] > '9') return fail("expected a place, as 1:5, before the operation");
    in.line = number(100'000'000);
    if (!eat(":")) return fail("expected line:col");
    in.col = number(1'000'000);
    skip();
    const std::string_view from_op = line_;
    std::string_view op = word();
    auto found = op_by_text(op);
    if (!found) {
      line_ = from_op;
      std::vector<std::string_view> all;
      for (const OpInfo& row : all_ops()) all.push_back(row.text);
      return fail("unknown operation \"" + std::string(op) + "\"", did_you_mean(op, all));
    }
    in.op = *found;
    operands(in);
  }

  void operands(Instr& in) {
    const OpInfo& op = info(in.op);
    const bool named_first = in.op == Op::func || in.op == Op::load;
    in.first = static_cast<std::uint32_t>(f_.operands.size());
    skip();
    if (named_first) {
      std::string s;
      if (!unquote(line_, s)) return fail("expected a quoted name");
      in.name = name(s);
    }
    for (skip(); !line_.empty() && !line_.starts_with("->"); skip()) {
      if (op.has_label && line_[0] == 'L' && label_follows()) {
        eat("L");
        in.label = number(10'000'000) - 1;
        break;
      }
      if (line_[0] == '.') {
        attribute(in);
      } else {
        f_.operands.push_back(operand());
        ++in.count;
        if (line_.starts_with(".")) attribute(in);
      }
      if (!message_.empty()) return;
    }
    skip();
    results(in, op);
    if (!message_.empty()) return;
    if (op.operands >= 0 && in.count != static_cast<std::uint32_t>(op.operands)) {
      return fail(std::string(op.text) + " takes " + std::to_string(op.operands) +
                  " operands, got " + std::to_string(in.count));
    }
    if (op.has_label && in.label == kNone) return fail(std::string(op.text) + " needs a label");
    if (op.has_name && in.name == kNone) return fail(std::string(op.text) + " needs a name");
    f_.code.push_back(in);
    lines_.push_back(line_number_);
  }

  // A label is the last word before the result.
  bool label_follows() const {
    std::string_view rest = line_.substr(1);
    std::size_t n = rest.find_first_not_of("0123456789");
    if (n == 0) return false;
    rest = n == std::string_view::npos ? "" : rest.substr(n);
    while (rest.starts_with(" ")) rest.remove_prefix(1);
    return rest.empty() || rest.starts_with("->");
  }

  void attribute(Instr& in) {
    eat(".");
    std::string_view w = word();
    bool takes = in.op == Op::attr || in.op == Op::check_attr || in.op == Op::set_attr ||
                 in.op == Op::call;
    if (w.empty() || !takes || in.count != 1 || in.name != kNone) {
      return fail("a misplaced .name: attr, checkattr, setattr and call take one, behind their first operand");
    }
    in.name = name(w);
  }

  void results(Instr& in, const OpInfo& op) {
    if (!eat("->")) {
      if (op.results == 1) return fail(std::string(op.text) + " needs a result: -> name");
      if (!line_.empty()) fail("unexpected text at the end of the line");
      return;
    }
    for (skip(); !line_.empty() && message_.empty(); skip()) {
      Operand o = operand();
      if (o.kind == OperandKind::constant || o.role != Role::positional) {
        return fail("a result must be a variable or a temporary");
      }
      if (op.results == 2) {
        f_.operands.push_back(o);
        ++in.targets;
      } else if (op.results == 1 && in.dst.kind == OperandKind::none) {
        in.dst = o;
      } else {
        return fail(std::string(op.text) + (op.results == 0 ? " has no result" : " has one result"));
      }
    }
    if (op.results == 1 && in.dst.kind == OperandKind::none) fail("expected a result after ->");
  }

  Operand operand() {
    Operand o;
    if (eat("**")) {
      o.role = Role::star_star;
    } else if (eat("*")) {
      o.role = Role::star;
    } else if (std::size_t eq = keyword_length(); eq > 0) {
      o.role = Role::keyword;
      o.name = name(line_.substr(0, eq));
      line_.remove_prefix(eq + 1);
    }
    value(o);
    return o;
  }

  std::size_t keyword_length() const {
    std::size_t n = 0;
    while (n < line_.size() && word_char(line_[n])) ++n;
    return n > 0 && n < line_.size() && line_[n] == '=' ? n : 0;
  }

  void value(Operand& o) {
    if (line_.empty()) return fail("expected an operand");
    char c = line_[0];
    if (eat("%")) {
      o.kind = OperandKind::temp;
      o.index = number(1'000'000);
      return;
    }
    if (c == '"' || c == '\'' || line_.starts_with("b\"") || line_.starts_with("b'")) {
      Constant k;
      k.kind = c == 'b' ? ConstantKind::bytes : ConstantKind::string;
      if (c == 'b') eat("b");
      if (!unquote(line_, k.s)) return fail("malformed string");
      return constant(o, std::move(k));
    }
    if ((c >= '0' && c <= '9') || c == '-') return numeral(o);
    bool variable_anyway = eat("$");
    std::string_view w = word();
    if (w.empty()) return fail("expected an operand");
    if (!variable_anyway && (w == "None" || w == "True" || w == "False")) {
      Constant k;
      k.kind = w == "None" ? ConstantKind::none : ConstantKind::boolean;
      k.i = w == "True" ? 1 : 0;
      return constant(o, std::move(k));
    }
    variable(o, w);
  }

  void variable(Operand& o, std::string_view w) {
    std::string key(w);
    if (auto it = locals_.find(key); it != locals_.end()) {
      o.kind = OperandKind::local;
      o.index = it->second;
    } else if (auto captured = free_.find(key); captured != free_.end()) {
      o.kind = OperandKind::free;
      o.index = captured->second;
    } else {
      bool global = std::binary_search(globals_.begin(), globals_.end(), key);
      o.kind = global ? OperandKind::global : OperandKind::predeclared;
      o.index = name(w);
    }
  }

  void numeral(Operand& o) {
    std::size_t n = line_[0] == '-' ? 1 : 0;
    auto digits = [&] {
      std::size_t from = n;
      while (n < line_.size() && line_[n] >= '0' && line_[n] <= '9') ++n;
      return n > from;
    };
    bool whole = digits();
    bool real = false;
    if (n + 1 < line_.size() && line_[n] == '.' && line_[n + 1] >= '0' && line_[n + 1] <= '9') {
      real = true;
      ++n;
      digits();
    }
    if (n < line_.size() && line_[n] == 'e') {
      real = true;
      ++n;
      if (n < line_.size() && (line_[n] == '-' || line_[n] == '+')) ++n;
      if (!digits()) whole = false;
    }
    std::string_view text = line_.substr(0, n);
    if (!whole) return fail("malformed number");
    line_.remove_prefix(n);
    Constant k;
    if (real) {
      k.kind = ConstantKind::floating;
      k.f = parse_double(text).value_or(0);
    } else {
      k.kind = ConstantKind::integer;
      auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), k.i);
      if (problem != std::errc{}) {
        k = {ConstantKind::big, 0, 0, std::string(text)};
      }
    }
    constant(o, std::move(k));
  }

  void constant(Operand& o, Constant k) {
    o.kind = OperandKind::constant;
    o.index = static_cast<std::uint32_t>(f_.constants.size());
    f_.constants.push_back(std::move(k));
  }

  std::uint32_t name(std::string_view s) {
    auto [it, added] = names_.emplace(std::string(s), static_cast<std::uint32_t>(f_.names.size()));
    if (added) f_.names.emplace_back(s);
    return it->second;
  }

  void resolve_labels() {
    for (const Instr& in : f_.code) {
      if (in.label != kNone && in.label >= f_.labels.size()) {
        line_ = column_base_ = "";
        line_number_ = lines_[static_cast<std::size_t>(&in - f_.code.data())];
        return fail("label L" + std::to_string(in.label + 1) + " does not exist");
      }
    }
  }

  std::string_view text_;
  const std::vector<std::string>& globals_;
  Function& f_;
  std::unordered_map<std::string, std::uint32_t> locals_, free_, names_;
  std::string_view line_, column_base_;
  int line_number_ = 0;
  std::vector<int> lines_;  // of the text, by instruction
  std::string message_, hint_;
};

}  // namespace

bool unquote(std::string_view& text, std::string& out) {
  if (text.empty() || (text[0] != '"' && text[0] != '\'')) return false;
  const char mark = text[0];
  out.clear();
  for (std::size_t i = 1; i < text.size(); ++i) {
    char c = text[i];
    if (c == mark) {
      text.remove_prefix(i + 1);
      return true;
    }
    if (c != '\\') {
      out += c;
      continue;
    }
    if (++i >= text.size()) return false;
    switch (text[i]) {
      case 'n': out += '\n'; break;
      case 't': out += '\t'; break;
      case '\\':
      case '\'':
      case '"':
        out += text[i];
        break;
      case 'x': {
        if (i + 2 >= text.size()) return false;
        int high = hex(text[i + 1]), low = hex(text[i + 2]);
        if (high < 0 || low < 0) return false;
        out += static_cast<char>(high * 16 + low);
        i += 2;
        break;
      }
      default: return false;
    }
  }
  return false;
}

std::expected<void, Diagnostic> read_code(std::string_view text,
                                          const std::vector<std::string>& globals, Function& f) {
  return Reader(text, globals, f).read();
}

}  // namespace starlark::core
