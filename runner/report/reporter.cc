// SPDX-License-Identifier: Apache-2.0
#include "runner/report/reporter.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "runner/report/human.h"
#include "runner/report/json.h"
#include "runner/report/junit.h"
#include "runner/report/run_verdict.h"
#include "runner/report/words.h"

namespace fbx::report {

namespace {

constexpr int kInterruptedExit = 130;

bool in_environment(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr && *value != 0;
}

bool worth_a_screen(Verdict verdict) { return exit_code(verdict) != 0; }

// True when there is nothing to write; says on stderr why it could not.
bool write_file(const std::string& path, const std::string& text) {
  if (path.empty()) return true;
  std::FILE* file = path == "-" ? stdout : std::fopen(path.c_str(), "w");
  bool done = file != nullptr;
  if (done) {
    done = std::fwrite(text.data(), 1, text.size(), file) == text.size();
    done = (path == "-" ? std::fflush(file) : std::fclose(file)) == 0 && done;
  }
  if (!done) std::fprintf(stderr, "fbx: writing %s: %s\n", path.c_str(), std::strerror(errno));
  return done;
}

}  // namespace

ReporterOptions reporter_options(const std::string& json) {
  ReporterOptions options;
  options.json = json;
  options.out = json == "-" ? stderr : stdout;
  const int fd = ::fileno(options.out);
  const char* term = std::getenv("TERM");
  const bool terminal = ::isatty(fd) != 0 && (term == nullptr || std::strcmp(term, "dumb") != 0);
  options.progress = terminal;
  options.colour = terminal && !in_environment("NO_COLOR");
  winsize size{};
  if (terminal && ::ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
    options.width = size.ws_col;
  return options;
}

Reporter::Reporter(ReporterOptions options) : options_(std::move(options)) {}

void Reporter::print(const std::string& text) {
  clear_progress();
  std::fwrite(text.data(), 1, text.size(), options_.out);
  std::fflush(options_.out);
}

void Reporter::clear_progress() {
  if (!progress_shown_) return;
  std::fputs("\r\033[K", options_.out);
  progress_shown_ = false;
}

void Reporter::show_progress() {
  if (!options_.progress || running_.empty()) return;
  clear_progress();
  std::string line = "[" + std::to_string(done_ + 1) + "/" + std::to_string(header_.tests) + "] ";
  for (const std::string& name : running_) line += name + " ";
  const auto width = static_cast<size_t>(std::max(options_.width - 1, 20));
  if (line.size() > width) line.resize(width);
  std::fputs(line.c_str(), options_.out);
  std::fflush(options_.out);
  progress_shown_ = true;
}

void Reporter::begin_run(const RunHeader& header) {
  header_ = header;
  run_ = RunOutcome{};
  run_.spec = header.plan != nullptr ? header.plan->spec : header.spec_argument;
  run_.seed = header.seed;
  running_.clear();
  done_ = 0;
}

void Reporter::test_started(const std::string& name) {
  running_.push_back(name);
  show_progress();
}

void Reporter::test_done(const TestOutcome& outcome) {
  const auto running = std::find(running_.begin(), running_.end(), outcome.name);
  if (running != running_.end()) running_.erase(running);
  if (!outcome.hidden) ++done_;
  run_.tests.push_back(outcome);
  const bool refused =
      outcome.reasons.size() == 1 && outcome.reasons.front().code.starts_with("refused:");
  if (refused && refusal_said_ == outcome.reasons.front().text) {
    print(test_line(outcome, options_.colour));
  } else if (worth_a_screen(outcome.verdict)) {
    if (refused) refusal_said_ = outcome.reasons.front().text;
    HumanContext context;
    context.plan = header_.plan;
    context.colour = options_.colour;
    if (header_.plan != nullptr)
      context.rerun = rerun_command(*header_.plan, header_.spec_argument, outcome.name,
                                    header_.seed, header_.flags);
    print(test_details(outcome, context));
  } else if (!outcome.hidden) {
    std::string text = test_line(outcome, options_.colour);
    for (const std::string& line : outcome.printed) text += indented(line, "     | ");
    for (const std::string& note : outcome.notes) text += indented("note: " + note, "     ");
    if (!outcome.kept.empty()) text += "     kept: " + outcome.kept + "\n";
    print(text);
  }
  show_progress();
}

RunOutcome Reporter::end_run(int64_t duration_ns, bool interrupted) {
  run_.duration_ns = duration_ns;
  interrupted_ = interrupted_ || interrupted;
  conclude(run_);
  std::string text;
  if (header_.plan != nullptr) text += matrix_tables(run_, *header_.plan, options_.colour);
  for (const Reason& reason : run_.reasons) {
    text += verdict_word(reason.verdict, options_.colour) + " " + reason.text + "\n";
    if (!reason.remedy.empty()) text += "    to do     " + reason.remedy + "\n";
  }
  if (interrupted)
    text += "interrupted after " + std::to_string(done_) + " of " + plural(header_.tests, "test") +
            "\n";
  print(text);
  runs_.push_back(run_);
  return run_;
}

int Reporter::finish() {
  print(summary_line(runs_, options_.colour));
  RunOutcome all;
  for (const RunOutcome& run : runs_) {
    TestOutcome as_test;
    as_test.verdict = run.verdict;
    all.tests.push_back(std::move(as_test));
  }
  conclude(all);
  const bool json_done = write_file(options_.json, results_json(runs_));
  const bool junit_done = write_file(options_.junit, results_junit(runs_));
  if (!json_done || !junit_done) return 1;
  return interrupted_ ? kInterruptedExit : exit_code(all.verdict);
}

}  // namespace fbx::report
