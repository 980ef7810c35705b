// SPDX-License-Identifier: Apache-2.0
#include "spec/model/signals.h"

#include <algorithm>
#include <cstdint>

namespace fbx::model {

namespace {

// include/uapi/asm-generic/signal.h
constexpr std::string_view kSignals[] = {
    "SIGHUP",  "SIGINT",    "SIGQUIT", "SIGILL",  "SIGTRAP", "SIGABRT", "SIGBUS",   "SIGFPE",
    "SIGKILL", "SIGUSR1",   "SIGSEGV", "SIGUSR2", "SIGPIPE", "SIGALRM", "SIGTERM",  "SIGSTKFLT",
    "SIGCHLD", "SIGCONT",   "SIGSTOP", "SIGTSTP", "SIGTTIN", "SIGTTOU", "SIGURG",   "SIGXCPU",
    "SIGXFSZ", "SIGVTALRM", "SIGPROF", "SIGWINCH", "SIGIO",  "SIGPWR",  "SIGSYS"};

}  // namespace

bool is_signal(std::string_view name) {
  return std::find(std::begin(kSignals), std::end(kSignals), name) != std::end(kSignals);
}

std::vector<std::string> signal_names() { return {std::begin(kSignals), std::end(kSignals)}; }

std::optional<double> parse_percent(std::string_view text) {
  if (!text.ends_with('%')) return std::nullopt;
  text.remove_suffix(1);
  // Exact: an integer over a power of ten, divided once.
  uint64_t digits = 0;
  double scale = 100;
  bool point = false;
  size_t count = 0;
  for (const char c : text) {
    if (c == '.' && !point && count > 0) {
      point = true;
      continue;
    }
    if (c < '0' || c > '9' || ++count > 12) return std::nullopt;
    digits = digits * 10 + static_cast<uint64_t>(c - '0');
    if (point) scale *= 10;
  }
  if (count == 0 || text.ends_with('.')) return std::nullopt;
  const double value = static_cast<double>(digits) / scale;
  if (value > 1) return std::nullopt;
  return value;
}

}  // namespace fbx::model
