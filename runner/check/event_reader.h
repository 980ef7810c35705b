// SPDX-License-Identifier: Apache-2.0
//
// The attributes of events (LANGUAGE section 7), read from the store when a spec asks.
//
// Thread rule: the thread that pumps the observer.
#pragma once

#include "runner/observe/event.h"
#include "spec/model/session.h"
#include "spec/plan/plan.h"

namespace fbx::check {

class StoreReader final : public model::EventReader {
 public:
  // Both outlive it. Times are told in ms since `zero_ns` (CLOCK_MONOTONIC), the body's begin.
  StoreReader(const plan::Plan& plan, const observe::EventStore& store) : plan_(plan), store_(store) {}
  void set_zero(uint64_t zero_ns) { zero_ns_ = zero_ns; }

  [[nodiscard]] std::optional<model::EventValue> attribute(uint64_t seq,
                                                           std::string_view name) const override;
  [[nodiscard]] std::vector<std::string> names(uint64_t seq) const override;
  [[nodiscard]] std::string text(uint64_t seq) const override;

 private:
  [[nodiscard]] model::EventValue time(uint64_t ns) const;
  [[nodiscard]] std::optional<model::EventValue> common(const observe::Event& event,
                                                        std::string_view name) const;
  [[nodiscard]] std::optional<model::EventValue> of_call(const observe::Event& event,
                                                         std::string_view name) const;
  [[nodiscard]] std::optional<model::EventValue> of_line(const observe::Event& event,
                                                         std::string_view name) const;
  [[nodiscard]] model::EventValue peer(const observe::Event& event) const;
  [[nodiscard]] model::EventValue op(const observe::Event& event) const;

  const plan::Plan& plan_;
  const observe::EventStore& store_;
  uint64_t zero_ns_ = 0;
};

}  // namespace fbx::check
