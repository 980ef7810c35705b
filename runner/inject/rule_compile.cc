// SPDX-License-Identifier: Apache-2.0
#include "runner/inject/rule_compile.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "bpf/abi/stats.h"
#include "runner/inject/rule_target.h"

namespace fbx::inject {
namespace {

const plan::Op* find_op(const plan::Service& service, const std::string& keyword) {
  for (const plan::Op& op : service.ops)
    if (op.name == keyword) return &op;
  return nullptr;
}

std::vector<std::string> words_of(const plan::Service& service, const std::string& keyword) {
  if (const plan::Op* op = find_op(service, keyword)) return op->syscalls;
  return {keyword};
}

// msync and sync have no descriptor, but what they are about is files.
bool about_a_file(const abi::Syscall& call) {
  if (call.families & FBX_F_OPEN) return false;  // open_by_handle_at's descriptor is a mount
  return call.arg(FBX_ARG_FD) >= 0 || call.name == "msync" || call.name == "sync";
}

Result<uint32_t> kinds_named(const std::string& on) {
  if (on == "any") return FBX_KINDS_ANY;
  if (on == "file") return FBX_KIND_BIT(FILE) | FBX_KIND_BIT(SHM);
  if (on == "socket") return FBX_KINDS_SOCKETS;
  if (on == "stream") return FBX_KIND_BIT(STREAM);
  if (on == "udp") return FBX_KIND_BIT(UDP);
  if (on == "unix") return FBX_KIND_BIT(UNIX);
  if (on == "pipe") return FBX_KIND_BIT(PIPE);
  return fail("on=\"" + on + "\" names no kind of descriptor");
}

uint32_t flags_of_sometimes(uint64_t family, const abi::Syscall& call) {
  if (family == FBX_F_FSYNC) return FBX_KEY_SYNC;
  if (family == FBX_F_SPACE)
    return call.families & FBX_F_OPEN ? FBX_KEY_CREATES : FBX_KEY_GROWS;
  if (family == FBX_F_MODIFY)
    return call.families & FBX_F_OPEN ? FBX_KEY_TRUNCATES : FBX_KEY_SHARED;
  if (family == FBX_F_RMDIR) return FBX_KEY_RMDIR;
  return 0;  // send and recv are told by the kind alone
}

class Parts {
 public:
  explicit Parts(fbx_rule& rule) : rule_(rule) {}

  Status add(const abi::Syscall& call, uint32_t kinds, uint32_t flags) {
    if (call.nr() < 0 || kinds == 0) return {};
    const auto nr = static_cast<uint32_t>(call.nr());
    fbx_rule_part* part = find(kinds, flags);
    if (!part) return fail("the rule hits more groups of calls than fbx can hold");
    part->calls[nr / 64] |= 1ull << (nr % 64);
    calls_.insert(static_cast<uint16_t>(nr));
    return {};
  }
  [[nodiscard]] const std::set<uint16_t>& calls() const { return calls_; }

 private:
  fbx_rule_part* find(uint32_t kinds, uint32_t flags) {
    for (uint32_t i = 0; i < rule_.parts_used; ++i)
      if (rule_.parts[i].kinds == kinds && rule_.parts[i].flags == flags) return &rule_.parts[i];
    if (rule_.parts_used == FBX_RULE_PARTS) return nullptr;
    fbx_rule_part& fresh = rule_.parts[rule_.parts_used++];
    fresh.kinds = kinds;
    fresh.flags = flags;
    return &fresh;
  }

  fbx_rule& rule_;
  std::set<uint16_t> calls_;
};

struct Reach {
  uint32_t on = 0;    // mask of on=; 0 = not given
  bool shm = false;   // path= names /dev/shm
};

uint32_t kinds_for(const abi::Syscall& call, const std::string& word, const Reach& reach) {
  if (!about_a_file(call)) return reach.on ? 0 : FBX_KINDS_ANY;
  if (reach.on) return reach.on;
  const uint32_t kinds = abi::default_kinds(word);
  return reach.shm && kinds == FBX_KINDS_FILES ? kinds | FBX_KIND_BIT(SHM) : kinds;
}

// "stream sockets over IPv4/IPv6, and unix sockets that a service of the test owns"
Status add_connect(const abi::Syscall& call, const Reach& reach, Parts& parts) {
  if (reach.on) return parts.add(call, reach.on, 0);
  if (Status s = parts.add(call, FBX_KIND_BIT(STREAM), 0); !s) return s;
  return parts.add(call, FBX_KIND_BIT(UNIX), FBX_KEY_OWNED);
}

Status add_word(const std::string& word, const Reach& reach, Parts& parts) {
  const abi::Family* family = abi::find_family(word);
  const std::vector<const abi::Syscall*> rows = abi::members(word);
  if (rows.empty()) return fail("no system call or family is called " + word);
  for (const abi::Syscall* row : rows) {
    if (row->name == "connect") {
      if (Status s = add_connect(*row, reach, parts); !s) return s;
      continue;
    }
    const bool always = !family || (row->families & family->bit);
    uint32_t kinds = kinds_for(*row, word, reach);
    if (!always && (family->bit & (FBX_F_SEND | FBX_F_RECV))) kinds &= FBX_KINDS_SOCKETS;
    const uint32_t flags = always ? 0 : flags_of_sometimes(family->bit, *row);
    if (Status s = parts.add(*row, kinds, flags); !s) return s;
  }
  return {};
}

Status set_counting(const model::RuleSpec& spec, fbx_rule& rule) {
  if (spec.every < 1) return fail("every= must be at least 1");
  if (spec.max_fires != UINT64_MAX && spec.max_fires > FBX_MAX_FIRES)
    return fail("max_fires= above " + std::to_string(FBX_MAX_FIRES));
  if (!(spec.probability >= 0 && spec.probability <= 1)) return fail("probability= outside 0…1");
  rule.after = spec.after;
  rule.every = spec.every;
  rule.max_fires = spec.max_fires;
  rule.always = spec.probability >= 1;
  rule.threshold = rule.always ? ~0ull : static_cast<uint64_t>(std::ldexp(spec.probability, 64));
  return {};
}

Status set_action(const model::RuleSpec& spec, const plan::Service& service, fbx_rule& rule) {
  rule.delay_ns = static_cast<uint64_t>(std::max<int64_t>(spec.delay_ns, 0));
  switch (spec.action) {
    case model::RuleSpec::Action::kAllow: rule.action = FBX_ACT_ALLOW; return {};
    case model::RuleSpec::Action::kDelay: rule.action = FBX_ACT_DELAY; return {};
    case model::RuleSpec::Action::kDeny: break;
  }
  rule.action = FBX_ACT_DENY;
  rule.errnum = spec.errnum;
  if (spec.errnum <= 0 || spec.errnum > 4095) return fail("deny needs an errno");
  if (std::string gap = deny_gap(service, spec.keyword); !gap.empty()) return fail(std::move(gap));
  return {};
}

bool about_files(const fbx_rule& rule) {
  for (uint32_t i = 0; i < rule.parts_used; ++i)
    if (rule.parts[i].kinds & FBX_KINDS_FILES) return true;
  return false;
}

void collect_flags(CompiledRule& rule) {
  for (uint32_t i = 0; i < rule.abi.parts_used; ++i) rule.flags |= rule.abi.parts[i].flags;
}

}  // namespace

std::vector<uint16_t> keyword_calls(const plan::Service& service, const std::string& keyword) {
  std::set<uint16_t> all;
  if (keyword == "*")
    for (const abi::Syscall& row : abi::kSyscalls)
      if (row.nr() >= 0) all.insert(static_cast<uint16_t>(row.nr()));
  for (const std::string& word : words_of(service, keyword))
    for (uint16_t nr : abi::numbers(word)) all.insert(nr);
  return {all.begin(), all.end()};
}

Effect effect_of_denied(const abi::Syscall& call) {
  if (call.families & FBX_F_CLOSE) return Effect::kCloses;
  if (call.families & FBX_F_ACCEPT) return Effect::kConsumes;
  return Effect::kNothing;
}

std::set<Effect> effects_of_denied(const plan::Service& service, const std::string& keyword) {
  std::set<Effect> all;
  for (const std::string& word : words_of(service, keyword))
    for (const abi::Syscall* row : abi::members(word)) all.insert(effect_of_denied(*row));
  all.erase(Effect::kNothing);
  return all;
}

std::string deny_gap(const plan::Service& service, const std::string& keyword) {
  for (const std::string& word : words_of(service, keyword)) {
    for (const abi::Syscall* row : abi::members(word)) {
      if (row->traits & FBX_TRAIT_NO_RETURN)
        return std::string(row->name) + " does not return: it can't be denied";
    }
  }
  return {};
}

Result<CompiledRule> compile_rule(const model::RuleSpec& spec, const plan::Plan& plan,
                                  uint32_t rule, uint64_t seed) {
  if (spec.service >= plan.services.size()) return fail("a rule for a service that is not there");
  const plan::Service& service = plan.services[spec.service];
  CompiledRule out;
  out.abi.rule = rule;
  out.abi.seed = seed;
  if (!spec.path.empty()) out.paths.push_back(spec.path);
  if (const plan::Op* op = find_op(service, spec.keyword); op && !op->path.empty())
    out.paths.push_back(op->path);
  out.abi.wants_path = !out.paths.empty();

  Reach reach;
  for (const std::string& path : out.paths) reach.shm |= path.starts_with("/dev/shm/");
  if (!spec.on.empty()) {
    Result<uint32_t> kinds = kinds_named(spec.on);
    if (!kinds) return fail_in(std::move(kinds), spec.display);
    reach.on = *kinds;
  }
  Parts parts(out.abi);
  Status s = {};
  for (const std::string& word : words_of(service, spec.keyword))
    if (s) s = add_word(word, reach, parts);
  if (s) s = set_counting(spec, out.abi);
  if (s) s = set_action(spec, service, out.abi);
  if (s) s = set_target(spec.to, plan, out.abi);
  if (!s) return fail_in(std::move(s), spec.display);
  if (parts.calls().empty())
    return fail(spec.display + ": on=\"" + spec.on + "\" and this keyword have no call in common");
  out.calls.assign(parts.calls().begin(), parts.calls().end());
  collect_flags(out);
  out.has_effect = out.abi.action == FBX_ACT_DENY &&
                   !effects_of_denied(service, spec.keyword).empty();
  out.sticky = spec.sticky;
  if (out.sticky && !about_files(out.abi))
    return fail(spec.display + ": sticky=True keeps a file failing, and this is about none");
  return out;
}

}  // namespace fbx::inject
