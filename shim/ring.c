// SPDX-License-Identifier: Apache-2.0
//
// Entries and names for the runner. A full ring is waited for, because the runner empties it every
// few ms; an entry that found no room in a second is lost and counted.
#include <asm/unistd.h>

#include "shim/shim.h"

#define FBX_ROOM_TRIES 2000

static int await_room(int *tries) {
  long slice[2] = {0, 500000};
  if ((*tries)++ >= FBX_ROOM_TRIES || !fbx_owner_lives()) return 0;
  fbx_sys(__NR_nanosleep, slice, 0, 0, 0, 0, 0);
  return 1;
}

// Between the two stores to the head and to seq a killed writer leaves a gap that the runner waits
// for, so everything is known before the first.
uint64_t fbx_write_entry(const struct fbx_shim_entry *entry) {
  struct fbx_shim_head *head = &fbx_here->head;
  uint64_t at = __atomic_load_n(&head->head, __ATOMIC_RELAXED);
  int tries = 0;
  do {
    while (at - __atomic_load_n(&head->tail, __ATOMIC_ACQUIRE) >= FBX_SHIM_ENTRIES) {
      if (!await_room(&tries)) {
        __atomic_fetch_add(&head->lost, 1, __ATOMIC_RELAXED);
        return 0;
      }
      at = __atomic_load_n(&head->head, __ATOMIC_RELAXED);
    }
  } while (!__atomic_compare_exchange_n(&head->head, &at, at + 1, 1, __ATOMIC_ACQ_REL,
                                        __ATOMIC_RELAXED));
  struct fbx_shim_entry *to = &fbx_here->entries[at % FBX_SHIM_ENTRIES];
  memcpy((char *)to + 8, (const char *)entry + 8, sizeof *entry - 8);
  __atomic_store_n(&to->seq, at + 1, __ATOMIC_RELEASE);
  return at + 1;
}

uint32_t fbx_intern(const char *text, int len) {
  uint64_t hash = 1469598103934665603ull;  // FNV-1a
  if (len <= 0 || len > FBX_SHIM_NAME_TEXT) return 0;
  for (int i = 0; i < len; i++) hash = (hash ^ (uint8_t)text[i]) * 1099511628211ull;
  hash |= 1;
  for (uint32_t i = 0; i < 16; i++) {
    uint32_t at = (uint32_t)(hash + i) % FBX_SHIM_NAMES;
    struct fbx_shim_name *name = &fbx_here->names[at];
    uint64_t seen = 0;
    if (__atomic_compare_exchange_n(&name->hash, &seen, hash, 0, __ATOMIC_ACQ_REL,
                                    __ATOMIC_ACQUIRE)) {
      memcpy(name->text, text, (size_t)len);
      name->len = (uint32_t)len;
      __atomic_store_n(&name->ready, 1, __ATOMIC_RELEASE);
      return at + 1;
    }
    // One that is not ready may never be: its writer was killed.
    if (seen == hash && __atomic_load_n(&name->ready, __ATOMIC_ACQUIRE) &&
        name->len == (uint32_t)len && !memcmp(name->text, text, (size_t)len))
      return at + 1;
  }
  return 0;
}
