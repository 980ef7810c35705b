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

// Insertions, deletions, changes, and neighbours that changed places ("wirte"): each is one edit.
size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> before_last(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
  std::iota(row.begin(), row.end(), 0);
  for (size_t i = 1; i <= a.size(); ++i) {
    before_last.swap(last);
    last.swap(row);
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t change = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, change});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        row[j] = std::min(row[j], before_last[j - 2] + 1);
    }
  }
  return row[b.size()];
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
  return name;
}

}  // namespace fbx
