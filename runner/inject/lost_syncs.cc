// SPDX-License-Identifier: Apache-2.0
#include "runner/inject/lost_syncs.h"

#include <algorithm>
#include <utility>

#include "bpf/abi/tables.h"

namespace fbx::inject {

namespace {

using observe::Event;

bool is_sync(const Event& event) {
  if (event.type != observe::EventType::kSyscall || event.service < 0 || event.path == 0) return false;
  const abi::Syscall* row = abi::find_syscall(int{event.nr});
  if (row == nullptr) return false;
  if ((row->families & FBX_F_FSYNC) != 0) return true;
  return (row->sometimes & FBX_F_FSYNC) != 0 && (event.flags & observe::kSync) != 0;
}

}  // namespace

void LostSyncs::mark() {
  std::vector<uint64_t> ended;
  const auto sort_in = [&](uint64_t seq) {
    const Event& event = store_.at(seq);
    if (!is_sync(event)) return;
    (event.state == observe::CallState::kDone ? ended : open_).push_back(seq);
  };
  for (const uint64_t seq : std::exchange(open_, {})) sort_in(seq);
  for (; next_seq_ <= store_.size(); ++next_seq_) sort_in(next_seq_);
  std::ranges::stable_sort(ended, {}, [this](uint64_t seq) { return store_.at(seq).end_ns; });
  for (const uint64_t seq : ended) take(store_.at(seq));
}

void LostSyncs::take(Event& event) {
  const std::pair file(event.service, event.path);
  const bool denied = event.failed() && event.rule >= 0 &&
                      store_.string(event.decision).starts_with("deny");
  if (denied) {
    lost_.insert(file);
  } else if (!event.failed() && lost_.contains(file)) {
    event.flags |= observe::kAfterLostSync;
    ++counts_[{event.service, std::string(store_.string(event.path))}];
  }
}

}  // namespace fbx::inject
