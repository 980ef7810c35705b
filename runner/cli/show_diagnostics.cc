// SPDX-License-Identifier: Apache-2.0
#include "runner/cli/show_diagnostics.h"

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>

namespace fbx::cli {

namespace {

constexpr size_t kWidest = 160;  // of an excerpt, in characters

bool begins_character(char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }

std::vector<std::string> characters(const std::string& line) {
  std::vector<std::string> out;
  for (const char c : line) {
    if (begins_character(c) || out.empty()) out.emplace_back();
    out.back() += c;
  }
  return out;
}

std::vector<std::string> lines_of(const std::string& file) {
  std::vector<std::string> out;
  std::ifstream in(file, std::ios::binary);
  for (std::string line; std::getline(in, line);) {
    if (line.ends_with('\r')) line.pop_back();
    out.push_back(std::move(line));
  }
  return out;
}

// What a terminal would take for a command is shown as '?'.
std::string printable(const std::string& character) {
  const bool control = character.size() == 1 && static_cast<unsigned char>(character[0]) < ' ';
  if (!control && character != "\x7f") return character;
  return character == "\t" ? "\t" : "?";
}

}  // namespace

std::string Excerpts::of(const Place& place) {
  if (place.line == 0 || place.file.empty()) return "";
  const auto [known, fresh] = files_.try_emplace(place.file);
  if (fresh) known->second = lines_of(place.file);
  if (place.line > known->second.size()) return "";
  const std::vector<std::string> line = characters(known->second[place.line - 1]);
  const size_t caret = place.col == 0 ? 0 : std::min<size_t>(place.col - 1, line.size());
  const size_t from = caret < kWidest * 3 / 4 ? 0 : caret - kWidest / 2;
  const size_t to = std::min(line.size(), from + kWidest);
  std::string text = from == 0 ? "" : "…";
  std::string under = from == 0 ? "" : " ";
  for (size_t i = from; i < to; ++i) {
    text += printable(line[i]);
    if (i < caret) under += line[i] == "\t" ? "\t" : " ";
  }
  text += to < line.size() ? "…\n" : "\n";
  return place.col == 0 ? text : text + under + "^\n";
}

void print_diagnostics(const Diagnostics& diagnostics) {
  Excerpts excerpts;
  for (const Diagnostic& d : diagnostics) {
    Diagnostic shown = d;
    shown.hint.clear();
    std::fprintf(stderr, "%s [%s]\n", shown.text().c_str(), d.code.text().c_str());
    const std::string excerpt = excerpts.of(d.place);
    for (size_t begin = 0; begin < excerpt.size();) {
      const size_t end = excerpt.find('\n', begin) + 1;
      std::fprintf(stderr, "    %s", excerpt.substr(begin, end - begin).c_str());
      begin = end;
    }
    if (!d.hint.empty()) std::fprintf(stderr, "  hint: %s\n", d.hint.c_str());
  }
}

void print_diagnostics_json(const std::string& file, const Diagnostics& diagnostics) {
  using Json = nlohmann::ordered_json;
  Excerpts excerpts;
  Json all = Json::array();
  for (const Diagnostic& d : diagnostics) {
    all.push_back({{"severity", d.severity == Severity::kError ? "error" : "warning"},
                   {"code", d.code.name()},
                   {"file", d.place.file},
                   {"line", d.place.line},
                   {"col", d.place.col},
                   {"message", d.message},
                   {"hint", d.hint},
                   {"excerpt", excerpts.of(d.place)}});
  }
  const auto errors = std::count_if(diagnostics.begin(), diagnostics.end(), [](const auto& d) {
    return d.severity == Severity::kError;
  });
  const Json out = {{"fbx_check", 1},
                    {"file", file},
                    {"errors", errors},
                    {"warnings", static_cast<int64_t>(diagnostics.size()) - errors},
                    {"diagnostics", std::move(all)}};
  std::printf("%s\n", out.dump(2, ' ', false, Json::error_handler_t::replace).c_str());
}

}  // namespace fbx::cli
