// SPDX-License-Identifier: Apache-2.0
//
// Writing the text form.
#include "spec/starlark/core_text.h"

#include "spec/starlark/numbers.h"
#include "spec/starlark/unicode.h"

namespace starlark::core {

std::string quote(std::string_view bytes) {
  static constexpr char kHex[] = "0123456789abcdef";
  const bool single = bytes.find('"') != std::string_view::npos &&
                      bytes.find('\'') == std::string_view::npos;
  const char mark = single ? '\'' : '"';
  std::string out(1, mark);
  while (!bytes.empty()) {
    std::string_view rest = bytes;
    std::int32_t c;
    bool fine = decode_strict(rest, c);
    std::string_view one = bytes.substr(0, bytes.size() - rest.size());
    bytes = rest;
    if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else if (c == '\\' || c == mark) {
      out += '\\';
      out += static_cast<char>(c);
    } else if (c == '\'' && out.ends_with('\'')) {
      out += "\\'";  // never three in a row: they would end the string of TOML around it
    } else if (fine && is_printable(c)) {
      out += one;
    } else if (fine && c == ' ') {
      out += ' ';
    } else {
      for (char byte : one) {
        out += "\\x";
        out += kHex[(static_cast<unsigned char>(byte) >> 4) & 15];
        out += kHex[static_cast<unsigned char>(byte) & 15];
      }
    }
  }
  return out + mark;
}

namespace {

class Printer {
 public:
  explicit Printer(const Function& f) : f_(f) {}

  std::string print() {
    std::size_t label = 0;
    for (std::size_t i = 0; i < f_.code.size(); ++i) {
      for (; label < f_.labels.size() && f_.labels[label] == i; ++label) {
        out_ += "L" + std::to_string(label + 1) + ":\n";
      }
      instruction(f_.code[i]);
    }
    return std::move(out_);
  }

 private:
  void pad(std::size_t from, std::size_t width) {
    while (out_.size() < from + width) out_ += ' ';
  }

  void instruction(const Instr& in) {
    const OpInfo& op = info(in.op);
    const std::size_t start = out_.size();
    out_ += std::to_string(in.line) + ":" + std::to_string(in.col);
    pad(start, 6);
    out_ += ' ';
    const std::size_t word = out_.size();
    out_ += op.text;
    pad(word, 9);
    bool named_first = in.op == Op::func || in.op == Op::load;
    if (named_first) out_ += " " + quote(f_.names[in.name]);
    for (std::uint32_t i = 0; i < in.count; ++i) {
      out_ += ' ';
      operand(f_.operands[in.first + i]);
      if (i == 0 && in.name != kNone && !named_first) attribute(in);
    }
    if (in.label != kNone) out_ += " L" + std::to_string(in.label + 1);
    if (in.dst.kind != OperandKind::none || op.results == 2) out_ += " ->";
    if (in.dst.kind != OperandKind::none) {
      out_ += ' ';
      operand(in.dst);
    }
    for (std::uint32_t i = 0; i < in.targets; ++i) {
      out_ += ' ';
      operand(f_.operands[in.first + in.count + i]);
    }
    while (out_.ends_with(' ')) out_.pop_back();
    out_ += '\n';
  }

  void attribute(const Instr& in) {
    const Operand& first = f_.operands[in.first];
    if (first.kind == OperandKind::constant) out_ += ' ';
    out_ += "." + f_.names[in.name];
  }

  void operand(const Operand& o) {
    if (o.role == Role::star) out_ += '*';
    if (o.role == Role::star_star) out_ += "**";
    if (o.role == Role::keyword) out_ += f_.names[o.name] + "=";
    switch (o.kind) {
      case OperandKind::none: break;
      case OperandKind::local: variable(f_.locals[o.index].name); break;
      case OperandKind::free: variable(f_.free[o.index]); break;
      case OperandKind::global:
      case OperandKind::predeclared:
        variable(f_.names[o.index]);
        break;
      case OperandKind::temp: out_ += "%" + std::to_string(o.index); break;
      case OperandKind::constant: constant(f_.constants[o.index]); break;
    }
  }

  void variable(const std::string& name) {
    if (name == "None" || name == "True" || name == "False") out_ += '$';
    out_ += name;
  }

  void constant(const Constant& c) {
    switch (c.kind) {
      case ConstantKind::none: out_ += "None"; break;
      case ConstantKind::boolean: out_ += c.i ? "True" : "False"; break;
      case ConstantKind::integer: out_ += std::to_string(c.i); break;
      case ConstantKind::big: out_ += c.s; break;
      case ConstantKind::floating: {
        std::string text = shortest_double(c.f);
        if (text.find_first_of(".e") == std::string::npos) text += ".0";
        out_ += text;
        break;
      }
      case ConstantKind::string: out_ += quote(c.s); break;
      case ConstantKind::bytes: out_ += "b" + quote(c.s); break;
    }
  }

  const Function& f_;
  std::string out_;
};

}  // namespace

std::string write_code(const Function& f) { return Printer(f).print(); }

}  // namespace starlark::core
