// SPDX-License-Identifier: Apache-2.0
//
// What each Takes accepts: one row each, with the words for what is wanted.
#include <algorithm>
#include <array>

#include "bpf/abi/tables.h"
#include "spec/model/objects.h"
#include "spec/model/signature.h"
#include "spec/model/signals.h"
#include "spec/plan/duration.h"
#include "spec/plan/toml_text.h"

namespace fbx::model {

namespace {

using starlark::Kind;
using starlark::kind_of;

std::string quoted(std::string_view s) { return starlark::quote_string(s); }

std::string text_of(Value v) { return std::string(starlark::to_string_view(v)); }

Problem wrong(DiagnosticCode code, std::string message, std::string hint = {}) {
  return {code, std::move(message), std::move(hint)};
}

using Check = std::optional<Problem> (*)(Value, const CheckContext&);
using Answer = std::optional<Problem>;

// A row's test gives: nothing when the value fits, a problem that names what is wrong with it, or
// kWrongType for "got X, want Y".
const Problem kWrongType{"argument-type", "", {}};

Answer type_if(bool right) { return right ? Answer{} : kWrongType; }

using starlark::is_string;

bool is_int(Value v) { return v.is_small_int() || (v.is_object() && kind_of(v) == Kind::integer); }

Answer any(Value, const CheckContext&) { return {}; }

Answer string(Value v, const CheckContext&) {
  if (!is_string(v)) return kWrongType;
  const std::string_view s = starlark::to_string_view(v);
  if (!plan::is_utf8(s)) return wrong("argument-value", "is not UTF-8");
  if (s.find('\0') != s.npos) return wrong("argument-value", "holds a NUL character");
  return {};
}

Answer text(Value v, const CheckContext& c) {
  if (auto p = string(v, c)) return p;
  if (starlark::length(v) == 0) return wrong("argument-value", "is empty");
  return {};
}

Answer data(Value v, const CheckContext&) {
  return type_if(is_string(v) || starlark::is_kind(v, Kind::bytes));
}

Answer path(Value v, const CheckContext& c) {
  if (auto p = string(v, c)) return p;
  const std::string_view got = starlark::to_string_view(v);
  if (!got.starts_with('/')) {
    return wrong("argument-value", "is " + quoted(text_of(v)) + ", want a path that begins with /");
  }
  for (const char ch : got) {
    if (static_cast<unsigned char>(ch) <= ' ' || ch == 0x7f) {
      return wrong("argument-value", "is " + quoted(text_of(v)) +
                                         ", which holds a space or control character",
                   "write %20, or give `query`");
    }
  }
  return {};
}

Answer name(Value v, const CheckContext& c) {
  if (auto p = text(v, c)) return p;
  for (const char ch : starlark::to_string_view(v)) {
    const bool letter = (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || ch == '_';
    if (!letter && !(ch >= '0' && ch <= '9') && ch != '-') {
      return wrong("argument-value",
                   "is " + quoted(text_of(v)) + ", want letters, digits, `_` and `-`");
    }
  }
  return {};
}

Answer boolean(Value v, const CheckContext&) { return type_if(v.is_bool()); }
Answer bool_or_none(Value v, const CheckContext&) { return type_if(v.is_bool() || v.is_none()); }
Answer integer(Value v, const CheckContext&) { return type_if(is_int(v)); }

Answer in_range(Value v, int64_t min, int64_t max) {
  if (!is_int(v)) return kWrongType;
  const auto i = starlark::to_int64(v);
  if (i && *i >= min && *i <= max) return {};
  return wrong("argument-value", "is " + starlark::int_to_decimal(v) + ", want " +
                                     (max == INT64_MAX ? std::to_string(min) + " or more"
                                                       : std::to_string(min) + " to " +
                                                             std::to_string(max)));
}

Answer count(Value v, const CheckContext&) { return in_range(v, 0, INT64_MAX); }
Answer positive(Value v, const CheckContext&) { return in_range(v, 1, INT64_MAX); }
Answer status(Value v, const CheckContext&) { return in_range(v, 100, 599); }
Answer exit_code(Value v, const CheckContext&) { return in_range(v, 0, 255); }
Answer port(Value v, const CheckContext&) { return in_range(v, 1, 65535); }

Answer millis(Value v, const CheckContext&) {
  if (is_int(v)) return in_range(v, 1, plan::kLongestDurationNs / 1'000'000);
  if (kind_of(v) != Kind::floating) return kWrongType;
  const double d = starlark::to_double(v);
  if (d > 0 && d <= static_cast<double>(plan::kLongestDurationNs) / 1e6) return {};
  return wrong("argument-value", "is " + starlark::repr(v) + ", want milliseconds above 0");
}

Answer duration(Value v, const CheckContext&) {
  if (!is_string(v)) return kWrongType;
  if (plan::parse_duration(starlark::to_string_view(v))) return {};
  return wrong("duration", "is " + quoted(text_of(v)) +
                               ", want a duration such as \"500ms\", \"2s\", \"1m30s\"");
}

Answer long_duration(Value v, const CheckContext& c) {
  if (auto p = duration(v, c)) return p;
  if (*plan::parse_duration(starlark::to_string_view(v)) > 0) return {};
  return wrong("duration", "is " + quoted(text_of(v)) + ", want a duration above 0");
}

Answer probability(Value v, const CheckContext&) {
  double p = -1;
  if (is_string(v)) {
    const auto parsed = parse_percent(starlark::to_string_view(v));
    if (parsed) p = *parsed;
  } else if (is_int(v)) {
    p = static_cast<double>(starlark::to_int64(v).value_or(-1));
    if (p > 1) {
      return wrong("argument-value", "is " + starlark::int_to_decimal(v) + ", want 0 to 1",
                   "did you mean \"" + starlark::int_to_decimal(v) + "%\"?");
    }
  } else if (kind_of(v) == Kind::floating) {
    p = starlark::to_double(v);
  } else {
    return kWrongType;
  }
  if (p >= 0 && p <= 1) return {};
  return wrong("argument-value",
               "is " + starlark::repr(v) + ", want 0 to 1, or \"0%\" to \"100%\"");
}

Answer errno_name(Value v, const CheckContext&) {
  if (!is_string(v)) return kWrongType;
  const std::string got = text_of(v);
  if (abi::errno_number(got)) return {};
  std::vector<std::string> known;
  for (const abi::Errno& e : abi::kErrnos) known.emplace_back(e.name);
  return wrong("unknown-errno", "is " + quoted(got) + ", which is no errno of Linux",
               suggest(got, known));
}

Answer signal(Value v, const CheckContext&) {
  if (!is_string(v)) return kWrongType;
  const std::string got = text_of(v);
  if (is_signal(got)) return {};
  return wrong("unknown-signal", "is " + quoted(got) + ", which is no signal",
               suggest(got, signal_names()));
}

Answer word(Value v, std::initializer_list<const char*> words, DiagnosticCode code) {
  if (!is_string(v)) return kWrongType;
  const std::string got = text_of(v);
  std::vector<std::string> known(words.begin(), words.end());
  if (std::find(known.begin(), known.end(), got) != known.end()) return {};
  std::string list;
  for (const auto& w : known) list += (list.empty() ? "" : ", ") + quoted(w);
  return wrong(code, "is " + quoted(got) + ", want one of " + list, suggest(got, known));
}

Answer on(Value v, const CheckContext&) {
  return word(v, {"any", "file", "socket", "stream", "udp", "unix", "pipe"}, "unknown-on");
}
Answer protocol(Value v, const CheckContext&) {
  return word(v, {"http", "tcp", "udp", "unix"}, "unknown-protocol");
}
Answer event_type(Value v, const CheckContext&) {
  return word(v, {"syscall", "fault", "step", "lifecycle", "stdout", "stderr"},
              "unknown-event-type");
}

Answer inject(Value v, const CheckContext&) {
  return word(v, {"auto", "override", "fmod_ret", "lsm", "cgroup", "shim", "seccomp", "wire"},
              "unknown-hand");
}
Answer mode(Value v, const CheckContext&) { return word(v, {"refuse", "drop"}, "unknown-mode"); }
Answer direction(Value v, const CheckContext&) {
  return word(v, {"both", "a_to_b", "b_to_a"}, "unknown-direction");
}

// "host:port", the port in range.
bool is_address(std::string_view text) {
  const size_t colon = text.rfind(':');
  if (colon == text.npos || colon == 0) return false;
  const std::string_view digits = text.substr(colon + 1);
  if (digits.empty() || digits.size() > 5) return false;
  int number = 0;
  for (const char c : digits) {
    if (c < '0' || c > '9') return false;
    number = number * 10 + (c - '0');
  }
  return number >= 1 && number <= 65535;
}

Answer address(Value v, const CheckContext& c) {
  if (auto p = text(v, c)) return p;
  std::string_view got = starlark::to_string_view(v);
  if (got.starts_with("tcp://")) got.remove_prefix(6);
  if (is_address(got)) return {};
  return wrong("address", "is " + quoted(text_of(v)) + ", want \"host:port\"");
}

Answer url(Value v, const CheckContext& c) {
  if (auto p = text(v, c)) return p;
  std::string_view got = starlark::to_string_view(v);
  if (got.starts_with("https://")) {
    return wrong("not-yet", "is " + quoted(text_of(v)) + ": https is not there yet");
  }
  if (got.starts_with("http://")) got.remove_prefix(7);
  const std::string_view authority = got.substr(0, got.find('/'));
  const bool plain = !authority.empty() && authority.find(':') == authority.npos;
  if (plain || is_address(authority)) return {};
  return wrong("address", "is " + quoted(text_of(v)) + ", want \"http://host:port/path\"");
}

std::vector<std::string> service_names(const CheckContext& c) {
  std::vector<std::string> out;
  for (const auto& s : c.plan->services) out.push_back(s.name);
  return out;
}

Answer op_name(Value v, const CheckContext& c) {
  if (!is_string(v)) return kWrongType;
  std::vector<std::string> known;
  for (const auto& s : c.plan->services) {
    for (const auto& op : s.ops) known.push_back(op.name);
  }
  const std::string got = text_of(v);
  if (std::find(known.begin(), known.end(), got) != known.end()) return {};
  return wrong("unknown-op", "is " + quoted(got) + ", and no service has an op of that name",
               suggest(got, known));
}

Answer service(Value v, const CheckContext&) {
  return type_if(starlark::host_as<ServiceObject>(v) != nullptr);
}

Answer known_service(const std::string& got, const CheckContext& c) {
  const auto known = service_names(c);
  if (std::find(known.begin(), known.end(), got) != known.end()) return {};
  return wrong("unknown-service", "is " + quoted(got) + ", and no service has that name",
               suggest(got, known));
}

Answer service_name(Value v, const CheckContext& c) {
  if (starlark::host_as<ServiceObject>(v) != nullptr) return {};
  if (!is_string(v)) return kWrongType;
  return known_service(text_of(v), c);
}

// "svc", "svc.interface"; "host:port" is anything with a colon.
Answer peer_text(const std::string& got, const CheckContext& c) {
  if (got.find(':') != got.npos) return {};
  const size_t dot = got.find('.');
  if (auto p = known_service(got.substr(0, dot), c)) return p;
  if (dot == got.npos) return {};
  for (const auto& s : c.plan->services) {
    if (s.name != got.substr(0, dot)) continue;
    std::vector<std::string> known;
    for (const auto& i : s.interfaces) known.push_back(s.name + "." + i.name);
    if (std::find(known.begin(), known.end(), got) != known.end()) return {};
    return wrong("unknown-service", "is " + quoted(got) + ", and the service has no such interface",
                 suggest(got, known));
  }
  return {};
}

Answer peer(Value v, const CheckContext& c) {
  if (starlark::host_as<ServiceObject>(v) != nullptr) return {};
  const auto* interface = starlark::host_as<InterfaceObject>(v);
  if (interface != nullptr && interface->service() >= 0) return {};
  return is_string(v) ? peer_text(text_of(v), c) : kWrongType;
}

// In filters the test's own client is one, too, by the name that an event's `peer` has.
Answer filter_peer(Value v, const CheckContext& c) {
  return is_string(v) && text_of(v) == "client" ? Answer{} : peer(v, c);
}

// A part of the wrong type; what is wanted is said by whoever knows the whole.
Answer held(Value item) {
  return wrong("argument-type", "holds " + std::string(starlark::type_name(item)));
}

template <class Accepts>
Answer each_item(Value v, Accepts accepts) {
  const bool sequence = v.is_object() && (kind_of(v) == Kind::list || kind_of(v) == Kind::tuple);
  if (!sequence) return kWrongType;
  for (const Value item : starlark::elements(v)) {
    if (!is_known(item)) continue;
    if (auto p = accepts(item)) return p->message.empty() ? held(item) : p;
  }
  return {};
}

Answer service_list(Value v, const CheckContext& c) {
  return each_item(v, [&](Value item) { return service(item, c); });
}

// Names are resolved when all services are known: topology.cc.
Answer dependencies(Value v, const CheckContext& c) {
  return each_item(v, [&](Value item) { return is_string(item) ? text(item, c) : service(item, c); });
}

Answer services(Value v, const CheckContext& c) {
  if (starlark::host_as<ServiceObject>(v) != nullptr) return {};
  if (auto p = service_list(v, c)) return p;
  if (starlark::length(v) == 0) return wrong("argument-value", "is an empty list of services");
  return {};
}

Answer fault_target(Value v, const CheckContext&) {
  return type_if(starlark::host_as<ServiceObject>(v) != nullptr ||
                 starlark::host_as<AssumptionObject>(v) != nullptr);
}

Answer assumptions(Value v, const CheckContext&) {
  return each_item(
      v, [](Value item) { return type_if(starlark::host_as<AssumptionObject>(item) != nullptr); });
}

Answer syscall(Value v, const CheckContext&) {
  if (!is_string(v)) return kWrongType;
  std::string got = text_of(v);
  const bool single = got.starts_with("=");
  if (single) got.erase(0, 1);
  if (single ? abi::find_syscall(got) != nullptr : !abi::members(got).empty()) return {};
  return wrong("unknown-syscall",
               "is " + quoted(text_of(v)) + ", which is no system call" +
                   (single ? "" : " and no family of them"),
               suggest(got, abi::keywords()));
}

// What a rule may name: no single calls with a sign.
Answer keyword(Value v, const CheckContext&) {
  if (!is_string(v)) return kWrongType;
  const std::string got = text_of(v);
  if (!abi::members(got).empty()) return {};
  return wrong("unknown-syscall",
               "holds " + quoted(got) + ", which is no system call and no family of them",
               suggest(got, abi::keywords()));
}

Answer syscalls(Value v, const CheckContext& c) {
  if (auto p = each_item(v, [&](Value item) { return keyword(item, c); })) return p;
  if (starlark::length(v) == 0) return wrong("argument-value", "is an empty list");
  return {};
}

Answer callable(Value v, const CheckContext&) { return type_if(starlark::is_callable(v)); }

Answer functions(Value v, const CheckContext&) {
  return each_item(v, [](Value item) { return type_if(starlark::is_callable(item)); });
}

Answer strings(Value v, const CheckContext& c) {
  return each_item(v, [&](Value item) { return string(item, c); });
}

Answer command(Value v, const CheckContext& c) {
  if (auto p = strings(v, c)) return p;
  const auto words = starlark::elements(v);
  if (words.empty()) return wrong("argument-value", "is an empty list");
  if (is_known(words[0]) && starlark::length(words[0]) == 0)
    return wrong("argument-value", "begins with an empty string, want the program");
  return {};
}

Answer string_lists(Value v, const CheckContext& c) {
  return each_item(v, [&](Value item) {
    const bool empty = starlark::is_kind(item, Kind::list) && starlark::length(item) == 0;
    return empty ? wrong("argument-value", "holds an empty command") : command(item, c);
  });
}

Answer string_table(Value v, const CheckContext& c) {
  if (!starlark::is_kind(v, Kind::dict)) return kWrongType;
  size_t cursor = 0;
  Value key, item;
  while (starlark::next_entry(v, cursor, key, item)) {
    if (auto p = text(key, c)) return p->message.empty() ? held(key) : p;
    if (!is_known(item) || is_int(item)) continue;
    if (auto p = string(item, c)) return p->message.empty() ? held(item) : p;
  }
  return {};
}

Answer limits(Value v, const CheckContext& c) {
  if (auto p = string_table(v, c)) return p;
  const std::vector<std::string> known = {"pids", "memory", "files"};
  size_t cursor = 0;
  Value key, item;
  while (starlark::next_entry(v, cursor, key, item)) {
    const std::string got = text_of(key);
    if (std::find(known.begin(), known.end(), got) != known.end()) continue;
    return wrong("unknown-limit", "holds " + quoted(got) + ", want pids, memory or files",
                 suggest(got, known));
  }
  return {};
}

Answer health(Value v, const CheckContext&) {
  return type_if(starlark::host_as<HealthObject>(v) != nullptr);
}

Answer ops(Value v, const CheckContext& c) {
  if (!starlark::is_kind(v, Kind::dict)) return kWrongType;
  size_t cursor = 0;
  Value key, item;
  while (starlark::next_entry(v, cursor, key, item)) {
    if (auto p = name(key, c)) return p->message.empty() ? held(key) : p;
    if (!abi::members(text_of(key)).empty()) {
      return wrong("argument-value", "names an op " + quoted(text_of(key)) +
                                         ", which is a system call or a family already");
    }
    if (starlark::host_as<OpObject>(item) == nullptr) return held(item);
  }
  return {};
}

Answer table(Value v, const CheckContext&) { return type_if(starlark::is_kind(v, Kind::dict)); }
Answer list(Value v, const CheckContext&) {
  return each_item(v, [](Value) { return Answer{}; });
}

Answer count_range(Value v, const CheckContext& c) {
  if (!starlark::is_kind(v, Kind::tuple)) return count(v, c);
  const auto items = starlark::elements(v);
  if (items.size() != 2) return wrong("argument-value", "is a tuple of " +
                                      std::to_string(items.size()) + ", want (min, max)");
  for (const Value item : items) {
    if (!is_known(item)) return {};
    if (auto p = count(item, c)) return p;
  }
  if (*starlark::to_int64(items[0]) <= *starlark::to_int64(items[1])) return {};
  return wrong("argument-value", "is " + starlark::repr(v) + ", where min is above max");
}

Answer since(Value v, const CheckContext&) {
  if (starlark::host_as<EventObject>(v) != nullptr) return {};
  if (!is_string(v)) return kWrongType;
  if (text_of(v) == "start") return {};
  return wrong("argument-value", "is " + quoted(text_of(v)) + ", want \"start\" or an event",
               suggest(text_of(v), {"start"}));
}

Answer decoder(Value v, const CheckContext&) {
  return type_if(starlark::host_as<DecoderObject>(v) != nullptr);
}

Answer observed(Value v, const CheckContext&) {
  return each_item(
      v, [](Value item) { return type_if(starlark::host_as<ObservedObject>(item) != nullptr); });
}

// What was probably meant by a value of the wrong type; "" when nobody can say.
std::string meant(Takes takes, Value v, const CheckContext& c) {
  const std::string number = is_int(v) ? starlark::int_to_decimal(v) : "";
  const std::string text = is_string(v) ? text_of(v) : "";
  switch (takes) {
    case Takes::kDuration:
    case Takes::kLongDuration:
      return number.empty() ? "" : "did you mean " + quoted(number + "s") + "?";
    case Takes::kErrno: {
      const auto errnum = is_int(v) ? starlark::to_int64(v) : std::nullopt;
      const bool small = errnum && *errnum > 0 && *errnum < 4096;
      const std::string name(small ? abi::errno_name(static_cast<int>(*errnum)) : "");
      return name.empty() ? "" : "did you mean " + quoted(name) + "?";
    }
    case Takes::kPort:
    case Takes::kStatus: {
      const bool digits = !text.empty() && text.find_first_not_of("0123456789") == text.npos;
      return digits ? "did you mean " + text + "?" : "";
    }
    case Takes::kStrings:
    case Takes::kCommand:
    case Takes::kDependencies: return text.empty() ? "" : "did you mean [" + quoted(text) + "]?";
    case Takes::kService:
    case Takes::kServices:
    case Takes::kFaultTarget:
      if (text.empty() || known_service(text, c)) return "";
      return "here a service is what service() gave, not its name";
    case Takes::kCallable:
      return starlark::is_callable(v) ? "" : "name the function without calling it: fn, or lambda: fn(1)";
    default: return "";
  }
}

struct Row {
  Takes takes;
  const char* want;
  Check check;
};

constexpr Row kRows[] = {
    {Takes::kAny, "a value", any},
    {Takes::kString, "a string", string},
    {Takes::kText, "a string", text},
    {Takes::kName, "a string", name},
    {Takes::kBool, "True or False", boolean},
    {Takes::kBoolOrNone, "True, False or None", bool_or_none},
    {Takes::kInt, "an int", integer},
    {Takes::kCount, "an int", count},
    {Takes::kPositive, "an int", positive},
    {Takes::kMillis, "milliseconds, an int or a float", millis},
    {Takes::kDuration, "a duration such as \"500ms\"", duration},
    {Takes::kLongDuration, "a duration such as \"500ms\"", long_duration},
    {Takes::kProbability, "a float from 0 to 1, or a string such as \"20%\"", probability},
    {Takes::kErrno, "the name of an errno, such as \"EIO\"", errno_name},
    {Takes::kSignal, "the name of a signal, such as \"SIGTERM\"", signal},
    {Takes::kOn, "a string", on},
    {Takes::kTo, "a service, an interface or \"host:port\"", peer},
    {Takes::kStatus, "an int", status},
    {Takes::kPort, "an int", port},
    {Takes::kProtocol, "a string", protocol},
    {Takes::kService, "a service", service},
    {Takes::kServices, "a service or a list of services", services},
    {Takes::kServiceName, "a service or its name", service_name},
    {Takes::kPeer, "a service, its name, \"service.interface\", \"host:port\" or \"client\"",
     filter_peer},
    {Takes::kFaultTarget, "a service or a fault_assumption", fault_target},
    {Takes::kSyscall, "the name of a system call or family", syscall},
    {Takes::kEventType, "a string", event_type},
    {Takes::kCallable, "a function", callable},
    {Takes::kStrings, "a list of strings", strings},
    {Takes::kStringLists, "a list of commands, each a list of strings", string_lists},
    {Takes::kCommand, "a list of strings", command},
    {Takes::kStringTable, "a dict of strings", string_table},
    {Takes::kDependencies, "a list of services or their names", dependencies},
    {Takes::kInject, "a string", inject},
    {Takes::kLimits, "a dict of pids, memory, files", limits},
    {Takes::kAddress, "a string such as \"localhost:5432\"", address},
    {Takes::kUrl, "a string such as \"http://localhost:8080/health\"", url},
    {Takes::kSyscalls, "a list of system calls and families", syscalls},
    {Takes::kExitCode, "an int", exit_code},
    {Takes::kOpName, "the name of an op", op_name},
    {Takes::kData, "a string or bytes", data},
    {Takes::kPath, "a string", path},
    {Takes::kMode, "a string", mode},
    {Takes::kDirection, "a string", direction},
    {Takes::kHealth, "a health check: tcp(), http(), command() or output()", health},
    {Takes::kOps, "a dict of op()", ops},
    {Takes::kAssumptions, "a list of fault_assumptions", assumptions},
    {Takes::kScenarios, "a list of functions", functions},
    {Takes::kExpectation, "a function or expectation", callable},
    {Takes::kOverrides, "a dict of (function, assumption) to expectation", table},
    {Takes::kCountRange, "an int or a tuple (min, max)", count_range},
    {Takes::kFilterDict, "a dict of filter keys, such as {\"syscall\": \"write\"}", table},
    {Takes::kSince, "\"start\" or an event", since},
    {Takes::kDecoder, "a decoder(…)", decoder},
    {Takes::kObserved, "a list of observe.stdout(…) and observe.stderr(…)", observed},
    {Takes::kCells, "a list of (function, assumption)", list},
};

}  // namespace

std::string suggest(std::string_view got, const std::vector<std::string>& known) {
  const std::string near = nearest_name(got, known);
  return near.empty() ? "" : "did you mean " + near + "?";
}

std::optional<Problem> check_takes(Takes takes, Value v, std::string_view what,
                                   const CheckContext& context) {
  const auto row = std::find_if(std::begin(kRows), std::end(kRows),
                                [&](const Row& r) { return r.takes == takes; });
  auto problem = row->check(v, context);
  if (!problem) return std::nullopt;
  const std::string subject = "`" + std::string(what) + "` ";
  if (problem->message.empty()) {
    std::string got(starlark::type_name(v));
    problem->message = subject + "is " + got + ", want " + row->want;
    if (problem->hint.empty()) problem->hint = meant(takes, v, context);
  } else {
    const bool part = problem->code == kWrongType.code;  // held()
    problem->message = subject + problem->message + (part ? std::string(", want ") + row->want : "");
  }
  return problem;
}

std::optional<Problem> check_fault_keyword(std::string_view keyword, int service,
                                           const CheckContext& context) {
  if (!abi::members(keyword).empty()) return std::nullopt;
  std::vector<std::string> known = abi::keywords();
  for (size_t s = 0; s < context.plan->services.size(); ++s) {
    if (service >= 0 && s != static_cast<size_t>(service)) continue;
    for (const plan::Op& op : context.plan->services[s].ops) {
      if (op.name == keyword) return std::nullopt;
      known.push_back(op.name);
    }
  }
  Problem problem{"unknown-keyword",
                  "unknown keyword `" + std::string(keyword) +
                      "`: no parameter, no system call, no family of them, and no op of the service",
                  suggest(keyword, known)};
  problem.keyword = keyword;
  return problem;
}

}  // namespace fbx::model
