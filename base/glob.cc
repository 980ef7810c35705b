// SPDX-License-Identifier: Apache-2.0
#include "base/glob.h"

#include <vector>

namespace fbx {
namespace {

struct Token {
  enum class Kind { kByte, kOne, kStar, kDoubleStar, kSlashes } kind;
  char byte = 0;
};

std::vector<Token> tokens_of(std::string_view p) {
  std::vector<Token> out;
  for (size_t i = 0; i < p.size(); ++i) {
    if (p.substr(i, 4) == "/**/") {
      out.push_back({Token::Kind::kSlashes});
      i += 3;
    } else if (p.substr(i, 2) == "**") {
      out.push_back({Token::Kind::kDoubleStar});
      i += 1;
    } else if (p[i] == '*') {
      out.push_back({Token::Kind::kStar});
    } else if (p[i] == '?') {
      out.push_back({Token::Kind::kOne});
    } else {
      if (p[i] == '\\' && i + 1 < p.size()) ++i;
      out.push_back({Token::Kind::kByte, p[i]});
    }
  }
  return out;
}

// Which positions of `text` can be reached after a token, given those reached before it.
std::vector<bool> step(const Token& token, const std::vector<bool>& from, std::string_view text,
                       bool path) {
  std::vector<bool> to(from.size(), false);
  bool running = false;  // a star that may take one more character
  for (size_t i = 0; i < from.size(); ++i) {
    const char before = i > 0 ? text[i - 1] : '\0';
    switch (token.kind) {
      case Token::Kind::kByte:
        to[i] = i > 0 && from[i - 1] && before == token.byte;
        break;
      case Token::Kind::kOne:
        to[i] = i > 0 && from[i - 1] && !(path && before == '/');
        break;
      case Token::Kind::kStar:
        running = from[i] || (running && !(path && before == '/'));
        to[i] = running;
        break;
      case Token::Kind::kDoubleStar:
        running = running || from[i];
        to[i] = running;
        break;
      case Token::Kind::kSlashes:  // one '/', or '/' anything '/'
        to[i] = i > 0 && before == '/' && (from[i - 1] || running);
        running = running || (i > 0 && from[i - 1] && before == '/');
        break;
    }
  }
  return to;
}

bool match(std::string_view pattern, std::string_view text, bool path) {
  std::vector<bool> reached(text.size() + 1, false);
  reached[0] = true;
  for (const Token& token : tokens_of(pattern)) reached = step(token, reached, text, path);
  return reached[text.size()];
}

}  // namespace

bool glob_match_path(std::string_view pattern, std::string_view text) {
  return match(pattern, text, true);
}

bool glob_match(std::string_view pattern, std::string_view text) {
  return match(pattern, text, false);
}

bool has_glob(std::string_view pattern) {
  return pattern.find_first_of("*?\\") != std::string_view::npos;
}

}  // namespace fbx
