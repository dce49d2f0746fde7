#include "verify/problem.hpp"

#include <algorithm>
#include <cmath>
#include <map>

#include "system/machine.hpp"

namespace saha::verify {

namespace {
void allow_for_coefficients(Problem& p);
}

Result<Problem> make_problem(const Net& net, const Property& property, const Property& asked, const Options& options, const Grid* grid) {
  Problem p{net, property, asked, options, {}, {}, {}, {}, grid, {}, kernels::detect_isa(), options.threads};
  if (p.threads <= 0) p.threads = system::cpu().physical;
  using Key = std::pair<std::vector<std::pair<std::int32_t, double>>, std::vector<std::pair<std::int32_t, double>>>;
  std::map<Key, std::int32_t> known;
  std::map<const Box*, std::size_t> box_of;
  for (std::size_t c = 0; c < property.cases.size(); ++c) {
    const Case& one = property.cases[c];
    std::vector<Limit> limits;
    for (const Row& r : one.rows) {
      auto [it, fresh] = known.try_emplace(Key{r.y, r.x}, std::int32_t(p.queries.size()));
      if (fresh) {
        Query q;
        for (auto& [e, v] : r.y) q.terms.emplace_back(e, float(v)), q.rounded |= double(float(v)) != v;
        for (auto& [e, v] : r.x) q.inputs.emplace_back(e, float(v)), q.rounded |= double(float(v)) != v;
        p.queries.push_back(std::move(q));
      }
      limits.push_back({it->second, r.bound, r.strict});
    }
    p.cases.push_back(std::move(limits));
    auto [it, fresh] = box_of.try_emplace(one.box.get(), p.groups.size());
    if (fresh) {
      p.groups.emplace_back();
      Box b = *one.box;
      for (double& v : b.lo) v = double(float(v) <= v ? float(v) : std::nextafter(float(v), -INFINITY));
      for (double& v : b.hi) v = double(float(v) >= v ? float(v) : std::nextafter(float(v), float(INFINITY)));
      p.boxes.push_back(std::move(b));
    }
    p.groups[it->second].push_back(std::int32_t(c));
  }
  if (grid && grid->direct())
    for (Box& b : p.boxes)
      for (std::size_t i = 0; i < b.lo.size(); ++i) {
        b.lo[i] = std::ceil(b.lo[i]), b.hi[i] = std::floor(b.hi[i]);
        if (b.lo[i] > b.hi[i]) return Error{ErrorCode::invalid_argument, "input " + std::to_string(i) + " is an integer, and none lies within its bounds"};
      }
  p.outer = p.boxes;
  if (grid)
    for (Box& b : p.boxes) {
      const std::vector<float> lo(b.lo.begin(), b.lo.end()), hi(b.hi.begin(), b.hi.end());
      SAHA_TRY(const std::vector<float> first, grid->integers(lo));
      SAHA_TRY(const std::vector<float> last, grid->integers(hi));
      b.lo.resize(first.size()), b.hi.resize(first.size());
      for (std::size_t i = 0; i < first.size(); ++i) b.lo[i] = double(std::min(first[i], last[i])), b.hi[i] = double(std::max(first[i], last[i]));
    }
  allow_for_coefficients(p);
  return p;
}

namespace {
/// Coefficients are float32 in a sweep. Where the property's are not, what is cut off of them times the largest magnitude that it can meet, by intervals, goes to the limits.
void allow_for_coefficients(Problem& p) {
  auto cut = [](double v) { return std::fabs(v - double(float(v))); };
  for (std::size_t g = 0; g < p.groups.size(); ++g) {
    std::vector<double> outputs;
    for (std::int32_t c : p.groups[g])
      for (std::size_t r = 0; r < p.property.cases[std::size_t(c)].rows.size(); ++r) {
        const Row& row = p.property.cases[std::size_t(c)].rows[r];
        double slack = 0;
        for (auto& [e, v] : row.x) slack += cut(v) * std::max(std::fabs(p.boxes[g].lo[std::size_t(e)]), std::fabs(p.boxes[g].hi[std::size_t(e)]));
        for (auto& [e, v] : row.y) {
          if (cut(v) == 0) continue;
          if (outputs.empty()) {
            Sweep sweep(p.net, loops(p.isa), 1, 1, p.options.arithmetic);
            for (std::size_t i = 0; i < p.boxes[g].lo.size(); ++i) sweep.lo(0)[i] = float(p.boxes[g].lo[i]), sweep.hi(0)[i] = float(p.boxes[g].hi[i]);
            sweep.start();
            for (std::size_t k = 1; k < p.net.layers.size(); ++k) sweep.forward(k);
            const std::size_t last = p.net.layers.size() - 1;
            for (std::int32_t i = 0; i < p.net.outputs(); ++i) outputs.push_back(sweep.broken(0) ? INFINITY : double(std::max(std::fabs(sweep.lo(last)[i]), std::fabs(sweep.hi(last)[i]))));
          }
          slack += cut(v) * outputs[std::size_t(e)];
        }
        p.cases[std::size_t(c)][r].bound += slack * (1 + 1e-9);
      }
  }
}
}  // namespace

Watch::Watch(const Problem& problem, std::function<Result<std::vector<float>>(const std::vector<float>&)> execute) : problem_(problem), execute_(std::move(execute)) {}

bool Watch::out_of_time() const { return seconds() > problem_.options.timeout_s || (problem_.options.cancelled && problem_.options.cancelled()); }

std::vector<float> Watch::inside(std::size_t group, std::span<const float> x) const {
  std::vector<float> r(x.begin(), x.end());
  if (problem_.grid) {
    const Box& box = problem_.boxes[group];
    for (std::size_t i = 0; i < r.size(); ++i) r[i] = float(std::clamp(double(std::nearbyint(r[i])), box.lo[i], box.hi[i]));
    return r;
  }
  const Box& box = *problem_.property.cases[std::size_t(problem_.groups[group][0])].box;
  for (std::size_t i = 0; i < r.size(); ++i) {
    float lo = float(box.lo[i]), hi = float(box.hi[i]);
    if (double(lo) < box.lo[i]) lo = std::nextafter(lo, float(INFINITY));
    if (double(hi) > box.hi[i]) hi = std::nextafter(hi, -INFINITY);
    r[i] = lo <= hi ? std::clamp(r[i], lo, hi) : float(box.lo[i]);
  }
  return r;
}

bool Watch::try_point(const std::vector<float>& x) {
  if (!problem_.grid) return judge(x).value_or(false);
  for (std::size_t g = 0; g < problem_.groups.size(); ++g) {
    const Box& box = problem_.boxes[g];
    bool in = true;
    for (std::size_t i = 0; in && i < x.size(); ++i) in = double(x[i]) >= box.lo[i] && double(x[i]) <= box.hi[i];
    if (in && execute(g, inside(g, x)).value_or(false)) return true;
  }
  return false;
}

std::optional<bool> Watch::execute(std::size_t group, const std::vector<float>& x) {
  if (!problem_.grid) return judge(x);
  const Box& box = problem_.outer[group];
  const std::vector<float> lo(box.lo.begin(), box.lo.end()), hi(box.hi.begin(), box.hi.end());
  const auto inputs = problem_.grid->inputs(x, lo, hi);
  if (!inputs) return {};
  return *inputs ? judge(**inputs) : false;
}

std::optional<bool> Watch::judge(const std::vector<float>& x) {
  if (stopped()) return false;
  std::unique_lock one_at_a_time(execute_mutex_);
  Result<std::vector<float>> y = execute_(x);
  one_at_a_time.unlock();
  if (!y) return {};
  for (const Case& c : problem_.asked.cases) {
    bool in = true;
    for (std::size_t i = 0; in && i < x.size(); ++i) in = double(x[i]) >= c.box->lo[i] - 1e-7 * std::fabs(c.box->lo[i]) && double(x[i]) <= c.box->hi[i] + 1e-7 * std::fabs(c.box->hi[i]);
    if (!in) continue;
    bool holds = true;
    for (const Row& r : c.rows) {
      double s = 0;
      for (auto& [e, v] : r.x) s += v * double(x[std::size_t(e)]);
      for (auto& [e, v] : r.y) s += v * double((*y)[std::size_t(e)]);
      holds &= r.strict ? s < r.bound : s <= r.bound;
      if (s != s) holds = false;
    }
    if (!holds) continue;
    std::lock_guard lock(mutex_);
    if (!found_) found_.emplace(x, *y);
    stop_ = true;
    return true;
  }
  return false;
}


std::optional<std::pair<std::vector<float>, std::vector<float>>> Watch::found() {
  std::lock_guard lock(mutex_);
  return found_;
}

}  // namespace saha::verify
