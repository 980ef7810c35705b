// SPDX-License-Identifier: Apache-2.0
#include "runner/run/watch.h"

#include <sys/syscall.h>

namespace fbx::run {

namespace {

bool was_started(const observe::EventStore& store, int16_t service) {
  for (uint64_t seq = 1; seq <= store.size(); ++seq) {
    const observe::Event& event = store.at(seq);
    if (event.what == observe::Lifecycle::kStarted && event.service == service) return true;
  }
  return false;
}

}  // namespace

std::optional<check::Judged> unseen_service(const plan::Plan& plan,
                                            const observe::EventStore& store) {
  for (size_t i = 0; i < plan.services.size(); ++i) {
    if (plan.services[i].manual_start && !was_started(store, static_cast<int16_t>(i))) continue;
    if (!store.of(static_cast<int16_t>(i), SYS_execve).empty()) continue;
    return check::Judged{.how = check::Judged::How::kInconclusive,
                         .code = "unseen",
                         .text = "no call of " + plan.services[i].name +
                                 " was recorded, not even its start"};
  }
  return std::nullopt;
}

}  // namespace fbx::run
