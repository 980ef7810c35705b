// SPDX-License-Identifier: Apache-2.0
//
// Which hand for what, and what a rule becomes, without root.
#include <doctest/doctest.h>

#include <algorithm>

#include "bpf/abi/shim.h"
#include "bpf/abi/tables.h"
#include "runner/inject/call_rules.h"
#include "runner/inject/choose.h"
#include "runner/inject/hooks.h"
#include "runner/inject/rule_compile.h"
#include "runner/inject/seccomp_filter.h"

using namespace fbx;
using namespace fbx::inject;

namespace {

Capabilities everything() {
  const Capability yes{.works = true, .why = {}, .remedy = {}};
  const Capability later{.works = false, .why = "not yet", .remedy = {}, .built = false};
  const Capability locked{.works = false, .why = "the kernel is locked down", .remedy = "unlock it"};
  return {.cgroup = yes,
          .unix_dials = yes,
          .packets = yes,
          .sockets = yes,
          .resets = yes,
          .seccomp = yes,
          .borrow = yes,
          .results = yes,
          .accepts = yes,
          .shim = yes,
          .override_return = locked,
          .fmod_ret = locked,
          .lsm = locked,
          .wire = later,
          .records = yes};
}

Capability no(const std::string& why) {
  return {.works = false, .why = why, .remedy = "do this"};
}

// What an ordinary user has on an ordinary machine.
Capabilities unprivileged(Ground ground = Ground::kUserNamespace) {
  Capabilities can = everything();
  for (Capability Capabilities::* root : {&Capabilities::cgroup, &Capabilities::unix_dials,
                                          &Capabilities::packets, &Capabilities::sockets,
                                          &Capabilities::resets, &Capabilities::records})
    can.*root = no("needs root");
  can.ground = ground;
  if (ground == Ground::kHost) can.namespaces = no("no namespaces for you");
  can.any_user = false;
  can.user = "ann";
  return can;
}

uint16_t nr_of(const char* call) { return static_cast<uint16_t>(abi::find_syscall(call)->nr()); }

plan::Plan two_services() {
  plan::Plan plan;
  for (const char* name : {"orders", "inventory"}) {
    plan::Service service;
    service.name = name;
    service.interfaces.push_back(
        {.name = "main", .protocol = plan::Protocol::kTcp, .port = 5432, .path = {}});
    service.ops.push_back({.name = "persist", .syscalls = {"write", "fsync"}, .path = "/data/**"});
    plan.services.push_back(std::move(service));
  }
  plan.tests.emplace_back();
  return plan;
}

plan::Need need(plan::Need::Kind kind, int service, const std::string& syscall,
                const std::string& mode = "") {
  plan::Need out;
  out.kind = kind;
  out.service = service;
  out.syscall = syscall;
  out.mode = mode;
  return out;
}

using Kind = plan::Need::Kind;

struct Row {
  const char* what;
  std::vector<plan::Need> needs;
  std::vector<Hand> hands;
  const char* supervised;  // of service 0: a call that must be, "" = no filter
};

TEST_CASE("each need has its hand") {
  const Row rows[] = {
      {"deny of connect", {need(Kind::kDeny, 0, "connect")}, {Hand::kCgroup}, ""},
      {"delay of connect", {need(Kind::kDelay, 0, "connect")}, {Hand::kSeccomp}, "connect"},
      {"both: one hand orders them",
       {need(Kind::kDeny, 0, "connect"), need(Kind::kDelay, 0, "connect")},
       {Hand::kSeccomp, Hand::kSeccomp},
       "connect"},
      {"of different services",
       {need(Kind::kDeny, 0, "connect"), need(Kind::kDelay, 1, "connect")},
       {Hand::kCgroup, Hand::kSeccomp},
       ""},
      {"write", {need(Kind::kDeny, 0, "write")}, {Hand::kSeccomp}, "pwritev2"},
      {"fsync counts synchronous writes",
       {need(Kind::kDeny, 0, "fsync")},
       {Hand::kSeccomp},
       "write"},
      {"an op", {need(Kind::kDeny, 0, "persist")}, {Hand::kSeccomp}, "fdatasync"},
      {"partition", {need(Kind::kPartition, -1, "", "refuse")}, {Hand::kCgroup}, ""},
      {"no need", {}, {}, ""},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    plan::Plan plan = two_services();
    plan.tests[0].needs = row.needs;
    const auto chosen = choose(plan, 0, everything());
    REQUIRE(chosen);
    CHECK(chosen->needs == row.hands);
    const auto& supervised = chosen->services[0].supervised;
    if (!*row.supervised) {
      CHECK(supervised.empty());
    } else {
      CHECK(std::binary_search(supervised.begin(), supervised.end(), nr_of(row.supervised)));
    }
  }
}

struct RefusalRow {
  const char* what;
  plan::Need need;
  const char* inject;
  Capability Capabilities::* missing;
  const char* code;
};

TEST_CASE("what no hand can do is refused by name") {
  const RefusalRow rows[] = {
      {"no seccomp", need(Kind::kDeny, 0, "write"), "auto", &Capabilities::seccomp, "no-hand"},
      {"no packets", need(Kind::kPartition, -1, "", "drop"), "auto", &Capabilities::packets,
       "no-hand"},
      {"nobody's word", need(Kind::kDeny, 0, "wriet"), "auto", nullptr, "no-hand"},
      {"a hand that is not there", need(Kind::kDeny, 0, "write"), "override", nullptr, "no-hand"},
      {"no shim", need(Kind::kDeny, 0, "write"), "shim", &Capabilities::shim, "no-hand"},
      {"no gate", need(Kind::kDeny, 0, "write"), "shim", &Capabilities::seccomp, "no-hand"},
      {"a hand of later", need(Kind::kDelay, 0, "connect"), "wire", nullptr, "not-built"},
      {"a hand that can't", need(Kind::kDeny, 0, "write"), "cgroup", nullptr, "no-hand"},
      {"a hand that can't delay", need(Kind::kDelay, 0, "fsync"), "cgroup", nullptr, "no-hand"},
  };
  for (const RefusalRow& row : rows) {
    CAPTURE(row.what);
    plan::Plan plan = two_services();
    plan.services[0].inject = row.inject;
    plan.tests[0].needs = {row.need};
    Capabilities can = everything();
    if (row.missing) can.*row.missing = no("the kernel said no");
    const auto chosen = choose(plan, 0, can);
    REQUIRE_FALSE(chosen);
    REQUIRE(chosen.error().size() >= 1);
    CHECK(chosen.error()[0].code == row.code);
    CHECK_FALSE(chosen.error()[0].what.empty());
  }
}

struct EffectRow {
  const char* keyword;
  Capability Capabilities::* needed;
};

TEST_CASE("a denied call that does something all the same is refused where it could not") {
  const EffectRow rows[] = {{"close", &Capabilities::results},
                            {"close_range", &Capabilities::results},
                            {"accept", &Capabilities::accepts},
                            {"accept4", &Capabilities::accepts}};
  for (const EffectRow& row : rows) {
    CAPTURE(row.keyword);
    plan::Plan plan = two_services();
    plan.tests[0].needs = {need(Kind::kDeny, 0, row.keyword)};
    CHECK(choose(plan, 0, everything()));
    Capabilities can = everything();
    can.*row.needed = no("the kernel said no");
    const auto refused = choose(plan, 0, can);
    REQUIRE_FALSE(refused);
    CHECK(refused.error()[0].code == "no-hand");
    plan.tests[0].needs[0].kind = Kind::kDelay;
    CHECK(choose(plan, 0, can));
  }
}

struct WishRow {
  const char* what;
  plan::Need need;
  const char* by_service;  // service(inject=)
  const char* by_flag;     // --inject
  const char* outcome;     // the hand's name, or the refusal's code
};

TEST_CASE("a hand named by the user is not replaced by another") {
  const WishRow rows[] = {
      {"nothing named", need(Kind::kDeny, 0, "connect"), "auto", "auto", "cgroup"},
      {"the flag", need(Kind::kDeny, 0, "connect"), "auto", "seccomp", "seccomp"},
      {"the service", need(Kind::kDeny, 0, "connect"), "seccomp", "auto", "seccomp"},
      {"the service before the flag", need(Kind::kDeny, 0, "connect"), "cgroup", "seccomp",
       "cgroup"},
      {"the flag names what can't", need(Kind::kDeny, 0, "write"), "auto", "cgroup", "no-hand"},
      {"the flag names what is not there", need(Kind::kDeny, 0, "write"), "auto", "override",
       "no-hand"},
      {"a delay by the cgroup hooks", need(Kind::kDelay, 0, "connect"), "auto", "cgroup",
       "no-hand"},
      {"a partition is no fault", need(Kind::kPartition, -1, "", "refuse"), "auto", "seccomp",
       "cgroup"},
  };
  for (const WishRow& row : rows) {
    CAPTURE(row.what);
    plan::Plan plan = two_services();
    plan.services[0].inject = row.by_service;
    plan.tests[0].needs = {row.need};
    const auto chosen = choose(plan, 0, everything(), {.inject = row.by_flag});
    const std::string outcome =
        chosen ? hand_name(chosen->needs[0]) : chosen.error().front().code;
    CHECK(outcome == row.outcome);
  }
}

struct GroundRow {
  const char* what;
  std::vector<plan::Need> needs;
  Ground ground;
  bool isolation;
  const char* user;     // of service 0
  Capability Capabilities::* missing;
  const char* outcome;  // the first need's hand ("none" without needs), or the refusal's code
  const char* supervised;  // of service 0
};

TEST_CASE("without root the supervisor sees and breaks, and what it can't do is refused") {
  const plan::Need deny = need(Kind::kDeny, 0, "write"), dial = need(Kind::kDeny, 0, "connect"),
                   cut = need(Kind::kPartition, -1, "", "refuse"),
                   drop = need(Kind::kPartition, -1, "", "drop");
  constexpr Ground own = Ground::kUserNamespace, host = Ground::kHost;
  const GroundRow rows[] = {
      {"look-backs", {}, own, true, "", nullptr, "none", "fsync"},
      {"every start is seen", {}, own, true, "", nullptr, "none", "execve"},
      {"every dial is seen", {}, own, true, "", nullptr, "none", "connect"},
      {"deny", {deny}, own, true, "", nullptr, "seccomp", "pwritev2"},
      {"deny of connect", {dial}, own, true, "", nullptr, "seccomp", "connect"},
      {"partition", {cut}, own, true, "", nullptr, "seccomp", "sendmmsg"},
      {"partition on the host", {cut}, host, false, "", nullptr, "seccomp", "sendto"},
      {"drop", {drop}, own, true, "", nullptr, "no-hand", ""},
      {"partition, sockets out of reach", {cut}, own, true, "", &Capabilities::borrow, "no-hand", ""},
      {"nobody sees", {}, own, true, "", &Capabilities::seccomp, "no-sight", ""},
      {"the host's files", {}, host, true, "", nullptr, "no-isolation", ""},
      {"the host's files, asked for", {}, host, false, "", nullptr, "none", "fsync"},
      {"another user", {}, own, true, "postgres", nullptr, "needs-root", ""},
      {"the same user by name", {}, own, true, "ann", nullptr, "none", "fsync"},
  };
  for (const GroundRow& row : rows) {
    CAPTURE(row.what);
    plan::Plan plan = two_services();
    plan.services[0].user = row.user;
    plan.tests[0].needs = row.needs;
    plan.tests[0].observe = {{.what = "fsync"}};
    Capabilities can = unprivileged(row.ground);
    if (row.missing) can.*row.missing = no("the kernel said no");
    const auto chosen = choose(plan, 0, can, {.isolation = row.isolation});
    const std::string outcome = !chosen                ? chosen.error().front().code
                                : chosen->needs.empty() ? hand_name(Hand::kNone)
                                                        : hand_name(chosen->needs[0]);
    CHECK(outcome == row.outcome);
    if (!chosen) {
      CHECK_FALSE(chosen.error().front().remedy.empty());
      continue;
    }
    CHECK(chosen->sight == Sight::kSupervisor);
    const auto& supervised = chosen->services[0].supervised;
    CHECK(std::binary_search(supervised.begin(), supervised.end(), nr_of(row.supervised)));
  }
}

TEST_CASE("a service's limits are refused by name and place, whatever else the test needs") {
  plan::Plan plan = two_services();
  plan.services[1].limits = {{"memory", "256M"}, {"pids", "64"}};
  plan.services[1].place = {"a.star", 7, 10};
  for (const bool root : {true, false}) {
    CAPTURE(root);
    const auto can = root ? everything() : unprivileged(Ground::kUserNamespace);
    const auto chosen = choose(plan, 0, can);
    REQUIRE_FALSE(chosen);
    REQUIRE(chosen.error().size() == 1);
    CHECK(chosen.error()[0].code == "not-built");
    CHECK(chosen.error()[0].need == kWholeTest);
    CHECK(chosen.error()[0].what.starts_with("a.star:7:10: service " + plan.services[1].name));
    CHECK(chosen.error()[0].what.find("memory, pids") != std::string::npos);
  }
  plan.services[1].limits.clear();
  CHECK(choose(plan, 0, everything()));
}

TEST_CASE("with root the kernel sees, and look-backs ask nothing of the supervisor") {
  plan::Plan plan = two_services();
  plan.tests[0].observe = {{.what = "fsync"}};
  const auto chosen = choose(plan, 0, everything());
  REQUIRE(chosen);
  CHECK(chosen->sight == Sight::kRecords);
  CHECK(chosen->services[0].supervised.empty());
}

TEST_CASE("where the kernel hands can't cut, the supervisor does") {
  for (Capability Capabilities::* missing : {&Capabilities::cgroup, &Capabilities::packets,
                                             &Capabilities::sockets, &Capabilities::resets}) {
    plan::Plan plan = two_services();
    plan.tests[0].needs = {need(Kind::kPartition, -1, "", "refuse")};
    Capabilities can = everything();
    can.*missing = no("the kernel said no");
    const auto chosen = choose(plan, 0, can);
    REQUIRE(chosen);
    CHECK(chosen->needs[0] == Hand::kSeccomp);
    can.borrow = no("nor this");
    CHECK(choose(plan, 0, can).error().front().code == "no-hand");
  }
}

TEST_CASE("the shim is taken where it decides most calls itself") {
  struct ShimRow {
    const char* what;
    Program program;
    const char* flag;     // --inject
    const char* service;  // service(inject=)
    plan::Need need;
    Hand hand;  // kNone: refused
  };
  const Program plain{.identity = "id", .past_preload = {}, .past_libc = {}};
  const Program fixed{.identity = "id", .past_preload = "is linked statically", .past_libc = {}};
  const Program go{.identity = "id", .past_preload = {}, .past_libc = "is written in Go"};
  const plan::Need write = need(Kind::kDeny, 0, "write"), dial = need(Kind::kDeny, 0, "connect"),
                   unlink = need(Kind::kDeny, 0, "unlink"), any = need(Kind::kDeny, 0, "*");
  const ShimRow rows[] = {
      {"dynamic", plain, "auto", "auto", write, Hand::kShim},
      {"delay", plain, "auto", "auto", need(Kind::kDelay, 0, "fsync"), Hand::kShim},
      {"static", fixed, "auto", "auto", write, Hand::kSeccomp},
      {"static, named", fixed, "shim", "auto", write, Hand::kNone},
      {"static, named by the spec", fixed, "auto", "shim", write, Hand::kNone},
      {"Go", go, "auto", "auto", write, Hand::kSeccomp},
      {"Go, named", go, "shim", "auto", write, Hand::kShim},
      {"the spec's word first", plain, "shim", "seccomp", write, Hand::kSeccomp},
      {"named seccomp", plain, "seccomp", "auto", write, Hand::kSeccomp},
      {"named seccomp, connect", plain, "seccomp", "auto", dial, Hand::kSeccomp},
      {"connect is the hooks'", plain, "auto", "auto", dial, Hand::kCgroup},
      {"connect, named", plain, "shim", "auto", dial, Hand::kShim},
      {"anything", plain, "auto", "auto", any, Hand::kSeccomp},
      {"escaped before", plain, "auto", "auto", unlink, Hand::kSeccomp},
      {"escaped before, named", plain, "shim", "auto", unlink, Hand::kShim},
  };
  for (const ShimRow& row : rows) {
    CAPTURE(row.what);
    plan::Plan plan = two_services();
    plan.services[0].inject = row.service;
    plan.tests[0].needs = {row.need};
    const Known known{.programs = {row.program, row.program},
                      .escaped = {{"id", "unlink"}, {"other", "write"}}};
    const auto chosen = choose(plan, 0, everything(), {.inject = row.flag}, known);
    CHECK(chosen.has_value() == (row.hand != Hand::kNone));
    if (!chosen) continue;
    CHECK(chosen->needs[0] == row.hand);
    CHECK(chosen->services[0].shim == (row.hand == Hand::kShim));
  }
}

TEST_CASE("without root the shim sees, too, and the rest is supervised") {
  const Program plain{.identity = "id", .past_preload = {}, .past_libc = {}};
  const Program fixed{.identity = "id", .past_preload = "is linked statically", .past_libc = {}};
  plan::Plan plan = two_services();
  plan.tests[0].observe = {{.what = "fsync"}};
  plan.tests[0].needs = {need(Kind::kDeny, 0, "write")};
  for (const char* flag : {"auto", "shim", "seccomp"}) {
    CAPTURE(flag);
    const auto chosen = choose(plan, 0, unprivileged(), {.inject = flag},
                               {.programs = {plain, fixed}, .escaped = {}});
    REQUIRE(chosen);
    const bool shim = flag != std::string("seccomp");
    CHECK(chosen->sight == Sight::kSupervisor);
    CHECK(chosen->needs[0] == (shim ? Hand::kShim : Hand::kSeccomp));
    CHECK(chosen->services[0].shim == shim);
    // What no fault is about is not refused where the shim can't go.
    if (flag == std::string("auto")) CHECK_FALSE(chosen->services[1].shim);
    for (const char* call : {"write", "fsync", "execve", "connect", "mmap"})
      CHECK(std::ranges::binary_search(chosen->services[0].supervised, nr_of(call)));
    CHECK(std::ranges::binary_search(chosen->services[1].supervised, nr_of("fsync")));
  }
}

TEST_CASE("a hand in the kernel is taken where it can do all that a service needs") {
  struct KernelRow {
    const char* what;
    std::vector<plan::Need> needs;
    const char* flag;  // --inject
    std::vector<Capability Capabilities::*> works;
    const char* outcome;  // the first need's hand, or what the refusal must say
  };
  const plan::Need write = need(Kind::kDeny, 0, "write"), sync = need(Kind::kDeny, 0, "fsync"),
                   slow = need(Kind::kDelay, 0, "fsync"), dial = need(Kind::kDeny, 0, "connect"),
                   bind = need(Kind::kDeny, 0, "bind"), unlink = need(Kind::kDeny, 0, "unlink"),
                   space = need(Kind::kDeny, 0, "space"), read = need(Kind::kDeny, 0, "read"),
                   any = need(Kind::kDeny, 0, "*"), other = need(Kind::kDelay, 1, "write");
  const auto override_return = &Capabilities::override_return, fmod_ret = &Capabilities::fmod_ret,
             lsm = &Capabilities::lsm;
  const KernelRow rows[] = {
      {"override first", {write}, "auto", {override_return, fmod_ret, lsm}, "override"},
      {"fmod_ret next", {write}, "auto", {fmod_ret, lsm}, "fmod_ret"},
      {"security hooks last", {write}, "auto", {lsm}, "lsm"},
      {"fsync has no security hook", {sync}, "auto", {lsm}, "seccomp"},
      {"both are override's", {write, sync}, "auto", {override_return}, "override"},
      {"a delay makes all of it the supervisor's", {write, slow}, "auto", {override_return}, "seccomp"},
      {"another service's delay does not", {write, other}, "auto", {override_return}, "override"},
      {"connect is the hooks' all the same", {dial, write}, "auto", {override_return}, "cgroup"},
      {"and leaves the rest alone", {write, dial}, "auto", {override_return}, "override"},
      {"bind is the hooks', named", {bind}, "cgroup", {override_return}, "cgroup"},
      {"bind may be of a unix socket", {bind}, "auto", {override_return}, "seccomp"},
      {"bind, named", {bind}, "override", {override_return}, "override"},
      {"what is likely to say path=", {unlink}, "auto", {override_return}, "seccomp"},
      {"the same, named", {unlink}, "override", {override_return}, "override"},
      {"what changes", {space}, "override", {override_return}, "only the file system knows"},
      {"whatever", {any}, "auto", {override_return}, "seccomp"},
      {"escaped before", {read}, "auto", {override_return}, "seccomp"},
      {"escaped before, named", {read}, "override", {override_return}, "override"},
      {"named, and locked", {write}, "override", {}, "locked down"},
      {"named, and can't wait", {slow}, "override", {override_return}, "keeps no call waiting"},
      {"named, and has no program", {sync}, "lsm", {lsm}, "has no program for"},
      {"named, and nobody sees the owner", {dial}, "override", {override_return}, "unix socket"},
  };
  const Known known{.programs = {{.identity = "id", .past_preload = "is linked statically",
                                  .past_libc = {}},
                                 {.identity = "id2", .past_preload = "is linked statically",
                                  .past_libc = {}}},
                    .escaped = {{"id", "read"}}};
  for (const KernelRow& row : rows) {
    CAPTURE(row.what);
    plan::Plan plan = two_services();
    plan.tests[0].needs = row.needs;
    Capabilities can = everything();
    for (Capability Capabilities::* one : row.works) can.*one = can.seccomp;
    const auto chosen = choose(plan, 0, can, {.inject = row.flag}, known);
    const std::string outcome = chosen ? hand_name(chosen->needs[0]) : chosen.error().front().what;
    CAPTURE(outcome);
    CHECK(outcome.find(row.outcome) != std::string::npos);
    if (!chosen) continue;
    const ServiceHands& hands = chosen->services[0];
    CHECK(hands.supervised.empty() == (chosen->needs[0] != Hand::kSeccomp));
    const bool in_kernel = fails_calls_in_kernel(chosen->needs[0]);
    if (in_kernel) CHECK(hands.calls == chosen->needs[0]);
    if (in_kernel) CHECK_FALSE(calls_to_fail(plan, 0, 0, {.inject = row.flag}).empty());
  }
}

TEST_CASE("without the cgroup hook the supervisor denies dials") {
  plan::Plan plan = two_services();
  plan.tests[0].needs = {need(Kind::kDeny, 0, "connect")};
  Capabilities can = everything();
  can.cgroup = no("no");
  const auto chosen = choose(plan, 0, can);
  REQUIRE(chosen);
  CHECK(chosen->needs[0] == Hand::kSeccomp);
}

model::RuleSpec spec(const std::string& keyword) {
  model::RuleSpec out;
  out.keyword = keyword;
  out.errnum = 5;
  out.display = keyword + "=deny(\"EIO\")";
  return out;
}

bool hits(const CompiledRule& rule, const char* call, uint32_t kind, uint32_t flags = 0) {
  fbx_key key{};
  key.nr = static_cast<uint32_t>(abi::find_syscall(call)->nr());
  key.kind = kind;
  key.flags = flags;
  for (uint32_t i = 0; i < rule.abi.parts_used; ++i) {
    const fbx_rule_part& part = rule.abi.parts[i];
    if (part.calls[key.nr / 64] >> (key.nr % 64) & 1 && part.kinds >> kind & 1 &&
        (part.flags & flags) == part.flags)
      return true;
  }
  return false;
}

struct HitRow {
  const char* keyword;
  const char* on;
  const char* path;
  const char* call;
  uint32_t kind;
  uint32_t flags;
  bool hit;
};

TEST_CASE("a keyword hits what the language says") {
  const HitRow rows[] = {
      {"write", "", "", "write", FBX_KIND_FILE, 0, true},
      {"write", "", "", "write", FBX_KIND_STREAM, 0, false},
      {"write", "", "", "write", FBX_KIND_PIPE, 0, false},
      {"write", "", "", "write", FBX_KIND_SHM, 0, false},
      {"write", "", "/dev/shm/*", "write", FBX_KIND_SHM, 0, true},
      {"write", "", "", "sendfile", FBX_KIND_FILE, 0, true},
      {"write", "socket", "", "write", FBX_KIND_STREAM, 0, true},
      {"write", "any", "", "write", FBX_KIND_TTY, 0, true},
      {"pwrite64", "", "", "write", FBX_KIND_FILE, 0, false},
      {"pwrite64", "", "", "pwrite64", FBX_KIND_FILE, 0, true},
      {"fsync", "", "", "fdatasync", FBX_KIND_FILE, 0, true},
      {"fsync", "", "", "write", FBX_KIND_FILE, 0, false},
      {"fsync", "", "", "write", FBX_KIND_FILE, FBX_KEY_SYNC, true},
      {"open", "", "", "openat2", FBX_KIND_NONE, 0, true},
      {"openat", "", "", "creat", FBX_KIND_NONE, 0, true},
      {"send", "", "", "write", FBX_KIND_STREAM, 0, true},
      {"send", "", "", "write", FBX_KIND_FILE, 0, false},
      {"send", "udp", "", "sendto", FBX_KIND_STREAM, 0, false},
      {"connect", "", "", "connect", FBX_KIND_STREAM, 0, true},
      {"connect", "", "", "connect", FBX_KIND_UDP, 0, false},
      {"connect", "", "", "connect", FBX_KIND_UNIX, 0, false},
      {"connect", "", "", "connect", FBX_KIND_UNIX, FBX_KEY_OWNED, true},
      {"space", "", "", "open", FBX_KIND_NONE, 0, false},
      {"space", "", "", "open", FBX_KIND_NONE, FBX_KEY_CREATES, true},
      {"space", "", "", "ftruncate", FBX_KIND_FILE, FBX_KEY_GROWS, true},
      {"space", "", "", "mkdir", FBX_KIND_NONE, 0, true},
      {"unlink", "", "", "unlinkat", FBX_KIND_NONE, 0, true},
      {"persist", "", "", "fsync", FBX_KIND_FILE, 0, true},
  };
  const plan::Plan plan = two_services();
  for (const HitRow& row : rows) {
    CAPTURE(row.keyword);
    CAPTURE(row.on);
    CAPTURE(row.call);
    CAPTURE(row.kind);
    model::RuleSpec s = spec(row.keyword);
    s.on = row.on;
    s.path = row.path;
    const auto rule = compile_rule(s, plan, 0, 1);
    REQUIRE(rule);
    CHECK(hits(*rule, row.call, row.kind, row.flags) == row.hit);
  }
}

TEST_CASE("rules that can't be carried out are errors that name them") {
  const plan::Plan plan = two_services();
  std::vector<model::RuleSpec> bad;
  for (const char* keyword : {"exit", "nothing"}) bad.push_back(spec(keyword));
  bad.push_back(spec("write"));
  bad.back().max_fires = 1ull << 30;
  bad.push_back(spec("connect"));
  bad.back().to = "example.org:80";
  bad.push_back(spec("open"));
  bad.back().on = "socket";
  for (const model::RuleSpec& s : bad) {
    CAPTURE(s.display);
    CHECK_FALSE(compile_rule(s, plan, 0, 1));
  }
}

struct ToRow {
  const char* to;
  uint32_t kind;
  int32_t service;
  uint32_t door;
};

TEST_CASE("to= names a service, an interface or an address") {
  const ToRow rows[] = {{"inventory", FBX_TO_SERVICE, 1, 0},
                        {"inventory.main", FBX_TO_SERVICE, 1, 5432},
                        {"127.0.0.1:80", FBX_TO_ADDRESS, 0, 80},
                        {"[::1]:81", FBX_TO_ADDRESS, 0, 81},
                        {"localhost:82", FBX_TO_LOOPBACK, 0, 82}};
  const plan::Plan plan = two_services();
  for (const ToRow& row : rows) {
    CAPTURE(row.to);
    model::RuleSpec s = spec("connect");
    s.to = row.to;
    const auto rule = compile_rule(s, plan, 0, 1);
    REQUIRE(rule);
    CHECK(rule->abi.to_kind == row.kind);
    CHECK(rule->abi.to_service == row.service);
    CHECK(rule->abi.to_door == row.door);
  }
}

TEST_CASE("a rule that a hand in the kernel can't tell exactly is not given to it") {
  struct GapRow {
    const char* what;
    const char* keyword;
    void (*change)(model::RuleSpec&);
    bool gap;
  };
  const auto nothing = [](model::RuleSpec&) {};
  const auto path = [](model::RuleSpec& rule) { rule.path = "/data/**"; };
  const auto long_path = [](model::RuleSpec& rule) { rule.path = std::string(300, 'x'); };
  const auto to = [](model::RuleSpec& rule) { rule.to = "inventory"; };
  const auto to_tcp = [](model::RuleSpec& rule) { rule.to = "inventory", rule.on = "stream"; };
  const auto sticky = [](model::RuleSpec& rule) { rule.sticky = true; };
  const auto late = [](model::RuleSpec& rule) { rule.delay_ns = 1; };
  const GapRow rows[] = {
      {"write", "write", nothing, false},        {"a path behind a descriptor", "write", path, false},
      {"a path too long", "write", long_path, true}, {"a path that is named", "open", path, true},
      {"any path", "open", nothing, false},      {"sends", "send", nothing, false},
      {"sends to a service", "send", to, true},  {"over TCP", "send", to_tcp, false},
      {"sticky", "fsync", sticky, true},         {"deny, late", "write", late, true},
      {"growing by name", "space", nothing, true}, {"growing a descriptor's", "ftruncate", nothing, false},
      {"a shared mapping", "mmap", nothing, false},
  };
  const plan::Plan plan = two_services();
  for (const GapRow& row : rows) {
    CAPTURE(row.what);
    model::RuleSpec of = spec(row.keyword);
    row.change(of);
    const auto rule = compile_rule(of, plan, 0, 1);
    REQUIRE(rule);
    const std::string gap = kernel_gap(*rule, Hand::kOverride);
    CAPTURE(gap);
    CHECK(gap.empty() == !row.gap);
  }
}

struct HooksRow {
  const char* what;
  std::vector<plan::Need> needs;
  Hooks hooks;  // dials, datagrams, packets, sockets, binds; of the calls to fail:
  const char* fails = "";  // one of them; "" = none
};

TEST_CASE("a run loads the hooks that its tests can come to need") {
  const HooksRow rows[] = {
      {"nothing", {}, {false, false, false, false}},
      {"a write", {need(Kind::kDeny, 0, "write")}, {false, false, false, true}, "pwritev2"},
      {"an op", {need(Kind::kDeny, 1, "persist")}, {false, false, false, true}, "fdatasync"},
      {"what names paths", {need(Kind::kDeny, 0, "unlink")}, {false, false, false, true}},
      {"deny of connect", {need(Kind::kDeny, 0, "connect")}, {true, false, false, true}},
      {"deny of bind", {need(Kind::kDeny, 0, "bind")}, {false, false, false, true, true}, "bind"},
      {"delay of connect", {need(Kind::kDelay, 0, "connect")}, {false, false, false, true}},
      {"whatever a test may deny", {need(Kind::kDeny, -1, "*")}, {true, false, false, true, true}},
      {"refuse", {need(Kind::kPartition, -1, "", "refuse")}, {true, true, true, true}},
      {"a mode that nobody knows yet", {need(Kind::kPartition, -1, "", "")}, {true, true, true, true}},
      {"drop", {need(Kind::kPartition, -1, "", "drop")}, {false, false, true, true}},
      {"drop, and a write",
       {need(Kind::kPartition, -1, "", "drop"), need(Kind::kDeny, 0, "write")},
       {false, false, true, true},
       "write"},
  };
  for (const HooksRow& row : rows) {
    CAPTURE(row.what);
    plan::Plan plan = two_services();
    plan.tests[0].needs = row.needs;
    Hooks hooks = hooks_for(plan, 0);
    const std::set<uint16_t> calls = hooks.calls[Hand::kNone];
    CHECK(calls.empty() == (*row.fails == 0));
    if (*row.fails) CHECK(calls.contains(nr_of(row.fails)));
    CHECK(hooks_for(plan, 0, {.inject = "seccomp"}).calls.empty());
    hooks.calls.clear();
    CHECK(hooks == row.hooks);
    // What choose() gives to the cgroup hand is loaded.
    const auto chosen = choose(plan, 0, everything());
    if (!chosen) continue;
    for (const ServiceHands& hands : chosen->services)
      if (hands.connect == Hand::kCgroup) CHECK(hooks.dials);
  }
}

TEST_CASE("the filter is empty for nothing, and every jump in it is short") {
  CHECK(seccomp_program({}).empty());
  CHECK_FALSE(seccomp_program({}, true).empty());
  std::vector<uint16_t> all;
  for (const abi::Syscall& row : abi::kSyscalls)
    if (row.nr() >= 0) all.push_back(static_cast<uint16_t>(row.nr()));
  CHECK(seccomp_program(all, true, FBX_SHIM_PROBE_FIXED).size() < 4096);
  const auto program = seccomp_program(all);
  CHECK(program.size() < 4096);
  for (const sock_filter& one : program) {
    CHECK(one.jt <= 1);
    CHECK(one.jf <= 1);
  }
}

}  // namespace
