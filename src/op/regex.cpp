#include "op/regex.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <string>

namespace saha::op {
namespace {
using Step = Regex::Step;
using Kind = Step::Kind;
constexpr std::size_t kMaxSteps = 20'000;
constexpr int kMaxDepth = 200, kMaxRepeat = 1000;

bool is_word(std::uint32_t c) { return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_'; }

/// A part of the automaton: where it begins, and which exits are open (step * 2, or step * 2 + 1 for `other`).
struct Part {
  std::uint32_t start;
  std::vector<std::uint32_t> open;
};
struct Set {
  std::vector<Regex::Range> ranges = {};
  bool negated = false;
};

struct Compiler {
  std::string_view pattern;
  std::vector<std::uint32_t> text;
  std::vector<Step>& steps;
  std::size_t at = 0;
  int depth = 0;
  bool fold_case = false, dot_all = false;

  Error bad(std::string what) const { return {ErrorCode::invalid_argument, "pattern '" + std::string(pattern.substr(0, 80)) + "': " + std::move(what) + " at character " + std::to_string(at)}; }
  Error unsupported(std::string what) const { return {ErrorCode::unsupported, bad(std::move(what)).message}; }
  bool more() const { return at < text.size(); }
  bool take(char c) {
    if (!more() || text[at] != std::uint32_t(c)) return false;
    ++at;
    return true;
  }
  Result<std::uint32_t> add(Step s) {
    if (steps.size() >= kMaxSteps) return bad("more than " + std::to_string(kMaxSteps) + " states");
    steps.push_back(std::move(s));
    return std::uint32_t(steps.size() - 1);
  }
  void join(const std::vector<std::uint32_t>& open, std::uint32_t to) {
    for (std::uint32_t o : open) (o & 1 ? steps[o >> 1].other : steps[o >> 1].next) = to;
  }
  Result<Part> single(Step s) {
    SAHA_TRY(auto i, add(std::move(s)));
    return Part{i, {i * 2}};
  }
  Result<Part> set(Set s) {
    if (fold_case) {
      std::vector<Regex::Range> folded;
      for (auto r : s.ranges)
        for (auto [a, b, to] : {std::array<std::uint32_t, 3>{'a', 'z', 'A'}, {'A', 'Z', 'a'}}) {
          auto lo = std::max(r.lo, a), hi = std::min(r.hi, b);
          if (lo <= hi) folded.push_back({lo - a + to, hi - a + to});
        }
      s.ranges.insert(s.ranges.end(), folded.begin(), folded.end());
    }
    return single({Kind::set, s.negated, std::move(s.ranges)});
  }
  Result<Part> empty() { return single({Kind::jump}); }

  Result<std::optional<Set>> perl_class(std::uint32_t c) {
    Set s;
    switch (c) {
      case 'd': case 'D': s.ranges = {{'0', '9'}}; break;
      case 'w': case 'W': s.ranges = {{'0', '9'}, {'A', 'Z'}, {'a', 'z'}, {'_', '_'}}; break;
      case 's': case 'S': s.ranges = {{'\t', '\n'}, {'\f', '\r'}, {' ', ' '}}; break;
      case 'p': case 'P': return unsupported("Unicode classes (\\p) are not supported");
      default: return std::optional<Set>{};
    }
    s.negated = c < 'a';
    return std::optional(std::move(s));
  }
  Result<std::uint32_t> escaped() {  // after the backslash
    if (!more()) return bad("a backslash ends the pattern");
    std::uint32_t c = text[at++];
    auto hex = [](std::uint32_t d) { return d >= '0' && d <= '9' ? int(d - '0') : d >= 'a' && d <= 'f' ? int(d - 'a') + 10 : d >= 'A' && d <= 'F' ? int(d - 'A') + 10 : -1; };
    switch (c) {
      case 'n': return std::uint32_t('\n');
      case 't': return std::uint32_t('\t');
      case 'r': return std::uint32_t('\r');
      case 'f': return std::uint32_t('\f');
      case 'v': return std::uint32_t('\v');
      case 'a': return std::uint32_t('\a');
      case 'x': {
        std::uint32_t v = 0;
        if (take('{')) {
          int digits = 0;
          while (more() && hex(text[at]) >= 0 && digits++ < 6) v = v * 16 + std::uint32_t(hex(text[at++]));
          if (!take('}') || digits == 0) return bad("\\x{..} is not a code point");
          return v;
        }
        for (int i = 0; i < 2; ++i) {
          if (!more() || hex(text[at]) < 0) return bad("\\x needs two digits");
          v = v * 16 + std::uint32_t(hex(text[at++]));
        }
        return v;
      }
      default: break;
    }
    if (is_word(c)) return unsupported("\\" + std::string(1, c < 128 ? char(c) : '?') + " is not supported");
    return c;
  }
  Result<Part> bracket() {  // after '['
    Set s;
    s.negated = take('^');
    for (bool first = true; first || !take(']'); first = false) {
      if (!more()) return bad("a class is not closed");
      if (text[at] == '[' && at + 1 < text.size() && text[at + 1] == ':') {
        std::string name;
        for (at += 2; more() && text[at] != ':' && name.size() < 10; ++at) name += char(text[at]);
        bool negated = name.starts_with("^");
        if (negated) name.erase(0, 1);
        if (!take(':') || !take(']')) return bad("a class [:name:] is not closed");
        std::vector<Regex::Range> r;
        if (name == "digit") r = {{'0', '9'}};
        else if (name == "lower") r = {{'a', 'z'}};
        else if (name == "upper") r = {{'A', 'Z'}};
        else if (name == "alpha") r = {{'A', 'Z'}, {'a', 'z'}};
        else if (name == "alnum") r = {{'0', '9'}, {'A', 'Z'}, {'a', 'z'}};
        else if (name == "word") r = {{'0', '9'}, {'A', 'Z'}, {'a', 'z'}, {'_', '_'}};
        else if (name == "space") r = {{'\t', '\r'}, {' ', ' '}};
        else if (name == "punct") r = {{'!', '/'}, {':', '@'}, {'[', '`'}, {'{', '~'}};
        else if (name == "xdigit") r = {{'0', '9'}, {'A', 'F'}, {'a', 'f'}};
        else return unsupported("class [:" + name + ":] is not supported");
        insert(s, std::move(r), negated);
        continue;
      }
      std::uint32_t lo = text[at++];
      if (lo == '\\') {
        if (more()) {
          SAHA_TRY(auto perl, perl_class(text[at]));
          if (perl) {
            ++at;
            insert(s, std::move(perl->ranges), perl->negated);
            continue;
          }
        }
        SAHA_TRY(lo, escaped());
      }
      std::uint32_t hi = lo;
      if (more() && text[at] == '-' && at + 1 < text.size() && text[at + 1] != ']') {
        ++at;
        hi = text[at++];
        if (hi == '\\') { SAHA_TRY(hi, escaped()); }
        if (hi < lo) return bad("a range of a class runs backward");
      }
      s.ranges.push_back({lo, hi});
    }
    return set(std::move(s));
  }
  static void insert(Set& s, std::vector<Regex::Range> r, bool negated) {
    if (!negated) { s.ranges.insert(s.ranges.end(), r.begin(), r.end()); return; }
    std::sort(r.begin(), r.end(), [](auto a, auto b) { return a.lo < b.lo; });
    std::uint32_t from = 0;
    for (auto x : r) {
      if (x.lo > from) s.ranges.push_back({from, x.lo - 1});
      from = x.hi + 1;
    }
    s.ranges.push_back({from, 0xffffffffu});
  }
  Result<Part> atom() {
    std::uint32_t c = text[at++];
    switch (c) {
      case '.': return set(dot_all ? Set{{}, true} : Set{{{'\n', '\n'}}, true});
      case '[': return bracket();
      case '^': return single({Kind::begin});
      case '$': return single({Kind::end});
      case '*': case '+': case '?': return bad("nothing stands before the repetition");
      case '(': return group();
      case '\\': break;
      default: return set({{{c, c}}});
    }
    if (more()) {
      SAHA_TRY(auto perl, perl_class(text[at]));
      if (perl) { ++at; return set(std::move(*perl)); }
      if (take('b')) return single({Kind::word_edge});
      if (take('B')) return single({Kind::no_word_edge});
      if (take('A')) return single({Kind::begin});
      if (take('z')) return single({Kind::end});
    }
    SAHA_TRY(c, escaped());
    return set({{{c, c}}});
  }
  Result<Part> group() {  // after '('
    bool fold = fold_case, all = dot_all;
    if (take('?')) {
      if (take('P') || (more() && text[at] == '<')) {
        if (!take('<')) return bad("a group's name is not written (?P<name>..)");
        if (more() && (text[at] == '=' || text[at] == '!')) return unsupported("look-behind is not supported");
        while (more() && text[at] != '>') ++at;
        if (!take('>')) return bad("a group's name is not closed");
      } else {
        bool on = true;
        while (more() && text[at] != ':' && text[at] != ')') {
          std::uint32_t f = text[at++];
          if (f == '-') on = false;
          else if (f == 'i') fold_case = on;
          else if (f == 's') dot_all = on;
          else if (f == 'U') continue;  // which of two matches is preferred does not matter for a full match
          else return unsupported("(?" + std::string(1, f < 128 ? char(f) : '?') + " is not supported");
        }
        if (take(')')) return empty();  // flags for what follows
        if (!take(':')) return bad("a group is not closed");
      }
    }
    SAHA_TRY(Part p, alternatives());
    if (!take(')')) return bad("a group is not closed");
    fold_case = fold;
    dot_all = all;
    return p;
  }
  Result<Part> star(Part p) {
    SAHA_TRY(auto s, add({Kind::split, false, {}, p.start}));
    join(p.open, s);
    return Part{s, {s * 2 + 1}};
  }
  Result<Part> maybe(Part p) {
    SAHA_TRY(auto s, add({Kind::split, false, {}, p.start}));
    p.open.push_back(s * 2 + 1);
    return Part{s, std::move(p.open)};
  }
  Result<Part> repeated() {
    std::size_t from = at;
    bool fold = fold_case, all = dot_all;
    SAHA_TRY(Part p, atom());
    for (;;) {
      int lo = 0, hi = -1;
      if (take('*')) {}
      else if (take('+')) lo = 1;
      else if (take('?')) hi = 1;
      else {
        std::size_t keep = at;
        if (!take('{')) return p;
        auto count = [&]() -> int {
          int v = -1;
          while (more() && text[at] >= '0' && text[at] <= '9' && v <= kMaxRepeat) v = std::max(v, 0) * 10 + int(text[at++] - '0');
          return v;
        };
        lo = count();
        hi = lo;
        if (take(',')) hi = count();
        if (lo < 0 || !take('}')) {  // no repetition: the brace is a letter
          at = keep;
          return p;
        }
        if (lo > kMaxRepeat || hi > kMaxRepeat || (hi >= 0 && hi < lo)) return bad("a repetition runs from 0 to " + std::to_string(kMaxRepeat) + " and forward");
      }
      take('?');  // which of two matches is preferred does not matter
      std::size_t end = at;
      if (lo == 0 && hi < 0) { SAHA_TRY(p, star(std::move(p))); }
      else if (lo == 0 && hi == 1) { SAHA_TRY(p, maybe(std::move(p))); }
      else {
        // The atom is compiled again for every further copy.
        bool fold_after = fold_case, all_after = dot_all;
        std::vector<Part> copies;
        copies.push_back(std::move(p));
        int total = hi < 0 ? std::max(lo, 1) : hi;
        for (int k = 1; k < total; ++k) {
          at = from;
          fold_case = fold;
          dot_all = all;
          if (++depth > kMaxDepth) return bad("nested too deep");
          SAHA_TRY(Part q, until(end));
          --depth;
          copies.push_back(std::move(q));
        }
        at = end;
        fold_case = fold_after;
        dot_all = all_after;
        if (total == 0) { SAHA_TRY(p, empty()); return p; }
        SAHA_TRY(p, empty());
        for (int k = 0; k < total; ++k) {
          Part q = std::move(copies[std::size_t(k)]);
          if (hi < 0 && k == total - 1 && lo >= 1) {  // x+: once, then any number
            SAHA_TRY(auto s, add({Kind::split, false, {}, q.start}));
            join(q.open, s);
            q.open = {s * 2 + 1};
          } else if (k >= lo) { SAHA_TRY(q, maybe(std::move(q))); }
          join(p.open, q.start);
          p.open = std::move(q.open);
        }
      }
    }
  }
  /// The atom that ends before `end`, without the repetition that follows it there.
  Result<Part> until(std::size_t end) {
    SAHA_TRY(Part p, atom());
    at = end;
    return p;
  }
  Result<Part> sequence() {
    SAHA_TRY(Part p, empty());
    while (more() && text[at] != '|' && text[at] != ')') {
      SAHA_TRY(Part q, repeated());
      join(p.open, q.start);
      p.open = std::move(q.open);
    }
    return p;
  }
  Result<Part> alternatives() {
    if (++depth > kMaxDepth) return bad("groups are nested deeper than " + std::to_string(kMaxDepth));
    SAHA_TRY(Part p, sequence());
    while (take('|')) {
      SAHA_TRY(Part q, sequence());
      SAHA_TRY(auto s, add({Kind::split, false, {}, p.start, q.start}));
      p.start = s;
      p.open.insert(p.open.end(), q.open.begin(), q.open.end());
    }
    --depth;
    return p;
  }
};
}  // namespace

std::vector<std::uint32_t> code_points(std::string_view t) {
  std::vector<std::uint32_t> r;
  for (std::size_t i = 0; i < t.size();) {
    auto c = static_cast<unsigned char>(t[i]);
    std::size_t n = c < 0x80 ? 1 : (c & 0xe0) == 0xc0 ? 2 : (c & 0xf0) == 0xe0 ? 3 : (c & 0xf8) == 0xf0 ? 4 : 1;
    std::uint32_t v = n == 1 ? c : c & (0xffu >> (n + 1));
    bool whole = i + n <= t.size();
    for (std::size_t k = 1; k < n && whole; ++k) {
      auto d = static_cast<unsigned char>(t[i + k]);
      whole = (d & 0xc0) == 0x80;
      v = v << 6 | (d & 0x3fu);
    }
    r.push_back(whole ? v : c);
    i += whole ? n : 1;
  }
  return r;
}

Result<Regex> Regex::compile(std::string_view pattern) {
  Regex r;
  Compiler c{pattern, code_points(pattern), r.steps_};
  SAHA_TRY(Part p, c.alternatives());
  if (c.more()) return c.bad("')' closes nothing");
  SAHA_TRY(auto end, c.add({Kind::match}));
  c.join(p.open, end);
  r.start_ = p.start;
  return r;
}

bool Regex::full_match(std::string_view bytes) const {
  std::vector<std::uint32_t> text = code_points(bytes), now, next, stack;
  std::vector<std::size_t> seen(steps_.size(), 0);  // place + 1 at which the state was last entered
  auto enter = [&](std::uint32_t s, std::size_t place, std::vector<std::uint32_t>& to) {
    stack = {s};
    while (!stack.empty()) {
      std::uint32_t q = stack.back();
      stack.pop_back();
      if (seen[q] == place + 1) continue;
      seen[q] = place + 1;
      const Step& x = steps_[q];
      bool before = place > 0 && is_word(text[place - 1]), after = place < text.size() && is_word(text[place]);
      switch (x.kind) {
        case Kind::jump: stack.push_back(x.next); break;
        case Kind::split: stack.push_back(x.other); stack.push_back(x.next); break;
        case Kind::begin: if (place == 0) stack.push_back(x.next); break;
        case Kind::end: if (place == text.size()) stack.push_back(x.next); break;
        case Kind::word_edge: if (before != after) stack.push_back(x.next); break;
        case Kind::no_word_edge: if (before == after) stack.push_back(x.next); break;
        case Kind::set: case Kind::match: to.push_back(q); break;
      }
    }
  };
  enter(start_, 0, now);
  for (std::size_t i = 0; i < text.size() && !now.empty(); ++i) {
    next.clear();
    for (std::uint32_t q : now) {
      const Step& x = steps_[q];
      if (x.kind != Kind::set) continue;
      bool in = std::any_of(x.ranges.begin(), x.ranges.end(), [&](Range r) { return text[i] >= r.lo && text[i] <= r.hi; });
      if (in != x.negated) enter(x.next, i + 1, next);
    }
    std::swap(now, next);
  }
  return std::any_of(now.begin(), now.end(), [&](std::uint32_t q) { return steps_[q].kind == Kind::match; });
}

}  // namespace saha::op
