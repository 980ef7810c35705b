// SPDX-License-Identifier: Apache-2.0
//
// The one table of a plan's keys: for each struct its keys in the order they are written, with type,
// default, range and meaning. Three visitors read it: writer (field_writer.h), reader
// (field_reader.h), and the reference in docs/plan-format.md (describe.h).
//
// A visitor has, for a key k, a member m and a meaning d:
//   text(k, m, need, d)          a string; kRequired (and not empty), or kOptional (default "")
//   text(k, m, default, d)
//   name(k, m, need, d)          a string of letters, digits, `_` and `-`
//   sha256(k, m, need, d)        64 digits of lower-case hex
//   flag(k, m, default, d)       a boolean
//   number(k, m, default, min, max, d)
//   real(k, m, default, min, max, d)
//   duration(k, m, default, d)   "1.5s", above 0
//   choice(k, m, default, {{"word", value}…}, d)
//   words(k, m, d)               an array of strings
//   word_lists(k, m, d)          an array of arrays of strings
//   pairs(k, m, d)               a table of strings, in the order written
//   service(k, m, d), services(k, m, d)   names of services, held as indexes
//   table(k, m, d), tables(k, m, d)       a table, an array of tables, with fields of their own
//   health(k, m, d), limits(k, m, d), block(k, m, d)   one of a kind
//   place(m)                     `at` and `file`: see anchor.h
#pragma once

#include <string>
#include <vector>

#include "spec/plan/plan.h"

namespace fbx::plan {

enum class Presence : uint8_t { kRequired, kOptional };
constexpr auto kRequired = Presence::kRequired;
constexpr auto kOptional = Presence::kOptional;

// ---- what the document has beside the structs of plan.h

struct PlanKeys {
  int64_t version = 0;  // 0 = absent
  std::string spec, sha256;
  Network network = Network::kIsolated;
  Tmp tmp = Tmp::kFresh;
  int64_t timeout_ns = Plan{}.timeout_ns;
};

// A health check as it is written: the key says the kind.
struct HealthKeys {
  std::string tcp, http, output;
  std::vector<std::string> command;
  int status = 0;
  int64_t timeout_ns = HealthCheck{}.timeout_ns;
};

// A fault of an assumption: `deny` or `delay` or `allow`.
struct FaultKeys {
  uint32_t service = 0;
  std::string keyword;
  bool allow = false;
  Action action;
};

struct AssumptionKeys {
  std::string name, description;
  std::vector<std::string> includes;
  std::vector<FaultKeys> faults;
  Place place;
};

// A test, with values as text (value_text.h).
struct TestKeys {
  std::string name, doc;
  Place place;
  TestKind kind = TestKind::kFunction;
  int64_t matrix = -1;
  std::string scenario, assumption;
  std::string function, args, expect;
  std::string known_failure;
  bool require_faults_fire = true;
  int64_t timeout_ns = 0;
  std::vector<std::string> needs, observe;
};

// A function's code, with its signature as text: docs/plan-format.md.
struct FunctionKeys {
  std::string name;
  Place place;
  std::vector<std::string> params, locals, cells, free;
  std::string code;
};

// ---- the table

template <class V>
void fields(V& v, PlanKeys& p) {
  v.number("fbx_plan", p.version, int64_t{0}, int64_t{1}, int64_t{kFormatVersion},
           "version of this format");
  v.text("spec", p.spec, kRequired, "file name of the spec, as places show it");
  v.sha256("sha256", p.sha256, kOptional, "SHA-256 of the spec's file");
  v.choice("network", p.network, Network::kIsolated,
           {{"isolated", Network::kIsolated}, {"host", Network::kHost}},
           "a network of its own for each test, or the machine's");
  v.choice("tmp", p.tmp, Tmp::kFresh, {{"fresh", Tmp::kFresh}, {"overlay", Tmp::kOverlay}},
           "an empty /tmp and /var/tmp for each test, or the machine's under an overlay");
  v.duration("timeout", p.timeout_ns, Plan{}.timeout_ns, "time a test may take");
}

template <class V>
void fields(V& v, EnvRead& e) {
  v.text("name", e.name, kRequired, "variable that env() read when the plan was compiled");
  v.text("value", e.value, kOptional, "what it read");
  v.flag("defaulted", e.defaulted, false, "the variable was not set: the value is the default");
}

template <class V>
void fields(V& v, FileRead& f) {
  v.text("path", f.path, kRequired, "file that was read when the plan was compiled");
  v.sha256("sha256", f.sha256, kRequired, "SHA-256 of its bytes");
}

template <class V>
void fields(V& v, Interface& i) {
  v.name("name", i.name, kRequired, "name: svc.<name>");
  v.choice("protocol", i.protocol, Protocol::kTcp,
           {{"http", Protocol::kHttp},
            {"tcp", Protocol::kTcp},
            {"udp", Protocol::kUdp},
            {"unix", Protocol::kUnix}},
           "what is spoken");
  v.number("port", i.port, uint16_t{0}, uint16_t{1}, uint16_t{65535}, "port, for all but unix");
  v.text("path", i.path, kOptional, "path of the socket, for unix");
}

template <class V>
void fields(V& v, HealthKeys& h) {
  v.text("tcp", h.tcp, kOptional, "ready when this address accepts");
  v.text("http", h.http, kOptional, "ready when this URL answers");
  v.text("output", h.output, kOptional, "ready when a line of output matches");
  v.words("command", h.command, "ready when this command exits with 0");
  v.number("status", h.status, 0, 100, 599, "with http: the healthy status; else 200-399");
  v.duration("timeout", h.timeout_ns, HealthKeys{}.timeout_ns, "how long to wait");
}

template <class V>
void fields(V& v, Op& o) {
  v.name("name", o.name, kRequired, "keyword that fault() takes for this service");
  v.words("syscalls", o.syscalls, "families and system calls");
  v.text("path", o.path, kOptional, "glob; empty: any path");
}

template <class V>
void fields(V& v, OutputDecoder& o) {
  v.flag("stderr", o.is_stderr, false, "of stderr; else of stdout");
  v.choice("decoder", o.kind, OutputDecoder::Kind::kJson,
           {{"json", OutputDecoder::Kind::kJson},
            {"logfmt", OutputDecoder::Kind::kLogfmt},
            {"regex", OutputDecoder::Kind::kRegex}},
           "how a line is read");
  v.text("pattern", o.pattern, kOptional, "with regex: RE2 with named groups");
}

template <class V>
void fields(V& v, Service& s) {
  v.name("name", s.name, kRequired, "name of the service");
  v.text("binary", s.binary, kRequired, "absolute, relative to the spec's folder, or on PATH");
  v.place(s.place);
  v.tables("interfaces", s.interfaces, "what it listens on");
  v.words("args", s.args, "arguments after the program's name");
  v.pairs("env", s.env, "environment variables");
  v.words("inherit_env", s.inherit_env, "globs of the caller's variables that it gets");
  v.text("cwd", s.cwd, kOptional, "working directory; empty: the spec's folder");
  v.services("depends_on", s.depends_on, "services that are ready before it starts");
  v.health("healthcheck", s.healthcheck, "when it is ready; absent: every interface listens");
  v.tables("ops", s.ops, "named operations");
  v.tables("observe", s.observe, "how its lines of output become fields of events");
  v.text("user", s.user, kOptional, "user it runs as; empty: the invoking user");
  v.word_lists("prepare", s.prepare, "commands that run once before its first start");
  v.flag("manual_start", s.manual_start, false, "start=\"manual\"");
  v.flag("may_exit", s.may_exit, false, "it may end without failing the test");
  v.text("stop_signal", s.stop_signal, "SIGTERM", "signal that stops it");
  v.duration("stop_timeout", s.stop_timeout_ns, Service{}.stop_timeout_ns, "grace before SIGKILL");
  v.text("inject", s.inject, "auto", "hand that carries out its faults");
  v.flag("io_uring", s.io_uring, true, "may use io_uring");
  v.words("external", s.external, "addresses outside the test that it may dial");
  v.limits("limits", s.limits, "resource limits");
}

template <class V>
void fields(V& v, FaultKeys& f) {
  v.service("service", f.service, "whose calls");
  v.text("call", f.keyword, kRequired, "family, system call, or op of that service");
  v.text("deny", f.action.errname, kOptional, "errno that the call returns");
  v.duration("delay", f.action.delay_ns, 0, "how long it is held first");
  v.flag("allow", f.allow, false, "let through what a later rule would hit");
  v.real("probability", f.action.probability, 1.0, 0.0, 1.0, "share of the matches that fire");
  v.number("after", f.action.after, uint64_t{0}, uint64_t{0}, uint64_t{INT64_MAX},
           "matches that pass first");
  v.number("every", f.action.every, uint64_t{1}, uint64_t{1}, uint64_t{INT64_MAX},
           "of those after, each such fires");
  v.number("max_fires", f.action.max_fires, UINT64_MAX, uint64_t{1}, uint64_t{INT64_MAX},
           "fires at most so often");
  v.text("path", f.action.path, kOptional, "glob; empty: any path");
  v.text("to", f.action.to, kOptional, "service, interface or \"host:port\" that is dialled");
  v.text("on", f.action.on, kOptional, "kind of descriptor");
  v.flag("sticky", f.action.sticky, false, "once it has failed a file's call it goes on to");
  v.flag("optional", f.action.optional, false, "need not fire");
  v.text("label", f.action.label, kOptional, "what reports call it");
}

template <class V>
void fields(V& v, AssumptionKeys& a) {
  v.name("name", a.name, kRequired, "name of the assumption");
  v.place(a.place);
  v.text("description", a.description, kOptional, "what it assumes");
  v.words("includes", a.includes, "assumptions before this one that it adds to");
  v.tables("faults", a.faults, "its rules, in order");
}

template <class V>
void fields(V& v, Matrix& m) {
  v.place(m.place);
  v.words("scenarios", m.scenarios, "the rows");
  v.words("assumptions", m.assumptions, "the columns");
}

template <class V>
void fields(V& v, TestKeys& t) {
  v.text("name", t.name, kOptional, "name; a cell's follows from its row and column");
  v.text("doc", t.doc, kOptional, "first line of the docstring");
  v.place(t.place);
  v.choice("kind", t.kind, TestKind::kFunction,
           {{"function", TestKind::kFunction},
            {"scenario", TestKind::kScenario},
            {"fault_scenario", TestKind::kFaultScenario},
            {"cell", TestKind::kCell},
            {"baseline", TestKind::kBaseline}},
           "what made it a test");
  v.number("matrix", t.matrix, int64_t{-1}, int64_t{0}, int64_t{1'000'000},
           "cell, baseline: number of its matrix, from 0");
  v.text("scenario", t.scenario, kOptional, "cell, baseline: the row");
  v.text("assumption", t.assumption, kOptional, "cell: the column");
  v.text("function", t.function, kOptional, "value that is called; absent: the global of its name");
  v.text("args", t.args, kOptional, "values it is called with, as a list");
  v.text("expect", t.expect, kOptional, "cell: value that judges what the scenario returned");
  v.text("known_failure", t.known_failure, kOptional, "why it is known to fail");
  v.flag("require_faults_fire", t.require_faults_fire, true, "cell: n/a unless its fault fired");
  v.duration("timeout", t.timeout_ns, 0, "time it may take; absent: the plan's");
  v.words("needs", t.needs, "what the runner must be able to enforce; absent: computed");
  v.words("observe", t.observe, "what it must be able to see; absent: computed");
}

template <class V>
void fields(V& v, FunctionKeys& f) {
  v.text("name", f.name, kRequired, "path in the source: \"f\", \"f.g\", \"f.lambda@1\"");
  v.place(f.place);
  v.words("params", f.params, "\"a\", \"b=\" with a default, \"*\", \"*args\", \"**kwargs\"");
  v.words("locals", f.locals, "its other variables");
  v.words("cells", f.cells, "those of both that functions inside capture");
  v.words("free", f.free, "variables it captures from functions around");
  v.block("code", f.code, "instructions, one a line");
}

}  // namespace fbx::plan
