// SPDX-License-Identifier: Apache-2.0
#include "runner/inject/call_rules.h"

#include <algorithm>
#include <cerrno>
#include <string_view>

#include "bpf/abi/tables.h"
#include "runner/inject/call_hands.h"

namespace fbx::inject {
namespace {

// What a part says of one of its calls that can't be told in the kernel.
std::string gap_of_call(const abi::Syscall& call, const fbx_rule_part& part,
                        const CompiledRule& rule) {
  const std::string name(call.name);
  const bool names_path = call.arg(FBX_ARG_PATH) >= 0;
  if (names_path && !rule.paths.empty())
    return name + " names its path, which only the file system resolves";
  if (part.flags & (FBX_KEY_CREATES | FBX_KEY_TRUNCATES | FBX_KEY_ONTO) ||
      (part.flags & FBX_KEY_GROWS && names_path))
    return "whether " + name + " changes what is there, only the file system knows";
  if (part.flags & FBX_KEY_OWNED) return "whose a unix socket is that " + name + " names";
  if (rule.abi.to_kind == FBX_TO_ANY) return "";
  if (call.arg(FBX_ARG_SOCKADDR) >= 0 && call.families & FBX_F_CONNECT)
    return "who listens where " + name + " dials";
  if (part.kinds & ~FBX_KIND_BIT(STREAM))
    return "who is at the other end, of other sockets than TCP's";
  return "";
}

bool in_part(const fbx_rule_part& part, uint16_t nr) { return part.calls[nr / 64] >> (nr % 64) & 1; }

}  // namespace

bool fails_calls_in_kernel(Hand hand) {
  return hand == Hand::kOverride || hand == Hand::kFmodRet || hand == Hand::kLsm;
}

std::string kernel_gap(const CompiledRule& rule, Hand hand) {
  if (rule.abi.action == FBX_ACT_DELAY || rule.abi.delay_ns) return "it keeps no call waiting";
  if (rule.has_effect) return "it answers in the call's place, and that would close or consume";
  if (rule.sticky) return "it does not remember the files that it failed (sticky=True)";
  for (const uint16_t nr : rule.calls) {
    const abi::Syscall* row = abi::find_syscall(int{nr});
    if (!row) return "it does not know system call " + std::to_string(nr);
    if (!hand_has_call(hand, nr))
      return "it has no program for " + std::string(row->name);
    for (uint32_t i = 0; i < rule.abi.parts_used; ++i) {
      if (!in_part(rule.abi.parts[i], nr)) continue;
      if (std::string gap = gap_of_call(*row, rule.abi.parts[i], rule); !gap.empty()) return gap;
    }
  }
  for (const std::string& path : rule.paths)
    if (auto tokens = glob_tokens(path); !tokens) return tokens.error().text();
  return "";
}

std::string kernel_gap(const plan::Plan& plan, size_t service, const plan::Need& need, Hand hand) {
  if (need.kind == plan::Need::Kind::kDelay) return "it keeps no call waiting";
  if (need.syscall == "*") return "nobody knows which calls will be failed";
  model::RuleSpec any;
  any.service = static_cast<uint32_t>(service);
  any.keyword = need.syscall;
  any.errnum = EIO;
  for (const plan::Narrowing& one : need.only) {
    if (one.key == "path") any.path = one.value;
    if (one.key == "on") any.on = one.value;
    if (one.key == "to") any.to = one.value;
  }
  const auto rule = compile_rule(any, plan, 0, 0);
  return rule ? kernel_gap(*rule, hand) : rule.error().text();
}

bool names_paths(const plan::Service& service, const std::string& keyword) {
  return std::ranges::any_of(keyword_calls(service, keyword), [](uint16_t nr) {
    const abi::Syscall* row = abi::find_syscall(int{nr});
    return row && row->arg(FBX_ARG_PATH) >= 0;
  });
}

Result<fbx_glob> glob_tokens(const std::string& pattern) {
  fbx_glob out{};
  const std::string_view p = pattern;
  for (size_t i = 0; i < p.size(); ++i) {
    if (out.count == FBX_GLOB_TOKENS)
      return fail("the pattern is longer than " + std::to_string(FBX_GLOB_TOKENS) +
                  " characters: " + pattern);
    uint16_t token = FBX_GLOB_BYTE;
    if (p.substr(i, 4) == "/**/") {
      token = FBX_GLOB_SLASHES;
      i += 3;
    } else if (p.substr(i, 2) == "**") {
      token = FBX_GLOB_WIDE;
      i += 1;
    } else if (p[i] == '*') {
      token = FBX_GLOB_STAR;
    } else if (p[i] == '?') {
      token = FBX_GLOB_ONE;
    } else {
      if (p[i] == '\\' && i + 1 < p.size()) ++i;
      token = static_cast<uint16_t>(FBX_GLOB_BYTE | static_cast<uint8_t>(p[i]));
    }
    out.tokens[out.count++] = token;
  }
  return out;
}

std::unique_ptr<fbx_call_rules> call_rules_of(const ActiveSet& set) {
  auto out = std::make_unique<fbx_call_rules>();
  out->set = set.abi;
  for (const CompiledRule& rule : set.rules)
    for (const uint16_t nr : rule.calls) {
      out->calls[nr / 64] |= uint64_t{1} << (nr % 64);
      if (!rule.paths.empty()) out->paths[nr / 64] |= uint64_t{1} << (nr % 64);
    }
  return out;
}

}  // namespace fbx::inject
