// SPDX-License-Identifier: Apache-2.0
#include "runner/observe/probe.h"

#include <bpf/bpf.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <initializer_list>

#include "runner/observe/bpf_object.h"
#include "runner/observe/cgroup2.h"

namespace fbx::observe {
namespace {

std::optional<Refusal> load(std::initializer_list<const char*> programs) {
  auto object = BpfObject::open();
  if (!object) return object.error();
  for (const char* name : programs) (*object)->enable(name);
  if (Granted loaded = (*object)->load(); !loaded) return loaded.error();
  return std::nullopt;
}

}  // namespace

std::optional<Refusal> probe_cgroup2() {
  const Result<std::string> mount = cgroup2_mount();
  if (!mount)
    return Refusal{"no-cgroup2", "cgroup v2 is not mounted, and services are told apart by it",
                   "mount -t cgroup2 none /sys/fs/cgroup"};
  const std::string dir = *mount + "/fbx-probe-" + std::to_string(getpid());
  if (mkdir(dir.c_str(), 0755) == 0) {
    rmdir(dir.c_str());
    return std::nullopt;
  }
  const std::string what = "a directory in " + *mount + " can't be made (" + strerror(errno) + ")";
  if (geteuid() != 0) return Refusal{"needs-root", what, "run it with sudo"};
  return Refusal{"no-cgroup2", what, "make cgroup v2 writable here"};
}

std::optional<Refusal> probe_ring() {
  if (access("/sys/kernel/btf/vmlinux", R_OK) != 0) return load({});
  const int fd = bpf_map_create(BPF_MAP_TYPE_RINGBUF, "fbx_probe", 0, 0,
                                static_cast<uint32_t>(sysconf(_SC_PAGESIZE)), nullptr);
  if (fd >= 0) {
    close(fd);
    return std::nullopt;
  }
  const std::string what = std::string("a BPF ring buffer can't be made (") + strerror(errno) + ")";
  if (geteuid() != 0 && errno == EPERM) return Refusal{"needs-root", what, "run it with sudo"};
  return Refusal{"no-bpf", what, "use a kernel from 5.15 on with CONFIG_BPF_SYSCALL"};
}

std::optional<Refusal> probe_calls() { return load({"calls__on_enter", "calls__on_exit"}); }

std::optional<Refusal> probe_iterator() { return load({"tasks__running"}); }

std::optional<Refusal> probe_peers() { return load({"tuples__on_established"}); }

std::optional<Refusal> probe_observe() {
  for (auto* probe : {probe_ring, probe_cgroup2, probe_calls, probe_iterator, probe_peers})
    if (std::optional<Refusal> refusal = probe()) return refusal;
  return std::nullopt;
}

}  // namespace fbx::observe
