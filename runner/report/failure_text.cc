// SPDX-License-Identifier: Apache-2.0
//
// One screen for a test that did not pass. The order is a promise to readers: what, where, actual
// against expected, step, faults, events, output, how to run it again.
#include <algorithm>
#include <cstdio>

#include "runner/report/human.h"
#include "runner/report/words.h"

namespace fbx::report {

namespace {

// The source line and a caret under its column; "" when the plan does not hold the line.
std::string quote(const Place& place, const HumanContext& context) {
  if (context.plan == nullptr || place.line == 0) return "";
  const std::string line = plan::source_line(*context.plan, place);
  if (line.empty()) return "";
  const std::string number = std::to_string(place.line);
  std::string text = "    " + number + " | " + printable(line) + "\n";
  if (place.col == 0) return text;
  text += "    " + std::string(number.size(), ' ') + " | ";
  size_t at = 1;
  for (const char c : line) {
    if ((static_cast<unsigned char>(c) & 0xc0) == 0x80) continue;
    if (at++ == place.col) break;
    text += c == '\t' ? '\t' : ' ';
  }
  return text + paint("^", Colour::kRed, context.colour) + "\n";
}

// The first line where it stands, further ones below it.
std::string lines_of(const std::string& text, const std::string& indent) {
  return indented(text, indent).substr(indent.size());
}

std::string reason_text(const Reason& reason, const HumanContext& context) {
  std::string text = "  ";
  if (reason.place.line != 0) text += reason.place.text() + ": ";
  std::string said = lines_of(reason.text, "    ");
  said.pop_back();
  text += said + paint("  [" + reason.code + "]", Colour::kDim, context.colour) + "\n";
  text += quote(reason.place, context);
  const std::string below(14, ' ');
  if (!reason.actual.empty() || !reason.expected.empty()) {
    text += "    actual    " + lines_of(reason.actual, below);
    text += "    expected  " + lines_of(reason.expected, below);
  }
  if (!reason.remedy.empty()) text += "    to do     " + lines_of(reason.remedy, below);
  return text;
}

// Innermost last, as the body called it; a single frame is the place already shown.
std::string traceback_text(const TestOutcome& outcome) {
  if (outcome.traceback.size() < 2) return "";
  std::string text = "  called:\n";
  for (const model::Frame& frame : outcome.traceback)
    text += "    " + frame.place.text() + "  " + frame.function + "\n";
  return text;
}

std::string fires_text(const TestOutcome& outcome) {
  if (outcome.fires.empty()) return "";
  std::string text = "  faults:\n";
  for (const Fires& fires : outcome.fires) {
    text += "    " + printable(fires.rule) + ": fired " + std::to_string(fires.fired) + " of " +
            plural(fires.matched, "matching call");
    if (!fires.hand.empty()) text += ", by " + fires.hand;
    text += fires.optional ? ", optional\n" : "\n";
    for (const auto& [what, n] : fires.by)
      text += "      " + std::to_string(n) + "× " + printable(what) + "\n";
    if (fires.near_misses != 0)
      text += "      " + plural(fires.near_misses, "call") + " nearly matched: " +
              printable(fires.nearest) + "\n";
    if (!fires.note.empty()) text += "      " + printable(fires.note) + "\n";
  }
  return text;
}

std::string events_text(const TestOutcome& outcome, bool colour) {
  if (outcome.events.empty()) return "";
  size_t width = 0;
  for (const EventLine& event : outcome.events) width = std::max(width, columns(event.service));
  std::string text = "  events (ms since the body began):\n";
  for (const EventLine& event : outcome.events) {
    char time[32];
    std::snprintf(time, sizeof time, "%10.1f  ", event.at_ms);
    const std::string line = time + padded(event.service, width) + "  " + printable(event.text);
    text += (event.offending ? paint("  >" + line, Colour::kBold, colour) : "   " + line) + "\n";
  }
  return text;
}

std::string outputs_text(const TestOutcome& outcome) {
  std::string text;
  for (const ServiceOutput& output : outcome.outputs) {
    if (output.lines.empty()) continue;
    text += "  last output of " + output.service + ":\n";
    for (const std::string& line : output.lines) text += "    " + printable(line) + "\n";
  }
  return text;
}

std::string list_text(const std::string& title, const std::vector<std::string>& lines) {
  if (lines.empty()) return "";
  std::string text = "  " + title + ":\n";
  for (const std::string& line : lines) text += indented(line, "    ");
  return text;
}

}  // namespace

std::string test_details(const TestOutcome& outcome, const HumanContext& context) {
  std::string text = test_line(outcome, context.colour);
  if (!outcome.doc.empty()) text += "  " + printable(outcome.doc) + "\n";
  for (const Reason& reason : outcome.reasons) text += reason_text(reason, context);
  text += traceback_text(outcome);
  if (!outcome.step_in_flight.empty())
    text += "  step: " + printable(outcome.step_in_flight) + "\n";
  text += fires_text(outcome) + events_text(outcome, context.colour) + outputs_text(outcome);
  text += list_text("printed", outcome.printed) + list_text("notes", outcome.notes);
  if (!context.rerun.empty()) text += "  run it again: " + context.rerun + "\n";
  if (!outcome.kept.empty()) text += "  kept: " + outcome.kept + "\n";
  return text;
}

}  // namespace fbx::report
