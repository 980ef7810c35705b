// SPDX-License-Identifier: Apache-2.0
#include "runner/sandbox/keep.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>

#include "runner/sandbox/fd.h"

namespace fbx::sandbox {

namespace {

struct Owner {
  uid_t uid;
  gid_t gid;
};

Status copy_file(int from_dir, int to_dir, const char* name, Owner owner) {
  const Fd from(::openat(from_dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  struct stat info{};
  if (!from || ::fstat(from.get(), &info) != 0) return fail_errno(std::string("opening ") + name);
  const Fd to(::openat(to_dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!to) return fail_errno(std::string("making ") + name);
  for (;;) {
    const ssize_t n = ::sendfile(to.get(), from.get(), nullptr, size_t{1} << 20);
    if (n < 0) return fail_errno(std::string("copying ") + name);
    if (n == 0) break;
  }
  // The owner first: chown clears set-id bits, and they are not wanted here anyway.
  if (::fchown(to.get(), owner.uid, owner.gid) != 0 || ::fchmod(to.get(), info.st_mode & 0777) != 0)
    return fail_errno(std::string("giving away ") + name);
  return {};
}

Status copy_link(int from_dir, int to_dir, const char* name, Owner owner) {
  char target[PATH_MAX];
  const ssize_t n = ::readlinkat(from_dir, name, target, sizeof target - 1);
  if (n < 0) return fail_errno(std::string("reading link ") + name);
  target[n] = '\0';
  if (::symlinkat(target, to_dir, name) != 0) return fail_errno(std::string("making ") + name);
  if (::fchownat(to_dir, name, owner.uid, owner.gid, AT_SYMLINK_NOFOLLOW) != 0)
    return fail_errno(std::string("giving away ") + name);
  return {};
}

Status note_removed(int to_dir, const std::string& name, Owner owner) {
  const std::string removed = name + ".removed";
  const Fd fd(::openat(to_dir, removed.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!fd || ::fchown(fd.get(), owner.uid, owner.gid) != 0) return fail_errno("making " + removed);
  return {};
}

Status copy_entry(int from_dir, int to_dir, const char* name, Owner owner) {
  struct stat info{};
  if (::fstatat(from_dir, name, &info, AT_SYMLINK_NOFOLLOW) != 0) {
    if (errno == ENOENT) return {};  // removed meanwhile
    return fail_errno(std::string("looking at ") + name);
  }
  if (S_ISREG(info.st_mode)) return copy_file(from_dir, to_dir, name, owner);
  if (S_ISLNK(info.st_mode)) return copy_link(from_dir, to_dir, name, owner);
  if (S_ISCHR(info.st_mode) && info.st_rdev == makedev(0, 0))
    return note_removed(to_dir, name, owner);
  if (!S_ISDIR(info.st_mode)) return {};
  const Fd below(::openat(from_dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!below) return fail_errno(std::string("opening ") + name);
  return copy_tree(below.get(), to_dir, name, owner.uid, owner.gid);
}

}  // namespace

Status copy_tree(int from_fd, int to_fd, const std::string& name, uid_t uid, gid_t gid) {
  if (::mkdirat(to_fd, name.c_str(), 0700) != 0) return fail_errno("making " + name);
  const Fd to(::openat(to_fd, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!to) return fail_errno("opening " + name);
  struct CloseDir {
    void operator()(DIR* dir) const { ::closedir(dir); }
  };
  const int own = ::openat(from_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const std::unique_ptr<DIR, CloseDir> dir(own < 0 ? nullptr : ::fdopendir(own));
  if (!dir) return fail_errno("reading " + name);
  while (const dirent* entry = ::readdir(dir.get())) {
    if (std::strcmp(entry->d_name, ".") == 0 || std::strcmp(entry->d_name, "..") == 0) continue;
    if (Status s = copy_entry(from_fd, to.get(), entry->d_name, {uid, gid}); !s)
      return fail_in(std::move(s), name);
  }
  if (::fchown(to.get(), uid, gid) != 0 || ::fchmod(to.get(), 0755) != 0)
    return fail_errno("giving away " + name);
  return {};
}

}  // namespace fbx::sandbox
