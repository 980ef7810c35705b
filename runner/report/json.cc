// SPDX-License-Identifier: Apache-2.0
//
// The only file that includes nlohmann-json in runner/report; its exceptions stop here.
#include "runner/report/json.h"

#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>

namespace fbx::report {

namespace {

using nlohmann::ordered_json;
using Json = ordered_json;

std::string dump(const Json& value, int indent) {
  return value.dump(indent, ' ', false, Json::error_handler_t::replace);
}

// ---- whole outcomes, for the way from worker to front

Json encode(const Place& place) { return Json::array({place.file, place.line, place.col}); }

Place place_from(const Json& value) {
  return {value.at(0).get<std::string>(), value.at(1).get<uint32_t>(), value.at(2).get<uint32_t>()};
}

Verdict verdict_from(const Json& value) {
  const auto name = value.get<std::string>();
  for (const Verdict verdict : {Verdict::kError, Verdict::kFail, Verdict::kInconclusive,
                                Verdict::kNotApplicable, Verdict::kPass, Verdict::kKnown})
    if (name == verdict_name(verdict)) return verdict;
  throw std::invalid_argument("no verdict \"" + name + "\"");
}

Json encode(const Reason& r) {
  return {{"verdict", verdict_name(r.verdict)}, {"code", r.code},     {"text", r.text},
          {"place", encode(r.place)},           {"remedy", r.remedy}, {"actual", r.actual},
          {"expected", r.expected}};
}

Reason reason_from(const Json& v) {
  Reason r;
  r.verdict = verdict_from(v.at("verdict"));
  v.at("code").get_to(r.code);
  v.at("text").get_to(r.text);
  r.place = place_from(v.at("place"));
  v.at("remedy").get_to(r.remedy);
  v.at("actual").get_to(r.actual);
  v.at("expected").get_to(r.expected);
  return r;
}

Json encode(const Fires& f) {
  return {{"rule", f.rule},       {"brief", f.brief},     {"label", f.label},
          {"hand", f.hand},       {"matched", f.matched}, {"fired", f.fired},
          {"by", f.by},           {"optional", f.optional}, {"near_misses", f.near_misses},
          {"nearest", f.nearest}, {"note", f.note}};
}

Fires fires_from(const Json& v) {
  Fires f;
  v.at("rule").get_to(f.rule);
  v.at("brief").get_to(f.brief);
  v.at("label").get_to(f.label);
  v.at("hand").get_to(f.hand);
  v.at("matched").get_to(f.matched);
  v.at("fired").get_to(f.fired);
  v.at("by").get_to(f.by);
  v.at("optional").get_to(f.optional);
  v.at("near_misses").get_to(f.near_misses);
  v.at("nearest").get_to(f.nearest);
  v.at("note").get_to(f.note);
  return f;
}

Json encode(const model::Frame& f) {
  return {{"function", f.function}, {"place", encode(f.place)}};
}

model::Frame frame_from(const Json& v) {
  return {v.at("function").get<std::string>(), place_from(v.at("place"))};
}

Json encode(const EscapedCall& e) { return Json::array({e.service, e.keyword, e.text}); }

EscapedCall escaped_from(const Json& v) {
  return {v.at(0).get<uint32_t>(), v.at(1).get<std::string>(), v.at(2).get<std::string>()};
}

Json encode(const EventLine& e) {
  return Json::array({e.seq, e.at_ms, e.service, e.text, e.offending});
}

EventLine event_from(const Json& v) {
  return {v.at(0).get<uint64_t>(), v.at(1).get<double>(), v.at(2).get<std::string>(),
          v.at(3).get<std::string>(), v.at(4).get<bool>()};
}

Json encode(const ServiceOutput& o) { return {{"service", o.service}, {"lines", o.lines}}; }

ServiceOutput output_from(const Json& v) {
  return {v.at("service").get<std::string>(), v.at("lines").get<std::vector<std::string>>()};
}

template <typename T>
Json encode_all(const std::vector<T>& all) {
  Json out = Json::array();
  for (const T& one : all) out.push_back(encode(one));
  return out;
}

template <typename T>
void decode_all(const Json& value, std::vector<T>& all, T (*decode)(const Json&)) {
  for (const Json& one : value) all.push_back(decode(one));
}

Json encode(const TestOutcome& t) {
  return {{"name", t.name},
          {"doc", t.doc},
          {"place", encode(t.place)},
          {"verdict", verdict_name(t.verdict)},
          {"reasons", encode_all(t.reasons)},
          {"asserted", t.asserted},
          {"duration_ns", t.duration_ns},
          {"fires", encode_all(t.fires)},
          {"hands", t.hands},
          {"escaped", encode_all(t.escaped)},
          {"traceback", encode_all(t.traceback)},
          {"step_in_flight", t.step_in_flight},
          {"events", encode_all(t.events)},
          {"outputs", encode_all(t.outputs)},
          {"printed", t.printed},
          {"notes", t.notes},
          {"known_reason", t.known_reason},
          {"scenario", t.scenario},
          {"assumption", t.assumption},
          {"matrix", t.matrix},
          {"hidden", t.hidden},
          {"kept", t.kept}};
}

TestOutcome test_from(const Json& v) {
  TestOutcome t;
  v.at("name").get_to(t.name);
  v.at("doc").get_to(t.doc);
  t.place = place_from(v.at("place"));
  t.verdict = verdict_from(v.at("verdict"));
  decode_all(v.at("reasons"), t.reasons, reason_from);
  v.at("asserted").get_to(t.asserted);
  v.at("duration_ns").get_to(t.duration_ns);
  decode_all(v.at("fires"), t.fires, fires_from);
  v.at("hands").get_to(t.hands);
  decode_all(v.at("escaped"), t.escaped, escaped_from);
  decode_all(v.at("traceback"), t.traceback, frame_from);
  v.at("step_in_flight").get_to(t.step_in_flight);
  decode_all(v.at("events"), t.events, event_from);
  decode_all(v.at("outputs"), t.outputs, output_from);
  v.at("printed").get_to(t.printed);
  v.at("notes").get_to(t.notes);
  v.at("known_reason").get_to(t.known_reason);
  v.at("scenario").get_to(t.scenario);
  v.at("assumption").get_to(t.assumption);
  v.at("matrix").get_to(t.matrix);
  v.at("hidden").get_to(t.hidden);
  v.at("kept").get_to(t.kept);
  return t;
}

// ---- the document of --json

// Whole µs: enough for a person, and no digits that only a clock has.
double milliseconds(int64_t ns) { return std::round(static_cast<double>(ns) / 1e3) / 1e3; }

Json document_fires(const Fires& f) {
  return {{"rule", f.rule}, {"label", f.label}, {"matched", f.matched}, {"fired", f.fired},
          {"by", f.by}};
}

Json document_reasons(const std::vector<Reason>& reasons) {
  Json all = Json::array();
  for (const Reason& r : reasons) {
    Json one = {{"verdict", verdict_name(r.verdict)}, {"code", r.code}, {"text", r.text}};
    if (!r.place.file.empty()) one["place"] = r.place.text();
    if (!r.remedy.empty()) one["remedy"] = r.remedy;
    all.push_back(std::move(one));
  }
  return all;
}

Json document_test(const TestOutcome& t) {
  Json fires = Json::array();
  for (const Fires& f : t.fires) fires.push_back(document_fires(f));
  Json out = {{"name", t.name},
          {"verdict", verdict_name(t.verdict)},
          {"reason", t.reasons.empty() ? t.known_reason : t.reasons.front().text},
          {"reasons", document_reasons(t.reasons)},
          {"asserted", t.asserted},
          {"duration_ms", milliseconds(t.duration_ns)},
          {"fires", std::move(fires)},
          {"hands", t.hands}};
  if (!t.notes.empty()) out["notes"] = t.notes;
  return out;
}

// Cells by scenario and assumption: {"order_flow": {"db_down": "pass"}}; one object per matrix,
// null when the spec has none.
Json document_matrix(const RunOutcome& run) {
  std::map<int, Json> matrices;
  for (const TestOutcome& t : run.tests) {
    if (t.matrix < 0 || t.assumption.empty()) continue;
    Json& cells = matrices[t.matrix];
    cells[t.scenario][t.assumption] = verdict_name(t.verdict);
  }
  if (matrices.empty()) return nullptr;
  Json all = Json::array();
  for (auto& [index, cells] : matrices) all.push_back({{"cells", std::move(cells)}});
  return all;
}

Json document(const RunOutcome& run) {
  Json tests = Json::array();
  for (const TestOutcome& t : run.tests)
    if (!t.hidden || t.verdict != Verdict::kPass) tests.push_back(document_test(t));
  Json out = {{"fbx_results", 1},
              {"spec", run.spec},
              {"seed", run.seed},
              {"verdict", verdict_name(run.verdict)}};
  if (!run.reasons.empty()) out["reasons"] = document_reasons(run.reasons);
  out["duration_ms"] = milliseconds(run.duration_ns);
  out["tests"] = std::move(tests);
  out["matrix"] = document_matrix(run);
  return out;
}

Verdict worst_of(const std::vector<RunOutcome>& runs) {
  Verdict worst = Verdict::kPass;
  for (const RunOutcome& run : runs)
    if (exit_code(run.verdict) != 0 && (exit_code(worst) == 0 || run.verdict < worst))
      worst = run.verdict;
  return worst;
}

}  // namespace

std::string to_json(const TestOutcome& outcome) { return dump(encode(outcome), -1); }

Result<TestOutcome> outcome_from_json(std::string_view text) {
  try {
    return test_from(Json::parse(text));
  } catch (const std::exception& error) {
    return fail(std::string("a worker's outcome can't be read: ") + error.what());
  }
}

std::string results_json(const std::vector<RunOutcome>& runs) {
  if (runs.size() == 1) return dump(document(runs.front()), 2) + "\n";
  Json all = Json::array();
  for (const RunOutcome& run : runs) all.push_back(document(run));
  const Json out = {{"fbx_results", 1}, {"verdict", verdict_name(worst_of(runs))},
                    {"runs", std::move(all)}};
  return dump(out, 2) + "\n";
}

}  // namespace fbx::report
