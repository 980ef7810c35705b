// SPDX-License-Identifier: Apache-2.0
#include "tests/kernel/observe_harness.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "bpf/abi/tables.h"
#include "runner/observe/cgroup2.h"

namespace fbx::observe::testing {
namespace {

[[noreturn]] void give_up(const std::string& why) {
  fprintf(stderr, "observe test: %s\n", why.c_str());
  exit(1);
}

uint64_t id_of(int fd) {
  struct stat st;
  if (fstat(fd, &st) != 0) give_up("fstat of a cgroup");
  return st.st_ino;
}

void move_self(const std::string& dir) {
  std::ofstream procs(dir + "/cgroup.procs");
  procs << 0 << std::flush;
  if (!procs) give_up("moving into " + dir);
}

pid_t clone_into(int cgroup_fd) {
  clone_args args{};
  args.flags = CLONE_INTO_CGROUP;
  args.exit_signal = SIGCHLD;
  args.cgroup = static_cast<uint64_t>(cgroup_fd);
  const long pid = syscall(SYS_clone3, &args, sizeof args);
  if (pid < 0) give_up(std::string("clone3: ") + strerror(errno));
  return static_cast<pid_t>(pid);
}

}  // namespace

Run& Run::get() {
  static Run run;
  return run;
}

Run::Run() {
  owner_ = getpid();
  const Result<std::string> mount = cgroup2_mount();
  if (!mount) give_up(mount.error().text());
  dir_ = *mount + "/fbx-observe-test-" + std::to_string(getpid());
  if (mkdir(dir_.c_str(), 0755) != 0) give_up("mkdir " + dir_ + ": " + strerror(errno));
  const int own = leaf("own");
  own_id_ = id_of(own);
  move_self(dir_ + "/own");
  auto object = BpfObject::open();
  if (!object) give_up(object.error().text());
  object_ = std::move(*object);
  BpfObserver::enable(*object_);
  if (Granted loaded = object_->load(); !loaded) give_up(loaded.error().text());
  const int dir = open(dir_.c_str(), O_DIRECTORY | O_CLOEXEC);
  if (Granted attached = object_->attach(dir); !attached) give_up(attached.error().text());
  close(dir);
}

Run::~Run() {
  if (getpid() != owner_) return;
  const Result<std::string> mount = cgroup2_mount();
  if (mount) move_self(*mount);
  for (const auto& [name, fd] : leaves_) {
    std::ofstream(dir_ + "/" + name + "/cgroup.kill") << 1 << std::flush;
    close(fd);
    std::error_code ignored;  // what a test that failed left below its leaf
    for (const auto& entry : std::filesystem::directory_iterator(dir_ + "/" + name, ignored))
      if (entry.is_directory()) rmdir(entry.path().c_str());
    // Removal waits for the killed; the kernel says EBUSY until they are gone.
    for (int i = 0; i < 2000 && rmdir((dir_ + "/" + name).c_str()) != 0 && errno == EBUSY; ++i)
      waitpid(-1, nullptr, WNOHANG), usleep(500);
  }
  rmdir(dir_.c_str());
}

int Run::leaf(const std::string& name) {
  if (const auto known = leaves_.find(name); known != leaves_.end()) return known->second;
  const std::string path = dir_ + "/" + name;
  if (mkdir(path.c_str(), 0755) != 0) give_up("mkdir " + path);
  const int fd = open(path.c_str(), O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) give_up("open " + path);
  leaves_[name] = fd;
  return fd;
}

uint64_t Run::leaf_id(const std::string& name) { return id_of(leaf(name)); }

Victim::Victim(const std::string& leaf, std::vector<std::string> argv) {
  int out[2], in[2];
  if (pipe2(out, O_CLOEXEC) != 0 || pipe2(in, O_CLOEXEC) != 0) give_up("pipe2");
  std::vector<char*> words;
  for (std::string& word : argv) words.push_back(word.data());
  words.push_back(nullptr);
  pid_ = clone_into(Run::get().leaf(leaf));
  if (pid_ == 0) {
    dup2(in[0], 0);
    dup2(out[1], 1);
    execv(words[0], words.data());
    _exit(127);
  }
  close(out[1]);
  close(in[0]);
  out_ = out[0];
  in_ = in[1];
}

Victim::Victim(const std::string& leaf, const std::function<int()>& body) {
  scratch_dir();  // ours, not the child's, which would not remove it
  pid_ = clone_into(Run::get().leaf(leaf));
  if (pid_ == 0) _exit(body());
}

Victim::~Victim() {
  close_input();
  if (!reaped_) {
    kill(pid_, SIGKILL);
    wait();
  }
  if (out_ >= 0) close(out_);
}

int Victim::wait() {
  if (!reaped_) {
    while (waitpid(pid_, &status_, 0) < 0 && errno == EINTR) {
    }
    reaped_ = true;
  }
  return status_;
}

bool Victim::ended() {
  if (!reaped_) reaped_ = waitpid(pid_, &status_, WNOHANG) == pid_;
  return reaped_;
}

std::string Victim::output() {
  std::string all;
  char buffer[4096];
  for (ssize_t got; (got = read(out_, buffer, sizeof buffer)) > 0;)
    all.append(buffer, static_cast<size_t>(got));
  return all;
}

std::string Victim::line() {
  std::string text;
  for (char c; read(out_, &c, 1) == 1 && c != '\n';) text += c;
  return text;
}

void Victim::say(const std::string& text) {
  if (write(in_, text.data(), text.size()) < 0) give_up("writing to a victim");
}

void Victim::close_input() {
  if (in_ >= 0) close(in_);
  in_ = -1;
}

std::unique_ptr<BpfObserver> observer(uint32_t ring_bytes) {
  auto made = BpfObserver::create(Run::get().object(), 0, {.ring_bytes = ring_bytes});
  if (!made) give_up(made.error().text());
  return std::move(*made);
}

TestWatch watch(int services, const std::vector<std::string>& keywords) {
  TestWatch all;
  all.client_cgroup_id = Run::get().own_id();
  std::vector<uint16_t> calls;
  for (const std::string& keyword : keywords) {
    const std::vector<uint16_t> meant = abi::numbers(keyword);
    if (meant.empty()) give_up("no such call: " + keyword);
    calls.insert(calls.end(), meant.begin(), meant.end());
  }
  std::ranges::sort(calls);
  for (int i = 0; i < services; ++i)
    all.services.push_back({.index = static_cast<int16_t>(i),
                            .cgroup_id = Run::get().leaf_id(std::string(1, static_cast<char>('a' + i))),
                            .syscalls = calls});
  return all;
}

std::vector<Event> events(EventStore& store, int16_t service, const std::string& keyword) {
  const std::vector<uint16_t> meant = abi::numbers(keyword);
  std::vector<Event> found;
  for (uint64_t seq = 1; seq <= store.size(); ++seq) {
    const Event& event = store.at(seq);
    if (event.service != service || event.type != EventType::kSyscall) continue;
    if (!keyword.empty() && !std::ranges::binary_search(meant, event.nr)) continue;
    found.push_back(event);
  }
  return found;
}

std::string show(EventStore& store, const Event& event) {
  const abi::Syscall* row = abi::find_syscall(event.nr);
  std::string text = row ? std::string(row->name) : std::to_string(event.nr);
  text += " = " + std::to_string(event.ret) + " fd " + std::to_string(event.fd) + " kind " +
          std::to_string(static_cast<int>(event.on)) + " flags " + std::to_string(event.flags);
  text += " path '" + std::string(store.string(event.path)) + "' as '" +
          std::string(store.string(event.opened_as)) + "' peer " + std::to_string(event.peer) +
          " '" + std::string(store.string(event.peer_text)) + "'";
  return text;
}

std::string scratch_dir() {
  struct Dir {
    std::string path;
    pid_t owner = getpid();
    Dir() {
      char pattern[] = "/tmp/fbx-observe-XXXXXX";
      if (!mkdtemp(pattern)) give_up("mkdtemp");
      path = pattern;
      chmod(pattern, 0755);
    }
    ~Dir() {
      std::error_code ignored;
      if (getpid() == owner) std::filesystem::remove_all(path, ignored);
    }
  };
  static Dir dir;
  return dir.path;
}

std::string victim(const std::string& name) {
  return (std::filesystem::read_symlink("/proc/self/exe").parent_path() / name).string();
}

}  // namespace fbx::observe::testing
