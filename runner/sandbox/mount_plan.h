// SPDX-License-Identifier: Apache-2.0
//
// What a sandbox mounts, worked out before its guard exists. The guard is a forked child of a
// process with threads: it carries the steps out without allocating (guard.cc), so everything that
// needs thought is done here.
//
// Two phases. Pins are taken in the new mount namespace while nothing is covered yet; steps then
// cover, in the order of their targets, so that what lies above is mounted first.
//
// Thread rule: values.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "runner/sandbox/attempt.h"

namespace fbx::sandbox {

// Where the guard keeps the upper layers while it mounts. Anything that exists everywhere and that
// is covered last would do; /proc is.
inline constexpr const char* kScratch = "/proc";

struct Pin {
  enum class Kind : uint8_t {
    kPlace,  // a directory to stand in, as the lower layer of an overlay
    kClone   // a detached copy of the mount at that place, read-only
  } kind = Kind::kPlace;
  std::string path;
  bool recursive = false;  // kClone: with what is mounted below
};

struct MountStep {
  enum class Kind : uint8_t {
    kMakeDir,   // target, mode; may exist
    kMakeFile,  // target, empty; may exist
    kOwn,       // target gets mode, and uid and gid unless they are kNobody
    kTmpfs,     // on target, options
    kOverlay,   // on target, options, over pin; plain_options if the kernel refuses the first
    kAttach     // pin on target
  } kind = Kind::kMakeDir;
  std::string target;
  std::string options;
  std::string plain_options;
  int pin = -1;
  uint32_t mode = 0;
  uint32_t uid = 0, gid = 0;
  static constexpr uint32_t kNobody = ~0u;
};

struct MountPlan {
  std::vector<Pin> pins;
  std::vector<MountStep> steps;
  // Upper layers and covers that --keep copies: its name in the kept folder, where it is.
  struct Kept {
    std::string name;
    std::string scratch;  // below the scratch directory; "" = a cover, read at `cover`
    std::string cover;
  };
  std::vector<Kept> kept;
};

struct MountWishes {
  std::string spec_dir;
  bool overlay_tmp = false;
  std::vector<std::string> visible_files;
  std::string mountinfo;  // text of /proc/self/mountinfo
  // Inside an ordinary user's namespace everything that is mounted belongs to that user, so what
  // the user may do in a folder becomes its mode there.
  bool one_user = false;
};

// Looks at the file system, changes nothing. Refusal: spec-folder-root.
Attempt<MountPlan> plan_mounts(const MountWishes& wishes);

// Mount points strictly below `dir`, the topmost of each branch.
[[nodiscard]] std::vector<std::string> mounts_below(const std::string& mountinfo,
                                                    const std::string& dir);

// "/a/b" is at or below "/a/b" and "/a"; not below "/a/bc".
[[nodiscard]] bool at_or_below(const std::string& path, const std::string& dir);

}  // namespace fbx::sandbox
