// SPDX-License-Identifier: Apache-2.0
#include "runner/check/line_decoder.h"

#include <re2/re2.h>

#include <map>
#include <nlohmann/json.hpp>
#include <vector>

namespace fbx::check {



struct DecodedLine::Impl {
  nlohmann::json value = nlohmann::json(nlohmann::json::value_t::discarded);
};

DecodedLine::DecodedLine() : impl(std::make_unique<Impl>()) {}
DecodedLine::~DecodedLine() = default;
DecodedLine::DecodedLine(DecodedLine&&) noexcept = default;
DecodedLine& DecodedLine::operator=(DecodedLine&&) noexcept = default;

namespace {

using nlohmann::json;

std::string dumped(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

// A logfmt value: quoted with backslash escapes, or up to the next space.
std::string take_value(std::string_view& rest) {
  std::string out;
  if (rest.starts_with('"')) {
    rest.remove_prefix(1);
    while (!rest.empty() && rest[0] != '"') {
      if (rest[0] == '\\' && rest.size() > 1) {
        rest.remove_prefix(1);
        out += rest[0] == 'n' ? '\n' : rest[0] == 't' ? '\t' : rest[0];
      } else {
        out += rest[0];
      }
      rest.remove_prefix(1);
    }
    if (!rest.empty()) rest.remove_prefix(1);
    return out;
  }
  const size_t end = std::min(rest.find(' '), rest.size());
  out = rest.substr(0, end);
  rest.remove_prefix(end);
  return out;
}

// A key without "=" is a flag: true. A line without any "=" is not logfmt.
json logfmt(std::string_view rest) {
  if (rest.find('=') == std::string_view::npos) return json(json::value_t::discarded);
  json out = json::object();
  while (!rest.empty()) {
    rest.remove_prefix(std::min(rest.find_first_not_of(' '), rest.size()));
    if (rest.empty()) break;
    const size_t end = std::min(rest.find_first_of("= "), rest.size());
    const std::string key(rest.substr(0, end));
    rest.remove_prefix(end);
    if (rest.starts_with('=')) {
      rest.remove_prefix(1);
      out[key] = take_value(rest);
    } else {
      out[key] = true;
    }
  }
  return out;
}

// Compiled once per pattern.
const re2::RE2& compiled(const std::string& pattern) {
  static thread_local std::map<std::string, std::unique_ptr<re2::RE2>> known;
  std::unique_ptr<re2::RE2>& one = known[pattern];
  if (!one) one = std::make_unique<re2::RE2>(pattern, re2::RE2::Quiet);
  return *one;
}

json groups(const std::string& pattern, std::string_view line) {
  const re2::RE2& expression = compiled(pattern);
  if (!expression.ok()) return json(json::value_t::discarded);
  std::vector<re2::StringPiece> found(
      static_cast<size_t>(expression.NumberOfCapturingGroups() + 1));
  const re2::StringPiece text(line.data(), line.size());
  if (!expression.Match(text, 0, line.size(), re2::RE2::UNANCHORED, found.data(),
                        static_cast<int>(found.size())))
    return json(json::value_t::discarded);
  json out = json::object();
  for (const auto& [name, index] : expression.NamedCapturingGroups()) {
    const re2::StringPiece& group = found[static_cast<size_t>(index)];
    if (group.data() != nullptr) out[name] = std::string(group.data(), group.size());
  }
  return out;
}

}  // namespace

bool DecodedLine::has_fields() const { return impl->value.is_object(); }

model::EventValue DecodedLine::field(std::string_view name) const {
  if (!has_fields()) return std::monostate();
  const auto found = impl->value.find(name);
  if (found == impl->value.end() || found->is_null()) return std::monostate();
  if (found->is_boolean()) return found->get<bool>();
  if (found->is_number_float()) return found->get<double>();
  if (found->is_number_unsigned() && found->get<uint64_t>() > INT64_MAX)
    return model::JsonText{dumped(*found)};
  if (found->is_number_integer()) return found->get<int64_t>();
  if (found->is_string()) return found->get<std::string>();
  return model::JsonText{dumped(*found)};
}

std::vector<std::string> DecodedLine::names() const {
  std::vector<std::string> out;
  if (!has_fields()) return out;
  for (const auto& [name, value] : impl->value.items()) out.push_back(name);
  return out;
}

std::optional<std::string> DecodedLine::json() const {
  if (impl->value.is_discarded()) return std::nullopt;
  return dumped(impl->value);
}

Status check_decoder(const plan::OutputDecoder& decoder) {
  if (decoder.kind != plan::OutputDecoder::Kind::kRegex) return {};
  const re2::RE2& expression = compiled(decoder.pattern);
  return expression.ok() ? Status() : fail(expression.error());
}

DecodedLine decode_line(const plan::OutputDecoder& decoder, std::string_view line) {
  DecodedLine out;
  switch (decoder.kind) {
    case plan::OutputDecoder::Kind::kJson:
      out.impl->value = nlohmann::json::parse(line, nullptr, false);
      break;
    case plan::OutputDecoder::Kind::kLogfmt: out.impl->value = logfmt(line); break;
    case plan::OutputDecoder::Kind::kRegex: out.impl->value = groups(decoder.pattern, line); break;
  }
  return out;
}

}  // namespace fbx::check
