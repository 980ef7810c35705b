// SPDX-License-Identifier: Apache-2.0
//
// What program files say of themselves. The files are this machine's own, and copies of them.
#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "runner/inject/program.h"

using fbx::inject::look_at_program;
using fbx::inject::Program;

namespace {

namespace fs = std::filesystem;

struct Folder {
  std::string path;
  Folder() {
    char name[] = "/tmp/fbx-program-XXXXXX";
    REQUIRE(mkdtemp(name) != nullptr);
    path = name;
  }
  ~Folder() { fs::remove_all(path); }
  std::string copy(const char* name, mode_t mode) const {
    const std::string to = path + "/" + name;
    fs::copy_file("/proc/self/exe", to);
    REQUIRE(chmod(to.c_str(), mode) == 0);
    return to;
  }
  std::string write(const char* name, const std::string& text) const {
    const std::string to = path + "/" + name;
    std::ofstream(to) << text;
    return to;
  }
};

TEST_CASE("a dynamically linked program is reached, and known by its build id") {
  const Folder folder;
  const Program self = look_at_program("/proc/self/exe");
  CHECK(self.past_preload.empty());
  CHECK(self.past_libc.empty());
  CHECK(self.identity.find('/') == std::string::npos);
  CHECK(look_at_program(folder.copy("copy", 0755)).identity == self.identity);
}

TEST_CASE("what a preloaded library does not reach, and why") {
  const Folder folder;
  CHECK(look_at_program(folder.copy("setuid", 04755)).past_preload ==
        "is setuid, and ignores LD_PRELOAD");
  CHECK(look_at_program(folder.path + "/none").past_preload == "can't be read");
  CHECK(look_at_program(folder.write("text", "hello")).past_preload == "is no ELF program");
  CHECK(look_at_program(folder.write("loop", "#!" + folder.path + "/loop\n")).past_preload ==
        "is no program");
  // A header that promises more than there is.
  std::string head(64, '\0');
  head.replace(0, 6, "\177ELF\2\1");
  head[54] = 56;  // e_phentsize
  head[56] = 4;   // e_phnum
  CHECK(look_at_program(folder.write("cut", head)).past_preload == "is linked statically");
}

TEST_CASE("shells and their scripts are better served by the supervisor") {
  const Folder folder;
  CHECK(look_at_program("/bin/sh").past_libc == "is a shell");
  CHECK(look_at_program(folder.write("script", "#!/bin/sh -e\n")).past_libc == "is a shell");
  CHECK(look_at_program(folder.write("env", "#!/usr/bin/env python3\n")).past_libc.empty());
}

}  // namespace
