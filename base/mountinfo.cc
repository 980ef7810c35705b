// SPDX-License-Identifier: Apache-2.0
#include "base/mountinfo.h"

#include <fstream>
#include <sstream>

namespace fbx {

std::string own_mountinfo() {
  std::ifstream file("/proc/self/mountinfo");
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

std::string unescape_mountinfo(const std::string& field) {
  const auto octal = [](char c) { return c >= '0' && c <= '7'; };
  std::string out;
  for (size_t i = 0; i < field.size(); ++i) {
    if (field[i] == '\\' && i + 3 < field.size() && octal(field[i + 1]) && octal(field[i + 2]) &&
        octal(field[i + 3])) {
      out += static_cast<char>((field[i + 1] - '0') * 64 + (field[i + 2] - '0') * 8 +
                               (field[i + 3] - '0'));
      i += 3;
    } else {
      out += field[i];
    }
  }
  return out;
}

std::string find_cgroup2_mount(const std::string& mountinfo) {
  std::istringstream lines(mountinfo);
  std::string line, first;
  while (std::getline(lines, line)) {
    // "31 23 0:28 <root> <mount point> <options> [optional fields] - <type> <source> <options>"
    const size_t dash = line.find(" - ");
    if (dash == std::string::npos || !line.substr(dash + 3).starts_with("cgroup2 ")) continue;
    std::istringstream fields(line);
    std::string id, parent, device, root, point;
    if (!(fields >> id >> parent >> device >> root >> point)) continue;
    if (root == "/") return unescape_mountinfo(point);
    if (first.empty()) first = unescape_mountinfo(point);
  }
  return first;
}

}  // namespace fbx
