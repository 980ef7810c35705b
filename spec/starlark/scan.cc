// SPDX-License-Identifier: Apache-2.0
#include "spec/starlark/scan.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "spec/starlark/numbers.h"
#include "spec/starlark/unicode.h"

namespace starlark::ast {
namespace {

struct TokRow {
  Tok tok;
  std::string_view spelling;
};
constexpr TokRow kSpellings[] = {
    {Tok::plus, "+"}, {Tok::minus, "-"}, {Tok::star, "*"}, {Tok::slash, "/"},
    {Tok::slashslash, "//"}, {Tok::percent, "%"}, {Tok::amp, "&"}, {Tok::pipe, "|"},
    {Tok::caret, "^"}, {Tok::ltlt, "<<"}, {Tok::gtgt, ">>"}, {Tok::tilde, "~"}, {Tok::dot, "."},
    {Tok::comma, ","}, {Tok::assign, "="}, {Tok::semi, ";"}, {Tok::colon, ":"},
    {Tok::lparen, "("}, {Tok::rparen, ")"}, {Tok::lbrack, "["}, {Tok::rbrack, "]"},
    {Tok::lbrace, "{"}, {Tok::rbrace, "}"}, {Tok::lt, "<"}, {Tok::gt, ">"}, {Tok::ge, ">="},
    {Tok::le, "<="}, {Tok::eq, "=="}, {Tok::ne, "!="}, {Tok::plus_assign, "+="},
    {Tok::minus_assign, "-="}, {Tok::star_assign, "*="}, {Tok::slash_assign, "/="},
    {Tok::slashslash_assign, "//="}, {Tok::percent_assign, "%="}, {Tok::amp_assign, "&="},
    {Tok::pipe_assign, "|="}, {Tok::caret_assign, "^="}, {Tok::ltlt_assign, "<<="},
    {Tok::gtgt_assign, ">>="}, {Tok::starstar, "**"},
};
constexpr TokRow kKeywords[] = {
    {Tok::kw_and, "and"}, {Tok::kw_break, "break"}, {Tok::kw_continue, "continue"},
    {Tok::kw_def, "def"}, {Tok::kw_elif, "elif"}, {Tok::kw_else, "else"}, {Tok::kw_for, "for"},
    {Tok::kw_if, "if"}, {Tok::kw_in, "in"}, {Tok::kw_lambda, "lambda"}, {Tok::kw_load, "load"},
    {Tok::kw_not, "not"}, {Tok::not_in, "not in"}, {Tok::kw_or, "or"}, {Tok::kw_pass, "pass"},
    {Tok::kw_return, "return"}, {Tok::kw_while, "while"},
};
// Not tokens of the language, but kept free for it.
constexpr std::string_view kReserved[] = {
    "as", "assert", "async", "await", "class", "del", "except", "finally", "from", "global",
    "import", "is", "nonlocal", "raise", "try", "with", "yield",
};

Tok keyword(std::string_view name) {
  if (name.size() < 2 || name.size() > 8) return Tok::identifier;
  for (const TokRow& row : kKeywords) {
    if (row.spelling == name) return row.tok;
  }
  // `assert` is an identifier for the sake of existing programs, as in the other implementations.
  for (std::string_view word : kReserved) {
    if (word == name && word != "assert") return Tok::illegal;
  }
  return Tok::identifier;
}

bool ident_start(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
         static_cast<unsigned char>(c) >= 0x80;
}
bool digit(char c) { return c >= '0' && c <= '9'; }
int digit_value(char c) {
  if (digit(c)) return c - '0';
  if (c >= 'a' && c <= 'z') return c - 'a' + 10;
  if (c >= 'A' && c <= 'Z') return c - 'A' + 10;
  return 99;
}

}  // namespace

std::string_view token_spelling(Tok t) {
  for (const TokRow& row : kSpellings) {
    if (row.tok == t) return row.spelling;
  }
  for (const TokRow& row : kKeywords) {
    if (row.tok == t) return row.spelling;
  }
  return "";
}

std::string token_text(Tok t) {
  switch (t) {
    case Tok::eof: return "end of file";
    case Tok::newline: return "newline";
    case Tok::indent: return "indent";
    case Tok::outdent: return "outdent";
    case Tok::identifier: return "identifier";
    case Tok::integer: return "int literal";
    case Tok::floating: return "float literal";
    case Tok::string: return "string literal";
    case Tok::bytes: return "bytes literal";
    case Tok::illegal: return "reserved word";
    default: break;
  }
  std::string spelling(token_spelling(t));
  return t >= Tok::kw_and ? spelling : "'" + spelling + "'";
}

bool is_identifier(std::string_view s) {
  if (s.empty() || digit(s[0]) || keyword(s) != Tok::identifier) return false;
  while (!s.empty()) {
    std::int32_t c;
    if (!decode_strict(s, c)) return false;
    if (c != '_' && !is_letter(c) && !is_digit(c)) return false;
  }
  return true;
}

Scanner::Scanner(std::string_view file, std::string_view source, Arena& arena,
                 std::vector<Diagnostic>& diagnostics)
    : file_(file), arena_(arena), diagnostics_(diagnostics), at_(source.data()),
      end_(source.data() + source.size()), line_start_(source.data()) {}

void Scanner::error(Pos at, Code code, std::string message, std::string hint) {
  if (quiet_ || diagnostics_.size() >= 200) return;
  diagnostics_.push_back({std::string(file_), static_cast<int>(at.line), static_cast<int>(at.col),
                          0, 0, std::move(message), std::move(hint), code});
}

Token Scanner::stop(Pos at, Code code, std::string message) {
  error(at, code, std::move(message));
  fatal_ = true;
  at_ = end_;
  return token(Tok::eof);
}

Token Scanner::token(Tok kind) {
  Token t;
  t.kind = kind;
  t.pos = t.end = pos();
  return t;
}

void Scanner::advance() {
  char c = *at_++;
  if (c == '\n' || (c == '\r' && peek() != '\n')) {
    ++line_;
    line_start_ = at_;
    continuation_ = 0;
  } else if ((static_cast<unsigned char>(c) & 0xC0) == 0x80) {
    ++continuation_;
  }
}

// Reads the indentation of a line. False: the line is blank, a comment, or the file's end.
bool Scanner::measure_indent() {
  int column = 0;
  for (; !end(); advance()) {
    if (peek() == ' ') {
      ++column;
    } else if (peek() == '\t') {
      column += 8 - column % 8;
    } else {
      break;
    }
  }
  if (end() || peek() == '\n' || peek() == '\r') return false;
  if (peek() == '#') {
    while (!end() && peek() != '\n' && peek() != '\r') advance();
    return false;
  }
  if (peek() == '\\' && (peek(1) == '\n' || peek(1) == '\r')) return false;
  if (column > indents_.back()) {
    indents_.push_back(column);
    indent_ = true;
    return true;
  }
  while (column < indents_.back()) {
    indents_.pop_back();
    ++outdents_;
  }
  if (column != indents_.back()) {
    stop(pos(), Code::indentation, "unindent does not match any outer indentation level");
  }
  return true;
}

void Scanner::at_line_start() {
  while (!end()) {
    if (measure_indent() || fatal_) break;
    if (peek() == '\\') advance();
    if (!end()) advance();
    if (!end() && at_[-1] == '\r' && peek() == '\n') advance();
  }
  line_begins_ = false;
}

// Spaces, comments, continued lines, and newlines within brackets. True: a newline token is due.
bool Scanner::skip_blank() {
  while (!end()) {
    char c = peek();
    if (c == ' ' || c == '\t') {
      advance();
    } else if (c == '#') {
      while (!end() && peek() != '\n' && peek() != '\r') advance();
    } else if (c == '\\' && (peek(1) == '\n' || peek(1) == '\r')) {
      advance();
      if (peek() == '\r' && peek(1) == '\n') advance();
      advance();
    } else if (c == '\n' || c == '\r') {
      if (depth_ == 0) return true;
      advance();
    } else {
      return false;
    }
  }
  return false;
}

Token Scanner::next() {
  for (;;) {
    if (line_begins_) at_line_start();
    if (fatal_) return token(Tok::eof);
    if (indent_) {
      indent_ = false;
      return token(Tok::indent);
    }
    if (outdents_ > 0) {
      --outdents_;
      return token(Tok::outdent);
    }
    if (skip_blank()) {
      Token t = token(Tok::newline);
      if (peek() == '\r' && peek(1) == '\n') advance();
      advance();
      line_begins_ = true;
      if (!newline_pending_) continue;
      newline_pending_ = false;
      return t;
    }
    break;
  }
  if (end()) {
    if (newline_pending_ && depth_ == 0) {
      newline_pending_ = false;
      return token(Tok::newline);
    }
    if (indents_.size() > 1 && depth_ == 0) {
      indents_.pop_back();
      return token(Tok::outdent);
    }
    return token(Tok::eof);
  }
  newline_pending_ = true;
  char c = peek();
  Token t;
  if (ident_start(c)) {
    t = scan_identifier();
  } else if (digit(c) || (c == '.' && digit(peek(1)))) {
    t = scan_number();
  } else if (c == '"' || c == '\'') {
    t = scan_string(false, false, pos());
  } else {
    t = scan_operator();
  }
  t.end = pos();
  return t;
}

Token Scanner::scan_identifier() {
  Token t = token(Tok::identifier);
  char c = peek();
  char quote = c == 'r' || c == 'b' ? peek(1) : '\0';
  if (quote == '"' || quote == '\'') {
    advance();
    return scan_string(c == 'r', c == 'b', t.pos);
  }
  if ((c == 'r' && peek(1) == 'b') || (c == 'b' && peek(1) == 'r')) {
    if (peek(2) == '"' || peek(2) == '\'') {
      advance();
      advance();
      return scan_string(true, true, t.pos);
    }
  }
  const char* start = at_;
  while (!end()) {
    if (ident_start(peek()) && static_cast<unsigned char>(peek()) >= 0x80) {
      std::string_view rest(at_, static_cast<std::size_t>(end_ - at_));
      std::int32_t code_point;
      bool fine = decode_strict(rest, code_point);
      if (!fine || !(is_letter(code_point) || (at_ != start && is_digit(code_point)))) {
        Pos where = pos();
        std::string_view bytes(at_, static_cast<std::size_t>(rest.data() - at_));
        std::string message = fine ? "unexpected input character '" + std::string(bytes) + "'"
                                   : "the source is not UTF-8";
        return stop(where, fine ? Code::character : Code::encoding, message);
      }
      while (at_ < rest.data()) advance();
    } else if (ident_start(peek()) || digit(peek())) {
      advance();
    } else {
      break;
    }
  }
  t.text = std::string_view(start, static_cast<std::size_t>(at_ - start));
  t.kind = keyword(t.text);
  return t;
}

// What belongs to a malformed number, so that it is complained about once.
void Scanner::skip_word() {
  while (!end() && (ident_start(peek()) || digit(peek()))) advance();
}

Token Scanner::finish_int(std::string_view digits, int base, Token t) {
  t.kind = Tok::integer;
  auto [end, problem] = std::from_chars(digits.data(), digits.data() + digits.size(), t.integer, base);
  if (problem == std::errc{} && end == digits.data() + digits.size()) return t;
  // Too large for 64 bits: kept as text, "0x…" unless decimal.
  t.big = true;
  if (base == 10) {
    t.text = digits;
  } else {
    std::string prefix = base == 16 ? "0x" : base == 8 ? "0o" : "0b";
    t.text = arena_.copy(prefix + std::string(digits));
  }
  return t;
}

Token Scanner::scan_radix(int base, const char* what) {
  Token t = token(Tok::integer);
  advance();
  advance();
  const char* start = at_;
  while (digit_value(peek()) < base) advance();
  if (at_ == start) {
    error(t.pos, Code::literal, std::string("invalid ") + what + " literal");
    skip_word();
  }
  return finish_int({start, static_cast<std::size_t>(at_ - start)}, base, t);
}

Token Scanner::scan_number() {
  char second = peek(1);
  if (peek() == '0') {
    if (second == 'x' || second == 'X') return scan_radix(16, "hex");
    if (second == 'o' || second == 'O') return scan_radix(8, "octal");
    if (second == 'b' || second == 'B') return scan_radix(2, "binary");
  }
  Token t = token(Tok::integer);
  const char* start = at_;
  while (digit(peek())) advance();
  bool fraction = peek() == '.';
  bool exponent = false;
  if (peek() == 'e' || peek() == 'E') {
    std::size_t sign = peek(1) == '+' || peek(1) == '-' ? 1 : 0;
    exponent = digit(peek(1 + sign));
    if (!exponent) {
      error(t.pos, Code::literal, "invalid float literal");
      skip_word();
      return t;
    }
  }
  if (fraction || exponent) return scan_float(start, t);
  std::string_view digits(start, static_cast<std::size_t>(at_ - start));
  if (digits.size() > 1 && digits[0] == '0' &&
      digits.find_first_not_of('0') != std::string_view::npos) {
    bool octal = digits.find_first_of("89") == std::string_view::npos;
    error(t.pos, Code::literal,
          octal ? "obsolete form of octal literal" : "invalid int literal",
          octal ? "use 0o" + std::string(digits.substr(digits.find_first_not_of('0'))) : "");
  }
  return finish_int(digits, 10, t);
}

Token Scanner::scan_float(const char* start, Token t) {
  t.kind = Tok::floating;
  if (peek() == '.') {
    advance();
    while (digit(peek())) advance();
  }
  if (peek() == 'e' || peek() == 'E') {
    std::size_t sign = peek(1) == '+' || peek(1) == '-' ? 1 : 0;
    if (digit(peek(1 + sign))) {
      for (std::size_t i = 0; i <= sign; ++i) advance();
      while (digit(peek())) advance();
    } else {
      error(t.pos, Code::literal, "invalid float literal");
      skip_word();
    }
  }
  std::string_view text(start, static_cast<std::size_t>(at_ - start));
  t.floating = parse_double(text).value_or(0);
  if (std::isinf(t.floating)) error(t.pos, Code::literal, "floating-point literal too large");
  return t;
}

Token Scanner::scan_operator() {
  Token t = token(Tok::illegal);
  std::string_view rest(at_, static_cast<std::size_t>(end_ - at_));
  std::size_t best = 0;
  for (const TokRow& row : kSpellings) {
    if (row.spelling.size() > best && rest.starts_with(row.spelling)) {
      best = row.spelling.size();
      t.kind = row.tok;
    }
  }
  if (best == 0) {
    std::string shown(1, rest[0]);
    return stop(t.pos, Code::character, "unexpected input character '" + shown + "'");
  }
  for (std::size_t i = 0; i < best; ++i) advance();
  if (t.kind == Tok::lparen || t.kind == Tok::lbrack || t.kind == Tok::lbrace) ++depth_;
  if (t.kind == Tok::rparen || t.kind == Tok::rbrack || t.kind == Tok::rbrace) {
    t.unopened = depth_ == 0;
    if (!t.unopened) --depth_;
  }
  return t;
}

}  // namespace starlark::ast
