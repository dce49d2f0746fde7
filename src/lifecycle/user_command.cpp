// Fills the placeholders of a user's command and runs it.
#include "lifecycle/user_command.hpp"

#include <cctype>

namespace saha::lifecycle {

Result<std::string> UserCommand::filled(const std::string& text, bool quote) const {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if ((text[i] == '{' || text[i] == '}') && i + 1 < text.size() && text[i + 1] == text[i]) { out += text[i++]; continue; }
    if (text[i] != '{') { out += text[i]; continue; }
    const auto end = text.find('}', i);
    const std::string name = end == std::string::npos ? "" : text.substr(i + 1, end - i - 1);
    const auto it = values.find(name);
    if (it == values.end()) {
      std::string known;
      for (const auto& [k, v] : values) known += (known.empty() ? "{" : ", {") + k + "}";
      return Error{ErrorCode::invalid_file, where + ": there is nothing for {" + name + "}", "known are " + known + "; {{ is a brace"};
    }
    out += quote ? system::shell_quoted(it->second) : it->second;
    i = end;
  }
  return out;
}

Result<system::ProcessResult> UserCommand::run(system::ProcessOptions p) const {
  p.folder = folder;
  p.inherit.insert(p.inherit.end(), inherit.begin(), inherit.end());
  for (const char* e : {"VIRTUAL_ENV", "PYTHONPATH"}) p.inherit.push_back(e);
  for (const auto& [k, v] : values) {
    std::string variable = "SAHA_";
    for (char c : k) variable += c == '.' ? '_' : char(std::toupper(static_cast<unsigned char>(c)));
    p.environment[variable] = v;
  }
  if (!shell.empty()) {
    SAHA_TRY(const std::string command, filled(shell, true));
    return system::run_shell(command, p);
  }
  std::vector<std::string> words;
  for (const auto& w : argv) {
    SAHA_TRY(std::string f, filled(w, false));
    words.push_back(std::move(f));
  }
  return system::run_process(words, p);
}

}  // namespace saha::lifecycle
