// SPDX-License-Identifier: Apache-2.0
//
// decide.h against a model that is written from LANGUAGE section 5 alone and shares nothing with
// it but the draw.
#include <doctest/doctest.h>

#include <atomic>
#include <memory>
#include <optional>
#include <random>
#include <thread>
#include <vector>

#include "bpf/abi/decide.h"

namespace {

struct ModelRule {
  uint32_t id = 0;
  std::vector<uint32_t> calls;
  uint32_t action = FBX_ACT_DENY;
  uint64_t after = 0, every = 1, max_fires = ~0ull;
  double probability = 1;
  bool wants_path = false;
  uint64_t n = 0, fires = 0;
};

struct ModelCall {
  uint32_t nr = 0;
  std::vector<uint32_t> path_matches;  // ids of rules
};

bool contains(const std::vector<uint32_t>& all, uint32_t x) {
  for (uint32_t y : all)
    if (x == y) return true;
  return false;
}

// "The first rule that fires decides. A rule that matches but does not fire counts its match and
// passes on; rules after the deciding one do not count."
std::optional<uint32_t> model_decide(std::vector<ModelRule>& rules, const ModelCall& call,
                                     uint64_t seed) {
  for (ModelRule& r : rules) {
    if (!contains(r.calls, call.nr)) continue;
    if (r.wants_path && !contains(call.path_matches, r.id)) continue;
    r.n += 1;
    if (!(r.n > r.after)) continue;
    if ((r.n - r.after) % r.every != 0) continue;
    if (!(r.fires < r.max_fires)) continue;
    const double draw = static_cast<double>(fbx_draw(seed, r.id, r.n)) * 0x1p-64;
    if (r.probability < 1 && !(draw < r.probability)) continue;
    r.fires += 1;
    return r.id;
  }
  return std::nullopt;
}

fbx_rule abi_rule(const ModelRule& m, uint64_t seed) {
  fbx_rule r{};
  r.parts_used = 1;
  for (uint32_t nr : m.calls) r.parts[0].calls[nr / 64] |= 1ull << (nr % 64);
  r.parts[0].kinds = ~0u;
  r.rule = m.id;
  r.counter = m.id;
  r.action = m.action;
  r.errnum = 5;
  r.wants_path = m.wants_path;
  r.after = m.after;
  r.every = m.every;
  r.max_fires = m.max_fires;
  r.seed = seed;
  r.always = m.probability >= 1;
  r.threshold = r.always ? ~0ull : static_cast<uint64_t>(m.probability * 0x1p64);
  return r;
}

struct World {
  std::unique_ptr<fbx_ruleset> set = std::make_unique<fbx_ruleset>();
  std::vector<fbx_counter> counters = std::vector<fbx_counter>(FBX_COUNTERS);
  fbx_decision decide(const fbx_key& key) {
    fbx_decision out{};
    fbx_decide(set.get(), counters.data(), &key, &out);
    return out;
  }
};

uint64_t pick(std::mt19937_64& random, uint64_t bound) { return random() % bound; }

ModelRule random_rule(std::mt19937_64& random, uint32_t id) {
  ModelRule r;
  r.id = id;
  for (uint32_t nr : {0u, 1u, 74u, 257u, 435u})
    if (pick(random, 2)) r.calls.push_back(nr);
  r.action = 1 + static_cast<uint32_t>(pick(random, 3));
  if (pick(random, 2)) r.after = pick(random, 5);
  if (pick(random, 2)) r.every = 1 + pick(random, 5);
  if (pick(random, 2)) r.max_fires = 1 + pick(random, 4);
  if (pick(random, 2)) r.probability = static_cast<double>(pick(random, 11)) / 10;
  r.wants_path = pick(random, 3) == 0;
  return r;
}

void check_cell(uint64_t seed) {
  std::mt19937_64 random(seed);
  World world;
  std::vector<ModelRule> rules;
  for (uint32_t i = 0, n = 1 + static_cast<uint32_t>(pick(random, 6)); i < n; ++i) {
    rules.push_back(random_rule(random, 10 + i));
    world.set->rules[i] = abi_rule(rules.back(), seed);
  }
  world.set->count = static_cast<uint32_t>(rules.size());
  for (int step = 0; step < 40; ++step) {
    ModelCall call;
    call.nr = std::vector<uint32_t>{0, 1, 74, 257, 435, 2}[pick(random, 6)];
    fbx_key key{};
    key.nr = call.nr;
    key.peer_service = FBX_PEER_UNKNOWN;
    for (uint32_t i = 0; i < rules.size(); ++i) {
      if (!pick(random, 2)) continue;
      call.path_matches.push_back(rules[i].id);
      key.path_mask |= 1u << i;
    }
    const auto want = model_decide(rules, call, seed);
    const fbx_decision got = world.decide(key);
    REQUIRE((got.action != FBX_ACT_NONE) == want.has_value());
    if (want) REQUIRE(got.rule == *want);
  }
  for (const ModelRule& r : rules) {
    REQUIRE((world.counters[r.id].state >> FBX_FIRES_BITS) == r.n);
    REQUIRE(world.counters[r.id].fired == r.fires);
  }
}

TEST_CASE("decide agrees with a model of the language") {
  for (uint64_t seed = 1; seed <= 5000; ++seed) {
    CAPTURE(seed);
    check_cell(seed);
  }
}

struct Ordinals {
  uint64_t after, every, max_fires;
  std::vector<int> fire;
};

TEST_CASE("the ordinals that fire") {
  const Ordinals rows[] = {
      {0, 1, ~0ull, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10}},
      {2, 1, 1, {3}},           // nth=3
      {0, 5, ~0ull, {5, 10}},   // every=5
      {2, 3, ~0ull, {5, 8}},
      {2, 3, 1, {5}},
      {7, 1, ~0ull, {8, 9, 10}},
      {0, 1, 2, {1, 2}},
  };
  for (const Ordinals& row : rows) {
    CAPTURE(row.after);
    CAPTURE(row.every);
    ModelRule m{.id = 3, .calls = {1}, .after = row.after, .every = row.every,
                .max_fires = row.max_fires};
    World world;
    world.set->rules[0] = abi_rule(m, 1);
    world.set->count = 1;
    std::vector<int> fired;
    for (int n = 1; n <= 10; ++n) {
      fbx_key key{};
      key.nr = 1;
      if (world.decide(key).action == FBX_ACT_DENY) fired.push_back(n);
    }
    CHECK(fired == row.fire);
  }
}

TEST_CASE("a file that a sticky rule failed on fails whatever the ordinal, and counts") {
  ModelRule m{.id = 3, .calls = {1}, .after = 0, .every = 1, .max_fires = 1};
  World world;
  world.set->rules[0] = abi_rule(m, 1);
  world.set->count = 1;
  std::vector<bool> fired;
  for (const uint32_t stuck : {0u, 0u, 1u, 2u, 1u}) {
    fbx_key key{};
    key.nr = 1;
    key.stuck_mask = stuck;  // bit 1 is another rule's
    fired.push_back(world.decide(key).action == FBX_ACT_DENY);
  }
  CHECK(fired == std::vector<bool>{true, false, true, false, true});
  CHECK((world.counters[3].state >> FBX_FIRES_BITS) == 5);
  CHECK(world.counters[3].fired == 3);
}

TEST_CASE("threads never share or skip an ordinal") {
  ModelRule m{.id = 1, .calls = {1}, .every = 7, .max_fires = 1000};
  World world;
  world.set->rules[0] = abi_rule(m, 9);
  world.set->count = 1;
  std::atomic<uint64_t> fires{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      fbx_key key{};
      key.nr = 1;
      for (int i = 0; i < 20000; ++i)
        if (world.decide(key).action != FBX_ACT_NONE) fires++;
    });
  for (std::thread& t : threads) t.join();
  CHECK((world.counters[1].state >> FBX_FIRES_BITS) == 80000);
  CHECK(fires == 1000);
  CHECK(world.counters[1].lost == 0);
}

TEST_CASE("draws are even and do not depend on each other's rule") {
  int below = 0, both = 0;
  for (uint64_t n = 1; n <= 100000; ++n) {
    const bool a = fbx_draw(7, 1, n) < (1ull << 63);
    const bool b = fbx_draw(7, 2, n) < (1ull << 63);
    below += a;
    both += a && b;
  }
  CHECK(below > 49000);
  CHECK(below < 51000);
  CHECK(both > 24000);
  CHECK(both < 26000);
}

struct PeerRow {
  const char* what;
  uint32_t to_kind;
  int32_t to_service;
  uint32_t to_door;
  uint8_t to_last;
  int32_t peer;
  uint32_t door;
  uint8_t last;
  bool hits;
};

TEST_CASE("to= decides by service, door or address, and never on an unknown peer") {
  const PeerRow rows[] = {
      {"any", FBX_TO_ANY, 0, 0, 0, FBX_PEER_UNKNOWN, 0, 0, true},
      {"service", FBX_TO_SERVICE, 2, 0, 0, 2, 5432, 1, true},
      {"other service", FBX_TO_SERVICE, 2, 0, 0, 1, 5432, 1, false},
      {"unknown", FBX_TO_SERVICE, 2, 0, 0, FBX_PEER_UNKNOWN, 5432, 1, false},
      {"interface", FBX_TO_SERVICE, 2, 5432, 0, 2, 5432, 1, true},
      {"other interface", FBX_TO_SERVICE, 2, 5432, 0, 2, 5433, 1, false},
      {"address", FBX_TO_ADDRESS, 0, 80, 9, FBX_PEER_UNKNOWN, 80, 9, true},
      {"other address", FBX_TO_ADDRESS, 0, 80, 9, FBX_PEER_UNKNOWN, 80, 8, false},
      {"loopback", FBX_TO_LOOPBACK, 0, 80, 0, FBX_PEER_UNKNOWN, 80, 77, true},
      {"loopback, other port", FBX_TO_LOOPBACK, 0, 80, 0, FBX_PEER_UNKNOWN, 81, 77, false},
  };
  for (const PeerRow& row : rows) {
    CAPTURE(row.what);
    auto v4 = [](uint32_t addr[4], uint8_t last) {
      const uint8_t bytes[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127, 0, 0, last};
      __builtin_memcpy(addr, bytes, 16);
    };
    fbx_rule rule{};
    rule.to_kind = row.to_kind;
    rule.to_service = row.to_service;
    rule.to_door = row.to_door;
    v4(rule.to_addr, row.to_last);
    fbx_key key{};
    key.peer_service = row.peer;
    key.peer_door = row.door;
    key.has_addr = row.last != 0;
    v4(key.peer_addr, row.last);
    CHECK((fbx_peer_hits(&rule, &key) != 0) == row.hits);
  }
}

TEST_CASE("a near miss counts for nobody but the reader") {
  ModelRule m{.id = 1, .calls = {1}, .wants_path = true};
  World world;
  world.set->rules[0] = abi_rule(m, 9);
  world.set->count = 1;
  fbx_key key{};
  key.nr = 1;
  const fbx_decision d = world.decide(key);
  CHECK(d.action == FBX_ACT_NONE);
  CHECK(d.near == 1);
  CHECK(d.matched == 0);
  CHECK(world.counters[1].near == 1);
  CHECK(world.counters[1].state == 0);
}

}  // namespace
