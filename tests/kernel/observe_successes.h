// SPDX-License-Identifier: Apache-2.0
//
// One success of each call of the table, made in a process of its own: observe_every_test.cc compares
// it with its record. A row's arguments stand as the kernel takes them.
#pragma once

#include <sys/types.h>

#include <cstdint>
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
  pid_t* by = nullptr;  // who makes the call: a row that forks says so
  void* map = nullptr;  // two pages, anonymous, private, writable
};

struct Success {
  std::string_view call;
  long (*make)(Things&);
  int absent = 0;  // the errno that says that this machine has no such thing; ENOSYS always does
};

// What the process that makes a row's call says of it, in shared memory.
struct Witness {
  char call[32];     // set before the row is made
  uint64_t args[6];
  char file[256];    // of the descriptor argument, as /proc says; empty: there is none
  char path[256];    // the path argument as given
};
extern Witness* witness;  // of the row being made; nullptr: nobody asks

[[nodiscard]] const std::vector<Success>& successes();

}  // namespace fbx::observe::testing
