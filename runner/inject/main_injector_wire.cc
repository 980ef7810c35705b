// SPDX-License-Identifier: Apache-2.0
//
// The side of the wire: laid by the first delay that may need it.
#include "runner/inject/main_injector.h"

#include <utility>

namespace fbx::inject {

// At most once a test. What goes wrong is said by the first call that would have needed it.
void MainInjector::lay_wire() {
  if (wire_) return;
  if (test_.plan->network == plan::Network::kHost) {
    supervisor_->use_wire(fail("under network=\"host\" the network is not the test's own"));
    return;
  }
  auto wire = Wire::create();
  if (!wire) {
    supervisor_->use_wire(std::unexpected(wire.error()));
    return;
  }
  wire_ = std::move(*wire);
  supervisor_->use_wire(wire_.get());
}

void MainInjector::take_from_wire(const std::vector<uint32_t>& rules) {
  if (!wire_) return;
  for (const Wire::Missed& missed : wire_->lift(rules)) add_escape(missed.rule, missed.what);
  for (const uint32_t rule : rules) {
    if (wire_->carried(rule) == 0) continue;
    log_.rules[rule].hand = Hand::kWire;
    for (const std::string& trouble : wire_->troubles()) add_escape(rule, trouble);
  }
}

}  // namespace fbx::inject
