// SPDX-License-Identifier: Apache-2.0
#include "runner/observe/bpf_object.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <unistd.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <cstring>

#include "bpf/fbx.skel.h"

namespace fbx::observe {
namespace {

// What libbpf and the verifier said during the last call, newest last; kept for refusals only.
std::string last_words;

int keep_words(libbpf_print_level level, const char* format, va_list args) {
  if (level == LIBBPF_DEBUG) return 0;
  char line[1024];
  vsnprintf(line, sizeof line, format, args);
  last_words += line;
  constexpr size_t kKept = 8192;
  if (last_words.size() > kKept) last_words.erase(0, last_words.size() - kKept);
  return 0;
}

// The line that says why: the verifier's last one before its statistics, else libbpf's last.
std::string reason() {
  std::string best;
  size_t at = 0;
  while (at < last_words.size()) {
    size_t end = last_words.find('\n', at);
    if (end == std::string::npos) end = last_words.size();
    std::string line = last_words.substr(at, end - at);
    at = end + 1;
    if (line.starts_with("processed ") || line.find("END PROG LOAD LOG") != std::string::npos)
      break;
    if (!line.empty()) best = line;
  }
  return best;
}

Refusal refused(std::string what, int errnum) {
  errnum = std::abs(errnum);
  if (geteuid() != 0 && (errnum == EPERM || errnum == EACCES))
    return {"needs-root", what + " needs root here (" + strerror(errnum) + ")", "run it with sudo"};
  const std::string why = reason();
  return {"no-bpf", what + ": " + strerror(errnum) + (why.empty() ? "" : ": " + why), ""};
}

bool is_iterator(const bpf_program* program) {
  return std::string_view(bpf_program__section_name(program)).starts_with("iter");
}

bool wants_cgroup(const bpf_program* program) {
  const std::string_view section = bpf_program__section_name(program);
  return section.starts_with("cgroup") || section.starts_with("sockops");
}

}  // namespace

std::expected<std::unique_ptr<BpfObject>, Refusal> BpfObject::open() {
  libbpf_set_print(keep_words);
  last_words.clear();
  if (access("/sys/kernel/btf/vmlinux", R_OK) != 0)
    return std::unexpected(Refusal{"no-btf", "this kernel does not describe its types (no "
                                             "/sys/kernel/btf/vmlinux)",
                                   "use a kernel built with CONFIG_DEBUG_INFO_BTF"});
  size_t size = 0;
  const void* bytes = fbx_bpf__elf_bytes(&size);
  LIBBPF_OPTS(bpf_object_open_opts, options, .object_name = "fbx");
  bpf_object* object = bpf_object__open_mem(bytes, size, &options);
  if (!object) return std::unexpected(refused("opening the BPF programs", errno));
  std::unique_ptr<BpfObject> self(new BpfObject);
  self->object_ = object;
  bpf_program* program = nullptr;
  bpf_object__for_each_program(program, object) bpf_program__set_autoload(program, false);
  return self;
}

BpfObject::~BpfObject() {
  detach();
  for (auto& [name, link] : iterators_) bpf_link__destroy(link);
  bpf_object__close(object_);
}

void BpfObject::detach() {
  for (bpf_link* link : links_) bpf_link__destroy(link);
  links_.clear();
}

void BpfObject::enable(std::string_view name) {
  bpf_program* found = program(name);
  assert(found && "no such BPF program");
  if (!found || std::ranges::find(enabled_, found) != enabled_.end()) return;
  bpf_program__set_autoload(found, true);
  enabled_.push_back(found);
}

void BpfObject::load_only(std::string_view name) {
  enable(name);
  attached_elsewhere_.push_back(program(name));
}

void BpfObject::resize(std::string_view name, uint32_t max_entries) {
  bpf_map* found = map(name);
  assert(found && "no such BPF map");
  if (found) bpf_map__set_max_entries(found, max_entries);
}

Granted BpfObject::load() {
  last_words.clear();
  if (int err = bpf_object__load(object_); err != 0)
    return std::unexpected(refused("loading the BPF programs", err));
  return {};
}

Granted BpfObject::attach(int run_cgroup_fd) {
  last_words.clear();
  for (bpf_program* program : enabled_) {
    if (std::ranges::find(attached_elsewhere_, program) != attached_elsewhere_.end()) continue;
    bpf_link* link = nullptr;
    const std::string name = bpf_program__name(program);
    if (wants_cgroup(program)) {
      if (run_cgroup_fd < 0)
        return std::unexpected(Refusal{"no-cgroup2", "no cgroup v2 directory to watch", ""});
      link = bpf_program__attach_cgroup(program, run_cgroup_fd);
    } else {
      link = bpf_program__attach(program);
    }
    if (!link) return std::unexpected(refused("attaching " + name, errno));
    if (is_iterator(program))
      iterators_.emplace_back(name, link);
    else
      links_.push_back(link);
  }
  return {};
}

bpf_map* BpfObject::map(std::string_view name) const {
  return bpf_object__find_map_by_name(object_, std::string(name).c_str());
}

bpf_program* BpfObject::program(std::string_view name) const {
  return bpf_object__find_program_by_name(object_, std::string(name).c_str());
}

int BpfObject::map_fd(std::string_view name) const {
  const bpf_map* found = map(name);
  return found ? bpf_map__fd(found) : -1;
}

int BpfObject::program_fd(std::string_view name) const {
  const bpf_program* found = program(name);
  if (!found || std::ranges::find(enabled_, found) == enabled_.end()) return -1;
  return bpf_program__fd(found);
}

Result<int> BpfObject::iterator(std::string_view name) const {
  for (const auto& [known, link] : iterators_) {
    if (known != name) continue;
    const int fd = bpf_iter_create(bpf_link__fd(link));
    if (fd < 0) return fail_errno("starting the BPF iterator " + known, fd);
    return fd;
  }
  return fail("the BPF iterator " + std::string(name) + " is not enabled");
}

Result<uint64_t> BpfObject::misses() const {
  uint64_t all = 0;
  for (const bpf_program* program : enabled_) {
    bpf_prog_info info{};
    uint32_t size = sizeof info;
    if (int err = bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &size); err < 0)
      return fail_errno("asking for the state of a BPF program", err);
    all += info.recursion_misses;
  }
  return all;
}

}  // namespace fbx::observe
