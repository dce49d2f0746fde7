// Manual pages from the table of commands: saha(1), and saha-VERB(1) of each.
#include "cli/verbs.hpp"

namespace saha::cli {
namespace {
// Text as roff takes it: hyphens stay hyphens, a line never begins with a request.
std::string roff(std::string_view text) {
  std::string out;
  for (char c : text) {
    const bool begins = out.empty() || out.back() == '\n';
    if (begins && (c == '.' || c == '\'')) out += "\\&";
    if (c == '\\') out += "\\e";
    else if (c == '-') out += "\\-";
    else out += c;
  }
  return out;
}
std::string upper(std::string_view s) {
  std::string out(s);
  for (char& c : out) c = c >= 'a' && c <= 'z' ? char(c - 'a' + 'A') : c;
  return out;
}
std::string title(const std::string& name) { return ".TH " + upper(name) + " 1 \"\" \"saha " SAHA_VERSION "\"\n"; }
std::string item(std::string_view head, std::string_view text) { return ".TP\n.B " + roff(head) + "\n" + roff(text) + "\n"; }
std::string options(std::span<const Option> list) {
  std::string s;
  for (const Option& o : list) s += item(spelled(o), std::string(o.sentence) + (o.initial.empty() ? "" : " (default: " + std::string(o.initial) + ")") + (o.repeat ? "; may be repeated" : ""));
  return s;
}
std::string exit_status() {
  return ".SH EXIT STATUS\n" + item("0", "done, everything required holds") + item("1", "the work or a requirement failed") + item("2", "the command line or a hand-written file is wrong; nothing was started") +
         item("3", "inconclusive");
}
}  // namespace

std::string man_page() {
  std::string s = title("saha") + ".SH NAME\nsaha \\- from a trained network to a decision on real data\n.SH SYNOPSIS\n.B saha\nVERB [arguments] [options]\n.SH VERBS\n";
  for (const Command& c : commands()) s += item(c.name, c.sentence);
  s += ".SH OPTIONS\nEvery verb takes these.\n" + options(global_options()) + exit_status() + ".SH SEE ALSO\n";
  bool first = true;
  for (const Command& c : commands()) s += (first ? "" : ",\n") + std::string(".BR saha\\-") + std::string(c.name) + " (1)", first = false;
  return s + "\n";
}
std::string man_page(const Command& c) {
  const std::string name(c.name);
  std::string s = title("saha-" + name) + ".SH NAME\nsaha\\-" + name + " \\- " + roff(c.sentence) + "\n.SH SYNOPSIS\n.B saha " + name + "\n";
  for (const Argument& a : c.arguments) s += roff((a.optional ? "[" + std::string(a.name) + "]" : std::string(a.name)) + (a.repeat ? " .. " : " "));
  s += "[options]\n";
  if (!c.text.empty()) s += ".SH DESCRIPTION\n" + roff(c.text) + "\n";
  if (!c.arguments.empty()) s += ".SH ARGUMENTS\n";
  for (const Argument& a : c.arguments) s += item(a.name, a.sentence);
  if (!c.options.empty()) s += ".SH OPTIONS\n" + options(c.options);
  return s + ".SH OPTIONS OF EVERY VERB\n" + options(global_options()) + ".SH EXAMPLE\n.nf\nsaha " + roff(c.example) + "\n.fi\n" + exit_status() + ".SH SEE ALSO\n.BR saha (1)\n";
}

}  // namespace saha::cli
