// SPDX-License-Identifier: Apache-2.0
#include "runner/inject/probe.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <iterator>

#include "runner/inject/seccomp_filter.h"
#include "runner/inject/tcp_reset.h"
#include "runner/sandbox/fd.h"

namespace fbx::inject {
namespace {

constexpr const char* kPrograms[] = {
    "connect__on_ipv4",      "connect__on_ipv6",  "connect__on_sendmsg4", "connect__on_sendmsg6",
    "partition__on_ingress", "sockets__list_tcp", "sockets__list_unix",
};

// include/uapi/linux/bpf.h, Linux 6.7; not in the headers of Debian 12.
constexpr auto kUnixConnect = static_cast<bpf_attach_type>(49);
constexpr auto kUnixSendmsg = static_cast<bpf_attach_type>(50);

bool kernel_takes_unix_hooks() {
  const bpf_insn pass[] = {
      {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = 1},
      {.code = BPF_JMP | BPF_EXIT, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = 0}};
  LIBBPF_OPTS(bpf_prog_load_opts, options, .expected_attach_type = kUnixConnect);
  const sandbox::Fd program(bpf_prog_load(BPF_PROG_TYPE_CGROUP_SOCK_ADDR, "fbx_probe", "GPL", pass,
                                          std::size(pass), &options));
  return static_cast<bool>(program);
}

constexpr int kProbeErrno = EXFULL;  // no kernel gives this for getppid

struct Shared {
  std::atomic<int> listener{0};  // the child's descriptor + 1, or −errno
  std::atomic<int> result{0};
};

int probe_child(Shared* shared, const std::vector<sock_filter>& program) {
  const int fd = install_seccomp(program.data(), static_cast<uint16_t>(program.size()));
  shared->listener = fd >= 0 ? fd + 1 : -errno;
  if (fd < 0) return 1;
  const long r = syscall(SYS_getppid);
  shared->result = r < 0 ? errno : 0;
  return 0;
}

// Answers the child's one call. False: it did not come.
bool answer_once(int listener) {
  pollfd p{.fd = listener, .events = POLLIN, .revents = 0};
  seccomp_notif call{};
  seccomp_notif_resp response{};
  if (poll(&p, 1, 2000) != 1 || ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &call) != 0) return false;
  response.id = call.id;
  response.error = -kProbeErrno;
  return ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &response) == 0;
}

Capability cannot(std::string why, std::string remedy = {}) {
  return {.works = false, .why = std::move(why), .remedy = std::move(remedy)};
}

Capability supervise(pid_t child, const Shared& shared) {
  int listener = 0;
  for (int i = 0; i < 2'000'000 && !(listener = shared.listener); ++i) sched_yield();
  if (listener <= 0)
    return cannot("seccomp notification with WAIT_KILLABLE_RECV was refused (" +
                      std::string(strerror(-listener)) + ")",
                  "Linux 5.19 has it");
  const sandbox::Fd pidfd(static_cast<int>(syscall(SYS_pidfd_open, child, 0)));
  const sandbox::Fd fd(static_cast<int>(syscall(SYS_pidfd_getfd, pidfd.get(), listener - 1, 0)));
  if (!fd) return cannot(std::string("pidfd_getfd was refused (") + strerror(errno) + ")");
  if (!answer_once(fd.get())) return cannot("a supervised call was never announced");
  return {.works = true, .why = {}, .remedy = {}};
}

}  // namespace

void enable_hands(observe::BpfObject& object) {
  for (const char* program : kPrograms) object.enable(program);
  if (!kernel_takes_unix_hooks()) return;
  bpf_program__set_expected_attach_type(object.program("connect__on_unix"), kUnixConnect);
  bpf_program__set_expected_attach_type(object.program("connect__on_unix_send"), kUnixSendmsg);
  object.enable("connect__on_unix");
  object.enable("connect__on_unix_send");
}

Capability probe_seccomp() {
  void* page =
      mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) return cannot("no memory for the probe");
  auto* shared = new (page) Shared;
  const auto program = seccomp_program({static_cast<uint16_t>(SYS_getppid)});
  const pid_t child = fork();
  if (child == 0) _exit(probe_child(shared, program));
  Capability out = child > 0 ? supervise(child, *shared) : cannot("fork failed");
  if (child > 0) {
    if (!out.works) kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
  }
  if (out.works && shared->result != kProbeErrno)
    out = cannot("the supervisor's errno did not arrive");
  munmap(page, sizeof(Shared));
  return out;
}

Capability probe_resets() {
  auto reset = TcpReset::open();
  if (reset) return {.works = true, .why = {}, .remedy = {}};
  return cannot(reset.error().text(), "CAP_NET_RAW in the test's network namespace");
}

Capabilities probe_capabilities(const observe::BpfObject& loaded) {
  auto has = [&](const char* program) {
    if (loaded.program_fd(program) >= 0) return Capability{.works = true, .why = {}, .remedy = {}};
    return cannot(std::string("the BPF program ") + program + " is not loaded");
  };
  Capabilities out;
  out.cgroup = has("connect__on_ipv4");
  out.unix_dials = has("connect__on_unix");
  if (!out.unix_dials.works)
    out.unix_dials = cannot("the kernel has no hooks for unix dials", "Linux 6.7 has them");
  out.packets = has("partition__on_ingress");
  out.sockets = has("sockets__list_tcp");
  out.resets = probe_resets();
  out.seccomp = probe_seccomp();
  return out;
}

}  // namespace fbx::inject
