// SPDX-License-Identifier: Apache-2.0
#include "runner/cli/doctor.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "runner/inject/choose.h"

namespace fbx::cli {

namespace {

using inject::Capabilities;
using inject::Capability;
using plan::Need;

struct Row {
  const char* group;
  const char* name;
  Capability Capabilities::* capability;
  const char* gives;
};

constexpr Row kRows[] = {
    {"see", "records", &Capabilities::records, "every call, with its result"},
    {"see", "supervisor", &Capabilities::seccomp, "the calls asked for, as they begin"},
    {"break", "override", &Capabilities::override_return, "deny of any call that names no path"},
    {"break", "fmod_ret", &Capabilities::fmod_ret, "deny of calls on files and sockets"},
    {"break", "lsm", &Capabilities::lsm, "deny of read, write, send, recv, bind, listen"},
    {"break", "cgroup", &Capabilities::cgroup, "deny of connect and bind; partitions: new connections"},
    {"break", "unix dials", &Capabilities::unix_dials, "partitions: unix sockets"},
    {"break", "packets", &Capabilities::packets, "partitions: packets that vanish"},
    {"break", "sockets", &Capabilities::sockets, "partitions: finding established connections"},
    {"break", "resets", &Capabilities::resets, "partitions: resetting them"},
    {"break", "shim", &Capabilities::shim, "deny and delay, of dynamically linked programs"},
    {"break", "seccomp", &Capabilities::seccomp, "deny and delay of any call"},
    {"break", "results", &Capabilities::results, "denied closes, which close"},
    {"break", "accepts", &Capabilities::accepts, "denied accepts, which consume the connection"},
    {"break", "borrow", &Capabilities::borrow, "partitions without root: resets"},
    {"break", "wire", &Capabilities::wire, "delay of connect and send on sockets that do not block"},
    {"isolate", "namespaces", &Capabilities::namespaces, "a network, /tmp and processes per test"},
    {"isolate", "overlay", &Capabilities::overlay, "the spec's folder as it was, after each test"},
    {"isolate", "cgroups", &Capabilities::cgroups, "a cgroup per service"},
};

struct Question {
  const char* what;
  std::vector<Need> needs;
  std::vector<plan::Interest> observe;
  const char* user;
  bool results;  // asks for the results of calls
};

Need need(Need::Kind kind, const char* call, const char* mode = "") {
  Need out;
  out.kind = kind;
  out.service = kind == Need::Kind::kPartition ? -1 : 0;
  out.syscall = call;
  out.mode = mode;
  return out;
}

std::vector<Question> questions() {
  using Kind = Need::Kind;
  return {
      {"run services, each test in its own network and /tmp", {}, {}, "", false},
      {"look back at what services began (assert_never)", {}, {{.what = "write"}}, "", false},
      {"look back at what succeeded (assert_eventually, assert_count)", {}, {{.what = "write"}}, "", true},
      {"deny calls on files (write, fsync, open…)", {need(Kind::kDeny, "write")}, {}, "", false},
      {"deny connect", {need(Kind::kDeny, "connect")}, {}, "", false},
      {"delay calls", {need(Kind::kDelay, "fsync")}, {}, "", false},
      {"partitions that refuse", {need(Kind::kPartition, "", "refuse")}, {}, "", false},
      {"partitions that drop", {need(Kind::kPartition, "", "drop")}, {}, "", false},
      {"run a service as another user", {}, {}, "another", false},
  };
}

plan::Plan plan_of(const Question& question) {
  plan::Plan plan;
  for (const char* name : {"a", "b"}) {
    plan.services.emplace_back();
    plan.services.back().name = name;
  }
  plan.services[0].user = question.user;
  plan.tests.emplace_back();
  plan.tests[0].needs = question.needs;
  plan.tests[0].observe = question.observe;
  return plan;
}

Ability ask(const Question& question, const Capabilities& can) {
  Ability out{.what = question.what, .by = {}, .refusals = {}};
  const plan::Plan plan = plan_of(question);
  auto chosen = inject::choose(plan, 0, can);
  if (!chosen) {
    out.refusals.assign(chosen.error().begin(), chosen.error().end());
  } else if (question.results && chosen->sight != inject::Sight::kRecords) {
    out.refusals.push_back({"no-results",
                            "the supervisor sees calls begin and not how they end: " +
                                can.records.why,
                            can.records.remedy});
  } else if (!chosen->needs.empty()) {
    out.by = inject::hand_name(chosen->needs[0]);
  }
  return out;
}

std::string ground_text(const Capabilities& can) {
  switch (can.ground) {
    case inject::Ground::kRoot: return "in namespaces and cgroups of root's";
    case inject::Ground::kUserNamespace: return "in namespaces of " + can.user + "'s own";
    case inject::Ground::kHost: return "in the host's namespaces, with --no-isolation only";
  }
  return "";
}

// The remedy that stands first in the refusals of most abilities.
std::string best_fix(const std::vector<Ability>& abilities) {
  std::map<std::string, int> votes;
  for (const Ability& ability : abilities)
    if (!ability.refusals.empty() && !ability.refusals.front().remedy.empty())
      ++votes[ability.refusals.front().remedy];
  const auto best = std::ranges::max_element(
      votes, {}, [](const auto& vote) { return vote.second; });
  return best == votes.end() ? "" : best->first;
}

const char* state_of(const Capability& capability) {
  if (!capability.built) return "not built";
  return capability.works ? "works" : "doesn't";
}

std::string padded(std::string text, size_t width) {
  text.resize(std::max(width, text.size()), ' ');
  return text;
}

}  // namespace

Diagnosis diagnose(const Capabilities& can) {
  Diagnosis out;
  for (const Row& row : kRows)
    out.findings.push_back({row.group, row.name, row.gives, can.*row.capability});
  for (const Question& question : questions()) out.abilities.push_back(ask(question, can));
  out.ground = ground_text(can);
  out.fix = best_fix(out.abilities);
  return out;
}

std::string text_of(const Diagnosis& diagnosis) {
  std::string out, group;
  for (const Finding& finding : diagnosis.findings) {
    if (finding.group != group) out += (group = finding.group) + "\n";
    const Capability& can = finding.capability;
    out += "  " + padded(finding.name, 12) + padded(state_of(can), 11) + finding.gives + "\n";
    if (can.works || !can.built) continue;
    out += std::string(14, ' ') + "why: " + can.why + "\n";
    if (!can.remedy.empty()) out += std::string(14, ' ') + "to change it: " + can.remedy + "\n";
  }
  out += "\ntests run " + diagnosis.ground + "\n\nyou can:\n";
  for (const Ability& ability : diagnosis.abilities)
    if (ability.refusals.empty())
      out += "  " + ability.what + (ability.by.empty() ? "" : "  (" + ability.by + ")") + "\n";
  std::string cannot;
  for (const Ability& ability : diagnosis.abilities)
    if (!ability.refusals.empty())
      cannot += "  " + ability.what + "  [" + ability.refusals.front().code + "]\n";
  if (!cannot.empty()) out += "you can't:\n" + cannot;
  if (!diagnosis.fix.empty()) out += "to fix: " + diagnosis.fix + "\n";
  return out;
}

std::string json_of(const Diagnosis& diagnosis) {
  using nlohmann::ordered_json;
  ordered_json out = {{"fbx_doctor", 1}, {"ground", diagnosis.ground}};
  out["findings"] = ordered_json::array();
  for (const Finding& finding : diagnosis.findings) {
    const Capability& can = finding.capability;
    out["findings"].push_back({{"group", finding.group},
                               {"name", finding.name},
                               {"gives", finding.gives},
                               {"state", state_of(can)},
                               {"why", can.why},
                               {"remedy", can.remedy}});
  }
  out["can"] = out["cannot"] = ordered_json::array();
  for (const Ability& ability : diagnosis.abilities) {
    if (ability.refusals.empty()) {
      out["can"].push_back({{"what", ability.what}, {"by", ability.by}});
      continue;
    }
    const Refusal& why = ability.refusals.front();
    out["cannot"].push_back({{"what", ability.what},
                             {"code", why.code},
                             {"why", why.what},
                             {"remedy", why.remedy}});
  }
  out["fix"] = diagnosis.fix;
  return out.dump(2, ' ', false, ordered_json::error_handler_t::replace);
}

}  // namespace fbx::cli
