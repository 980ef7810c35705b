// SPDX-License-Identifier: Apache-2.0
//
// The frozen values and the code of a plan, as plain data: what a fresh VM heap is filled from.
// Owned and extended together with spec/model/freeze.h, which makes one from VM values and back.
//
// Thread rule: values.
#pragma once

#include <cstdint>

namespace fbx::plan {

// Index of a value in Image::values.
using ValueRef = uint32_t;
constexpr ValueRef kNoValue = 0xffffffff;

struct Image {};

}  // namespace fbx::plan
