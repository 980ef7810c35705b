// SPDX-License-Identifier: Apache-2.0
#include "runner/service/command.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>

#include "base/clock.h"
#include "runner/service/binary.h"

namespace fbx::service {

using sandbox::Fd;

namespace {

constexpr int64_t kEndBoundNs = 2'000'000'000;
constexpr uint64_t kSliceNs = 2'000'000;

struct Ends {
  Fd ours, childs;
};

// A pipe whose end for the child belongs to its user (or it could not open /dev/stdout).
Status make_pipe(bool child_reads, const Identity& user, Ends& ends) {
  int fds[2];
  if (::pipe2(fds, O_CLOEXEC) != 0) return fail_errno("pipe");
  ends.ours = Fd(fds[child_reads ? 1 : 0]);
  ends.childs = Fd(fds[child_reads ? 0 : 1]);
  if (::fchown(ends.childs.get(), user.uid, user.gid) != 0) return fail_errno("fchown of a pipe");
  if (::fcntl(ends.ours.get(), F_SETFL, O_NONBLOCK) != 0) return fail_errno("fcntl");
  return {};
}

}  // namespace

Status Command::open_leaf() {
  static std::atomic<uint32_t> number{0};
  std::string name = "c";
  name += std::to_string(++number);
  if (sandbox_->client_leaf().fd() < 0) {
    leaf_ = sandbox::Cgroup::by_descent(name);
    return {};
  }
  auto leaf = sandbox::Cgroup::make(sandbox_->client_leaf().fd(), name);
  if (!leaf) return std::unexpected(leaf.error());
  leaf_ = std::move(*leaf);
  return {};
}

Result<std::unique_ptr<Command>> Command::start(const CommandRequest& request) {
  const std::string& program = request.argv.front();
  auto binary = find_binary(program, request.spec_dir, service_path());
  if (!binary) return fail("exec " + program + ": " + binary.error().text());
  auto command = std::unique_ptr<Command>(new Command());
  command->sandbox_ = request.sandbox;
  if (Status s = command->open_leaf(); !s) return std::unexpected(s.error());
  Ends in, out, err;
  const bool has_input = !request.input.empty();
  if (has_input)
    if (Status s = make_pipe(true, request.user, in); !s) return std::unexpected(s.error());
  if (Status s = make_pipe(false, request.user, out); !s) return std::unexpected(s.error());
  if (Status s = make_pipe(false, request.user, err); !s) return std::unexpected(s.error());
  BirthRequest birth;
  birth.sandbox = request.sandbox;
  birth.cgroup_fd = command->leaf_.fd();
  birth.descent = command->leaf_.descent();
  birth.path = binary->path;
  birth.fallback_path = binary->real;
  birth.shown = program;
  birth.argv = request.argv;
  birth.env = request.env;
  birth.cwd = request.cwd.empty() ? request.spec_dir : request.cwd;
  birth.user = request.user;
  birth.stdin_fd = in.childs.get();
  birth.stdout_fd = out.childs.get();
  birth.stderr_fd = err.childs.get();
  auto born = give_birth_and_wait(birth);
  if (!born) return std::unexpected(born.error());
  command->born_ = std::move(*born);
  command->stdin_ = std::move(in.ours);
  command->stdout_ = std::move(out.ours);
  command->stderr_ = std::move(err.ours);
  command->input_ = request.input;
  return command;
}

Command::~Command() {
  if (born_.pid >= 0 && !ended_) kill();
  if (leaf_.fd() >= 0)
    (void)sandbox::remove_cgroup_tree(sandbox_->client_leaf().fd(), leaf_.name(), kEndBoundNs);
}

void Command::poll_fds(std::vector<pollfd>& fds) const {
  if (ended_) return;
  fds.push_back({born_.pidfd.get(), POLLIN, 0});
  if (stdin_) fds.push_back({stdin_.get(), POLLOUT, 0});
  if (stdout_) fds.push_back({stdout_.get(), POLLIN, 0});
  if (stderr_) fds.push_back({stderr_.get(), POLLIN, 0});
}

// What it wants to read it need not read: EPIPE is its choice.
void Command::write_some() {
  while (stdin_ && written_ < input_.size()) {
    const ssize_t n = ::write(stdin_.get(), input_.data() + written_, input_.size() - written_);
    if (n > 0) {
      written_ += static_cast<size_t>(n);
    } else if (n < 0 && errno == EAGAIN) {
      return;
    } else if (n < 0 && errno != EINTR) {
      break;
    }
  }
  stdin_.reset();
}

void Command::read_some(Fd& from, std::string& into) {
  char chunk[65536];
  while (from) {
    const ssize_t n = ::read(from.get(), chunk, sizeof chunk);
    if (n > 0 && out_.size() + err_.size() + static_cast<size_t>(n) <= kMaxOutputBytes) {
      into.append(chunk, static_cast<size_t>(n));
    } else if (n > 0) {
      too_much_ = true;
      from.reset();
    } else if (n == 0) {
      from.reset();
    } else if (errno != EINTR) {
      if (errno != EAGAIN) from.reset();
      return;
    }
  }
}

// Kills what its own process left behind, then takes what the dead have written.
void Command::clear() {
  (void)leaf_.kill();
  (void)leaf_.wait_empty(kEndBoundNs);
  read_some(stdout_, out_);
  read_some(stderr_, err_);
  for (Fd* fd : {&stdin_, &stdout_, &stderr_, &born_.pidfd}) fd->reset();
  ended_ = true;
}

bool Command::advance() {
  if (ended_) return true;
  write_some();
  read_some(stdout_, out_);
  read_some(stderr_, err_);
  auto status = try_collect(born_);
  if (status && !*status) {
    if (too_much_) kill();
    return ended_;
  }
  wait_status_ = status ? **status : 0;
  clear();
  return true;
}

void Command::kill() {
  if (ended_) return;
  (void)leaf_.kill();
  auto status = collect(born_);
  wait_status_ = status ? *status : SIGKILL;
  clear();
}

Result<CommandResult> run_command(const CommandRequest& request, const CommandBounds& bounds) {
  using How = CommandResult::How;
  CommandResult result;
  result.begin_ns = now_ns();
  const uint64_t until = result.begin_ns + static_cast<uint64_t>(bounds.timeout_ns);
  auto command = Command::start(request);
  if (!command) return std::unexpected(command.error());
  while (!(*command)->advance()) {
    const uint64_t now = now_ns();
    if (now >= until) {
      result.how = How::kTimedOut;
      (*command)->kill();
      break;
    }
    std::vector<pollfd> fds{{bounds.abort_fd, POLLIN, 0}, {bounds.meanwhile_fd, POLLIN, 0}};
    (*command)->poll_fds(fds);
    const bool breathes = bounds.meanwhile && bounds.meanwhile_fd < 0;
    const uint64_t at = breathes ? std::min(until, now + kSliceNs) : until;
    (void)::poll(fds.data(), fds.size(), poll_timeout_ms(at));
    if (bounds.meanwhile && (breathes || fds[1].revents != 0)) bounds.meanwhile();
    if (fds[0].revents != 0) {
      result.how = How::kAborted;
      (*command)->kill();
      break;
    }
  }
  if ((*command)->too_much()) result.how = How::kTooMuchOutput;
  result.wait_status = (*command)->wait_status();
  result.out = (*command)->out();
  result.err = (*command)->err();
  result.end_ns = now_ns();
  return result;
}

std::string command_text(const std::vector<std::string>& argv) {
  std::string text;
  for (const std::string& word : argv) {
    const bool plain = !word.empty() && word.find_first_of(" \t\n\"'\\") == std::string::npos;
    std::string shown = word;
    if (!plain) {
      shown = "'";
      for (const char c : word) shown += c == '\n' ? std::string("\\n") : std::string(1, c);
      shown += "'";
    }
    text += (text.empty() ? "" : " ") + shown;
  }
  return text;
}

}  // namespace fbx::service
