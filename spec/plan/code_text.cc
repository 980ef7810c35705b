// SPDX-License-Identifier: Apache-2.0
#include "spec/plan/code_text.h"

#include <charconv>
#include <set>
#include <string_view>

#include "spec/starlark/core_text.h"

namespace fbx::plan {

namespace {

constexpr size_t kSourceColumn = 56;

// The source line that an instruction names, counted from the function's own; -1 for a label.
int64_t line_of(std::string_view instruction) {
  uint32_t line = 0;
  const char* end = instruction.data() + instruction.size();
  const auto read = std::from_chars(instruction.data(), end, line);
  return read.ec == std::errc{} && read.ptr != end && *read.ptr == ':' ? static_cast<int64_t>(line) : -1;
}

// Calls `each` with every line of `text`, without its end.
template <class F>
void for_lines(std::string_view text, F each) {
  while (!text.empty()) {
    const size_t end = text.find('\n');
    each(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
}

// Where `# ` begins a comment: outside every quoted string.
size_t comment_at(std::string_view line) {
  char quote = 0;
  for (size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (quote != 0) {
      if (c == '\\') ++i;
      else if (c == quote) quote = 0;
    } else if (c == '"' || c == '\'') {
      quote = c;
    } else if (c == '#') {
      return i;
    }
  }
  return std::string_view::npos;
}

}  // namespace

std::string code_text(const Plan& plan, const std::string& file,
                      const starlark::core::Function& function) {
  std::string out;
  std::set<int64_t> quoted = {0};  // the function's own line stands in its `at`
  for_lines(starlark::core::write_code(function), [&](std::string_view instruction) {
    out += instruction;
    const int64_t line = line_of(instruction);
    if (line > 0 && quoted.insert(line).second) {
      const auto number = static_cast<uint32_t>(function.line + line);
      if (const std::string source = source_line(plan, Place{file, number}); !source.empty()) {
        const size_t width = instruction.size();
        out.append(width < kSourceColumn ? kSourceColumn - width : 2, ' ');
        out += "# " + source;
      }
    }
    out += '\n';
  });
  return out;
}

std::string split_code_text(const std::string& text, uint32_t first_line,
                            std::map<uint32_t, std::string>& sources) {
  std::string out;
  for_lines(text, [&](std::string_view line) {
    const size_t comment = comment_at(line);
    std::string_view instruction = line.substr(0, comment);
    if (comment != std::string_view::npos && line.substr(comment).starts_with("# ")) {
      const int64_t number = line_of(instruction);
      if (number >= 0) sources[first_line + static_cast<uint32_t>(number)] = line.substr(comment + 2);
    }
    while (instruction.ends_with(' ')) instruction.remove_suffix(1);
    out += instruction;
    out += '\n';
  });
  return out;
}

}  // namespace fbx::plan
