// SPDX-License-Identifier: Apache-2.0
//
// Ends at once: `exits [CODE [LINE]]` prints LINE on stderr and exits with CODE (0).
#include "victim.h"

int main(int argc, char** argv) {
  if (argc > 2) fprintf(stderr, "%s\n", argv[2]);
  say("ok");
  return argc > 1 ? atoi(argv[1]) : 0;
}
