// SPDX-License-Identifier: Apache-2.0
//
// Requests that are steps over the network.
#include "runner/run/body.h"

namespace fbx::run {

template <typename Step>
model::Response Body::step(const Step& step) {
  last_step_ = step::describe(*parts_.plan, step);
  step::StepOutcome outcome = parts_.steps->perform(step);
  last_step_ = outcome.display;
  append_text(observe::EventType::kStep, outcome.begin_ns, outcome.end_ns, outcome.display,
              static_cast<int16_t>(step.service));
  if (outcome.doubt) doubt(outcome.doubt->code.c_str(), outcome.doubt->text, place_);
  if (!outcome.mistake.empty()) return model::Fail{outcome.mistake};
  return std::move(outcome.result);
}

model::Response Body::on(const model::HttpStep& effect) { return step(effect); }
model::Response Body::on(const model::TcpSendStep& effect) { return step(effect); }
model::Response Body::on(const model::ExchangeStep& effect) { return step(effect); }
model::Response Body::on(const model::ConnectStep& effect) { return step(effect); }

model::Response Body::on(const model::CloseStep& effect) {
  parts_.steps->close(effect.connection);
  return model::Done{};
}

}  // namespace fbx::run
