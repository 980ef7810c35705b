// SPDX-License-Identifier: Apache-2.0
//
// A program that is run to its end inside a test and is no service: an exec() step, a command of
// prepare=, a command() health check.
//
// It lives in a cgroup of its own below the client's leaf, so no rule and no partition reaches it
// and nothing it does is an event of a service. When its own process has ended, or is given up,
// whatever it left in that cgroup is killed: nothing outlives a Command.
//
// Thread rule: the thread that made the sandbox, inside its network namespace. Times are
// CLOCK_MONOTONIC ns.
#pragma once

#include <poll.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "runner/sandbox/sandbox.h"
#include "runner/service/birth.h"
#include "runner/service/identity.h"

namespace fbx::service {

struct CommandRequest {
  const sandbox::Sandbox* sandbox = nullptr;  // outlives the command
  std::string spec_dir;            // its working directory, and what a relative program is below
  std::vector<std::string> argv;   // [0]: absolute, relative to spec_dir, or on PATH; not empty
  std::vector<std::string> env;    // "NAME=value"
  std::string cwd;                 // absolute; "" = spec_dir
  Identity user;
  std::string input;               // its stdin; "" = /dev/null
};

// A command that runs, driven by a poll loop: it never waits.
class Command {
 public:
  // More output than this, both streams together, ends it.
  static constexpr size_t kMaxOutputBytes = 64u << 20;

  // Returns when the program executes. An error says why it does not: "exec psql: no executable
  // file psql on PATH: No such file or directory".
  static Result<std::unique_ptr<Command>> start(const CommandRequest& request);
  // Kills what still runs.
  ~Command();
  Command(const Command&) = delete;
  Command& operator=(const Command&) = delete;

  // Adds what to poll for. At most kDescriptors.
  void poll_fds(std::vector<pollfd>& fds) const;
  // Moves what can be moved without waiting. True once its own process has ended; from then on
  // nothing of it is left, and the results stand.
  bool advance();
  // Ends it now. advance() is true afterwards.
  void kill();

  [[nodiscard]] int wait_status() const { return wait_status_; }
  [[nodiscard]] const std::string& out() const { return out_; }
  [[nodiscard]] const std::string& err() const { return err_; }
  [[nodiscard]] bool too_much() const { return too_much_; }

 private:
  Command() = default;
  Status open_leaf();
  void read_some(sandbox::Fd& from, std::string& into);
  void write_some();
  void clear();

  const sandbox::Sandbox* sandbox_ = nullptr;
  sandbox::Cgroup leaf_;
  Born born_;
  sandbox::Fd stdin_, stdout_, stderr_;
  std::string input_, out_, err_;
  size_t written_ = 0;
  int wait_status_ = 0;
  bool ended_ = false, too_much_ = false;
};

// How long run_command waits, and what it does meanwhile.
struct CommandBounds {
  int64_t timeout_ns = 30'000'000'000;
  int abort_fd = -1;  // readable = give up; never read
  // Called whenever `meanwhile_fd` is readable (-1: every few ms). May be empty.
  int meanwhile_fd = -1;
  std::function<void()> meanwhile = {};
};

struct CommandResult {
  enum class How : uint8_t { kEnded, kTimedOut, kAborted, kTooMuchOutput } how = How::kEnded;
  int wait_status = 0;  // kEnded
  std::string out, err;
  uint64_t begin_ns = 0, end_ns = 0;
};

// Starts it and waits for its end. An error: it could not be executed.
Result<CommandResult> run_command(const CommandRequest& request, const CommandBounds& bounds);

// "initdb -D /tmp/pg", words with spaces quoted.
[[nodiscard]] std::string command_text(const std::vector<std::string>& argv);

}  // namespace fbx::service
