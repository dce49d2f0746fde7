// Parsing, help and errors of the command line, all from the table of commands.
#include "cli/command.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "cli/verbs.hpp"
#include "system/machine.hpp"
#include "system/terminal.hpp"

#ifndef SAHA_VERSION
#define SAHA_VERSION "0"
#endif

namespace saha::cli {
namespace {
constexpr Option kGlobal[] = {
    {"C", 'C', "DIR", "go to this folder first; every path is relative to it"},
    {"json", 0, "", "print one JSON object on stdout in place of the table"},
    {"quiet", 'q', "", "errors and results only"},
    {"verbose", 'v', "", "say why; -vv for debugging", true},
    {"color", 0, "WHEN", "auto, always or never", false, "auto"},
    {"progress", 0, "HOW", "auto, plain or none", false, "auto"},
    {"strict", 0, "", "fallbacks, warnings and inconclusive results end with exit code 1"},
    {"seed", 0, "N", "seed of everything random", false, "0"},
    {"threads", 0, "N", "threads; 0: the physical cores that are allowed", false, "0"},
    {"help", 'h', "", "this help; --help: everything"},
};

Error usage(std::string message, std::string help = {}) { return {ErrorCode::invalid_file, std::move(message), std::move(help)}; }

std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j < row.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      std::size_t up = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1])});
      diagonal = up;
    }
  }
  return row.back();
}
template <class Names> std::string nearest(std::string_view word, const Names& names) {
  std::string best;
  std::size_t least = 3;
  for (const auto& n : names)
    if (std::size_t d = distance(word, n); d < least) { least = d; best = std::string(n); }
  return best;
}

const Option* find_option(const Command& c, std::string_view name) {
  for (auto table : {c.options, std::span<const Option>(kGlobal)})
    for (const Option& o : table) if (o.name == name && o.name.size() > 1) return &o;
  return nullptr;
}
const Option* find_letter(const Command& c, char letter) {
  for (auto table : {c.options, std::span<const Option>(kGlobal)})
    for (const Option& o : table) if (o.letter && o.letter == letter) return &o;
  return nullptr;
}

Result<Args> parse(const Command& c, std::span<const std::string> words) {
  Args a;
  std::string verb(c.name);
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string& w = words[i];
    if (w == "--") { a.rest.assign(words.begin() + std::ptrdiff_t(i) + 1, words.end()); break; }
    if (w.size() < 2 || w[0] != '-' || (w.size() > 1 && (std::isdigit(static_cast<unsigned char>(w[1])) || w[1] == '.'))) { a.arguments.push_back(w); continue; }
    std::vector<std::pair<const Option*, std::optional<std::string>>> found;
    if (w[1] == '-') {
      auto eq = w.find('=');
      std::string name = w.substr(2, eq == std::string::npos ? std::string::npos : eq - 2);
      const Option* o = find_option(c, name);
      if (!o) {
        std::vector<std::string_view> names;
        for (auto table : {c.options, std::span<const Option>(kGlobal)}) for (const Option& x : table) if (x.name.size() > 1) names.push_back(x.name);
        std::string near = nearest(name, names);
        return usage("'saha " + verb + "' has no option --" + name, near.empty() ? "saha " + verb + " --help shows them" : "did you mean --" + near + "?");
      }
      found.emplace_back(o, eq == std::string::npos ? std::nullopt : std::optional(w.substr(eq + 1)));
    } else {
      for (std::size_t k = 1; k < w.size(); ++k) {
        const Option* o = find_letter(c, w[k]);
        if (!o) return usage("'saha " + verb + "' has no option -" + w.substr(k, 1), "saha " + verb + " --help shows them");
        bool takes = !o->value.empty();
        found.emplace_back(o, takes && k + 1 < w.size() ? std::optional(w.substr(k + 1)) : std::nullopt);
        if (takes) break;
      }
    }
    for (auto& [o, value] : found) {
      std::string name(o->name);
      const std::string dashed = (name.size() > 1 ? "--" : "-") + name;
      if (o->value.empty() && value) return usage(dashed + " takes no value");
      if (!o->value.empty() && !value) {
        if (i + 1 >= words.size()) return usage(dashed + " needs a value: " + dashed + " " + std::string(o->value));
        value = words[++i];
      }
      auto& all = a.options[name];
      if (!all.empty() && !o->repeat) return usage(dashed + " is given twice");
      all.push_back(value.value_or(""));
    }
  }
  if (a.has("help")) return a;
  // SAHA_THREADS=2 stands for --threads 2, if that is not given; then the table's default.
  for (auto table : {c.options, std::span<const Option>(kGlobal)})
    for (const Option& o : table) {
      if (o.value.empty() || o.name.size() == 1 || a.has(o.name)) continue;
      std::string variable = "SAHA_";
      for (char ch : o.name) variable += ch == '-' ? '_' : char(std::toupper(static_cast<unsigned char>(ch)));
      if (const char* v = std::getenv(variable.c_str())) a.options[std::string(o.name)] = {v};
      else if (!o.initial.empty()) {
        a.options[std::string(o.name)] = {std::string(o.initial)};
        a.defaulted.emplace(o.name);
      }
    }
  std::size_t least = 0, most = 0;
  for (const Argument& x : c.arguments) { least += !x.optional; most += x.repeat ? 1000 : 1; }
  if (a.arguments.size() < least) return usage("'saha " + verb + "' needs " + std::string(c.arguments[a.arguments.size()].name), "saha " + std::string(c.example));
  if (a.arguments.size() > most) return usage("'saha " + verb + "' does not take '" + a.arguments[most] + "'", "saha " + verb + " -h");
  return a;
}

std::string left(std::string_view s, std::size_t width) {
  std::string r(s);
  if (r.size() < width) r.append(width - r.size(), ' ');
  return r;
}
std::string usage_line(const Command& c) {
  std::string s = "saha " + std::string(c.name);
  for (const Argument& x : c.arguments) s += " " + (x.optional ? "[" + std::string(x.name) + "]" : std::string(x.name)) + (x.repeat ? " .." : "");
  return s + " [options]";
}
constexpr std::size_t kSentence = 28;   // the column where sentences begin
std::string entry(std::string_view word, std::string_view sentence, int width) {
  return "  " + left(word, kSentence - 2) + system::wrapped(sentence, width, int(kSentence)) + "\n";
}
std::string option_lines(std::string_view verb, std::span<const Option> options, std::size_t most, int width) {
  std::string s;
  std::size_t n = 0;
  for (const Option& o : options) {
    if (n++ == most) { s += "  ...                       saha " + std::string(verb) + " --help shows " + std::to_string(options.size() - most) + " more\n"; break; }
    s += entry(spelled(o), std::string(o.sentence) + (o.initial.empty() ? "" : " (" + std::string(o.initial) + ")"), width);
  }
  return s;
}
std::string help(const Command& c, bool everything) {
  const int width = system::terminal_width(STDOUT_FILENO);
  std::string s = "example: saha " + std::string(c.example) + "\n\n" + usage_line(c) + "\n" + system::wrapped(c.sentence, width) + "\n";
  for (const Argument& x : c.arguments) s += entry(x.name, x.sentence, width);
  if (!c.options.empty()) s += "\noptions\n" + option_lines(c.name, c.options, everything ? 1000 : 12, width);
  if (everything) {
    s += "\nevery verb takes\n" + option_lines(c.name, kGlobal, 1000, width);
    if (!c.text.empty()) s += "\n" + std::string(c.text) + "\n";
    s += "\n" + system::wrapped("exit codes: 0 done, 1 the work or a requirement failed, 2 the command line or a hand-written file is wrong, 3 inconclusive", width) + "\n";
  }
  return s;
}
std::string overview() {
  std::string s = "saha " SAHA_VERSION ": one toolchain from a trained network to a decision on real data\n\n";
  for (const Command& c : commands()) s += "  " + left(c.name, 12) + system::wrapped(c.sentence, system::terminal_width(STDOUT_FILENO), 14) + "\n";
  return s + "\n  saha inspect model.onnx\n  saha run saha.yaml\n\nsaha VERB -h shows a verb; saha VERB --help everything\n";
}

int report(const Error& e, bool json) {
  if (json) {
    nlohmann::ordered_json j{{"schema", "saha.error/1"}, {"saha", SAHA_VERSION}, {"error", {{"code", name(e.code)}, {"message", e.message},
        {"help", e.help.empty() ? nlohmann::json() : nlohmann::json(e.help)}, {"file", e.file.empty() ? nlohmann::json() : nlohmann::json(e.file)},
        {"line", e.line ? nlohmann::json(e.line) : nlohmann::json()}, {"column", e.column ? nlohmann::json(e.column) : nlohmann::json()}}}};
    print(j.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
  }
  std::string place = e.file.empty() ? "" : e.file + ":";
  if (e.line > 0) place += std::to_string(e.line) + ":" + std::to_string(e.column) + ":";
  std::fprintf(stderr, "error: %s%s%s\n", place.c_str(), place.empty() ? "" : " ", e.message.c_str());
  if (!e.help.empty()) std::fprintf(stderr, "help: %s\n", e.help.c_str());
  return e.code == ErrorCode::invalid_file ? 2 : 1;
}
}  // namespace

std::string Args::get(std::string_view option, std::string_view otherwise) const {
  auto it = options.find(option);
  return it == options.end() || it->second.empty() ? std::string(otherwise) : it->second.back();
}
std::vector<std::string> Args::all(std::string_view option) const {
  auto it = options.find(option);
  return it == options.end() ? std::vector<std::string>() : it->second;
}
Result<std::int64_t> Args::integer(std::string_view option, std::int64_t lo, std::int64_t hi) const {
  std::string v = get(option);
  std::int64_t n = 0;
  auto [end, err] = std::from_chars(v.data(), v.data() + v.size(), n);
  if (err != std::errc{} || end != v.data() + v.size() || n < lo || n > hi)
    return usage("--" + std::string(option) + " is '" + v + "', a whole number from " + std::to_string(lo) + " to " + std::to_string(hi) + " is taken");
  return n;
}
Result<double> Args::number(std::string_view option, double lo, double hi) const {
  std::string v = get(option);
  char* end = nullptr;
  double n = std::strtod(v.c_str(), &end);
  if (v.empty() || *end || !(n >= lo && n <= hi)) return usage("--" + std::string(option) + " is '" + v + "', a number from " + std::to_string(lo) + " to " + std::to_string(hi) + " is taken");
  return n;
}
int Args::verbose() const { return int(all("verbose").size()); }

std::span<const Option> global_options() { return kGlobal; }
std::string spelled(const Option& o) {
  const std::string letter = o.letter ? std::string("-") + o.letter : "", name = o.name.size() > 1 ? "--" + std::string(o.name) : "";
  return letter + (letter.empty() || name.empty() ? "" : ", ") + name + (o.value.empty() ? "" : " " + std::string(o.value));
}

std::vector<std::string> words_of(std::string_view list) {
  std::vector<std::string> words(1);
  for (char c : list) if (c == ',') words.emplace_back(); else words.back() += c;
  return words;
}
void print(std::string_view text) {
  while (!text.empty()) {
    ssize_t n = ::write(STDOUT_FILENO, text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return;  // the reader has closed the pipe
    text.remove_prefix(std::size_t(n));
  }
}
void say(const Args& args, std::string_view text) {
  if (!args.quiet()) std::fprintf(stderr, "%.*s\n", int(text.size()), text.data());
}

bool color_of(const Args& args) {
  const std::string mode = args.get("color");
  return system::use_color(mode == "always" ? system::ColorMode::always : mode == "never" ? system::ColorMode::never : system::ColorMode::automatic, STDOUT_FILENO);
}
Result<int> threads_of(const Args& args) {
  SAHA_TRY(const auto threads, args.integer("threads", 0, 1024));
  return threads > 0 ? int(threads) : system::cpu().physical;
}
system::ProgressOptions progress_options(const Args& args) {
  system::ProgressOptions o;
  const std::string mode = args.get("progress");
  o.mode = mode == "none" ? system::ProgressMode::none : mode == "plain" ? system::ProgressMode::plain : system::ProgressMode::automatic;
  o.quiet = args.quiet();
  return o;
}

int main(std::span<const std::string> words) {
  if (words.empty() || words[0] == "-h" || words[0] == "--help" || (words[0] == "help" && words.size() == 1)) { print(overview()); return 0; }
  if (words[0] == "--version") { print("saha " SAHA_VERSION "\n"); return 0; }
  if (words.size() == 2 && words[0] == "help" && words[1] == "--markdown") { print(reference_page()); return 0; }
  const bool asks_help = words[0] == "help", as_man = asks_help && words[1] == "--man";
  if (as_man && words.size() == 2) { print(man_page()); return 0; }
  std::string verb = as_man ? words[2] : asks_help ? words[1] : words[0];
  const Command* command = nullptr;
  for (const Command& c : commands()) if (c.name == verb) command = &c;
  if (!command) {
    std::vector<std::string_view> names;
    for (const Command& c : commands()) names.push_back(c.name);
    std::string near = nearest(verb, names);
    return report(usage("'" + verb + "' is no verb of saha", near.empty() ? "saha shows the verbs" : "did you mean 'saha " + near + "'?"), false);
  }
  if (asks_help) { print(as_man ? man_page(*command) : help(*command, true)); return 0; }
  auto args = parse(*command, words.subspan(1));
  bool json = std::find(words.begin(), words.end(), "--json") != words.end();
  if (!args) return report(args.error(), json);
  if (args->has("help")) {
    print(help(*command, std::find(words.begin(), words.end(), "--help") != words.end()));
    return 0;
  }
  if (args->has("C")) {
    std::error_code failed;
    std::filesystem::current_path(args->get("C"), failed);
    if (failed) return report(usage("-C is '" + args->get("C") + "', which is no folder to go to: " + failed.message()), json);
  }
  // A model that is not there is a wrong command line, whatever the verb would do with it.
  for (std::size_t i = 0; i < std::min(args->arguments.size(), command->arguments.size()); ++i) {
    std::error_code unknown;
    if (command->arguments[i].name == "MODEL" && std::filesystem::status(args->arguments[i], unknown).type() == std::filesystem::file_type::not_found)
      return report(usage("there is no model '" + args->arguments[i] + "'"), json);
  }
  auto code = command->run(*args);
  return code ? *code : report(code.error(), json);
}

}  // namespace saha::cli
