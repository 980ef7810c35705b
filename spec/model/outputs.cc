// SPDX-License-Identifier: Apache-2.0
//
// decoder(), observe.stdout(), observe.stderr(): how the lines that a service prints become events
// with fields.
#include <algorithm>

#include "spec/model/builtins.h"
#include "spec/model/host.h"
#include "spec/model/objects.h"
#include "spec/starlark/values.h"

namespace fbx::model {

namespace {

using starlark::Value;
using DecoderKind = plan::OutputDecoder::Kind;

constexpr Param kDecoderParams[] = {
    {.name = "name", .takes = Takes::kText, .required = true},
    {.name = "pattern", .takes = Takes::kText, .pass = Param::Pass::kKeyword}};

Value make_decoder(MakeContext& context, const Bound& b) {
  const std::vector<std::string> names = {"json", "logfmt", "regex"};
  const std::string name = string_arg(b, 0);
  const auto found = std::ranges::find(names, name);
  if (found == names.end()) {
    context.problem = Problem{"argument-value",
                              "`name` is \"" + name +
                                  "\", want one of \"json\", \"logfmt\", \"regex\"",
                              suggest(name, names), 0};
    return Value();
  }
  plan::OutputDecoder decoder;
  decoder.kind = static_cast<DecoderKind>(found - names.begin());
  decoder.pattern = string_arg(b, 1);
  const bool regex = decoder.kind == DecoderKind::kRegex;
  if (regex && decoder.pattern.find("(?P<") == std::string::npos) {
    context.problem = Problem{"argument-value",
                              "a regex decoder needs `pattern` with named groups",
                              "decoder(\"regex\", pattern=\"(?P<level>[a-z]+): (?P<text>.*)\")"};
    return Value();
  }
  if (!regex && b.has(1)) {
    context.problem = Problem{"argument-conflict", "`pattern` belongs to decoder(\"regex\")", {},
                              -1, "pattern"};
    return Value();
  }
  return context.heap.make_host<DecoderObject>(std::move(decoder));
}

constexpr Param kObserveParams[] = {{.name = "decoder",
                                     .takes = Takes::kDecoder,
                                     .required = true,
                                     .pass = Param::Pass::kKeyword}};

template <bool is_stderr>
Value make_observed(MakeContext& context, const Bound& b) {
  plan::OutputDecoder decoder = starlark::host_as<DecoderObject>(b.values[0])->decoder;
  decoder.is_stderr = is_stderr;
  return context.heap.make_host<ObservedObject>(std::move(decoder));
}

constexpr Signature kDecoder{.name = "decoder", .params = kDecoderParams, .make = make_decoder};
constexpr Signature kStdout{
    .name = "observe.stdout", .params = kObserveParams, .make = make_observed<false>};
constexpr Signature kStderr{
    .name = "observe.stderr", .params = kObserveParams, .make = make_observed<true>};

constexpr starlark::Builtin kAll[] = {{"decoder", make_builtin, &kDecoder},
                                      {"observe.stdout", make_builtin, &kStdout},
                                      {"observe.stderr", make_builtin, &kStderr}};

}  // namespace

std::span<const starlark::Builtin> output_builtins() { return kAll; }

std::optional<HostForm> DecoderObject::form(starlark::Heap& heap) const {
  constexpr const char* kNames[] = {"json", "logfmt", "regex"};
  HostForm out{"decoder", {heap.string(kNames[static_cast<size_t>(decoder.kind)])}, {}};
  if (!decoder.pattern.empty()) out.named.emplace_back("pattern", heap.string(decoder.pattern));
  return out;
}

std::optional<HostForm> ObservedObject::form(starlark::Heap& heap) const {
  plan::OutputDecoder plain = decoder;
  plain.is_stderr = false;
  return HostForm{decoder.is_stderr ? "observe.stderr" : "observe.stdout", {},
                  {{"decoder", heap.make_host<DecoderObject>(std::move(plain))}}};
}

}  // namespace fbx::model
