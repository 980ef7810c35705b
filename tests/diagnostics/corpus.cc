// SPDX-License-Identifier: Apache-2.0
#include "tests/diagnostics/corpus.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <fstream>
#include <sstream>

namespace fbx::testing {

namespace {

constexpr std::string_view kMarker = "‸";

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  for (size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) {
    text.replace(at, from.size(), to);
  }
}

// ⟦200×(⟧
void repeat(std::string& text) {
  constexpr std::string_view kOpen = "⟦", kTimes = "×", kClose = "⟧";
  for (size_t at = 0; (at = text.find(kOpen, at)) != std::string::npos;) {
    const size_t times = text.find(kTimes, at), close = text.find(kClose, at);
    REQUIRE(times < close);
    REQUIRE(close != std::string::npos);
    const std::string what = text.substr(times + kTimes.size(), close - times - kTimes.size());
    std::string all;
    for (int i = std::stoi(text.substr(at + kOpen.size(), times)); i > 0; --i) all += what;
    text.replace(at, close + kClose.size() - at, all);
    at += all.size();
  }
}

void take_header(BadInput& input, const std::string& line) {
  if (line.starts_with("hint: ")) {
    input.hint = line.substr(6);
    return;
  }
  const size_t colon = line.find(": ");
  REQUIRE_MESSAGE(colon != std::string::npos, line);
  input.code = line.substr(0, colon);
  input.message = line.substr(colon + 2);
  if (input.code.starts_with("warning ")) {
    input.warning = true;
    input.code.erase(0, 8);
  }
}

}  // namespace

std::string read_text(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  REQUIRE_MESSAGE(in, path);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

std::vector<BadInput> read_corpus(const std::string& path) {
  std::vector<BadInput> out;
  std::istringstream in(read_text(path));
  std::string* section = nullptr;
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("=== ")) {
      out.push_back({line.substr(4)});
      section = nullptr;
    } else if (line.starts_with("--- ")) {
      section = &out.back().sections[line.substr(4)];
    } else if (section != nullptr) {
      *section += line + "\n";
    } else if (!line.empty() && line[0] != '#') {
      REQUIRE_FALSE(out.empty());
      take_header(out.back(), line);
    }
  }
  for (BadInput& input : out) {
    for (auto& [name, text] : input.sections) {
      while (text.ends_with("\n\n")) text.pop_back();
      replace_all(text, "␡", "\xff");
      repeat(text);
    }
  }
  return out;
}

Place take_marker(std::string& text, const std::string& file) {
  const size_t at = text.find(kMarker);
  if (at == std::string::npos) return {};
  text.erase(at, kMarker.size());
  const size_t line_begin = text.rfind('\n', at == 0 ? std::string::npos : at - 1) + 1;
  const bool first_line = at == 0 || text.rfind('\n', at - 1) == std::string::npos;
  const size_t begin = first_line ? 0 : line_begin;
  const auto line = static_cast<uint32_t>(
      std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(at), '\n'));
  uint32_t col = 1;
  for (size_t i = begin; i < at; ++i) col += (static_cast<unsigned char>(text[i]) & 0xc0) != 0x80;
  return {file, line + 1, col};
}

std::string shape_of(const std::string& message) {
  std::string out;
  for (size_t i = 0; i < message.size(); ++i) {
    const char c = message[i];
    if (c == '"') {
      const size_t end = message.find('"', i + 1);
      out += "\"…\"";
      if (end == std::string::npos) break;
      i = end;
    } else if (c >= '0' && c <= '9') {
      if (!out.ends_with('#')) out += '#';
    } else {
      out += c;
    }
  }
  return out;
}

}  // namespace fbx::testing
