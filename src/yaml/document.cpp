// On yaml-cpp's event parser; its tree (YAML::Node) is not used, since it hides repeated keys and the places of quotes.
#include "yaml/document.hpp"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <memory>
#include <optional>
#include <set>
#include <sstream>

namespace saha::yaml {
namespace {

Node node(Node::Kind kind, Span at, std::string text = {}) {
  Node n;
  n.kind = kind;
  n.at = at;
  n.text = std::move(text);
  return n;
}

struct TooDeep {
  std::size_t offset;
};

// The offset of the first byte that is no UTF-8 or a NUL, or npos.
std::size_t invalid_utf8(std::string_view s) {
  for (std::size_t i = 0; i < s.size();) {
    auto c = static_cast<unsigned char>(s[i]);
    std::size_t n = c == 0 ? 0 : c < 0x80 ? 1 : c >= 0xC2 && c < 0xE0 ? 2 : c >= 0xE0 && c < 0xF0 ? 3 : c >= 0xF0 && c < 0xF5 ? 4 : 0;
    if (n == 0 || i + n > s.size()) return i;
    for (std::size_t k = 1; k < n; ++k) {
      if ((static_cast<unsigned char>(s[i + k]) & 0xC0) != 0x80) return i;
    }
    i += n;
  }
  return std::string_view::npos;
}

void append_utf8(std::string& out, unsigned long c) {
  if (c < 0x80) {
    out += static_cast<char>(c);
  } else if (c < 0x800) {
    out += static_cast<char>(0xC0 | (c >> 6));
    out += static_cast<char>(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    out += static_cast<char>(0xE0 | (c >> 12));
    out += static_cast<char>(0x80 | ((c >> 6) & 0x3F));
    out += static_cast<char>(0x80 | (c & 0x3F));
  } else {
    out += static_cast<char>(0xF0 | ((c >> 18) & 0x07));
    out += static_cast<char>(0x80 | ((c >> 12) & 0x3F));
    out += static_cast<char>(0x80 | ((c >> 6) & 0x3F));
    out += static_cast<char>(0x80 | (c & 0x3F));
  }
}

// A scalar read a second time, from its place in the source: its text and, for each byte of it, where it stands.
struct Rescan {
  std::string_view source;
  std::size_t i;  // next byte of the source
  std::string out;
  std::vector<std::size_t> places;

  void emit(std::string_view bytes, std::size_t place) {
    for (char c : bytes) {
      out += c;
      places.push_back(place);
    }
  }
  bool blank() const { return i < source.size() && (source[i] == ' ' || source[i] == '\t'); }
  bool newline() const { return i < source.size() && (source[i] == '\n' || source[i] == '\r'); }
  void skip_newline() { i += source.substr(i, 2) == "\r\n" ? 2 : 1; }

  // At a line break inside a flow scalar: blanks around it vanish, one break is a space, n are n - 1 breaks.
  void fold() {
    while (!out.empty() && (out.back() == ' ' || out.back() == '\t')) {
      out.pop_back();
      places.pop_back();
    }
    std::size_t place = i, breaks = 0;
    while (newline() || blank()) {
      if (newline()) {
        ++breaks;
        skip_newline();
      } else {
        ++i;
      }
    }
    emit(breaks <= 1 ? std::string(" ") : std::string(breaks - 1, '\n'), place);
  }

  void escape() {
    std::size_t place = i++;
    if (i >= source.size()) return;
    char c = source[i];
    if (newline()) {  // an escaped line break joins the lines
      skip_newline();
      while (blank()) ++i;
      return;
    }
    ++i;
    static constexpr std::string_view kFrom = "0abtnvfre \"'\\/\tN_LP";
    static constexpr std::string_view kTo[] = {std::string_view("\0", 1), "\a", "\b", "\t", "\n", "\v", "\f", "\r", "\x1b", " ", "\"", "'",
                                               "\\", "/", "\t", "\xC2\x85", "\xC2\xA0", "\xE2\x80\xA8", "\xE2\x80\xA9"};
    if (std::size_t k = kFrom.find(c); k != std::string_view::npos) return emit(kTo[k], place);
    std::size_t digits = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
    unsigned long code = 0;
    std::string_view hex = source.substr(std::min(i, source.size()), digits);
    std::from_chars(hex.data(), hex.data() + hex.size(), code, 16);
    std::string bytes;
    append_utf8(bytes, code);
    i += digits;
    emit(bytes, place);
  }

  void double_quoted() {
    for (++i; i < source.size() && source[i] != '"';) {
      if (source[i] == '\\') escape();
      else if (newline()) fold();
      else emit(source.substr(i, 1), i), ++i;
    }
    ++i;
  }

  void single_quoted() {
    for (++i; i < source.size();) {
      if (source[i] == '\'') {
        if (source.substr(i, 2) != "''") break;
        ++i;
      }
      if (newline()) fold();
      else emit(source.substr(i, 1), i), ++i;
    }
    ++i;
  }

  void plain(std::size_t length) {
    while (i < source.size() && out.size() < length) {
      if (newline()) fold();
      else emit(source.substr(i, 1), i), ++i;
    }
  }

  void literal(std::size_t length) {
    while (i < source.size() && !newline()) ++i;
    if (i < source.size()) skip_newline();
    std::size_t indent = 0, k = i;
    for (; k < source.size() && (source[k] == ' ' || source[k] == '\n' || source[k] == '\r'); ++k) {
      indent = source[k] == ' ' ? indent + 1 : 0;
    }
    while (i < source.size() && out.size() < length) {
      for (std::size_t n = 0; n < indent && i < source.size() && source[i] == ' '; ++n) ++i;
      while (i < source.size() && !newline()) emit(source.substr(i, 1), i), ++i;
      if (i < source.size()) {
        emit("\n", i);
        skip_newline();
      }
    }
    if (out.size() > length) {
      out.resize(length);
      places.resize(length);
    }
  }
};

Rescan rescan(const Node& n, std::string_view source) {
  Rescan r{source, n.at.begin, {}, {}};
  char c = r.i < source.size() ? source[r.i] : '\0';
  if (!n.quoted) r.plain(n.text.size());
  else if (c == '"') r.double_quoted();
  else if (c == '\'') r.single_quoted();
  else r.literal(n.text.size());
  return r;
}

class TreeBuilder : public YAML::EventHandler {
 public:
  TreeBuilder(int source, Diagnostics& diagnostics) : source_(source), text_(diagnostics.text(source)), diagnostics_(diagnostics) {
    starts_.push_back(0);
    for (std::size_t i = 0; i < text_.size(); ++i) {
      if (text_[i] == '\n') starts_.push_back(i + 1);
    }
  }

  // yaml-cpp counts bytes of UTF-8 within the line; its absolute position does not count a byte order mark.
  std::size_t offset(const YAML::Mark& mark) const {
    if (mark.line < 0 || static_cast<std::size_t>(mark.line) >= starts_.size()) return text_.size();
    return std::min(starts_[static_cast<std::size_t>(mark.line)] + static_cast<std::size_t>(std::max(0, mark.column)), text_.size());
  }
  Span span(const YAML::Mark& mark, std::size_t length = 1) const {
    std::size_t begin = offset(mark);
    return {source_, begin, std::min(begin + length, text_.size())};
  }

  void OnDocumentStart(const YAML::Mark&) override { ++documents; }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    note(mark, anchor, "");
    std::size_t begin = offset(mark);
    std::size_t length = text_.substr(begin, 1) == "~" ? 1 : text_.substr(begin, 4) == "null" ? 4 : 0;
    add(node(Node::Kind::null, {source_, begin, begin + length}));
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    diagnostics_.error(span(mark), "aliases (*name) are not read", "write the value out");
    add(node(Node::Kind::null, span(mark)));
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, const std::string& value) override {
    note(mark, anchor, tag);
    Node n = node(Node::Kind::scalar, span(mark, value.size()), value);
    char c = n.at.begin < text_.size() ? text_[n.at.begin] : '\0';
    n.quoted = tag == "!" && (c == '"' || c == '\'' || c == '|' || c == '>');
    n.at.end = std::max(rescan(n, text_).i, n.at.begin);
    if (n.at.end > text_.size()) {  // yaml-cpp takes the end of the file for the closing quote
      n.at.end = n.at.begin + 1;
      diagnostics_.error(n.at, "this quote is not closed");
    }
    add(std::move(n));
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, YAML::EmitterStyle::value) override {
    note(mark, anchor, tag);
    open(node(Node::Kind::list, span(mark)));
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, YAML::EmitterStyle::value) override {
    note(mark, anchor, tag);
    open(node(Node::Kind::map, span(mark)));
  }
  void OnMapEnd() override { close(); }

  Node root;
  int documents = 0;

 private:
  // A container under construction; a map holds its key while the value is awaited.
  struct Open {
    Node node;
    std::optional<Node> key;
    std::set<std::string, std::less<>> seen;
  };

  void note(const YAML::Mark& mark, YAML::anchor_t anchor, const std::string& tag) {
    if (anchor != 0) diagnostics_.error(span(mark), "anchors (&name) are not read", "write the value out where it is used");
    if (!tag.empty() && tag != "?" && tag != "!") {
      diagnostics_.error(span(mark), "tags (" + tag.substr(0, 60) + ") are not read", "the schema says what each value is");
    }
  }

  void open(Node n) {
    if (stack_.size() >= static_cast<std::size_t>(kMostDepth)) throw TooDeep{n.at.begin};
    stack_.push_back({std::move(n), {}, {}});
  }

  void close() {
    Node done = std::move(stack_.back().node);
    stack_.pop_back();
    add(std::move(done));
  }

  void add(Node n) {
    if (stack_.empty()) {
      root = std::move(n);
      return;
    }
    Open& top = stack_.back();
    if (top.node.kind == Node::Kind::list) {
      top.node.items.push_back(std::move(n));
    } else if (!top.key) {
      check_key(top, n);
      top.key = std::move(n);
    } else {
      bool keep = top.key->kind == Node::Kind::scalar && top.seen.insert(top.key->text).second;
      if (keep) top.node.entries.push_back({std::move(*top.key), std::move(n)});
      top.key.reset();
    }
  }

  void check_key(const Open& map, const Node& key) {
    if (key.kind != Node::Kind::scalar) {
      diagnostics_.error(key.at, "a key must be a word, not a list, a map or nothing");
    } else if (key.text == "<<" && !key.quoted) {
      diagnostics_.error(key.at, "merge keys (<<) are not read", "write the keys out");
    } else if (map.seen.contains(key.text)) {
      auto first = std::ranges::find(map.node.entries, key.text, [](const Entry& e) { return std::string_view(e.key.text); });
      int line = diagnostics_.locate(first->key.at).line;
      diagnostics_.error(key.at, "key '" + key.text + "' stands twice, first in line " + std::to_string(line));
    }
  }

  int source_;
  std::string_view text_;
  Diagnostics& diagnostics_;
  std::vector<std::size_t> starts_;
  std::vector<Open> stack_;
};

// yaml-cpp's messages in our words where its own would puzzle.
std::string syntax_message(const std::string& theirs) {
  if (theirs == "end of map not found" || theirs == "end of map flow not found")
    return "a '{' or a deeper line is not closed before the text goes on";
  if (theirs == "end of sequence not found" || theirs == "end of sequence flow not found")
    return "a '[' or a list is not closed before the text goes on";
  if (theirs == "illegal map value") return "': ' is not allowed here; text that holds ': ' must be in quotes";
  if (theirs == "illegal EOF in scalar") return "a quote is not closed";
  return "not YAML: " + theirs;
}

// The first tab before the text of the line at `place`, or of the last line with text before it; there yaml-cpp stumbles over one.
std::optional<std::size_t> indenting_tab(std::string_view text, std::size_t place) {
  std::size_t end = std::min(place, text.size());
  for (int lines = 0; lines < 2; ++lines) {
    const std::size_t start = end == 0 ? 0 : text.rfind('\n', end - 1) + 1;   // npos + 1 is 0
    const std::size_t tab = text.find('\t', start);
    if (tab < text.find_first_not_of(" \t", start)) return tab;
    end = text.find_last_not_of(" \r\n", start == 0 ? 0 : start - 1);
    if (start == 0 || end == std::string_view::npos) break;
    ++end;
  }
  return {};
}

bool simple_word(std::string_view s) {
  return !s.empty() && s != "null" && s != "~" && s != "<<" && std::ranges::all_of(s, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.' || c == '/';
  });
}

void print_into(std::string& out, const Node& n) {
  switch (n.kind) {
    case Node::Kind::null: out += "null"; break;
    case Node::Kind::scalar: {
      if (!n.quoted && simple_word(n.text)) {
        out += n.text;
        break;
      }
      out += '"';
      for (char c : n.text) {
        auto u = static_cast<unsigned char>(c);
        static constexpr char kHex[] = "0123456789abcdef";
        if (c == '"' || c == '\\') (out += '\\') += c;
        else if (u < 0x20 || u == 0x7F) ((out += "\\x") += kHex[u >> 4]) += kHex[u & 15];
        else out += c;
      }
      out += '"';
      break;
    }
    case Node::Kind::list:
      out += '[';
      for (std::size_t i = 0; i < n.items.size(); ++i) {
        if (i > 0) out += ", ";
        print_into(out, n.items[i]);
      }
      out += ']';
      break;
    case Node::Kind::map:
      out += '{';
      for (std::size_t i = 0; i < n.entries.size(); ++i) {
        if (i > 0) out += ", ";
        print_into(out, n.entries[i].key);
        out += ": ";
        print_into(out, n.entries[i].value);
      }
      out += '}';
      break;
  }
}

}  // namespace

const Node* Node::find(std::string_view key) const {
  for (const Entry& e : entries) {
    if (e.key.text == key) return &e.value;
  }
  return nullptr;
}

std::optional<Node> parse(std::string text, std::string file, Diagnostics& diagnostics) {
  if (text.starts_with("\xEF\xBB\xBF")) text.erase(0, 3);
  bool too_large = text.size() > kMostBytes;
  if (too_large) text.resize(200);
  const int source = diagnostics.add_source(std::move(file), std::move(text));
  std::string_view bytes = diagnostics.text(source);
  if (too_large) {
    diagnostics.error({source, 0, 1}, "'" + diagnostics.file(source) + "' is larger than 1 MiB, the most that is read");
    return {};
  }
  if (std::size_t bad = invalid_utf8(bytes); bad != std::string_view::npos) {
    diagnostics.error({source, bad, bad + 1}, "byte " + std::to_string(bad) + " is not UTF-8 text", "save the file as UTF-8");
    return {};
  }
  TreeBuilder builder(source, diagnostics);
  try {
    std::istringstream stream{std::string(bytes)};
    YAML::Parser parser(stream);
    parser.HandleNextDocument(builder);
    Node root = std::move(builder.root);
    while (builder.documents == 1 && parser.HandleNextDocument(builder)) {
      if (builder.documents > 1) diagnostics.error(builder.root.at, "a second document (---) begins; one file is one document");
    }
    return root;
  } catch (const TooDeep& e) {
    diagnostics.error({source, e.offset, e.offset + 1}, "nested deeper than " + std::to_string(kMostDepth) + " levels");
  } catch (const YAML::Exception& e) {
    const Span at = builder.span(e.mark);
    if (const auto tab = indenting_tab(bytes, at.begin)) diagnostics.error({source, *tab, *tab + 1}, "tabs are not allowed for indentation", "indent with spaces");
    else diagnostics.error(at, syntax_message(e.msg));
  } catch (const std::exception& e) {
    diagnostics.error({source, 0, 1}, std::string("not YAML: ") + e.what());
  }
  return {};
}

std::optional<Node> load(const std::string& path, Diagnostics& diagnostics) {
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rb"), &std::fclose);
  if (!file) {
    diagnostics.error({}, "'" + path + "' cannot be opened");
    return {};
  }
  std::string text(kMostBytes + 4, '\0');
  text.resize(std::fread(text.data(), 1, text.size(), file.get()));
  if (std::ferror(file.get())) {
    diagnostics.error({}, "'" + path + "' cannot be read; is it a folder?");
    return {};
  }
  return parse(std::move(text), path, diagnostics);
}

Span span_in(const Node& scalar, std::size_t begin, std::size_t end, const Diagnostics& diagnostics) {
  if (scalar.at.source < 0) return scalar.at;
  Rescan r = rescan(scalar, diagnostics.text(scalar.at.source));
  if (r.out != scalar.text) return scalar.at;
  auto place = [&](std::size_t k) { return k < r.places.size() ? r.places[k] : r.places.empty() ? scalar.at.begin : r.places.back() + 1; };
  Span s{scalar.at.source, place(begin), end > begin ? place(end - 1) + 1 : place(begin)};
  s.end = std::max(s.end, s.begin);
  return s;
}

Node merged(Node base, const Node& over) {
  if (base.kind != Node::Kind::map || over.kind != Node::Kind::map) return over;
  for (const Entry& e : over.entries) {
    auto old = std::ranges::find(base.entries, e.key.text, [](const Entry& b) { return std::string_view(b.key.text); });
    if (e.value.kind == Node::Kind::null) {
      if (old != base.entries.end()) base.entries.erase(old);
    } else if (old == base.entries.end()) {
      base.entries.push_back(e);
    } else {
      old->value = merged(std::move(old->value), e.value);
    }
  }
  return base;
}

bool set(Node& root, std::string_view path, std::string text, std::string origin, Diagnostics& diagnostics) {
  std::size_t errors = diagnostics.errors();
  auto value = parse(std::move(text), origin, diagnostics);
  if (!value || diagnostics.errors() > errors) return false;
  Node* at = &root;
  for (std::size_t depth = 0;; ++depth) {
    std::size_t dot = path.find('.');
    std::string key(path.substr(0, dot));
    bool last = dot == std::string_view::npos;
    if (key.empty() || depth >= static_cast<std::size_t>(kMostDepth)) {
      diagnostics.error(value->at, "'" + origin + "': an empty or too deep path");
      return false;
    }
    if (at->kind == Node::Kind::null) at->kind = Node::Kind::map;
    if (at->kind == Node::Kind::list) {
      std::size_t place = 0;
      auto [end, fault] = std::from_chars(key.data(), key.data() + key.size(), place);
      if (fault != std::errc() || end != key.data() + key.size() || place > at->items.size() || (place == at->items.size() && !last)) {
        diagnostics.error(value->at, "'" + origin + "': '" + key + "' is no place in a list of " + std::to_string(at->items.size()));
        return false;
      }
      if (last && value->kind == Node::Kind::null) {
        if (place < at->items.size()) at->items.erase(at->items.begin() + static_cast<std::ptrdiff_t>(place));
        return true;
      }
      if (place == at->items.size()) at->items.emplace_back();
      at = &at->items[place];
    } else if (at->kind == Node::Kind::map) {
      auto found = std::ranges::find(at->entries, key, [](const Entry& e) { return std::string_view(e.key.text); });
      if (last && value->kind == Node::Kind::null) {
        if (found != at->entries.end()) at->entries.erase(found);
        return true;
      }
      if (found == at->entries.end()) {
        at->entries.push_back({node(Node::Kind::scalar, value->at, key), node(Node::Kind::null, value->at)});
        found = std::prev(at->entries.end());
      }
      at = &found->value;
    } else {
      diagnostics.error(value->at, "'" + origin + "': '" + key + "' lies inside a plain value");
      return false;
    }
    if (last) {
      *at = std::move(*value);
      return true;
    }
    path.remove_prefix(dot + 1);
  }
}

std::string print(const Node& node) {
  std::string out;
  print_into(out, node);
  return out;
}

bool same(const Node& a, const Node& b) {
  return a.kind == b.kind && a.text == b.text &&
         std::ranges::equal(a.items, b.items, same) && std::ranges::equal(a.entries, b.entries, [](const Entry& x, const Entry& y) {
           return same(x.key, y.key) && same(x.value, y.value);
         });
}

}  // namespace saha::yaml
