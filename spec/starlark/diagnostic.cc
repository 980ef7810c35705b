// SPDX-License-Identifier: Apache-2.0
#include "spec/starlark/diagnostic.h"

#include <algorithm>
#include <array>

namespace starlark {
namespace {

struct CodeRow {
  std::string_view name;
  std::string_view meaning;
};
constexpr CodeRow kCodes[] = {
#define X(id, name, when) {name, when},
    STARLARK_CODES(X)
#undef X
};

// For comparing names: case and underscores do not count.
std::string folded(std::string_view s) {
  std::string out;
  for (char c : s) {
    if (c == '_') continue;
    out += (c >= 'A' && c <= 'Z') ? static_cast<char>(c - 'A' + 'a') : c;
  }
  return out;
}

// Edit distance, or `limit` if it is not below that.
std::size_t distance(std::string_view a, std::string_view b, std::size_t limit) {
  if (a.size() > b.size()) std::swap(a, b);
  if (b.size() - a.size() >= limit) return limit;
  std::vector<std::size_t> row(a.size() + 1);
  for (std::size_t i = 0; i <= a.size(); ++i) row[i] = i;
  for (std::size_t j = 1; j <= b.size(); ++j) {
    std::size_t diagonal = row[0];
    std::size_t lowest = row[0] = j;
    for (std::size_t i = 1; i <= a.size(); ++i) {
      std::size_t cost = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[i];
      row[i] = std::min({cost, row[i] + 1, row[i - 1] + 1});
      lowest = std::min(lowest, row[i]);
    }
    if (lowest >= limit) return limit;
  }
  return std::min(row[a.size()], limit);
}

}  // namespace

std::string_view code_name(Code code) { return kCodes[static_cast<std::size_t>(code)].name; }
std::string_view code_meaning(Code code) { return kCodes[static_cast<std::size_t>(code)].meaning; }

std::string Place::text() const {
  std::string out = file;
  if (line > 0) out += ":" + std::to_string(line);
  if (line > 0 && col > 0) out += ":" + std::to_string(col);
  return out;
}

std::string Diagnostic::text() const {
  std::string out = Place{file, line, col}.text();
  if (!out.empty()) out += ": ";
  out += message;
  if (!hint.empty()) out += " (" + hint + ")";
  return out;
}

Place Error::place() const {
  for (auto it = trace.rbegin(); it != trace.rend(); ++it) {
    if (it->place.line > 0) return it->place;
  }
  return {};
}

std::string Error::text() const {
  std::string out = place().text();
  if (!out.empty()) out += ": ";
  out += message;
  if (!hint.empty()) out += " (" + hint + ")";
  return out;
}

std::string Error::traceback() const {
  std::string out = "Traceback (most recent call last):\n";
  for (const TraceEntry& entry : trace) {
    out += "  " + entry.place.text() + ": in " + entry.function + "\n";
  }
  bool builtin = !trace.empty() && trace.back().place.line == 0;
  out += "Error" + (builtin ? " in " + trace.back().function : "") + ": " + message;
  if (!hint.empty()) out += " (" + hint + ")";
  for (const std::string& more : also) out += "\nwhile unwinding: " + more;
  return out;
}

std::string_view nearest(std::string_view word, const std::vector<std::string_view>& candidates) {
  const std::string wanted = folded(word);
  std::string_view best;
  std::size_t best_distance = (wanted.size() + 1) / 2;
  for (std::string_view candidate : candidates) {
    if (candidate == word) continue;
    std::size_t d = distance(wanted, folded(candidate), best_distance);
    if (d < best_distance) {
      best_distance = d;
      best = candidate;
    }
  }
  return best;
}

std::string did_you_mean(std::string_view word, const std::vector<std::string_view>& candidates) {
  std::string_view found = nearest(word, candidates);
  return found.empty() ? "" : "did you mean " + std::string(found) + "?";
}

}  // namespace starlark
