// SPDX-License-Identifier: Apache-2.0
//
// From a row of entries.h to a function. Integer arguments travel in the same registers whatever
// their types and however many, so one shape serves all that a call of up to six can have.
#pragma once
#include <asm/unistd.h>

#include "shim/entries.h"
#include "shim/shim.h"

#define FBX_ARGS long a, long b, long c, long d, long e, long f
#define FBX_PLAIN(symbol, call)                                    \
  FBX_EXPORT long symbol(FBX_ARGS);                                \
  long symbol(FBX_ARGS) {                                          \
    return fbx_result(fbx_call(__NR_##call, a, b, c, d, e, f)); \
  }
#define FBX_ALIAS(name, symbol) FBX_EXPORT long name(FBX_ARGS) __attribute__((alias(#symbol)));
#define FBX_OWN(symbol) FBX_EXPORT long symbol(FBX_ARGS);
#define FBX_UNUSED (void)a, (void)b, (void)c, (void)d, (void)e, (void)f
#define FBX_CALL(call, ...) fbx_result(fbx_call(__NR_##call, __VA_ARGS__))
