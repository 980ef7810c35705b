// SPDX-License-Identifier: Apache-2.0
//
// Steps: what a test asks of its services as a client would. Methods of interfaces, and of services
// with exactly one. Here those of http; socket_steps.cc has the others.
#include "spec/model/builtins.h"
#include "spec/model/host.h"
#include "spec/model/objects.h"
#include "spec/starlark/values.h"

namespace fbx::model {

namespace {

using starlark::Call;
using starlark::Value;
using Pass = Param::Pass;

constexpr Param keyword(std::string_view name, Takes takes, bool none = false) {
  return {.name = name, .takes = takes, .none = none, .pass = Pass::kKeyword};
}

// ---- http

enum HttpParam : size_t { kPath, kBody, kJson, kHeaders, kQuery, kTimeout, kFollow };

constexpr Param kHttpParams[] = {{.name = "path", .takes = Takes::kPath},
                                 keyword("body", Takes::kData),
                                 keyword("json", Takes::kAny, true),
                                 keyword("headers", Takes::kStringTable),
                                 keyword("query", Takes::kStringTable),
                                 keyword("timeout", Takes::kLongDuration),
                                 keyword("follow", Takes::kBool)};

std::optional<Problem> one_body(const Bound& b, const CheckContext&) {
  if (!b.has(kBody) || !b.has(kJson)) return std::nullopt;
  return Problem{"argument-conflict", "`body` and `json` exclude each other", {}, -1, "json"};
}

constexpr Signature http_signature(std::string_view name, std::string_view method) {
  return {.name = name, .params = kHttpParams, .where = Where::kBody, .also = one_body,
          .tag = method};
}

constexpr Signature kGet = http_signature("get", "GET");
constexpr Signature kPost = http_signature("post", "POST");
constexpr Signature kPut = http_signature("put", "PUT");
constexpr Signature kPatch = http_signature("patch", "PATCH");
constexpr Signature kDelete = http_signature("delete", "DELETE");
constexpr Signature kHead = http_signature("head", "HEAD");

// RFC 3986, 2.3: unreserved characters stand for themselves.
std::string percent_encoded(std::string_view text) {
  constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '.' || c == '_' || c == '~';
    if (plain) {
      out += c;
      continue;
    }
    const auto byte = static_cast<uint8_t>(c);
    out += {'%', kHex[byte >> 4], kHex[byte & 15]};
  }
  return out;
}

bool has_header(const std::vector<std::pair<std::string, std::string>>& headers,
                std::string_view lower) {
  for (const auto& [name, value] : headers) {
    std::string got = name;
    for (char& c : got) {
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    }
    if (got == lower) return true;
  }
  return false;
}

// A header can't hold a line end: it would begin another one.
bool clean_headers(const HttpStep& step) {
  for (const auto& [name, value] : step.headers) {
    if ((name + value).find_first_of("\r\n") != std::string::npos) return false;
    if (name.find_first_of(": \t") != std::string::npos) return false;
  }
  return true;
}

Value http_step(Call& c) {
  const auto& signature = *static_cast<const Signature*>(c.builtin()->data());
  Bound b;
  if (!bind_call(c, signature, b)) return Call::failed();
  HttpStep step;
  const StepTarget target = step_target(c.self());
  step.service = target.service;
  step.interface = target.interface;
  step.method = signature.tag;
  step.path = string_arg(b, kPath, "/");
  step.body = string_arg(b, kBody);
  step.headers = pairs_arg(b, kHeaders);
  step.timeout_ns = duration_arg(b, kTimeout, step.timeout_ns);
  step.follow = bool_arg(b, kFollow, true);
  if (!clean_headers(step)) {
    return fail_with(c, {"argument-value",
                         std::string(signature.name) + "(): `headers` holds a line end, or a name "
                         "with a colon or space", {}, -1, "headers"});
  }
  char separator = step.path.find('?') == std::string::npos ? '?' : '&';
  for (const auto& [name, value] : pairs_arg(b, kQuery)) {
    step.path += separator + percent_encoded(name) + "=" + percent_encoded(value);
    separator = '&';
  }
  if (b.has(kJson)) {
    auto encoded = starlark::json_encode(c.heap(), b.values[kJson]);
    if (!encoded) return c.fail(std::move(encoded.error()));
    step.body = std::move(*encoded);
    if (!has_header(step.headers, "content-type")) {
      step.headers.emplace_back("Content-Type", "application/json");
    }
  }
  return ask(c, std::move(step), EffectToken::Gives::kHttp);
}

constexpr starlark::Builtin kHttpMethods[] = {{"delete", http_step, &kDelete},
                                              {"get", http_step, &kGet},
                                              {"head", http_step, &kHead},
                                              {"patch", http_step, &kPatch},
                                              {"post", http_step, &kPost},
                                              {"put", http_step, &kPut}};

std::span<const starlark::Builtin> methods_of(plan::Protocol protocol) {
  switch (protocol) {
    case plan::Protocol::kHttp: return kHttpMethods;
    case plan::Protocol::kTcp:
    case plan::Protocol::kUnix: return stream_methods();
    case plan::Protocol::kUdp: return udp_methods();
  }
  return {};
}

}  // namespace

const starlark::Builtin* step_method(plan::Protocol protocol, std::string_view name) {
  for (const starlark::Builtin& method : methods_of(protocol)) {
    if (method.name() == name) return &method;
  }
  return nullptr;
}

std::vector<std::string_view> step_method_names(plan::Protocol protocol) {
  std::vector<std::string_view> out;
  for (const starlark::Builtin& method : methods_of(protocol)) out.push_back(method.name());
  return out;
}

}  // namespace fbx::model
