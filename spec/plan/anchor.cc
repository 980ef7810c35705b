// SPDX-License-Identifier: Apache-2.0
#include "spec/plan/anchor.h"

#include <charconv>

namespace fbx::plan {

std::string anchor_text(const Anchor& anchor) {
  std::string out = anchor.distance < 0 ? "-" : "+";
  out += std::to_string(anchor.distance < 0 ? -anchor.distance : anchor.distance);
  if (anchor.col != 0) out += ":" + std::to_string(anchor.col);
  if (!anchor.source.empty()) out += "  " + anchor.source;
  return out;
}

std::optional<Anchor> parse_anchor(std::string_view text) {
  if (text.empty() || (text[0] != '+' && text[0] != '-')) return std::nullopt;
  Anchor out;
  const char* end = text.data() + text.size();
  uint32_t lines = 0;
  auto read = std::from_chars(text.data() + 1, end, lines);
  if (read.ec != std::errc{} || lines > INT32_MAX) return std::nullopt;
  out.distance = text[0] == '-' ? -static_cast<int64_t>(lines) : lines;
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

}  // namespace fbx::plan
