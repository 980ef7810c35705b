// SPDX-License-Identifier: Apache-2.0
#include "tests/sabotage/under_the_seams.h"

#include <bpf/bpf.h>
#include <linux/seccomp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdarg>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <utility>
#include <vector>

#include "bpf/abi/cut.h"
#include "bpf/abi/rule.h"
#include "shim/hand/shim_hand.h"

struct ring_buffer;

extern "C" int __real_bpf_map_update_elem(int fd, const void* key, const void* value, __u64 flags);

namespace fbx::sabotage {

namespace {

int blind_iterators = 0;

std::string_view map_name(int fd, bpf_map_info& info) {
  uint32_t size = sizeof info;
  if (bpf_obj_get_info_by_fd(fd, &info, &size) != 0) return {};
  return info.name;
}

bool is_iterator(int fd) {
  char link[64], target[64];
  std::snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  const ssize_t n = ::readlink(link, target, sizeof target);
  return n > 0 && std::string_view(target, static_cast<size_t>(n)) == "anon_inode:bpf_iter";
}

struct LateUpdate {
  int fd;
  std::vector<char> key, value;
  uint64_t flags;
};

std::vector<LateUpdate>& late_updates() {
  static std::vector<LateUpdate> all;
  return all;
}

// The value as it is now.
void update_later(int fd, const void* key, size_t key_size, const void* value, size_t value_size,
                  uint64_t flags) {
  const auto* k = static_cast<const char*>(key);
  const auto* v = static_cast<const char*>(value);
  late_updates().push_back({fd, {k, k + key_size}, {v, v + value_size}, flags});
}

}  // namespace

UnderTheSeams& under_the_seams() {
  static UnderTheSeams all;
  return all;
}

void bind_what_is_late() {
  for (const LateUpdate& late : std::exchange(late_updates(), {}))
    __real_bpf_map_update_elem(late.fd, late.key.data(), late.value.data(), late.flags);
}

BlindIterators::BlindIterators() { ++blind_iterators; }
BlindIterators::~BlindIterators() { --blind_iterators; }

}  // namespace fbx::sabotage

using fbx::sabotage::under_the_seams;

// ShimHand::create(const ShimSetup&), whose name the linker knows mangled. The filter is there and
// its listener is answered; it is made for a call that nobody makes past the shim.
using Created = fbx::Result<std::unique_ptr<fbx::inject::ShimHand>>;
Created real_shim_create(const fbx::inject::ShimSetup& setup) __asm__(
    "__real__ZN3fbx6inject8ShimHand6createERKNS0_9ShimSetupE");
Created wrapped_shim_create(const fbx::inject::ShimSetup& setup) __asm__(
    "__wrap__ZN3fbx6inject8ShimHand6createERKNS0_9ShimSetupE");
Created wrapped_shim_create(const fbx::inject::ShimSetup& setup) {
  fbx::inject::ShimSetup made = setup;
  if (under_the_seams().gate_gone) made.gated = {SYS_getppid};
  return real_shim_create(made);
}

// `__real_f` is f, and every call of f by fbx's own objects comes to `__wrap_f`: ld(1), --wrap.
extern "C" {

int __real_ioctl(int fd, unsigned long request, void* argument);
int __wrap_ioctl(int fd, unsigned long request, ...) {
  va_list arguments;
  va_start(arguments, request);
  void* argument = va_arg(arguments, void*);
  va_end(arguments);
  if (request == SECCOMP_IOCTL_NOTIF_SEND && under_the_seams().seccomp_always_continues) {
    auto* response = static_cast<seccomp_notif_resp*>(argument);
    response->error = 0;
    response->val = 0;
    response->flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
  }
  return __real_ioctl(fd, request, argument);
}

ssize_t __real_sendto(int fd, const void* data, size_t size, int flags, const sockaddr* to,
                      socklen_t to_size);
ssize_t __wrap_sendto(int fd, const void* data, size_t size, int flags, const sockaddr* to,
                      socklen_t to_size) {
  int type = 0;
  socklen_t type_size = sizeof type;
  const bool raw = ::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &type_size) == 0 && type == SOCK_RAW;
  if (raw && to != nullptr && to->sa_family != AF_NETLINK && under_the_seams().resets_vanish)
    return static_cast<ssize_t>(size);
  return __real_sendto(fd, data, size, flags, to, to_size);
}

ssize_t __real_read(int fd, void* buffer, size_t size);
ssize_t __wrap_read(int fd, void* buffer, size_t size) {
  if (fbx::sabotage::blind_iterators > 0 && fbx::sabotage::is_iterator(fd)) return 0;
  return __real_read(fd, buffer, size);
}

int __wrap_bpf_map_update_elem(int fd, const void* key, const void* value, __u64 flags) {
  bpf_map_info info{};
  if (under_the_seams().cuts_vanish && fbx::sabotage::map_name(fd, info) == "fbx_cuts") return 0;
  if (under_the_seams().rules_bind_late) {
    const std::string_view name = fbx::sabotage::map_name(fd, info);
    if (name == "fbx_cuts" || name == "fbx_rulesets") {
      fbx::sabotage::update_later(fd, key, info.key_size, value, info.value_size, flags);
      return 0;
    }
  }
  return __real_bpf_map_update_elem(fd, key, value, flags);
}

int __real_bpf_map_delete_elem(int fd, const void* key);
int __wrap_bpf_map_delete_elem(int fd, const void* key) {
  bpf_map_info info{};
  if (under_the_seams().cuts_stay && fbx::sabotage::map_name(fd, info) == "fbx_cuts") return 0;
  return __real_bpf_map_delete_elem(fd, key);
}

// The ring's callback is the observer's; ours stands before it and drops what it is told to.
using RecordCallback = int (*)(void* context, void* record, size_t size);
struct Thief {
  RecordCallback real;
  void* context;
  uint64_t records;
};
static int steal(void* self, void* record, size_t size) {
  auto* thief = static_cast<Thief*>(self);
  const unsigned every = under_the_seams().steal_every;
  const uint16_t kind = size >= 2 ? *static_cast<const uint16_t*>(record) : 0;
  // Markers and names come through: a barrier without its marker would be noticed at once.
  const bool call = kind == 1 || kind == 2;
  if (every != 0 && call && ++thief->records % every == 0) return 0;
  return thief->real(thief->context, record, size);
}

ring_buffer* __real_ring_buffer__new(int fd, RecordCallback callback, void* context,
                                     const void* options);
ring_buffer* __wrap_ring_buffer__new(int fd, RecordCallback callback, void* context,
                                     const void* options) {
  if (under_the_seams().steal_every == 0)
    return __real_ring_buffer__new(fd, callback, context, options);
  // Lives as long as the worker.
  return __real_ring_buffer__new(fd, steal, new Thief{callback, context, 0}, options);
}

}  // extern "C"
