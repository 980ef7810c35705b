// SPDX-License-Identifier: Apache-2.0
#include "spec/plan/anchor.h"

#include <charconv>

namespace fbx::plan {

std::string anchor_text(const Anchor& anchor) {
  std::string out = anchor.function + (anchor.distance < 0 ? "-" : "+");
  out += std::to_string(anchor.distance < 0 ? -anchor.distance : anchor.distance);
  if (anchor.col != 0) out += ":" + std::to_string(anchor.col);
  if (!anchor.source.empty()) out += "  " + anchor.source;
  return out;
}

std::optional<Anchor> parse_anchor(std::string_view text) {
  const size_t sign = text.find_first_of("+-");
  if (sign == std::string_view::npos || text.substr(0, sign).find(' ') != std::string_view::npos) {
    return std::nullopt;
  }
  Anchor out;
  out.function = text.substr(0, sign);
  const char* end = text.data() + text.size();
  uint32_t lines = 0;
  auto read = std::from_chars(text.data() + sign + 1, end, lines);
  if (read.ec != std::errc{} || lines > INT32_MAX) return std::nullopt;
  out.distance = text[sign] == '-' ? -static_cast<int64_t>(lines) : lines;
  if (read.ptr != end && *read.ptr == ':') {
    read = std::from_chars(read.ptr + 1, end, out.col);
    if (read.ec != std::errc{}) return std::nullopt;
  }
  if (read.ptr == end) return out;
  const std::string_view rest(read.ptr, static_cast<size_t>(end - read.ptr));
  if (!rest.starts_with("  ") || rest.size() == 2) return std::nullopt;
  out.source = rest.substr(2);
  return out;
}

bool is_landmark(std::string_view key) {
  return !key.empty() && key.find_first_of(".@") == std::string_view::npos;
}

Anchor AnchorCounter::anchor_of(const Place& place) {
  Anchor out;
  out.col = place.col;
  const int64_t line = place.line;
  int64_t& last = last_[place.file];
  out.distance = line - last;
  const auto file = functions_ == nullptr ? FunctionLines::const_iterator{} : functions_->find(place.file);
  if (functions_ != nullptr && file != functions_->end()) {
    auto next = file->second.by_line.upper_bound(place.line);
    if (next != file->second.by_line.begin()) {
      const auto& [at, key] = *--next;
      if (at >= last || last > line) {
        out.function = key;
        out.distance = line - at;
      }
    }
  }
  last = line;
  return out;
}

std::optional<uint32_t> AnchorCounter::line_of(const std::string& file, const Anchor& anchor) {
  int64_t from = last_[file];
  if (!anchor.function.empty()) {
    if (functions_ == nullptr || !functions_->contains(file)) return std::nullopt;
    const auto& known = functions_->at(file).by_key;
    const auto found = known.find(anchor.function);
    if (found == known.end()) return std::nullopt;
    from = found->second;
  }
  const int64_t line = from + anchor.distance;
  if (line < 0 || line > INT32_MAX) return std::nullopt;
  last_[file] = line;
  return static_cast<uint32_t>(line);
}

}  // namespace fbx::plan
