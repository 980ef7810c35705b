// SPDX-License-Identifier: Apache-2.0
//
// A birth hook with a real seccomp filter: the listener reaches the parent before exec, even when
// the filter catches the very calls with which the child says so.
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <csignal>
#include <set>
#include <thread>

#include <doctest/doctest.h>

#include "runner/service/service_set.h"
#include "tests/kernel/sandbox_support.h"

using namespace fbx;
using namespace fbx::test;

namespace {

const sock_filter kFilter[] = {
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_futex, 2, 0),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_execve, 1, 0),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_listen, 0, 1),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
};

int install() {
  const sock_fprog program{std::size(kFilter), const_cast<sock_filter*>(kFilter)};
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return -1;
  return static_cast<int>(::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
                                    SECCOMP_FILTER_FLAG_NEW_LISTENER, &program));
}

// Lets every call pass until the service is gone; the numbers seen.
std::set<int> supervise(const sandbox::Fd& listener) {
  std::set<int> seen;
  pollfd one{listener.get(), POLLIN, 0};
  while (::poll(&one, 1, -1) == 1 && (one.revents & POLLIN) != 0) {
    seccomp_notif call{};
    if (::ioctl(listener.get(), SECCOMP_IOCTL_NOTIF_RECV, &call) != 0) continue;
    seen.insert(call.data.nr);
    seccomp_notif_resp answer{};
    answer.id = call.id;
    answer.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
    ::ioctl(listener.get(), SECCOMP_IOCTL_NOTIF_SEND, &answer);
  }
  return seen;
}

plan::Plan one_listener() {
  plan::Plan plan;
  plan.spec_dir = "/usr/share";
  plan::Service service;
  service.name = "it";
  service.binary = FBX_SERVICE_VICTIM;
  service.args = {"listen", "8001"};
  service.user = "12345";
  service.interfaces.push_back({"main", plan::Protocol::kTcp, 8001, ""});
  plan.services.push_back(std::move(service));
  return plan;
}

sandbox::SandboxOptions wishes() {
  sandbox::SandboxOptions options;
  options.spec_dir = "/usr/share";
  options.visible_files = {FBX_SERVICE_VICTIM};
  options.services = 1;
  return options;
}

}  // namespace

TEST_CASE("a filter's listener is adopted before exec, whatever the filter catches") {
  in_worker([](Judge& judge) {
    const plan::Plan plan = one_listener();
    auto place = make_sandbox(judge, 1, wishes());
    if (!place) return;
    std::set<int> seen;
    std::thread supervisor;
    service::ServiceSetOptions options{&plan, place.get()};
    options.hook = [&](int16_t) -> Result<service::BirthHook> {
      return service::BirthHook{install, [&](int fd) -> Status {
        supervisor =
            std::thread([&seen, listener = sandbox::Fd(fd)] { seen = supervise(listener); });
        return {};
      }};
    };
    {
      service::ServiceSet set(options);
      const auto failure = set.start_all();
      judge.expect(!failure, failure ? failure->text : "");
      set.stop_all();
    }
    if (supervisor.joinable()) supervisor.join();
    judge.expect(seen.contains(SYS_execve) && seen.contains(SYS_listen), "calls were seen");
    for (const std::string& line : place->destroy()) judge.expect(false, "left: " + line);
  });
}

TEST_CASE("a filter that can't be installed or adopted ends the start, with its reason") {
  in_worker([](Judge& judge) {
    const plan::Plan plan = one_listener();
    auto place = make_sandbox(judge, 1, wishes());
    if (!place) return;
    const auto start_with = [&](service::BirthHook hook) {
      service::ServiceSetOptions options{&plan, place.get()};
      options.hook = [&](int16_t) -> Result<service::BirthHook> { return hook; };
      service::ServiceSet set(options);
      const auto failure = set.start_all();
      return failure ? failure->text : "started";
    };
    const auto no_filter = [] {
      errno = EBUSY;
      return -1;
    };
    judge.expect_eq(start_with({no_filter, [](int) -> Status { return {}; }}),
                    "starting service it: installing a seccomp filter: Device or resource busy",
                    "not installed");
    const auto no_supervisor = [](int fd) -> Status {
      ::close(fd);
      return fail("no supervisor");
    };
    judge.expect_eq(start_with({install, no_supervisor}),
                    "starting service it: adopting the seccomp listener: no supervisor",
                    "not adopted");
    for (const std::string& line : place->destroy()) judge.expect(false, "left: " + line);
  });
}
