// SPDX-License-Identifier: Apache-2.0
//
// Denies and delays by the supervisor, on real processes.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <thread>

#include "base/clock.h"
#include "runner/inject/seccomp_filter.h"
#include "runner/sandbox/fd.h"
#include "tests/kernel/inject_harness.h"
#include "tests/sabotage/under_the_seams.h"

using namespace fbx;
using namespace fbx::inject;
using namespace fbx::inject::testing;

namespace {

int open_file(const std::string& name, int flags = 0) {
  return open((scratch_dir() + "/" + name).c_str(), O_CREAT | O_RDWR | O_TRUNC | flags, 0600);
}

int result(long r) { return r < 0 ? errno : 0; }

TEST_CASE("a denied write fails on files and leaves sockets, pipes and memfds alone") {
  World world({{"write"}});
  auto service = world.start(0, [](const Line& line) {
    const int file = open_file("a");
    int pair[2], pipe_fds[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0 || pipe(pipe_fds) != 0) return 90;
    const int memory = static_cast<int>(syscall(SYS_memfd_create, "m", 0));
    const int null = open("/dev/null", O_WRONLY);
    line.hear();
    iovec iov{const_cast<char*>("xy"), 2};
    if (result(write(file, "x", 1)) != EIO) return 1;
    if (result(pwrite(file, "x", 1, 0)) != EIO) return 2;
    if (result(writev(file, &iov, 1)) != EIO) return 3;
    if (result(syscall(SYS_pwritev2, file, &iov, 1, 0, 0, 0)) != EIO) return 4;
    for (int fd : {pair[0], pipe_fds[1], memory, null})
      if (write(fd, "x", 1) != 1) return 5;
    struct stat st{};
    if (fstat(file, &st) != 0 || st.st_size != 0) return 6;
    line.say('d');
    line.hear();
    return write(file, "x", 1) == 1 ? 0 : 7;
  });
  REQUIRE(world.install({World::deny(0, "write", EIO)}));
  service->say('g');
  CHECK(service->hear() == 'd');
  {
    const RuleEntry& rule = world.collect()[0];
    CAPTURE(show(rule));
    CHECK(rule.hand == Hand::kSeccomp);
    CHECK(rule.matched == 4);
    CHECK(rule.fired == 4);
    CHECK(rule.escapes.empty());
    CHECK(rule.by.at(scratch_dir() + "/a") == 4);
    const auto events = world.decided(0, "write");
    REQUIRE(events.size() == 4);
    for (const observe::Event& event : events) {
      CHECK(event.ret == -EIO);
      CHECK(world.observer->store().string(event.decision) == "deny(EIO)");
      CHECK(event.rule == 0);
    }
  }
  REQUIRE(world.lift());
  service->say('g');
  CHECK(service->wait() == 0);
  CHECK(world.collect()[0].fired == 4);
}

TEST_CASE("fsync, open and paths are denied where they are meant, and nowhere else") {
  World world({{"fsync"}, {"open"}, {"write"}});
  auto service = world.start(0, [](const Line& line) {
    const int log = open_file("x.log"), wal = open_file("x.wal"), sync = open_file("s", O_DSYNC);
    if (chdir(scratch_dir().c_str()) != 0) return 90;
    line.say('r');
    line.hear();
    if (result(fsync(log)) != EIO || result(fdatasync(log)) != EIO) return 1;
    if (result(write(sync, "x", 1)) != EIO) return 2;  // O_DSYNC: a write that syncs
    if (write(log, "x", 1) != 1) return 3;
    if (result(write(wal, "x", 1)) != ENOSPC) return 4;
    if (result(open("no.wal", O_RDONLY)) != EMFILE) return 5;  // relative, not there
    if (result(openat(AT_FDCWD, "./../fbx-nowhere/../" "fbx.none", O_RDONLY)) != ENOENT) return 6;
    if (result(open("x.wal", O_RDONLY)) != EMFILE) return 7;
    if (symlink("x.wal", "link") != 0 || result(open("link", O_RDONLY)) != EMFILE) return 8;
    if (rename("x.wal", "y.log") != 0 || write(wal, "x", 1) != 1) return 9;  // its name has changed
    line.say('d');
    return 0;
  });
  auto wal = World::deny(0, "write", ENOSPC);
  wal.path = scratch_dir() + "/*.wal";
  auto opened = World::deny(0, "open", EMFILE);
  opened.path = "/tmp/**.wal";
  REQUIRE(service->hear() == 'r');
  REQUIRE(world.install({World::deny(0, "fsync", EIO), wal, opened}));
  service->say('g');
  CHECK(service->wait() == 0);
  const auto& rules = world.collect();
  for (const RuleEntry& rule : rules) {
    CAPTURE(show(rule));
    CHECK(rule.escapes.empty());
  }
  CHECK(rules[0].fired == 3);
  CHECK(rules[1].fired == 1);
  CHECK(rules[1].near_misses == 2);
  CHECK(rules[2].fired == 3);
}

TEST_CASE("nth, every and probability count over threads and forks") {
  World world({{"write"}});
  auto service = world.start(0, [](const Line& line) {
    const int file = open_file("n");
    line.hear();
    auto writes = [file](int n) {
      int failed = 0;
      for (int i = 0; i < n; ++i) failed += pwrite(file, "x", 1, 0) != 1;
      return failed;
    };
    int failed[3] = {};
    std::thread a([&] { failed[0] = writes(100); }), b([&] { failed[1] = writes(100); });
    a.join();
    b.join();
    const pid_t child = fork();
    if (child == 0) _exit(writes(100));
    int status = 0;
    waitpid(child, &status, 0);
    failed[2] = WEXITSTATUS(status);
    return failed[0] + failed[1] + failed[2];
  });
  auto nth = World::deny(0, "write", EIO);
  nth.after = 6;
  nth.max_fires = 1;
  auto every = World::deny(0, "write", ENOSPC);
  every.every = 10;
  auto chance = World::deny(0, "write", EDQUOT);
  chance.probability = 0.2;
  REQUIRE(world.install({nth, every, chance}));
  service->say('g');
  const int failed = service->wait();
  const auto& rules = world.collect();
  for (const RuleEntry& rule : rules) {
    CAPTURE(show(rule));
    CHECK(rule.escapes.empty());
  }
  CHECK(rules[0].matched == 300);
  CHECK(rules[0].fired == 1);
  CHECK(rules[1].matched == 299);
  CHECK(rules[1].fired == 29);
  CHECK(rules[2].matched == 270);
  CHECK(rules[2].fired > 30);
  CHECK(rules[2].fired < 80);
  CHECK(static_cast<uint64_t>(failed) == rules[0].fired + rules[1].fired + rules[2].fired);
}

TEST_CASE("programs are reached however they are linked") {
  for (const char* linkage : {"dynamic", "static"}) {
    CAPTURE(linkage);
    World world({{"write"}});
    const std::string program = std::string(FBX_VICTIMS) + "/" + linkage + "/threaded_writer";
    const std::string dir = "DIR=" + scratch_dir();
    auto service = world.start(0, [&](const Line& line) {
      line.hear();
      dup2(line.out, 1);
      const char* const argv[] = {program.c_str(), nullptr};
      const char* const env[] = {dir.c_str(), "THREADS=3", "ROUNDS=50", nullptr};
      execve(program.c_str(), const_cast<char**>(argv), const_cast<char**>(env));
      return 127;
    });
    auto rule = World::deny(0, "write", ENOSPC);
    rule.every = 10;
    REQUIRE(world.install({rule}));
    service->say('g');
    std::string said;
    while (const char c = service->hear()) said += c;
    CHECK(service->wait() == 0);
    CHECK(said.ends_with("ok\n"));
    const RuleEntry& entry = world.collect()[0];
    CAPTURE(show(entry));
    CHECK(entry.matched == 150);
    CHECK(entry.fired == 15);
    CHECK(entry.by.size() >= 1);
    CHECK(entry.escapes.empty());
    CHECK(world.decided(0, "write").size() == 15);
  }
}

TEST_CASE("an inner scope decides first, and what it does not fire on passes to the outer one") {
  World world({{"write"}});
  auto service = world.start(0, [](const Line& line) {
    const int file = open_file("scope");
    for (;;) {
      const char c = line.hear();
      if (!c) return 0;
      line.say(static_cast<char>(result(write(file, "x", 1))));
    }
  });
  auto once = World::deny(0, "write", ENOSPC);
  once.max_fires = 1;
  REQUIRE(world.install({World::deny(0, "write", EIO)}, 1));
  REQUIRE(world.install({once}, 2));
  auto ask = [&] { service->say('g'); return int{service->hear()}; };
  CHECK(ask() == ENOSPC);
  CHECK(ask() == EIO);
  REQUIRE(world.lift(2));
  CHECK(ask() == EIO);
  REQUIRE(world.lift(1));
  CHECK(ask() == 0);
  const auto& rules = world.collect();
  CHECK(rules[0].matched == 2);
  CHECK(rules[1].matched == 2);
  CHECK(rules[0].escapes.empty());
  CHECK(rules[1].escapes.empty());
}

TEST_CASE("a delay holds one call for its time, and a lift wakes it") {
  World world({{"fsync", plan::Need::Kind::kDelay}});
  auto service = world.start(0, [](const Line& line) {
    const int file = open_file("d");
    for (;;) {
      if (!line.hear()) return 0;
      if (fsync(file) != 0) return 1;
      line.say('d');
    }
  });
  REQUIRE(world.install({World::delay(0, "fsync", 80)}, 1));
  uint64_t begin = now_ns();
  service->say('g');
  CHECK(service->hear() == 'd');
  uint64_t took = now_ns() - begin;
  CHECK(took >= 80'000'000);
  CHECK(took < 2'000'000'000);  // this machine may be busy
  REQUIRE(world.lift(1));

  REQUIRE(world.install({World::delay(0, "fsync", 30'000)}, 2));
  begin = now_ns();
  service->say('g');
  // In flight for whoever looks back while it is held.
  uint64_t held = 0;
  while (!held && now_ns() - begin < 10'000'000'000) {
    world.collect();
    for (uint64_t seq : world.observer->store().of(0, SYS_fsync))
      if (world.observer->store().at(seq).state == observe::CallState::kInFlight) held = seq;
  }
  CHECK(held != 0);
  REQUIRE(world.lift(2));
  CHECK(service->hear() == 'd');
  took = now_ns() - begin;
  CHECK(took < 20'000'000'000);
  const auto& rules = world.collect();
  for (const RuleEntry& rule : rules) {
    CAPTURE(show(rule));
    CHECK(rule.fired == 1);
    CHECK(rule.escapes.empty());
  }
  const auto events = world.decided(0, "fsync");
  REQUIRE(events.size() == 2);
  CHECK(world.observer->store().string(events[0].decision) == "delay(80ms)");
  CHECK(world.observer->store().string(events[1].decision).starts_with("delay(cut at "));
  CHECK(events[0].end_ns - events[0].begin_ns >= 80'000'000);
}

TEST_CASE("signals that interrupt a held call do not make it count twice") {
  World world({{"fsync", plan::Need::Kind::kDelay}});
  auto service = world.start(0, [](const Line& line) {
    struct sigaction action{};
    action.sa_handler = [](int) {};
    action.sa_flags = SA_RESTART;
    sigaction(SIGURG, &action, nullptr);
    const int file = open_file("u");
    line.hear();
    return result(fsync(file));
  });
  REQUIRE(world.install({World::delay(0, "fsync", 60)}));
  const uint64_t begin = now_ns();
  service->say('g');
  while (now_ns() - begin < 50'000'000) kill(service->pid(), SIGURG), usleep(200);
  CHECK(service->wait() == 0);
  CHECK(now_ns() - begin < 2'000'000'000);
  const RuleEntry& rule = world.collect()[0];
  CAPTURE(show(rule));
  CHECK(rule.matched == 1);
  CHECK(rule.fired == 1);
  CHECK(rule.escapes.empty());
}

// What Supervisor::serve() stands on: after an announcement, receiving never waits. Each row is a
// way in which an announced call can be gone when it is received.
TEST_CASE("a call that was withdrawn is received as none, at once") {
  const auto program = seccomp_program({static_cast<uint16_t>(SYS_fsync)});
  for (const int gone : {1, 3}) {
    CAPTURE(gone);
    // The filter's owner lives on, so that receiving could wait; each caller makes one call.
    int up[2];
    REQUIRE(pipe(up) == 0);
    const pid_t owner = fork();
    if (owner == 0) {
      int ids[4] = {install_seccomp(program.data(), static_cast<uint16_t>(program.size()))};
      for (int i = 0; i < gone; ++i) {
        ids[i + 1] = fork();
        if (ids[i + 1] == 0) _exit(fsync(0) == 0);
      }
      if (write(up[1], ids, sizeof ids) != sizeof ids) _exit(1);
      for (;;) pause();
    }
    int ids[4];
    REQUIRE(read(up[0], ids, sizeof ids) == sizeof ids);
    const sandbox::Fd pidfd(static_cast<int>(syscall(SYS_pidfd_open, owner, 0)));
    const sandbox::Fd listener(static_cast<int>(syscall(SYS_pidfd_getfd, pidfd.get(), ids[0], 0)));
    REQUIRE(listener);
    pollfd announced{.fd = listener.get(), .events = POLLIN, .revents = 0};
    REQUIRE(poll(&announced, 1, 10'000) == 1);
    for (int i = 0; i < gone; ++i) kill(ids[i + 1], SIGKILL);
    for (int tries = 0; tries < 1'000'000 && poll(&announced, 1, 0) == 1; ++tries) sched_yield();
    CHECK(poll(&announced, 1, 0) == 0);
    // In a process of its own, which an alarm ends if receiving waits.
    const pid_t receiver = fork();
    if (receiver == 0) {
      alarm(10);
      seccomp_notif notif{};
      _exit(ioctl(listener.get(), SECCOMP_IOCTL_NOTIF_RECV, &notif) != 0 && errno == ENOENT ? 0 : 1);
    }
    int status = 0;
    waitpid(receiver, &status, 0);
    CHECK(status == 0);
    kill(owner, SIGKILL);
    waitpid(owner, nullptr, 0);
    close(up[0]);
    close(up[1]);
  }
}

TEST_CASE("calls that are withdrawn before they are received stall nobody") {
  World world({{"fsync"}, {"fsync", plan::Need::Kind::kDelay, 1}});
  auto stormy = world.start(0, [](const Line& line) {
    struct sigaction action{};
    action.sa_handler = [](int) {
    };  // no SA_RESTART: the call ends with EINTR and is not made again
    sigaction(SIGALRM, &action, nullptr);
    const int file = open_file("storm");
    line.say('r');
    const itimerval storm{{0, 53}, {0, 53}}, calm{};
    for (;;) {
      if (!line.hear()) return 0;
      setitimer(ITIMER_REAL, &storm, nullptr);
      for (int i = 0; i < 300; ++i) fsync(file);
      setitimer(ITIMER_REAL, &calm, nullptr);
      line.say('d');
    }
  });
  REQUIRE(stormy->hear() == 'r');
  auto other = world.start(1, [](const Line& line) {
    const int file = open_file("other");
    while (line.hear()) {
      if (fsync(file) != 0) return 1;
      line.say('d');
    }
    return 0;
  });
  REQUIRE(world.install({World::deny(0, "fsync", EIO), World::delay(1, "fsync", 1)}));
  for (int i = 0; i < 10; ++i) {
    stormy->say('g');
    REQUIRE(stormy->hear() == 'd');
    const uint64_t begin = now_ns();
    other->say('g');
    REQUIRE(other->hear() == 'd');
    CHECK(now_ns() - begin < 5'000'000'000);
  }
  for (const RuleEntry& rule : world.collect()) {
    CAPTURE(show(rule));
    CHECK(rule.fired > 0);
  }
}

TEST_CASE("a supervisor whose decisions are ignored is found out") {
  World world({{"write"}});
  auto service = world.start(0, [](const Line& line) {
    const int file = open_file("i");
    line.hear();
    return write(file, "x", 1) == 1 ? 0 : 1;
  });
  REQUIRE(world.install({World::deny(0, "write", EIO)}));
  sabotage::under_the_seams().seccomp_always_continues = true;
  service->say('g');
  CHECK(service->wait() == 0);
  sabotage::under_the_seams().seccomp_always_continues = false;
  const RuleEntry& rule = world.collect()[0];
  REQUIRE(rule.escapes.size() == 1);
  CHECK(rule.escapes[0] == "orders: write of " + scratch_dir() + "/i returned 1, and not EIO");
}

TEST_CASE("a rule that the plan did not announce is refused, not ignored") {
  World world({{"write"}});
  const Status s = world.install({World::deny(1, "write", EIO)});
  REQUIRE_FALSE(s);
  CHECK(s.error().text().find("without the filter") != std::string::npos);
  CHECK(world.collect().empty());
}

TEST_CASE("a process that no filter reaches is found out") {
  World world({{"write"}});
  auto service = world.start_unfiltered(0, [](const Line& line) {
    const int file = open_file("unfiltered");
    line.hear();
    return write(file, "x", 1) == 1 ? 0 : 1;
  });
  REQUIRE(world.install({World::deny(0, "write", EIO)}));
  service->say('g');
  CHECK(service->wait() == 0);
  const RuleEntry& rule = world.collect()[0];
  CHECK(rule.fired == 0);
  REQUIRE(rule.escapes.size() == 1);
  CHECK(rule.escapes[0] == "orders: write of " + scratch_dir() +
                               "/unfiltered was not seen by the hand that should decide about it");
}

TEST_CASE("calls by io_uring and in another architecture's numbers are found out") {
  World world({{"write"}});
  auto service = world.start(0, [](const Line& line) {
    line.hear();
#if defined(__x86_64__)
    long id = 20;  // getpid of i386; writev of x86-64
    asm volatile("int $0x80" : "+a"(id) : : "memory");
#endif
    char parameters[256] = {};
    syscall(SYS_io_uring_setup, 4, parameters);
    return 0;
  });
  REQUIRE(world.install({World::deny(0, "write", EIO)}));
  service->say('g');
  CHECK(service->wait() == 0);
  const RuleEntry& rule = world.collect()[0];
  CAPTURE(show(rule));
  CHECK(rule.matched == 0);
  CHECK(rule.escapes.size() >= 1);
  bool uring = false;
  for (const std::string& escape : rule.escapes)
    uring |= escape.find("io_uring") != std::string::npos;
  CHECK(uring);
}

TEST_CASE("installs and lifts under load leave no call half-way") {
  World world({{"write"}});
  auto service = world.start(0, [](const Line& line) {
    const int file = open_file("load");
    line.say('r');
    std::atomic<bool> stop{false};
    std::atomic<int> odd{0};
    auto work = [&] {
      while (!stop)
        if (const int error = result(pwrite(file, "x", 1, 0)); error != 0 && error != EIO) odd++;
    };
    std::thread a(work), b(work);
    line.hear();
    stop = true;
    a.join();
    b.join();
    return odd ? 1 : 0;
  });
  REQUIRE(service->hear() == 'r');
  for (uint32_t i = 1; i <= 500; ++i) {
    REQUIRE(world.install({World::deny(0, "write", EIO)}, i));
    if (i % 50 == 0) world.collect();
    REQUIRE(world.lift(i));
  }
  service->say('s');
  CHECK(service->wait() == 0);
  uint64_t fired = 0, escapes = 0;
  for (const RuleEntry& rule : world.collect()) {
    fired += rule.fired;
    escapes += rule.escapes.size();
    if (!rule.escapes.empty()) MESSAGE(show(rule));
  }
  CHECK(escapes == 0);
  CHECK(fired == world.decided(0, "write").size());
}

TEST_CASE("delaying a dial that does not block is an escape, not a held event loop") {
  World world({{"connect", plan::Need::Kind::kDelay}});
  auto service = world.start(0, [](const Line& line) {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(9);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    line.hear();
    return result(connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to));
  });
  REQUIRE(world.install({World::delay(0, "connect", 20'000)}));
  const uint64_t begin = now_ns();
  service->say('g');
  service->wait();
  CHECK(now_ns() - begin < 10'000'000'000);
  const RuleEntry& rule = world.collect()[0];
  REQUIRE(rule.escapes.size() == 1);
  CHECK(rule.escapes[0].find("non-blocking") != std::string::npos);
}

}  // namespace
