// SPDX-License-Identifier: Apache-2.0
//
// The environment of a service (LANGUAGE section 3): PATH HOME LANG TZ USER TMPDIR, what
// inherit_env names, FBX_<SERVICE>_<INTERFACE>_{HOST,PORT,ADDR} of every service, and env; later
// ones replace earlier ones. LD_PRELOAD, LD_AUDIT and proxy variables of the caller never pass,
// whatever inherit_env says; a spec may set them itself in env.
//
// Thread rule: pure; the caller's environment is an argument.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runner/service/identity.h"
#include "spec/plan/plan.h"

namespace fbx::service {

using Variables = std::vector<std::pair<std::string, std::string>>;

// This process's environment.
[[nodiscard]] Variables caller_environment();

struct Environment {
  std::vector<std::string> entries;   // "NAME=value", sorted by name
  std::vector<std::string> withheld;  // names that inherit_env matched and that never pass
};

// What a program gets that a step executes: the same without inherit_env, and `own` as its env.
using Pairs = std::vector<std::pair<std::string, std::string>>;
[[nodiscard]] Environment client_environment(const plan::Plan& plan, const Pairs& own,
                                             const Identity& user, const Variables& caller);

[[nodiscard]] Environment service_environment(const plan::Plan& plan, size_t service,
                                              const Identity& user, const Variables& caller);

// `text` with every "${spec_dir}" replaced.
[[nodiscard]] std::string with_spec_dir(std::string_view text, const std::string& spec_dir);

}  // namespace fbx::service
