// SPDX-License-Identifier: Apache-2.0
//
// command(): a program that is run, as the service's user, until it ends with 0. Whom it asked is
// not known; what it says counts all the same, because the spec names it.
#include <sys/wait.h>

#include "base/clock.h"
#include "runner/service/ready_parts.h"
#include "runner/service/service_set.h"

namespace fbx::service {

namespace {

using Kind = ReadyAnswer::Kind;

// A program is started again after this long, at first and at most.
constexpr uint64_t kFirstGapNs = 5'000'000, kLongestGapNs = 100'000'000;

class CommandCheck final : public ReadyCheck {
 public:
  CommandCheck(const ReadyContext& context, size_t service, std::vector<std::string> argv)
      : context_(context), service_(service), argv_(std::move(argv)),
        wake_ns_(now_ns()) {}

  ReadyAnswer advance() override {
    const uint64_t now = now_ns();
    if (!command_) {
      if (now < wake_ns_) return {Kind::kNotYet, missing_};
      auto request = context_.command(service_, argv_);
      if (!request) return {Kind::kBroken, says() + request.error().text()};
      auto command = Command::start(*request);
      if (!command) return {Kind::kBroken, says() + command.error().text()};
      command_ = std::move(*command);
    }
    if (!command_->advance()) {
      // Its descriptors are several, and a loop polls for one.
      wake_ns_ = now + kFirstGapNs;
      return {Kind::kNotYet, missing_.empty() ? says() + "has not ended" : missing_};
    }
    const int status = command_->wait_status();
    missing_ = says() + describe_wait_status(status) + last_line();
    command_.reset();
    wake_ns_ = now + gap_ns_;
    gap_ns_ = std::min(kLongestGapNs, gap_ns_ * 2);
    return {status == 0 ? Kind::kReady : Kind::kNotYet, missing_};
  }

  [[nodiscard]] uint64_t wake_ns() const override { return wake_ns_; }

 private:
  [[nodiscard]] std::string says() const { return "health check " + command_text(argv_) + " "; }

  [[nodiscard]] std::string last_line() const {
    std::string said = command_->err().empty() ? command_->out() : command_->err();
    while (said.ends_with('\n')) said.pop_back();
    const size_t begin = said.rfind('\n');
    if (begin != std::string::npos) said.erase(0, begin + 1);
    return said.empty() ? "" : ": " + said;
  }

  const ReadyContext& context_;
  size_t service_;
  std::vector<std::string> argv_;
  std::unique_ptr<Command> command_;
  std::string missing_;
  uint64_t gap_ns_ = kFirstGapNs;
  uint64_t wake_ns_;
};

}  // namespace

std::unique_ptr<ReadyCheck> make_command_check(const ReadyContext& context, size_t service,
                                               std::vector<std::string> argv) {
  return std::make_unique<CommandCheck>(context, service, std::move(argv));
}

}  // namespace fbx::service
