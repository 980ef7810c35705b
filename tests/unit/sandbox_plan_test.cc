// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <filesystem>

#include <doctest/doctest.h>

#include "runner/sandbox/mount_plan.h"
#include "runner/sandbox/run_group.h"

using namespace fbx;
using namespace fbx::sandbox;

namespace {

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
