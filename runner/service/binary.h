// SPDX-License-Identifier: Apache-2.0
//
// Which file a service's `binary` names, and whether this machine can execute it.
//
// Thread rule: pure but for looking at the file system.
#pragma once

#include <string>
#include <vector>

#include "base/diagnostic.h"
#include "base/result.h"
#include "spec/plan/plan.h"

namespace fbx::service {

struct Binary {
  std::string path;  // absolute, as found; may pass through symbolic links
  std::string real;  // the same file without symbolic links
};

// Absolute, relative to `spec_dir`, or, without a slash, on `path` ("a:b:c", empty parts skipped).
Result<Binary> find_binary(const std::string& binary, const std::string& spec_dir,
                           const std::string& path);

// PATH as services get it: the caller's, or the system's default.
[[nodiscard]] std::string service_path();

// Every service's binary: missing, no file, not executable, made for another architecture. Places
// are those of the services.
[[nodiscard]] Diagnostics check_binaries(const plan::Plan& plan);

// What the sandbox must keep visible: the binaries, the programs of prepare= and command(), and the interpreters of scripts (#!).
[[nodiscard]] std::vector<std::string> executed_files(const plan::Plan& plan);

}  // namespace fbx::service
