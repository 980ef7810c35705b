// SPDX-License-Identifier: Apache-2.0
//
// output(): a line that the service itself prints says that it is ready.
#include <re2/re2.h>

#include "base/clock.h"
#include "runner/service/ready_parts.h"

namespace fbx::service {

namespace {

using Kind = ReadyAnswer::Kind;

class OutputCheck final : public ReadyCheck {
 public:
  OutputCheck(std::shared_ptr<const std::atomic<bool>> seen, const std::string& pattern)
      : seen_(std::move(seen)), missing_("no line of its output matches /" + pattern + "/"),
        wake_ns_(now_ns()) {}

  ReadyAnswer advance() override {
    if (*seen_) return {Kind::kReady, ""};
    wake_ns_ = pace_.next(now_ns());
    return {Kind::kNotYet, missing_};
  }

  [[nodiscard]] uint64_t wake_ns() const override { return wake_ns_; }

 private:
  std::shared_ptr<const std::atomic<bool>> seen_;
  std::string missing_;
  Pace pace_;
  uint64_t wake_ns_;
};

}  // namespace

Result<std::unique_ptr<ReadyCheck>> make_output_check(const ReadyContext& context, size_t service,
                                                      const std::string& pattern) {
  const auto expression = std::make_shared<re2::RE2>(pattern, re2::RE2::Quiet);
  if (!expression->ok())
    return fail("service " + context.plan->services[service].name + ": output(\"" + pattern +
                "\"): " + expression->error());
  auto seen = context.output->watch(static_cast<int16_t>(service),
                                    [expression](std::string_view line) {
                                      return re2::RE2::PartialMatch(
                                          re2::StringPiece(line.data(), line.size()), *expression);
                                    });
  return std::make_unique<OutputCheck>(std::move(seen), pattern);
}

}  // namespace fbx::service
