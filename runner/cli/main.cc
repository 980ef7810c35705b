// SPDX-License-Identifier: Apache-2.0
#include "runner/cli/commands.h"
#include "runner/cli/options.h"

int main(int argc, char** argv) {
  int exit_code = 0;
  const auto options = fbx::cli::parse_options(argc, argv, exit_code);
  return options ? fbx::cli::run(*options) : exit_code;
}
