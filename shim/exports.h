// SPDX-License-Identifier: Apache-2.0
//
// Preprocessed into the linker's version script: what the shim shows, and nothing else.
#include "shim/entries.h"
#define X(symbol, call) symbol;
#define A(name, symbol) name;
#define O(symbol) symbol;
{ global: FBX_SHIM_ENTRY_POINTS(X, A, O) local: *; };
