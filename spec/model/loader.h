// SPDX-License-Identifier: Apache-2.0
//
// Everything a spec reads from outside while it is compiled. The command hands in the real one
// (runner/cli/files.h), tests one of their own.
//
// Thread rule: one thread.
#pragma once

#include <optional>
#include <string>

#include "base/result.h"

namespace fbx::model {

class Loader {
 public:
  virtual ~Loader() = default;
  // The bytes of a file; `path` is relative to the spec's folder ("lib/common.star"), or absolute.
  virtual Result<std::string> read_file(const std::string& path) = 0;
  // Nothing when the variable is not set.
  virtual std::optional<std::string> env(const std::string& name) = 0;
};

}  // namespace fbx::model
