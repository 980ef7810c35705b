// SPDX-License-Identifier: Apache-2.0
#include "spec/model/builtins.h"
#include "spec/model/host.h"
#include "spec/model/objects.h"
#include "spec/plan/duration.h"

namespace fbx::model {

using starlark::Value;

BuiltinFamilies builtin_families() {
  return {topology_builtins(),  composition_builtins(), action_builtins(),
          fault_builtins(),     network_builtins(),     assertion_builtins(),
          look_back_builtins(), expectation_builtins(), process_builtins(),
          output_builtins(),    retry_builtins()};
}

const Signature* signature_of(const starlark::Builtin& builtin) {
  // Built-ins of the language carry other data, or none: the lists are ours alone.
  for (const auto list : builtin_families()) {
    if (!list.empty() && &builtin >= &list.front() && &builtin <= &list.back()) {
      return static_cast<const Signature*>(builtin.data());
    }
  }
  for (const auto protocol : {plan::Protocol::kHttp, plan::Protocol::kTcp, plan::Protocol::kUdp}) {
    const auto* method = step_method(protocol, builtin.name());
    if (method == &builtin) return static_cast<const Signature*>(builtin.data());
  }
  return nullptr;
}

Value make_builtin(starlark::Call& c) {
  const auto& signature = *static_cast<const Signature*>(c.builtin()->data());
  Bound b;
  if (!bind_call(c, signature, b)) return starlark::Call::failed();
  MakeContext context{c.heap(), c.host_as<Host>().plan};
  const Value made = signature.make(context, b);
  if (!context.problem) return made;
  context.problem->message = std::string(signature.name) + "(): " + context.problem->message;
  return fail_with(c, std::move(*context.problem));
}

Value ask(starlark::Call& c, Effect effect, EffectToken::Gives gives) {
  auto token = std::make_unique<EffectToken>();
  token->effect = std::move(effect);
  token->gives = gives;
  token->place = c.place();
  return c.suspend(std::move(token));
}

std::string string_arg(const Bound& b, size_t i, std::string_view fallback) {
  return std::string(b.has(i) ? starlark::to_string_view(b.values[i]) : fallback);
}

bool bool_arg(const Bound& b, size_t i, bool fallback) {
  return b.has(i) ? b.values[i].is_true() : fallback;
}

int64_t int_arg(const Bound& b, size_t i, int64_t fallback) {
  return b.has(i) ? starlark::to_int64(b.values[i]).value_or(fallback) : fallback;
}

int64_t duration_arg(const Bound& b, size_t i, int64_t fallback) {
  if (!b.has(i)) return fallback;
  return plan::parse_duration(starlark::to_string_view(b.values[i])).value_or(fallback);
}

std::vector<std::string> strings_of(Value list) {
  std::vector<std::string> out;
  for (const Value v : starlark::elements(list)) out.emplace_back(starlark::to_string_view(v));
  return out;
}

std::vector<std::string> strings_arg(const Bound& b, size_t i) {
  return b.has(i) ? strings_of(b.values[i]) : std::vector<std::string>{};
}

std::vector<std::pair<std::string, std::string>> pairs_arg(const Bound& b, size_t i) {
  std::vector<std::pair<std::string, std::string>> out;
  if (!b.has(i)) return out;
  size_t cursor = 0;
  Value key, value;
  while (starlark::next_entry(b.values[i], cursor, key, value)) {
    out.emplace_back(starlark::to_string_view(key), starlark::is_string(value)
                                                        ? std::string(starlark::to_string_view(value))
                                                        : starlark::int_to_decimal(value));
  }
  return out;
}

std::vector<uint32_t> services_arg(const Bound& b, size_t i) {
  if (!b.has(i)) return {};
  if (const auto* one = starlark::host_as<ServiceObject>(b.values[i])) return {one->index()};
  std::vector<uint32_t> out;
  for (const Value v : starlark::elements(b.values[i])) {
    out.push_back(starlark::host_as<ServiceObject>(v)->index());
  }
  return out;
}

std::string peer_arg(const Bound& b, size_t i) {
  if (!b.has(i)) return "";
  if (const auto* s = starlark::host_as<ServiceObject>(b.values[i])) return s->service().name;
  if (const auto* f = starlark::host_as<InterfaceObject>(b.values[i])) {
    return f->plan()->services[static_cast<size_t>(f->service())].name + "." + f->interface().name;
  }
  return string_arg(b, i);
}

}  // namespace fbx::model
