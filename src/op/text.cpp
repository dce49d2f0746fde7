// Operators on text: StringConcat, StringNormalizer, StringSplit, RegexFullMatch, TfIdfVectorizer. Text is UTF-8.
#include <algorithm>
#include <map>
#include <set>
#include <unordered_map>

#include "op/elementwise.hpp"
#include "op/regex.hpp"
#include "op/strides.hpp"

namespace saha::op {
namespace {
using std::to_string;

// ---- StringConcat(X, Y) ----------------------------------------------------------------------------------------------------------
Result<> infer_concat(Infer& c) {
  auto d = broadcast(c.in);
  if (!d) return c.fail(d.error().message);
  return c.give(DType::string, std::move(*d));
}
Result<> eval_concat(Eval& c) {
  const Tensor &a = c.x(0), &b = c.x(1);
  const Dims shapes[] = {a.dims, b.dims};
  auto d = broadcast(shapes);
  if (!d) return c.fail(d.error().message);
  SAHA_TRY(Tensor y, c.make(DType::string, *d));
  Walk<2> w{*d, {broadcast_strides(a.dims, *d), broadcast_strides(b.dims, *d)}};
  for (std::string& s : *y.text) {
    s = (*a.text)[std::size_t(w.offset[0])] + (*b.text)[std::size_t(w.offset[1])];
    w.next();
  }
  return c.give(std::move(y));
}

// ---- StringNormalizer(X) ---------------------------------------------------------------------------------------------------------
/// Upper and lower case of Latin, Greek, Cyrillic and Armenian letters that have one counterpart.
std::uint32_t cased(std::uint32_t c, bool upper) {
  struct Row { std::uint32_t lo, hi; std::int32_t to_lower; };  // of the capitals
  constexpr Row rows[] = {{'A', 'Z', 32}, {0xc0, 0xd6, 32}, {0xd8, 0xde, 32}, {0x388, 0x38a, 37}, {0x391, 0x3a1, 32}, {0x3a3, 0x3ab, 32}, {0x400, 0x40f, 80}, {0x410, 0x42f, 32}, {0x531, 0x556, 48}};
  for (const Row& r : rows) {
    if (!upper && c >= r.lo && c <= r.hi) return c + std::uint32_t(r.to_lower);
    if (upper && c >= r.lo + std::uint32_t(r.to_lower) && c <= r.hi + std::uint32_t(r.to_lower)) return c - std::uint32_t(r.to_lower);
  }
  // Pairs of neighbours: the capital is even in some blocks, odd in others.
  bool even = (c >= 0x100 && c <= 0x137 && c != 0x130 && c != 0x131) || (c >= 0x14a && c <= 0x177) || (c >= 0x460 && c <= 0x481) || (c >= 0x48a && c <= 0x4bf) || (c >= 0x4d0 && c <= 0x52f) || (c >= 0x1e00 && c <= 0x1e95);
  bool odd = (c >= 0x139 && c <= 0x148) || (c >= 0x179 && c <= 0x17e);
  if (even) return upper ? c & ~1u : c | 1u;
  if (odd) return upper ? (c - 1) | 1u : c + (c & 1u);
  return c;
}
void append_utf8(std::string& s, std::uint32_t c) {
  if (c < 0x80) s += char(c);
  else if (c < 0x800) { s += char(0xc0 | c >> 6); s += char(0x80 | (c & 63)); }
  else if (c < 0x10000) { s += char(0xe0 | c >> 12); s += char(0x80 | (c >> 6 & 63)); s += char(0x80 | (c & 63)); }
  else { s += char(0xf0 | c >> 18); s += char(0x80 | (c >> 12 & 63)); s += char(0x80 | (c >> 6 & 63)); s += char(0x80 | (c & 63)); }
}
std::string cased(const std::string& s, bool upper) {
  std::string r;
  for (std::uint32_t c : code_points(s)) append_utf8(r, cased(c, upper));
  return r;
}
Result<> infer_normalizer(Infer& c) {
  if (c.rank(0) == 1) return c.give(DType::string, {c.fresh("words")});
  if (c.rank(0) != 2 || (c.dims(0)[0].known() && !c.dims(0)[0].is(1))) return c.fail("X is " + ir::str(*c.in[0]) + ", [C] or [1, C] is needed");
  return c.give(DType::string, {Dim(1), c.fresh("words")});
}
Result<> eval_normalizer(Eval& c) {
  const Tensor& x = c.x(0);
  if (x.rank() != 1 && (x.rank() != 2 || x.dims[0] != 1)) return c.fail("X is " + str(x.dims) + ", [C] or [1, C] is needed");
  std::string action = c.s("case_change_action");
  if (action != "LOWER" && action != "UPPER" && action != "NONE") return c.fail("case_change_action '" + action + "' is not LOWER, UPPER or NONE");
  bool exact = c.i("is_case_sensitive") != 0;
  std::set<std::string> stop;
  for (const std::string& w : c.ss("stopwords")) stop.insert(exact ? w : cased(w, false));
  std::vector<std::string> kept;
  for (const std::string& w : *x.text)
    if (!stop.count(exact ? w : cased(w, false))) kept.push_back(action == "NONE" ? w : cased(w, action == "UPPER"));
  if (kept.empty()) kept.emplace_back();
  auto n = std::int64_t(kept.size());
  return c.give(Tensor::of_strings(x.rank() == 1 ? Dims{n} : Dims{1, n}, std::move(kept)));
}

// ---- StringSplit(X) --------------------------------------------------------------------------------------------------------------
std::vector<std::string> pieces(const std::string& s, const std::string& delimiter, std::int64_t most) {
  std::vector<std::string> r;
  if (!delimiter.empty()) {
    std::size_t from = 0;
    for (std::size_t at; std::int64_t(r.size()) < most && (at = s.find(delimiter, from)) != std::string::npos; from = at + delimiter.size()) r.push_back(s.substr(from, at - from));
    r.push_back(s.substr(from));
    return r;
  }
  constexpr std::string_view blank = " \t\n\v\f\r";
  std::size_t at = s.find_first_not_of(blank);
  while (at != std::string::npos) {
    std::size_t end = std::int64_t(r.size()) < most ? s.find_first_of(blank, at) : std::string::npos;
    r.push_back(s.substr(at, end == std::string::npos ? end : end - at));
    at = end == std::string::npos ? end : s.find_first_not_of(blank, end);
  }
  return r;
}
Result<> infer_split(Infer& c) {
  std::vector<Dim> d = c.dims(0);
  d.push_back(c.fresh("pieces"));
  SAHA_DO(c.give(DType::string, std::move(d)));
  return c.give(DType::i64, c.dims(0));
}
Result<> eval_split(Eval& c) {
  const Tensor& x = c.x(0);
  std::int64_t most = c.has_attr("maxsplit") ? c.i("maxsplit") : std::numeric_limits<std::int64_t>::max();
  if (most < 0) return c.fail("maxsplit is " + to_string(most));
  std::vector<std::vector<std::string>> all;
  std::size_t longest = 0;
  for (const std::string& s : *x.text) {
    all.push_back(pieces(s, c.s("delimiter"), most));
    longest = std::max(longest, all.back().size());
  }
  Dims d = x.dims;
  d.push_back(std::int64_t(longest));
  SAHA_TRY(Tensor y, c.make(DType::string, d));
  SAHA_TRY(Tensor n, c.make(DType::i64, x.dims));
  for (std::size_t i = 0; i < all.size(); ++i) {
    n.as<std::int64_t>()[i] = std::int64_t(all[i].size());
    std::move(all[i].begin(), all[i].end(), y.text->begin() + std::ptrdiff_t(i * longest));
  }
  SAHA_DO(c.give(std::move(y)));
  return c.give(std::move(n));
}

// ---- RegexFullMatch(X) -----------------------------------------------------------------------------------------------------------
Result<> infer_regex(Infer& c) { return c.give(DType::boolean, c.dims(0)); }
Result<> eval_regex(Eval& c) {
  auto r = Regex::compile(c.s("pattern"));
  if (!r) return c.fail(r.error().message);
  SAHA_TRY(Tensor y, c.make(DType::boolean, c.x(0).dims));
  for (std::int64_t i = 0; i < y.size(); ++i) y.as<std::uint8_t>()[i] = r->full_match((*c.x(0).text)[std::size_t(i)]);
  return c.give(std::move(y));
}

// ---- TfIdfVectorizer(X) ----------------------------------------------------------------------------------------------------------
template <class C> Result<std::int64_t> vector_size(const C& c) {
  std::int64_t n = 0;
  for (std::int64_t i : c.is("ngram_indexes")) {
    if (i < 0 || i >= (std::int64_t{1} << 31)) return c.fail("ngram_indexes holds " + to_string(i));
    n = std::max(n, i + 1);
  }
  return n;
}
Result<> infer_tfidf(Infer& c) {
  SAHA_TRY(std::int64_t n, vector_size(c));
  if (c.rank(0) > 2) return c.fail("X has rank " + to_string(c.rank(0)) + ", at most 2 is taken");
  std::vector<Dim> d;
  if (c.rank(0) == 2) d.push_back(c.dims(0)[0]);
  d.push_back(Dim(n));
  return c.give(DType::f32, std::move(d));
}
Result<> eval_tfidf(Eval& c) {
  const Tensor& x = c.x(0);
  if (x.rank() > 2) return c.fail("X has rank " + to_string(x.rank()) + ", at most 2 is taken");
  SAHA_TRY(std::int64_t n, vector_size(c));
  std::string mode = c.s("mode");
  if (mode != "TF" && mode != "IDF" && mode != "TFIDF") return c.fail("mode '" + mode + "' is not TF, IDF or TFIDF");
  bool strings = c.has_attr("pool_strings");
  if (strings != (x.dtype == DType::string) || strings == c.has_attr("pool_int64s")) return c.fail("the pool and X (" + std::string(name(x.dtype)) + ") are of different kinds");
  // Words become numbers; a word that the pool lacks is -1, and no n-gram holds it.
  std::unordered_map<std::string, std::int64_t> words;
  Dims pool = c.is("pool_int64s"), tokens, counts = c.is("ngram_counts"), indexes = c.is("ngram_indexes");
  if (strings) for (const std::string& s : c.ss("pool_strings")) pool.push_back(words.emplace(s, std::int64_t(words.size())).first->second);
  if (strings) for (const std::string& s : *x.text) { auto it = words.find(s); tokens.push_back(it == words.end() ? -1 : it->second); }
  else tokens = c.ints(0);
  std::int64_t lo = c.i("min_gram_length"), hi = c.i("max_gram_length"), skips = c.i("max_skip_count");
  if (lo < 1 || hi < lo || skips < 0) return c.fail("n-grams of " + to_string(lo) + " to " + to_string(hi) + " words with " + to_string(skips) + " skips");
  std::map<std::vector<std::int64_t>, std::size_t> grams;
  std::size_t id = 0;
  for (std::size_t k = 0; k < counts.size(); ++k) {
    std::int64_t from = counts[k], to = k + 1 < counts.size() ? counts[k + 1] : std::int64_t(pool.size()), len = std::int64_t(k) + 1;
    if (from < 0 || to < from || to > std::int64_t(pool.size()) || (to - from) % len) return c.fail("ngram_counts " + str(counts) + " do not fit a pool of " + to_string(pool.size()));
    for (; from < to; from += len) grams.emplace(std::vector<std::int64_t>(pool.begin() + from, pool.begin() + from + len), id++);
  }
  if (id != indexes.size()) return c.fail("the pool holds " + to_string(id) + " n-grams, ngram_indexes has " + to_string(indexes.size()));
  ir::Floats weights = c.fs("weights");
  if (c.has_attr("weights") && std::int64_t(weights.size()) < n) return c.fail("weights has " + to_string(weights.size()) + " entries, " + to_string(n) + " are needed");
  std::int64_t rows = x.rank() == 2 ? x.dims[0] : 1, width = x.rank() == 0 ? 1 : x.dims.back();
  SAHA_TRY(Tensor y, c.make(DType::f32, x.rank() == 2 ? Dims{rows, n} : Dims{n}));
  auto* out = y.as<float>();
  hi = std::min(hi, std::int64_t(counts.size()));
  std::vector<std::int64_t> gram;
  for (std::int64_t r = 0; r < rows; ++r)
    for (std::int64_t len = lo; len <= hi; ++len)
      for (std::int64_t skip = 1; skip <= (len == 1 ? 1 : std::min(skips + 1, width)); ++skip)  // a single word skips none
        for (std::int64_t at = 0; at + (len - 1) * skip < width; ++at) {
          gram.clear();
          for (std::int64_t k = 0; k < len; ++k) gram.push_back(tokens[std::size_t(r * width + at + k * skip)]);
          auto it = grams.find(gram);
          if (it != grams.end()) out[r * n + indexes[it->second]] += 1;
        }
  for (std::int64_t i = 0; i < y.size(); ++i) {
    float w = weights.empty() ? 1 : weights[std::size_t(i % n)];
    if (mode == "IDF") out[i] = out[i] > 0 ? w : 0;
    if (mode == "TFIDF") out[i] *= w;
  }
  return c.give(std::move(y));
}

constexpr std::string_view kText = "text has no gradient";
constexpr OpDef kOps[] = {
    {.name = "StringConcat", .since_version = 20, .signature = "(X: string, Y: string) -> (Z: string)", .infer = infer_concat, .eval = eval_concat, .no_gradient = kText, .no_bounds = kText},
    {.name = "StringNormalizer", .since_version = 10, .signature = "(X: string) -> (Y: string) | case_change_action: string = NONE, is_case_sensitive: int = 0, locale: string?, stopwords: strings?",
     .traits = kDataShape, .infer = infer_normalizer, .eval = eval_normalizer, .no_gradient = kText, .no_bounds = kText},
    {.name = "StringSplit", .since_version = 20, .signature = "(X: string) -> (Y: string, Z: int64) | delimiter: string?, maxsplit: int?",
     .traits = kDataShape, .infer = infer_split, .eval = eval_split, .no_gradient = kText, .no_bounds = kText},
    {.name = "RegexFullMatch", .since_version = 20, .signature = "(X: string) -> (Y: bool) | pattern: string?", .infer = infer_regex, .eval = eval_regex, .no_gradient = kText, .no_bounds = kText},
    {.name = "TfIdfVectorizer", .since_version = 9,
     .signature = "(X: T) -> (Y: float32) where T: string int32 int64 | max_gram_length: int, max_skip_count: int, min_gram_length: int, mode: string, ngram_counts: ints, ngram_indexes: ints, pool_int64s: ints?, pool_strings: strings?, weights: floats?",
     .infer = infer_tfidf, .eval = eval_tfidf, .no_gradient = kText, .no_bounds = kText},
};
}  // namespace

std::span<const OpDef> text() { return kOps; }

}  // namespace saha::op
