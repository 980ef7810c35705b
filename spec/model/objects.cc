// SPDX-License-Identifier: Apache-2.0
#include "spec/model/objects.h"


#include "spec/model/builtins.h"
#include "spec/plan/duration.h"

namespace fbx::model {

using starlark::Heap;
using starlark::Value;

void FbxObject::repr(starlark::Writer& w) const {
  Heap heap(size_t{1} << 20);
  const auto made = form(heap);
  w.add(made ? made->maker : std::string(type()));
  w.add('(');
  if (made) {
    bool first = true;
    const auto separate = [&] {
      if (!first) w.add(", ");
      first = false;
    };
    for (const Value v : made->args) separate(), w.repr(v);
    for (const auto& [name, v] : made->named) separate(), w.add(name), w.add('='), w.repr(v);
  }
  w.add(')');
}

// ---- services and interfaces

namespace {

constexpr std::string_view kInterfaceData[] = {"addr", "host", "name", "port", "protocol"};

Value interface_data(Heap& heap, const plan::Interface& i, std::string_view name) {
  if (name == "name") return heap.string(i.name);
  if (name == "protocol") return heap.string(protocol_name(i.protocol));
  if (i.protocol == plan::Protocol::kUnix) {
    return name == "addr" ? heap.string(i.path) : Value();
  }
  if (name == "host") return heap.string("127.0.0.1");
  if (name == "port") return heap.integer(i.port);
  if (name == "addr") return heap.string("127.0.0.1:" + std::to_string(i.port));
  return Value();
}

Value interface_attribute(Heap& heap, Value receiver, const plan::Interface& i,
                          std::string_view name) {
  if (const auto* method = step_method(i.protocol, name)) return heap.bound(*method, receiver);
  return interface_data(heap, i, name);
}

}  // namespace

const char* protocol_name(plan::Protocol protocol) {
  switch (protocol) {
    case plan::Protocol::kHttp: return "http";
    case plan::Protocol::kTcp: return "tcp";
    case plan::Protocol::kUdp: return "udp";
    case plan::Protocol::kUnix: return "unix";
  }
  return "";
}

const plan::Interface& InterfaceObject::interface() const {
  if (service_ < 0) return loose_;
  return plan_->services[static_cast<size_t>(service_)].interfaces[index_];
}

Value service_attribute(Heap& heap, Value receiver, std::string_view name) {
  if (const auto* i = starlark::host_as<InterfaceObject>(receiver)) {
    return interface_attribute(heap, receiver, i->interface(), name);
  }
  const auto* s = starlark::host_as<ServiceObject>(receiver);
  if (s == nullptr) return Value();
  if (name == "name") return heap.string(s->service().name);
  const auto& interfaces = s->service().interfaces;
  for (uint32_t i = 0; i < interfaces.size(); ++i) {
    if (interfaces[i].name == name) {
      return heap.make_host<InterfaceObject>(s->plan(), s->index(), i);
    }
  }
  return interfaces.size() == 1 ? interface_attribute(heap, receiver, interfaces[0], name) : Value();
}

StepTarget step_target(Value receiver) {
  if (const auto* i = starlark::host_as<InterfaceObject>(receiver)) {
    return {static_cast<uint32_t>(i->service()), i->index()};
  }
  if (const auto* kept = starlark::host_as<ConnectionObject>(receiver)) {
    return {kept->service(), kept->interface()};
  }
  return {starlark::host_as<ServiceObject>(receiver)->index(), 0};
}

Value ServiceObject::attr(starlark::Call& c, std::string_view name) {
  return service_attribute(c.heap(), value(), name);
}

std::vector<std::string_view> ServiceObject::attr_names() const {
  std::vector<std::string_view> out = {"name"};
  for (const auto& i : service().interfaces) out.push_back(i.name);
  if (service().interfaces.size() == 1) {
    for (const auto name : kInterfaceData) {
      if (name != "name") out.push_back(name);
    }
    for (const auto name : step_method_names(service().interfaces[0].protocol)) out.push_back(name);
  }
  return out;
}

bool ServiceObject::equals(const HostObject& other) const {
  const auto* o = dynamic_cast<const ServiceObject*>(&other);
  return o != nullptr && o->index_ == index_;
}

std::optional<HostForm> ServiceObject::form(Heap& heap) const {
  return HostForm{"service", {heap.string(service().name)}, {}};
}

Value InterfaceObject::attr(starlark::Call& c, std::string_view name) {
  return service_attribute(c.heap(), value(), name);
}

std::vector<std::string_view> InterfaceObject::attr_names() const {
  std::vector<std::string_view> out(std::begin(kInterfaceData), std::end(kInterfaceData));
  for (const auto name : step_method_names(interface().protocol)) out.push_back(name);
  return out;
}

std::optional<std::uint64_t> InterfaceObject::hash() const {
  return static_cast<uint64_t>(service_ + 1) * 1000 + index_;
}

bool InterfaceObject::equals(const HostObject& other) const {
  const auto* o = dynamic_cast<const InterfaceObject*>(&other);
  if (o == nullptr || service_ < 0) return o == this;
  return o->service_ == service_ && o->index_ == index_;
}

std::optional<HostForm> InterfaceObject::form(Heap& heap) const {
  if (service_ < 0) {
    HostForm out{"interface", {heap.string(loose_.name), heap.string(protocol_name(loose_.protocol))},
                 {}};
    if (loose_.protocol == plan::Protocol::kUnix) out.named.emplace_back("path", heap.string(loose_.path));
    else out.args.push_back(heap.integer(loose_.port));
    return out;
  }
  const auto& service = plan_->services[static_cast<size_t>(service_)];
  return HostForm{"interface_of", {heap.string(service.name), heap.string(interface().name)}, {}};
}

// ---- actions, health checks, operations

namespace {


}  // namespace

std::optional<HostForm> ActionObject::form(Heap& heap) const {
  HostForm out;
  const plan::Action defaults;
  const auto text = [&](const char* name, const std::string& value) {
    if (!value.empty()) out.named.emplace_back(name, heap.string(value));
  };
  const auto number = [&](const char* name, uint64_t value) {
    out.named.emplace_back(name, heap.integer(static_cast<int64_t>(value)));
  };
  const Value duration = heap.string(plan::format_duration(action.delay_ns));
  switch (action.kind) {
    case plan::Action::Kind::kDeny:
      out.maker = "deny";
      out.args.push_back(heap.string(action.errname));
      if (action.delay_ns != 0) out.named.emplace_back("delay", duration);
      break;
    case plan::Action::Kind::kDelay:
      out.maker = "delay";
      out.args.push_back(duration);
      break;
    case plan::Action::Kind::kAllow: out.maker = "allow"; break;
  }
  if (action.probability != 1) out.named.emplace_back("probability", heap.floating(action.probability));
  const bool nth = action.max_fires == 1 && action.every == 1 && action.after > 0;
  if (nth) {
    number("nth", action.after + 1);
  } else {
    if (action.after != 0) number("after", action.after);
    if (action.every != 1) number("every", action.every);
    if (action.max_fires != defaults.max_fires) number("max_fires", action.max_fires);
  }
  text("path", action.path);
  text("to", action.to);
  text("on", action.on);
  if (action.sticky) out.named.emplace_back("sticky", Value::boolean(true));
  if (action.optional) out.named.emplace_back("optional", Value::boolean(true));
  text("label", action.label);
  return out;
}

bool ActionObject::equals(const HostObject& other) const {
  const auto* o = dynamic_cast<const ActionObject*>(&other);
  return o != nullptr && o->action == action;
}

std::string action_text(const plan::Action& action) {
  Heap heap(size_t{1} << 20);
  return starlark::repr(heap.make_host<ActionObject>(action));
}

std::optional<HostForm> HealthObject::form(Heap& heap) const {
  HostForm out;
  switch (check.kind) {
    case plan::HealthCheck::Kind::kListen: return std::nullopt;
    case plan::HealthCheck::Kind::kTcp: out.maker = "tcp"; break;
    case plan::HealthCheck::Kind::kHttp: out.maker = "http"; break;
    case plan::HealthCheck::Kind::kOutput: out.maker = "output"; break;
    case plan::HealthCheck::Kind::kCommand: out.maker = "command"; break;
  }
  if (check.kind == plan::HealthCheck::Kind::kCommand) {
    std::vector<Value> argv;
    for (const auto& word : check.argv) argv.push_back(heap.string(word));
    out.args.push_back(heap.list(argv));
  } else {
    out.args.push_back(heap.string(check.target));
  }
  out.named.emplace_back("timeout", heap.string(plan::format_duration(check.timeout_ns)));
  if (check.status != 0) out.named.emplace_back("status", heap.integer(check.status));
  return out;
}

std::optional<HostForm> OpObject::form(Heap& heap) const {
  std::vector<Value> calls;
  for (const auto& call : op.syscalls) calls.push_back(heap.string(call));
  HostForm out{"op", {}, {{"syscalls", heap.list(calls)}}};
  if (!op.path.empty()) out.named.emplace_back("path", heap.string(op.path));
  return out;
}

// ---- assumptions

Value AssumptionObject::attr(starlark::Call& c, std::string_view name) {
  if (name == "name") return c.heap().string(assumption().name);
  if (name == "description") return c.heap().string(assumption().description);
  return Value();
}

std::vector<std::string_view> AssumptionObject::attr_names() const {
  return {"description", "name"};
}

bool AssumptionObject::equals(const HostObject& other) const {
  const auto* o = dynamic_cast<const AssumptionObject*>(&other);
  return o != nullptr && o->index_ == index_;
}

std::optional<HostForm> AssumptionObject::form(Heap& heap) const {
  return HostForm{"assumption", {heap.string(assumption().name)}, {}};
}

// ---- events

bool EventObject::equals(const HostObject& other) const {
  const auto* o = dynamic_cast<const EventObject*>(&other);
  return o != nullptr && o->seq_ == seq_;
}

Value EventObject::attr(starlark::Call& c, std::string_view name) {
  Heap& heap = c.heap();
  const auto got = events_->attribute(seq_, name);
  if (!got) return Value();
  struct Convert {
    Heap& heap;
    Value operator()(std::monostate) const { return Value::none(); }
    Value operator()(bool b) const { return Value::boolean(b); }
    Value operator()(int64_t i) const { return heap.integer(i); }
    Value operator()(double d) const { return heap.floating(d); }
    Value operator()(const std::string& s) const { return heap.string(s); }
    Value operator()(const std::vector<int64_t>& all) const {
      std::vector<Value> items;
      for (const int64_t i : all) items.push_back(heap.integer(i));
      return heap.list(items);
    }
    Value operator()(const JsonText& json) const {
      auto decoded = starlark::json_decode(heap, json.text);
      return decoded ? *decoded : heap.string(json.text);
    }
  };
  return std::visit(Convert{heap}, *got);
}

std::vector<std::string_view> EventObject::attr_names() const {
  names_ = events_->names(seq_);
  return {names_.begin(), names_.end()};
}

void EventObject::repr(starlark::Writer& w) const {
  w.add("event(" + std::to_string(seq_) + ", " + starlark::quote_string(events_->text(seq_)) + ")");
}

// ---- expectations

std::optional<HostForm> ExpectationObject::form(Heap& heap) const {
  const Value millis = ms == static_cast<double>(static_cast<int64_t>(ms))
                           ? heap.integer(static_cast<int64_t>(ms))
                           : heap.floating(ms);
  switch (kind) {
    case Kind::kSuccess: return HostForm{"expect_success", {}, {}};
    case Kind::kError: {
      HostForm out{"expect_error", {}, {}};
      if (status != 0) out.named.emplace_back("status", heap.integer(status));
      return out;
    }
    case Kind::kErrorWithin: return HostForm{"expect_error_within", {}, {{"ms", millis}}};
    case Kind::kHang: {
      const auto ns = static_cast<int64_t>(ms * 1e6);
      return HostForm{"expect_hang", {}, {{"after", heap.string(plan::format_duration(ns))}}};
    }
  }
  return std::nullopt;
}

bool ExpectationObject::equals(const HostObject& other) const {
  const auto* o = dynamic_cast<const ExpectationObject*>(&other);
  return o != nullptr && o->kind == kind && o->status == status && o->ms == ms;
}

}  // namespace fbx::model
