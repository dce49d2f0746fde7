// saha completion, saha schema, and the page docs/cli.md: what else follows from the table of commands and the schemas.
#include <algorithm>

#include "backends/registry.hpp"
#include "cli/verbs.hpp"
#include "lifecycle/config.hpp"
#include "lifecycle/pipeline.hpp"
#include "op/op_def.hpp"
#include "validate/requirement.hpp"

namespace saha::cli {
namespace {
constexpr Argument kShell[] = {{"SHELL", "bash, zsh or fish", true}};
constexpr Option kCompletionOptions[] = {{"words", 0, "KIND", "print verbs, backends, operators, stages or targets, one a line, as the scripts ask for"}};
constexpr Argument kName[] = {{"NAME", "saha-yaml or req-yaml; without it, the names", true}};
constexpr Option kSchemaOptions[] = {{"markdown", 0, "", "a table of the keys instead"}};

std::string dashed(const Option& o) { return (o.name.size() > 1 ? "--" : "-") + std::string(o.name); }
std::string words(std::span<const Option> options) {
  std::string s;
  for (const Option& o : options) s += " " + dashed(o);
  return s;
}
// What a metavariable stands for, where its words can be listed. A word with a '$' is a kind of `saha completion --words`.
struct Listed {
  std::string_view value, words;
};
constexpr Listed kListed[] = {
    {"BACKEND", "$backends"}, {"BACKENDS", "$backends"}, {"OPERATOR", "$operators"}, {"STAGE", "$stages"},        {"KEY=VALUE", "$targets"},
    {"VERB", "$verbs"},       {"SHELL", "bash zsh fish"}, {"WHEN", "auto always never"}, {"HOW", "auto plain none"},
};
/// A shell's text for the words; "" where nothing can be listed.
std::string listed(std::string_view value) {
  for (const Listed& l : kListed) {
    if (l.value != value) continue;
    return l.words[0] == '$' ? "$(saha completion --words " + std::string(l.words.substr(1)) + " 2>/dev/null)" : std::string(l.words);
  }
  return {};
}
/// The stages of the saha.yaml that is here, and the targets as `-s` takes them; none where there is no such file.
std::vector<std::string> of_life_cycle(bool stages) {
  yaml::Diagnostics unsaid;
  auto config = lifecycle::read_config({"saha.yaml"}, {}, unsaid);
  std::vector<std::string> all;
  if (!config) return all;
  if (!stages) {
    for (const auto& t : config->targets) all.push_back("targets." + t.name + ".");
    return all;
  }
  lifecycle::RunOptions look;
  look.plan = true;
  auto found = lifecycle::run(*config, look);
  if (!found) return all;
  for (const auto& p : found->plan) {
    const std::string group = p.name.substr(0, p.name.find('/'));
    for (const std::string& name : {group, p.name}) if (std::find(all.begin(), all.end(), name) == all.end()) all.push_back(name);
  }
  return all;
}
Result<std::vector<std::string>> listed_words(const std::string& kind) {
  std::vector<std::string> all;
  if (kind == "stages" || kind == "targets") return of_life_cycle(kind == "stages");
  if (kind == "backends") for (const auto& b : backends::all()) all.emplace_back(b.name);
  else if (kind == "operators") for (const op::Entry& e : op::entries()) all.emplace_back(e.def->name.str());
  else if (kind == "verbs") for (const Command& c : commands()) all.emplace_back(c.name);
  else return Error{ErrorCode::invalid_file, "--words is '" + kind + "', one of verbs, backends, operators, stages and targets is taken"};
  return all;
}

std::string bash() {
  std::string verbs, cases;
  for (const Command& c : commands()) {
    verbs += " " + std::string(c.name);
    std::string values, own;
    for (auto table : {c.options, global_options()})
      for (const Option& o : table)
        if (const std::string w = listed(o.value); !w.empty()) values += " " + (o.letter ? std::string("-") + o.letter + "|" : "") + dashed(o) + ") values=\"" + w + "\" ;;";
    for (const Argument& a : c.arguments) own += listed(a.name);
    cases += "    " + std::string(c.name) + ") options=\"" + words(c.options) + words(global_options()) + "\"" + (own.empty() ? "" : "; own=\"" + own + "\"") + "; case $before in" + values + " esac ;;\n";
  }
  return "# source <(saha completion bash)\n_saha() {\n  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} options=\"\" own=\"\" values=\"\"\n  COMPREPLY=()\n"
         "  if [ \"$COMP_CWORD\" = 1 ]; then COMPREPLY=($(compgen -W \"help" + verbs + "\" -- \"$word\")); return; fi\n  case ${COMP_WORDS[1]} in\n    help) own=\"" + verbs.substr(1) + "\" ;;\n" + cases +
         "  esac\n  if [ -n \"$values\" ]; then COMPREPLY=($(compgen -W \"$values\" -- \"$word\")); return; fi\n"
         "  case $word in -*) COMPREPLY=($(compgen -W \"$options\" -- \"$word\")) ;; *) COMPREPLY=($(compgen -W \"$own\" -- \"$word\") $(compgen -f -- \"$word\")) ;; esac\n}\ncomplete -o filenames -F _saha saha\n";
}
std::string quoted(std::string_view s) {
  std::string r;
  for (char c : s) { if (c == '\'') r += "'\\''"; else r += c; }
  return r;
}
std::string zsh() {
  auto action = [](std::string_view value) { const std::string w = listed(value); return w.empty() ? std::string("_files") : "{compadd -- " + w + "}"; };
  std::string s = "#compdef saha\n# saha completion zsh > a folder of $fpath, as _saha\n_saha() {\n  if (( CURRENT == 2 )); then\n    local -a verbs=(\n";
  for (const Command& c : commands()) s += "      '" + std::string(c.name) + ":" + quoted(c.sentence) + "'\n";
  s += "    )\n    _describe verb verbs\n    return\n  fi\n  case $words[2] in\n";
  for (const Command& c : commands()) {
    s += "    " + std::string(c.name) + ") _arguments";
    for (auto table : {c.options, global_options()})
      for (const Option& o : table) {
        std::string text = quoted(o.sentence);
        for (char& ch : text) if (ch == '[' || ch == ']') ch = ' ';
        s += " '" + dashed(o) + "[" + text + "]" + (o.value.empty() ? "" : ":value:" + action(o.value)) + "'";
      }
    const std::string own = c.arguments.empty() ? "" : listed(c.arguments[0].name);
    s += own.empty() ? " '*:file:_files' ;;\n" : " '*:word:{compadd -- " + own + "}' ;;\n";
  }
  return s + "  esac\n}\n_saha \"$@\"\n";
}
std::string fish() {
  auto substituted = [](std::string w) { return w.empty() || w[0] != '$' ? w : w.substr(1); };   // fish writes (command)
  std::string s = "# saha completion fish | source\n";
  for (const Command& c : commands()) s += "complete -c saha -n __fish_use_subcommand -f -a " + std::string(c.name) + " -d '" + quoted(c.sentence) + "'\n";
  for (const Command& c : commands()) {
    const std::string head = "complete -c saha -n '__fish_seen_subcommand_from " + std::string(c.name) + "' ";
    for (auto table : {c.options, global_options()})
      for (const Option& o : table) {
        const std::string w = substituted(listed(o.value));
        s += head + (o.name.size() > 1 ? "-l " : "-s ") + std::string(o.name) + (o.value.empty() ? "" : " -r") + (w.empty() ? "" : " -f -a '" + w + "'") + " -d '" + quoted(o.sentence) + "'\n";
      }
    for (const Argument& a : c.arguments)
      if (const std::string w = substituted(listed(a.name)); !w.empty()) s += head + "-f -a '" + w + "'\n";
  }
  return s;
}

Result<int> completion(const Args& args) {
  if (args.has("words")) {
    SAHA_TRY(const auto all, listed_words(args.get("words")));
    for (const std::string& w : all) print(w + "\n");
    return 0;
  }
  if (args.arguments.empty()) return Error{ErrorCode::invalid_file, "'saha completion' needs SHELL", "saha completion bash, zsh or fish"};
  const std::string& shell = args.arguments[0];
  if (shell != "bash" && shell != "zsh" && shell != "fish") return Error{ErrorCode::invalid_file, "'" + shell + "' is none of bash, zsh and fish"};
  print(shell == "bash" ? bash() : shell == "zsh" ? zsh() : fish());
  return 0;
}
Result<int> schema(const Args& args) {
  if (args.arguments.empty()) { print("saha-yaml   a life cycle\nreq-yaml    requirements\n"); return 0; }
  const std::string& name = args.arguments[0];
  if (name != "saha-yaml" && name != "req-yaml") return Error{ErrorCode::invalid_file, "there is no schema '" + name + "'", "saha schema lists them"};
  yaml::Schema s = name == "saha-yaml" ? lifecycle::config_schema() : validate::requirements_schema();
  print(args.has("markdown") ? s.markdown() : s.json_schema(name, name == "saha-yaml" ? "A life cycle of saha" : "Requirements of saha") + "\n");
  return 0;
}
std::string cell(std::string_view s) {
  std::string r;
  for (char c : s) r += c == '|' ? std::string("\\|") : std::string(1, c);
  return r;
}
}  // namespace

std::string reference_page() {
  std::string s = "# Command line\n\nMade by `saha help --markdown` from the table of commands.\n\nResults on stdout, progress and errors on stderr. Exit codes: 0 done, 1 the work or a requirement failed, 2 the command line or a hand-written file is wrong, 3 inconclusive.\n";
  auto options = [&](std::span<const Option> list) {
    s += "\n| option | meaning | default |\n|---|---|---|\n";
    for (const Option& o : list) s += "| `" + cell(spelled(o)) + "` | " + cell(o.sentence) + " | " + cell(o.initial) + " |\n";
  };
  for (const Command& c : commands()) {
    s += "\n## saha " + std::string(c.name) + "\n\n" + std::string(c.sentence) + ".\n\n    saha " + std::string(c.example) + "\n";
    for (const Argument& a : c.arguments) s += "\n- `" + std::string(a.name) + "`: " + std::string(a.sentence) + (a.optional ? " (optional)" : "");
    if (!c.arguments.empty()) s += "\n";
    if (!c.options.empty()) options(c.options);
    if (!c.text.empty()) s += "\n" + std::string(c.text) + "\n";
  }
  s += "\n## Every verb\n";
  options(global_options());
  return s;
}

const Command kCompletion{"completion", "print the completion script of a shell", kShell, kCompletionOptions, "completion bash", completion};
const Command kSchema{"schema", "print the JSON schema of a hand-written file, for editors", kName, kSchemaOptions, "schema saha-yaml", schema};

}  // namespace saha::cli
