// SPDX-License-Identifier: Apache-2.0
//
// Services on a real kernel, as root: birth, readiness, output, end.
#include <netinet/in.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <csignal>
#include <fstream>

#include <doctest/doctest.h>

#include "base/clock.h"
#include "runner/sandbox/process.h"
#include "runner/service/service_set.h"
#include "tests/kernel/sandbox_support.h"

using namespace fbx;
using namespace fbx::test;
using service::StartFailure;

namespace {

// A plan of victims; indexes in the order of add().
struct Town {
  plan::Plan plan;
  std::unique_ptr<sandbox::Sandbox> place;
  std::unique_ptr<service::ServiceSet> set;

  explicit Town(const std::string& spec_dir = "/usr/share") {
    plan.spec = "x.star";
    plan.spec_dir = spec_dir;
  }

  plan::Service& add(const std::string& name, std::vector<std::string> args, uint16_t port = 0) {
    plan::Service service;
    service.name = name;
    service.binary = FBX_SERVICE_VICTIM;
    service.args = std::move(args);
    service.user = "root";
    if (port != 0) service.interfaces.push_back({"main", plan::Protocol::kTcp, port, ""});
    plan.services.push_back(std::move(service));
    return plan.services.back();
  }

  bool settle(Judge& judge, service::ServiceSetOptions options = {}, bool host_network = false) {
    sandbox::SandboxOptions wishes;
    wishes.spec_dir = plan.spec_dir;
    wishes.visible_files = {FBX_SERVICE_VICTIM};
    wishes.services = plan.services.size();
    wishes.host_network = host_network;
    place = make_sandbox(judge, 1, wishes);
    if (!place) return false;
    options.plan = &plan;
    options.sandbox = place.get();
    set = std::make_unique<service::ServiceSet>(std::move(options));
    return true;
  }

  // Starts all; true when that went well.
  bool start(Judge& judge) {
    const auto failure = set->start_all();
    if (failure) judge.expect(false, "starting: " + failure->text);
    return !failure;
  }

  void tear_down(Judge& judge) {
    set.reset();
    for (const std::string& line : place->destroy()) judge.expect(false, "left: " + line);
  }
};

std::string facts_text(service::ServiceSet& set) {
  std::string text;
  for (const service::LifecycleFact& fact : set.take_facts()) {
    const char* names[] = {"none", "started", "ready", "exited", "killed"};
    text += std::string(names[static_cast<int>(fact.what)]) + std::to_string(fact.service) + " ";
  }
  return text;
}

// Starts the town and expects that to fail; the failure is what `check` gets.
void expect_failure(Town& town, StartFailure::Kind kind,
                    const std::function<void(Judge&, const StartFailure&)>& check,
                    bool host_network = false) {
  in_worker([&](Judge& judge) {
    if (!town.settle(judge, {}, host_network)) return;
    const auto failure = town.set->start_all();
    judge.expect(failure.has_value(), "it fails to start");
    if (failure) {
      judge.expect_eq(std::to_string(static_cast<int>(failure->kind)),
                      std::to_string(static_cast<int>(kind)), "kind (" + failure->text + ")");
      check(judge, *failure);
    }
    town.set->stop_all();
    town.tear_down(judge);
  });
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

// A listener of this very process: on the port of a service, but of no service.
sandbox::Fd listen_here(uint16_t port) {
  sandbox::Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int one = 1;
  ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
      ::listen(fd.get(), 8) != 0)
    fd.reset();
  return fd;
}

}  // namespace

TEST_CASE("services start in dependency order and stop in reverse") {
  in_worker([](Judge& judge) {
    Town town;
    town.add("front", {"listen", "8001"}, 8001).depends_on = {1, 2};
    town.add("db", {"listen", "8002", "30"}, 8002);
    town.add("cache", {"listen", "8003", "30"}, 8003);
    if (!town.settle(judge) || !town.start(judge)) return;
    const std::string began = facts_text(*town.set);
    judge.expect(contains(began, "ready1 ") && contains(began, "ready2 ") &&
                     began.ends_with("started0 ready0 "),
                 "order of starting: " + began);
    judge.expect(town.set->running(0) && town.set->pid(0) > 0, "it runs");
    judge.expect(town.set->take_exits().empty(), "nobody exited");
    const auto exits = town.set->stop_all();
    judge.expect(exits.size() == 3 && exits[0].service == 0, "the dependent stops first");
    for (const auto& exit : exits)
      judge.expect(exit.stopping && !exit.killed_by_fbx && WTERMSIG(exit.wait_status) == SIGTERM,
                   "stopped by its signal");
    town.tear_down(judge);
  });
}

TEST_CASE("who a service is, what it inherits, and its exact environment") {
  const ScratchFolder folder;
  ::setenv("LANG", "de_DE.UTF-8", 1);
  ::setenv("TZ", "Europe/Berlin", 1);
  ::setenv("http_proxy", "http://proxy", 1);
  ::setenv("LD_PRELOAD", "", 1);
  ::setenv("MY_ONE", "1", 1);
  ::setenv("MY_TWO", "2", 1);
  ::setenv("OTHER", "3", 1);
  in_worker([&](Judge& judge) {
    Town town(folder.path());
    auto& who = town.add("who-1", {"facts", "/tmp/${spec_dir}x"});
    who.args[1] = "/tmp/facts";
    who.user = "12345";
    who.interfaces = {};
    who.inherit_env = {"MY_*", "*_proxy", "LD_*"};
    who.env = {{"MY_TWO", "two"}, {"DIR", "${spec_dir}/x"}};
    auto& web = town.add("web.app", {"listen", "8001"}, 8001);
    web.interfaces[0].name = "public";
    if (!town.settle(judge) || !town.start(judge)) return;
    std::string got;
    const uint64_t bound = now_ns() + 10'000'000'000;
    while (!got.ends_with("end\n") && now_ns() < bound)
      got = sh(judge, *town.place, "cat /tmp/facts 2>/dev/null");
    const std::string path = std::getenv("PATH");
    judge.expect_eq(got,
                    "uid 12345 12345 gid 12345 12345\ngroup 12345\ncwd " + folder.path() +
                        "\nsid own\nfd 0\nfd 1\nfd 2\nenv DIR=" + folder.path() +
                        "/x\nenv FBX_WEB_APP_PUBLIC_ADDR=127.0.0.1:8001\n"
                        "env FBX_WEB_APP_PUBLIC_HOST=127.0.0.1\nenv FBX_WEB_APP_PUBLIC_PORT=8001\n"
                        "env HOME=/\nenv LANG=de_DE.UTF-8\nenv MY_ONE=1\nenv MY_TWO=two\n"
                        "env PATH=" + path + "\nenv TMPDIR=/tmp\nenv TZ=Europe/Berlin\n"
                        "env USER=12345\nstdout opens\nend\n",
                    "facts");
    const auto& notes = town.set->notes();
    judge.expect(notes.size() == 2 && contains(notes[0], "http_proxy is not inherited"),
                 "what was withheld is said");
    town.set->stop_all();
    town.tear_down(judge);
  });
}

TEST_CASE("a program that can't be executed is named, with its reason") {
  const ScratchFolder folder;
  folder.write("svc/no-interpreter", "#!/no/such/sh\n", 0755);
  folder.write("svc/data", "just text", 0755);
  folder.write("svc/locked", "#!/bin/sh\n", 0644);
  const struct {
    const char *binary, *says;
  } rows[] = {
      {"svc/missing", "starting service it: exec svc/missing: "},
      {"no-such-program-here", "starting service it: exec no-such-program-here: no executable"},
      {"svc/no-interpreter", "its interpreter or dynamic loader is not"},
      {"svc/data", "starting service it: exec svc/data: Exec format error"},
      {"svc/locked", "starting service it: exec svc/locked: Permission denied"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.binary);
    Town town(folder.path());
    town.add("it", {}).binary = row.binary;
    expect_failure(town, StartFailure::Kind::kExec, [&](Judge& judge, const StartFailure& failure) {
      judge.expect(contains(failure.text, row.says), failure.text);
    });
  }
}

TEST_CASE("a service that dies while starting ends the wait with its status and last output") {
  Town town;
  town.add("slow", {"mute", "8001"}, 8002);  // never ready
  town.add("bad", {"exit", "7"}, 8003);
  expect_failure(town, StartFailure::Kind::kDied, [](Judge& judge, const StartFailure& failure) {
    judge.expect_eq(failure.text, "service bad exited with status 7 before it was ready", "text");
    judge.expect(failure.output.size() == 2 && failure.output[0].text == "first line" &&
                     failure.output[1].text == "cannot go on: no config" &&
                     failure.output[1].is_stderr,
                 "output");
  });
  Town crashing;
  crashing.add("bad", {"crash"}, 8003);
  expect_failure(crashing, StartFailure::Kind::kDied, [](Judge& judge, const StartFailure& f) {
    judge.expect_eq(f.text, "service bad was killed by SIGSEGV before it was ready", "text");
  });
}

TEST_CASE("health checks: http waits for a healthy status, tcp for a connection") {
  in_worker([](Judge& judge) {
    Town town;
    auto& web = town.add("web", {"http", "8001", "3"}, 8001);
    web.healthcheck.kind = plan::HealthCheck::Kind::kHttp;
    web.healthcheck.target = "http://localhost:8001/health";
    auto& db = town.add("db", {"listen", "8002", "20"}, 8002);
    db.healthcheck.kind = plan::HealthCheck::Kind::kTcp;
    db.healthcheck.target = "127.0.0.1:8002";
    auto& busy = town.add("busy", {"http", "8003", "1000000"}, 8003);
    busy.healthcheck.kind = plan::HealthCheck::Kind::kHttp;
    busy.healthcheck.target = "localhost:8003";
    busy.healthcheck.status = 503;
    if (!town.settle(judge)) return;
    town.start(judge);
    town.set->stop_all();
    town.tear_down(judge);
  });
}

TEST_CASE("a check that is not met in its time says what is missing") {
  struct Row {
    const char *arg, *target;
    plan::HealthCheck::Kind kind;
    const char* says;
  } rows[] = {
      {"idle", "", plan::HealthCheck::Kind::kListen,
       "service it was not ready within 0.15 s: port 8001 does not listen"},
      {"mute", "localhost:8001/x", plan::HealthCheck::Kind::kHttp,
       "within 0.15 s: localhost:8001/x does not answer"},
      {"idle", "localhost:8001", plan::HealthCheck::Kind::kTcp,
       "within 0.15 s: localhost:8001 Connection refused"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.says);
    Town town;
    auto& it = town.add("it", {row.arg, "8001"}, 8001);
    it.healthcheck = {row.kind, row.target, {}, 0, 150'000'000};
    expect_failure(town, StartFailure::Kind::kNotReady,
                   [&](Judge& judge, const StartFailure& failure) {
                     judge.expect(contains(failure.text, row.says), failure.text);
                   });
  }
}

TEST_CASE("ready only by a socket of its own: a stranger on the port is named") {
  for (const auto kind : {plan::HealthCheck::Kind::kListen, plan::HealthCheck::Kind::kTcp,
                          plan::HealthCheck::Kind::kHttp}) {
    Town town;
    auto& it = town.add("it", {"idle"}, 18001);
    it.healthcheck.kind = kind;
    it.healthcheck.target = "localhost:18001";
    const sandbox::Fd stranger = listen_here(18001);
    REQUIRE(stranger);
    expect_failure(
        town, StartFailure::Kind::kForeign,
        [](Judge& judge, const StartFailure& failure) {
          judge.expect(contains(failure.text, "port 18001 of service it is answered by process ") &&
                           contains(failure.text, "which is no service of the test"),
                       failure.text);
        },
        true);
  }
  // Isolated, the same left-over is in nobody's way.
  const sandbox::Fd stranger = listen_here(18001);
  in_worker([](Judge& judge) {
    Town town;
    town.add("it", {"listen", "18001"}, 18001);
    if (!town.settle(judge)) return;
    town.start(judge);
    town.set->stop_all();
    town.tear_down(judge);
  });
}

TEST_CASE("without interfaces, ready means executed; what may exit may do so at once") {
  in_worker([](Judge& judge) {
    Town town;
    town.add("job", {"exit", "3"}).may_exit = true;
    town.add("web", {"listen", "8001"}, 8001).depends_on = {0};
    if (!town.settle(judge) || !town.start(judge)) return;
    const std::string facts = facts_text(*town.set);
    judge.expect(facts.starts_with("started0 ready0 "), facts);
    const auto exits = town.set->stop_all();
    judge.expect(exits.size() == 2 && exits[0].service == 0 && !exits[0].stopping &&
                     WEXITSTATUS(exits[0].wait_status) == 3,
                 "its exit is told");
    town.tear_down(judge);
  });
}

TEST_CASE("another service on the port is a stranger, too") {
  Town town;
  town.add("a", {"listen", "8002"}, 0);
  town.add("b", {"idle"}, 8002).depends_on = {0};
  expect_failure(town, StartFailure::Kind::kForeign, [](Judge& judge, const StartFailure& failure) {
    judge.expect_eq(failure.text, "port 8002 of service b is answered by service a", "text");
  });
}

TEST_CASE("50 processes that ignore SIGTERM are gone soon after the grace") {
  in_worker([](Judge& judge) {
    Town town;
    town.add("deaf", {"deaf", "8001", "49"}, 8001).stop_timeout_ns = 50'000'000;
    if (!town.settle(judge) || !town.start(judge)) return;
    judge.expect(town.place->leaf(0).processes().size() == 50, "they live");
    const uint64_t began = now_ns();
    const auto exits = town.set->stop_all();
    const uint64_t took = now_ns() - began;
    judge.say("50 deaf processes of 8 MB: " + std::to_string((took - 50'000'000) / 1000) +
              " us after the grace");
    judge.expect(exits.size() == 1 && exits[0].killed_by_fbx && exits[0].stopping, "killed by us");
    judge.expect(town.place->leaf(0).processes().empty(), "the leaf is empty");
    town.tear_down(judge);
  });
}

TEST_CASE("what a test costs above its services") {
  in_worker([](Judge& judge) {
    std::vector<uint64_t> born, ready, all;
    for (int i = 0; i < 30; ++i) {
      Town town;
      town.add("a", {"listen", "8001"}, 8001);
      town.add("b", {"listen", "8002"}, 8002);
      const uint64_t began = now_ns();
      if (!town.settle(judge)) return;
      const uint64_t settled = now_ns();
      if (!town.start(judge)) return;
      ready.push_back((now_ns() - settled) / 1000);
      born.push_back((town.set->take_facts()[0].at_ns - settled) / 1000);
      town.set->stop_all();
      town.tear_down(judge);
      all.push_back((now_ns() - began) / 1000);
    }
    for (auto* times : {&born, &ready, &all}) std::ranges::sort(*times);
    judge.say("two services: first one executes after " + std::to_string(born[15]) +
              " us, both ready after " + std::to_string(ready[15]) + " us; sandbox, start, stop, " +
              "clean: " + std::to_string(all[15]) + " us (" + std::to_string(all[0]) + "…" +
              std::to_string(all[29]) + ")");
  });
}

TEST_CASE("an exit nobody asked for is noticed, and told from stopping") {
  in_worker([](Judge& judge) {
    Town town;
    town.add("it", {"listen", "8001"}, 8001);
    if (!town.settle(judge) || !town.start(judge)) return;
    ::kill(town.set->pid(0), SIGKILL);
    std::vector<pollfd> fds;
    town.set->poll_fds(fds);
    judge.expect(fds.size() == 1 && ::poll(fds.data(), 1, 5000) == 1, "poll says so");
    const auto exits = town.set->stop_all();
    judge.expect(exits.size() == 1 && !exits[0].stopping && !exits[0].killed_by_fbx &&
                     WTERMSIG(exits[0].wait_status) == SIGKILL,
                 "its exit");
    judge.expect_eq(facts_text(*town.set), "started0 ready0 exited0 ", "facts");
    town.tear_down(judge);
  });
}

TEST_CASE("a service that shouts never blocks, and its last lines are kept") {
  in_worker([](Judge& judge) {
    Town town;
    town.add("loud", {"shout"});
    if (!town.settle(judge) || !town.start(judge)) return;
    std::string last;
    const uint64_t bound = now_ns() + 10'000'000'000;
    while (!last.starts_with("line 16383") && now_ns() < bound) {
      const auto lines = town.set->last_output(0, 3);
      if (lines.size() == 3) last = lines[2].text;
    }
    judge.expect(last.starts_with("line 16383"), "its last line: " + last);
    town.set->stop_all();
    town.tear_down(judge);
  });
}

TEST_CASE("starting gives up when the run is to end, or when the test's time is over") {
  in_worker([](Judge& judge) {
    Town town;
    town.add("it", {"mute", "8001"}, 8002);
    if (!town.settle(judge)) return;
    const uint64_t now = now_ns();
    const auto late = town.set->start_all(now + 50'000'000);
    judge.expect(late && late->kind == StartFailure::Kind::kNotReady, "late");
    town.set.reset();
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0 || ::write(ends[1], "x", 1) != 1) return;
    service::ServiceSetOptions options{&town.plan, town.place.get(), {}, {}, ends[0]};
    service::ServiceSet second(options);
    const auto stopped = second.start_all();
    judge.expect(stopped && stopped->kind == StartFailure::Kind::kInterrupted, "interrupted");
  });
}
