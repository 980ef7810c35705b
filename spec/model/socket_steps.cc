// SPDX-License-Identifier: Apache-2.0
//
// Steps over sockets: send(), exchange() and connect() of tcp and unix interfaces, exchange() and
// send_only() of udp ones, and what a connection that was kept can do.
#include "spec/model/builtins.h"
#include "spec/model/host.h"
#include "spec/model/objects.h"
#include "spec/starlark/values.h"

namespace fbx::model {

namespace {

using starlark::Call;
using starlark::Value;
using Pass = Param::Pass;

constexpr Param keyword(std::string_view name, Takes takes) {
  return {.name = name, .takes = takes, .pass = Pass::kKeyword};
}

template <class Step>
void aim(Step& step, Value receiver) {
  const StepTarget target = step_target(receiver);
  step.service = target.service;
  step.interface = target.interface;
  if (const auto* kept = starlark::host_as<ConnectionObject>(receiver)) step.connection = kept->id();
}

constexpr Param kSendParams[] = {{.name = "data", .takes = Takes::kData, .required = true},
                                 keyword("timeout", Takes::kLongDuration)};
constexpr Signature kSend{.name = "send", .params = kSendParams, .where = Where::kBody};

Value send(Call& c) {
  Bound b;
  if (!bind_call(c, kSend, b)) return Call::failed();
  TcpSendStep step;
  aim(step, c.self());
  step.data = string_arg(b, 0);
  step.timeout_ns = duration_arg(b, 1, step.timeout_ns);
  return ask(c, std::move(step), EffectToken::Gives::kLine);
}

// ---- exchange()

enum ExchangeParam : size_t { kData, kUntil, kBytes, kLines, kRegex, kExchangeTimeout };

constexpr Param kExchangeParams[] = {{.name = "data", .takes = Takes::kData, .required = true},
                                     keyword("until", Takes::kData),
                                     keyword("bytes", Takes::kPositive),
                                     keyword("lines", Takes::kPositive),
                                     keyword("regex", Takes::kText),
                                     keyword("timeout", Takes::kLongDuration)};

std::optional<Problem> one_end(const Bound& b, const CheckContext&) {
  constexpr const char* kNames[] = {"until", "bytes", "lines", "regex"};
  const char* given = nullptr;
  for (size_t i = 0; i < std::size(kNames); ++i) {
    if (!b.has(kUntil + i)) continue;
    if (given != nullptr) {
      return Problem{"argument-conflict",
                     "`" + std::string(given) + "` and `" + kNames[i] + "` exclude each other",
                     {}, -1, kNames[i]};
    }
    given = kNames[i];
  }
  const bool empty = b.has(kUntil) && is_known(b.values[kUntil]) &&
                     starlark::to_string_view(b.values[kUntil]).empty();
  if (empty) return Problem{"argument-value", "`until` is empty", {}, -1, "until"};
  return std::nullopt;
}

constexpr Signature kExchange{
    .name = "exchange", .params = kExchangeParams, .where = Where::kBody, .also = one_end};

Value exchange(Call& c) {
  Bound b;
  if (!bind_call(c, kExchange, b)) return Call::failed();
  ExchangeStep step;
  aim(step, c.self());
  step.data = string_arg(b, kData);
  step.delimiter = string_arg(b, kUntil, "\n");
  if (b.has(kBytes)) {
    step.until = ExchangeStep::Until::kBytes;
    step.count = static_cast<uint64_t>(int_arg(b, kBytes, 1));
  } else if (b.has(kLines)) {
    step.until = ExchangeStep::Until::kLines;
    step.count = static_cast<uint64_t>(int_arg(b, kLines, 1));
  } else if (b.has(kRegex)) {
    step.until = ExchangeStep::Until::kRegex;
    step.delimiter = string_arg(b, kRegex);
  } else if (!b.has(kUntil)) {
    step.until = ExchangeStep::Until::kLines;
    step.count = 1;
  }
  step.timeout_ns = duration_arg(b, kExchangeTimeout, step.timeout_ns);
  return ask(c, std::move(step), EffectToken::Gives::kExchange);
}

// ---- udp

constexpr Signature kUdpExchange{
    .name = "exchange", .params = kSendParams, .where = Where::kBody};
constexpr Param kSendOnlyParams[] = {{.name = "data", .takes = Takes::kData, .required = true}};
constexpr Signature kSendOnly{
    .name = "send_only", .params = kSendOnlyParams, .where = Where::kBody};

Value udp_exchange(Call& c) {
  Bound b;
  if (!bind_call(c, kUdpExchange, b)) return Call::failed();
  ExchangeStep step;
  aim(step, c.self());
  step.data = string_arg(b, 0);
  step.until = ExchangeStep::Until::kDatagram;
  step.timeout_ns = duration_arg(b, 1, step.timeout_ns);
  return ask(c, std::move(step), EffectToken::Gives::kExchange);
}

Value send_only(Call& c) {
  Bound b;
  if (!bind_call(c, kSendOnly, b)) return Call::failed();
  ExchangeStep step;
  aim(step, c.self());
  step.data = string_arg(b, 0);
  step.until = ExchangeStep::Until::kNothing;
  return ask(c, std::move(step), EffectToken::Gives::kSent);
}

// ---- connect(), close()

constexpr Param kConnectParams[] = {keyword("timeout", Takes::kLongDuration)};
constexpr Signature kConnect{.name = "connect", .params = kConnectParams, .where = Where::kBody};
constexpr Signature kClose{.name = "close", .params = {}, .where = Where::kBody};

class ConnectFrame final : public starlark::Continuation {
 public:
  explicit ConnectFrame(const ConnectStep& step) : step_(step) {}
  // The connection's failure has been raised: what comes here is its success.
  Value next(Call& c, Value) override {
    return c.heap().make_host<ConnectionObject>(step_.service, step_.interface, step_.connection);
  }

 private:
  ConnectStep step_;
};

Value connect(Call& c) {
  Bound b;
  if (!bind_call(c, kConnect, b)) return Call::failed();
  ConnectStep step;
  aim(step, c.self());
  step.connection = ++c.host_as<Host>().body->connections;
  step.timeout_ns = duration_arg(b, 0, step.timeout_ns);
  c.push<ConnectFrame>(step);
  return ask(c, step, EffectToken::Gives::kSent);
}

Value close(Call& c) {
  Bound b;
  if (!bind_call(c, kClose, b)) return Call::failed();
  return ask(c, CloseStep{starlark::host_as<ConnectionObject>(c.self())->id()});
}

constexpr starlark::Builtin kStream[] = {{"connect", connect, &kConnect},
                                         {"exchange", exchange, &kExchange},
                                         {"send", send, &kSend}};
constexpr starlark::Builtin kUdp[] = {{"exchange", udp_exchange, &kUdpExchange},
                                      {"send_only", send_only, &kSendOnly}};
constexpr starlark::Builtin kKept[] = {{"close", close, &kClose},
                                       {"exchange", exchange, &kExchange},
                                       {"send", send, &kSend}};

}  // namespace

std::span<const starlark::Builtin> stream_methods() { return kStream; }
std::span<const starlark::Builtin> udp_methods() { return kUdp; }
std::span<const starlark::Builtin> connection_methods() { return kKept; }

Value ConnectionObject::attr(Call& c, std::string_view name) {
  for (const starlark::Builtin& method : kKept) {
    if (method.name() == name) return c.heap().bound(method, value());
  }
  return Value();
}

std::vector<std::string_view> ConnectionObject::attr_names() const {
  return {"close", "exchange", "send"};
}

}  // namespace fbx::model
