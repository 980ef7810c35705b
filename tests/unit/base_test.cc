// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <cerrno>
#include <cstdint>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/diagnostic.h"
#include "base/mountinfo.h"
#include "base/result.h"

using namespace fbx;

namespace {

const char* const kHybrid =
    "27 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n"
    "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n"
    "32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n"
    "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime shared:4 - cgroup2 cgroup2 rw\n";

}  // namespace

TEST_CASE("the nearest name is what was meant, or nothing") {
  const std::vector<std::string> names = {"write", "read", "fsync", "EIO", "mode", "ECONNREFUSED",
                                          "happy_path", "close"};
  struct Row {
    const char *got, *meant;
  };
  constexpr Row kRows[] = {
      {"wirte", "write"},  {"wrtie", "write"},     {"wrote", "write"},   {"writes", "write"},
      {"EIOO", "EIO"},     {"mod", "mode"},        {"ECONREFUSED", "ECONNREFUSED"},
      {"ECONNREFUESD", "ECONNREFUSED"},            {"hapy_path", "happy_path"},
      {"fsycn", "fsync"},  {"write", "write"},     {"connect", ""},      {"internal", ""},
      {"", ""},            {"WRITE", ""},
  };
  for (const Row& row : kRows) {
    CAPTURE(row.got);
    CHECK(nearest_name(row.got, names) == row.meant);
  }
  CHECK(nearest_name("write", {}) == "");
}

TEST_CASE("a diagnostic says where, what, and what to do") {
  Diagnostic d{.place = {"a.star", 3, 9}, .code = "internal", .message = "no", .hint = "yes?"};
  CHECK(d.text() == "a.star:3:9: no\n  hint: yes?");
  CHECK(has_errors({d}));
  d.severity = Severity::kWarning;
  d.hint = "";
  CHECK(d.text() == "a.star:3:9: warning: no");
  CHECK(!has_errors({d}));
  CHECK(Place{"a.star", 3, 0}.text() == "a.star:3");
  CHECK(Place{"a.star", 0, 0}.text() == "a.star");
  CHECK(Place{}.text() == "");
}

TEST_CASE("an error keeps what failed, why, and around what") {
  Result<int> r = fail_errno("exec bin/order-svc", -ENOENT);
  r = fail_in(std::move(r), "starting service orders");
  r = fail_in(std::move(r), "test test_x");
  CHECK(r.error().errnum == ENOENT);
  CHECK(r.error().text() ==
        "test test_x: starting service orders: exec bin/order-svc: No such file or directory");
  CHECK(fail("so").error().text() == "so");
}

TEST_CASE("what is left until a deadline is rounded up, and bounded") {
  const uint64_t now = now_ns();
  CHECK(now > 0);
  CHECK(poll_timeout_ms(now) == 0);
  CHECK(poll_timeout_ms(0) == 0);
  CHECK(poll_timeout_ms(now + 3'000'000'000'000) > 0);
  CHECK(poll_timeout_ms(UINT64_MAX) == 3'600'000);
  CHECK(poll_timeout_ms(now_ns() + 60'000'000'000) <= 60'000);
}

TEST_CASE("cgroup v2 is found in pure, hybrid and bound hierarchies") {
  CHECK(find_cgroup2_mount(kHybrid) == "/sys/fs/cgroup/unified");
  CHECK(find_cgroup2_mount("30 23 0:26 / /sys/fs/cgroup rw shared:9 - cgroup2 cgroup2 rw\n") ==
        "/sys/fs/cgroup");
  CHECK(find_cgroup2_mount("30 23 0:26 /a /x rw - cgroup2 c rw\n30 23 0:26 / /y\\040z rw - cgroup2 "
                           "c rw\n") == "/y z");
  CHECK(find_cgroup2_mount("32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n") == "");
  CHECK(find_cgroup2_mount("") == "");
}
