// SPDX-License-Identifier: Apache-2.0
//
// The sandbox on a real kernel, as root: what a process in it sees, and that nothing stays.
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <algorithm>
#include <csignal>
#include <filesystem>

#include <doctest/doctest.h>

#include "base/clock.h"
#include "runner/sandbox/process.h"
#include "runner/sandbox/sandbox.h"
#include "tests/kernel/sandbox_support.h"

using namespace fbx;
using namespace fbx::test;

namespace {

sandbox::SandboxOptions with_spec(const std::string& dir) {
  sandbox::SandboxOptions options;
  options.spec_dir = dir;
  options.services = 2;
  return options;
}

void expect_gone(Judge& judge, sandbox::Sandbox& place) {
  for (const std::string& line : place.destroy()) judge.expect(false, "left: " + line);
}

bool is_a_network(const std::string& name) {
  return std::ranges::count(namespaces("net"), name) != 0;
}

const service::Identity kSomebody{12345, 12345, {12345}, "12345", "/"};

}  // namespace

TEST_CASE("a test sees its own /tmp, /proc and network, and leaves nothing") {
  const ScratchFolder folder;
  folder.write("spec/data.txt", "from the host");
  in_worker([&](Judge& judge) {
    auto place = make_sandbox(judge, 1, with_spec(folder.path() + "/spec"));
    if (!place) return;
    judge.expect_eq(sh(judge, *place, "ls -A /tmp /var/tmp /dev/shm | tr '\\n' ' '"),
                    "/dev/shm:  /tmp: fbx-test-" + folder.path().substr(14) + "  /var/tmp: ",
                    "covers");
    judge.expect_eq(sh(judge, *place, "stat -c %a /tmp /var/tmp /dev/shm | tr '\\n' ' '"),
                    "1777 1777 1777 ", "modes");
    judge.expect_eq(sh(judge, *place, "cat /proc/1/comm"), "fbx-guard\n", "init");
    judge.expect_eq(sh(judge, *place, "ls /proc | grep -c '^[0-9]'"), "4\n", "processes");
    judge.expect_eq(sh(judge, *place, "tail -n +3 /proc/net/dev | grep -o '^ *[a-z0-9]*'"),
                    "    lo\n", "interfaces");
    judge.expect_eq(sh(judge, *place, "ls /proc/self/fd | tr '\\n' ' '"), "0 1 2 3 ",
                    "descriptors");
    judge.expect_eq(sh(judge, *place, "ls /proc/1/fd | tr '\\n' ' '"), "0 1 2 3 ",
                    "the guard's descriptors");
    const std::string network = sh(judge, *place, "readlink /proc/1/ns/net | tr -d '\\n'");
    judge.expect(is_a_network(network), "its network is there");
    expect_gone(judge, *place);
    judge.expect(!is_a_network(network), "its network is gone");
  });
  CHECK(read_text("/proc/self/mountinfo").find(" fbx ") == std::string::npos);
  CHECK(run_groups_of(::getpid()).empty());
}

TEST_CASE("writes in the spec's folder are the test's own, and --keep keeps them") {
  const ScratchFolder folder;
  const std::string spec = folder.path() + "/a spec, with: odd\\name";
  folder.write("a spec, with: odd\\name/data.txt", "host", 0666);
  folder.write("a spec, with: odd\\name/gone.txt", "host");
  folder.write("a spec, with: odd\\name/dir/inner.txt", "host");
  std::filesystem::permissions(spec, std::filesystem::perms(0777));
  const std::string kept = folder.path() + "/kept";
  in_worker([&](Judge& judge) {
    auto place = make_sandbox(judge, 1, with_spec(spec));
    if (!place) return;
    const std::string cd = "cd '" + spec + "' && ";
    judge.expect_eq(sh(judge, *place, cd + "echo in > data.txt && cat data.txt", kSomebody), "in\n",
                    "a user writes");
    judge.expect_eq(sh(judge, *place, cd + "rm gone.txt && mv dir moved && cat moved/inner.txt"),
                    "host", "renaming a folder that comes from below");
    sh(judge, *place, "echo t > /tmp/t.txt; mkdir /var/tmp/d; ln -s /etc/shadow /tmp/link");
    const Status keep = place->keep(kept, 12345, 12345);
    judge.expect(keep.has_value(), keep ? "" : keep.error().text());
    expect_gone(judge, *place);
  });
  CHECK(read_text(spec + "/data.txt") == "host");
  CHECK(read_text(spec + "/dir/inner.txt") == "host");
  CHECK(read_text(kept + "/spec/data.txt") == "in\n");
  CHECK(std::filesystem::exists(kept + "/spec/gone.txt.removed"));
  CHECK(read_text(kept + "/tmp/t.txt") == "t\n");
  CHECK(std::filesystem::is_symlink(kept + "/tmp/link"));
  CHECK(std::filesystem::is_directory(kept + "/var-tmp/d"));
  struct stat info{};
  REQUIRE(::stat((kept + "/tmp/t.txt").c_str(), &info) == 0);
  CHECK(info.st_uid == 12345);
}

TEST_CASE("a program below /tmp stays where it was, read-only") {
  const ScratchFolder folder;
  const std::string tool = folder.write("bin/tool", "#!/bin/sh\necho \"$0 ran\"\n", 0755);
  folder.write("bin/other", "not for you");
  in_worker([&](Judge& judge) {
    sandbox::SandboxOptions options = with_spec("/usr/share");
    options.visible_files = {tool, "/bin/sh"};
    auto place = make_sandbox(judge, 1, options);
    if (!place) return;
    judge.expect_eq(sh(judge, *place, tool), tool + " ran\n", "executing it");
    judge.expect_eq(sh(judge, *place, "ls " + folder.path() + "/bin"), "tool\n", "its folder");
    judge.expect_eq(sh(judge, *place, "echo x 2>/dev/null >> " + tool + " || echo no"), "no\n",
                    "writing to it");
    expect_gone(judge, *place);
  });
  CHECK(read_text(tool) == "#!/bin/sh\necho \"$0 ran\"\n");
}

TEST_CASE("a spec in /tmp itself has its overlay there; tmp=overlay shows the host's files") {
  const ScratchFolder folder;
  folder.write("f", "host");
  for (const bool overlay_tmp : {false, true}) {
    in_worker([&](Judge& judge) {
      sandbox::SandboxOptions options = with_spec(overlay_tmp ? "/usr/share" : "/tmp");
      options.overlay_tmp = overlay_tmp;
      auto place = make_sandbox(judge, 1, options);
      if (!place) return;
      const std::string file = folder.path() + "/f";
      const std::string script = "cat " + file + "; echo in > " + file + "; stat -c %a /tmp";
      judge.expect_eq(sh(judge, *place, script), "host1777\n", "the host's file");
      expect_gone(judge, *place);
    });
    CHECK(read_text(folder.path() + "/f") == "host");
  }
}

TEST_CASE("with the host's network a test is in it") {
  const std::string own = std::filesystem::read_symlink("/proc/self/ns/net").string() + "\n";
  in_worker([&](Judge& judge) {
    sandbox::SandboxOptions options = with_spec("/usr/share");
    auto isolated = make_sandbox(judge, 1, options);
    options.host_network = true;
    auto shared = make_sandbox(judge, 2, options);
    if (!isolated || !shared) return;
    judge.expect(sh(judge, *isolated, "readlink /proc/self/ns/net") != own, "isolated");
    judge.expect_eq(sh(judge, *shared, "readlink /proc/self/ns/net"), own, "shared");
    {
      const sandbox::NetworkVisit visit(*isolated);
      judge.expect(visit.status().has_value(), "visiting the network");
      judge.expect(std::filesystem::read_symlink("/proc/thread-self/ns/net").string() + "\n" != own,
                   "the visitor is there");
    }
    judge.expect_eq(std::filesystem::read_symlink("/proc/thread-self/ns/net").string() + "\n", own,
                    "the visitor is back");
    expect_gone(judge, *isolated);
    expect_gone(judge, *shared);
  });
}

TEST_CASE("daemons that ignore SIGTERM end with the sandbox") {
  in_worker([&](Judge& judge) {
    auto place = make_sandbox(judge, 1, with_spec("/usr/share"));
    if (!place) return;
    sh(judge, *place,
       "trap '' TERM HUP; for i in 1 2 3 4 5 6 7 8 9 10; do "
       "(setsid sh -c 'trap \"\" TERM; sleep 1000 & sleep 1000' >/dev/null 2>&1 </dev/null &); "
       "done");
    const auto alive = place->group().processes();
    judge.expect(alive.size() > 10, "daemons live: " + std::to_string(alive.size()));
    const uint64_t began = now_ns();
    expect_gone(judge, *place);
    judge.say("ended " + std::to_string(alive.size()) + " processes in " +
              std::to_string((now_ns() - began) / 1000) + " us");
    for (const int pid : alive) judge.expect(::kill(pid, 0) != 0, "process is gone");
  });
}

TEST_CASE("a spec in the root folder is refused") {
  in_worker([&](Judge& judge) {
    auto made = sandbox::Sandbox::create(judge.worker(), 1, with_spec("/"));
    judge.expect(!made, "refused");
    if (made) return;
    const auto* refusal = std::get_if<Refusal>(&made.error());
    judge.expect(refusal != nullptr && refusal->code == "spec-folder-root", "its code");
  });
}

TEST_CASE("a folder that can't be below an overlay is refused by name") {
  const ScratchFolder folder;
  folder.write("spec/x.star", "");
  in_worker([&](Judge& judge) {
    // The kernel stacks two overlays and no third (FILESYSTEM_MAX_STACK_DEPTH).
    if (::unshare(CLONE_NEWNS) != 0) return;
    ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr);
    const std::string spec = folder.path() + "/spec";
    for (const std::string level : {"/one", "/two"}) {
      const std::string layers = folder.path() + level;
      std::filesystem::create_directory(layers);
      ::mount("t", layers.c_str(), "tmpfs", 0, nullptr);
      std::filesystem::create_directory(layers + "/up");
      std::filesystem::create_directory(layers + "/work");
      const std::string options =
          "lowerdir=" + spec + ",upperdir=" + layers + "/up,workdir=" + layers + "/work";
      judge.expect(::mount("o", spec.c_str(), "overlay", 0, options.c_str()) == 0, "stacking");
    }
    auto made = sandbox::Sandbox::create(judge.worker(), 1, with_spec(spec));
    judge.expect(!made, "refused");
    if (made) return;
    const auto* refusal = std::get_if<Refusal>(&made.error());
    judge.expect(refusal != nullptr && refusal->code == "no-overlay", sandbox::text(made.error()));
  });
}

TEST_CASE("a sandbox costs about a millisecond") {
  in_worker([&](Judge& judge) {
    std::vector<uint64_t> up, down;
    for (uint32_t i = 0; i < 50; ++i) {
      auto place = make_sandbox(judge, i, with_spec("/usr/share"));
      if (!place) return;
      up.push_back(place->setup_ns() / 1000);
      const uint64_t began = now_ns();
      expect_gone(judge, *place);
      down.push_back((now_ns() - began) / 1000);
    }
    std::ranges::sort(up);
    std::ranges::sort(down);
    judge.say("sandbox: up " + std::to_string(up[25]) + " us (" + std::to_string(up[0]) + "…" +
              std::to_string(up[49]) + "), down " + std::to_string(down[25]) + " us (" +
              std::to_string(down[0]) + "…" + std::to_string(down[49]) + ")");
    judge.expect(up[25] < 20'000, "set-up stays in the order of a millisecond");
  });
}
