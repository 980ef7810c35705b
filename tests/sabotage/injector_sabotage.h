// SPDX-License-Identifier: Apache-2.0
//
// Injectors that promise and do not keep it.
//
// Thread rule: as runner/inject/injector.h.
#pragma once

#include <memory>

#include "runner/inject/injector.h"

namespace fbx::sabotage {

using OwnedInjector = std::unique_ptr<inject::Injector>;

// A partition stands in the log and cuts nothing.
[[nodiscard]] OwnedInjector partition_does_nothing(OwnedInjector real);
// install() returns at once; rules and cuts are installed when the injector is used next.
[[nodiscard]] OwnedInjector install_is_late(OwnedInjector real);
// lift() returns and everything stays as it was.
[[nodiscard]] OwnedInjector lift_does_nothing(OwnedInjector real);
// A partition finds no connection to reset: only new ones are refused.
[[nodiscard]] OwnedInjector partition_half(OwnedInjector real);

// The real one, but what its supervisor denies goes on all the same.
[[nodiscard]] OwnedInjector ignores_seccomp(OwnedInjector real);

}  // namespace fbx::sabotage
