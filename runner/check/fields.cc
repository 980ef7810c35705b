// SPDX-License-Identifier: Apache-2.0
#include "runner/check/fields.h"

#include <sys/wait.h>

#include <algorithm>
#include <csignal>
#include <cstring>

#include "base/glob.h"

namespace fbx::check {

namespace {

using model::EventValue;
using observe::Lifecycle;

std::optional<double> number_of(const EventValue& value) {
  if (const auto* i = std::get_if<int64_t>(&value)) return static_cast<double>(*i);
  if (const auto* d = std::get_if<double>(&value)) return *d;
  return std::nullopt;
}

// A string is a glob over a string; numbers of both kinds compare by value.
bool is_as_wanted(const model::Filter::Field& wanted, const EventValue& got) {
  if (std::holds_alternative<std::monostate>(wanted.value))
    return std::holds_alternative<std::monostate>(got);
  if (const auto* b = std::get_if<bool>(&wanted.value)) {
    const auto* other = std::get_if<bool>(&got);
    return other != nullptr && *other == *b;
  }
  if (const auto* pattern = std::get_if<std::string>(&wanted.value)) {
    const auto* text = std::get_if<std::string>(&got);
    return text != nullptr && glob_match(*pattern, *text);
  }
  const auto number = number_of(got);
  if (!number) return false;
  if (const auto* i = std::get_if<int64_t>(&wanted.value)) {
    const auto* exact = std::get_if<int64_t>(&got);
    return exact != nullptr ? *exact == *i : *number == static_cast<double>(*i);
  }
  return *number == std::get<double>(wanted.value);
}

}  // namespace

std::string lifecycle_word(Lifecycle what) {
  switch (what) {
    case Lifecycle::kNone: return "";
    case Lifecycle::kStarted: return "started";
    case Lifecycle::kReady: return "ready";
    case Lifecycle::kExited: return "exited";
    case Lifecycle::kKilled: return "killed";
    case Lifecycle::kSignal: return "signal";
  }
  return "";
}

std::string signal_word(int signal) {
  const char* name = ::sigabbrev_np(signal);
  return name != nullptr ? std::string("SIG") + name : "signal " + std::to_string(signal);
}

EventValue lifecycle_field(const observe::Event& event, std::string_view name) {
  if (name == "what") return lifecycle_word(event.what);
  const bool ended = event.what == Lifecycle::kExited || event.what == Lifecycle::kKilled;
  const int status = static_cast<int>(event.ret);
  if (name == "code" && ended && WIFEXITED(status))
    return static_cast<int64_t>(WEXITSTATUS(status));
  if (name == "signal" && ended && WIFSIGNALED(status)) return signal_word(WTERMSIG(status));
  if (name == "signal" && event.what == Lifecycle::kSignal) return signal_word(status);
  return std::monostate();
}

DecodedLine decoded(const plan::Plan& plan, const observe::EventStore& store,
                    const observe::Event& event) {
  if (event.service < 0 || static_cast<size_t>(event.service) >= plan.services.size()) return {};
  const auto& all = plan.services[static_cast<size_t>(event.service)].observe;
  const bool is_stderr = event.type == observe::EventType::kStderr;
  const auto decoder = std::ranges::find(all, is_stderr, &plan::OutputDecoder::is_stderr);
  if (decoder == all.end()) return {};
  return decode_line(*decoder, store.string(event.text));
}

bool lifecycle_matches(const std::vector<model::Filter::Field>& wanted,
                       const observe::Event& event) {
  return std::ranges::all_of(wanted, [&event](const model::Filter::Field& field) {
    return is_as_wanted(field, lifecycle_field(event, field.name));
  });
}

bool line_matches(const std::vector<model::Filter::Field>& wanted, const plan::Plan& plan,
                  const observe::EventStore& store, const observe::Event& event) {
  const DecodedLine line = decoded(plan, store, event);
  return std::ranges::all_of(wanted, [&](const model::Filter::Field& field) {
    if (field.name == "data" && !line.has_fields())
      return is_as_wanted(field, std::string(store.string(event.text)));
    return is_as_wanted(field, line.field(field.name));
  });
}

}  // namespace fbx::check
