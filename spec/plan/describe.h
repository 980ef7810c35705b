// SPDX-License-Identifier: Apache-2.0
//
// The reference of the plan's format as Markdown, made from the tables that writer, reader and
// verifier use: fields.h and spec/starlark/core.h. It stands in docs/plan-format.md; a test compares.
//
// Thread rule: pure.
#pragma once

#include <string>

namespace fbx::plan {

[[nodiscard]] std::string describe_format();

}  // namespace fbx::plan
