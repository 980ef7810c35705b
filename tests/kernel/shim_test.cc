// SPDX-License-Identifier: Apache-2.0
//
// Programs under the shim and its gate, with a small supervisor for what goes past it: whichever
// of the two decides a call, the sequence of decisions is the same.
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <thread>

#include <doctest/doctest.h>

#include "base/clock.h"
#include "bpf/abi/decide.h"
#include "bpf/abi/kinds.h"
#include "bpf/abi/tables.h"
#include "shim/hand/shim_hand.h"

namespace {
using namespace fbx;
using inject::ShimHand;
using inject::ShimRule;

ShimRule rule_for(const char* keyword, uint32_t kinds, uint32_t action, int errnum) {
  ShimRule out;
  for (uint16_t nr : abi::numbers(keyword)) out.rule.parts[0].calls[nr / 64] |= 1ull << (nr % 64);
  out.rule.parts[0].kinds = kinds;
  out.rule.parts_used = 1;
  out.rule.action = action;
  out.rule.errnum = errnum;
  out.rule.every = 1;
  out.rule.max_fires = ~0ull;
  out.rule.always = 1;
  return out;
}

struct Bench {
  std::string folder;
  std::unique_ptr<ShimHand> hand;
  std::vector<ShimRule> rules;
  int listener = -1;
  std::atomic<int> supervised{0};
  std::atomic<bool> over{false};
  std::thread supervisor;
  pid_t pid = -1;
  int out = -1;

  explicit Bench(bool gate = true, const char* keyword = "write") {
    char name[] = "/tmp/fbx-shim-XXXXXX";
    REQUIRE(mkdtemp(name));
    folder = name;
    inject::ShimSetup setup;
    setup.library = FBX_SHIM_LIBRARY;
    setup.path = folder + "/segment";
    setup.calls = abi::numbers(keyword);
    if (gate) setup.gated = setup.calls;
    auto made = ShimHand::create(setup);
    REQUIRE(made);
    hand = std::move(*made);
  }
  ~Bench() {
    if (pid > 0) {
      kill(pid, SIGKILL);
      waitpid(pid, nullptr, 0);
    }
    over = true;
    if (supervisor.joinable()) supervisor.join();
    if (listener >= 0) close(listener);
    if (out >= 0) close(out);
    unlink((folder + "/out").c_str());
    hand.reset();
    rmdir(folder.c_str());
  }
  void set(std::vector<ShimRule> to) {
    rules = std::move(to);
    REQUIRE(hand->publish(rules));
  }
  void start(std::vector<std::string> argv, bool gate = true) {
    int pipe_fds[2];
    REQUIRE(pipe2(pipe_fds, O_CLOEXEC) == 0);
    std::vector<std::string> env = hand->environment();
    env.push_back("OUT=" + folder + "/out");
    env.push_back("PATH=/usr/bin:/bin");
    pid = fork();
    if (pid == 0) {
      std::vector<char*> a, e;
      for (auto& s : argv) a.push_back(s.data());
      for (auto& s : env) e.push_back(s.data());
      a.push_back(nullptr);
      e.push_back(nullptr);
      dup2(pipe_fds[1], 1);
      execve(a[0], a.data(), e.data());
      _exit(127);
    }
    close(pipe_fds[1]);
    out = pipe_fds[0];
    if (!gate) return;
    auto fd = hand->take_listener(pid, now_ns() + 10'000'000'000u);
    REQUIRE_MESSAGE(fd, (fd ? "" : fd.error().text()));
    listener = *fd;
    supervisor = std::thread([this] { supervise(); });
    hand->open_door();
  }
  static uint32_t kind_of(const seccomp_notif& n) {
    struct stat st {};
    const std::string link = "/proc/" + std::to_string(n.pid) + "/fd/" +
                             std::to_string(static_cast<int>(n.data.args[0]));
    if (stat(link.c_str(), &st) != 0) return FBX_KIND_NONE;
    return S_ISREG(st.st_mode)    ? FBX_KIND_FILE
           : S_ISFIFO(st.st_mode) ? FBX_KIND_PIPE
                                  : FBX_KIND_PSEUDO;
  }
  void supervise() {
    while (!over) {
      pollfd p{listener, POLLIN, 0};
      if (poll(&p, 1, 50) <= 0) continue;
      seccomp_notif n{};
      if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &n) != 0) {
        if (p.revents & POLLHUP) return;
        continue;
      }
      ++supervised;
      fbx_key key{};
      fbx_decision d{};
      key.nr = static_cast<uint32_t>(n.data.nr);
      key.kind = kind_of(n);
      key.peer_service = FBX_PEER_UNKNOWN;
      for (uint32_t i = 0; i < rules.size(); ++i)
        if (fbx_decide_one(&rules[i].rule, i, &hand->counters()[rules[i].rule.counter], &key, &d))
          break;
      seccomp_notif_resp r{};
      r.id = n.id;
      if (d.action == FBX_ACT_DENY)
        r.error = -d.errnum;
      else
        r.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
      ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &r);
    }
  }
  std::string wait_out() {
    std::string text;
    char piece[256];
    const uint64_t end = now_ns() + 20'000'000'000u;
    while (now_ns() < end) {
      pollfd p{out, POLLIN, 0};
      if (poll(&p, 1, 1000) <= 0) continue;
      const ssize_t n = read(out, piece, sizeof piece);
      if (n <= 0) break;
      text.append(piece, static_cast<size_t>(n));
    }
    return text;
  }
};

ShimRule every_third() {
  ShimRule rule = rule_for("write", FBX_KINDS_FILES, FBX_ACT_DENY, EIO);
  rule.rule.every = 3;
  return rule;
}

}  // namespace

TEST_CASE("the same calls are denied whatever way a program makes them") {
  struct Row {
    const char* way;
    bool shim;  // who must decide: the shim, or the supervisor alone
  };
  for (const Row& row : {Row{"plt", true},
                         {"writev", true},
                         {"pwrite", true},
                         {"pwritev", true},
                         {"signal", true},
                         {"thread", true},
                         {"fork", true},
                         {"vfork", true},
                         {"spawn", true},
                         {"closes", true},
                         {"raw", false},
                         {"stdio", false},
                         {"static", false},
                         {"bare", false}}) {
    CAPTURE(row.way);
    Bench b;
    b.set({every_third()});
    b.start({FBX_SHIM_VICTIM, row.way, FBX_SHIM_VICTIM_STATIC});
    CHECK(b.wait_out() == "..E..E..E done\n");
    const auto report = b.hand->read();
    CHECK(report.damage == "");
    CHECK(report.lost + report.undecided + report.torn + report.bare == 0);
    CHECK(report.entries.size() == (row.shim ? 9 : 0));
    if (!row.shim) CHECK(b.supervised >= 9);
    if (row.shim) CHECK(b.hand->name(report.entries[0].name) == b.folder + "/out");
    CHECK(b.hand->counters()[0].fired == 3);
  }
}

TEST_CASE("a shell pipeline and python meet the same failing disk") {
  for (std::vector<std::string> argv :
       {std::vector<std::string>{"/bin/sh", "-c",
                                 "echo hi | cat > $OUT 2>/dev/null || echo failed"},
        {"/usr/bin/env", "python3", "-c",
         "import os\ntry: os.write(os.open(os.environ['OUT'],os.O_WRONLY|os.O_CREAT),b'x')\n"
         "except OSError as e: print('failed' if e.errno == 5 else e)"}}) {
    CAPTURE(argv[0]);
    Bench b;
    b.set({rule_for("write", FBX_KINDS_FILES, FBX_ACT_DENY, EIO)});
    b.start(argv);
    CHECK(b.wait_out() == "failed\n");
    CHECK(b.hand->read().damage == "");
  }
}

TEST_CASE("a path rule hits the file it names and no other") {
  for (const char* glob : {"/tmp/*/out", "/tmp/*/other"}) {
    Bench b;
    ShimRule rule = every_third();
    rule.rule.wants_path = 1;
    rule.globs = {glob};
    b.set({rule});
    b.start({FBX_SHIM_VICTIM, "plt"});
    CHECK(b.wait_out() ==
          (std::string(glob).ends_with("out") ? "..E..E..E done\n" : "......... done\n"));
  }
}

TEST_CASE("lifting wakes a held call at once") {
  Bench b;
  ShimRule slow = rule_for("write", FBX_KINDS_FILES, FBX_ACT_DELAY, 0);
  slow.rule.delay_ns = 60'000'000'000u;
  b.set({slow});
  b.start({FBX_SHIM_VICTIM, "plt"});
  const uint64_t end = now_ns() + 10'000'000'000u;
  while (b.hand->read().entries.empty() && now_ns() < end) std::this_thread::yield();
  const uint64_t lifted = now_ns();
  b.set({});
  CHECK(b.wait_out() == "......... done\n");
  CHECK(now_ns() - lifted < 1'000'000'000u);
}

TEST_CASE("when the owner is gone every call passes") {
  Bench b(false);
  b.set({rule_for("write", FBX_KINDS_FILES, FBX_ACT_DENY, EIO)});
  const pid_t owner = fork();  // a process of its own holds a second segment and is killed
  REQUIRE(owner >= 0);
  if (owner == 0) {
    inject::ShimSetup setup{.library = FBX_SHIM_LIBRARY,
                            .path = b.folder + "/second",
                            .seen_as = "",
                            .calls = abi::numbers("write"),
                            .gated = {}};
    auto hand = ShimHand::create(setup);
    if (!hand || !(*hand)->publish(b.rules)) _exit(1);
    raise(SIGKILL);
  }
  int status = 0;
  waitpid(owner, &status, 0);
  REQUIRE(WIFSIGNALED(status));
  const int fd = open((b.folder + "/second").c_str(), O_RDONLY | O_CLOEXEC);
  fbx_shim_head head{};
  REQUIRE(pread(fd, &head, sizeof head, 0) == sizeof head);
  close(fd);
  unlink((b.folder + "/second").c_str());
  CHECK((head.owner & FBX_SHIM_OWNER_DIED) != 0);
  b.hand->end();
  b.start({FBX_SHIM_VICTIM, "plt"}, false);
  CHECK(b.wait_out() == "......... done\n");
}

TEST_CASE("rubbish in the segment is noticed and harms nobody but the service") {
  Bench b(false, "mkdir");
  b.set({rule_for("mkdir", FBX_KINDS_ANY, FBX_ACT_DENY, EIO)});
  b.start({FBX_SHIM_VICTIM, "scribble"}, false);
  b.wait_out();
  const auto report = b.hand->read();
  CHECK(report.damage != "");
  for (uint32_t id = 0; id < 5000; ++id) (void)b.hand->name(id);
  CHECK(b.hand->publish({}));
}

// The victim never stops writing; a call that begins after an install or a lift has returned must
// meet it. It tells what it met through the ring (denied) and the file's size (passed).
TEST_CASE("ten thousand installs and lifts under load, no call half-way") {
  Bench b;
  b.set({});
  b.start({FBX_SHIM_VICTIM, "load"});
  const ShimRule deny = rule_for("write", FBX_KINDS_FILES, FBX_ACT_DENY, EIO);
  uint64_t late = 0, torn = 0, denied = 0;
  for (int i = 0; i < 10'000; ++i) {
    REQUIRE(b.hand->publish({deny}));
    if (i % 16 == 0) {  // let it bind
      const uint64_t begun = b.hand->begun(), end = now_ns() + 5'000'000'000u;
      while (b.hand->begun() == begun && now_ns() < end) sched_yield();
      CHECK(b.hand->begun() != begun);
    }
    REQUIRE(b.hand->publish({}));
    const uint64_t lifted = now_ns();
    const auto report = b.hand->read();
    REQUIRE(report.damage == "");
    torn = report.torn + report.lost + report.undecided;
    for (const fbx_shim_entry& e : report.entries) {
      denied += e.action == FBX_ACT_DENY;
      // Even generations are installs: 1 is the empty set of the beginning.
      late += e.generation % 2 != 0 || e.begin_ns > lifted;
      REQUIRE(e.errnum == EIO);
      REQUIRE(e.matched == 1);
    }
  }
  CHECK(late == 0);
  CHECK(torn == 0);
  CHECK(denied > 0);
  CHECK(kill(b.pid, 0) == 0);
}

TEST_CASE("a process with a listener of its own is told, not half faulted") {
  Bench b;
  std::vector<std::string> env = b.hand->environment();
  env.push_back("OUT=" + b.folder + "/out");
  b.pid = fork();
  if (b.pid == 0) {
    sock_filter pass = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    sock_fprog prog{1, &pass};
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    const long fd =
        syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &prog);
    if (fd < 0 || dup2(static_cast<int>(fd), 100) != 100) _exit(1);  // survives exec
    std::vector<char*> e;
    for (auto& word : env) e.push_back(word.data());
    e.push_back(nullptr);
    dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), 1);
    execle(FBX_SHIM_VICTIM, FBX_SHIM_VICTIM, "closes", nullptr, e.data());
    _exit(127);
  }
  const auto fd = b.hand->take_listener(b.pid, now_ns() + 10'000'000'000u);
  REQUIRE(!fd);
  CHECK(fd.error().errnum == EBUSY);
  waitpid(b.pid, nullptr, 0);
  b.pid = -1;
  CHECK(b.hand->read().bare == 1);
}
