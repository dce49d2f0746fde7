#pragma once
// What the printer and the parser of the text form must agree on: which names stand bare, and how the others are quoted.
#include <array>
#include <string>
#include <string_view>

#include "tensor/dtype.hpp"

namespace saha::op {

inline constexpr std::array<std::string_view, 4> kLayouts = {"plain", "nhwc", "c8", "c16"};

inline bool word_start(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
inline bool word_part(char c) { return word_start(c) || (c >= '0' && c <= '9') || c == '.'; }
/// Bare as the name of a value: may hold '/', is no word of the grammar.
inline bool plain_name(std::string_view n) {
  if (n.empty() || !(word_start(n[0]) || n[0] == '/')) return false;
  for (char c : n) if (!word_part(c) && c != '/') return false;
  for (std::string_view w : {"_", "graph", "return", "hex", "seq", "opt", "map"}) if (n == w) return false;
  return !dtype_of(n);
}
/// Bare as a symbol of a dim: there '/' divides, and '#' counts the symbols that inference makes.
inline bool plain_symbol(std::string_view n) {
  if (n.empty() || !word_start(n[0]) || n == "min" || n == "max") return false;
  for (char c : n) if (!word_part(c) && c != '#') return false;
  return true;
}
inline std::string quoted(std::string_view n) {
  std::string s = "\"";
  for (char c : n) {
    auto u = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') { s += '\\'; s += c; }
    else if (c == '\n') s += "\\n";
    else if (c == '\t') s += "\\t";
    else if (u < 32 || u == 127) { s += "\\x"; s += "0123456789abcdef"[u >> 4]; s += "0123456789abcdef"[u & 15]; }
    else s += c;
  }
  return s + "\"";
}

}  // namespace saha::op
