// SPDX-License-Identifier: Apache-2.0
//
// Finding things in the cgroup v2 hierarchy by what the kernel calls them: a directory's id is its
// inode number (kernfs), and that is what BPF programs see.
//
// Thread rule: no state. Descriptors given are close-on-exec and the caller's.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"

namespace fbx::observe {

// Where cgroup v2 is mounted, from /proc/self/mountinfo ("/sys/fs/cgroup",
// "/sys/fs/cgroup/unified"). Fails when it is not.
Result<std::string> cgroup2_mount();

// Descriptor of the directory with that id. Needs CAP_DAC_READ_SEARCH (open_by_handle_at).
Result<int> open_cgroup(int mount_fd, uint64_t id);

// How many steps up the directory's mount root is; 0 for the root itself.
Result<uint32_t> cgroup_depth(int dir_fd);

// Id of the directory `up` steps above (0 = itself).
Result<uint64_t> cgroup_ancestor(int dir_fd, uint32_t up);

// This process's own cgroup directory below `mount`, from /proc/self/cgroup.
Result<int> open_own_cgroup(const std::string& mount);

}  // namespace fbx::observe
