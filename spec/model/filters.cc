// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "spec/model/filters.h"

#include "spec/model/builtins.h"
#include "spec/model/host.h"
#include "spec/model/objects.h"
#include "spec/model/signals.h"
#include "spec/starlark/values.h"

namespace fbx::model {

namespace {

using starlark::Kind;

bool known(const Bound& b, size_t i) { return b.has(i) && is_known(b.values[i]); }

constexpr auto kDictParams = with_filter(std::array<Param, 0>{});
constexpr Signature kDict{.name = "filter", .params = kDictParams, .extra = Extra::kFields,
                          .also = check_filter};

// What a type of event is told by, beside service, type, since and where.
constexpr std::string_view kLifecycleKeys[] = {"what", "code", "signal"};

bool is_output(const std::string& type) { return type == "stdout" || type == "stderr"; }

Problem unknown_key(const std::string& name, const std::string& type) {
  std::vector<std::string> keys;
  for (const Param& p : kDictParams) keys.emplace_back(p.name);
  if (type == "lifecycle") keys.insert(keys.end(), std::begin(kLifecycleKeys), std::end(kLifecycleKeys));
  return {"unknown-keyword", "unknown keyword `" + name + "`", suggest(name, keys), -1, name};
}

// Keys that only calls have, given for another type of event.
std::optional<Problem> meaningless_key(const Bound& b, const std::string& type) {
  for (size_t i = kSyscall; i < kSince; ++i) {
    if (!b.has(i) || (type == "fault" && i == kLabel)) continue;
    const std::string name(kDictParams[i].name);
    return Problem{"argument-conflict",
                   "`" + name + "` is about system calls, and `type` is \"" + type + "\"",
                   is_output(type) ? "for a decoded field: where=lambda e: e.fields[\"" + name +
                                         "\"] == …"
                                   : "",
                   -1, name};
  }
  return std::nullopt;
}

// A word that no lifecycle event has would never match.
std::optional<Problem> check_lifecycle(std::string_view name, Value v) {
  if (!starlark::is_string(v)) return std::nullopt;
  const std::string got(starlark::to_string_view(v));
  if (got.find_first_of("*?[") != std::string::npos) return std::nullopt;
  if (name == "what") {
    const std::vector<std::string> words = {"started", "ready", "exited", "killed"};
    if (std::ranges::find(words, got) != words.end()) return std::nullopt;
    return Problem{"argument-value",
                   "`what` is \"" + got +
                       "\", want one of \"started\", \"ready\", \"exited\", \"killed\"",
                   suggest(got, words), -1, "what"};
  }
  if (name != "signal" || is_signal(got)) return std::nullopt;
  return Problem{"unknown-signal", "`signal` is \"" + got + "\", which is no signal",
                 suggest(got, signal_names()), -1, "signal"};
}

std::optional<Problem> check_field(const Keyword& field, const std::string& type) {
  const std::string name(starlark::to_string_view(field.name));
  const bool lifecycle = type == "lifecycle";
  const bool there = is_output(type) || (lifecycle && std::ranges::find(kLifecycleKeys, name) !=
                                                          std::end(kLifecycleKeys));
  if (!there) return unknown_key(name, type);
  if (!is_known(field.value)) return std::nullopt;
  const Kind kind = starlark::kind_of(field.value);
  const bool plain = kind == Kind::none || kind == Kind::boolean || kind == Kind::integer ||
                     kind == Kind::floating || kind == Kind::string;
  if (plain) return lifecycle ? check_lifecycle(name, field.value) : std::nullopt;
  return Problem{"argument-type",
                 "`" + name + "` is " + std::string(starlark::type_name(field.value)) +
                     ", want a string, number, bool or None",
                 "for more: where=lambda e: …", -1, name};
}

bool decodes(const plan::Service& service, bool is_stderr) {
  return std::ranges::find(service.observe, is_stderr, &plan::OutputDecoder::is_stderr) !=
         service.observe.end();
}

// A field of lines that nobody decodes would never match.
std::optional<Problem> check_decoder(const Bound& b, const Keyword& field, const std::string& type,
                                     const CheckContext& context) {
  const std::string name(starlark::to_string_view(field.name));
  if (!is_output(type) || name == "data" || (b.has(kService) && !known(b, kService)))
    return std::nullopt;
  const std::string wanted = b.has(kService) ? peer_arg(b, kService) : "";
  const bool decoded = std::ranges::any_of(context.plan->services, [&](const plan::Service& s) {
    return (wanted.empty() || s.name == wanted) && decodes(s, type == "stderr");
  });
  if (decoded) return std::nullopt;
  const std::string whose = wanted.empty() ? "no service's " + type + " has"
                                           : "the " + type + " of " + wanted + " has no";
  return Problem{"unknown-keyword",
                 "`" + name + "` would be a field of a line, and " + whose +
                     (wanted.empty() ? " a decoder" : " decoder"),
                 "service(…, observe=[observe." + type + "(decoder=decoder(\"json\"))])", -1, name};
}

std::optional<Problem> check_type(const Bound& b, const CheckContext& context) {
  if (b.has(kType) && !known(b, kType)) return std::nullopt;
  const std::string type = known(b, kType) ? string_arg(b, kType) : "syscall";
  if (type != "syscall") {
    if (auto problem = meaningless_key(b, type)) return problem;
  }
  for (const Keyword& field : b.extra) {
    if (auto problem = check_field(field, type)) return problem;
    if (auto problem = check_decoder(b, field, type, context)) return problem;
  }
  return std::nullopt;
}

std::optional<Problem> check_op(const Bound& b, const CheckContext& context) {
  if (!known(b, kOp) || !known(b, kService)) return std::nullopt;
  const std::string service = peer_arg(b, kService);
  for (const plan::Service& s : context.plan->services) {
    if (s.name != service) continue;
    std::vector<std::string> ops;
    for (const plan::Op& op : s.ops) {
      ops.push_back(op.name);
      if (op.name == string_arg(b, kOp)) return std::nullopt;
    }
    return Problem{"unknown-op", "the service has no op \"" + string_arg(b, kOp) + "\"",
                   suggest(string_arg(b, kOp), ops), -1, "op"};
  }
  return std::nullopt;
}

// The keys as they were written: `service="inventory", syscall="write"`.
std::string display(const Bound& b) {
  std::string out;
  const auto add = [&out](std::string_view name, const std::string& value) {
    out += (out.empty() ? "" : ", ") + std::string(name) + "=" + value;
  };
  for (size_t i = 0; i < kFilterKeys; ++i) {
    if (!b.has(i)) continue;
    const bool peer = i == kService || i == kPeer;
    add(kDictParams[i].name,
        peer ? starlark::quote_string(peer_arg(b, i)) : starlark::repr(b.values[i]));
  }
  for (const Keyword& field : b.extra) {
    add(starlark::to_string_view(field.name), starlark::repr(field.value));
  }
  return out;
}

Filter::Field field_of(const Keyword& keyword) {
  Filter::Field field{std::string(starlark::to_string_view(keyword.name)), {}};
  const Value v = keyword.value;
  switch (starlark::kind_of(v)) {
    case Kind::boolean: field.value = v.is_true(); break;
    case Kind::integer: field.value = starlark::to_int64(v).value_or(INT64_MAX); break;
    case Kind::floating: field.value = starlark::to_double(v); break;
    case Kind::string: field.value = std::string(starlark::to_string_view(v)); break;
    default: break;
  }
  return field;
}

}  // namespace

std::string_view filter_key_name(size_t param) { return kDictParams[param].name; }

std::optional<Problem> check_filter(const Bound& b, const CheckContext& context) {
  if (auto problem = check_type(b, context)) return problem;
  if (auto problem = check_op(b, context)) return problem;
  const auto given = [&b](size_t i) { return b.has(i); };
  for (size_t i = 0; i < kFilterKeys; ++i) {
    if (i != kSince && given(i)) return std::nullopt;
  }
  if (b.open) return std::nullopt;
  return Problem{"empty-filter", "no filter is given: it would match every event",
                 "write, for instance, service=…, syscall=\"write\""};
}

std::optional<Problem> bind_filter_dict(Value dict, std::string_view what,
                                        const CheckContext& context, Bound& out) {
  std::vector<Keyword> keys;
  size_t cursor = 0;
  Value key, value;
  while (starlark::next_entry(dict, cursor, key, value)) {
    if (!starlark::is_string(key)) {
      return Problem{"argument-type", "`" + std::string(what) + "` has a key that is " +
                                          std::string(starlark::type_name(key)) + ", want a string"};
    }
    keys.push_back({key, value});
  }
  auto problem = bind(kDict, Given{{}, keys}, context, out);
  if (!problem) return std::nullopt;
  const std::string prefix = std::string(kDict.name) + "(): ";
  if (problem->message.starts_with(prefix)) problem->message.erase(0, prefix.size());
  problem->message = "`" + std::string(what) + "`: " + problem->message;
  problem->keyword = what;
  return problem;
}

Filter read_filter(const starlark::Call& c, const Bound& b) {
  const Host& host = c.host_as<Host>();
  Filter filter;
  if (b.has(kService)) {
    const std::string name = peer_arg(b, kService);
    for (uint32_t i = 0; i < host.plan->services.size(); ++i) {
      if (host.plan->services[i].name == name) filter.service = i;
    }
  }
  filter.type = string_arg(b, kType);
  filter.syscall = string_arg(b, kSyscall);
  filter.path = string_arg(b, kPath);
  filter.on = string_arg(b, kOn);
  if (b.has(kFd)) filter.fd = int_arg(b, kFd, 0);
  if (b.has(kOk)) {
    filter.ok_any = b.values[kOk].is_none();
    if (!filter.ok_any) filter.ok = b.values[kOk].is_true();
  }
  filter.errname = string_arg(b, kErrno);
  filter.decision = string_arg(b, kDecision);
  filter.label = string_arg(b, kLabel);
  filter.op = string_arg(b, kOp);
  filter.peer = peer_arg(b, kPeer);
  if (b.has(kPid)) filter.pid = int_arg(b, kPid, 0);
  filter.exe = string_arg(b, kExe);
  if (b.has(kAfterLostSync)) filter.after_lost_sync = b.values[kAfterLostSync].is_true();
  if (b.has(kSince)) {
    const auto* event = starlark::host_as<EventObject>(b.values[kSince]);
    if (event != nullptr) filter.since_event = event->seq();
    else filter.since_start = true;
  }
  for (const Keyword& field : b.extra) filter.fields.push_back(field_of(field));
  if (b.has(kWhere)) {
    host.body->callbacks.push_back(b.values[kWhere]);
    filter.where = static_cast<uint32_t>(host.body->callbacks.size());
  }
  filter.display = display(b);
  return filter;
}

}  // namespace fbx::model
