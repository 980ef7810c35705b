// SPDX-License-Identifier: Apache-2.0
//
// What is mounted where, as /proc/<pid>/mountinfo says it (proc_pid_mountinfo(5)).
//
// Thread rule: pure, but for own_mountinfo(), which reads a file.
#pragma once

#include <string>

namespace fbx {

// The text of this process's own; "" where there is none.
[[nodiscard]] std::string own_mountinfo();

// A field with its octal escapes ("\\040" is a space) undone.
[[nodiscard]] std::string unescape_mountinfo(const std::string& field);

// Where cgroup v2 is mounted: the mount of its root where there is one, else the first of a part
// of it; "" when there is none.
[[nodiscard]] std::string find_cgroup2_mount(const std::string& mountinfo);

}  // namespace fbx
