// SPDX-License-Identifier: Apache-2.0
//
// What of services needs no kernel: names, addresses, environments, messages, binaries.
#include <sys/stat.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <doctest/doctest.h>

#include "runner/service/binary.h"
#include "runner/service/environment.h"
#include "runner/service/ready_parts.h"
#include "runner/service/service_state.h"

using namespace fbx;
using namespace fbx::service;

namespace {

struct Folder {
  std::string path;
  Folder() {
    char name[] = "/tmp/fbx-unit-XXXXXX";
    path = ::mkdtemp(name);
  }
  ~Folder() { std::filesystem::remove_all(path); }
  void write(const std::string& name, const std::string& text, unsigned mode) const {
    std::ofstream(path + "/" + name) << text;
    ::chmod((path + "/" + name).c_str(), mode);
  }
};

bool has(const std::vector<std::string>& all, const std::string& one) {
  return std::ranges::find(all, one) != all.end();
}

}  // namespace

TEST_CASE("health check targets") {
  const struct {
    const char *text, *host, *path;
    uint16_t port;
    size_t addresses;
    bool http;
  } rows[] = {
      {"localhost:5432", "localhost", "", 5432, 2, false},
      {"tcp://127.0.0.1:1", "127.0.0.1", "", 1, 1, false},
      {"[::1]:80", "::1", "", 80, 1, false},
      {"http://localhost:8080/health", "localhost", "/health", 8080, 2, true},
      {"localhost:8080/a?b=c#d", "localhost", "/a?b=c", 8080, 2, true},
      {"http://127.0.0.1", "127.0.0.1", "/", 80, 1, true},
  };
  for (const auto& row : rows) {
    CAPTURE(row.text);
    const auto target = row.http ? parse_http_target(row.text) : parse_tcp_target(row.text);
    REQUIRE(target);
    CHECK(target->host == row.host);
    CHECK(target->path == row.path);
    CHECK(target->port == row.port);
    CHECK(target->addresses.size() == row.addresses);
  }
  for (const char* bad : {"localhost", "localhost:", "localhost:0", "localhost:70000",
                          "example.org:80", "[::1", "localhost:8x"}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_tcp_target(bad));
  }
  CHECK_FALSE(parse_http_target("https://localhost:8443/"));
}

TEST_CASE("the environment is what the language says, and no more") {
  plan::Plan plan;
  plan.spec_dir = "/specs";
  plan.services.resize(2);
  plan.services[0].name = "order-svc";
  plan.services[0].interfaces = {{"public", plan::Protocol::kHttp, 8080, ""},
                                 {"admin", plan::Protocol::kUnix, 0, "/tmp/admin.sock"}};
  plan.services[1].name = "db";
  plan.services[1].inherit_env = {"PG*", "*"};
  plan.services[1].env = {{"DATA", "${spec_dir}/d:${spec_dir}"}, {"PGUSER", "me"}};
  const Variables caller{{"PATH", "/bin"},          {"PGUSER", "x"},   {"HOME", "/root"},
                         {"HTTPS_PROXY", "p"},      {"no_proxy", "q"}, {"LD_PRELOAD", "/x.so"},
                         {"LD_LIBRARY_PATH", "/l"}, {"SHELL", "sh"}};
  const Identity user{7, 7, {7}, "seven", "/home/seven"};
  CHECK(service_environment(plan, 0, user, caller).entries ==
        std::vector<std::string>{
            "FBX_ORDER_SVC_ADMIN_ADDR=/tmp/admin.sock", "FBX_ORDER_SVC_PUBLIC_ADDR=127.0.0.1:8080",
            "FBX_ORDER_SVC_PUBLIC_HOST=127.0.0.1", "FBX_ORDER_SVC_PUBLIC_PORT=8080",
            "HOME=/home/seven", "LANG=C.UTF-8", "PATH=/bin", "TMPDIR=/tmp", "USER=seven"});
  const Environment db = service_environment(plan, 1, user, caller);
  CHECK(has(db.entries, "DATA=/specs/d:/specs"));
  CHECK(has(db.entries, "PGUSER=me"));
  CHECK(has(db.entries, "LD_LIBRARY_PATH=/l"));
  CHECK(db.withheld == std::vector<std::string>{"HTTPS_PROXY", "no_proxy", "LD_PRELOAD"});
  for (const std::string& entry : db.entries) CHECK_FALSE(entry.starts_with("LD_PRELOAD"));
}

TEST_CASE("wait statuses and signals have names") {
  CHECK(describe_wait_status(0) == "exited with status 0");
  CHECK(describe_wait_status(3 << 8) == "exited with status 3");
  CHECK(describe_wait_status(SIGKILL) == "was killed by SIGKILL");
  CHECK(describe_wait_status(SIGSEGV | 0x80) == "was killed by SIGSEGV (core dumped)");
  CHECK(signal_number("SIGTERM") == SIGTERM);
  CHECK(signal_number("QUIT") == SIGQUIT);
  CHECK(signal_number("SIGFOO") == 0);
}

TEST_CASE("what can't be executed is found before anything starts") {
  const Folder folder;
  folder.write("good", "#!/bin/sh\n", 0755);
  folder.write("locked", "#!/bin/sh\n", 0644);
  folder.write("odd", "#!/no/such/interpreter -x\n", 0755);
  folder.write("text", "hello", 0755);
  std::string elf("\177ELF\2\1\1\0\0\0\0\0\0\0\0\0\2\0\363\0", 20);  // RISC-V
  folder.write("riscv", elf + std::string(100, '\0'), 0755);
  std::filesystem::create_directory(folder.path + "/dir");
  const struct {
    const char *binary, *code, *hint;
  } rows[] = {
      {"./good", "", ""},
      {"sh", "", ""},
      {"./god", "missing-binary", "good?"},
      {"no-such-program-at-all", "missing-binary", "install it"},
      {"./locked", "not-executable", "chmod +x"},
      {"./dir", "not-executable", ""},
      {"./odd", "missing-interpreter", ""},
      {"./text", "not-a-program", ""},
      {"./riscv", "wrong-architecture", "build it"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.binary);
    plan::Plan plan;
    plan.spec_dir = folder.path;
    plan.services.resize(1);
    plan.services[0].name = "it";
    plan.services[0].binary = row.binary;
    plan.services[0].place = {"x.star", 3, 7};
    const Diagnostics found = check_binaries(plan);
    REQUIRE(found.size() == (*row.code == '\0' ? 0 : 1));
    if (found.empty()) continue;
    CHECK(found[0].code.name() == row.code);
    CHECK(found[0].place.line == 3);
    CHECK(found[0].hint.find(row.hint) != std::string::npos);
  }
}

TEST_CASE("the sandbox is told of binaries, what they link to, and interpreters") {
  const Folder folder;
  folder.write("real", "#!/bin/sh\n", 0755);
  std::filesystem::create_symlink("real", folder.path + "/link");
  plan::Plan plan;
  plan.spec_dir = folder.path;
  plan.services.resize(1);
  plan.services[0].binary = "./link";
  const auto files = executed_files(plan);
  CHECK(has(files, folder.path + "/link"));
  CHECK(has(files, folder.path + "/real"));
  CHECK(has(files, "/bin/sh"));
}
