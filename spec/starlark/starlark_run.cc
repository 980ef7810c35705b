// SPDX-License-Identifier: Apache-2.0
//
// Runs Starlark files from the command line, and chunked test files with their expectations:
//   starlark_run [--chunks] [--resolve] [--parse] [--core] FILE…
// With --chunks a file is cut at lines "---"; a line that ends in ### "regexp" must fail with a
// message that matches. --resolve stops after names (M and U are predeclared), --parse after syntax.
// --core prints the symbolic code of every function, each but the first after a line "== KEY".
#include <cctype>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <sstream>

#include "spec/starlark/builtins.h"
#include "spec/starlark/core_text.h"
#include "spec/starlark/values.h"
#include "spec/starlark/vm.h"

using namespace starlark;

namespace {

struct Session;
struct Chunk {
  std::string source;
  std::map<int, std::string> expected;  // line -> pattern
};

std::string read_file(const std::string& path, bool& fine) {
  std::ifstream in(path, std::ios::binary);
  fine = static_cast<bool>(in);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

Options options_of(const std::string& source, bool chunks) {
  auto has = [&](const char* name) { return source.find(std::string("option:") + name) != std::string::npos; };
  Options o;
  o.set = !chunks || has("set");
  o.while_loops = has("while");
  o.recursion = has("recursion");
  o.top_level_control = has("toplevelcontrol");
  o.global_reassign = has("globalreassign");
  o.load_binds_globally = has("loadbindsglobally");
  return o;
}

// One heap and what is loaded in it.
struct Session {
  Heap heap;
  Environment env;
  Predeclared names;
  std::string file;
  std::map<std::string, Module*> loaded;
  std::vector<std::pair<int, std::string>> reported;  // error(): line, text
};

std::string full_message(const Error& e) {
  return e.hint.empty() ? e.message : e.message + " (" + e.hint + ")";
}

Value error_(Call& c) {
  auto& session = c.host_as<Session>();
  int line = 0;
  for (const TraceEntry& t : c.stack()) {
    if (t.place.file == session.file) line = t.place.line;
  }
  session.reported.push_back({line, c.args().empty() ? "" : str(c.args()[0])});
  return Value::none();
}

struct Catch : Continuation {
  Value next(Call&, Value) override { return Value::none(); }
  Value failed(Call& c, const Error& e) override { return c.heap().string(full_message(e)); }
};
Value catch_(Call& c) {
  c.push<Catch>();
  return c.call(c.args()[0]);
}

// A "{" that opens no repetition stands for itself, as in Go; so do "}" and "]" that close nothing,
// which not every standard library takes.
std::string lenient(const std::string& pattern) {
  std::string out;
  bool escaped = false, in_class = false, in_repetition = false;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    const char c = pattern[i];
    const bool digit = i + 1 < pattern.size() && std::isdigit(static_cast<unsigned char>(pattern[i + 1]));
    const bool itself = !escaped && !in_class &&
                        ((c == '{' && !digit) || (c == '}' && !in_repetition) || c == ']');
    if (itself) out += '\\';
    out += c;
    if (!escaped && !itself) {
      if (c == '{' && !in_class) in_repetition = true;
      if (c == '}' && !in_class) in_repetition = false;
      if (c == '[') in_class = true;
      if (c == ']') in_class = false;
    }
    escaped = c == '\\' && !escaped;
  }
  return out;
}

Value matches_(Call& c) {
  static constexpr Param kParams[] = {{"pattern", kString}, {"str", kString}};
  Value a[2];
  if (!c.unpack(kParams, a)) return c.failed();
  std::string pattern(to_string_view(a[0])), text(to_string_view(a[1]));
  try {
    return Value::boolean(std::regex_search(text, std::regex(lenient(pattern))));
  } catch (const std::regex_error& e) {
    return c.fail(Code::host, "matches: " + pattern + ": " + e.what());
  }
}

Value module_(Call& c) { return c.heap().module(to_string_view(c.args()[0]), c.kwargs()); }
Value freeze_(Call& c) {
  c.heap().freeze(c.args()[0]);
  return c.args()[0];
}
Value floateq_(Call& c) {
  double x = to_double(c.args()[0]), y = to_double(c.args()[1]);
  bool same = x == y || std::nextafter(x, y) == y || (std::isnan(x) && std::isnan(y));
  return Value::boolean(same);
}

struct HasFields : HostObject {
  std::map<std::string, Value, std::less<>> values;
  std::string_view type() const override { return "hasfields"; }
  void repr(Writer& w) const override { w.add("hasfields"); }
  std::optional<std::uint64_t> hash() const override { return 42; }
  Value attr(Call&, std::string_view name) override {
    auto it = values.find(name);
    return it == values.end() ? Value() : it->second;
  }
  std::vector<std::string_view> attr_names() const override {
    std::vector<std::string_view> out;
    for (auto& [name, v] : values) out.push_back(name);
    return out;
  }
  bool has_set_attr() const override { return true; }
  Value set_attr(Call& c, std::string_view name, Value v) override {
    if (frozen()) return c.fail(Code::frozen, "cannot set field on a frozen hasfields");
    if (name.starts_with("no")) return Value();
    values.insert_or_assign(std::string(name), v);
    return Value::none();
  }
  Value binary(Call&, Binary op, Value other, bool) override {
    return op == Binary::add && kind_of(other) == Kind::list ? Value::small_int(42) : Value();
  }
  void visit(const std::function<void(Value)>& see) const override {
    for (auto& [name, v] : values) see(v);
  }
};
Value hasfields_(Call& c) { return c.heap().make_host<HasFields>(); }

// A constructor of structs that are told apart by it.
struct Symbol : HostObject {
  std::string name;
  std::string_view type() const override { return "symbol"; }
  void repr(Writer& w) const override { w.add(name); }
  std::optional<std::uint64_t> hash() const override { return name.size(); }
  bool callable() const override { return true; }
  Value call(Call& c) override { return c.heap().structure(c.kwargs(), value()); }
};
Value gensym_(Call& c) {
  static constexpr Param kParams[] = {{"name", kString}};
  Value x;
  if (!c.unpack(kParams, {&x, 1})) return c.failed();
  Value v = c.heap().make_host<Symbol>();
  host_as<Symbol>(v)->name = to_string_view(x);
  return v;
}

struct Fibonacci : HostObject {
  std::string_view type() const override { return "fib"; }
  bool iterable() const override { return true; }
  bool next(Heap& heap, IterState& s, Value& out) override {
    std::int64_t x = s.a.valid() ? s.a.small() : 0, y = s.b.valid() ? s.b.small() : 1;
    out = heap.integer(x);
    s.a = Value::small_int(y);
    s.b = Value::small_int(x + y);
    return true;
  }
};

constexpr Builtin kError("error", error_), kCatch("catch", catch_), kMatches("matches", matches_),
    kModule("module", module_), kFreeze("freeze", freeze_), kFloateq("_floateq", floateq_),
    kHasfields("hasfields", hasfields_), kGensym("gensym", gensym_);

std::expected<Module*, Error> load_module(Session& s, Fiber& fiber, std::string_view name) {
  Error why;
  why.code = Code::load;
  auto path = std::filesystem::path(fiber.place().file).parent_path() / name;
  if (!std::filesystem::exists(path)) {
    auto shared = path.parent_path().parent_path().parent_path() / "starlarktest" / name;
    if (std::filesystem::exists(shared)) path = shared;
  }
  auto [it, added] = s.loaded.emplace(path.string(), nullptr);
  if (!added && it->second) return it->second;
  why.message = added ? "" : "cycle in load graph";
  if (!added) return std::unexpected(why);
  std::string source;
  bool fine = true;
  if (name == "json.star" || name == "math.star") {
    source = std::string(name.substr(0, 4)) + " = " + std::string(name.substr(0, 4)) + "_\n";
  } else {
    source = read_file(path.string(), fine);
  }
  Predeclared names = s.names;
  names.set("json_", json_module(s.heap));
  names.set("math_", math_module(s.heap));
  if (!fine) {
    why.message = "no such file: " + path.string();
    return std::unexpected(why);
  }
  auto program = Program::from_source(path.string(), source, options_of(source, false), names.as_names());
  if (!program) {
    why.message = program.error()[0].text();
    return std::unexpected(why);
  }
  auto module = run_module(s.heap, s.env, *program, names);
  if (module) s.loaded[path.string()] = *module;
  return module;
}

void prepare(Session& s, const std::string& file) {
  s.file = file;
  s.env.host = &s;
  s.env.limits.depth = 5000;
  s.env.print = [](Fiber&, std::string_view line) {
    std::printf("%.*s\n", static_cast<int>(line.size()), line.data());
  };
  s.env.load = [&s](Fiber& f, std::string_view name) { return load_module(s, f, name); };
  for (const Builtin* b : {&kError, &kCatch, &kMatches, &kModule, &kFloateq, &kGensym, &kHasfields}) {
    s.names.set(b->name(), b->value());
  }
  s.names.set("_freeze", kFreeze.value());
  s.names.set("fibonacci", s.heap.make_host<Fibonacci>());
  s.names.set("struct", struct_builtin());
  s.names.set("json", json_module(s.heap));
  s.names.set("math", math_module(s.heap));
  Value universe = s.heap.dict();  // for tests that cover all of it
  for (std::string_view name : universal_names()) s.heap.dict_set(universe, name, universal(name));
  s.names.set("universe", universe);
}

// What a piece of source says when it runs: (line, message) for every error.
struct Run {
  bool resolve = false, parse = false, chunks = false;

  std::vector<std::pair<int, std::string>> operator()(const std::string& file, const std::string& source,
                                                      std::string& shown) const {
    std::vector<std::pair<int, std::string>> out;
    auto diagnostics = [&](const std::vector<Diagnostic>& all) {
      for (const Diagnostic& d : all) {
        out.push_back({d.line, d.hint.empty() ? d.message : d.message + " (" + d.hint + ")"});
        shown += d.text() + "\n";
      }
    };
    Options options = options_of(source, chunks);
    if (parse) {
      diagnostics(check_syntax(file, source, options));
      return out;
    }
    if (resolve) {
      Names names{[](std::string_view n) { return n == "M" || n == "U" || n == "float"; }, nullptr};
      auto m = compile(file, source, options, names);
      if (!m) diagnostics(m.error());
      return out;
    }
    Session s;
    prepare(s, file);
    auto program = Program::from_source(file, source, options, s.names.as_names());
    if (!program) {
      diagnostics(program.error());
      return out;
    }
    auto module = run_module(s.heap, s.env, *program, s.names);
    for (auto& r : s.reported) {
      out.push_back(r);
      shown += file + ":" + std::to_string(r.first) + ": " + r.second + "\n";
    }
    if (!module) {
      int line = 0;
      for (const TraceEntry& t : module.error().trace) {
        if (t.place.file == file) line = t.place.line;
      }
      out.push_back({line, full_message(module.error())});
      shown += module.error().text() + "\n" + module.error().traceback() + "\n";
    }
    return out;
  }
};

// "…" with Go's escapes, or `…`.
std::string unquoted(std::string s) {
  while (!s.empty() && std::isspace(static_cast<unsigned char>(s.back()))) s.pop_back();
  if (s.size() < 2) return s;
  if (s[0] == '`') return s.substr(1, s.size() - 2);
  std::string out;
  for (std::size_t i = 1; i + 1 < s.size(); ++i) {
    if (s[i] == '\\') ++i;
    out += s[i];
  }
  return out;
}

std::vector<Chunk> cut(const std::string& text) {
  std::vector<Chunk> out(1);
  std::istringstream lines(text);
  std::string line;
  for (int n = 1; std::getline(lines, line); ++n) {
    if (line == "---") {
      if (!out.back().source.empty()) out.back().source.pop_back();
      out.emplace_back();
      out.back().source = std::string(static_cast<std::size_t>(n), '\n');
      continue;
    }
    out.back().source += line + "\n";
    std::size_t at = line.find("###");
    if (at == std::string::npos) continue;
    std::string rest = line.substr(at + 3);
    rest.erase(0, rest.find_first_not_of(" \t"));
    if (rest.starts_with('"') || rest.starts_with('`')) out.back().expected[n] = unquoted(rest);
  }
  return out;
}

bool matching(const std::string& text, const std::string& pattern) {
  try {
    return std::regex_search(text, std::regex(lenient(pattern)));
  } catch (const std::regex_error&) {
    return text.find(pattern) != std::string::npos;
  }
}

// Failed chunks are told on stderr; how many there were, and how many passed.
int run_chunks(const std::string& file, const std::string& text, const Run& run, int& total) {
  int failed = 0;
  for (Chunk& chunk : cut(text)) {
    ++total;
    std::string shown, complaints;
    auto got = run(file, chunk.source, shown);
    for (auto& [line, message] : got) {
      auto it = chunk.expected.find(line);
      if (it == chunk.expected.end()) {
        complaints += file + ":" + std::to_string(line) + ": unexpected error: " + message + "\n";
      } else {
        if (!matching(message, it->second)) {
          complaints += file + ":" + std::to_string(line) + ": error \"" + message +
                        "\" does not match \"" + it->second + "\"\n";
        }
        chunk.expected.erase(it);
      }
    }
    for (auto& [line, pattern] : chunk.expected) {
      complaints += file + ":" + std::to_string(line) + ": expected error matching \"" + pattern + "\"\n";
    }
    if (complaints.empty()) continue;
    ++failed;
    std::fputs(complaints.c_str(), stderr);
  }
  return failed;
}

bool print_core(const std::string& file, const std::string& text) {
  Session s;
  prepare(s, file);
  auto module = compile(file, text, options_of(text, false), s.names.as_names());
  if (!module) {
    for (const Diagnostic& d : module.error()) std::fprintf(stderr, "%s\n", d.text().c_str());
    return false;
  }
  for (const core::Function& f : module->functions) {
    if (!f.key.empty()) std::printf("== %s\n", f.key.c_str());
    std::fputs(core::write_code(f).c_str(), stdout);
  }
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  Run run;
  bool core = false;
  std::vector<std::string> files;
  for (int i = 1; i < argc; ++i) {
    std::string a = argv[i];
    if (a == "--chunks") {
      run.chunks = true;
    } else if (a == "--resolve") {
      run.resolve = true;
    } else if (a == "--parse") {
      run.parse = true;
    } else if (a == "--core") {
      core = true;
    } else {
      files.push_back(a);
    }
  }
  int bad = 0;
  for (const std::string& file : files) {
    bool fine;
    std::string text = read_file(file, fine);
    if (!fine) {
      std::fprintf(stderr, "%s: cannot be read\n", file.c_str());
      ++bad;
    } else if (core) {
      bad += print_core(file, text) ? 0 : 1;
    } else if (run.chunks) {
      int total = 0, failed = run_chunks(file, text, run, total);
      std::printf("%s: %d of %d chunks passed\n", file.c_str(), total - failed, total);
      bad += failed;
    } else {
      std::string shown;
      bad += run(file, text, shown).empty() ? 0 : 1;
      std::fputs(shown.c_str(), stderr);
    }
  }
  return files.empty() ? 2 : bad > 0 ? 1 : 0;
}
