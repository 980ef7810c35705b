// SPDX-License-Identifier: Apache-2.0
//
// What the dialect's values are in C++: services, interfaces, actions, health checks, operations,
// assumptions, expectations, responses. They hold plain data of the plan; two that say the same are
// equal, so that a service read from a plan is the service.
//
// Thread rule: as starlark::HostObject.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "spec/model/session.h"
#include "spec/plan/plan.h"
#include "spec/starlark/host.h"
#include "spec/starlark/values.h"

namespace fbx::model {

// As interface() spells it: "http", "tcp", "udp", "unix".
[[nodiscard]] const char* protocol_name(plan::Protocol protocol);

// How a value is written in a plan: `maker(args…, name=value…)`.
struct HostForm {
  std::string maker;
  std::vector<starlark::Value> args;
  std::vector<std::pair<std::string, starlark::Value>> named;
};

class FbxObject : public starlark::HostObject {
 public:
  // Nothing for values that a plan can't hold (a response).
  virtual std::optional<HostForm> form(starlark::Heap& heap) const = 0;
  void repr(starlark::Writer& w) const override;
};

class ServiceObject final : public FbxObject {
 public:
  ServiceObject(const plan::Plan* plan, uint32_t index) : plan_(plan), index_(index) {}
  std::string_view type() const override { return "service"; }
  uint32_t index() const { return index_; }
  const plan::Service& service() const { return plan_->services[index_]; }
  const plan::Plan* plan() const { return plan_; }
  starlark::Value attr(starlark::Call& c, std::string_view name) override;
  std::vector<std::string_view> attr_names() const override;
  std::optional<std::uint64_t> hash() const override { return index_; }
  bool equals(const HostObject& other) const override;
  std::optional<HostForm> form(starlark::Heap& heap) const override;

 private:
  const plan::Plan* plan_;
  uint32_t index_;
};

class InterfaceObject final : public FbxObject {
 public:
  // Not yet of a service (service < 0): what interface() gives to service().
  explicit InterfaceObject(plan::Interface loose) : loose_(std::move(loose)) {}
  InterfaceObject(const plan::Plan* plan, uint32_t service, uint32_t index)
      : plan_(plan), service_(static_cast<int>(service)), index_(index) {}
  std::string_view type() const override { return "interface"; }
  int service() const { return service_; }
  uint32_t index() const { return index_; }
  const plan::Interface& interface() const;
  const plan::Plan* plan() const { return plan_; }
  starlark::Value attr(starlark::Call& c, std::string_view name) override;
  std::vector<std::string_view> attr_names() const override;
  std::optional<std::uint64_t> hash() const override;
  bool equals(const HostObject& other) const override;
  std::optional<HostForm> form(starlark::Heap& heap) const override;

 private:
  const plan::Plan* plan_ = nullptr;
  int service_ = -1;
  uint32_t index_ = 0;
  plan::Interface loose_;
};

// The attribute of a service or interface that needs no running call: data or a bound method. No
// value when there is none.
[[nodiscard]] starlark::Value service_attribute(starlark::Heap& heap, starlark::Value service,
                                                std::string_view name);
// The interface that a step on `receiver` (service or interface) goes to.
struct StepTarget {
  uint32_t service = 0, interface = 0;
};
[[nodiscard]] StepTarget step_target(starlark::Value receiver);

class ActionObject final : public FbxObject {
 public:
  explicit ActionObject(plan::Action a) : action(std::move(a)) {}
  std::string_view type() const override { return "action"; }
  bool equals(const HostObject& other) const override;
  std::optional<HostForm> form(starlark::Heap& heap) const override;
  const plan::Action action;
};

class HealthObject final : public FbxObject {
 public:
  explicit HealthObject(plan::HealthCheck h) : check(std::move(h)) {}
  std::string_view type() const override { return "healthcheck"; }
  std::optional<HostForm> form(starlark::Heap& heap) const override;
  const plan::HealthCheck check;
};

class OpObject final : public FbxObject {
 public:
  explicit OpObject(plan::Op o) : op(std::move(o)) {}
  std::string_view type() const override { return "op"; }
  std::optional<HostForm> form(starlark::Heap& heap) const override;
  const plan::Op op;  // without a name
};

// decoder(): how a line is read, of whichever stream.
class DecoderObject final : public FbxObject {
 public:
  explicit DecoderObject(plan::OutputDecoder d) : decoder(std::move(d)) {}
  std::string_view type() const override { return "decoder"; }
  std::optional<HostForm> form(starlark::Heap& heap) const override;
  const plan::OutputDecoder decoder;
};

// observe.stdout(), observe.stderr().
class ObservedObject final : public FbxObject {
 public:
  explicit ObservedObject(plan::OutputDecoder d) : decoder(std::move(d)) {}
  std::string_view type() const override { return "observed output"; }
  std::optional<HostForm> form(starlark::Heap& heap) const override;
  const plan::OutputDecoder decoder;
};

class AssumptionObject final : public FbxObject {
 public:
  AssumptionObject(const plan::Plan* plan, uint32_t index) : plan_(plan), index_(index) {}
  std::string_view type() const override { return "assumption"; }
  uint32_t index() const { return index_; }
  const plan::Assumption& assumption() const { return plan_->assumptions[index_]; }
  starlark::Value attr(starlark::Call& c, std::string_view name) override;
  std::vector<std::string_view> attr_names() const override;
  std::optional<std::uint64_t> hash() const override { return index_; }
  bool equals(const HostObject& other) const override;
  std::optional<HostForm> form(starlark::Heap& heap) const override;

 private:
  const plan::Plan* plan_;
  uint32_t index_;
};

// expect_success() and its kin: called with a scenario's result.
class ExpectationObject final : public FbxObject {
 public:
  enum class Kind : uint8_t { kSuccess, kError, kErrorWithin, kHang };
  ExpectationObject(Kind k, int s, double millis) : kind(k), status(s), ms(millis) {}
  std::string_view type() const override { return "expectation"; }
  bool callable() const override { return true; }
  starlark::Value call(starlark::Call& c) override;
  bool equals(const HostObject& other) const override;
  std::optional<HostForm> form(starlark::Heap& heap) const override;
  const Kind kind;
  const int status;  // kError: 0 = any
  const double ms;   // kErrorWithin, kHang
};

// The answer to a step.
class ResponseObject final : public FbxObject {
 public:
  enum class Kind : uint8_t { kHttp, kExchange, kExec };
  ResponseObject(Kind k, StepResult r) : kind(k), result(std::move(r)) {}
  std::string_view type() const override { return "response"; }
  bool truth() const override { return result.ok; }
  starlark::Value attr(starlark::Call& c, std::string_view name) override;
  std::vector<std::string_view> attr_names() const override;
  void repr(starlark::Writer& w) const override;
  std::optional<HostForm> form(starlark::Heap&) const override { return std::nullopt; }
  const Kind kind;
  const StepResult result;

 private:
  starlark::Value headers_, data_;  // made when first asked for
};

// What connect() gives.
class ConnectionObject final : public FbxObject {
 public:
  ConnectionObject(uint32_t service, uint32_t interface, ConnectionId id)
      : service_(service), interface_(interface), id_(id) {}
  std::string_view type() const override { return "connection"; }
  uint32_t service() const { return service_; }
  uint32_t interface() const { return interface_; }
  ConnectionId id() const { return id_; }
  starlark::Value attr(starlark::Call& c, std::string_view name) override;
  std::vector<std::string_view> attr_names() const override;
  std::optional<HostForm> form(starlark::Heap&) const override { return std::nullopt; }

 private:
  uint32_t service_, interface_;
  ConnectionId id_;
};

// An event of the test: its number in the store, where its attributes are read.
class EventObject final : public FbxObject {
 public:
  EventObject(const EventReader* events, uint64_t seq) : events_(events), seq_(seq) {}
  std::string_view type() const override { return "event"; }
  uint64_t seq() const { return seq_; }
  void point(uint64_t seq) { seq_ = seq; }
  starlark::Value attr(starlark::Call& c, std::string_view name) override;
  std::vector<std::string_view> attr_names() const override;
  void repr(starlark::Writer& w) const override;
  std::optional<std::uint64_t> hash() const override { return seq_; }
  bool equals(const HostObject& other) const override;
  std::optional<HostForm> form(starlark::Heap&) const override { return std::nullopt; }

 private:
  const EventReader* events_;
  uint64_t seq_;
  mutable std::vector<std::string> names_;  // what attr_names() shows
};

// `write=deny("EIO", path="/tmp/*.wal")`, without the keyword.
[[nodiscard]] std::string action_text(const plan::Action& action);

}  // namespace fbx::model
