// SPDX-License-Identifier: Apache-2.0
//
// A line of output as fields: observe.stdout(decoder=…). Never fails: a line that the decoder can't
// read has no fields.
//
//   json    one JSON object (or any JSON value, which then has no fields)
//   logfmt  key=value key="quoted \" value" flag
//   regex   the named groups of an RE2 that is found in the line; groups that matched nothing are
//           left out
//
// Thread rule: one thread at a time. The wrapper of nlohmann-json and RE2 for lines.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "spec/model/session.h"
#include "spec/plan/plan.h"

namespace fbx::check {

// One line, decoded.
class DecodedLine {
 public:
  DecodedLine();
  ~DecodedLine();
  DecodedLine(DecodedLine&&) noexcept;
  DecodedLine& operator=(DecodedLine&&) noexcept;

  [[nodiscard]] bool has_fields() const;
  // A field's value; None when it is not there. Lists and objects are JsonText.
  [[nodiscard]] model::EventValue field(std::string_view name) const;
  [[nodiscard]] std::vector<std::string> names() const;
  // The whole as JSON; unset when the line could not be decoded.
  [[nodiscard]] std::optional<std::string> json() const;

  struct Impl;
  std::unique_ptr<Impl> impl;
};

// An error: the pattern is wrong.
[[nodiscard]] Status check_decoder(const plan::OutputDecoder& decoder);
[[nodiscard]] DecodedLine decode_line(const plan::OutputDecoder& decoder, std::string_view line);

}  // namespace fbx::check
