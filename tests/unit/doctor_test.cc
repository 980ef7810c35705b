// SPDX-License-Identifier: Apache-2.0
//
// What the doctor makes of made-up machines.
#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "runner/cli/doctor.h"

using namespace fbx;
using namespace fbx::cli;
using inject::Capabilities;
using inject::Capability;
using inject::Ground;

namespace {

constexpr Capability Capabilities::* kKernel[] = {
    &Capabilities::cgroup, &Capabilities::unix_dials, &Capabilities::packets,
    &Capabilities::sockets, &Capabilities::resets,    &Capabilities::records};

Capabilities root() {
  Capabilities can;
  for (auto member : kKernel) can.*member = {.works = true};
  can.seccomp = can.results = can.accepts = can.borrow = can.namespaces = can.overlay = can.cgroups = {.works = true};
  const Capability later{.works = false, .why = "not yet", .remedy = "", .built = false};
  can.shim = can.override_return = can.fmod_ret = can.lsm = can.wire = later;
  return can;
}

Capabilities ordinary(Ground ground) {
  Capabilities can = root();
  for (auto member : kKernel)
    can.*member = {.works = false, .why = "EPERM", .remedy = "run it with sudo"};
  can.ground = ground;
  if (ground == Ground::kHost)
    can.namespaces = {.works = false, .why = "ENOSPC", .remedy = "sudo sysctl this=1"};
  can.any_user = false;
  can.user = "ann";
  return can;
}

struct Row {
  const char* what;
  Capabilities can;
  // "" = it can be done; else the refusal's code. In the order of the questions.
  std::vector<std::string> abilities;
  const char* fix;
};

TEST_CASE("what a spec can ask for follows from what works") {
  Capabilities no_seccomp = ordinary(Ground::kUserNamespace);
  no_seccomp.seccomp = {.works = false, .why = "ENOSYS", .remedy = "Linux 5.19 has it"};
  Capabilities no_packets = root();
  no_packets.packets = {.works = false, .why = "the verifier said no", .remedy = ""};
  const std::string no = "no-isolation";
  const Row rows[] = {
      {"root", root(), {"", "", "", "", "", "", "", "", ""}, ""},
      {"root, no packet hook", no_packets, {"", "", "", "", "", "", "", "no-hand", ""}, ""},
      {"an ordinary user", ordinary(Ground::kUserNamespace),
       {"", "", "no-results", "", "", "", "", "no-hand", "needs-root"}, "run it with sudo"},
      {"an ordinary user without namespaces", ordinary(Ground::kHost),
       {no, no, no, no, no, no, no, no, no}, "sudo sysctl this=1; or --no-isolation"},
      {"nobody sees", no_seccomp,
       {"no-sight", "no-sight", "no-sight", "no-sight", "no-sight", "no-sight", "no-sight",
        "no-sight", "needs-root"},
       "run it with sudo"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    const Diagnosis diagnosis = diagnose(row.can);
    REQUIRE(diagnosis.abilities.size() == row.abilities.size());
    for (size_t i = 0; i < row.abilities.size(); ++i) {
      CAPTURE(diagnosis.abilities[i].what);
      const auto& refusals = diagnosis.abilities[i].refusals;
      CHECK((refusals.empty() ? "" : refusals.front().code) == row.abilities[i]);
    }
    CHECK(diagnosis.fix == row.fix);
  }
}

TEST_CASE("a hand that is not there is never chosen, and said") {
  const Diagnosis diagnosis = diagnose(root());
  int not_built = 0;
  for (const Finding& finding : diagnosis.findings) not_built += !finding.capability.built;
  CHECK(not_built == 5);
  for (const Ability& ability : diagnosis.abilities)
    CHECK((ability.by.empty() || ability.by == "seccomp" || ability.by == "cgroup"));
  CHECK(text_of(diagnosis).find("not built") != std::string::npos);
}

TEST_CASE("the text names the reason and what would change it") {
  const std::string text = text_of(diagnose(ordinary(Ground::kHost)));
  for (const char* part : {"why: EPERM", "to change it: run it with sudo", "why: ENOSPC",
                           "you can't:", "[no-isolation]", "to fix: sudo sysctl this=1"}) {
    CAPTURE(part);
    CHECK(text.find(part) != std::string::npos);
  }
}

TEST_CASE("the JSON holds the same") {
  const Diagnosis diagnosis = diagnose(ordinary(Ground::kUserNamespace));
  const auto json = nlohmann::json::parse(json_of(diagnosis));
  CHECK(json["fbx_doctor"] == 1);
  CHECK(json["findings"].size() == diagnosis.findings.size());
  CHECK(json["can"].size() + json["cannot"].size() == diagnosis.abilities.size());
  CHECK(json["cannot"][0]["code"] == "no-results");
  CHECK(json["fix"] == "run it with sudo");
}

}  // namespace
