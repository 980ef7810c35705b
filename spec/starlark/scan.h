// SPDX-License-Identifier: Apache-2.0
//
// Source text to tokens, with indent, outdent and newline made explicit.
#pragma once

#include <string_view>
#include <vector>

#include "spec/starlark/ast.h"
#include "spec/starlark/diagnostic.h"

namespace starlark::ast {

struct Token {
  Tok kind = Tok::eof;
  Pos pos;
  Pos end;
  std::string_view text;       // identifier: its name; string, bytes: contents; big int: digits
  std::int64_t integer = 0;    // integer, when !big
  bool big = false;
  double floating = 0;
  bool unopened = false;       // a closing bracket without an opening one
};

// Could this be the name of a variable?
bool is_identifier(std::string_view s);

class Scanner {
 public:
  Scanner(std::string_view file, std::string_view source, Arena& arena,
          std::vector<Diagnostic>& diagnostics);
  Token next();
  // A mistake after which tokens make no sense; next() gives eof from then on.
  bool fatal() const { return fatal_; }
  // Forgets open brackets: the parser resynchronises at the end of the line.
  void close_brackets() {
    depth_ = 0;
    quiet_ = true;
  }
  void speak() { quiet_ = false; }

 private:
  Token token(Tok kind);
  bool skip_blank();
  bool measure_indent();
  void at_line_start();
  Token scan_identifier();
  Token scan_number();
  Token scan_radix(int base, const char* what);
  Token finish_int(std::string_view digits, int base, Token t);
  Token scan_float(const char* start, Token t);
  void skip_word();
  Token scan_string(bool raw, bool bytes, Pos start);
  bool scan_escape(std::string& out, bool bytes, Pos start);
  bool hex_escape(std::string& out, int digits, bool bytes, Pos start);
  bool octal_escape(std::string& out, bool bytes, Pos start);
  Token scan_operator();
  void error(Pos at, Code code, std::string message, std::string hint = {});
  Token stop(Pos at, Code code, std::string message);

  char peek(std::size_t n = 0) const {
    return static_cast<std::size_t>(end_ - at_) > n ? at_[n] : '\0';
  }
  bool end() const { return at_ >= end_; }
  void advance();  // one code point, keeping count of lines
  Pos pos() const {
    return {line_, static_cast<std::uint32_t>(at_ - line_start_) - continuation_ + 1};
  }

  std::string_view file_;
  Arena& arena_;
  std::vector<Diagnostic>& diagnostics_;
  const char* at_;
  const char* end_;
  const char* line_start_;
  std::uint32_t continuation_ = 0;  // UTF-8 continuation bytes seen in this line
  std::uint32_t line_ = 1;
  int depth_ = 0;
  bool line_begins_ = true;
  bool newline_pending_ = false;  // a token was given since the last newline
  bool fatal_ = false;
  bool quiet_ = false;  // resynchronising: what is found is no news
  int outdents_ = 0;
  bool indent_ = false;
  std::vector<int> indents_{0};
  std::string buffer_;
};

}  // namespace starlark::ast
