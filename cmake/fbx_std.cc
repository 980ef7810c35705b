// SPDX-License-Identifier: Apache-2.0
//
// Nothing: the library that carries the precompiled standard headers needs a source.
