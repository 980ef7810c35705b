// SPDX-License-Identifier: Apache-2.0
#include "runner/observe/service_table.h"

#include <bpf/bpf.h>
#include <sys/mman.h>

#include "bpf/abi/compat.h"
#include "bpf/abi/tables.h"

namespace fbx::observe {
namespace {

constexpr size_t kSlotsBytes = FBX_NEAR_SLOTS * sizeof(fbx_near);

size_t nr_of(std::string_view name) {
  return static_cast<size_t>(abi::find_syscall(name)->nr());
}

// What may stand in the register for the calls that concern a service: those in `entry`, those that
// change names, and restart_syscall; i386's numbers, too.
std::vector<bool> numbers_of(const fbx_service& entry) {
  std::vector<bool> wanted(FBX_NR_LIMIT), numbers(FBX_NR_LIMIT);
  for (const abi::Syscall& row : abi::kSyscalls) {
    if (row.nr() < 0) continue;
    const auto nr = static_cast<size_t>(row.nr());
    wanted[nr] = numbers[nr] = (entry.interest[nr / 64] >> (nr % 64) & 1) ||
                               (row.traits & FBX_TRAIT_NAMES) || row.name == "restart_syscall";
  }
  // Ends as execve (bpf/calls.bpf.c).
  if (wanted[nr_of("execveat")]) numbers[nr_of("execve")] = true;
#ifdef __x86_64__
  const auto concerns = [&](const char* name) {
    return wanted[nr_of(name)];
  };
  // i386's restart_syscall is 0: the programs ask for it when there is one to come.
#define FBX_ROW(number, native) \
  if ((number) != 0 && concerns(#native)) numbers[number] = true;
  FBX_COMPAT_SYSCALLS(FBX_ROW)
#undef FBX_ROW
#define FBX_ROW(number, native) \
  if (concerns(#native)) numbers[FBX_COMPAT_SOCKETCALL] = true;
  FBX_SOCKETCALLS(FBX_ROW)
#undef FBX_ROW
#endif
  return numbers;
}

// True when the slot is ours to fill.
bool take(uint64_t& slot_id) {
  for (uint64_t from : {uint64_t{0}, uint64_t{FBX_NEAR_FREE}})
    if (__atomic_compare_exchange_n(&slot_id, &from, uint64_t{FBX_NEAR_TAKEN}, false,
                                    __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
      return true;
  return false;
}

}  // namespace

ServiceTable::~ServiceTable() {
  clear();
  if (near_ != nullptr) munmap(near_, kSlotsBytes);
}

Status ServiceTable::map_slots() {
  if (near_ != nullptr) return {};
  void* slots = mmap(nullptr, kSlotsBytes, PROT_READ | PROT_WRITE, MAP_SHARED,
                     object_.map_fd("fbx_near"), 0);
  if (slots == MAP_FAILED) return fail_errno("mapping the BPF map fbx_near");
  near_ = static_cast<fbx_near*>(slots);
  return {};
}

Status ServiceTable::enter(uint64_t id, const fbx_service& entry) {
  if (Status mapped = map_slots(); !mapped) return mapped;
  if (Status asked = ask_for(entry); !asked) return asked;
  if (bpf_map_update_elem(object_.map_fd("fbx_services"), &id, &entry, BPF_ANY) != 0)
    return fail_errno("writing the BPF map fbx_services");
  ids_.push_back(id);
  fbx_near& slot = near_[id % FBX_NEAR_SLOTS];
  const bool again = __atomic_load_n(&slot.id, __ATOMIC_RELAXED) == id;
  if (!again && !take(slot.id)) return {};
  slot.service = entry;
  __atomic_store_n(&slot.id, id, __ATOMIC_RELEASE);
  return {};
}

void ServiceTable::clear() {
  for (uint64_t id : ids_) {
    uint64_t expected = id;
    __atomic_compare_exchange_n(&near_[id % FBX_NEAR_SLOTS].id, &expected, uint64_t{FBX_NEAR_FREE},
                                false, __ATOMIC_RELEASE, __ATOMIC_RELAXED);
    bpf_map_delete_elem(object_.map_fd("fbx_services"), &id);
  }
  ids_.clear();
}

Status ServiceTable::ask_for(const fbx_service& entry) {
  const std::vector<bool> numbers = numbers_of(entry);
  constexpr uint32_t kAsked = 1;
  for (uint32_t nr = 0; nr < FBX_NR_LIMIT; ++nr) {
    if (!numbers[nr] || asked_[nr]) continue;
    if (bpf_map_update_elem(object_.map_fd("fbx_asked"), &nr, &kAsked, BPF_ANY) != 0)
      return fail_errno("writing the BPF map fbx_asked");
    asked_[nr] = true;
  }
  return {};
}

}  // namespace fbx::observe
