// SPDX-License-Identifier: Apache-2.0
//
// One success of each call of the table, made in a process of its own: observe_every_test.cc compares
// it with its record. A row's arguments stand as the kernel takes them.
#pragma once

#include <string_view>
#include <vector>

namespace fbx::observe::testing {

// What a row may use: files in a folder of its own (which is the working directory), sockets, memory.
// Made anew for each call.
struct Things {
  explicit Things(const char* folder);
  const char* file = "f";  // 8 bytes
  int fd = -1;             // of it, O_RDWR
  int folder_fd = -1;
  int pair[2] = {-1, -1};  // a stream; "12345678" waits to be read from [1]
  int pipe[2] = {-1, -1};  // the same from [0]
  int listener = -1;       // TCP, 127.0.0.1; a dial waits to be accepted
  int dialled = -1;        // that dial's own end
  int epoll = -1;
  unsigned char address[128] = {};  // of the listener
  unsigned address_size = 16;
  unsigned char buffer[4096] = {};  // zero
  char page[3 * 4096] __attribute__((aligned(4096))) = {};
  void* map = nullptr;  // two pages, anonymous, private, writable
};

struct Success {
  std::string_view call;
  long (*make)(Things&);
};

[[nodiscard]] const std::vector<Success>& successes();

}  // namespace fbx::observe::testing
