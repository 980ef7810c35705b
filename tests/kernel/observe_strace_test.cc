// SPDX-License-Identifier: Apache-2.0
//
// Watched by fbx and by `strace -f` at the same time: for each thread the same sequence of calls
// and results. Where the two may differ is said by rules about the kernel and about strace, each
// with its source, none about a program; anything else is a difference, shown with what stood
// around it.
#include <doctest/doctest.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "bpf/abi/tables.h"
#include "tests/kernel/observe_harness.h"

namespace {

using namespace fbx;
using namespace fbx::observe;
namespace t = fbx::observe::testing;

struct Call {
  std::string name;
  std::optional<int64_t> ret;  // unset: it did not return
  std::string path;            // of its path argument when that is absolute, else of its descriptor
};
using Threads = std::map<uint32_t, std::vector<Call>>;

std::string show(const Call& call) {
  return call.name + "(" + call.path + ") = " + (call.ret ? std::to_string(*call.ret) : "?");
}

// strace says of a path what it was given, so a relative one is not compared.
bool agree(const Call& strace, const Call& fbx) {
  return strace.name == fbx.name && strace.ret == fbx.ret &&
         (strace.path.empty() || strace.path == fbx.path);
}

// "= -1 ENOENT (No such…)", "= 3", "= 0x7f…", "= ?". errno names to numbers.
std::optional<int64_t> result_of(const std::string& text) {
  if (text.starts_with("?")) return std::nullopt;
  char* end = nullptr;
  const auto value = static_cast<int64_t>(std::strtoull(text.c_str(), &end, 0));
  if (value != -1 || *end != ' ') return value;
  const std::string name(end + 1, std::find_if(end + 1, end + std::strlen(end), [](char c) {
                           return !std::isalnum(static_cast<unsigned char>(c));
                         }));
  const auto number = abi::errno_number(name);
  return number ? -int64_t{*number} : value;
}

// `name("/path", …` or, by -y, `name(3</path>, …`.
std::string path_of(const abi::Syscall& row, const std::string& line) {
  const size_t open = line.find('(');
  if (row.arg(FBX_ARG_PATH) >= 0) {
    const size_t from = line.find('"', open);
    const size_t to = from == std::string::npos ? from : line.find('"', from + 1);
    if (to == std::string::npos || line[from + 1] != '/') return "";
    const std::string path = line.substr(from + 1, to - from - 1);
    return path.find('\\') == std::string::npos ? path : "";
  }
  if (row.arg(FBX_ARG_FD) != 0) return "";
  size_t at = open + 1;
  while (at < line.size() && std::isdigit(static_cast<unsigned char>(line[at]))) ++at;
  if (at == open + 1 || line.compare(at, 2, "</") != 0) return "";
  std::string path = line.substr(at + 1, line.find('>', at) - at - 1);
  constexpr std::string_view kDeleted = " (deleted)";
  if (path.ends_with(kDeleted)) path.resize(path.size() - kDeleted.size());
  return path;
}

// The last " = " stands before the result; strings in the arguments may hold others.
std::optional<Call> call_of(const std::string& name, const std::string& line) {
  const size_t at = line.rfind(" = ");
  if (at == std::string::npos) return std::nullopt;
  const abi::Syscall* row = abi::find_syscall(std::string_view(name));
  return Call{name, result_of(line.substr(at + 3)), row ? path_of(*row, line) : ""};
}

// strace(1), "-f -o": "PID name(args) = result", "PID name(args <unfinished ...>",
// "PID <... name resumed>args) = result", "PID +++ exited…", "PID --- SIGCHLD…". *first: whose line
// stands first.
Threads read_strace(const std::string& path, uint32_t* first) {
  Threads all;
  std::map<uint32_t, std::string> begun;
  std::ifstream in(path);
  for (std::string line; std::getline(in, line);) {
    char* rest = nullptr;
    const auto tid = static_cast<uint32_t>(std::strtoul(line.c_str(), &rest, 10));
    while (*rest == ' ') ++rest;
    if (*first == 0) *first = tid;
    std::string text = rest;
    if (text.starts_with("+++") || text.starts_with("---")) continue;
    std::string name;
    if (text.starts_with("<... ")) {
      name = text.substr(5, text.find(' ', 5) - 5);
      text = begun[tid] + text.substr(text.find('>') + 1);
      begun.erase(tid);
    } else {
      name = text.substr(0, text.find('('));
      if (const size_t end = text.find(" <unfinished ...>"); end != std::string::npos) {
        begun[tid] = text.substr(0, end);
        continue;
      }
    }
    if (auto call = call_of(name, text)) all[tid].push_back(*call);
  }
  for (const auto& [tid, text] : begun)
    all[tid].push_back({text.substr(0, text.find('(')), std::nullopt, ""});
  return all;
}

Threads read_store(EventStore& store) {
  Threads all;
  for (uint64_t seq = 1; seq <= store.size(); ++seq) {
    const Event& event = store.at(seq);
    if (event.type != EventType::kSyscall || store.string(event.exe) == "strace") continue;
    const abi::Syscall* row = abi::find_syscall(int{event.nr});
    Call call{row ? std::string(row->name) : "?", event.ret, ""};
    if (row) call.path = store.string(row->arg(FBX_ARG_PATH) >= 0 ? event.opened_as : event.path);
    if (event.state != CallState::kDone) call.ret = std::nullopt;
    all[event.tid].push_back(std::move(call));
  }
  return all;
}

struct Rule {
  const char* call;
  const char* source;  // why the two may differ there
};

// Calls that only one of the two shows, or shows with another result.
constexpr Rule kOneSided[] = {
    {"exit", "kernel/exit.c: do_exit never returns; strace prints '?', the record has its begin"},
    {"exit_group", "as exit"},
    {"rt_sigreturn", "arch/x86/kernel/signal_64.c: it returns the interrupted call's result"},
    {"restart_syscall", "kernel/signal.c: the record goes by the name of the call it restarts"},
};

bool one_sided(const std::string& name) {
  return std::ranges::any_of(kOneSided, [&](const Rule& rule) { return name == rule.call; });
}

std::vector<Call> comparable(const std::vector<Call>& calls) {
  std::vector<Call> out;
  for (const Call& call : calls)
    if (!one_sided(call.name)) out.push_back(call);
  return out;
}

// Whether a call that strace prints as "= ?" stands in the record as one of its own. It does when a
// signal ended it (kernel/signal.c: handle_signal(); a call that was restarted is one with its last
// result), and when it is the thread's last: ptrace(2) does not show how a call of a killed thread
// ends; the record does, with -ENOSYS when it had not been made yet (kernel/entry/common.c).
bool stands_alone(const Call& strace, bool last, const Call& fbx) {
  return strace.name == fbx.name && (last || fbx.ret == -EINTR || !fbx.ret);
}

// Where the two part; unset when they do not.
struct Parting {
  size_t strace, fbx;
};
std::optional<Parting> compare(const std::vector<Call>& strace, const std::vector<Call>& fbx) {
  size_t j = 0;
  for (size_t i = 0; i < strace.size(); ++i) {
    const bool there = j < fbx.size();
    if (!strace[i].ret) {
      j += there && stands_alone(strace[i], i + 1 == strace.size(), fbx[j]);
    } else if (there && agree(strace[i], fbx[j])) {
      ++j;
    } else {
      return Parting{i, j};
    }
  }
  // Killed where strace would have begun to print it.
  const bool never_made = j + 1 == fbx.size() && fbx[j].ret == -ENOSYS;
  if (j == fbx.size() || never_made) return std::nullopt;
  return Parting{strace.size(), j};
}

std::string around(const std::vector<Call>& strace, const std::vector<Call>& fbx, Parting at) {
  std::string out;
  for (int k = -3; k < 4; ++k) {
    const size_t i = at.strace + static_cast<size_t>(k), j = at.fbx + static_cast<size_t>(k);
    out += "  strace " + (i < strace.size() ? show(strace[i]) : "-") + "   fbx " +
           (j < fbx.size() ? show(fbx[j]) : "-") + "\n";
  }
  return out;
}

struct Row {
  const char* what;
  std::vector<std::string> argv;
  const char* needs;  // a file without which the row can't be played
};

// Runs it under strace, in a leaf that is watched. strace's own calls, and those of its children
// until they execute something else, are told by the name of the process.
void same_as_strace(const Row& row) {
  CAPTURE(std::string(row.what));
  REQUIRE_MESSAGE(access(row.needs, X_OK) == 0, row.needs, " is missing: scripts/setup");
  const std::string dir = t::scratch_dir(), out = dir + "/" + row.what + ".strace";
  auto observer = t::observer(64u << 20);
  TestWatch watch = t::watch(1, {"write"});
  watch.services[0].syscalls.clear();
  for (const abi::Syscall& call : abi::kSyscalls)
    if (call.nr() >= 0) watch.services[0].syscalls.push_back(static_cast<uint16_t>(call.nr()));
  std::ranges::sort(watch.services[0].syscalls);
  REQUIRE(observer->begin_test(watch));
  std::vector<std::string> argv = {"/usr/bin/strace", "-f", "-q", "-y", "-o", out, "-s", "0"};
  argv.insert(argv.end(), row.argv.begin(), row.argv.end());
  t::Victim victim("a", argv);
  const pid_t tracer = victim.pid();
  for (std::string line; !(line = victim.line()).empty();) REQUIRE(observer->pump());
  CHECK(victim.wait() == 0);
  REQUIRE(observer->end_test());
  CHECK(observer->loss().exact());

  uint32_t first = 0;
  Threads theirs = read_strace(out, &first), ours = read_store(observer->store());
  ours.erase(static_cast<uint32_t>(tracer));
  size_t compared = 0, paths = 0;
  for (auto& [tid, calls] : theirs) {
    std::vector<Call> expected = comparable(calls);
    const std::vector<Call> got = comparable(ours[tid]);
    // The exec by which strace's child became the program is strace's, to us.
    if (tid == first && !expected.empty()) expected.erase(expected.begin());
    compared += expected.size();
    for (const Call& call : expected) paths += !call.path.empty();
    if (const auto at = compare(expected, got))
      FAIL_CHECK("thread " << tid << ", call " << at->strace << "\n" << around(expected, got, *at));
  }
  for (const auto& [tid, calls] : ours)
    if (!theirs.contains(tid) && !comparable(calls).empty())
      FAIL_CHECK("thread " << tid << " is unknown to strace: " << show(comparable(calls).front()));
  CHECK(compared > 100);
  CHECK(paths > 50);
  MESSAGE(std::string(row.what), ": ", compared, " calls (", paths, " with paths) of ",
          theirs.size(), " threads");
}

void write_file(const std::string& path, const std::string& text) {
  std::ofstream(path) << text;
}

TEST_CASE("a shell pipeline") {
  same_as_strace(
      {"pipeline",
       {"/bin/sh", "-c", "cd / && ls -l /etc /nowhere 2>&1 | sort | grep -v root | wc -l; true"},
       "/bin/sh"});
}

TEST_CASE("a static program with threads") {
  const std::string program = std::string(FBX_VICTIMS) + "/static/threaded_writer";
  same_as_strace({"static",
                  {"/usr/bin/env", "DIR=" + t::scratch_dir(), "THREADS=4", "ROUNDS=50", program},
                  program.c_str()});
}

TEST_CASE("a static Go program") {
  same_as_strace({"go", {FBX_STRACE_GO, t::scratch_dir()}, FBX_STRACE_GO});
}

TEST_CASE("make") {
  const std::string dir = t::scratch_dir();
  write_file(
      dir + "/Makefile",
      "all: a b c\n\tcat a b c > all\na:\n\techo a > a\nb: a\n\tcp a b\nc: b\n\tsed s/a/c/ b "
      "> c; ln -sf c d; rm d\n");
  same_as_strace({"make", {"/usr/bin/make", "-j2", "-C", dir}, "/usr/bin/make"});
}

TEST_CASE("git") {
  const std::string repo = t::scratch_dir() + "/repo";
  same_as_strace({"git",
                  {"/bin/sh", "-c",
                   "git init -q " + repo + " && cd " + repo +
                       " && echo x > f && git add f && git -c user.name=a -c user.email=a@b commit "
                       "-qm one && git log --stat | cat && git gc -q"},
                  "/usr/bin/git"});
}

TEST_CASE("Python") {
  same_as_strace(
      {"python",
       {"/usr/bin/python3", "-c",
        "import os,subprocess,socket,threading,tempfile,json\n"
        "d=tempfile.mkdtemp()\n"
        "for i in range(20):\n"
        "  open(d+'/%d'%i,'w').write('x'*i)\n"
        "  os.rename(d+'/%d'%i,d+'/r%d'%i)\n"
        "try: os.open('/nowhere',0)\n"
        "except OSError: pass\n"
        "a,b=socket.socketpair()\n"
        "ts=[threading.Thread(target=lambda: (a.send(b'x'), b.recv(1))) for _ in range(4)]\n"
        "[x.start() for x in ts]; [x.join() for x in ts]\n"
        "s=socket.socket(); s.bind(('127.0.0.1',0)); s.listen()\n"
        "c=socket.create_connection(s.getsockname()); x,_=s.accept(); c.sendall(b'hi'); "
        "x.recv(2)\n"
        "subprocess.run(['true'])\n"
        "[os.unlink(d+'/'+f) for f in os.listdir(d)]; os.rmdir(d)\n"},
       "/usr/bin/python3"});
}

TEST_CASE("redis under load") {
  same_as_strace(
      {"redis",
       {"/bin/sh", "-c",
        "redis-server --port 0 --unixsocket " + t::scratch_dir() + "/r.sock --dir " +
            t::scratch_dir() +
            " --appendonly yes --daemonize no >/dev/null & "
            "until redis-cli -s " +
            t::scratch_dir() +
            "/r.sock ping >/dev/null 2>&1; do :; "
            "done; redis-benchmark -s " +
            t::scratch_dir() + "/r.sock -n 500 -c 5 -t set -q >/dev/null; redis-cli -s " +
            t::scratch_dir() + "/r.sock shutdown; wait"},
       "/usr/bin/redis-server"});
}

}  // namespace
