// SPDX-License-Identifier: Apache-2.0
//
// A victim that makes the calls of a little script, by whatever way a program can come to make
// them. A line on PORT is a script:
//
//   open a /tmp/x wc; write a 1; fork write a 1; size /tmp/x
//
// Operations, separated by ";". Each gives a word of the answer: "." or the name of its errno, or
// the number that it asked for. Descriptors are kept under single letters. Every script runs in a
// process of its own.
#pragma once

#include "../victim.h"

enum { kWords = 16, kNothing = -2 };

// By letter; -1 = none.
extern int slots[128];

// Gives what the call gave; negative: errno. `w` are the words behind the operation's name, the
// last one NULL.
typedef long operation_fn(char** w);

struct operation {
  const char* name;
  int words;   // that it needs at least
  int counts;  // its answer is its number
  operation_fn* run;
};

extern const struct operation file_operations[], name_operations[], socket_operations[],
    task_operations[];

// One operation, words as typed. The answer goes to `text` (32 bytes).
void run_operation(char** w, char* text);
// The same, and 0 or its errno is what it gives; 255: it is no operation.
int run_for_status(char** w);

static inline int slot(const char* letter) { return slots[(unsigned char)letter[0] & 127]; }
static inline long keep(const char* letter, long fd) {
  if (fd >= 0) slots[(unsigned char)letter[0] & 127] = (int)fd;
  return fd;
}
static inline uint64_t now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}
