// SPDX-License-Identifier: Apache-2.0
#include "tests/kernel/inject_harness.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <set>

#include "bpf/abi/tables.h"
#include "runner/inject/hooks.h"
#include "runner/inject/probe.h"
#include "runner/inject/seccomp_filter.h"
#include "runner/observe/cgroup2.h"

namespace fbx::inject::testing {
namespace {

constexpr const char* kNames[] = {"orders", "inventory", "third"};

[[noreturn]] void give_up(const std::string& why) {
  fprintf(stderr, "inject test: %s: %s\n", why.c_str(), strerror(errno));
  exit(1);
}

uint64_t id_of(int fd) {
  struct stat st{};
  if (fstat(fd, &st) != 0) give_up("fstat of a cgroup");
  return st.st_ino;
}

void move_self(const std::string& dir) {
  std::ofstream procs(dir + "/cgroup.procs");
  procs << 0 << std::flush;
  if (!procs) give_up("moving into " + dir);
}

void enter_fresh_network() {
  if (unshare(CLONE_NEWNET) != 0) give_up("unshare(CLONE_NEWNET)");
  const sandbox::Fd fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq request{};
  strcpy(request.ifr_name, "lo");
  request.ifr_flags = IFF_UP;
  if (ioctl(fd.get(), SIOCSIFFLAGS, &request) != 0) give_up("lo up");
}

// The run of this test program: made on first use, attached once, removed at exit.
class Run {
 public:
  static Run& get() {
    static Run run;
    return run;
  }
  Run();
  ~Run();
  [[nodiscard]] int leaf(size_t i) const { return leaves_[i]; }
  [[nodiscard]] uint64_t leaf_id(size_t i) const { return id_of(leaves_[i]); }
  observe::BpfObject& object() { return *object_; }
  uint64_t own_id = 0;

 private:
  std::string dir_;
  std::vector<int> leaves_;
  std::unique_ptr<observe::BpfObject> object_;
  pid_t owner_ = getpid();
};

Run::Run() {
  const Result<std::string> mount = observe::cgroup2_mount();
  if (!mount) give_up(mount.error().text());
  dir_ = *mount + "/fbx-inject-test-" + std::to_string(getpid());
  if (mkdir(dir_.c_str(), 0755) != 0) give_up("mkdir " + dir_);
  for (const char* name : {"orders", "inventory", "third", "own"}) {
    const std::string path = dir_ + "/" + name;
    if (mkdir(path.c_str(), 0755) != 0) give_up("mkdir " + path);
    leaves_.push_back(open(path.c_str(), O_DIRECTORY | O_CLOEXEC));
  }
  own_id = id_of(leaves_[3]);
  move_self(dir_ + "/own");
  enter_fresh_network();
  auto object = observe::BpfObject::open();
  if (!object) give_up(object.error().text());
  object_ = std::move(*object);
  observe::BpfObserver::enable(*object_);
  enable_hooks(*object_, Hooks::all());
  if (auto loaded = object_->load(); !loaded) give_up(loaded.error().text());
  const sandbox::Fd dir(open(dir_.c_str(), O_DIRECTORY | O_CLOEXEC));
  if (auto attached = object_->attach(dir.get()); !attached) give_up(attached.error().text());
}

Run::~Run() {
  if (getpid() != owner_) return;
  if (const Result<std::string> mount = observe::cgroup2_mount()) move_self(*mount);
  for (int leaf : leaves_) close(leaf);
  for (const char* name : {"orders", "inventory", "third", "own"}) {
    const std::string path = dir_ + "/" + name;
    std::ofstream(path + "/cgroup.kill") << 1 << std::flush;
    for (int i = 0; i < 2000 && rmdir(path.c_str()) != 0 && errno == EBUSY; ++i)
      waitpid(-1, nullptr, WNOHANG), usleep(500);
  }
  rmdir(dir_.c_str());
}

struct Shared {
  std::atomic<int> listener{0};  // +1; 0 = not yet
  std::atomic<int> go{0};
};

pid_t clone_into(int cgroup_fd) {
  clone_args args{};
  args.flags = CLONE_INTO_CGROUP;
  args.exit_signal = SIGCHLD;
  args.cgroup = static_cast<uint64_t>(cgroup_fd);
  const long pid = syscall(SYS_clone3, &args, sizeof args);
  if (pid < 0) give_up("clone3");
  return static_cast<pid_t>(pid);
}

// Between filter and adoption the child makes no system call.
void become_supervised(Shared* shared, const std::vector<sock_filter>& program) {
  if (!program.empty()) {
    const int fd = install_seccomp(program.data(), static_cast<uint16_t>(program.size()));
    shared->listener = fd >= 0 ? fd + 1 : -1;
  }
  while (!shared->go) {
  }
}

sandbox::Fd fetch_listener(pid_t child, const Shared& shared) {
  while (!shared.listener) sched_yield();
  if (shared.listener < 0) give_up("the child could not install its filter");
  const sandbox::Fd pidfd(static_cast<int>(syscall(SYS_pidfd_open, child, 0)));
  sandbox::Fd fd(
      static_cast<int>(syscall(SYS_pidfd_getfd, pidfd.get(), shared.listener.load() - 1, 0)));
  if (!fd) give_up("pidfd_getfd");
  return fd;
}

}  // namespace

Service::~Service() {
  close(to_);
  close(from_);
  if (reaped_) return;
  kill(pid_, SIGKILL);
  wait();
}

void Service::say(char c) {
  if (write(to_, &c, 1) != 1) give_up("talking to a service");
}

char Service::hear() {
  char c = 0;
  return read(from_, &c, 1) == 1 ? c : '\0';
}

int Service::wait() {
  int status = 0;
  while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  reaped_ = true;
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

void Line::say(char c) const {
  if (write(out, &c, 1) != 1) _exit(99);
}

char Line::hear() const {
  char c = 0;
  return read(in, &c, 1) == 1 ? c : '\0';
}

World::World(const std::vector<Wish>& wishes) {
  Run& run = Run::get();
  static_cast<void>(scratch_dir());  // made by the test itself, not by a service
  for (const char* name : kNames) {
    plan::Service service;
    service.name = name;
    plan.services.push_back(std::move(service));
  }
  plan::Test test;
  test.name = "test_inject";
  for (const Wish& wish : wishes) {
    plan::Need need;
    need.kind = wish.kind;
    need.service = wish.service;
    need.syscall = wish.keyword;
    need.mode = "refuse";
    test.needs.push_back(std::move(need));
  }
  plan.tests.push_back(std::move(test));

  auto made = observe::BpfObserver::create(run.object(), 0);
  if (!made) give_up(made.error().text());
  observer = std::move(*made);
  observe::TestWatch watch;
  watch.client_cgroup_id = run.own_id;
  TestInject inject{.plan = &plan, .test = 0, .seed = 7, .services = {}, .store = nullptr};
  for (int16_t i = 0; i < 3; ++i) {
    std::set<uint16_t> calls;
    for (const Wish& wish : wishes)
      if (wish.service == i && wish.kind != plan::Need::Kind::kPartition)
        for (uint16_t nr : keyword_calls(plan.services[0], wish.keyword)) calls.insert(nr);
    calls.insert(SYS_connect);
    watch.services.push_back(
        {i, run.leaf_id(static_cast<size_t>(i)), {calls.begin(), calls.end()}});
    inject.services.push_back({i, run.leaf_id(static_cast<size_t>(i))});
  }
  if (Status s = observer->begin_test(watch); !s) give_up(s.error().text());
  inject.store = &observer->store();
  probe_loaded(run.object(), capabilities);
  auto injector_made = MainInjector::create({.object = &run.object(),
                                             .worker = 0,
                                             .observer = observer.get(),
                                             .capabilities = capabilities});
  if (!injector_made) give_up(injector_made.error().text());
  injector = std::move(*injector_made);
  if (Status s = injector->begin_test(inject); !s) give_up(s.error().text());
}

World::~World() {
  static_cast<void>(injector->end_test());
  static_cast<void>(observer->end_test());
}

std::unique_ptr<Service> World::start(int16_t service, std::function<int(const Line&)> body) {
  auto needs = injector->birth_needs(service);
  if (!needs) give_up(needs.error().text());
  return born(service, seccomp_program(needs->supervised), body);
}

std::unique_ptr<Service> World::start_unfiltered(int16_t service,
                                                 std::function<int(const Line&)> body) {
  return born(service, {}, body);
}

std::unique_ptr<Service> World::born(int16_t service, const std::vector<sock_filter>& program,
                                     const std::function<int(const Line&)>& body) {
  int to[2], from[2];
  if (pipe2(to, O_CLOEXEC) != 0 || pipe2(from, O_CLOEXEC) != 0) give_up("pipe2");
  void* page =
      mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  auto* shared = new (page) Shared;
  const pid_t pid = clone_into(Run::get().leaf(static_cast<size_t>(service)));
  if (pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    close(to[1]);
    close(from[0]);
    become_supervised(shared, program);
    _exit(body(Line{to[0], from[1]}));
  }
  close(to[0]);
  close(from[1]);
  if (!program.empty())
    if (Status s = injector->adopt_listener(service, fetch_listener(pid, *shared).release()); !s)
      give_up(s.error().text());
  shared->go = 1;
  return std::make_unique<Service>(pid, to[1], from[0]);
}

model::RuleSpec World::deny(uint32_t service, const std::string& keyword, int errnum) {
  model::RuleSpec rule;
  rule.service = service;
  rule.keyword = keyword;
  rule.errnum = errnum;
  rule.errname = std::string(abi::errno_name(errnum));
  rule.display = keyword + "=deny(\"" + rule.errname + "\")";
  return rule;
}

model::RuleSpec World::delay(uint32_t service, const std::string& keyword, int64_t ms) {
  model::RuleSpec rule;
  rule.service = service;
  rule.keyword = keyword;
  rule.action = model::RuleSpec::Action::kDelay;
  rule.delay_ns = ms * 1'000'000;
  rule.display = keyword + "=delay(\"" + std::to_string(ms) + "ms\")";
  return rule;
}

Status World::install(std::vector<model::RuleSpec> rules, model::ScopeId scope) {
  return injector->install(model::InstallFaults{.scope = scope, .rules = std::move(rules)});
}

Status World::cut(std::vector<uint32_t> a, std::vector<uint32_t> b, model::ScopeId scope,
                  model::InstallPartition::Mode mode) {
  model::InstallPartition what;
  what.scope = scope;
  what.a = std::move(a);
  what.b = std::move(b);
  what.mode = mode;
  what.display = "partition(orders, inventory)";
  return injector->install(what);
}

const std::vector<RuleEntry>& World::collect() {
  const auto barrier = observer->barrier(1'000'000'000);
  if (!barrier) give_up(barrier.error().text());
  if (Status s = injector->collect(); !s) give_up(s.error().text());
  return injector->log().rules;
}

std::vector<observe::Event> World::decided(int16_t service, const std::string& keyword) {
  std::vector<observe::Event> out;
  observe::EventStore& store = observer->store();
  for (uint16_t nr : abi::numbers(keyword))
    for (uint64_t seq : store.of(service, nr))
      if (store.at(seq).decision) out.push_back(store.at(seq));
  return out;
}

std::string show(const RuleEntry& entry) {
  std::string text = entry.display + ": matched " + std::to_string(entry.matched) + ", fired " +
                     std::to_string(entry.fired);
  for (const std::string& escape : entry.escapes) text += "; escape: " + escape;
  return text;
}

std::string scratch_dir() {
  struct Scratch {
    std::string path = "/tmp/fbx-inject-test-" + std::to_string(getpid());
    pid_t owner = getpid();
    Scratch() { std::filesystem::create_directories(path); }
    ~Scratch() {
      if (getpid() == owner) std::filesystem::remove_all(path);
    }
  };
  static const Scratch scratch;
  return scratch.path;
}

}  // namespace fbx::inject::testing
