// SPDX-License-Identifier: Apache-2.0
#include "runner/cli/options.h"

#include <CLI/CLI.hpp>
#include <cstdio>

#include "spec/plan/duration.h"

namespace fbx::cli {

namespace {

constexpr const char* kLaterCommands[] = {"generate", "report", "replay"};
constexpr const char* kLaterFlags[] = {"--observe", "--shard", "--junit"};

constexpr const char* kHands[] = {"auto", "override", "fmod_ret", "lsm", "cgroup",
                                  "shim", "seccomp",  "wire"};

struct Later {
  std::vector<std::string> flags;
};

std::string check_duration(const std::string& text) {
  const auto ns = plan::parse_duration(text);
  return ns && *ns > 0 ? "" : "want a duration such as 30s or 1m30s";
}

void add_run(CLI::App& app, Options& out, std::string& timeout, Later& later) {
  CLI::App* run = app.add_subcommand("run", "run the tests of specs and plans");
  run->alias("test");
  run->add_option("inputs", out.inputs, "specs (.star), plans (.toml), folders of specs")
      ->required();
  run->add_flag("--list", out.list, "show the tests and run nothing");
  run->add_option("--test", out.tests,
                  "name, with or without test_; matrix_<scenario>; glob; ~regex (repeatable)");
  run->add_option("-j", out.jobs, "tests at a time")->check(CLI::Range(1, 1024));
  run->add_option("--runs", out.runs, "run everything N times")->check(CLI::Range(1, 1000000));
  run->add_option("--seed", out.seed, "seed of all draws");
  run->add_option("--timeout", timeout, "time a test may take")
      ->check(CLI::Validator(check_duration, "DURATION"));
  run->add_flag("--fail-fast", out.fail_fast, "stop after the first test that failed");
  run->add_flag("--strict", out.strict, "a test that asserts nothing is inconclusive");
  run->add_flag("--keep", out.keep, "keep the files of each test");
  run->add_option("--json", out.json, "write the results to a file, or to standard output with -");
  run->add_option("--trace", out.trace, "keep what was seen in a file");
  run->add_option("--inject", out.inject, "the hand that carries out faults, and no other")
      ->check(CLI::IsMember(std::vector<std::string>(std::begin(kHands), std::end(kHands))));
  run->add_flag_callback(
      "--no-isolation", [&out] { out.isolation = false; },
      "allow tests in the host's network and /tmp, where nothing better can be had");
  for (const char* flag : kLaterFlags) run->add_option(flag, later.flags, "not there yet")->group("");
  run->callback([&out] { out.command = Command::kRun; });
}

void add_others(CLI::App& app, Options& out) {
  CLI::App* compile = app.add_subcommand("compile", "compile a spec into a plan");
  compile->add_option("spec", out.inputs, "the spec (.star)")->required()->expected(1);
  compile->add_option("-o", out.output, "write the plan there; else to standard output");
  compile->callback([&out] { out.command = Command::kCompile; });
  CLI::App* check = app.add_subcommand("check", "validate a spec or plan; needs no root");
  check->add_option("input", out.inputs, "the spec (.star) or plan (.toml)")->required()->expected(1);
  check->add_flag("--json", out.json_flag, "diagnostics as JSON on standard output");
  check->callback([&out] { out.command = Command::kCheck; });
  CLI::App* plan = app.add_subcommand("plan", "show what would run, and how each thing is enforced");
  plan->add_option("input", out.inputs, "the spec (.star) or plan (.toml)")->required()->expected(1);
  plan->add_flag("--json", out.json_flag, "as JSON");
  plan->callback([&out] { out.command = Command::kPlan; });
  CLI::App* doctor = app.add_subcommand("doctor", "what can be seen and broken here, and why not");
  doctor->add_flag("--json", out.json_flag, "as JSON on standard output");
  doctor->callback([&out] { out.command = Command::kDoctor; });
  CLI::App* trace = app.add_subcommand("trace", "show what a run with --trace saw");
  trace->add_option("file", out.inputs, "the file that run --trace kept")->required()->expected(1);
  trace->callback([&out] { out.command = Command::kTrace; });
}

// The options that a rerun of one test repeats.
std::vector<std::string> rerun_flags(const Options& options, const std::string& timeout) {
  std::vector<std::string> out;
  if (!timeout.empty()) out.push_back("--timeout " + timeout);
  if (options.strict) out.emplace_back("--strict");
  if (options.inject != "auto") out.push_back("--inject " + options.inject);
  if (!options.isolation) out.emplace_back("--no-isolation");
  return out;
}

}  // namespace

std::optional<Options> parse_options(int argc, char** argv, int& exit_code) {
  Options out;
  Later later;
  std::string timeout;
  CLI::App app{"fbx runs services, breaks what they rely on, and says what held."};
  app.name("fbx");
  app.require_subcommand(1);
  app.set_version_flag("--version", "fbx 0.1.0");
  add_run(app, out, timeout, later);
  add_others(app, out);
  if (argc > 1) {
    for (const char* command : kLaterCommands) {
      if (std::string_view(argv[1]) != command) continue;
      std::fprintf(stderr, "fbx %s is not there yet\n", command);
      exit_code = 1;
      return std::nullopt;
    }
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    exit_code = app.exit(error) == 0 ? 0 : 1;
    return std::nullopt;
  }
  if (!later.flags.empty() || out.jobs > 1) {
    std::fprintf(stderr, "%s not there yet\n",
                 out.jobs > 1 ? "-j above 1 is" : "--observe, --shard and --junit are");
    exit_code = 1;
    return std::nullopt;
  }
  if (!timeout.empty()) out.timeout_ns = plan::parse_duration(timeout).value_or(0);
  out.flags = rerun_flags(out, timeout);
  return out;
}

}  // namespace fbx::cli
