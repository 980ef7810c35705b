// SPDX-License-Identifier: Apache-2.0
#include "spec/model/session.h"

#include <deque>

#include "spec/model/dialect.h"
#include "spec/model/host.h"
#include "spec/model/objects.h"
#include "spec/model/thaw.h"
#include "spec/starlark/values.h"
#include "spec/starlark/vm.h"

namespace fbx::model {

namespace {

using starlark::Fiber;
using starlark::Value;

constexpr size_t kLongestResult = 4096;
// A body runs on between two effects, and what it prints meanwhile waits: no more than this.
constexpr size_t kMostPrinted = size_t{4} << 20;
constexpr size_t kPrintCost = 128;  // of a print, beside its text

class VmSession final : public Session {
 public:
  VmSession(const plan::Plan& plan, const SessionOptions& options)
      : plan_(plan), heap_(options.memory_budget_bytes), predeclared_(predeclared(heap_)) {
    host_.plan = &plan;
    host_.body = &body_;
    body_.events = options.events;
    environment_.host = &host_;
    environment_.limits.steps = options.step_budget;
    environment_.print = [this](Fiber& fiber, std::string_view line) {
      print_later(to_place(fiber.place()), line);
    };
  }

  Status begin(size_t test) {
    Thawing thawing(plan_, heap_, predeclared_);
    const plan::Test& t = plan_.tests[test];
    const bool globals = thawing.globals();
    const Value entry = globals ? thawing.value(t.entry) : Value();
    std::vector<Value> args;
    for (const plan::ValueRef arg : t.args) {
      if (entry.valid()) args.push_back(thawing.value(arg));
    }
    if (!thawing.problem().empty()) {
      return fail("loading the values of test " + t.name + ": " + thawing.problem());
    }
    fiber_.emplace(heap_, environment_);
    fiber_->start(entry, args);
    return {};
  }

  Turn next() override {
    if (fiber_->state() == Fiber::State::ready) fiber_->resume();
    if (!prints_.empty()) return print();
    if (fiber_->state() == Fiber::State::suspended) {
      if (fiber_->token() != nullptr) {
        token_.reset(static_cast<EffectToken*>(fiber_->take_token().release()));
      }
      return request(to_place(token_->place), token_->effect);
    }
    return finished();
  }

  void resume(Response response) override {
    if (printing_) {
      printing_ = false;
      return;
    }
    if (token_ == nullptr) return;  // the answer to what cancel() dropped
    const auto token = std::move(token_);
    if (callback_error_) {
      starlark::Error error = std::move(*callback_error_);
      callback_error_.reset();
      fiber_->resume_error(std::move(error));
    } else if (auto* failure = std::get_if<Fail>(&response)) {
      fiber_->resume_error(failed(std::move(failure->message)));
    } else if (auto* step = std::get_if<StepResult>(&response)) {
      answer(*token, std::move(*step));
    } else if (const auto* now = std::get_if<Now>(&response)) {
      fiber_->resume(heap_.integer(static_cast<int64_t>(now->ns)));
    } else if (const auto* events = std::get_if<Events>(&response)) {
      std::vector<Value> all;
      for (const uint64_t seq : events->seqs) all.push_back(event(seq));
      fiber_->resume(heap_.list(all));
    } else {
      fiber_->resume(Value::none());
    }
  }

  Result<bool> where(uint32_t callback, uint64_t seq) override {
    auto got = call_back(callback, seq);
    if (!got) return std::unexpected(got.error());
    return starlark::truth(*got);
  }

  Result<std::string> key(uint32_t callback, uint64_t seq) override {
    auto got = call_back(callback, seq);
    if (!got) return std::unexpected(got.error());
    return starlark::repr(*got);
  }

  void cancel(std::string reason) override {
    if (cancelled_) return;
    cancelled_ = true;
    printing_ = false;
    prints_.clear();
    printed_ = 0;
    starlark::Error why;
    why.code = starlark::Code::cancelled;
    why.message = std::move(reason);
    fiber_->cancel(std::move(why));
    // A scope that was being left goes on with that: next() asks the same again.
    const bool goes_on = fiber_->state() == Fiber::State::suspended && fiber_->token() == nullptr;
    if (!goes_on) token_.reset();
  }

 private:
  struct Printed {
    Place place;
    std::string text;
  };

  Request request(const Place& place, Effect effect) {
    return Request{++requests_, place, std::move(effect), body_.tentative != 0};
  }

  Value event(uint64_t seq) { return heap_.make_host<EventObject>(body_.events, seq); }

  Result<Value> call_back(uint32_t callback, uint64_t seq) {
    if (callback == 0 || callback > body_.callbacks.size()) return fail("no such callback");
    // One value for all: a pure callback can keep nothing.
    if (!cursor_.valid()) cursor_ = event(seq);
    starlark::host_as<EventObject>(cursor_)->point(seq);
    const Value arg = cursor_;
    auto got = starlark::run_pure(heap_, environment_, body_.callbacks[callback - 1],
                                  std::span(&arg, 1));
    if (got) return *got;
    const std::string message = got.error().message;
    if (!callback_error_) callback_error_ = std::move(got.error());
    return fail(message);
  }

  void print_later(const Place& place, std::string_view line) {
    if (printed_ > kMostPrinted) return;
    printed_ += line.size() + kPrintCost;
    const bool last = printed_ > kMostPrinted;
    prints_.push_back({place, last ? "(what is printed from here to the next step is left out: "
                                     "it is more than 4 MiB)"
                                   : std::string(line)});
  }

  Turn print() {
    const Printed printed = std::move(prints_.front());
    prints_.pop_front();
    if (prints_.empty()) printed_ = 0;
    printing_ = true;
    return request(printed.place, Print{printed.text});
  }

  static std::string step_name(const Effect& effect) {
    if (std::holds_alternative<ConnectStep>(effect)) return "connect";
    return std::holds_alternative<ExchangeStep>(effect) ? "send_only" : "send";
  }

  static starlark::Error failed(std::string message) {
    starlark::Error error;
    error.message = std::move(message);
    error.payload = std::make_shared<AssertionPayload>();
    return error;
  }

  void answer(const EffectToken& token, StepResult step) {
    using Gives = EffectToken::Gives;
    const bool raises = token.gives == Gives::kLine || token.gives == Gives::kSent;
    if (raises && !step.ok) {
      fiber_->resume_error(failed(step_name(token.effect) + "(): " +
                                  (step.error.empty() ? "no answer" : step.error)));
      return;
    }
    if (raises) {
      fiber_->resume(token.gives == Gives::kLine ? heap_.string(step.body) : Value::none());
      return;
    }
    const auto kind = token.gives == Gives::kHttp   ? ResponseObject::Kind::kHttp
                      : token.gives == Gives::kExec ? ResponseObject::Kind::kExec
                                                    : ResponseObject::Kind::kExchange;
    fiber_->resume(heap_.make_host<ResponseObject>(kind, std::move(step)));
  }

  Finished finished() const {
    Finished out;
    out.asserted = body_.asserted;
    if (fiber_->state() == Fiber::State::done) {
      starlark::Writer writer(kLongestResult);
      writer.repr(fiber_->result());
      out.result = writer.text();
      return out;
    }
    const starlark::Error& error = fiber_->error();
    out.how = Finished::How::kError;
    out.message = error.message;
    if (!error.hint.empty()) out.message += " (" + error.hint + ")";
    for (const std::string& also : error.also) out.message += "; also: " + also;
    if (const auto* payload = dynamic_cast<const AssertionPayload*>(error.payload.get())) {
      out.how = Finished::How::kFailed;
      out.actual = payload->actual;
      out.expected = payload->expected;
    } else if (error.code == starlark::Code::fail) {
      out.how = Finished::How::kFailed;
    } else if (error.code == starlark::Code::cancelled) {
      out.how = Finished::How::kCancelled;
    }
    // A built-in stands in no line: what it refuses is shown where it was called.
    for (const starlark::TraceEntry& entry : error.trace) {
      if (entry.place.line != 0) out.traceback.push_back({entry.function, to_place(entry.place)});
    }
    return out;
  }

  const plan::Plan& plan_;
  starlark::Heap heap_;
  starlark::Predeclared predeclared_;
  BodyState body_;
  Host host_;
  starlark::Environment environment_;
  std::optional<Fiber> fiber_;
  std::unique_ptr<EffectToken> token_;
  std::deque<Printed> prints_;
  size_t printed_ = 0;  // bytes that wait in prints_
  Value cursor_;
  uint64_t requests_ = 0;
  std::optional<starlark::Error> callback_error_;  // the body fails with it when it is resumed
  bool printing_ = false;
  bool cancelled_ = false;
};

}  // namespace

Result<std::unique_ptr<Session>> Session::start(const plan::Plan& plan, size_t test,
                                                const SessionOptions& options) {
  auto session = std::make_unique<VmSession>(plan, options);
  if (Status begun = session->begin(test); !begun) return std::unexpected(begun.error());
  return session;
}

}  // namespace fbx::model
