// SPDX-License-Identifier: Apache-2.0
//
// Who a service runs as.
//
// Thread rule: looks up the user database: not in a child between fork and exec.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "base/result.h"

namespace fbx::service {

struct Identity {
  uid_t uid = 0;
  gid_t gid = 0;
  std::vector<gid_t> groups;  // supplementary, gid included
  std::string name;           // "1000" when the user database does not know it
  std::string home;           // "/" when unknown
};

// SUDO_UID and SUDO_GID when fbx runs as root under sudo, else the process's own.
Result<Identity> invoking_user();

// A name or a decimal uid; "" = the invoking user.
Result<Identity> resolve_user(const std::string& user);

}  // namespace fbx::service
