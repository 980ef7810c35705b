// SPDX-License-Identifier: Apache-2.0
//
// Copying a tree that somebody else may still be changing: every step goes by descriptor and
// follows no symbolic link.
//
// Thread rule: no shared state.
#pragma once

#include <sys/types.h>

#include <string>

#include "base/result.h"

namespace fbx::sandbox {

// Copies what is in directory `from_fd` into the new directory `name` below `to_fd`; all of it
// becomes uid:gid. Symbolic links stay links; sockets, fifos and devices are left out; overlayfs
// whiteouts become empty files `<name>.removed`.
Status copy_tree(int from_fd, int to_fd, const std::string& name, uid_t uid, gid_t gid);

}  // namespace fbx::sandbox
