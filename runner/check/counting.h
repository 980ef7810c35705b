// SPDX-License-Identifier: Apache-2.0
//
// What the look-backs share: which matching calls count, why nothing may be concluded from what is
// not there, and how both are said. Internal to runner/check.
//
// Thread rule: pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "runner/check/look_back.h"

namespace fbx::check {

// Matching events by what they mean for a look-back; seqs, ascending.
struct Counted {
  std::vector<uint64_t> counted;
  std::vector<uint64_t> listed;  // attempts that failed: shown, not counted
  std::vector<uint64_t> unsure;  // would count if they match, which can't be told
};
[[nodiscard]] Counted count_all(const CompiledFilter& filter, model::LookBack::Kind kind,
                                const observe::EventStore& store,
                                const LookBacks::Matches& matches);

struct Doubtful {
  std::string code, text, remedy;
};
// Set when `loss` is not exact.
[[nodiscard]] std::optional<Doubtful> doubt_about_loss(const plan::Plan& plan,
                                                       const observe::Loss& loss);
// Why nothing may be concluded from what is not there; unset = it may.
[[nodiscard]] std::optional<Doubtful> doubt_about_absence(const CompiledFilter& filter,
                                                          const Seen& seen,
                                                          const std::vector<uint64_t>& unsure);

// An answer that is none.
[[nodiscard]] Judged open_question(const std::string& code, const std::string& text);

// "inventory: write /tmp/a.wal → 24 bytes".
[[nodiscard]] std::string event_text(const Seen& seen, const observe::Event& event);
// " (and 2 more)" for 3; "" for 1.
[[nodiscard]] std::string and_more(size_t all);

// When the call began; its end where only that is known.
[[nodiscard]] uint64_t begin_of(const observe::Event& event);

}  // namespace fbx::check
