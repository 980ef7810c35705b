// SPDX-License-Identifier: Apache-2.0
//
// `fbx plan`: what would run, and how each thing would be enforced here.
#include <cstdio>
#include <nlohmann/json.hpp>

#include "runner/cli/commands.h"
#include "runner/cli/files.h"
#include "runner/cli/machine.h"
#include "runner/cli/show_diagnostics.h"
#include "spec/model/objects.h"
#include "spec/model/scopes.h"
#include "spec/plan/need_text.h"

namespace fbx::cli {

namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kElsewhere = "decided where it runs";

std::string where(const plan::Interface& i) {
  return i.protocol == plan::Protocol::kUnix ? i.path : ":" + std::to_string(i.port);
}

std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : ", ") + word;
  return out;
}

std::string rule_text(const plan::AssumedFault& f) {
  return model::rule_spec(f.service, f.keyword, f.action, {}).display;
}

// ---- text

void print_services(const plan::Plan& plan) {
  std::printf("services\n");
  for (const plan::Service& s : plan.services) {
    std::printf("  %s  %s\n", s.name.c_str(), s.binary.c_str());
    for (const plan::Interface& i : s.interfaces) {
      std::printf("    %s  %s %s\n", i.name.c_str(), model::protocol_name(i.protocol), where(i).c_str());
    }
    std::vector<std::string> on;
    for (const uint32_t d : s.depends_on) on.push_back(plan.services[d].name);
    if (!on.empty()) std::printf("    after %s\n", joined(on).c_str());
  }
}

void print_assumptions(const plan::Plan& plan) {
  if (plan.assumptions.empty()) return;
  std::printf("faults\n");
  for (const plan::Assumption& a : plan.assumptions) {
    std::printf("  %s%s%s\n", a.name.c_str(), a.description.empty() ? "" : "  ",
                a.description.c_str());
    for (const uint32_t i : a.includes) {
      std::printf("    as %s\n", plan.assumptions[i].name.c_str());
    }
    for (const plan::AssumedFault& f : a.faults) {
      std::printf("    %s: %s\n", plan.services[f.service].name.c_str(),
                  rule_text(f).c_str());
    }
  }
}

void print_need(const std::string& need, const Decision& decision, size_t test, size_t number) {
  if (!decision.decided) {
    std::printf("    %-32s %s\n", need.c_str(), kElsewhere);
    return;
  }
  const Enforced& enforced = decision.tests[test].needs[number];
  std::string how = enforced.hand.empty() ? "refused with its test" : enforced.hand;
  if (enforced.refused) how = "refused: " + enforced.refused->text();
  std::printf("    %-32s %s\n", need.c_str(), how.c_str());
}

void print_tests(const plan::Plan& plan, const Decision& decision) {
  std::printf("tests\n");
  for (size_t t = 0; t < plan.tests.size(); ++t) {
    const plan::Test& test = plan.tests[t];
    const bool baseline = test.kind == plan::TestKind::kBaseline;
    std::printf("  %s%s%s%s\n", test.name.c_str(), baseline ? "  (without faults)" : "",
                test.doc.empty() || baseline ? "" : "  ", baseline ? "" : test.doc.c_str());
    if (decision.decided) {
      for (const Refusal& refused : decision.tests[t].refused) {
        std::printf("    refused: %s\n", refused.text().c_str());
      }
    }
    for (size_t n = 0; n < test.needs.size(); ++n) {
      print_need(plan::need_text(plan, test.needs[n]), decision, t, n);
    }
    for (const plan::Interest& one : test.observe) {
      std::printf("    sees %s\n", plan::interest_text(plan, one).c_str());
    }
    if (test.known_failure) std::printf("    known to fail: %s\n", test.known_failure->c_str());
  }
}

// ---- JSON

Json json_of(const Refusal& refusal) {
  return {{"code", refusal.code}, {"what", refusal.what}, {"remedy", refusal.remedy}};
}

Json json_of(const plan::Plan& plan, const plan::Service& s) {
  Json interfaces = Json::array();
  for (const plan::Interface& i : s.interfaces) {
    Json one = {{"name", i.name}, {"protocol", model::protocol_name(i.protocol)}};
    if (i.protocol == plan::Protocol::kUnix) one["path"] = i.path;
    else one["port"] = i.port;
    interfaces.push_back(std::move(one));
  }
  std::vector<std::string> depends;
  for (const uint32_t d : s.depends_on) depends.push_back(plan.services[d].name);
  return {{"name", s.name},
          {"binary", s.binary},
          {"interfaces", std::move(interfaces)},
          {"depends_on", depends}};
}

Json json_of(const plan::Plan& plan, const plan::Assumption& a) {
  Json rules = Json::array();
  for (const plan::AssumedFault& f : a.faults) {
    rules.push_back({{"service", plan.services[f.service].name},
                     {"rule", rule_text(f)}});
  }
  std::vector<std::string> includes;
  for (const uint32_t i : a.includes) includes.push_back(plan.assumptions[i].name);
  return {{"name", a.name},
          {"description", a.description},
          {"includes", includes},
          {"rules", std::move(rules)}};
}

// A string as it is; a word (3, True, None) as what it means.
Json json_of(const plan::Narrowing& one) {
  if (one.is_text) return one.value;
  if (one.value == "True" || one.value == "False") return one.value == "True";
  if (one.value == "None") return nullptr;
  const Json number = Json::parse(one.value, nullptr, false);
  return number.is_number() ? number : Json(one.value);
}

Json json_of(const plan::Narrowings& only) {
  Json out = Json::object();
  for (const plan::Narrowing& one : only) out[one.key] = json_of(one);
  return out;
}

Json json_of(const plan::Plan& plan, const plan::Interest& interest) {
  Json out = {{"see", plan::interest_text(plan, interest)}};
  if (interest.service >= 0) out["service"] = plan.services[static_cast<size_t>(interest.service)].name;
  out[plan::is_event_type(interest.what) ? "type" : "syscall"] = interest.what;
  if (!interest.only.empty()) out["only"] = json_of(interest.only);
  return out;
}

Json json_of(const plan::Plan& plan, size_t t, const Decision& decision) {
  const plan::Test& test = plan.tests[t];
  Json needs = Json::array();
  for (size_t n = 0; n < test.needs.size(); ++n) {
    Json one = {{"need", plan::need_text(plan, test.needs[n])}};
    if (!test.needs[n].only.empty()) one["only"] = json_of(test.needs[n].only);
    if (!decision.decided) {
      one["decided"] = "where it runs";
    } else if (const Enforced& enforced = decision.tests[t].needs[n]; enforced.refused) {
      one["refused"] = json_of(*enforced.refused);
    } else if (!enforced.hand.empty()) {
      one["hand"] = enforced.hand;
    }
    needs.push_back(std::move(one));
  }
  Json observe = Json::array();
  for (const plan::Interest& interest : test.observe) observe.push_back(json_of(plan, interest));
  Json out = {{"name", test.name},
              {"doc", test.doc},
              {"file", test.place.file},
              {"line", test.place.line},
              {"needs", std::move(needs)},
              {"observe", std::move(observe)}};
  if (decision.decided && !decision.tests[t].refused.empty()) {
    out["refused"] = Json::array();
    for (const Refusal& refused : decision.tests[t].refused) out["refused"].push_back(json_of(refused));
  }
  if (test.kind == plan::TestKind::kBaseline) out["baseline"] = true;
  if (!test.assumption.empty()) out["assumption"] = test.assumption;
  if (test.known_failure) out["known_failure"] = *test.known_failure;
  return out;
}

void print_json(const plan::Plan& plan, const Decision& decision) {
  Json services = Json::array(), faults = Json::array(), tests = Json::array();
  for (const plan::Service& s : plan.services) services.push_back(json_of(plan, s));
  for (const plan::Assumption& a : plan.assumptions) faults.push_back(json_of(plan, a));
  for (size_t t = 0; t < plan.tests.size(); ++t) tests.push_back(json_of(plan, t, decision));
  Json out = {{"fbx_plan_view", 1}, {"spec", plan.spec}};
  out["services"] = std::move(services);
  out["faults"] = std::move(faults);
  out["tests"] = std::move(tests);
  std::printf("%s\n", out.dump(2, ' ', false, Json::error_handler_t::replace).c_str());
}

}  // namespace

int plan_command(const Options& options) {
  Diagnostics diagnostics;
  const auto plan = open_plan(options.inputs[0], diagnostics);
  print_diagnostics(diagnostics);
  if (!plan) return 1;
  const Decision decision = decide(*plan);
  if (options.json_flag) {
    print_json(*plan, decision);
    return 0;
  }
  std::printf("%s\n", plan->spec.c_str());
  print_services(*plan);
  print_assumptions(*plan);
  print_tests(*plan, decision);
  return 0;
}

}  // namespace fbx::cli
