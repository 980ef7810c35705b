// SPDX-License-Identifier: Apache-2.0
//
// Steps over a plain socket: connect, write and read at the same time (a service may answer before
// it has read everything), until the answer is complete, the deadline passes or the step is
// aborted. Never blocks outside poll.
#include <poll.h>
#include <re2/re2.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <optional>

#include "base/clock.h"
#include "runner/step/dial.h"
#include "runner/step/step_parts.h"

namespace fbx::step {

namespace {

using Until = model::ExchangeStep::Until;

class Talk {
 public:
  Talk(const StepEnv& env, const Conversation& what, uint64_t begin_ns)
      : env_(env), what_(what), deadline_ns_(begin_ns + static_cast<uint64_t>(what.timeout_ns)) {}

  // "" when the answer is complete. What came behind it is left in the stream.
  std::string run(Stream& over);

  [[nodiscard]] bool aborted() const { return aborted_; }
  [[nodiscard]] bool answered() const { return !received_.empty(); }
  // What came, without the terminator.
  [[nodiscard]] std::string data() const;

 private:
  std::string exchange(int fd);
  std::string read_some(int fd, bool& closed);
  void write_some(int fd);
  std::string words(Wait why) const;
  // Length of the answer with its terminator, when it is complete.
  std::optional<size_t> end_of_answer();
  std::optional<size_t> end_of_lines();
  std::optional<size_t> end_of_match();
  [[nodiscard]] std::string closed_text() const;

  const StepEnv& env_;
  const Conversation& what_;
  uint64_t deadline_ns_;
  size_t sent_ = 0;
  size_t searched_ = 0;   // no terminator begins before this
  uint64_t lines_ = 0;    // line feeds before searched_
  std::string received_;
  std::string send_error_;
  std::optional<size_t> end_;
  size_t terminator_ = 0;  // of the answer's bytes, those at its end that are no data
  std::unique_ptr<re2::RE2> pattern_;
  bool aborted_ = false;
};

std::string Talk::words(Wait why) const {
  return why == Wait::kAborted ? "interrupted" : timed_out_text(what_.timeout_ns);
}

std::optional<size_t> Talk::end_of_lines() {
  for (; searched_ < received_.size(); ++searched_) {
    if (received_[searched_] == '\n' && ++lines_ == what_.count) {
      terminator_ = 1;
      return ++searched_;
    }
  }
  return std::nullopt;
}

// What came is looked at whole each time: a pattern may match where it did not before.
std::optional<size_t> Talk::end_of_match() {
  re2::StringPiece found;
  const re2::StringPiece text(received_.data(), received_.size());
  if (!pattern_->Match(text, 0, received_.size(), re2::RE2::UNANCHORED, &found, 1))
    return std::nullopt;
  terminator_ = found.size();
  return static_cast<size_t>(found.data() - received_.data()) + found.size();
}

std::optional<size_t> Talk::end_of_answer() {
  if (what_.until == Until::kBytes)
    return received_.size() >= what_.count ? std::optional<size_t>(what_.count) : std::nullopt;
  if (what_.until == Until::kLines)
    return what_.count == 0 ? std::optional<size_t>(0) : end_of_lines();
  if (what_.until == Until::kRegex) return end_of_match();
  const size_t found = received_.find(what_.delimiter, searched_);
  terminator_ = what_.delimiter.size();
  if (found != std::string::npos) return found + terminator_;
  searched_ = received_.size() - std::min(received_.size(), what_.delimiter.size() - 1);
  return std::nullopt;
}

std::string Talk::closed_text() const {
  if (received_.empty()) return send_error_.empty() ? "empty reply" : send_error_;
  const std::string came = std::to_string(received_.size());
  if (what_.until == Until::kBytes)
    return "closed after " + came + " of " + std::to_string(what_.count) + " bytes";
  const bool line = what_.until == Until::kLines || what_.delimiter == "\n";
  return std::string("closed before the ") + (line ? "line" : "answer") + " ended (after " + came +
         " bytes)";
}

std::string Talk::read_some(int fd, bool& closed) {
  char buffer[16384];
  const ssize_t got = ::recv(fd, buffer, sizeof buffer, 0);
  if (got > 0) {
    received_.append(buffer, static_cast<size_t>(got));
    if (received_.size() > kMaxAnswerBytes)
      return "answer larger than " + std::to_string(kMaxAnswerBytes >> 20) + " MiB";
    if (!end_) end_ = end_of_answer();  // what comes behind it is not counted
    return "";
  }
  if (got == 0) {
    closed = true;
    return "";
  }
  return errno == EAGAIN || errno == EINTR ? "" : plain_error(errno);
}

// A service may answer and close without reading everything: the error counts only if no answer
// comes.
void Talk::write_some(int fd) {
  const ssize_t sent =
      ::send(fd, what_.request.data() + sent_, what_.request.size() - sent_, MSG_NOSIGNAL);
  if (sent >= 0) {
    sent_ += static_cast<size_t>(sent);
  } else if (errno != EAGAIN && errno != EINTR) {
    send_error_ = plain_error(errno);
    sent_ = what_.request.size();
  }
}

std::string Talk::exchange(int fd) {
  end_ = end_of_answer();  // count=0 waits for nothing
  bool closed = false;
  // An answer that came before its request was for an earlier one: this one is sent all the same.
  const bool early = !received_.empty();
  while (!end_ || ((received_.empty() || early) && sent_ < what_.request.size())) {
    if (closed) return closed_text();
    const bool writing = sent_ < what_.request.size();
    const auto events = static_cast<short>(POLLIN | (writing ? POLLOUT : 0));
    const Wait waited = wait_for(env_, fd, events, deadline_ns_);
    aborted_ = waited == Wait::kAborted;
    if (waited != Wait::kReady) return words(waited);
    if (writing) write_some(fd);
    if (std::string error = read_some(fd, closed); !error.empty())
      return received_.empty() && !send_error_.empty() ? send_error_ : error;
  }
  return "";
}

std::string Talk::run(Stream& over) {
  if (what_.until == Until::kDelimiter && what_.delimiter.empty()) return "until=\"\" never ends";
  if (what_.until == Until::kRegex)
    pattern_ = std::make_unique<re2::RE2>(what_.delimiter, re2::RE2::Quiet);
  received_ = std::move(over.rest);
  over.rest.clear();
  std::string error = exchange(over.fd.get());
  if (end_) over.rest = received_.substr(*end_);
  return error;
}

std::string Talk::data() const {
  if (!end_) return received_;
  std::string text = received_.substr(0, *end_ - std::min(*end_, terminator_));
  if (what_.until != Until::kLines) return text;
  // A line that ends in CR LF has neither.
  if (text.ends_with('\r')) text.pop_back();
  for (size_t at = 0; (at = text.find("\r\n", at)) != std::string::npos;) text.erase(at, 1);
  return text;
}

// Why the step can't be tried at all; "" when it can.
std::string mistake_in(const Conversation& what) {
  if (what.until != Until::kRegex) return "";
  const re2::RE2 pattern(what.delimiter, re2::RE2::Quiet);
  return pattern.ok() ? "" : "exchange(): `regex` is wrong: " + pattern.error();
}

}  // namespace

StepOutcome socket_step(const StepEnv& env, const Conversation& conversation, Kept* kept) {
  StepOutcome outcome;
  outcome.mistake = mistake_in(conversation);
  Kept own{{}, Answerer(env, conversation.service)};
  Kept& used = kept != nullptr ? *kept : own;
  const uint64_t begin = now_ns();
  Talk talk(env, conversation, begin);
  std::string& error = outcome.result.error;
  if (!outcome.mistake.empty()) {
    error = outcome.mistake;
  } else if (kept == nullptr) {
    error = dial(env, conversation, begin, own);
  } else if (!kept->stream.fd) {
    error = "the connection is closed";
  }
  outcome.aborted = error == "interrupted";
  if (error.empty()) {
    error = talk.run(used.stream);
    outcome.aborted = talk.aborted();
    outcome.result.body = talk.data();
    if (!error.empty()) used.stream.fd.reset();
  }
  outcome.result.ok = error.empty();
  finish(outcome, begin, conversation.what, used.answerer, talk.answered());
  return outcome;
}

StepOutcome connect_step(const StepEnv& env, const Conversation& conversation, Kept& kept) {
  StepOutcome outcome;
  const uint64_t begin = now_ns();
  outcome.result.error = dial(env, conversation, begin, kept);
  outcome.aborted = outcome.result.error == "interrupted";
  outcome.result.ok = outcome.result.error.empty();
  finish(outcome, begin, conversation.what, kept.answerer, false);
  return outcome;
}

}  // namespace fbx::step
