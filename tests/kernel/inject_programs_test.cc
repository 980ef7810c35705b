// SPDX-License-Identifier: Apache-2.0
//
// Every BPF program of fbx loads and attaches on this kernel; those of the hands that fail calls,
// where the kernel lets them. In the lab it must.
#include <bpf/libbpf.h>
#include <doctest/doctest.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "bpf/abi/tables.h"
#include "bpf/fbx.skel.h"
#include "runner/inject/call_hands.h"
#include "runner/inject/hooks.h"
#include "runner/observe/bpf_observer.h"
#include "runner/observe/probe.h"
#include "runner/sandbox/fd.h"
#include "tests/kernel/inject_harness.h"

namespace {

using namespace fbx;
using namespace fbx::inject;

std::set<uint16_t> all_calls(Hand hand) {
  std::set<uint16_t> out;
  for (const abi::Syscall& row : abi::kSyscalls)
    if (row.nr() >= 0 && hand_has_call(hand, static_cast<uint16_t>(row.nr())))
      out.insert(static_cast<uint16_t>(row.nr()));
  return out;
}

std::vector<std::string> program_names() {
  std::vector<std::string> out;
  size_t size = 0;
  const void* bytes = fbx_bpf__elf_bytes(&size);
  bpf_object* object = bpf_object__open_mem(bytes, size, nullptr);
  REQUIRE(object);
  bpf_program* program = nullptr;
  bpf_object__for_each_program(program, object) out.emplace_back(bpf_program__name(program));
  bpf_object__close(object);
  return out;
}

struct HandRow {
  Hand hand;
  Capability CallHands::* here;
  Capability Capabilities::* attached;
  const char* programs;  // how their names begin
};

constexpr HandRow kHands[] = {
    {Hand::kOverride, &CallHands::override_return, &Capabilities::override_return, "override__"},
    {Hand::kFmodRet, &CallHands::fmod_ret, &Capabilities::fmod_ret, "fmod_ret__"},
    {Hand::kLsm, &CallHands::lsm, &Capabilities::lsm, "security__"},
};

TEST_CASE("the programs of each hand load and attach where the kernel lets them") {
  for (const HandRow& row : kHands) {
    CAPTURE(hand_name(row.hand));
    const Capability& here = call_hands().*row.here;
    CAPTURE(here.why);
    if (getenv("FBX_LAB")) CHECK(here.works);
    CHECK(here.works == here.why.empty());
    auto object = observe::BpfObject::open();
    REQUIRE(object);
    CallsByHand calls;
    calls[row.hand] = row.hand == Hand::kOverride ? std::set<uint16_t>{} : all_calls(row.hand);
    if (row.hand == Hand::kOverride)
      for (const char* family : {"write", "read", "fsync", "open", "unlink", "send", "recv", "stat",
                                 "fork", "exec", "sendfile", "uname", "umount"})
        for (const uint16_t nr : abi::numbers(family)) calls[row.hand].insert(nr);
    enable_call_hands(**object, calls);
    const auto loaded = (*object)->load();
    CAPTURE((loaded ? "" : loaded.error().text()));
    REQUIRE(loaded);
    Capabilities can;
    attach_call_hands(**object, calls, can);
    CAPTURE((can.*row.attached).why);
    CHECK((can.*row.attached).works == here.works);
    if (!here.works) continue;
    for (const std::string& name : program_names())
      if (name.starts_with(row.programs) && name != "override__on_call")
        CHECK_MESSAGE((*object)->program_fd(name) >= 0, name);
  }
}

TEST_CASE("one probe per function overrides where one over many does not") {
  if (!call_hands().override_return.works) return;
  auto object = observe::BpfObject::open();
  REQUIRE(object);
  (*object)->load_only("override__on_call");
  const auto loaded = (*object)->load();
  CAPTURE((loaded ? "" : loaded.error().text()));
  REQUIRE(loaded);
  bpf_link* link = bpf_program__attach_kprobe((*object)->program("override__on_call"), false,
                                              "__x64_sys_fsync");
  REQUIRE(link);
  (*object)->keep(link);
}

// Where trampolines are allowed, fmod_ret carries the hooks out: these are for kernels without it.
TEST_CASE("the programs of the security module load and attach") {
  if (!call_hands().lsm.works) return;
  auto object = observe::BpfObject::open();
  REQUIRE(object);
  std::vector<std::string> names = program_names();
  std::erase_if(names, [](const std::string& name) { return !name.starts_with("lsm__"); });
  CHECK(names.size() == 5);
  for (const std::string& name : names) (*object)->load_only(name);
  const auto loaded = (*object)->load();
  CAPTURE((loaded ? "" : loaded.error().text()));
  REQUIRE(loaded);
  for (const std::string& name : names) {
    bpf_link* link = bpf_program__attach((*object)->program(name));
    CHECK_MESSAGE(link, name);
    if (link) (*object)->keep(link);
  }
}

TEST_CASE("the hooks of the network load and attach everywhere") {
  auto object = observe::BpfObject::open();
  REQUIRE(object);
  observe::BpfObserver::enable(**object);
  enable_hooks(**object, Hooks::all());
  const auto loaded = (*object)->load();
  CAPTURE((loaded ? "" : loaded.error().text()));
  REQUIRE(loaded);
  for (const std::string& name : program_names()) {
    const bool of_calls = name.starts_with("override__") || name.starts_with("fmod_ret__") ||
                          name.starts_with("security__") || name.starts_with("lsm__");
    if (!of_calls) CHECK_MESSAGE((*object)->program_fd(name) >= 0, name);
  }
}

}  // namespace
