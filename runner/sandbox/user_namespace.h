// SPDX-License-Identifier: Apache-2.0
//
// How an ordinary user gets namespaces: a user namespace in which this process may do what root
// may do to what belongs to it, and in which every file and process still has its own user. What it
// executes has no rights there: the user is mapped to itself, and is not root.
//
// Thread rule: the process has one thread. There is no way back.
#pragma once

#include <string>

#include "base/result.h"

namespace fbx::sandbox {

// Moves the calling process into a user namespace of its own. EPERM, ENOSPC, EUSERS: not allowed
// here.
Status enter_user_namespace();

// What would allow it: "sudo sysctl …"; "run it with sudo" when nothing better is known.
[[nodiscard]] std::string user_namespace_remedy();

}  // namespace fbx::sandbox
