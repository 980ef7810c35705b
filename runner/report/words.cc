// SPDX-License-Identifier: Apache-2.0
#include "runner/report/words.h"

#include <algorithm>
#include <cctype>
#include <cstdio>

#include "runner/report/human.h"

namespace fbx::report {

std::string paint(const std::string& text, Colour colour, bool on) {
  if (!on) return text;
  const char* code = "";
  switch (colour) {
    case Colour::kRed: code = "31;1"; break;
    case Colour::kYellow: code = "33;1"; break;
    case Colour::kGreen: code = "32"; break;
    case Colour::kDim: code = "2"; break;
    case Colour::kBold: code = "1"; break;
  }
  return std::string("\033[") + code + "m" + text + "\033[0m";
}

std::string verdict_word(Verdict verdict, bool colour) {
  switch (verdict) {
    case Verdict::kError: return paint("ERROR", Colour::kRed, colour);
    case Verdict::kFail: return paint("FAIL", Colour::kRed, colour);
    case Verdict::kInconclusive: return paint("INCONCLUSIVE", Colour::kYellow, colour);
    case Verdict::kNotApplicable: return paint("n/a", Colour::kDim, colour);
    case Verdict::kPass: return paint("ok", Colour::kGreen, colour);
    case Verdict::kKnown: return paint("known", Colour::kDim, colour);
  }
  return "";
}

std::string plural(uint64_t n, const std::string& word) {
  return std::to_string(n) + " " + word + (n == 1 ? "" : "s");
}

std::string printable(const std::string& text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    out += (byte < 0x20 && c != '\t') || byte == 0x7f ? '?' : c;
  }
  return out;
}

std::string indented(const std::string& text, const std::string& indent) {
  std::string out;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    out += indent + printable(text.substr(begin, end - begin)) + "\n";
    begin = end + 1;
  }
  return out;
}

size_t columns(const std::string& text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0) != 0x80;  // not a continuation byte
  }));
}

std::string padded(const std::string& text, size_t width) {
  const size_t taken = columns(text);
  return taken < width ? text + std::string(width - taken, ' ') : text;
}

std::string shell_word(const std::string& text) {
  const bool plain = !text.empty() && std::all_of(text.begin(), text.end(), [](unsigned char c) {
    return std::isalnum(c) != 0 || std::string_view("_-./=:,@+%").find(static_cast<char>(c)) !=
                                       std::string_view::npos;
  });
  if (plain) return text;
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

std::string duration_text(int64_t ns) {
  char text[32];
  const double ms = static_cast<double>(ns) / 1e6;
  if (ms < 10) {
    std::snprintf(text, sizeof text, "%.1f ms", ms);
  } else if (ms < 1000) {
    std::snprintf(text, sizeof text, "%.0f ms", ms);
  } else if (ms < 100'000) {
    std::snprintf(text, sizeof text, "%.2f s", ms / 1000);
  } else {
    std::snprintf(text, sizeof text, "%.0f s", ms / 1000);
  }
  return text;
}

std::string rerun_command(const plan::Plan& plan, const std::string& spec_argument,
                          const std::string& test, uint64_t seed,
                          const std::vector<std::string>& flags) {
  std::string command;
  for (const plan::EnvRead& read : plan.env_reads)
    if (!read.defaulted) command += read.name + "=" + shell_word(read.value) + " ";
  command += "fbx run " + shell_word(spec_argument) + " --test " + shell_word(test) + " --seed " +
             std::to_string(seed);
  for (const std::string& flag : flags) command += " " + shell_word(flag);
  return command;
}

}  // namespace fbx::report
