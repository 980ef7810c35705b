// SPDX-License-Identifier: Apache-2.0
#include "shim/hand/shim_hand.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <future>
#include <thread>

#include "base/clock.h"
#include "bpf/abi/kinds.h"

namespace fbx::inject {
namespace {

constexpr size_t kPage = 4096;

void wake(uint32_t* word) {
  syscall(SYS_futex, word, FUTEX_WAKE, 0x7fffffff, nullptr, nullptr, 0);
}

uint64_t device_of(dev_t dev) { return FBX_SHIM_DEV(major(dev), minor(dev)); }

struct RobustNode {
  RobustNode* next;
};
struct RobustHead {  // include/uapi/linux/futex.h: struct robust_list_head
  RobustNode list;
  long futex_offset;
  RobustNode* pending;
};

}  // namespace

// Holds head.owner as a robust futex. The list's only node is in this object, never in the segment,
// where a service could write into it.
struct ShimHand::Owner {
  RobustNode node{};
  RobustHead head{};
  std::promise<void> leave;
  std::promise<void> held;
  std::thread thread;

  explicit Owner(uint32_t* word) {
    thread = std::thread([this, word] {
      head.list.next = &node;
      node.next = &head.list;
      head.futex_offset = reinterpret_cast<char*>(word) - reinterpret_cast<char*>(&node);
      syscall(SYS_set_robust_list, &head, sizeof head);
      __atomic_store_n(word, static_cast<uint32_t>(gettid()), __ATOMIC_RELEASE);
      held.set_value();
      leave.get_future().wait();
      __atomic_store_n(word, 0, __ATOMIC_RELEASE);
      head.list.next = &head.list;
    });
    held.get_future().wait();
  }
  ~Owner() {
    leave.set_value();
    thread.join();
  }
};

Result<std::unique_ptr<ShimHand>> ShimHand::create(const ShimSetup& setup) {
  const bool named = !setup.path.empty();
  const int fd = named ? open(setup.path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666)
                       : memfd_create("fbx-shim", MFD_CLOEXEC);
  if (fd < 0) return fail_errno("making the shim's segment " + setup.path);
  void* at = MAP_FAILED;
  if (fchmod(fd, 0666) == 0 && ftruncate(fd, sizeof(fbx_shim)) == 0)
    at = mmap(nullptr, sizeof(fbx_shim), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  const int why = errno;
  if (named || at == MAP_FAILED) close(fd);
  if (at == MAP_FAILED) {
    if (named) unlink(setup.path.c_str());
    return fail_errno("mapping the shim's segment " + setup.path, why);
  }
  std::unique_ptr<ShimHand> hand(new ShimHand);
  hand->setup_ = setup;
  if (!named) {
    hand->fd_ = fd;
    hand->setup_.seen_as = "/proc/" + std::to_string(getpid()) + "/fd/" + std::to_string(fd);
  }
  hand->shim_ = static_cast<fbx_shim*>(at);
  fbx_shim_head& head = hand->shim_->head;
  head.magic = FBX_SHIM_MAGIC;
  head.version = FBX_SHIM_VERSION;
  head.size = sizeof(fbx_shim);
  head.flags = (setup.refuse_io_uring ? FBX_SHIM_NO_IO_URING : 0) |
               (setup.records ? FBX_SHIM_RECORDS : 0);
  if (getrandom(&head.nonce, sizeof head.nonce, 0) != sizeof head.nonce)
    return fail_errno("drawing the segment's nonce");
  const auto enter = [](const std::vector<uint16_t>& numbers, uint64_t* words) {
    for (uint16_t nr : numbers) {
      if (nr >= FBX_NR_WORDS * 64) return false;
      words[nr / 64] |= 1ull << (nr % 64);
    }
    return true;
  };
  if (!enter(setup.calls, head.calls) || !enter(setup.gated, head.gated))
    return fail("a system call number that the shim can't hold");
  struct stat st {};
  const int memfd = memfd_create("fbx", MFD_CLOEXEC);
  if (memfd >= 0 && fstat(memfd, &st) == 0) head.memfd_dev = device_of(st.st_dev);
  if (memfd >= 0) close(memfd);
  for (size_t i = 0; i < setup.file_devs.size() && i < std::size(head.file_devs); ++i)
    head.file_devs[i] = device_of(setup.file_devs[i]);
  hand->owner_ = std::make_unique<Owner>(&head.owner);
  hand->written_ = head;
  return hand;
}

ShimHand::~ShimHand() {
  end();
  if (shim_) munmap(shim_, sizeof *shim_);
  if (fd_ >= 0) close(fd_);
  if (!setup_.path.empty()) unlink(setup_.path.c_str());
}

void ShimHand::end() {
  if (!owner_) return;
  (void)publish({});
  owner_.reset();
  __atomic_fetch_add(&shim_->head.wake, 1, __ATOMIC_RELEASE);
  wake(&shim_->head.wake);
}

std::vector<std::string> ShimHand::environment() const {
  const std::string& seen = setup_.seen_as.empty() ? setup_.path : setup_.seen_as;
  return {"LD_PRELOAD=" + setup_.library, std::string(FBX_SHIM_ENV) + "=" + seen};
}

Result<int> ShimHand::take_listener(pid_t pid, uint64_t deadline_ns) {
  uint32_t* door = &shim_->head.door;
  uint32_t state;
  while ((state = __atomic_load_n(door, __ATOMIC_ACQUIRE)) < FBX_DOOR_PUBLISHED) {
    const uint64_t now = now_ns();
    if (now >= deadline_ns)
      return fail_errno("the shim has installed no filter in time", ETIMEDOUT);
    const uint64_t left = std::min<uint64_t>(deadline_ns - now, 50'000'000);
    const timespec slice{0, static_cast<long>(left)};
    syscall(SYS_futex, door, FUTEX_WAIT, state, &slice, nullptr, 0);
  }
  if (state == FBX_DOOR_REFUSED)
    return fail_errno("the shim's filter was refused", shim_->head.door_errno);
  if (state != FBX_DOOR_PUBLISHED) return fail("the shim's door is in no state to be opened");
  const int handle = static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
  if (handle < 0) return fail_errno("pidfd_open of the service");
  const int fd = static_cast<int>(syscall(SYS_pidfd_getfd, handle, shim_->head.door_fd, 0));
  const int why = errno;
  close(handle);
  if (fd < 0) return fail_errno("taking the listener of the shim's filter", why);
  return fd;
}

void ShimHand::open_door() {
  __atomic_store_n(&shim_->head.door, FBX_DOOR_ADOPTED, __ATOMIC_RELEASE);
  wake(&shim_->head.door);
}

Status ShimHand::publish(const std::vector<ShimRule>& rules) {
  if (rules.size() > FBX_SET_RULES) return fail("more rules than the shim can hold");
  auto next = std::make_unique<fbx_shim_set>();
  std::memset(next.get(), 0, sizeof *next);
  size_t text = 0;
  for (size_t i = 0; i < rules.size(); ++i) {
    const ShimRule& rule = rules[i];
    if (rule.globs.size() > FBX_SHIM_GLOBS) return fail("more globs than the shim can hold");
    next->rules.rules[i] = rule.rule;
    if (rule.supervised) next->supervised |= 1u << i;
    for (size_t k = 0; k < rule.globs.size(); ++k) {
      const std::string& glob = rule.globs[k];
      if (glob.empty() || text + glob.size() > FBX_SHIM_GLOB_TEXT)
        return fail("a path pattern that does not fit into the shim");
      std::memcpy(next->globs + text, glob.data(), glob.size());
      next->glob_at[i][k] = static_cast<uint16_t>(text);
      next->glob_len[i][k] = static_cast<uint16_t>(glob.size());
      text += glob.size();
    }
    for (const fbx_rule_part& part : rule.rule.parts) {
      if (!part.kinds) continue;
      for (int w = 0; w < FBX_NR_WORDS; ++w) {
        if (part.calls[w] & ~written_.calls[w])
          return fail("a rule for a call that the shim of this service does not decide");
        next->calls[w] |= part.calls[w];
      }
    }
  }
  next->rules.count = static_cast<uint32_t>(rules.size());
  next->generation = written_.current + 1;
  fbx_shim_set& slot = shim_->sets[next->generation % FBX_SHIM_SETS];
  __atomic_store_n(&slot.generation, 0, __ATOMIC_RELAXED);
  __atomic_thread_fence(__ATOMIC_SEQ_CST);
  std::memcpy(reinterpret_cast<char*>(&slot) + 8, reinterpret_cast<char*>(next.get()) + 8,
              offsetof(fbx_shim_set, globs) + text - 8);
  __atomic_store_n(&slot.generation, next->generation, __ATOMIC_RELEASE);
  __atomic_store_n(&shim_->head.current, next->generation, __ATOMIC_SEQ_CST);
  written_.current = next->generation;
  active_.assign(reinterpret_cast<uint8_t*>(next.get()),
                 reinterpret_cast<uint8_t*>(next.get()) + offsetof(fbx_shim_set, globs) + text);
  __atomic_store_n(&shim_->head.wake, ++written_.wake, __ATOMIC_RELEASE);
  wake(&shim_->head.wake);
  return {};
}

std::string ShimHand::damage() const {
  const fbx_shim_head& head = shim_->head;
  if (std::memcmp(&head, &written_, offsetof(fbx_shim_head, current)) != 0)
    return "the service wrote into the head of the shim's segment";
  if (head.current != written_.current || head.tail != tail_ ||
      head.owner != (owner_ ? written_.owner : 0))
    return "the service wrote into the state of the shim's segment";
  if (!active_.empty() &&
      std::memcmp(&shim_->sets[written_.current % FBX_SHIM_SETS], active_.data(), active_.size()))
    return "the service wrote into the shim's rules";
  return "";
}

ShimReport ShimHand::read(bool over) {
  ShimReport report;
  report.damage = damage();
  const fbx_shim_head& head = shim_->head;
  report.lost = head.lost;
  report.undecided = head.undecided;
  report.torn = head.torn;
  report.bare = head.bare;
  const uint64_t end = __atomic_load_n(&head.head, __ATOMIC_ACQUIRE);
  if (end < tail_ || end - tail_ > FBX_SHIM_ENTRIES) broken_ = true;
  while (!broken_ && tail_ < end) {
    fbx_shim_entry& from = shim_->entries[tail_ % FBX_SHIM_ENTRIES];
    const uint64_t seq = __atomic_load_n(&from.seq, __ATOMIC_ACQUIRE);
    if (seq != tail_ + 1) {
      broken_ = seq > tail_ + 1;  // else its writer is still at it, or was killed
      if (broken_ || !over) break;
      ++tail_;
      continue;
    }
    fbx_shim_entry entry;
    std::memcpy(&entry, &from, sizeof entry);
    entry.seq = seq;  // it may have been written since
    if (sane(entry)) report.entries.push_back(entry);
    broken_ |= !sane(entry);
    ++tail_;
  }
  __atomic_store_n(&shim_->head.tail, tail_, __ATOMIC_RELEASE);
  if (broken_ && report.damage.empty()) report.damage = "the service wrote into the shim's ring";
  return report;
}

bool ShimHand::sane(const fbx_shim_entry& entry) const {
  const bool of_calls = entry.what == FBX_SHIM_BEGUN || entry.what == FBX_SHIM_ENDED;
  const auto named = [&](uint32_t id) {
    return id == 0 || (id <= FBX_SHIM_NAMES && (!setup_.records || !name(id).empty()));
  };
  return entry.nr < FBX_NR_WORDS * 64 && entry.position < FBX_SET_RULES &&
         named(entry.name) && named(entry.given) &&
         entry.action <= FBX_ACT_DELAY && entry.kind < FBX_KIND_COUNT &&
         entry.begun < entry.seq &&
         (entry.what == FBX_SHIM_DECISION || entry.what == FBX_SHIM_RELEASED ||
          (of_calls && setup_.records && entry.tid != 0));
}

std::string ShimHand::name(uint32_t id) const {
  if (id == 0 || id > FBX_SHIM_NAMES) return "";
  const fbx_shim_name& name = shim_->names[id - 1];
  const uint32_t len = name.len;
  if (!__atomic_load_n(&name.ready, __ATOMIC_ACQUIRE) || len > FBX_SHIM_NAME_TEXT) return "";
  return std::string(name.text, len);
}

}  // namespace fbx::inject
