// SPDX-License-Identifier: Apache-2.0
//
// Looks at code before it runs: calls of the dialect's built-ins with arguments that can be known
// (fault(orders, conect=deny("EIOO")) inside a test), attributes of services, names that are not
// there yet; and warns of rules that are legal but surely not meant.
//
// Thread rule: pure.
#pragma once

#include "base/diagnostic.h"
#include "spec/model/knowledge.h"

namespace fbx::model {

// Uses of built-ins that this version lacks. Needs no evaluation.
void check_not_yet(const starlark::core::Module& module, Diagnostics& diagnostics);

// One module, evaluated and frozen. Mistakes of the top level's own code were met when it ran: of
// it, only warnings are given.
void check_bodies(starlark::Module& module, Knowledge& knowledge, Diagnostics& diagnostics);

}  // namespace fbx::model
