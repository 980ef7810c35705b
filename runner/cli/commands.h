// SPDX-License-Identifier: Apache-2.0
//
// The commands. Each gives the process's exit code: LANGUAGE's 0, 1, 2, 3, or 130.
//
// Thread rule: the process's only thread.
#pragma once

#include "runner/cli/options.h"

namespace fbx::cli {

int run(const Options& options);

int run_command(const Options& options);
int compile_command(const Options& options);
int check_command(const Options& options);
int plan_command(const Options& options);
int doctor_command(const Options& options);
int trace_command(const Options& options);

}  // namespace fbx::cli
