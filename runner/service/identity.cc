// SPDX-License-Identifier: Apache-2.0
#include "runner/service/identity.h"

#include <grp.h>
#include <pwd.h>
#include <unistd.h>

#include <charconv>
#include <cstdlib>
#include <optional>

namespace fbx::service {

namespace {

std::optional<uid_t> number(const char* text) {
  if (text == nullptr) return std::nullopt;
  const std::string_view digits(text);
  uid_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return value;
}

std::vector<gid_t> groups_of(const std::string& name, gid_t gid) {
  int count = 64;
  std::vector<gid_t> groups(static_cast<size_t>(count));
  if (::getgrouplist(name.c_str(), gid, groups.data(), &count) < 0) {
    groups.resize(static_cast<size_t>(count));
    ::getgrouplist(name.c_str(), gid, groups.data(), &count);
  }
  groups.resize(static_cast<size_t>(count));
  return groups;
}

Identity known(const passwd& entry) {
  return {entry.pw_uid, entry.pw_gid, groups_of(entry.pw_name, entry.pw_gid), entry.pw_name,
          entry.pw_dir};
}

Identity by_uid(uid_t uid, std::optional<gid_t> gid) {
  Identity identity{uid, gid.value_or(uid), {}, std::to_string(uid), "/"};
  if (const passwd* entry = ::getpwuid(uid)) identity = known(*entry);
  if (gid && *gid != identity.gid) {
    identity.gid = *gid;
    identity.groups = groups_of(identity.name, *gid);
  }
  if (identity.groups.empty()) identity.groups.push_back(identity.gid);
  return identity;
}

}  // namespace

Result<Identity> invoking_user() {
  const auto uid = number(std::getenv("SUDO_UID"));
  if (::geteuid() == 0 && uid) return by_uid(*uid, number(std::getenv("SUDO_GID")));
  Identity own = by_uid(::geteuid(), ::getegid());
  const int count = ::getgroups(0, nullptr);
  if (count < 0) return fail_errno("getgroups");
  own.groups.resize(static_cast<size_t>(count));
  if (count > 0 && ::getgroups(count, own.groups.data()) < 0) return fail_errno("getgroups");
  return own;
}

Result<Identity> resolve_user(const std::string& user) {
  if (user.empty()) return invoking_user();
  if (const passwd* entry = ::getpwnam(user.c_str())) return known(*entry);
  if (const auto uid = number(user.c_str())) return by_uid(*uid, std::nullopt);
  return fail("no user \"" + user + "\" on this machine");
}

}  // namespace fbx::service
