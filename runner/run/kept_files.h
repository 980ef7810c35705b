// SPDX-License-Identifier: Apache-2.0
//
// --keep: one new folder per invocation, below $TMPDIR (else /tmp), with a folder of each test's
// files in it. While tests run it is fbx's own, so that nobody can put a link where the next test's
// files go; at the end it is given to the invoking user, as what is in it was before.
//
// Thread rule: the front's only thread.
#pragma once

#include <memory>
#include <set>
#include <string>

#include "base/result.h"
#include "runner/sandbox/fd.h"

namespace fbx::run {

class KeptFiles {
 public:
  // Fails when the folder can't be made.
  static Result<std::unique_ptr<KeptFiles>> create();

  // Where the files of the test go: absolute, not there yet, another one for each call.
  [[nodiscard]] std::string folder_for(const std::string& test);
  // Gives the folder to the invoking user; one in which nothing was kept is removed instead.
  Status give_away();

 private:
  KeptFiles(std::string path, sandbox::Fd folder) : path_(std::move(path)), fd_(std::move(folder)) {}

  std::string path_;
  sandbox::Fd fd_;
  std::set<std::string> used_;
};

}  // namespace fbx::run
