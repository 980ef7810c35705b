// SPDX-License-Identifier: Apache-2.0
//
// The portable tables against what this system's headers say, and the record layouts.
#include <doctest/doctest.h>
#include <errno.h>
#include <sys/syscall.h>

#include <cstring>
#include <set>
#include <type_traits>

#include "bpf/abi/maps.h"
#include "bpf/abi/tables.h"
#include "runner/observe/event.h"

namespace {

using namespace fbx;

TEST_CASE("numbers of the table are those of sys/syscall.h") {
#define ROW(name, number) \
  {#name, number},
  const std::pair<const char*, long> known[] = {
#include "observe_syscall_numbers.inc"
  };
#undef ROW
  CHECK(std::size(known) > 300);
  for (const auto& [name, number] : known) {
    CAPTURE(name);
    const abi::Syscall* row = abi::find_syscall(std::string_view(name));
    REQUIRE(row);
    CHECK(row->nr() == number);
    CHECK(abi::find_syscall(static_cast<int>(number)) == row);
  }
}

TEST_CASE("no number, no name stands twice") {
  std::set<std::string_view> names;
  std::set<int> x86, arm;
  for (const abi::Syscall& row : abi::kSyscalls) {
    CAPTURE(row.name);
    CHECK(names.insert(row.name).second);
    if (row.x86_64 >= 0) CHECK(x86.insert(row.x86_64).second);
    if (row.arm64 >= 0) CHECK(arm.insert(row.arm64).second);
    CHECK(row.x86_64 < FBX_NR_LIMIT);
  }
}

TEST_CASE("every errno a row names is a known one") {
  for (const abi::Syscall& row : abi::kSyscalls) {
    std::string_view words = row.errnos;
    while (!words.empty()) {
      const size_t end = words.find(' ');
      CAPTURE(row.name);
      CAPTURE(std::string(words.substr(0, end)));
      CHECK(abi::errno_number(words.substr(0, end)).has_value());
      if (end == std::string_view::npos) break;
      words.remove_prefix(end + 1);
    }
  }
}

TEST_CASE("errnos are those of errno.h") {
  CHECK(abi::errno_number("EIO") == EIO);
  CHECK(abi::errno_number("EHWPOISON") == EHWPOISON);
  CHECK(abi::errno_number("EWOULDBLOCK") == EWOULDBLOCK);
  CHECK(abi::errno_number("ENOTSUP") == ENOTSUP);
  CHECK(abi::errno_number("EDEADLOCK") == EDEADLOCK);
  CHECK_FALSE(abi::errno_number("EIOO").has_value());
  for (int number = 1; number <= 133; ++number) {
    const char* name = strerrorname_np(number);
    CAPTURE(number);
    CHECK(abi::errno_name(number) == std::string_view(name ? name : ""));
  }
}

TEST_CASE("families: membership by what the call is about") {
  const abi::Syscall& write = *abi::find_syscall("write");
  CHECK(abi::family_name(write, {.kind = FBX_KIND_FILE}) == "write");
  CHECK(abi::family_name(write, {.kind = FBX_KIND_STREAM}) == "send");
  CHECK(abi::member_of(write, FBX_F_FSYNC, {.kind = FBX_KIND_FILE, .sync = true}));
  CHECK_FALSE(abi::member_of(write, FBX_F_FSYNC, {.kind = FBX_KIND_FILE}));
  CHECK(abi::member_of(*abi::find_syscall("unlinkat"), FBX_F_RMDIR, {.removes_dir = true}));
  CHECK(abi::numbers("openat") == abi::numbers("open"));
  CHECK(abi::numbers("pwrite64") == std::vector<uint16_t>{SYS_pwrite64});
  CHECK(abi::numbers("nonsense").empty());
  CHECK(abi::default_kinds("write") == FBX_KINDS_FILES);
  CHECK(abi::default_kinds("getpid") == FBX_KINDS_ANY);
}

TEST_CASE("errnos a call can return") {
  CHECK(abi::keyword_can_return("write", "ENOSPC"));
  CHECK_FALSE(abi::keyword_can_return("write", "ECONNRESET"));
  CHECK_FALSE(abi::keyword_can_return("read", "ECONNRESET"));
  CHECK(abi::keyword_can_return("recv", "ECONNRESET"));
  CHECK(abi::keyword_can_return("open", "ENOENT"));
  CHECK(abi::keyword_can_return("fsync", "EIO"));
  CHECK_FALSE(abi::keyword_can_return("fsync", "ENOENT"));
}

TEST_CASE("records have no hidden padding") {
  CHECK(std::has_unique_object_representations_v<fbx_call>);
  CHECK(std::has_unique_object_representations_v<fbx_sock_call>);
  CHECK(std::has_unique_object_representations_v<fbx_string>);
  CHECK(std::has_unique_object_representations_v<fbx_decided>);
  CHECK(std::has_unique_object_representations_v<fbx_marker>);
  CHECK(std::has_unique_object_representations_v<fbx_task>);
  CHECK(std::has_unique_object_representations_v<fbx_service>);
  CHECK(std::has_unique_object_representations_v<fbx_tuple>);
}

TEST_CASE("kinds of descriptor have the numbers of the record") {
  using observe::FdKind;
  CHECK(static_cast<int>(FdKind::kNone) == FBX_KIND_NONE);
  CHECK(static_cast<int>(FdKind::kFile) == FBX_KIND_FILE);
  CHECK(static_cast<int>(FdKind::kShm) == FBX_KIND_SHM);
  CHECK(static_cast<int>(FdKind::kPseudo) == FBX_KIND_PSEUDO);
  CHECK(static_cast<int>(FdKind::kStream) == FBX_KIND_STREAM);
  CHECK(static_cast<int>(FdKind::kUdp) == FBX_KIND_UDP);
  CHECK(static_cast<int>(FdKind::kUnix) == FBX_KIND_UNIX);
  CHECK(static_cast<int>(FdKind::kSocket) == FBX_KIND_SOCKET);
  CHECK(static_cast<int>(FdKind::kPipe) == FBX_KIND_PIPE);
  CHECK(static_cast<int>(FdKind::kTty) == FBX_KIND_TTY);
  CHECK(static_cast<int>(FdKind::kOther) == FBX_KIND_OTHER);
}

}  // namespace
