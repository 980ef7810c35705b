// SPDX-License-Identifier: Apache-2.0
#include "runner/inject/rule_log.h"

namespace fbx::inject {

const char* hand_name(Hand hand) {
  switch (hand) {
    case Hand::kNone: return "none";
    case Hand::kCgroup: return "cgroup";
    case Hand::kSeccomp: return "seccomp";
    case Hand::kShim: return "shim";
    case Hand::kOverride: return "override";
    case Hand::kFmodRet: return "fmod_ret";
    case Hand::kLsm: return "lsm";
    case Hand::kWire: return "wire";
  }
  return "none";
}

}  // namespace fbx::inject
