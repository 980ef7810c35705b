// SPDX-License-Identifier: Apache-2.0
//
// One wrapped call: who may be hit, what must be known to say it, decide.h, and what follows.
// Whatever can't be known inside the process is left to the supervisor, by making the call from an
// address that the filter does not let pass.
#include <asm/unistd.h>
#include <linux/fcntl.h>
#include <linux/stat.h>
#include <linux/socket.h>

#include "bpf/abi/decide.h"
#include "shim/roles.h"
#include "shim/shim.h"

struct fbx_asked {
  long nr;
  const long *args;
  const struct fbx_roles *roles;
  struct fbx_view view;
  struct fbx_key key;
  uint32_t hits;  // positions whose call, kind and flags fit
  uint32_t name;  // of the file, interned
  uint32_t given;  // its path argument, where that differs
  uint64_t begin;
  uint64_t begun;  // the entry that says so, under FBX_SHIM_RECORDS
  int looked;      // whether an open would make its file: no record of the kernel tells
};

int *__errno_location(void);

long fbx_result(long raw) {
  if (raw >= 0 || raw < -4095) return raw;
  *__errno_location() = (int)-raw;
  return -1;
}

static int fd_of(const struct fbx_asked *q) {
  return q->roles->fd ? (int)q->args[q->roles->fd - 1] : -1;
}

static int records(void) { return (fbx_here->head.flags & FBX_SHIM_RECORDS) != 0; }

static uint64_t has_call(const uint64_t *calls, long nr) { return calls[nr >> 6] >> (nr & 63) & 1; }

// What the parts that name this call demand; `kinds` are those that one of them can hit.
static void demands(const struct fbx_view *view, long nr, uint32_t *flags, uint32_t *kinds,
                    int *kind) {
  const struct fbx_ruleset *rules = &view->set->rules;
  *flags = *kinds = 0;
  *kind = 0;
  for (uint32_t i = 0; i < FBX_SET_RULES && i < rules->count; i++) {
    for (uint32_t k = 0; k < FBX_RULE_PARTS; k++) {
      const struct fbx_rule_part *part = &rules->rules[i].parts[k];
      if (!part->kinds || !has_call(part->calls, nr)) continue;
      *flags |= part->flags;
      *kinds |= part->kinds;
      *kind |= part->kinds != FBX_KINDS_ANY || rules->rules[i].to_kind != FBX_TO_ANY ||
               rules->rules[i].action == FBX_ACT_DELAY;
    }
  }
}

static int descriptor_flags(struct fbx_asked *q, uint32_t wanted) {
  if (wanted & (FBX_KEY_SYNC | FBX_KEY_NONBLOCK)) {
    const int flags = fbx_file_flags(fd_of(q));
    if (flags >= 0 && (flags & O_DSYNC)) q->key.flags |= FBX_KEY_SYNC;
    if (flags >= 0 && (flags & O_NONBLOCK)) q->key.flags |= FBX_KEY_NONBLOCK;
  }
  // RWF_DSYNC | RWF_SYNC
  if (q->roles->rw_flags && (q->args[q->roles->rw_flags - 1] & 6)) q->key.flags |= FBX_KEY_SYNC;
  if (wanted & FBX_KEY_GROWS && q->nr == __NR_ftruncate) {
    struct statx st;
    if (fbx_look(fd_of(q), "", STATX_SIZE, &st) == 0 && q->args[1] > (long)st.stx_size)
      q->key.flags |= FBX_KEY_GROWS;
  }
  return 0;
}

// Calls about names: the mask, and what open does to the file. −1: the supervisor's.
static int see_names(struct fbx_asked *q, int path, int dirfd, uint32_t flags) {
  struct fbx_named named;
  const long open_flags = q->roles->open_flags ? q->args[q->roles->open_flags - 1] : 0;
  const int follow = q->roles->follows && !(open_flags & O_NOFOLLOW);
  const int from = dirfd ? (int)q->args[dirfd - 1] : AT_FDCWD;
  if (fbx_see_path(from, (const char *)q->args[path - 1], follow, &named) < 0) return -1;
  if (flags & FBX_KEY_CREATES && !named.exists && (open_flags & O_CREAT))
    q->key.flags |= FBX_KEY_CREATES;
  if (flags & FBX_KEY_TRUNCATES && named.exists && (open_flags & O_TRUNC))
    q->key.flags |= FBX_KEY_TRUNCATES;
  const struct fbx_shim_set *set = q->view.set;
  for (uint32_t i = 0; i < FBX_SET_RULES && i < set->rules.count; i++)
    if ((named.real_len && fbx_globs_match(set, i, named.real, named.real_len)) ||
        (named.given_len && fbx_globs_match(set, i, named.given, named.given_len)))
      q->key.path_mask |= 1u << i;
  if (q->name) return 0;
  const int same = named.real_len == named.given_len &&
                   !memcmp(named.real, named.given, (size_t)named.real_len);
  q->name = named.real_len ? fbx_intern(named.real, named.real_len)
                           : fbx_intern(named.given, named.given_len);
  if (records() && named.real_len && !same &&
      !(q->given = fbx_intern(named.given, named.given_len)))
    return -1;
  return records() && !q->name ? -1 : 0;
}

static int see_file_name(struct fbx_asked *q) {
  char path[FBX_TEXT];
  const int len = fbx_fd_path(fd_of(q), path);
  if (len <= 0) return len;
  const struct fbx_shim_set *set = q->view.set;
  for (uint32_t i = 0; i < FBX_SET_RULES && i < set->rules.count; i++)
    if (fbx_globs_match(set, i, path, len)) q->key.path_mask |= 1u << i;
  q->name = fbx_intern(path, len);
  return records() && !q->name ? -1 : 0;
}

// Rules that this call hits, paths and peers aside. Sets what else they ask for.
static void find_hits(struct fbx_asked *q, int *path, int *others) {
  const struct fbx_ruleset *rules = &q->view.set->rules;
  const int socket = FBX_KINDS_SOCKETS >> q->key.kind & 1;
  *path = *others = 0;
  q->hits = 0;
  for (uint32_t i = 0; i < FBX_SET_RULES && i < rules->count; i++) {
    const struct fbx_rule *rule = &rules->rules[i];
    if (!fbx_call_hits(rule, &q->key)) continue;
    q->hits |= 1u << i;
    *path |= rule->wants_path;
    // Who is at the other end is the supervisor's knowledge, and what the event of a denied call
    // must say.
    *others |= (q->view.set->supervised >> i & 1) || rule->to_kind != FBX_TO_ANY || socket;
  }
}

// What a record says of every call. Peers are the supervisor's knowledge, and a second name is more
// than an entry holds.
static int describable(struct fbx_asked *q, uint32_t *flags) {
  const struct fbx_roles *r = q->roles;
  *flags |= FBX_KEY_SYNC | FBX_KEY_NONBLOCK | FBX_KEY_CREATES;
  if (r->fd) q->key.kind = fbx_kind_of(fd_of(q), FBX_KINDS_ANY);
  return !r->path2 && !(FBX_KINDS_SOCKETS >> q->key.kind & 1);
}

// 0: key is complete. −1: the supervisor's.
static int see_call(struct fbx_asked *q) {
  uint32_t flags, kinds;
  int kind, path, others;
  const struct fbx_roles *r = q->roles;
  demands(&q->view, q->nr, &flags, &kinds, &kind);
  if (records()) {
    if (!describable(q, &flags)) return -1;
    kind = 0;
  }
  if (q->nr == __NR_sync) q->key.kind = FBX_KIND_FILE;
  else if (kind && r->fd) q->key.kind = fbx_kind_of(fd_of(q), kinds);
  if (r->fd) descriptor_flags(q, flags);
  if (flags & FBX_KEY_OWNED && q->key.kind == FBX_KIND_UNIX) return -1;
  if (flags & FBX_KEY_GROWS && q->nr == __NR_truncate) return -1;
  if (q->nr == __NR_unlinkat && (q->args[2] & 0x200)) q->key.flags |= FBX_KEY_RMDIR;
  const int opens = flags & (FBX_KEY_CREATES | FBX_KEY_TRUNCATES) && r->open_flags &&
                    (q->args[r->open_flags - 1] & (O_CREAT | O_TRUNC));
  if (opens && see_names(q, r->path, r->dirfd, flags) < 0) return -1;
  q->looked = !records() && opens && flags & FBX_KEY_CREATES &&
              q->args[r->open_flags - 1] & O_CREAT;
  find_hits(q, &path, &others);
  if (others) return -1;
  if (records() ? !r->fd && !r->path : !path || !q->hits) return 0;
  if (!r->path) return see_file_name(q);
  if (!opens && see_names(q, r->path, r->dirfd, 0) < 0) return -1;
  return r->path2 ? see_names(q, r->path2, r->dirfd2, 0) : 0;
}

// −1: the set vanished before anything was counted.
static int decide(struct fbx_asked *q, struct fbx_decision *out) {
  for (uint32_t i = 0; i < FBX_SET_RULES; i++) {
    if (!(q->hits >> i & 1)) continue;
    struct fbx_rule rule;
    memcpy(&rule, &q->view.set->rules.rules[i], sizeof rule);
    if (!fbx_still(&q->view)) {
      if (!(out->matched | out->near)) return -1;
      out->lost = 1;
      __atomic_fetch_add(&fbx_here->head.torn, 1, __ATOMIC_RELAXED);
      return 0;
    }
    struct fbx_counter *counter = &fbx_here->counters[rule.counter & (FBX_COUNTERS - 1)];
    if (fbx_decide_one(&rule, i, counter, &q->key, out)) return 0;
  }
  return 0;
}

static struct fbx_shim_entry entry_about(const struct fbx_asked *q, uint16_t what) {
  struct fbx_shim_entry e = {.what = what, .begin_ns = q->begin, .fd = fd_of(q)};
  e.tid = fbx_tid();
  e.begun = q->begun;
  e.nr = (uint16_t)q->nr;
  e.kind = (uint16_t)q->key.kind;
  memcpy(e.args, q->args, sizeof e.args);
  e.name = q->name;
  e.given = q->given;
  return e;
}

// −1: nobody would know whose call it is.
static int enter_begin(struct fbx_asked *q) {
  struct fbx_shim_entry e = entry_about(q, FBX_SHIM_BEGUN);
  if (!e.tid) return -1;
  e.flags = (uint16_t)((q->key.flags & FBX_KEY_SYNC ? FBX_SHIM_SYNC : 0) |
                       (q->key.flags & FBX_KEY_NONBLOCK ? FBX_SHIM_NONBLOCK : 0) |
                       (q->key.flags & FBX_KEY_CREATES ? FBX_SHIM_CREATES : 0));
  q->begun = fbx_write_entry(&e);
  return 0;
}

static long enter_end(const struct fbx_asked *q, long ret) {
  if (!q->begun) return ret;
  struct fbx_shim_entry e = entry_about(q, FBX_SHIM_ENDED);
  e.end_ns = fbx_now();
  e.ret = ret;
  fbx_write_entry(&e);
  return ret;
}

static struct fbx_shim_entry entry_of(struct fbx_asked *q, const struct fbx_decision *d) {
  if (!q->name && q->roles->fd && !(FBX_KINDS_SOCKETS >> q->key.kind & 1)) {
    char path[FBX_TEXT];
    const int len = fbx_fd_path(fd_of(q), path);
    if (len > 0) q->name = fbx_intern(path, len);
  }
  struct fbx_shim_entry e = entry_about(q, FBX_SHIM_DECISION);
  e.end_ns = fbx_now();
  e.generation = q->view.generation;
  e.n = d->n;
  e.delay_ns = d->delay_ns;
  e.flags = (uint16_t)((d->lost ? FBX_SHIM_LOST : 0) |
                       (q->key.flags & FBX_KEY_SYNC ? FBX_SHIM_SYNC : 0));
  e.action = d->action;
  e.errnum = d->errnum;
  e.rule = d->rule;
  e.position = d->position;
  e.matched = d->matched;
  e.near = d->near;
  return e;
}

// Enough of the near misses to show one; what matched is always entered, and what nobody else could
// prove to have been looked at.
static int worth_entering(const struct fbx_asked *q, const struct fbx_decision *d) {
  if (d->matched || d->lost || q->looked) return 1;
  for (uint32_t i = 0; i < FBX_SET_RULES; i++) {
    if (!(d->near >> i & 1)) continue;
    const uint32_t counter = q->view.set->rules.rules[i].counter & (FBX_COUNTERS - 1);
    if (fbx_here->counters[counter].near <= FBX_SHIM_NEAR_SHOWN) return 1;
  }
  return 0;
}

static long carry_out(struct fbx_asked *q, const struct fbx_decision *d) {
  const long *a = q->args;
  if (worth_entering(q, d)) {
    struct fbx_shim_entry e = entry_of(q, d);
    fbx_write_entry(&e);
    if (d->delay_ns && (d->action == FBX_ACT_DELAY || d->action == FBX_ACT_DENY)) {
      e.what = FBX_SHIM_RELEASED;
      e.flags = fbx_hold(d->rule, d->delay_ns) ? FBX_SHIM_CUT : 0;
      e.begin_ns = e.end_ns;
      e.end_ns = fbx_now();
      e.delay_ns = e.end_ns - e.begin_ns;
      fbx_write_entry(&e);
    }
  }
  if (d->action == FBX_ACT_DENY) return enter_end(q, -(long)d->errnum);
  return enter_end(q, fbx_gate(a[0], a[1], a[2], a[3], a[4], a[5], q->nr));
}

static long hand_on(const struct fbx_asked *q) {
  const long *a = q->args;
  struct fbx_shim_head *head = &fbx_here->head;
  const int caught = fbx_gated && has_call(head->gated, q->nr);
  __atomic_fetch_add(caught ? &head->handed_on : &head->undecided, 1, __ATOMIC_RELAXED);
  return fbx_side_door(a[0], a[1], a[2], a[3], a[4], a[5], q->nr);
}

// Whether every rule of the call is about sockets, and this is none: the shortest way to know that
// nothing of it is anybody's concern.
static int is_no_socket(const struct fbx_view *view, long nr, const long *args) {
  const struct fbx_roles *roles = &fbx_roles[nr];
  uint32_t flags, kinds;
  int kind;
  demands(view, nr, &flags, &kinds, &kind);
  return roles->fd && kinds && !(kinds & ~FBX_KINDS_SOCKETS) &&
         !fbx_is_socket((int)args[roles->fd - 1]) && fbx_still(view);
}

static __attribute__((noinline)) long ruled(long nr, const long *args) {
  const uint64_t begin = fbx_now();
  for (int tries = 0; tries < 1000; tries++) {
    struct fbx_asked q = {.nr = nr, .args = args, .roles = &fbx_roles[nr], .begin = begin};
    struct fbx_decision d = {0};
    fbx_see_set(&q.view);
    q.key.nr = (uint32_t)nr;
    q.key.peer_service = FBX_PEER_UNKNOWN;
    const int seen = see_call(&q);
    if (!fbx_still(&q.view)) continue;
    if (seen < 0 || (records() && enter_begin(&q) < 0)) return hand_on(&q);
    if (decide(&q, &d) == 0) return carry_out(&q, &d);
    // What has been told to begin is not begun again.
    if (q.begun) {
      __atomic_fetch_add(&fbx_here->head.torn, 1, __ATOMIC_RELAXED);
      return carry_out(&q, &d);
    }
  }
  struct fbx_asked q = {.nr = nr, .args = args};
  return hand_on(&q);
}

long fbx_call(long nr, long a, long b, long c, long d, long e, long f) {
  struct fbx_shim *here = fbx_here;
  if (!here || !has_call(here->head.calls, nr)) return fbx_side_door(a, b, c, d, e, f, nr);
  struct fbx_view view;
  fbx_see_set(&view);
  const uint64_t hit =
      (view.generation && has_call(view.set->calls, nr)) || here->head.flags & FBX_SHIM_RECORDS;
  if (__builtin_expect(!hit && fbx_still(&view), 1)) return fbx_gate(a, b, c, d, e, f, nr);
  if (!(view.generation || here->head.flags & FBX_SHIM_RECORDS) || !fbx_owner_lives())
    return fbx_gate(a, b, c, d, e, f, nr);
  const long args[6] = {a, b, c, d, e, f};
  if (!records() && is_no_socket(&view, nr, args)) return fbx_gate(a, b, c, d, e, f, nr);
  return ruled(nr, args);
}
