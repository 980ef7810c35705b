// SPDX-License-Identifier: Apache-2.0
#include "runner/observe/cgroup2.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <fstream>

#include "base/mountinfo.h"

namespace fbx::observe {
namespace {

struct Dir {
  dev_t dev = 0;
  ino_t ino = 0;
};

Result<Dir> identify(int fd) {
  struct stat st;
  if (fstat(fd, &st) != 0) return fail_errno("reading a cgroup directory");
  return Dir{st.st_dev, st.st_ino};
}

// Opens the parent; −1 at the top of the mount.
Result<int> open_parent(int fd) {
  const Result<Dir> here = identify(fd);
  if (!here) return std::unexpected(here.error());
  const int up = openat(fd, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (up < 0) return fail_errno("opening a cgroup's parent");
  const Result<Dir> above = identify(up);
  if (!above) {
    close(up);
    return std::unexpected(above.error());
  }
  if (above->dev == here->dev && above->ino != here->ino) return up;
  close(up);
  return -1;
}

}  // namespace

Result<std::string> cgroup2_mount() {
  std::string mount = find_cgroup2_mount(own_mountinfo());
  if (mount.empty()) return fail("cgroup v2 is not mounted");
  return mount;
}

Result<int> open_cgroup(int mount_fd, uint64_t id) {
  constexpr int kFileIdKernfs = 0xfe;  // include/linux/exportfs.h
  alignas(file_handle) char buffer[sizeof(file_handle) + sizeof id];
  auto* handle = reinterpret_cast<file_handle*>(buffer);
  handle->handle_bytes = sizeof id;
  handle->handle_type = kFileIdKernfs;
  memcpy(handle->f_handle, &id, sizeof id);
  const int fd = open_by_handle_at(mount_fd, handle, O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return fail_errno("opening the cgroup with id " + std::to_string(id));
  return fd;
}

Result<uint32_t> cgroup_depth(int dir_fd) {
  uint32_t depth = 0;
  int fd = fcntl(dir_fd, F_DUPFD_CLOEXEC, 0);
  if (fd < 0) return fail_errno("duplicating a cgroup descriptor");
  for (;;) {
    const Result<int> up = open_parent(fd);
    close(fd);
    if (!up) return std::unexpected(up.error());
    if (*up < 0) return depth;
    fd = *up;
    ++depth;
  }
}

Result<uint64_t> cgroup_ancestor(int dir_fd, uint32_t up) {
  int fd = fcntl(dir_fd, F_DUPFD_CLOEXEC, 0);
  if (fd < 0) return fail_errno("duplicating a cgroup descriptor");
  for (; up > 0; --up) {
    const Result<int> above = open_parent(fd);
    close(fd);
    if (!above) return std::unexpected(above.error());
    if (*above < 0) return fail("a cgroup has fewer ancestors than expected");
    fd = *above;
  }
  const Result<Dir> found = identify(fd);
  close(fd);
  if (!found) return std::unexpected(found.error());
  return found->ino;
}

Result<int> open_own_cgroup(const std::string& mount) {
  std::ifstream in("/proc/self/cgroup");
  std::string line;
  while (std::getline(in, line)) {
    if (!line.starts_with("0::")) continue;
    const std::string path = mount + line.substr(3);
    const int fd = open(path.c_str(), O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return fail_errno("opening " + path);
    return fd;
  }
  return fail("this process is in no cgroup v2");
}

}  // namespace fbx::observe
