// SPDX-License-Identifier: Apache-2.0
//
// Observers that do not see and say they do.
//
// Thread rule: as runner/observe/observer.h.
#pragma once

#include <memory>

#include "tests/sabotage/wrappers.h"

namespace fbx::sabotage {

using OwnedObserver = std::unique_ptr<observe::Observer>;
using Wrapped = std::unique_ptr<ForwardingObserver>;

// Every third record of a call goes, and Loss says so.
[[nodiscard]] Wrapped loses_and_says_so(OwnedObserver real);
// No record comes before the first look-back; barrier() returns at once and calls itself exact, and
// the pump() after it brings what it should have brought.
[[nodiscard]] Wrapped barrier_does_not_wait(OwnedObserver real);
// Nothing is recorded, the barrier is exact, nothing is lost.
[[nodiscard]] Wrapped sees_nothing(OwnedObserver real);
// The real one, watching no call of any service: markers come, counts agree.
[[nodiscard]] Wrapped watches_no_call(OwnedObserver real);
// The real one, watching cgroups that are nobody's.
[[nodiscard]] Wrapped watches_strangers(OwnedObserver real);

}  // namespace fbx::sabotage
