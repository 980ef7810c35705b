// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// The one decision (LANGUAGE section 5), compiled into every hand.
//
//   Rules in order. The first that fires decides. A rule that matches but does not fire counts its
//   match and passes on; rules after the deciding one do not count.
//   n counts this rule's matches. It fires iff n > after, (n − after) % every == 0, fewer than
//   max_fires so far, and draw(seed, rule, n) is below the probability; or it is sticky and has
//   fired on this file before.
//
// Async-signal-safe, allocates nothing, calls nothing. Valid C11, C++ and BPF C.
#ifndef FBX_ABI_DECIDE_H
#define FBX_ABI_DECIDE_H

#include "rule.h"
#include "stats.h"

// FBX_STEP functions have external linkage in BPF: the verifier checks those once, and not in every
// state in which a turn of the loop over the rules can reach them (143 ms of loading against 6).
// Hence their tests for NULL.
#ifdef __bpf__
#define FBX_INLINE static __always_inline
#define FBX_STEP __attribute__((weak, noinline))
#define FBX_CAS_TRIES 256
#else
#define FBX_INLINE static inline
#define FBX_STEP static inline
#define FBX_CAS_TRIES (1 << 20)
#endif

// Counter-based, so that every hand draws the same for the n-th match: two rounds of splitmix64's
// finaliser (Steele, Lea, Flood 2014) over (seed, rule, n).
FBX_INLINE uint64_t fbx_mix(uint64_t x) {
  x ^= x >> 30;
  x *= 0xbf58476d1ce4e5b9ull;
  x ^= x >> 27;
  x *= 0x94d049bb133111ebull;
  x ^= x >> 31;
  return x;
}

FBX_INLINE uint64_t fbx_draw(uint64_t seed, uint32_t rule, uint64_t n) {
  uint64_t stream = fbx_mix(seed + 0x9e3779b97f4a7c15ull * ((uint64_t)rule + 1));
  return fbx_mix(stream + 0x9e3779b97f4a7c15ull * n);
}

// Without branches: the verifier would follow every way through six parts. A part that is not used
// has no kinds.
FBX_INLINE uint64_t fbx_part_hits(const struct fbx_rule_part *part, const struct fbx_key *key,
                                  uint32_t nr) {
  uint64_t call = part->calls[nr >> 6] >> (nr & 63);
  uint64_t kind = part->kinds >> (key->kind & 31);
  uint64_t missing = part->flags & ~key->flags;
  return call & kind & ((missing - 1) >> 63);
}

FBX_STEP int fbx_call_hits(const struct fbx_rule *rule, const struct fbx_key *key) {
  if (!rule || !key) return 0;
  uint32_t nr = key->nr & (FBX_NR_WORDS * 64 - 1);
  uint64_t hit = 0;
  for (uint32_t i = 0; i < FBX_RULE_PARTS; i++) hit |= fbx_part_hits(&rule->parts[i], key, nr);
  return (hit & 1) && key->nr < FBX_NR_WORDS * 64;
}

FBX_INLINE int fbx_is_loopback(const uint32_t addr[4]) {
  const uint8_t *b = (const uint8_t *)addr;
  if (addr[0] || addr[1]) return 0;
  if (!addr[2]) return !b[12] && !b[13] && !b[14] && b[15] == 1;
  return !b[8] && !b[9] && b[10] == 0xff && b[11] == 0xff && b[12] == 127;
}

FBX_STEP int fbx_peer_hits(const struct fbx_rule *rule, const struct fbx_key *key) {
  if (!rule || !key) return 0;
  if (rule->to_kind == FBX_TO_ANY) return 1;
  if (rule->to_door && rule->to_door != key->peer_door) return 0;
  if (rule->to_kind == FBX_TO_SERVICE)
    return key->peer_service != FBX_PEER_UNKNOWN && rule->to_service == key->peer_service;
  if (!key->has_addr) return 0;
  if (rule->to_kind == FBX_TO_LOOPBACK) return fbx_is_loopback(key->peer_addr);
  return rule->to_addr[0] == key->peer_addr[0] && rule->to_addr[1] == key->peer_addr[1] &&
         rule->to_addr[2] == key->peer_addr[2] && rule->to_addr[3] == key->peer_addr[3];
}

// Whether the n-th match fires, `fires` having fired before it.
FBX_STEP int fbx_ordinal_fires(const struct fbx_rule *rule, uint64_t n, uint64_t fires) {
  if (!rule) return 0;
  uint64_t every = rule->every ? rule->every : 1;
  if (n <= rule->after || (n - rule->after) % every) return 0;
  if (rule->max_fires != ~0ull && fires >= rule->max_fires) return 0;
  return rule->always || fbx_draw(rule->seed, rule->rule, n) < rule->threshold;
}

// One attempt to count a match. Returns its ordinal, and whether it fires in *fires; 0 = somebody
// else counted at the same time.
FBX_INLINE uint64_t fbx_try_count(const struct fbx_rule *rule, struct fbx_counter *counter,
                                  uint32_t stuck, uint32_t *fires) {
  uint64_t old = *(volatile uint64_t *)&counter->state;
  uint64_t fired = old & FBX_FIRES_MASK;
  uint64_t n = (old >> FBX_FIRES_BITS) + 1;
  uint32_t hit = stuck || fbx_ordinal_fires(rule, n, fired);
  if (hit && fired < FBX_FIRES_MASK) fired++;
  if (__sync_val_compare_and_swap(&counter->state, old, (n << FBX_FIRES_BITS) | fired) != old)
    return 0;
  *fires = hit;
  return n;
}

// The verifier follows an ordinary loop through every turn and gives up on nested ones; bpf_loop
// (Linux 5.17) lets it check one turn.
#ifdef __bpf__
struct fbx_counting {
  const struct fbx_rule *rule;
  struct fbx_counter *counter;
  uint64_t n;
  uint32_t stuck;
  uint32_t fires;
};

static long fbx_count_turn(uint32_t i, void *context) {
  struct fbx_counting *c = context;
  c->n = fbx_try_count(c->rule, c->counter, c->stuck, &c->fires);
  return c->n != 0;
}

FBX_STEP uint64_t fbx_count(const struct fbx_rule *rule, struct fbx_counter *counter,
                            uint32_t stuck, uint32_t *fires) {
  if (!rule || !counter || !fires) return 0;
  struct fbx_counting c = {.rule = rule, .counter = counter, .stuck = stuck};
  bpf_loop(FBX_CAS_TRIES, fbx_count_turn, &c, 0);
  *fires = c.fires;
  return c.n;
}
#else
FBX_STEP uint64_t fbx_count(const struct fbx_rule *rule, struct fbx_counter *counter,
                            uint32_t stuck, uint32_t *fires) {
  uint64_t n = 0;
  *fires = 0;
  for (int i = 0; i < FBX_CAS_TRIES && !n; i++) n = fbx_try_count(rule, counter, stuck, fires);
  return n;
}
#endif

// One rule's turn. Returns 1 when it fired, and `out` says what.
FBX_STEP int fbx_decide_one(const struct fbx_rule *rule, uint32_t position,
                            struct fbx_counter *counter, const struct fbx_key *key,
                            struct fbx_decision *out) {
  uint32_t bit = 1u << (position & 31);
  uint32_t fires = 0;
  uint64_t n;
  if (!rule || !counter || !key || !out) return 0;
  if (!fbx_call_hits(rule, key)) return 0;
  if ((rule->wants_path && !(key->path_mask & bit)) || !fbx_peer_hits(rule, key)) {
    out->near |= bit;
    __sync_fetch_and_add(&counter->near, 1);
    return 0;
  }
  out->matched |= bit;
  n = fbx_count(rule, counter, (key->stuck_mask & bit) != 0, &fires);
  if (!n) {
    out->lost = 1;
    __sync_fetch_and_add(&counter->lost, 1);
    return 0;
  }
  if (!fires) return 0;
  __sync_fetch_and_add(&counter->fired, 1);
  out->action = rule->action;
  out->errnum = rule->errnum;
  out->delay_ns = rule->delay_ns;
  out->n = n;
  out->position = position;
  out->rule = rule->rule;
  return 1;
}

// `counters` is the whole array, FBX_COUNTERS long. `out` must be zeroed.
#ifdef __bpf__
struct fbx_turns {
  const struct fbx_ruleset *set;
  struct fbx_counter *counters;
  const struct fbx_key *key;
  struct fbx_decision *out;
};

static long fbx_turn(uint32_t i, void *context) {
  struct fbx_turns *turns = context;
  const struct fbx_ruleset *set = turns->set;
  if (i >= FBX_SET_RULES || i >= set->count) return 1;
  const struct fbx_rule *rule = &set->rules[i];
  struct fbx_counter *counter = &turns->counters[rule->counter & (FBX_COUNTERS - 1)];
  return fbx_decide_one(rule, i, counter, turns->key, turns->out) != 0;
}

FBX_INLINE void fbx_decide(const struct fbx_ruleset *set, struct fbx_counter *counters,
                           const struct fbx_key *key, struct fbx_decision *out) {
  struct fbx_turns turns = {set, counters, key, out};
  bpf_loop(FBX_SET_RULES, fbx_turn, &turns, 0);
}
#else
FBX_INLINE void fbx_decide(const struct fbx_ruleset *set, struct fbx_counter *counters,
                           const struct fbx_key *key, struct fbx_decision *out) {
  for (uint32_t i = 0; i < FBX_SET_RULES && i < set->count; i++) {
    const struct fbx_rule *rule = &set->rules[i];
    if (fbx_decide_one(rule, i, &counters[rule->counter & (FBX_COUNTERS - 1)], key, out)) break;
  }
}
#endif

#endif
