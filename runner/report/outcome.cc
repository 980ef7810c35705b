// SPDX-License-Identifier: Apache-2.0
#include "runner/report/outcome.h"

namespace fbx::report {

const char* verdict_name(Verdict verdict) {
  switch (verdict) {
    case Verdict::kError: return "error";
    case Verdict::kFail: return "fail";
    case Verdict::kInconclusive: return "inconclusive";
    case Verdict::kNotApplicable: return "n/a";
    case Verdict::kPass: return "pass";
    case Verdict::kKnown: return "known";
  }
  return "error";
}

int exit_code(Verdict verdict) {
  switch (verdict) {
    case Verdict::kError: return 1;
    case Verdict::kFail: return 2;
    case Verdict::kInconclusive: return 3;
    case Verdict::kNotApplicable:
    case Verdict::kPass:
    case Verdict::kKnown: return 0;
  }
  return 1;
}

}  // namespace fbx::report
