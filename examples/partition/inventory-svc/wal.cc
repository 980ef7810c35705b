// SPDX-License-Identifier: Apache-2.0
#include "examples/partition/inventory-svc/wal.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

namespace shop {

namespace {

std::string reason(const char* step) {
  return std::string(step) + ": " + strerror(errno);
}

off_t size_of(const std::string& path) {
  struct stat found = {};
  return stat(path.c_str(), &found) == 0 ? found.st_size : 0;
}

std::string write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return reason("write");
    bytes.remove_prefix(static_cast<size_t>(n));
  }
  return "";
}

std::string append_by_descriptor(const std::string& path, std::string_view line, bool dsync) {
  const int flags = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | (dsync ? O_DSYNC : 0);
  const int fd = open(path.c_str(), flags, 0644);
  if (fd < 0) return reason("open");
  std::string error = write_all(fd, line);
  if (error.empty() && !dsync && fsync(fd) != 0) error = reason("fsync");
  if (close(fd) != 0 && error.empty()) error = reason("close");
  return error;
}

std::string append_by_stdio(const std::string& path, std::string_view line) {
  FILE* file = fopen(path.c_str(), "ae");
  if (file == nullptr) return reason("fopen");
  std::string error;
  if (fprintf(file, "%.*s", static_cast<int>(line.size()), line.data()) < 0) {
    error = reason("fprintf");
  } else if (fflush(file) != 0) {
    error = reason("fflush");
  } else if (fdatasync(fileno(file)) != 0) {
    error = reason("fdatasync");
  }
  if (!error.empty()) __fpurge(file);  // or fclose would try to write the refused record again
  if (fclose(file) != 0 && error.empty()) error = reason("fclose");
  return error;
}

}  // namespace

std::optional<WalMode> wal_mode_from(std::string_view name) {
  if (name == "raw") return WalMode::kRaw;
  if (name == "stdio") return WalMode::kStdio;
  if (name == "odsync") return WalMode::kOdsync;
  return std::nullopt;
}

std::string Wal::append(std::string_view record) {
  const off_t size = size_of(path_);
  const std::string line = std::string(record) + "\n";

  std::string error;
  switch (mode_) {
    case WalMode::kRaw: error = append_by_descriptor(path_, line, false); break;
    case WalMode::kStdio: error = append_by_stdio(path_, line); break;
    case WalMode::kOdsync: error = append_by_descriptor(path_, line, true); break;
  }
  if (!error.empty() && size_of(path_) > size && truncate(path_.c_str(), size) != 0) {
    error += ", and cutting the log back failed: " + std::string(strerror(errno));
  }
  return error;
}

}  // namespace shop
