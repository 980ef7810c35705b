// SPDX-License-Identifier: Apache-2.0
#include "base/diagnostic.h"

#include <algorithm>
#include <numeric>

namespace fbx {

std::string Place::text() const {
  if (line == 0) return file;
  std::string out = file + ":" + std::to_string(line);
  if (col != 0) out += ":" + std::to_string(col);
  return out;
}

std::string Diagnostic::text() const {
  std::string out = place.text();
  if (!out.empty()) out += ": ";
  if (severity == Severity::kWarning) out += "warning: ";
  out += message;
  if (!hint.empty()) out += "\n  hint: " + hint;
  return out;
}

bool has_errors(const Diagnostics& all) {
  return std::any_of(all.begin(), all.end(),
                     [](const Diagnostic& d) { return d.severity == Severity::kError; });
}

namespace {

// Changed, missing and surplus characters, and neighbours that changed places, each count one.
size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> before(b.size() + 1), row(b.size() + 1), next(b.size() + 1);
  std::iota(row.begin(), row.end(), 0);
  for (size_t i = 1; i <= a.size(); ++i) {
    next[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t change = row[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      next[j] = std::min({row[j] + 1, next[j - 1] + 1, change});
      const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) next[j] = std::min(next[j], before[j - 2] + 1);
    }
    before.swap(row);
    row.swap(next);
  }
  return row[b.size()];
}

// "enviroment" for "env", "interf" for "interface".
bool is_beginning(std::string_view a, std::string_view b) {
  return std::min(a.size(), b.size()) >= 3 && (a.starts_with(b) || b.starts_with(a));
}

}  // namespace

std::string nearest_name(std::string_view got, const std::vector<std::string>& candidates) {
  const size_t limit = std::max<size_t>(1, got.size() / 3);
  size_t best = limit + 1;
  std::string name;
  for (const std::string& candidate : candidates) {
    const size_t distance = edit_distance(got, candidate);
    if (distance < best) {
      best = distance;
      name = candidate;
    }
  }
  for (const std::string& candidate : candidates) {
    if (name.empty() && is_beginning(got, candidate)) name = candidate;
  }
  return name;
}

std::string did_you_mean(std::string_view got, const std::vector<std::string>& candidates) {
  const std::string near = nearest_name(got, candidates);
  return near.empty() ? "" : "did you mean " + near + "?";
}

}  // namespace fbx
