// SPDX-License-Identifier: Apache-2.0
//
// What a test's syncs say about its disk faults.
//
// Thread rule: pure.
#pragma once

#include <string>
#include <vector>

#include "runner/check/facts.h"

namespace fbx::check {

// Files that were synced again after a sync of them had been denied.
[[nodiscard]] std::vector<std::string> lost_sync_notes(const Facts& facts);

// Rules on writing that hit nothing but files which their service never syncs: its log, maybe, and
// not its data. Where syncs were not recorded nothing is said.
[[nodiscard]] std::vector<std::string> unsynced_notes(const Facts& facts);

}  // namespace fbx::check
