// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <filesystem>

#include <doctest/doctest.h>

#include "runner/sandbox/mount_plan.h"
#include "runner/sandbox/run_group.h"

using namespace fbx;
using namespace fbx::sandbox;

namespace {

const char* const kHybrid =
    "27 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n"
    "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n"
    "32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n"
    "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime shared:4 - cgroup2 cgroup2 rw\n";

std::string describe(const MountPlan& plan) {
  const char* names[] = {"dir", "file", "own", "tmpfs", "overlay", "attach"};
  std::string text;
  for (const MountStep& step : plan.steps)
    text += std::string(names[static_cast<int>(step.kind)]) + " " + step.target + "\n";
  return text;
}

size_t position(const std::string& text, const std::string& line) {
  const size_t at = text.find(line + "\n");
  CHECK_MESSAGE(at != std::string::npos, line);
  return at;
}

}  // namespace

TEST_CASE("cgroup v2 is found in pure, hybrid and bound hierarchies") {
  CHECK(find_cgroup2_mount(kHybrid) == "/sys/fs/cgroup/unified");
  CHECK(find_cgroup2_mount("30 23 0:26 / /sys/fs/cgroup rw shared:9 - cgroup2 cgroup2 rw\n") ==
        "/sys/fs/cgroup");
  CHECK(find_cgroup2_mount("30 23 0:26 /a /x rw - cgroup2 c rw\n30 23 0:26 / /y\\040z rw - cgroup2 "
                           "c rw\n") == "/y z");
  CHECK(find_cgroup2_mount("32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n") == "");
  CHECK(find_cgroup2_mount("") == "");
}

TEST_CASE("a path is below a folder, not below its namesake") {
  CHECK(at_or_below("/a/b", "/a"));
  CHECK(at_or_below("/a", "/a"));
  CHECK(at_or_below("/a", "/"));
  CHECK_FALSE(at_or_below("/ab", "/a"));
  CHECK_FALSE(at_or_below("/", "/a"));
}

TEST_CASE("mounts below a folder: the topmost of each branch") {
  const std::string info =
      "1 0 8:1 / / rw - ext4 a rw\n2 1 8:2 / /srv rw - ext4 a rw\n"
      "3 2 8:3 / /srv/a rw - ext4 a rw\n4 3 8:4 / /srv/a/b rw - ext4 a rw\n"
      "5 2 8:5 / /srv/with\\040space rw - ext4 a rw\n6 1 8:6 / /srv2 rw - ext4 a rw\n";
  CHECK(mounts_below(info, "/srv") == std::vector<std::string>{"/srv/a", "/srv/with space"});
  CHECK(mounts_below(info, "/srv/a/b").empty());
}

TEST_CASE("what lies above is covered first, and a spec below /tmp comes back into the new one") {
  const std::string dir = "/tmp/fbx-plan-test/spec";
  std::filesystem::create_directories(dir);
  MountWishes wishes;
  wishes.spec_dir = dir;
  wishes.visible_files = {"/tmp/fbx-plan-test/bin/svc", "/usr/bin/env", dir + "/own"};
  const auto plan = plan_mounts(wishes);
  std::filesystem::remove_all("/tmp/fbx-plan-test");
  REQUIRE(plan);
  const std::string text = describe(*plan);
  CHECK(position(text, "tmpfs /tmp") < position(text, "dir /tmp/fbx-plan-test"));
  CHECK(position(text, "dir " + dir) < position(text, "overlay " + dir));
  CHECK(position(text, "overlay " + dir) < position(text, "attach /tmp/fbx-plan-test/bin/svc"));
  CHECK(text.find("/usr/bin/env") == std::string::npos);
  CHECK(text.find(dir + "/own") == std::string::npos);
  for (const MountStep& step : plan->steps) {
    if (step.kind == MountStep::Kind::kOverlay) CHECK(step.options.starts_with("lowerdir=.,"));
  }
}

TEST_CASE("tmp=overlay keeps the host's files; a spec in / is refused") {
  MountWishes wishes;
  wishes.overlay_tmp = true;
  wishes.visible_files = {"/tmp/svc"};
  const auto plan = plan_mounts(wishes);
  REQUIRE(plan);
  const std::string text = describe(*plan);
  CHECK(text.find("overlay /tmp\n") != std::string::npos);
  CHECK(text.find("tmpfs /tmp\n") == std::string::npos);
  CHECK(text.find("attach") == std::string::npos);
  wishes.spec_dir = "/";
  CHECK_FALSE(plan_mounts(wishes));
}
