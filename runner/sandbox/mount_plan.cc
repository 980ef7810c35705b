// SPDX-License-Identifier: Apache-2.0
#include "runner/sandbox/mount_plan.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <sstream>

#include "base/mountinfo.h"

namespace fbx::sandbox {

namespace {

namespace fs = std::filesystem;

// Of one target: what is mounted there.
struct Cover {
  std::string target;
  enum class What : uint8_t { kFresh, kOverlay } what = What::kFresh;
  std::string name;  // in the kept folder
};

std::string real_path(const std::string& path) {
  std::error_code error;
  const fs::path real = fs::canonical(path, error);
  return error ? "" : real.string();
}

void add_cover(std::vector<Cover>& covers, const std::string& path, Cover::What what,
               const std::string& name) {
  const std::string target = real_path(path);
  if (target.empty() || target == "/" || !fs::is_directory(target)) return;
  for (const Cover& cover : covers) {
    if (cover.target == target) return;
  }
  covers.push_back({target, what, name});
}

// Ancestors first. The spec's folder goes in first: where it is /tmp itself, its overlay wins.
std::vector<Cover> covers_of(const MountWishes& wishes, const std::string& spec_dir) {
  std::vector<Cover> covers;
  const auto tmp = wishes.overlay_tmp ? Cover::What::kOverlay : Cover::What::kFresh;
  if (!spec_dir.empty()) add_cover(covers, spec_dir, Cover::What::kOverlay, "spec");
  add_cover(covers, "/tmp", tmp, "tmp");
  add_cover(covers, "/var/tmp", tmp, "var-tmp");
  add_cover(covers, "/dev/shm", Cover::What::kFresh, "");
  std::ranges::sort(covers, {}, &Cover::target);
  return covers;
}

// The nearest cover above or at `path`.
const Cover* cover_of(const std::vector<Cover>& covers, const std::string& path) {
  const Cover* nearest = nullptr;
  for (const Cover& cover : covers) {
    if (at_or_below(path, cover.target)) nearest = &cover;
  }
  return nearest;
}

class Planner {
 public:
  Planner(std::vector<Cover> covers, bool one_user)
      : covers_(std::move(covers)), one_user_(one_user) {}

  void mount_covers() {
    for (size_t i = 0; i < covers_.size(); ++i) {
      const Cover& cover = covers_[i];
      make_dirs(cover.target, parent_of(i));
      if (cover.what == Cover::What::kOverlay) {
        add_overlay(cover, i);
      } else {
        plan_.steps.push_back({MountStep::Kind::kTmpfs, cover.target, "mode=1777"});
        if (!cover.name.empty()) plan_.kept.push_back({cover.name, "", cover.target});
      }
    }
  }

  // What was mounted below the spec's folder would be hidden by its overlay: it stays visible,
  // read-only, because what is written there would outlive the test.
  void restore_mounts_below(const std::string& dir, const std::string& mountinfo) {
    for (const std::string& point : mounts_below(mountinfo, dir)) {
      if (cover_of(covers_, point)->target != dir) continue;
      attach(point, {Pin::Kind::kClone, point, true});
    }
  }

  void show_file(const std::string& path) {
    const Cover* cover = cover_of(covers_, path);
    if (cover == nullptr || cover->what == Cover::What::kOverlay) return;
    make_dirs(fs::path(path).parent_path().string(), cover);
    plan_.steps.push_back({MountStep::Kind::kMakeFile, path});
    attach(path, {Pin::Kind::kClone, path, false});
  }

  MountPlan take() { return std::move(plan_); }

 private:
  // The cover that lies above covers_[i], if there is one.
  const Cover* parent_of(size_t i) const {
    const Cover* nearest = nullptr;
    for (size_t k = 0; k < i; ++k) {
      if (at_or_below(covers_[i].target, covers_[k].target)) nearest = &covers_[k];
    }
    return nearest;
  }

  // The directories of `dir` that a fresh cover above it has hidden.
  void make_dirs(const std::string& dir, const Cover* above) {
    if (above == nullptr || above->what != Cover::What::kFresh) return;
    for (size_t at = above->target.size(); at != std::string::npos && at < dir.size();) {
      at = dir.find('/', at + 1);
      plan_.steps.push_back({MountStep::Kind::kMakeDir, dir.substr(0, at), "", "", -1, 0755});
    }
  }

  void attach(const std::string& target, Pin pin) {
    plan_.pins.push_back(std::move(pin));
    plan_.steps.push_back(
        {MountStep::Kind::kAttach, target, "", "", static_cast<int>(plan_.pins.size()) - 1});
  }

  // The lower layer is where the guard stands ("."): no path in the options, so a folder may have
  // a colon or a comma in its name. The merged root has the upper directory's mode and owner
  // (overlayfs.rst), which therefore copies the lower's.
  void add_overlay(const Cover& cover, size_t i) {
    const std::string upper = std::string(kScratch) + "/upper" + std::to_string(i);
    const std::string work = std::string(kScratch) + "/work" + std::to_string(i);
    struct stat lower{};
    if (::stat(cover.target.c_str(), &lower) != 0) lower.st_mode = 0755;
    if (one_user_) {
      lower.st_mode = rights_in(cover.target);
      lower.st_uid = lower.st_gid = MountStep::kNobody;
    }
    plan_.pins.push_back({Pin::Kind::kPlace, cover.target});
    plan_.steps.push_back({MountStep::Kind::kMakeDir, upper, "", "", -1, 0700});
    plan_.steps.push_back({MountStep::Kind::kOwn, upper, "", "", -1, lower.st_mode & 07777,
                           lower.st_uid, lower.st_gid});
    plan_.steps.push_back({MountStep::Kind::kMakeDir, work, "", "", -1, 0700});
    std::string options = "lowerdir=.,upperdir=" + upper + ",workdir=" + work;
    if (one_user_) options += ",userxattr";  // trusted.* is root's (overlayfs.rst)
    // Without redirect_dir, renaming a directory that comes from below gives EXDEV, which no
    // plain file system does.
    plan_.steps.push_back({MountStep::Kind::kOverlay, cover.target, options + ",redirect_dir=on",
                           options, static_cast<int>(plan_.pins.size()) - 1});
    plan_.kept.push_back({cover.name, "upper" + std::to_string(i), ""});
  }

  // What this user may do there, as everybody's mode.
  static mode_t rights_in(const std::string& dir) {
    mode_t mode = 0;
    if (::access(dir.c_str(), R_OK) == 0) mode |= 0444;
    if (::access(dir.c_str(), W_OK) == 0) mode |= 0222;
    if (::access(dir.c_str(), X_OK) == 0) mode |= 0111;
    return mode;
  }

  std::vector<Cover> covers_;
  bool one_user_;
  MountPlan plan_;
};

}  // namespace

bool at_or_below(const std::string& path, const std::string& dir) {
  if (dir == "/") return true;
  return path.starts_with(dir) && (path.size() == dir.size() || path[dir.size()] == '/');
}

std::vector<std::string> mounts_below(const std::string& mountinfo, const std::string& dir) {
  std::vector<std::string> points;
  std::istringstream lines(mountinfo);
  std::string line;
  while (std::getline(lines, line)) {
    std::istringstream fields(line);
    std::string id, parent, device, root, point;
    if (!(fields >> id >> parent >> device >> root >> point)) continue;
    point = unescape_mountinfo(point);
    if (point != dir && at_or_below(point, dir)) points.push_back(point);
  }
  std::ranges::sort(points);
  std::vector<std::string> topmost;
  for (const std::string& point : points) {
    if (topmost.empty() || !at_or_below(point, topmost.back())) topmost.push_back(point);
  }
  return topmost;
}

Attempt<MountPlan> plan_mounts(const MountWishes& wishes) {
  std::string spec_dir;
  if (!wishes.spec_dir.empty()) {
    spec_dir = real_path(wishes.spec_dir);
    if (spec_dir.empty()) return trouble(fail("the spec's folder " + wishes.spec_dir + " is gone"));
  }
  if (spec_dir == "/")
    return refuse("spec-folder-root", "the spec lies in /, which can't be put under an overlay",
                  "move it into a folder of its own");
  Planner planner(covers_of(wishes, spec_dir), wishes.one_user);
  planner.mount_covers();
  if (!spec_dir.empty()) planner.restore_mounts_below(spec_dir, wishes.mountinfo);
  for (const std::string& file : wishes.visible_files) planner.show_file(file);
  return planner.take();
}

}  // namespace fbx::sandbox
