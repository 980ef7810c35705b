// SPDX-License-Identifier: Apache-2.0
#include <cstdio>

#include "runner/cli/commands.h"
#include "runner/cli/doctor.h"
#include "runner/inject/probe.h"

namespace fbx::cli {

int doctor_command(const Options& options) {
  const Diagnosis diagnosis = diagnose(inject::probe_machine());
  std::printf("%s\n", options.json_flag ? json_of(diagnosis).c_str() : text_of(diagnosis).c_str());
  const bool can_run = diagnosis.abilities.front().refusals.empty();
  return can_run ? 0 : 3;
}

}  // namespace fbx::cli
