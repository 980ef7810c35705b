// SPDX-License-Identifier: Apache-2.0
//
// The outcome of something that this machine may be unable to do: a value, a Refusal (the test
// becomes inconclusive, nothing was started), or an Error (the OS refused a call that it should
// not have refused, or fbx is wrong).
//
// Thread rule: values.
#pragma once

#include <expected>
#include <string>
#include <utility>
#include <variant>

#include "base/refusal.h"
#include "base/result.h"

namespace fbx::sandbox {

using Trouble = std::variant<Refusal, Error>;

template <typename T>
using Attempt = std::expected<T, Trouble>;

[[nodiscard]] inline std::unexpected<Trouble> refuse(std::string code, std::string what,
                                                     std::string remedy = {}) {
  return std::unexpected<Trouble>(Refusal{std::move(code), std::move(what), std::move(remedy)});
}

// The error of `r` as a Trouble.
[[nodiscard]] inline std::unexpected<Trouble> trouble(std::unexpected<Error> error) {
  return std::unexpected<Trouble>(std::move(error).error());
}

[[nodiscard]] inline std::string text(const Trouble& trouble) {
  return std::visit([](const auto& t) { return t.text(); }, trouble);
}

}  // namespace fbx::sandbox
