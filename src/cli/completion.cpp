// saha completion, saha schema, and the page docs/cli.md: what else follows from the table of commands and the schemas.
#include "cli/verbs.hpp"
#include "lifecycle/config.hpp"
#include "validate/requirement.hpp"

namespace saha::cli {
namespace {
constexpr Argument kShell[] = {{"SHELL", "bash, zsh or fish"}};
constexpr Argument kName[] = {{"NAME", "saha-yaml or req-yaml; without it, the names", true}};
constexpr Option kSchemaOptions[] = {{"markdown", 0, "", "a table of the keys instead"}};

std::string dashed(const Option& o) { return (o.name.size() > 1 ? "--" : "-") + std::string(o.name); }
std::string words(std::span<const Option> options) {
  std::string s;
  for (const Option& o : options) s += " " + dashed(o);
  return s;
}
std::string bash() {
  std::string verbs, cases;
  for (const Command& c : commands()) {
    verbs += " " + std::string(c.name);
    cases += "    " + std::string(c.name) + ") options=\"" + words(c.options) + words(global_options()) + "\" ;;\n";
  }
  return "# source <(saha completion bash)\n_saha() {\n  local word=${COMP_WORDS[COMP_CWORD]} options=\"\"\n  COMPREPLY=()\n  if [ \"$COMP_CWORD\" = 1 ]; then COMPREPLY=($(compgen -W \"help" + verbs +
         "\" -- \"$word\")); return; fi\n  case ${COMP_WORDS[1]} in\n" + cases + "  esac\n  case $word in -*) COMPREPLY=($(compgen -W \"$options\" -- \"$word\")) ;; *) COMPREPLY=($(compgen -f -- \"$word\")) ;; esac\n}\ncomplete -o filenames -F _saha saha\n";
}
std::string quoted(std::string_view s) {
  std::string r;
  for (char c : s) { if (c == '\'') r += "'\\''"; else r += c; }
  return r;
}
std::string zsh() {
  std::string s = "#compdef saha\n# saha completion zsh > a folder of $fpath, as _saha\n_saha() {\n  if (( CURRENT == 2 )); then\n    local -a verbs=(\n";
  for (const Command& c : commands()) s += "      '" + std::string(c.name) + ":" + quoted(c.sentence) + "'\n";
  s += "    )\n    _describe verb verbs\n    return\n  fi\n  case $words[2] in\n";
  for (const Command& c : commands()) {
    s += "    " + std::string(c.name) + ") _arguments";
    for (auto table : {c.options, global_options()})
      for (const Option& o : table) {
        std::string text = quoted(o.sentence);
        for (char& ch : text) if (ch == '[' || ch == ']') ch = ' ';
        s += " '" + dashed(o) + "[" + text + "]" + (o.value.empty() ? "" : ":value:_files") + "'";
      }
    s += " '*:file:_files' ;;\n";
  }
  return s + "  esac\n}\n_saha \"$@\"\n";
}
std::string fish() {
  std::string s = "# saha completion fish | source\n";
  for (const Command& c : commands()) s += "complete -c saha -n __fish_use_subcommand -f -a " + std::string(c.name) + " -d '" + quoted(c.sentence) + "'\n";
  for (const Command& c : commands())
    for (auto table : {c.options, global_options()})
      for (const Option& o : table) s += "complete -c saha -n '__fish_seen_subcommand_from " + std::string(c.name) + "' " + (o.name.size() > 1 ? "-l " : "-s ") + std::string(o.name) + (o.value.empty() ? "" : " -r") + " -d '" + quoted(o.sentence) + "'\n";
  return s;
}

Result<int> completion(const Args& args) {
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

const Command kCompletion{"completion", "print the completion script of a shell", kShell, {}, "completion bash", completion};
const Command kSchema{"schema", "print the JSON schema of a hand-written file, for editors", kName, kSchemaOptions, "schema saha-yaml", schema};

}  // namespace saha::cli
