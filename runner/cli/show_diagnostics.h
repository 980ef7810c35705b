// SPDX-License-Identifier: Apache-2.0
//
// Diagnostics as a person reads them: place, message, the source line with a caret, hint.
//
// Thread rule: one thread.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/diagnostic.h"

namespace fbx::cli {

// Reads each file once.
class Excerpts {
 public:
  // The line of `place` and, under it, a caret at its column, each ended by '\n'; of a long line
  // what is around the column. "" where the file can't be read or the place is not known.
  std::string of(const Place& place);

 private:
  std::map<std::string, std::vector<std::string>> files_;
};

// To standard error.
void print_diagnostics(const Diagnostics& diagnostics);
// {"fbx_check": 1, "file", "errors", "warnings", "diagnostics": [{severity, code, file, line, col,
// message, hint, excerpt}]}, to standard output.
void print_diagnostics_json(const std::string& file, const Diagnostics& diagnostics);

}  // namespace fbx::cli
