// Choosing among samples: take, where and split. Chosen samples keep the order of the set.
#include <algorithm>
#include <cmath>
#include <map>
#include <unordered_map>

#include "data/dataset.hpp"
#include "data/shuffle.hpp"

namespace saha::data {
namespace {

enum class Relation : std::uint8_t { equal, unequal, less, at_most, greater, at_least };
struct Comparison {
  std::string column, value;
  Relation relation;
  std::optional<double> number;
};
// A condition is an `or` of `and`s of comparisons.
using Condition = std::vector<std::vector<Comparison>>;

Error bad(std::string_view text, std::string why) { return {ErrorCode::invalid_file, "condition '" + std::string(text) + "': " + std::move(why)}; }

// Words, 'quoted words' and relations, one after the other.
class Words {
 public:
  explicit Words(std::string_view text) : text_(text) {}
  struct Word { std::string text; bool quoted = false; };
  std::optional<Word> next() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t')) ++at_;
    if (at_ == text_.size()) return {};
    const char c = text_[at_];
    if (c == '\'' || c == '"') {
      const auto end = text_.find(c, at_ + 1);
      const std::size_t stop = end == std::string_view::npos ? text_.size() : end;
      Word w{std::string(text_.substr(at_ + 1, stop - at_ - 1)), true};
      at_ = std::min(stop + 1, text_.size());
      return w;
    }
    const bool relation = kRelation.find(c) != std::string_view::npos;
    const std::size_t start = at_;
    while (at_ < text_.size() && text_[at_] != ' ' && text_[at_] != '\t' && (kRelation.find(text_[at_]) != std::string_view::npos) == relation) ++at_;
    return Word{std::string(text_.substr(start, at_ - start)), false};
  }

 private:
  static constexpr std::string_view kRelation = "=!<>";
  std::string_view text_;
  std::size_t at_ = 0;
};

Result<Condition> parse_condition(std::string_view text, const std::vector<std::string>& columns) {
  Condition condition(1);
  Words words(text);
  const std::pair<std::string_view, Relation> kRelations[] = {{"==", Relation::equal}, {"=", Relation::equal}, {"!=", Relation::unequal}, {"<", Relation::less},
                                                              {"<=", Relation::at_most}, {">", Relation::greater}, {">=", Relation::at_least}};
  for (;;) {
    const auto column = words.next(), relation = words.next(), value = words.next();
    if (!column || !relation || !value) return bad(text, "it needs COLUMN RELATION VALUE, such as label != other");
    if (std::find(columns.begin(), columns.end(), column->text) == columns.end()) {
      std::string all;
      for (const std::string& name : columns) all += (all.empty() ? "" : ", ") + name;
      return bad(text, "no column '" + column->text + "'; there are " + (all.empty() ? "none" : all));
    }
    const auto* row = std::find_if(std::begin(kRelations), std::end(kRelations), [&](const auto& r) { return r.first == relation->text; });
    if (row == std::end(kRelations)) return bad(text, "'" + relation->text + "' is not a relation; there are == != < <= > >=");
    condition.back().push_back({column->text, value->text, row->second, value->quoted ? std::nullopt : number(value->text)});
    const auto link = words.next();
    if (!link) return condition;
    if (link->text == "or") condition.emplace_back();
    else if (link->text != "and") return bad(text, "'" + link->text + "' follows a value; put words with spaces in quotes, join conditions by and, or");
  }
}

bool holds(const Comparison& c, const std::string& cell) {
  int order;
  if (const auto v = c.number ? number(cell) : std::nullopt) order = *v < *c.number ? -1 : *v > *c.number;
  else order = cell.compare(c.value);
  switch (c.relation) {
    case Relation::equal: return order == 0;
    case Relation::unequal: return order != 0;
    case Relation::less: return order < 0;
    case Relation::at_most: return order <= 0;
    case Relation::greater: return order > 0;
    case Relation::at_least: return order >= 0;
  }
  return false;
}

}  // namespace

Dataset Dataset::select(std::span<const std::int64_t> positions) const {
  Dataset set = *this;
  set.index_.clear();
  for (std::int64_t p : positions) set.index_.push_back(origin(p));
  return set;
}
Dataset Dataset::take(std::int64_t n, std::uint64_t seed) const {
  if (n >= size()) return *this;
  std::vector<std::int64_t> positions(index_.size());
  std::iota(positions.begin(), positions.end(), 0);
  Random random(seed);
  shuffle(positions, random);
  positions.resize(std::size_t(std::max<std::int64_t>(n, 0)));
  std::sort(positions.begin(), positions.end());
  return select(positions);
}
Result<Dataset> Dataset::where(std::string_view text) const {
  SAHA_TRY(const Condition condition, parse_condition(text, columns()));
  std::vector<std::int64_t> kept;
  for (std::int64_t i = 0; i < size(); ++i) {
    const bool keep = std::any_of(condition.begin(), condition.end(), [&](const auto& all) {
      return std::all_of(all.begin(), all.end(), [&](const Comparison& c) { return holds(c, column(c.column, i)); });
    });
    if (keep) kept.push_back(i);
  }
  return select(kept);
}

Result<std::vector<std::pair<std::string, Dataset>>> Dataset::split(const SplitSpec& spec) const {
  const auto known = columns();
  for (const std::string& name : {spec.stratify, spec.group})
    if (!name.empty() && std::find(known.begin(), known.end(), name) == known.end())
      return Error{ErrorCode::invalid_data, "split: the data has no column '" + name + "'"};
  std::vector<std::pair<std::string, double>> parts = spec.parts;
  double rest = 1;
  for (const auto& [name, fraction] : parts) {
    if (!(fraction > 0 && fraction < 1) || name == "train") return Error{ErrorCode::invalid_file, "split: part '" + name + "' must have a share between 0 and 1, and train is what remains"};
    rest -= fraction;
  }
  if (rest <= 1e-9) return Error{ErrorCode::invalid_file, "split: the parts leave nothing for train"};
  parts.emplace_back("train", rest);

  // Strata are numbered; units are what stays together.
  std::unordered_map<std::string, std::size_t> strata, groups;
  std::vector<std::size_t> stratum(index_.size(), 0);
  std::vector<std::vector<std::int64_t>> units;
  for (std::int64_t i = 0; i < size(); ++i) {
    if (!spec.stratify.empty()) stratum[std::size_t(i)] = strata.emplace(column(spec.stratify, i), strata.size()).first->second;
    if (spec.group.empty()) { units.push_back({i}); continue; }
    const auto [it, is_new] = groups.emplace(column(spec.group, i), units.size());
    if (is_new) units.emplace_back();
    units[it->second].push_back(i);
  }
  Random random(spec.seed);
  shuffle(units, random);
  if (!spec.group.empty()) std::stable_sort(units.begin(), units.end(), [](const auto& a, const auto& b) { return a.size() > b.size(); });

  // Each unit goes where most is still missing of what it brings; with single samples every part ends within one of its share.
  const std::size_t kinds = std::max<std::size_t>(1, strata.size());
  std::vector<double> total(kinds, 0);
  for (std::size_t s : stratum) ++total[s];
  std::vector<std::vector<double>> missing;
  for (const auto& part : parts) {
    missing.emplace_back();
    for (double t : total) missing.back().push_back(t * part.second);
  }
  std::vector<std::vector<std::int64_t>> chosen(parts.size());
  for (const auto& unit : units) {
    std::vector<double> score(parts.size(), 0);
    for (std::int64_t i : unit)
      for (std::size_t p = 0; p < parts.size(); ++p) score[p] += missing[p][stratum[std::size_t(i)]];
    const auto best = std::size_t(std::max_element(score.begin(), score.end()) - score.begin());
    for (std::int64_t i : unit) {
      missing[best][stratum[std::size_t(i)]] -= 1;
      chosen[best].push_back(i);
    }
  }
  std::vector<std::pair<std::string, Dataset>> result;
  for (std::size_t p = 0; p < parts.size(); ++p) {
    std::sort(chosen[p].begin(), chosen[p].end());
    if (chosen[p].empty()) return Error{ErrorCode::invalid_data, "split: part '" + parts[p].first + "' is empty; " + std::to_string(units.size()) + " groups cannot be divided so"};
    result.emplace_back(parts[p].first, select(chosen[p]));
  }
  return result;
}

}  // namespace saha::data
