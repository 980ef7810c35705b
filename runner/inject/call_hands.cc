// SPDX-License-Identifier: Apache-2.0
#include "runner/inject/call_hands.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "bpf/abi/tables.h"

namespace fbx::inject {
namespace {

#if defined(__aarch64__)
constexpr const char* kFunctions = "__arm64_sys_";
#else
constexpr const char* kFunctions = "__x64_sys_";
#endif

// Calls whose function in the kernel is called otherwise than they are.
std::string_view function_name(std::string_view call) {
  constexpr std::pair<std::string_view, std::string_view> kOthers[] = {
      {"stat", "newstat"},        {"fstat", "newfstat"}, {"lstat", "newlstat"},
      {"sendfile", "sendfile64"}, {"uname", "newuname"}, {"umount2", "umount"}};
  for (const auto& [name, function] : kOthers)
    if (call == name) return function;
  return call;
}

// bpf/fmod_ret.bpf.c has a program for each of these.
constexpr std::string_view kFmodRet[] = {
    "write",    "writev",   "pwrite64", "pwritev",  "pwritev2", "copy_file_range", "splice",
    "sendfile", "read",     "readv",    "pread64",  "preadv",   "preadv2",         "fsync",
    "fdatasync", "sync_file_range", "msync", "syncfs", "sync",  "fallocate",       "ftruncate",
    "bind",     "listen",   "sendto",   "sendmsg",  "sendmmsg", "recvfrom",        "recvmsg",
    "recvmmsg"};

// Which security hooks decide about a call (bpf/security.bpf.c).
struct Secured {
  std::string_view call;
  std::vector<std::string_view> hooks;
};
const std::vector<Secured>& secured() {
  static const std::vector<Secured> all = [] {
    std::vector<Secured> out;
    for (const char* call : {"write", "writev"})
      out.push_back({call, {"file_permission", "socket_sendmsg"}});
    for (const char* call : {"read", "readv"})
      out.push_back({call, {"file_permission", "socket_recvmsg"}});
    for (const char* call : {"pwrite64", "pwritev", "pwritev2", "pread64", "preadv", "preadv2",
                             "copy_file_range", "sendfile", "splice"})
      out.push_back({call, {"file_permission"}});
    for (const char* call : {"sendto", "sendmsg", "sendmmsg"})
      out.push_back({call, {"socket_sendmsg"}});
    for (const char* call : {"recvfrom", "recvmsg", "recvmmsg"})
      out.push_back({call, {"socket_recvmsg"}});
    out.push_back({"bind", {"socket_bind"}});
    out.push_back({"listen", {"socket_listen"}});
    return out;
  }();
  return all;
}

std::string_view call_name(uint16_t nr) {
  const abi::Syscall* row = abi::find_syscall(int{nr});
  return row ? row->name : std::string_view();
}

Hand resolved(Hand hand) {
  if (hand != Hand::kNone) return hand;
  const CallHands& here = call_hands();
  if (here.override_return.works) return Hand::kOverride;
  if (here.fmod_ret.works) return Hand::kFmodRet;
  return here.lsm.works ? Hand::kLsm : Hand::kNone;
}

// Of this hand's calls, by its own name or as whichever works.
std::set<uint16_t> calls_of(const CallsByHand& calls, Hand hand) {
  std::set<uint16_t> out;
  for (const auto& [asked, numbers] : calls)
    if (resolved(asked) == hand)
      for (const uint16_t nr : numbers)
        if (hand_has_call(hand, nr)) out.insert(nr);
  return out;
}

std::vector<std::string> programs_of(const CallsByHand& calls, Hand hand) {
  std::set<std::string> out;
  const std::set<uint16_t> numbers = calls_of(calls, hand);
  if (hand == Hand::kOverride && !numbers.empty())
    out.insert(call_hands().multi ? "override__on_calls" : "override__on_call");
  for (const uint16_t nr : numbers) {
    const std::string name(call_name(nr));
    if (hand == Hand::kFmodRet) out.insert("fmod_ret__on_" + name);
    if (hand != Hand::kLsm) continue;
    for (const Secured& one : secured())
      for (const std::string_view hook : one.hooks)
        if (one.call == name)
          out.insert((call_hands().lsm_by_modules ? "lsm__on_" : "security__on_") +
                     std::string(hook));
  }
  return {out.begin(), out.end()};
}

Capability cannot(std::string why, std::string remedy = {}) {
  return {.works = false, .why = std::move(why), .remedy = std::move(remedy)};
}

// Fails with the function that could not be probed.
Capability attach_probes(observe::BpfObject& object, const std::set<uint16_t>& calls) {
  std::vector<std::string> functions;
  for (const uint16_t nr : calls)
    functions.push_back(kFunctions + std::string(function_name(call_name(nr))));
  if (call_hands().multi) {
    std::vector<const char*> names;
    for (const std::string& one : functions) names.push_back(one.c_str());
    LIBBPF_OPTS(bpf_kprobe_multi_opts, options, .syms = names.data(), .cnt = names.size());
    bpf_link* link = bpf_program__attach_kprobe_multi_opts(object.program("override__on_calls"),
                                                           nullptr, &options);
    if (!link)
      return cannot("the kernel refused a probe over " + functions.front() + " and " +
                    std::to_string(functions.size() - 1) + " more: " + std::strerror(errno));
    object.keep(link);
    return {.works = true};
  }
  for (const std::string& function : functions) {
    bpf_link* link =
        bpf_program__attach_kprobe(object.program("override__on_call"), false, function.c_str());
    if (!link)
      return cannot("the kernel refused a probe on " + function + ": " + std::strerror(errno));
    object.keep(link);
  }
  return {.works = true};
}

Capability attach_programs(observe::BpfObject& object, const std::vector<std::string>& programs) {
  for (const std::string& name : programs) {
    bpf_link* link = bpf_program__attach(object.program(name));
    if (!link) return cannot("the kernel refused to attach " + name + ": " + std::strerror(errno));
    object.keep(link);
  }
  return {.works = true};
}

}  // namespace

bool hand_has_call(Hand hand, uint16_t nr) {
  const std::string_view name = call_name(nr);
  if (name.empty()) return false;
  switch (hand) {
    case Hand::kOverride: return true;
    case Hand::kFmodRet:
      for (const std::string_view one : kFmodRet)
        if (one == name) return true;
      return false;
    case Hand::kLsm:
      for (const Secured& one : secured())
        if (one.call == name) return true;
      return false;
    case Hand::kNone:
    case Hand::kCgroup:
    case Hand::kSeccomp:
    case Hand::kShim:
    case Hand::kWire: return false;
  }
  return false;
}

void enable_call_hands(observe::BpfObject& object, const CallsByHand& calls) {
  if (calls.empty()) return;
  for (const Hand hand : {Hand::kOverride, Hand::kFmodRet, Hand::kLsm}) {
    const CallHands& here = call_hands();
    const bool works = hand == Hand::kOverride  ? here.override_return.works
                       : hand == Hand::kFmodRet ? here.fmod_ret.works
                                                : here.lsm.works;
    if (!works) continue;
    for (const std::string& program : programs_of(calls, hand)) object.load_only(program);
  }
}

void attach_call_hands(observe::BpfObject& object, const CallsByHand& calls, Capabilities& into) {
  into.override_return = into.fmod_ret = into.lsm = cannot("no test of this run was seen to need it");
  if (calls.empty()) return;
  const CallHands& here = call_hands();
  into.override_return = here.override_return;
  into.fmod_ret = here.fmod_ret;
  into.lsm = here.lsm;
  const auto attach = [&](Hand hand, Capability& capability) {
    if (!capability.works) return;
    const std::vector<std::string> programs = programs_of(calls, hand);
    if (programs.empty()) {
      capability = cannot("no test of this run was seen to need it");
    } else if (hand == Hand::kOverride) {
      capability = attach_probes(object, calls_of(calls, hand));
    } else {
      capability = attach_programs(object, programs);
    }
  };
  attach(Hand::kOverride, into.override_return);
  attach(Hand::kFmodRet, into.fmod_ret);
  attach(Hand::kLsm, into.lsm);
}

}  // namespace fbx::inject
