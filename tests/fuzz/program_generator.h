// SPDX-License-Identifier: Apache-2.0
//
// Random Starlark programs that compile: every name is bound before it is used, types mostly fit.
// At run time they may end in an error (an index, a division, a failed conversion), and always end:
// loops go over short sequences, functions call only those before them.
#pragma once

#include <cstdint>
#include <string>

namespace fuzz {

// The same seed gives the same text on every machine.
std::string random_program(std::uint64_t seed);

}  // namespace fuzz
