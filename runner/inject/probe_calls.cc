// SPDX-License-Identifier: Apache-2.0
//
// What this kernel lets programs do to calls: found by loading a program of a few instructions
// for each hand and, for a person, by attaching it and being failed by it. The program fails one
// call of one thread, which it knows by a name that the thread gives itself.
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdarg>
#include <cstring>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "runner/inject/call_hands.h"
#include "runner/sandbox/fd.h"

namespace fbx::inject {
namespace {

using sandbox::Fd;

constexpr int kProbeErrno = EXFULL;  // no kernel gives this for getppid or getpgid
constexpr char kThread[16] = "fbx-fail-calls";
constexpr auto kKprobeMulti = static_cast<bpf_attach_type>(42);  // BPF_TRACE_KPROBE_MULTI, 5.18

bpf_insn insn(uint8_t code, uint8_t dst, uint8_t src, int16_t off, int32_t imm) {
  return {.code = code, .dst_reg = dst, .src_reg = src, .off = off, .imm = imm};
}

// r0 = the thread is the one to be failed ? (by override: the override's ? 0 :) −errno : 0
std::vector<bpf_insn> failing(bool by_override) {
  int32_t words[4];
  static_assert(sizeof words == sizeof kThread);
  std::memcpy(words, kThread, sizeof words);
  std::vector<bpf_insn> out = {
      insn(BPF_ALU64 | BPF_MOV | BPF_X, 6, 1, 0, 0),
      insn(BPF_ALU64 | BPF_MOV | BPF_X, 1, 10, 0, 0),
      insn(BPF_ALU64 | BPF_ADD | BPF_K, 1, 0, 0, -16),
      insn(BPF_ALU64 | BPF_MOV | BPF_K, 2, 0, 0, 16),
      insn(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_get_current_comm)};
  const int16_t rest = by_override ? 4 : 2;  // instructions from behind the comparisons to the end
  for (int16_t i = 0; i < 4; ++i) {
    out.push_back(insn(BPF_LDX | BPF_W | BPF_MEM, 3, 10, static_cast<int16_t>(-16 + 4 * i), 0));
    const int16_t over = static_cast<int16_t>((3 - i) * 2 + rest);
    out.push_back(insn(BPF_JMP32 | BPF_JNE | BPF_K, 3, 0, over, words[i]));
  }
  if (by_override) {
    out.push_back(insn(BPF_ALU64 | BPF_MOV | BPF_X, 1, 6, 0, 0));
    out.push_back(insn(BPF_ALU64 | BPF_MOV | BPF_K, 2, 0, 0, -kProbeErrno));
    out.push_back(insn(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_override_return));
    out.push_back(insn(BPF_JMP | BPF_JA, 0, 0, 0, 0));
  } else {
    out.push_back(insn(BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, -kProbeErrno));
    out.push_back(insn(BPF_JMP | BPF_EXIT, 0, 0, 0, 0));
  }
  out.push_back(insn(BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, 0));
  out.push_back(insn(BPF_JMP | BPF_EXIT, 0, 0, 0, 0));
  return out;
}

struct Tried {
  Fd program;
  std::string why;
};

Tried load(bpf_prog_type type, bpf_attach_type attach, const char* function, bool by_override) {
  const std::vector<bpf_insn> body = failing(by_override);
  // Who may not load such programs is told so whatever they are for; finding out what they are for
  // takes milliseconds.
  if (type != BPF_PROG_TYPE_KPROBE) {
    LIBBPF_OPTS(bpf_prog_load_opts, nowhere, .expected_attach_type = attach, .attach_btf_id = 1);
    const int refused = bpf_prog_load(type, "fbx_probe", "GPL", body.data(), body.size(), &nowhere);
    if (refused >= 0) close(refused);
    if (refused == -EPERM || (refused < 0 && errno == EPERM))
      return {Fd(), std::string("the kernel refused a program that fails calls: ") +
                        std::strerror(EPERM)};
  }
  std::string log(4096, '\0');
  LIBBPF_OPTS(bpf_prog_load_opts, options, .expected_attach_type = attach);
  options.log_buf = log.data();
  options.log_size = static_cast<uint32_t>(log.size());
  options.log_level = 1;
  if (type != BPF_PROG_TYPE_KPROBE) {
    const int id = libbpf_find_vmlinux_btf_id(function, attach);
    if (id <= 0) return {Fd(), std::string("the kernel does not describe ") + function};
    options.attach_btf_id = static_cast<uint32_t>(id);
  }
  Tried out;
  out.program.reset(bpf_prog_load(type, "fbx_probe", "GPL", body.data(), body.size(), &options));
  if (out.program) return out;
  const int error = errno;
  out.why = std::string("the kernel refused a program that fails calls: ") + std::strerror(error);
  log.resize(std::strlen(log.c_str()));
  // The verifier's last line before its statistics.
  if (const size_t end = log.find("\nprocessed "); end != std::string::npos) {
    const size_t begin = log.rfind('\n', end - 1);
    out.why += ": " + log.substr(begin == std::string::npos ? 0 : begin + 1,
                                 end - (begin == std::string::npos ? 0 : begin + 1));
  }
  return out;
}

// What the failed thread saw of the call; 0 = it was let through.
int errno_seen(long number) {
  int seen = 0;
  std::thread([&] {
    prctl(PR_SET_NAME, kThread);
    if (syscall(number, number == SYS_getpgid ? getpid() : 0) < 0) seen = errno;
  }).join();
  return seen;
}

Capability verdict(const Tried& tried, const char* remedy) {
  if (tried.program) return {.works = true};
  std::string why = tried.why;
  if (geteuid() != 0) return {.works = false, .why = "it needs root", .remedy = "run it with sudo"};
  return {.works = false, .why = std::move(why), .remedy = remedy};
}

Capability failed_by(const Fd& link, long number) {
  if (!link) return {.works = false, .why = std::string("the kernel refused to attach it: ") + std::strerror(errno)};
  if (errno_seen(number) == kProbeErrno) return {.works = true};
  return {.works = false, .why = "a call that it should have failed was let through"};
}

constexpr const char* kOverrideRemedy = "a kernel with CONFIG_BPF_KPROBE_OVERRIDE, not locked down";
constexpr const char* kFmodRetRemedy =
    "a kernel with CONFIG_FUNCTION_ERROR_INJECTION, not locked down";
constexpr const char* kLsmRemedy = "a kernel with BPF trampolines, not locked down";

#if defined(__aarch64__)
constexpr const char* kGetppid = "__arm64_sys_getppid";
constexpr const char* kFsync = "__arm64_sys_fsync";
#else
constexpr const char* kGetppid = "__x64_sys_getppid";
constexpr const char* kFsync = "__x64_sys_fsync";
#endif
constexpr const char* kGetpgid = "security_task_getpgid";
constexpr const char* kLsmGetpgid = "task_getpgid";  // libbpf puts the rest before it

// BPF's module is asked only when it is in force; its programs load all the same.
bool modules_in_force() {
  std::ifstream file("/sys/kernel/security/lsm");
  std::string all;
  if (!std::getline(file, all)) return true;  // not to be seen: the records will tell
  return ("," + all + ",").find(",bpf,") != std::string::npos;
}

Tried load_probe(bool multi) {
  return load(BPF_PROG_TYPE_KPROBE, multi ? kKprobeMulti : static_cast<bpf_attach_type>(0), "",
              true);
}

Fd attach_multi(const Fd& program) {
  const char* functions[] = {kGetppid};
  LIBBPF_OPTS(bpf_link_create_opts, options);
  options.kprobe_multi.syms = functions;
  options.kprobe_multi.cnt = 1;
  return Fd(bpf_link_create(program.get(), 0, kKprobeMulti, &options));
}

Fd attach_tracing(const Fd& program, bpf_attach_type type) {
  return Fd(bpf_link_create(program.get(), 0, type, nullptr));
}

// Whether a probe over many functions may override shows when it is attached, and taking it away
// waits for every processor: `link` keeps it.
Capability override_by_many(Fd& link) {
  const Tried many = load_probe(true);
  if (!many.program) return {.works = false, .why = many.why};
  link = attach_multi(many.program);
  return failed_by(link, SYS_getppid);
}

Capability security_by_modules(bool attach) {
  const Tried module = load(BPF_PROG_TYPE_LSM, BPF_LSM_MAC, kLsmGetpgid, false);
  if (!module.program || !attach) return verdict(module, kLsmRemedy);
  return failed_by(attach_tracing(module.program, BPF_LSM_MAC), SYS_getpgid);
}

CallHands look_quietly(bool attach, Fd& link) {
  CallHands out;
  out.override_return = verdict(load_probe(false), kOverrideRemedy);
  if (out.override_return.works) out.multi = override_by_many(link).works;
  out.fmod_ret = verdict(load(BPF_PROG_TYPE_TRACING, BPF_MODIFY_RETURN, kFsync, false),
                         kFmodRetRemedy);
  const Tried security = load(BPF_PROG_TYPE_TRACING, BPF_MODIFY_RETURN, kGetpgid, false);
  out.lsm = verdict(security, kLsmRemedy);
  if (attach && out.lsm.works)
    out.lsm = failed_by(attach_tracing(security.program, BPF_MODIFY_RETURN), SYS_getpgid);
  if (out.lsm.works || !modules_in_force()) return out;
  const Capability by_modules = security_by_modules(attach);
  out.lsm_by_modules = by_modules.works;
  if (by_modules.works) out.lsm = by_modules;
  return out;
}

int quiet(libbpf_print_level, const char*, va_list) { return 0; }

CallHands look(bool attach, Fd& link) {
  const libbpf_print_fn_t before = libbpf_set_print(quiet);
  CallHands out = look_quietly(attach, link);
  libbpf_set_print(before);
  return out;
}

}  // namespace

const CallHands& call_hands() {
  static Fd link;
  static const CallHands found = look(false, link);
  return found;
}

CallHands try_call_hands() {
  Fd link;
  return look(true, link);
}

}  // namespace fbx::inject
