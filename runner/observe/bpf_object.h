// SPDX-License-Identifier: Apache-2.0
//
// The one BPF object of a run: opened, loaded and attached once by the front, inherited by the
// workers over fork. Observer and injector share it: each sets what it needs between open() and
// load(), and finds its maps and programs by name afterwards.
//
//   auto object = BpfObject::open();
//   (*object)->enable("connect__on_ipv4");
//   if (auto loaded = (*object)->load(); !loaded) return loaded.error();  // a Refusal
//   (*object)->attach(run_cgroup_fd);
//
// Programs start disabled: only what enable() named is loaded and attached. tp_btf programs attach
// to their tracepoint, cgroup programs and sockops to the run's cgroup (multi), iterators are not
// attached but made by iterator(). Maps are always there.
//
// Nothing is pinned: descriptors die with the processes that hold them, and the programs with
// them. Descriptors survive fork and are closed by exec.
//
// Thread rule: one thread until attach() has returned; descriptors may then be used from any.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/refusal.h"
#include "base/result.h"

struct bpf_object;
struct bpf_map;
struct bpf_program;
struct bpf_link;

namespace fbx::observe {

using Granted = std::expected<void, Refusal>;

class BpfObject {
 public:
  // Refusals: "needs-root", "no-bpf" (what the kernel said), "no-btf".
  static std::expected<std::unique_ptr<BpfObject>, Refusal> open();
  ~BpfObject();
  BpfObject(const BpfObject&) = delete;
  BpfObject& operator=(const BpfObject&) = delete;

  // ---- before load()
  // The program of that name will be loaded. Asserts that it exists: a wrong name is our bug.
  void enable(std::string_view program);
  // It will be loaded, and attached by somebody else, who gives the link to keep().
  void load_only(std::string_view program);
  // A map's size, in entries (of a ring: bytes). Before load().
  void resize(std::string_view map, uint32_t max_entries);

  // Verifies and loads what was enabled. "no-bpf" names the program and the verifier's last line.
  Granted load();

  // Attaches everything enabled. `run_cgroup_fd`: the cgroup v2 directory under which every
  // service's leaf and the worker itself will live; may be −1 when no cgroup program is enabled.
  // Refusals: "no-bpf", "no-cgroup2".
  Granted attach(int run_cgroup_fd);

  // Takes back attach(), but for the iterators. For measuring beside a kernel without our programs: attaching again waits
  // for the kernel (some ms), so runs attach once.
  void detach();

  // ---- after load()
  // Takes the link: it lives as long as this.
  void keep(bpf_link* link) { links_.push_back(link); }
  // Descriptor of a map or loaded program; −1 when there is none of that name. Owned by this.
  [[nodiscard]] int map_fd(std::string_view map) const;
  [[nodiscard]] int program_fd(std::string_view program) const;
  // For what needs libbpf itself; nullptr when there is none of that name.
  [[nodiscard]] struct bpf_map* map(std::string_view name) const;
  [[nodiscard]] struct bpf_program* program(std::string_view name) const;
  // A fresh pass of an enabled iterator program: a descriptor to read() to its end and close.
  [[nodiscard]] Result<int> iterator(std::string_view program) const;
  // How often the kernel skipped one of the enabled programs because it was already running on
  // that CPU (bpf_prog_info.recursion_misses), all together. Any growth is lost sight.
  [[nodiscard]] Result<uint64_t> misses() const;

 private:
  BpfObject() = default;
  bpf_object* object_ = nullptr;
  std::vector<bpf_link*> links_;
  std::vector<std::pair<std::string, bpf_link*>> iterators_;
  std::vector<bpf_program*> enabled_;
  std::vector<bpf_program*> attached_elsewhere_;  // of them
};

}  // namespace fbx::observe
