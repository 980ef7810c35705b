// SPDX-License-Identifier: Apache-2.0
//
// The answer to a step, as a value: .status .ok .body .headers .json() .data .error .duration_ms; of
// a program .code .ok .stdout .stderr .error .duration_ms.
#include "spec/model/objects.h"

namespace fbx::model {

namespace {

using starlark::Call;
using starlark::Value;

constexpr std::string_view kHttpNames[] = {"body", "data",    "duration_ms", "error",
                                           "headers", "json", "ok",          "status"};
constexpr std::string_view kExecNames[] = {"code", "duration_ms", "error", "ok", "stderr", "stdout"};
constexpr std::string_view kExchangeNames[] = {"data", "duration_ms", "error", "ok"};

Value json(Call& c) {
  if (!c.unpack({}, {})) return Call::failed();
  const auto& response = *starlark::host_as<ResponseObject>(c.self());
  auto decoded = starlark::json_decode(c.heap(), response.result.body);
  if (!decoded) return c.fail(starlark::Code::value, "json(): the body is " + decoded.error().message);
  return *decoded;
}

constexpr starlark::Builtin kJson{"json", json};

Value headers(starlark::Heap& heap, const StepResult& result) {
  const Value out = heap.dict(result.headers.size());
  for (const auto& [name, value] : result.headers) heap.dict_set(out, name, heap.string(value));
  return out;
}

}  // namespace

Value ResponseObject::attr(Call& c, std::string_view name) {
  starlark::Heap& heap = c.heap();
  if (name == "ok") return Value::boolean(result.ok);
  if (name == "error") return heap.string(result.error);
  if (name == "duration_ms") return heap.floating(result.duration_ms);
  if (kind == Kind::kExec) {
    if (name == "code") return heap.integer(result.status);
    if (name == "stdout") return heap.string(result.body);
    return name == "stderr" ? heap.string(result.error_output) : Value();
  }
  if (name == "data") {
    if (data_.valid()) return data_;
    if (kind == Kind::kHttp) {
      if (auto decoded = starlark::json_decode(heap, result.body)) return data_ = *decoded;
    }
    return data_ = heap.string(result.body);
  }
  if (kind != Kind::kHttp) return Value();
  if (name == "status") return heap.integer(result.status);
  if (name == "body") return heap.string(result.body);
  if (name == "json") return heap.bound(kJson, value());
  if (name == "headers") return headers_.valid() ? headers_ : headers_ = headers(heap, result);
  return Value();
}

std::vector<std::string_view> ResponseObject::attr_names() const {
  if (kind == Kind::kHttp) return {std::begin(kHttpNames), std::end(kHttpNames)};
  if (kind == Kind::kExec) return {std::begin(kExecNames), std::end(kExecNames)};
  return {std::begin(kExchangeNames), std::end(kExchangeNames)};
}

void ResponseObject::repr(starlark::Writer& w) const {
  const auto text = [&w](const char* name, const std::string& value) {
    w.add(name + starlark::quote_string(value.substr(0, 200)) + (value.size() > 200 ? "…" : ""));
  };
  w.add("response(");
  switch (kind) {
    case Kind::kHttp: w.add("status=" + std::to_string(result.status)); break;
    case Kind::kExec: w.add("code=" + std::to_string(result.status)); break;
    case Kind::kExchange: w.add(result.ok ? "ok=True" : "ok=False"); break;
  }
  if (!result.error.empty()) text(", error=", result.error);
  text(kind == Kind::kHttp ? ", body=" : kind == Kind::kExec ? ", stdout=" : ", data=",
       result.body);
  if (kind == Kind::kExec && !result.error_output.empty()) text(", stderr=", result.error_output);
  w.add(")");
}

}  // namespace fbx::model
