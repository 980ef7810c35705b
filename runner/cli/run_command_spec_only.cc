// SPDX-License-Identifier: Apache-2.0
//
// `fbx run`, `fbx doctor` and `fbx trace` of the build that knows the language and the plan alone.
#include <cstdio>

#include "runner/cli/commands.h"

namespace fbx::cli {

int run_command(const Options&) {
  std::fprintf(stderr, "fbx: this build compiles and checks; fbx run needs Linux and the full build\n");
  return 1;
}

int doctor_command(const Options&) {
  std::fprintf(stderr, "fbx: this build compiles and checks on any machine; fbx doctor needs Linux "
                       "and the full build\n");
  return 1;
}

int trace_command(const Options&) {
  std::fprintf(stderr, "fbx: this build compiles and checks on any machine; fbx trace needs Linux "
                       "and the full build\n");
  return 1;
}

}  // namespace fbx::cli
