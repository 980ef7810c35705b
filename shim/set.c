// SPDX-License-Identifier: Apache-2.0
#include "shim/shim.h"

void fbx_see_set(struct fbx_view *view) {
  view->generation = __atomic_load_n(&fbx_here->head.current, __ATOMIC_ACQUIRE);
  view->set = &fbx_here->sets[view->generation % FBX_SHIM_SETS];
}

int fbx_still(const struct fbx_view *view) {
  __atomic_thread_fence(__ATOMIC_ACQUIRE);
  return __atomic_load_n(&view->set->generation, __ATOMIC_RELAXED) == view->generation;
}

int fbx_rule_is_active(uint32_t rule) {
  for (int tries = 0; tries < 1000; tries++) {
    struct fbx_view view;
    int found = 0;
    fbx_see_set(&view);
    if (!view.generation) return 0;
    for (uint32_t i = 0; i < FBX_SET_RULES && i < view.set->rules.count; i++)
      found |= view.set->rules.rules[i].rule == rule;
    if (fbx_still(&view)) return found;
  }
  return 1;
}

int fbx_owner_lives(void) {
  uint32_t owner = __atomic_load_n(&fbx_here->head.owner, __ATOMIC_ACQUIRE);
  return (owner & FBX_SHIM_OWNER_TID) && !(owner & FBX_SHIM_OWNER_DIED);
}
