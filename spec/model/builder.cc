// SPDX-License-Identifier: Apache-2.0
#include "spec/model/builder.h"

#include <algorithm>

#include "spec/plan/sha256.h"
#include "spec/starlark/vm.h"

namespace fbx::model {

std::optional<std::string> Builder::read_env(const std::string& name,
                                             const std::optional<std::string>& fallback) {
  const auto value = loader_.env(name);
  if (!value && !fallback) return std::nullopt;
  plan::EnvRead read{name, value.value_or(fallback.value_or("")), !value};
  auto& all = plan.env_reads;
  const auto known = std::find_if(all.begin(), all.end(), [&](const plan::EnvRead& r) {
    return r.name == read.name && r.value == read.value;
  });
  if (known == all.end()) all.push_back(read);
  return read.value;
}

Result<std::string> Builder::read_file(const std::string& path) {
  auto text = loader_.read_file(path);
  if (!text) return text;
  auto& all = plan.file_reads;
  const auto known =
      std::find_if(all.begin(), all.end(), [&](const auto& r) { return r.path == path; });
  if (known == all.end()) all.push_back({path, plan::sha256_hex(*text)});
  return text;
}

namespace {

// What a service has anyway, so that no interface can be reached under that name.
constexpr std::string_view kTakenNames[] = {
    "name", "addr", "host",   "port",     "protocol", "get",       "post", "put",
    "patch", "delete", "head", "send", "exchange", "connect", "send_only"};

bool same_transport(plan::Protocol a, plan::Protocol b) {
  return (a == plan::Protocol::kUdp) == (b == plan::Protocol::kUdp);
}

// Interfaces are the arguments of service() behind name and binary.
constexpr int kFirstInterface = 2;

Problem problem(DiagnosticCode code, std::string message, size_t interface) {
  Problem out{code, std::move(message)};
  out.positional = kFirstInterface + static_cast<int>(interface);
  return out;
}

}  // namespace

std::optional<Problem> Builder::check_interfaces(const plan::Service& service) const {
  const auto& own = service.interfaces;
  for (size_t i = 0; i < own.size(); ++i) {
    for (const std::string_view taken : kTakenNames) {
      if (own[i].name != taken) continue;
      return problem("interface-name", "an interface can't be named \"" + own[i].name +
                                           "\": every service has that attribute", i);
    }
    for (size_t k = 0; k < i; ++k) {
      if (own[k].name == own[i].name) {
        return problem("interface-twice", "two interfaces are named \"" + own[i].name + "\"", i);
      }
    }
  }
  return std::nullopt;
}

std::optional<Problem> Builder::add_service(plan::Service service) {
  if (auto p = check_interfaces(service)) return p;
  for (const plan::Service& other : plan.services) {
    if (other.name == service.name) {
      const std::string first = other.place.text();
      return Problem{"service-twice", "service \"" + service.name + "\" is declared twice" +
                                          (first.empty() ? "" : ", first at " + first),
                     {}, 0};
    }
  }
  const auto clash = [&](const plan::Service& other, const plan::Interface& a,
                         size_t i) -> std::optional<Problem> {
    const plan::Interface& b = service.interfaces[i];
    if (b.protocol == plan::Protocol::kUnix) {
      if (a.protocol != b.protocol || a.path != b.path) return std::nullopt;
    } else if (a.protocol == plan::Protocol::kUnix || a.port != b.port ||
               !same_transport(a.protocol, b.protocol)) {
      return std::nullopt;
    }
    const std::string where = b.protocol == plan::Protocol::kUnix
                                  ? "path " + b.path
                                  : "port " + std::to_string(b.port);
    return problem("port-twice", "interface \"" + b.name + "\" of \"" + service.name +
                                     "\" is on " + where + ", as is \"" + a.name + "\" of \"" +
                                     other.name + "\"", i);
  };
  for (size_t i = 0; i < service.interfaces.size(); ++i) {
    for (const plan::Service& other : plan.services) {
      for (const auto& a : other.interfaces) {
        if (auto p = clash(other, a, i)) return p;
      }
    }
    for (size_t k = 0; k < i; ++k) {
      if (auto p = clash(service, service.interfaces[k], i)) return p;
    }
  }
  plan.services.push_back(std::move(service));
  return std::nullopt;
}

void Builder::finish_services(Diagnostics& diagnostics) {
  for (const Dependency& d : named_dependencies) {
    std::vector<std::string> known;
    bool found = false;
    for (uint32_t i = 0; i < plan.services.size(); ++i) {
      known.push_back(plan.services[i].name);
      if (known.back() != d.name) continue;
      plan.services[d.service].depends_on.push_back(i);
      found = true;
    }
    if (found) continue;
    diagnostics.push_back({d.place, "unknown-service",
                           "service(): `depends_on` names \"" + d.name +
                               "\", and no service has that name",
                           suggest(d.name, known)});
  }
  for (const Cycle& cycle : cycles()) {
    diagnostics.push_back({plan.services[cycle.service].place, "dependency-cycle",
                           "services depend on each other in a cycle: " + cycle.text});
  }
}

std::vector<Builder::Cycle> Builder::cycles() const {
  std::vector<Cycle> out;
  enum class Mark : uint8_t { kNew, kOpen, kDone };
  std::vector<Mark> marks(plan.services.size(), Mark::kNew);
  for (uint32_t start = 0; start < plan.services.size(); ++start) {
    if (marks[start] != Mark::kNew) continue;
    std::vector<std::pair<uint32_t, size_t>> path = {{start, 0}};
    marks[start] = Mark::kOpen;
    while (!path.empty()) {
      auto& [service, next] = path.back();
      const auto& dependencies = plan.services[service].depends_on;
      if (next == dependencies.size()) {
        marks[service] = Mark::kDone;
        path.pop_back();
        continue;
      }
      const uint32_t on = dependencies[next++];
      if (marks[on] == Mark::kNew) {
        marks[on] = Mark::kOpen;
        path.emplace_back(on, 0);
      } else if (marks[on] == Mark::kOpen) {
        std::string text;
        const auto first = std::find_if(path.begin(), path.end(),
                                        [&](const auto& step) { return step.first == on; });
        for (auto step = first; step != path.end(); ++step) {
          text += plan.services[step->first].name + " → ";
        }
        out.push_back({on, text + plan.services[on].name});
      }
    }
  }
  return out;
}

void Builder::add_test(Registered test) { registered.push_back(std::move(test)); }

uint32_t statement_line(const starlark::Call& c) {
  for (const starlark::TraceEntry& entry : c.stack()) {
    if (entry.place.line > 0 && entry.place.file != "<builtin>") {
      return static_cast<uint32_t>(entry.place.line);
    }
  }
  return 0;
}

}  // namespace fbx::model
