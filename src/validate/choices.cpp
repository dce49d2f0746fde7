#include "validate/choices.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <numeric>
#include <ranges>

#include "base/figures.hpp"
#include "validate/pointwise.hpp"

namespace saha::validate {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr int kMostDraws = 50;                // for a point that a region has
constexpr std::size_t kMostSmaller = 400;   // points that are tried to make one smaller

Error lacking(std::string message) { return {ErrorCode::invalid_data, std::move(message)}; }
bool is_call(const Expr& e, std::string_view name) { return e.kind == Expr::Kind::call && e.path.size() == 1 && e.path[0] == name; }

/// Where the transform changes least, within its range.
double neutral(const Alteration& a, double low, double high) { return a.name == "noise_snr" ? high : std::clamp(0.0, low, high); }
bool is_whole(const Alteration& a) { return a.name == "shift"; }
/// In which steps a parameter is written: hundredths of a degree, of a percent, of a dB, ..
double step_of(const Alteration& a) { return a.name == "rotate" ? std::numbers::pi / 18000 : a.name == "brightness" || a.name == "shift_seconds" ? 1e-4 : 0.01; }

}  // namespace

bool Alteration::is_corruption() const {
  constexpr std::array<std::string_view, 6> kOthers = {"", "rotate", "brightness", "noise_snr", "shift", "shift_seconds"};
  return std::ranges::find(kOthers, name) == kOthers.end();
}

std::string print(const Alteration& a) {
  const auto number = [&](std::size_t i) { return i < a.numbers.size() ? a.numbers[i] : 0; };
  if (a.name.empty()) return "other values";
  if (a.name == "rotate") return "rotate by " + figures::significant(number(0) * 180 / std::numbers::pi, 4) + " deg";
  if (a.name == "brightness") return "brightness by " + figures::significant(number(0) * 100, 4) + " %";
  if (a.name == "noise_snr") return "noise at " + figures::significant(number(0), 4) + " dB";
  if (a.name == "shift_seconds") return "shift by " + figures::significant(number(0), 4) + " s";
  std::string out = a.name == "shift" ? "shift by " : a.name + " ";
  for (std::size_t i = 0; i < a.numbers.size(); ++i) out += (i ? ", " : "") + figures::shortest(a.numbers[i]);
  return out;
}

Result<Choices> Choices::of(const Requirement& r, const Scope& scope, Recall& recall, Interpreter& run, std::vector<std::int64_t> samples) {
  Choices c(scope, recall, run);
  if (!c.trials_) return Error{ErrorCode::unsupported, "inputs that no data set holds need the models, which are not at hand here"};
  const std::string data = r.over ? r.over->data : "test";
  if (r.over) c.variables_.push_back({.name = "x", .data = data, .rows = std::move(samples)});
  for (const Quantifier& q : r.assertion.quantifiers)
    for (const Binder& b : q.binders)
      for (const std::string& name : b.names) SAHA_DO(c.add(name, b.region, data, recall));
  if (c.variables_[0].kind != Kind::sample) {   // the whole domain: a sample says what an input is made of
    const auto& count = recall.count(data);
    if (!count) return count.error();
    if (*count <= 0) return lacking("data set '" + data + "' is empty");
    const bool outside = std::ranges::any_of(c.variables_, [](const Variable& v) { return v.what && is_call(*v.what, "outside"); });   // around each sample
    std::vector<std::int64_t> rows(outside ? std::size_t(*count) : 1);
    std::iota(rows.begin(), rows.end(), 0);
    c.variables_.insert(c.variables_.begin(), {.name = "", .data = data, .rows = std::move(rows)});
    for (Variable& v : c.variables_) v.centre += v.kind == Kind::region;
    c.variables_[0].centre = 0;
  }
  return c;
}

Result<> Choices::add(const std::string& name, const Expr& region, const std::string& data, Recall& recall) {
  const auto all_of = [&](const std::string& set) -> Result<std::vector<std::int64_t>> {
    const auto& count = recall.count(set);
    if (!count) return count.error();
    if (*count <= 0) return lacking("data set '" + set + "' is empty");
    std::vector<std::int64_t> rows(static_cast<std::size_t>(*count));
    for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = std::int64_t(i);
    return rows;
  };
  if (is_data_region(region, *scope_)) {
    SAHA_TRY(auto rows, all_of(region.path[0]));
    variables_.push_back({.name = name, .data = region.path[0], .rows = std::move(rows)});
    return {};
  }
  const Word* w = region.path.empty() ? nullptr : find_word(region.path.back());
  if (w && w->group == WordGroup::transform) {
    Variable v{.name = name, .kind = Kind::transform, .what = &region};
    for (std::size_t i : {0u, 1u}) {
      SAHA_TRY(const PointValue p, run_->value(region.args[i]));
      (i == 0 ? v.low : v.high) = p.number;
      visit(region.args[i], [&](const Expr& e) {
        if (e.unit.empty()) return;
        if (auto u = scope_->units.find(e.unit); u && u->dimension == yaml::Dimension{{{"s", 1}}}) v.seconds = true;
      });
    }
    variables_.push_back(std::move(v));
    return {};
  }
  const bool around = is_call(region, "Linf") || is_call(region, "L2") || is_call(region, "box");
  if (is_call(region, "near")) {
    const std::string set = region.args[0].path.empty() ? data : region.args[0].path[0];
    SAHA_TRY(auto rows, all_of(set));
    variables_.push_back({.name = "", .data = set, .rows = std::move(rows)});
  } else if (is_call(region, "outside")) {
    if (region.args[0].kind != Expr::Kind::name || region.args[0].path[0] != "domain") return Error{ErrorCode::unsupported, "inputs of '" + print(region) + "' are not tried, those of outside(domain) are"};
  } else if (!around && !(region.kind == Expr::Kind::name && region.path[0] == "domain")) {
    return Error{ErrorCode::unsupported, "inputs of '" + print(region) + "' are not tried"};
  }
  variables_.push_back({.name = name, .kind = Kind::region, .data = data, .what = &region, .centre = variables_.empty() ? 0 : variables_.size() - 1});
  return {};
}

double Choices::factor() const {
  if (scope_->inputs.empty() || scope_->inputs[0].unit.empty()) return 1;
  auto u = scope_->units.find(scope_->inputs[0].unit);
  return u ? u->factor : 1;
}

Result<Alteration> Choices::alteration(const Variable& v, const Bounds& bounds, data::Random& random) {
  const std::string& name = v.what->path[0];
  Alteration a{.name = name, .seed = random.next()};
  if (name == "corruptions") {
    const auto low = std::int64_t(std::ceil(v.low)), high = std::int64_t(std::floor(v.high));
    if (low < 1 || high > 5 || low > high) return lacking("'" + print(*v.what) + "' names no severity of 1 to 5");
    const auto key = std::pair(bounds[0].data, bounds[0].sample);
    if (!kinds_.contains(key)) {
      SAHA_TRY(kinds_[key], trials_->corruptions(key.first, key.second));
    }
    const auto& kinds = kinds_[key];
    if (kinds.empty()) return Error{ErrorCode::unsupported, "'corruptions' are for pictures and sound, and sample " + std::to_string(key.second) + " of '" + key.first + "' is neither"};
    a.name = kinds[random.below(kinds.size())];
    a.numbers = {double(low + std::int64_t(random.below(std::uint64_t(high - low + 1))))};
    return a;
  }
  if (name == "shift" && !v.seconds) {
    SAHA_TRY(const Raw raw, trials_->raw({bounds[0].data, bounds[0].sample, {}}));
    const double low = std::ceil(v.low), high = std::max(low, std::floor(v.high));
    for (int i = 0; i < (raw.picture ? 2 : 1); ++i) a.numbers.push_back(low + double(random.below(std::uint64_t(high - low + 1))));
    return a;
  }
  if (name == "shift") a.name = "shift_seconds";
  a.numbers = {v.low + random.uniform() * (v.high - v.low)};
  return a;
}

Result<Shape> Choices::shape_of(const Variable& v, const Bounds& bounds) {
  const Expr& e = *v.what;
  Shape s;
  if (is_call(e, "Linf") || is_call(e, "L2") || is_call(e, "box")) {
    run_->bound = bounds;
    SAHA_TRY(const PointValue at, run_->value(e.args[0]));
    if (at.kind != PointValue::Kind::sample) return lacking("'" + print(e.args[0]) + "' is no input");
    s.around = at.sample;
  } else {
    s.around = {bounds[v.centre].data, bounds[v.centre].sample, {}};
  }
  if (last_ && last_of_ == &v && last_->around == s.around) return *last_;
  SAHA_TRY(Raw raw, trials_->raw(s.around));
  const std::size_t n = raw.values.size();
  s.whole = raw.whole;
  s.low = raw.low, s.high = raw.high;
  const auto bounded = [&]() -> Result<> {
    for (std::size_t i = 0; i < n; ++i)
      if (!std::isfinite(raw.low[i]) || !std::isfinite(raw.high[i]))
        return lacking("'" + print(e) + "' needs the domain of the input" + (scope_->inputs.empty() ? std::string() : ": add model.input." + scope_->inputs[0].name + ".domain: [lo, hi]"));
    return {};
  };
  const auto length = [&](std::size_t i) -> Result<double> {
    SAHA_TRY(const PointValue p, run_->value(e.args[i]));
    if (p.kind != PointValue::Kind::number) return lacking("'" + print(e.args[i]) + "' is no number");
    return p.number / factor();
  };
  const auto cut = [&](auto below, auto above) {
    for (std::size_t i = 0; i < n; ++i) {
      const double c = raw.values[i], lo = below(i), hi = above(i);
      s.reach.push_back(std::max(std::abs(lo), std::abs(hi)));
      s.low[i] = std::max(s.low[i], c + lo), s.high[i] = std::min(s.high[i], c + hi);
      if (s.whole) s.low[i] = std::ceil(s.low[i] - 1e-9), s.high[i] = std::floor(s.high[i] + 1e-9);
      if (s.low[i] > s.high[i]) s.low[i] = s.high[i] = std::clamp(c, raw.low[i], raw.high[i]);
    }
  };
  if (is_call(e, "box")) {
    SAHA_TRY(const double lo, length(1));
    SAHA_TRY(const double hi, length(2));
    cut([&](std::size_t) { return lo; }, [&](std::size_t) { return hi; });
  } else if (is_call(e, "Linf") || is_call(e, "L2")) {
    SAHA_TRY(const double r, length(1));
    cut([&](std::size_t) { return -r; }, [&](std::size_t) { return r; });
    if (is_call(e, "L2")) s.radius = r;
  } else if (is_call(e, "outside")) {
    if (std::ranges::none_of(std::views::iota(std::size_t(0), n), [&](std::size_t i) { return std::isfinite(raw.low[i]) && std::isfinite(raw.high[i]); })) SAHA_DO(bounded());
    s.outside = true;
  } else {
    SAHA_DO(bounded());
    if (is_call(e, "near")) {
      SAHA_TRY(const PointValue share, run_->value(e.args[1]));
      const auto wide = [&](std::size_t i) { return share.number * (raw.high[i] - raw.low[i]); };
      cut([&](std::size_t i) { return -wide(i); }, wide);
    } else {
      for (std::size_t i = 0; i < n; ++i) raw.values[i] = (raw.low[i] + raw.high[i]) / 2;
      cut([&](std::size_t i) { return (raw.low[i] - raw.high[i]) / 2; }, [&](std::size_t i) { return (raw.high[i] - raw.low[i]) / 2; });
    }
  }
  s.centre = std::move(raw.values);
  for (std::size_t i = 0; i < n; ++i) s.centre[i] = std::clamp(s.centre[i], s.low[i], s.high[i]);
  last_ = s, last_of_ = &v;
  return s;
}

// One value or several, by up to the width of their domain beyond it; the others as in the sample, or anywhere in theirs.
std::vector<double> Choices::point_outside(const Shape& s, data::Random& random) const {
  std::vector<double> p = s.centre;
  std::vector<std::size_t> known;
  for (std::size_t i = 0; i < p.size(); ++i) if (std::isfinite(s.low[i]) && std::isfinite(s.high[i])) known.push_back(i);
  const auto within = [&](std::size_t i, double share) {
    const double x = share * (s.high[i] - s.low[i]);
    return s.whole ? std::ceil(x) : x;
  };
  if (random.below(2)) for (std::size_t i : known) p[i] = std::min(s.high[i], s.low[i] + within(i, random.uniform()));
  const bool several = random.below(2);
  const std::size_t one = known[random.below(known.size())];
  for (std::size_t i : known) {
    if (i != one && !(several && random.below(2))) continue;
    const double beyond = std::max(within(i, 1 - random.uniform()), s.whole ? 1.0 : std::abs(s.high[i]) * 1e-6);
    p[i] = random.below(2) ? s.high[i] + beyond : s.low[i] - beyond;
  }
  return p;
}

Result<bool> Choices::has(const Shape& s, const std::vector<double>& values) const {
  if (!s.outside) return true;
  Altered input = s.around;
  input.changes.push_back({.name = "", .values = std::make_shared<const std::vector<double>>(values)});
  SAHA_TRY(const Raw held, trials_->raw(input));
  for (std::size_t i = 0; i < held.values.size(); ++i) if (held.values[i] < s.low[i] || held.values[i] > s.high[i]) return true;
  return false;
}

std::vector<double> Choices::point_of(const Shape& s, data::Random& random) const {
  if (s.outside) return point_outside(s, random);
  std::vector<double> p = s.centre;
  if (s.radius < kInfinity) {
    double norm = 0;
    std::vector<double> way(p.size());
    for (double& w : way) w = random.normal(), norm += w * w;
    const double length = s.radius * std::pow(random.uniform(), 1 / double(p.size())) / std::max(std::sqrt(norm), 1e-300);
    for (std::size_t i = 0; i < p.size(); ++i) {
      const double d = std::clamp(p[i] + way[i] * length, s.low[i], s.high[i]) - p[i];
      p[i] += s.whole ? std::trunc(d) : d;
    }
    return p;
  }
  for (std::size_t i = 0; i < p.size(); ++i) {
    const double wide = s.high[i] - s.low[i];
    if (!std::isfinite(wide)) continue;
    p[i] = s.whole ? s.low[i] + double(random.below(std::uint64_t(wide) + 1)) : s.low[i] + random.uniform() * wide;
  }
  return p;
}

void Choices::place(Bounds& bounds, std::size_t i, const Shape& s, std::vector<double> values) const {
  bounds[i].data = s.around.data, bounds[i].sample = s.around.sample, bounds[i].changes = s.around.changes;
  bounds[i].changes.push_back({.name = "", .values = std::make_shared<const std::vector<double>>(std::move(values))});
}

Result<Choices::Bounds> Choices::drawn(std::int64_t k, std::uint64_t seed) {
  data::Random random(seed * 0x9e3779b97f4a7c15u + 0x2545f4914f6cdd1du);
  Bounds bounds(variables_.size());
  for (std::size_t i = 0; i < variables_.size(); ++i) {
    const Variable& v = variables_[i];
    bounds[i].name = v.name;
    if (v.kind == Kind::sample) {
      bounds[i].data = v.data;
      bounds[i].sample = v.rows[i == 0 ? std::size_t(k % rows()) : random.below(v.rows.size())];
    } else if (v.kind == Kind::transform) {
      SAHA_TRY(bounds[i].transform, alteration(v, bounds, random));
    } else {
      SAHA_TRY(const Shape s, shape_of(v, bounds));
      std::vector<double> p = point_of(s, random);
      for (int more = 0;; ++more) {
        SAHA_TRY(const bool there, has(s, p));
        if (there) break;
        if (more == kMostDraws) return Error{ErrorCode::unsupported, "no input of '" + print(*v.what) + "' was found: a sample of '" + s.around.data + "' cannot hold numbers beyond the domain"};
        p = point_of(s, random);
      }
      place(bounds, i, s, std::move(p));
    }
  }
  return bounds;
}

Result<std::vector<Choices::Bounds>> Choices::grid(std::int64_t k, std::uint64_t seed) {
  SAHA_TRY(const Bounds base, drawn(k, seed));
  std::vector<Bounds> all;
  for (std::size_t i = 0; i < variables_.size(); ++i) {
    const Variable& v = variables_[i];
    Bounds b = base;
    if (v.kind == Kind::transform) {
      Alteration& a = *b[i].transform;
      if (a.is_corruption()) {
        const auto& kinds = kinds_[std::pair(base[0].data, base[0].sample)];
        for (const std::string& kind : kinds) {
          a.name = kind, a.numbers = {std::floor(v.high)};
          all.push_back(b);
        }
        continue;
      }
      const std::size_t n = a.numbers.size();
      const auto at = [&](int step, int steps) {
        const double x = v.low + (v.high - v.low) * step / steps, least = std::ceil(v.low);
        return is_whole(a) ? std::clamp(std::nearbyint(x), least, std::max(least, std::floor(v.high))) : x;
      };
      for (int step = 0; step < (n == 1 ? 5 : 9); ++step) {
        a.numbers = n == 1 ? std::vector<double>{at(step, 4)} : std::vector<double>{at(step % 3, 2), at(step / 3, 2)};
        all.push_back(b);
      }
    } else if (v.kind == Kind::region) {
      SAHA_TRY(const Shape s, shape_of(v, base));
      if (s.radius < kInfinity) continue;
      if (s.outside) {   // just beyond each end of each value, and all of them far beyond
        constexpr std::size_t kMostEnds = 64;
        std::vector<std::vector<double>> ends;
        const auto beyond = [&](std::vector<double>& p, std::size_t e, double share) {
          const double wide = s.high[e] - s.low[e];
          if (!std::isfinite(wide)) return;
          const double by = s.whole ? std::ceil(std::abs(share) * wide) : std::abs(share) * wide;
          p[e] = share > 0 ? s.high[e] + by : s.low[e] - by;
        };
        for (double side : {1.0, -1.0}) {
          ends.push_back(s.centre);
          for (std::size_t e = 0; e < s.centre.size(); ++e) beyond(ends.back(), e, side);
        }
        for (std::size_t e = 0; e < std::min(kMostEnds, s.centre.size()); ++e)
          for (double side : {0.01, -0.01}) ends.push_back(s.centre), beyond(ends.back(), e, side);
        for (auto& end : ends) {
          SAHA_TRY(const bool there, has(s, end));
          if (!there) continue;
          place(b, i, s, std::move(end));
          all.push_back(b);
        }
        continue;
      }
      for (const auto* end : {&s.low, &s.high, &s.centre}) {
        if (std::ranges::any_of(*end, [](double x) { return !std::isfinite(x); })) continue;
        place(b, i, s, *end);
        all.push_back(b);
      }
    }
  }
  return all;
}

const std::string* Choices::searched() const {
  const Variable* only = nullptr;
  for (const Variable& v : variables_) {
    if (v.kind != Kind::region) continue;
    if (only) return nullptr;
    only = &v;
  }
  if (only && is_call(*only->what, "outside")) return nullptr;   // it is no box
  return only ? &only->name : nullptr;
}
Result<Shape> Choices::shape(const Bounds& bounds) {
  const auto v = std::ranges::find(variables_, Kind::region, &Variable::kind);
  return shape_of(*v, bounds);
}
void Choices::put(Bounds& bounds, const Shape& s, std::vector<double> values) const {
  const auto v = std::ranges::find(variables_, Kind::region, &Variable::kind);
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (s.whole) values[i] = std::nearbyint(values[i]);
    values[i] = std::clamp(values[i], s.low[i], s.high[i]);
  }
  place(bounds, std::size_t(v - variables_.begin()), s, std::move(values));
}

// ---- smaller ------------------------------------------------------------------------------------------------------------------
Result<Choices::Bounds> Choices::smaller(Bounds bounds, const std::function<Result<bool>(const Bounds&)>& fails, const std::function<bool()>& go_on) {
  for (std::size_t i = 0; i < variables_.size(); ++i) {
    if (variables_[i].kind == Kind::transform) { SAHA_TRY(bounds, smaller_transform(std::move(bounds), i, fails, go_on)); }
    if (variables_[i].kind == Kind::region) { SAHA_TRY(bounds, smaller_point(std::move(bounds), i, fails, go_on)); }
  }
  return bounds;
}

Result<Choices::Bounds> Choices::smaller_transform(Bounds bounds, std::size_t i, const std::function<Result<bool>(const Bounds&)>& fails, const std::function<bool()>& go_on) {
  const Variable& v = variables_[i];
  Alteration& a = *bounds[i].transform;
  if (a.is_corruption()) {
    const double most = a.numbers[0];
    for (double s = std::ceil(v.low); s < most && go_on(); ++s) {
      a.numbers[0] = s;
      SAHA_TRY(const bool failed, fails(bounds));
      if (failed) return bounds;
    }
    a.numbers[0] = most;
    return bounds;
  }
  for (std::size_t j = 0; j < a.numbers.size(); ++j) {
    double bad = a.numbers[j], good = neutral(a, v.low, v.high);
    const auto try_at = [&](double x) -> Result<bool> {
      a.numbers[j] = x;
      SAHA_TRY(const bool failed, fails(bounds));
      if (!failed) a.numbers[j] = bad;
      return failed;
    };
    if (bad == good) continue;
    SAHA_TRY(const bool even_there, try_at(good));
    if (even_there) continue;
    const double step = is_whole(a) ? 1 : step_of(a);
    while (std::abs(bad - good) > step * 1.5 && go_on()) {
      double middle = (good + bad) / 2;
      if (is_whole(a)) middle = std::nearbyint(middle);
      if (middle == bad || middle == good) break;
      SAHA_TRY(const bool failed, try_at(middle));
      (failed ? bad : good) = middle;
      a.numbers[j] = bad;
    }
    // Written in whole steps where that fails as well.
    const double written = (bad > good ? std::ceil(bad / step - 1e-9) : std::floor(bad / step + 1e-9)) * step;
    if (written != bad && written >= v.low && written <= v.high) { SAHA_TRY(const bool failed, try_at(written)); (void)failed; }
  }
  return bounds;
}

Result<Choices::Bounds> Choices::smaller_point(Bounds bounds, std::size_t i, const std::function<Result<bool>(const Bounds&)>& fails, const std::function<bool()>& go_on) {
  SAHA_TRY(const Shape s, shape_of(variables_[i], bounds));
  std::vector<double> best = *bounds[i].changes.back().values;
  std::size_t asked = 0;
  const auto may = [&] { return asked < kMostSmaller && go_on(); };
  const auto try_at = [&](const std::vector<double>& values) -> Result<bool> {
    ++asked;
    SAHA_TRY(const bool there, has(s, values));
    if (!there) return false;
    Bounds b = bounds;
    place(b, i, s, values);
    SAHA_TRY(const bool failed, fails(b));
    if (failed) best = values, bounds = std::move(b);
    return failed;
  };
  const auto nearer = [&]() -> Result<> {   // along the line to the centre
    const std::vector<double> end = best;
    double good = 0, bad = 1;
    for (int k = 0; k < 10 && may(); ++k) {
      const double share = (good + bad) / 2;
      std::vector<double> p = end;
      for (std::size_t e = 0; e < p.size(); ++e) {
        const double d = share * (end[e] - s.centre[e]);
        p[e] = s.centre[e] + (s.whole ? std::trunc(d) : d);
      }
      SAHA_TRY(const bool failed, try_at(p));
      (failed ? bad : good) = share;
    }
    return {};
  };
  SAHA_TRY(const bool even_there, try_at(s.centre));
  if (even_there) return bounds;
  SAHA_DO(nearer());
  std::vector<std::size_t> moved;
  for (std::size_t e = 0; e < best.size(); ++e) if (best[e] != s.centre[e]) moved.push_back(e);
  for (std::size_t chunk = moved.size() / 2; chunk >= 1 && may(); chunk /= 2) {   // values that need not differ
    for (std::size_t from = 0; from < moved.size() && may(); from += chunk) {
      std::vector<double> p = best;
      for (std::size_t e = from; e < std::min(moved.size(), from + chunk); ++e) p[moved[e]] = s.centre[moved[e]];
      if (p == best) continue;
      SAHA_TRY(const bool failed, try_at(p));
      (void)failed;
    }
  }
  SAHA_DO(nearer());
  return bounds;
}

/// "d lies outside in 2 of 6 values, wear = 260 the most"
std::string Choices::described_outside(const std::string& variable, const Shape& s, const std::vector<double>& p) const {
  std::size_t count = 0, which = 0;
  double most = 0;
  for (std::size_t e = 0; e < p.size(); ++e) {
    const double by = std::max(s.low[e] - p[e], p[e] - s.high[e]) / std::max(s.high[e] - s.low[e], 1e-300);
    count += by > 0;
    if (by > most) most = by, which = e;
  }
  std::string name = "value " + std::to_string(which);
  if (!scope_->inputs.empty())
    for (const auto& f : scope_->inputs[0].fields) if (f.index == std::int64_t(which)) name = f.name;
  return variable + " lies outside in " + std::to_string(count) + " of " + std::to_string(p.size()) + " values, " + name + " = " + figures::significant(p[which], 5) + (count > 1 ? " the farthest" : "");
}

std::string Choices::describe(const Bounds& bounds) {
  std::string out;
  const auto add = [&](const std::string& s) { out += (out.empty() ? "" : ", ") + s; };
  for (std::size_t i = 0; i < variables_.size(); ++i) {
    const Variable& v = variables_[i];
    if (v.kind == Kind::transform) add(print(*bounds[i].transform));
    if (v.kind != Kind::region) continue;
    const auto s = shape_of(v, bounds);
    if (!s) continue;
    const std::vector<double>& p = *bounds[i].changes.back().values;
    std::size_t moved = 0;
    double most = 0, square = 0;
    for (std::size_t e = 0; e < p.size(); ++e) {
      const double d = std::abs(p[e] - s->centre[e]);
      moved += d > 0, most = std::max(most, d), square += d * d;
    }
    const std::string unit = scope_->inputs.empty() || scope_->inputs[0].unit.empty() ? "" : " " + scope_->inputs[0].unit;
    const bool domain = v.what->kind == Expr::Kind::name;
    if (s->outside) {
      add(described_outside(v.name, *s, p));
      continue;
    }
    add(domain ? v.name + " anywhere in the domain"
               : v.name + " differs in " + std::to_string(moved) + " of " + std::to_string(p.size()) + " values, by at most " + figures::significant(most, 3) + unit + (s->radius < kInfinity ? ", " + figures::significant(std::sqrt(square), 3) + unit + " in all" : ""));
  }
  return out;
}

}  // namespace saha::validate
