// SPDX-License-Identifier: Apache-2.0
//
// The write-ahead log of reservations. One record is: open, append a line, sync, close; it counts
// only when every one of them succeeded. Three ways of writing, because programs differ there:
//   raw     write() and fsync()
//   stdio   fprintf(), fflush() and fdatasync()
//   odsync  write() to a descriptor opened with O_DSYNC, and no sync call at all
//
// Thread rule: one thread at a time (the caller's lock orders the records).
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace shop {

enum class WalMode { kRaw, kStdio, kOdsync };

// "raw", "stdio" or "odsync"; nullopt for anything else.
[[nodiscard]] std::optional<WalMode> wal_mode_from(std::string_view name);

class Wal {
 public:
  Wal(std::string path, WalMode mode) : path_(std::move(path)), mode_(mode) {}

  // Appends `record` and a '\n' so that it survives a power cut. Returns "" on success; on failure
  // "write: Input/output error" and the like, and the file is cut back to what it held before, so
  // that a reservation which was refused is not found in the log.
  [[nodiscard]] std::string append(std::string_view record);

 private:
  std::string path_;
  WalMode mode_;
};

}  // namespace shop
