// SPDX-License-Identifier: Apache-2.0
#include "runner/run/kept_files.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cctype>

#include "runner/service/identity.h"

namespace fbx::run {

namespace {

// A test may be named by any string.
std::string file_name_of(const std::string& test) {
  std::string name;
  for (const char c : test.substr(0, 200)) {
    const bool plain = std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '-' ||
                       (c == '.' && !name.empty());
    name += plain ? c : '_';
  }
  return name.empty() ? "test" : name;
}

}  // namespace

Result<std::unique_ptr<KeptFiles>> KeptFiles::create() {
  const char* place = ::getenv("TMPDIR");
  std::string path = (place != nullptr && *place == '/' ? std::string(place) : "/tmp") + "/fbx-kept.XXXXXX";
  if (::mkdtemp(path.data()) == nullptr) return fail_errno("making a folder for --keep: " + path);
  sandbox::Fd folder(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!folder) return fail_errno("opening " + path);
  return std::unique_ptr<KeptFiles>(new KeptFiles(std::move(path), std::move(folder)));
}

std::string KeptFiles::folder_for(const std::string& test) {
  const std::string name = file_name_of(test);
  std::string free = name;
  for (int n = 2; !used_.insert(free).second; ++n) free = name + "." + std::to_string(n);
  return path_ + "/" + free;
}

Status KeptFiles::give_away() {
  if (::rmdir(path_.c_str()) == 0) return {};
  const Result<service::Identity> user = service::invoking_user();
  if (!user) return std::unexpected(user.error());
  if (::fchown(fd_.get(), user->uid, user->gid) != 0) return fail_errno("giving away " + path_);
  return {};
}

}  // namespace fbx::run
