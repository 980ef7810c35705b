// SPDX-License-Identifier: Apache-2.0
#include "runner/sandbox/user_namespace.h"

#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include <fstream>

#include "runner/sandbox/fd.h"

namespace fbx::sandbox {

namespace {

Status write_file(const char* path, const std::string& text) {
  const Fd fd(::open(path, O_WRONLY | O_CLOEXEC));
  if (!fd || ::write(fd.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()))
    return fail_errno(std::string("writing ") + path);
  return {};
}

std::string first_word(const char* path) {
  std::ifstream file(path);
  std::string word;
  file >> word;
  return word;
}

bool behind_a_filter() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("Seccomp:")) return line.find('2') != std::string::npos;
  return false;
}

}  // namespace

Status enter_user_namespace() {
  const std::string uid = std::to_string(::geteuid()), gid = std::to_string(::getegid());
  if (::unshare(CLONE_NEWUSER) != 0) return fail_errno("making a user namespace");
  // user_namespaces(7): groups may only be mapped once setgroups is given up.
  if (Status s = write_file("/proc/self/setgroups", "deny"); !s) return s;
  if (Status s = write_file("/proc/self/uid_map", uid + " " + uid + " 1"); !s) return s;
  return write_file("/proc/self/gid_map", gid + " " + gid + " 1");
}

std::string user_namespace_remedy() {
  if (first_word("/proc/sys/user/max_user_namespaces") == "0")
    return "sudo sysctl user.max_user_namespaces=10000";
  if (first_word("/proc/sys/kernel/unprivileged_userns_clone") == "0")
    return "sudo sysctl kernel.unprivileged_userns_clone=1";
  if (first_word("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == "1")
    return "sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0";
  if (behind_a_filter()) return "in a container: run it with --security-opt seccomp=unconfined";
  return "run it with sudo";
}

}  // namespace fbx::sandbox
