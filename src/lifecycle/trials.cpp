#include "lifecycle/trials.hpp"

#include <algorithm>
#include <cmath>

#include "attack/attack.hpp"
#include "attack/losses.hpp"
#include "attack/slopes.hpp"
#include "backends/registry.hpp"
#include "base/figures.hpp"
#include "front/fold.hpp"

namespace saha::lifecycle {
namespace {

constexpr std::size_t kRemembered = 4;
constexpr int kApgdSteps = 50, kApgdStarts = 2, kSquareSteps = 300;

Result<corrupt::Range> known(const corrupt::Range& r, const validate::Scope& scope, const std::string& what) {
  if (std::isfinite(r.low) && std::isfinite(r.high)) return r;
  return Error{ErrorCode::invalid_data, "'" + what + "' needs the domain of the input, [0, 1] or [0, 255] say", "add model.input." + (scope.inputs.empty() ? std::string("NAME") : scope.inputs[0].name) + ".domain: [lo, hi]"};
}
data::Item with_values(const data::Item& form, std::span<const double> values) {
  data::Item out{Tensor::zeros(form.tensor.dtype, form.tensor.dims), form.rate_hz};
  if (is_float(form.tensor.dtype)) {
    fill(out.tensor, values);
    return out;
  }
  std::vector<double> whole(values.begin(), values.end());
  for (double& v : whole) v = std::nearbyint(v);
  fill(out.tensor, std::span<const double>(whole));
  return out;
}
Tensor stacked(std::span<const Tensor> rows) {
  Dims dims = rows[0].dims;
  dims.insert(dims.begin(), std::int64_t(rows.size()));
  Tensor all = Tensor::zeros(rows[0].dtype, std::move(dims));
  for (std::size_t r = 0; r < rows.size(); ++r) copy_elements(rows[r], 0, 1, all, std::int64_t(r) * rows[r].size(), rows[r].size());
  return all;
}
bool one_at_a_time(const runtime::Program& p) {
  return std::ranges::any_of(p.inputs(), [](const runtime::Port& port) { return !port.dims.empty() && port.dims[0] >= 0; });
}

}  // namespace

struct ModelTrials::Loaded {
  std::unique_ptr<runtime::Program> program;
  data::Dataset set;
};
struct ModelTrials::Gradient {
  std::unique_ptr<runtime::Program> program;
  std::vector<std::int64_t> place;   // input element i of a row is raw number place[i]
  Dims dims;                         // of a row
  std::string why;                   // there is none
};
ModelTrials::ModelTrials(std::map<std::string, TrialModel> models, const std::map<std::string, data::Dataset>& sets, const validate::Scope& scope) : models_(std::move(models)), sets_(&sets), scope_(&scope) {}
ModelTrials::~ModelTrials() = default;

corrupt::Range ModelTrials::range(const data::Item& item) const {
  constexpr double kAny = std::numeric_limits<double>::infinity();
  if (!scope_->inputs.empty() && scope_->inputs[0].domain) return {scope_->inputs[0].domain->first, scope_->inputs[0].domain->second};
  if (item.tensor.dtype == DType::u8) return {0, 255};
  if (item.rate_hz > 0) return {-1, 1};
  return {-kAny, kAny};
}

Result<ModelTrials::Loaded*> ModelTrials::loaded(const std::string& name, const std::string& data) {
  auto& slot = loaded_[{name, data}];
  if (slot) return slot.get();
  const auto m = models_.find(name);
  if (m == models_.end()) return Error{ErrorCode::invalid_data, "'" + name + "' is not at hand"};
  const auto set = sets_->find(data);
  if (set == sets_->end()) return Error{ErrorCode::invalid_data, "data set '" + data + "' is not here"};
  auto made = std::make_unique<Loaded>();
  SAHA_TRY(made->set, set->second.for_inputs(m->second.inputs));
  SAHA_TRY(const auto engine, backends::open(m->second.backend));
  SAHA_TRY(made->program, engine->load(*m->second.model, {.threads = m->second.threads, .precision = "float32", .file = m->second.file}));
  slot = std::move(made);
  return slot.get();
}

Result<data::Item> ModelTrials::original(const std::string& data, std::int64_t sample) {
  SAHA_TRY(Loaded* const l, loaded("candidate", data));
  if (sample < 0 || sample >= l->set.size()) return Error{ErrorCode::invalid_data, "data set '" + data + "' has no sample " + std::to_string(sample)};
  SAHA_TRY(auto items, l->set.items(sample));
  if (items.size() != 1) return Error{ErrorCode::unsupported, "the model has " + std::to_string(items.size()) + " inputs; inputs are altered where there is one"};
  return std::move(items[0]);
}
Result<data::Item> ModelTrials::item(const validate::Altered& input) {
  SAHA_TRY(data::Item item, original(input.data, input.sample));
  for (const validate::Alteration& a : input.changes) {
    if (a.name.empty()) {
      if (std::int64_t(a.values->size()) != item.tensor.size()) return Error{ErrorCode::internal, "a point has " + std::to_string(a.values->size()) + " values, the sample " + std::to_string(item.tensor.size())};
      item = with_values(item, *a.values);
      continue;
    }
    SAHA_TRY(const corrupt::Range domain, known(range(item), *scope_, a.name));
    SAHA_TRY(item, corrupt::altered(item, a.name, a.numbers, a.seed, domain));
  }
  return item;
}

Result<validate::Raw> ModelTrials::raw(const validate::Altered& input) {
  SAHA_TRY(const data::Item at, item(input));
  if (at.tensor.dtype == DType::string || is_complex(at.tensor.dtype)) return Error{ErrorCode::unsupported, "a sample of " + std::string(name(at.tensor.dtype)) + " is not made of numbers"};
  const corrupt::Range domain = range(at);
  validate::Raw r;
  r.values = values<double>(at.tensor);
  r.low.assign(r.values.size(), domain.low), r.high.assign(r.values.size(), domain.high);
  if (!scope_->inputs.empty())   // a table: each column has its own
    for (const auto& f : scope_->inputs[0].fields)
      if (f.domain && f.index >= 0 && f.index < std::int64_t(r.low.size())) r.low[std::size_t(f.index)] = f.domain->first, r.high[std::size_t(f.index)] = f.domain->second;
  r.whole = !is_float(at.tensor.dtype);
  const corrupt::Medium medium = corrupt::medium(at, domain);
  r.picture = medium == corrupt::Medium::picture, r.sound = medium == corrupt::Medium::sound;
  return r;
}
Result<std::vector<std::string>> ModelTrials::corruptions(const std::string& data, std::int64_t sample) {
  SAHA_TRY(const data::Item item, original(data, sample));
  SAHA_TRY(const corrupt::Range domain, known(range(item), *scope_, "corruptions"));
  return corrupt::kinds_of(item, domain);
}

/// [rows] of the outputs, one after another, for raw items.
Result<std::vector<std::vector<double>>> ModelTrials::run(Loaded& l, const std::vector<data::Item>& items, const std::vector<std::string>& outputs) {
  const bool single = one_at_a_time(*l.program);
  std::vector<std::vector<double>> rows(items.size());
  std::vector<Tensor> ready;
  for (std::size_t at = 0; at < items.size(); ++at) {
    SAHA_TRY(const auto named, l.set.prepared({items[at]}));
    ready.push_back(named[0].second);
    if (!single && at + 1 < items.size()) continue;
    const std::vector<Datum> in = {Datum(stacked(ready))};
    SAHA_TRY(const auto out, l.program->run(in));
    const std::size_t n = ready.size(), first = at + 1 - n;
    for (const std::string& name : outputs) {
      const auto port = std::ranges::find(l.program->outputs(), name, &runtime::Port::name);
      if (port == l.program->outputs().end()) return Error{ErrorCode::invalid_data, "the model has no output '" + name + "'"};
      const Datum& y = out[std::size_t(port - l.program->outputs().begin())];
      if (!y.is_tensor() || y.tensor.dtype == DType::string || is_complex(y.tensor.dtype) || y.tensor.size() % std::int64_t(n) != 0) return Error{ErrorCode::unsupported, "output '" + name + "' is not made of numbers for each sample"};
      const auto v = values<double>(y.tensor);
      const std::size_t per = v.size() / n;
      for (std::size_t r = 0; r < n; ++r) rows[first + r].insert(rows[first + r].end(), v.begin() + std::ptrdiff_t(r * per), v.begin() + std::ptrdiff_t((r + 1) * per));
    }
    ready.clear();
  }
  return rows;
}

Result<std::vector<double>> ModelTrials::output(const std::string& model, const validate::Altered& input, const std::string& output) {
  auto known = std::ranges::find_if(last_, [&](const Last& l) { return l.model == model && l.input == input; });
  if (known == last_.end()) {
    if (last_.size() >= kRemembered) last_.pop_back();
    known = last_.insert(last_.begin(), {model, input, {}});
  }
  if (const auto v = known->outputs.find(output); v != known->outputs.end()) return std::vector<double>(v->second);
  SAHA_TRY(Loaded* const l, loaded(model, input.data));
  SAHA_TRY(data::Item at, item(input));
  SAHA_TRY(auto rows, run(*l, {std::move(at)}, {output}));
  return std::vector<double>(known->outputs[output] = std::move(rows[0]));
}

// ---- search -------------------------------------------------------------------------------------------------------------------
/// The gradient of a model by the raw numbers of samples of this form. Where it has none, why.
Result<ModelTrials::Gradient*> ModelTrials::gradient(const std::string& name, const data::Item& form, const std::vector<std::string>& outputs) {
  std::string key = name + str(form.tensor.dims) + std::to_string(form.rate_hz);
  for (const auto& o : outputs) key += "\n" + o;
  auto& slot = gradients_[key];
  if (slot) return slot.get();
  slot = std::make_unique<Gradient>();
  const TrialModel& m = models_.at(name);
  const auto make = [&]() -> Result<> {
    ir::Model made;
    const data::Preprocess& steps = m.inputs[0].steps;
    const bool decoded = steps.empty() || (steps.steps().size() == 1 && data::name(steps.steps()[0]) == "decode");
    std::vector<double> places(std::size_t(form.tensor.size()));
    for (std::size_t i = 0; i < places.size(); ++i) places[i] = double(i);
    data::Item numbered{Tensor::of(DType::f64, form.tensor.dims, std::span<const double>(places)), form.rate_hz};
    Tensor order = numbered.tensor;
    if (decoded) {
      const Dims& shape = m.inputs[0].shape;
      SAHA_TRY(order, data::conform(std::move(order), shape.empty() ? form.tensor.dims : Dims(shape.begin() + 1, shape.end()), DType::f64));
      SAHA_TRY(made.graph, attack::slopes(m.model->graph, 0, outputs));
    } else {
      front::Raw raw{.dims = form.tensor.dims, .rate_hz = form.rate_hz};
      if (form.rate_hz == 0 && raw.dims.size() == 3) raw.dims.resize(2);
      SAHA_TRY(const auto folded, front::fold(m.model->graph, 0, steps, raw));
      if (!folded.outside.empty() && !(folded.outside.steps().size() == 1 && data::name(folded.outside.steps()[0]) == "decode"))
        return Error{ErrorCode::unsupported, "'" + std::string(data::name(folded.outside.steps().back())) + "' is no part of a graph"};
      SAHA_TRY(made.graph, attack::slopes(folded.graph, 0, outputs));
    }
    for (double p : values<double>(order)) slot->place.push_back(std::int64_t(p));
    slot->dims = order.dims;
    SAHA_TRY(const auto native, backends::open("native"));
    SAHA_TRY(slot->program, native->load(made, {.threads = m.threads, .precision = "float32", .file = {}}));
    return {};
  };
  if (auto done = make(); !done) slot->why = done.error().message;
  return slot.get();
}
Result<std::vector<float>> ModelTrials::slopes(Gradient& g, const data::Item& form, std::span<const float> points, const std::vector<std::vector<float>>& weights) {
  const auto size = std::size_t(form.tensor.size());
  const std::size_t rows = points.size() / size;
  const bool single = one_at_a_time(*g.program);
  std::vector<float> result(points.size());
  for (std::size_t at = 0; at < rows; at += single ? 1 : rows) {
    const std::size_t n = single ? 1 : rows;
    Dims dims = g.dims;
    dims.insert(dims.begin(), std::int64_t(n));
    Tensor x = Tensor::zeros(DType::f32, dims);
    for (std::size_t r = 0; r < n; ++r)
      for (std::size_t i = 0; i < size; ++i) {
        const float v = points[(at + r) * size + std::size_t(g.place[i])];
        x.as<float>()[r * size + i] = is_float(form.tensor.dtype) ? v : std::nearbyintf(v);
      }
    std::vector<Datum> in = {Datum(std::move(x))};
    for (std::size_t k = 0; k < weights.size(); ++k) {
      const runtime::Port& port = g.program->inputs()[k + 1];
      Dims shape;
      for (std::int64_t d : port.dims) shape.push_back(d);
      const std::size_t per = weights[k].size() / rows;
      std::int64_t known = 1;
      for (std::size_t i = 1; i < shape.size(); ++i) known *= std::max<std::int64_t>(shape[i], 1);
      if (!shape.empty() && shape[0] < 0) shape[0] = std::int64_t(n);
      if (num_elements(shape) != std::int64_t(per * n)) return Error{ErrorCode::unsupported, "output '" + port.name + "' has no fixed size"};
      Tensor w = Tensor::zeros(port.dtype, shape);
      std::vector<double> v(weights[k].begin() + std::ptrdiff_t(at * per), weights[k].begin() + std::ptrdiff_t((at + n) * per));
      fill(w, std::span<const double>(v));
      in.emplace_back(std::move(w));
    }
    SAHA_TRY(const auto out, g.program->run(in));
    const auto d = values<double>(out[0].tensor);
    if (d.size() != n * size) return Error{ErrorCode::unsupported, "the slope has " + std::to_string(d.size()) + " numbers for " + std::to_string(n * size)};
    for (std::size_t r = 0; r < n; ++r)
      for (std::size_t i = 0; i < size; ++i) result[(at + r) * size + std::size_t(g.place[i])] = float(d[r * size + i]);
  }
  return result;
}

Result<attack::Model> ModelTrials::attacked(const std::vector<validate::Search::Leaf>& leaves, const std::string& data, const data::Item& form, std::string& why) {
  struct Part {   // what is asked of one model
    Loaded* loaded = nullptr;
    Gradient* gradient = nullptr;
    std::string model;
    std::vector<std::string> outputs;
    std::vector<std::size_t> leaves, widths;   // of outputs
  };
  auto parts = std::make_shared<std::vector<Part>>();
  for (std::size_t k = 0; k < leaves.size(); ++k) {
    auto p = std::ranges::find(*parts, leaves[k].model, &Part::model);
    if (p == parts->end()) {
      p = parts->emplace(parts->end());
      p->model = leaves[k].model;
      SAHA_TRY(p->loaded, loaded(p->model, data));
    }
    p->outputs.push_back(leaves[k].output), p->leaves.push_back(k);
  }
  attack::Model made;
  made.size = form.tensor.size();
  std::vector<std::size_t> first(leaves.size(), 0);   // where a leaf begins in a row
  for (Part& p : *parts)
    for (const std::string& output : p.outputs) {
      SAHA_TRY(const auto rows, run(*p.loaded, {form}, {output}));
      p.widths.push_back(rows[0].size());
      made.width += std::int64_t(rows[0].size());
    }
  for (std::size_t k = 0, at = 0; k < leaves.size(); ++k)
    for (const Part& p : *parts)
      for (std::size_t i = 0; i < p.leaves.size(); ++i)
        if (p.leaves[i] == k) first[k] = at, at += p.widths[i];
  const auto size = std::size_t(made.size), width = std::size_t(made.width);
  made.outputs = [this, parts, first, form, size, width](std::span<const float> points) -> Result<std::vector<float>> {
    const std::size_t rows = points.size() / size;
    std::vector<data::Item> items;
    for (std::size_t r = 0; r < rows; ++r) items.push_back(with_values(form, std::vector<double>(points.begin() + std::ptrdiff_t(r * size), points.begin() + std::ptrdiff_t((r + 1) * size))));
    std::vector<float> flat(rows * width);
    for (const Part& p : *parts) {
      SAHA_TRY(const auto y, run(*p.loaded, items, p.outputs));
      for (std::size_t r = 0; r < rows; ++r)
        for (std::size_t i = 0, at = 0; i < p.leaves.size(); at += p.widths[i++])
          for (std::size_t k = 0; k < p.widths[i]; ++k) flat[r * width + first[p.leaves[i]] + k] = float(y[r][at + k]);
    }
    return flat;
  };
  for (Part& p : *parts) {
    SAHA_TRY(p.gradient, gradient(p.model, form, p.outputs));
    if (!p.gradient->program) why = p.gradient->why;
  }
  if (!why.empty()) return made;
  made.slopes = [this, parts, first, form, size, width](std::span<const float> points, std::span<const float> weights) -> Result<std::vector<float>> {
    const std::size_t rows = points.size() / size;
    std::vector<float> sum(points.size(), 0);
    for (const Part& p : *parts) {
      std::vector<std::vector<float>> by_output;
      for (std::size_t i = 0; i < p.leaves.size(); ++i) {
        auto& w = by_output.emplace_back();
        for (std::size_t r = 0; r < rows; ++r) {
          const auto from = weights.begin() + std::ptrdiff_t(r * width + first[p.leaves[i]]);
          w.insert(w.end(), from, from + std::ptrdiff_t(p.widths[i]));
        }
      }
      SAHA_TRY(const auto d, slopes(*p.gradient, form, points, by_output));
      for (std::size_t i = 0; i < d.size(); ++i) sum[i] += d[i];
    }
    return sum;
  };
  return made;
}

Result<validate::Searched> ModelTrials::search(const validate::Search& s) {
  SAHA_TRY(const data::Item form, item(s.around));
  std::string no_slopes;
  SAHA_TRY(const attack::Model model, attacked(s.leaves, s.around.data, form, no_slopes));
  std::vector<std::size_t> widths;
  for (const auto& leaf : s.leaves) {
    SAHA_TRY(const auto y, output(leaf.model, s.around, leaf.output));
    widths.push_back(y.size());
  }
  attack::Region region;
  region.centre.assign(s.centre.begin(), s.centre.end());
  region.low.assign(s.low.begin(), s.low.end()), region.high.assign(s.high.begin(), s.high.end()), region.reach.assign(s.reach.begin(), s.reach.end());
  region.radius = s.radius;
  const auto slack = [&](std::span<const float> y, std::span<float> slope) {
    std::vector<std::vector<double>> outputs, by;
    std::size_t at = 0;
    for (std::size_t w : widths) outputs.emplace_back(y.begin() + std::ptrdiff_t(at), y.begin() + std::ptrdiff_t(at + w)), at += w;
    const double v = s.slack(outputs, slope.empty() ? nullptr : &by);
    at = 0;
    if (!slope.empty()) for (const auto& b : by) for (double d : b) slope[at++] = float(-d);
    return v;
  };
  bool found = false;
  attack::Goal goal;
  goal.loss = [&](std::size_t, std::span<const float> y, std::span<float> slope) { return -slack(y, slope); };
  goal.broken = [&](std::size_t, std::span<const float> y) {
    const bool broken = slack(y, {}) < 0;
    found = found || broken;
    return broken;
  };
  goal.go_on = [&] { return !found && s.go_on(); };
  attack::Goal by_entropy = goal, by_dlr = goal;
  if (s.label) {
    by_entropy.loss = [&](std::size_t, std::span<const float> y, std::span<float> slope) { return attack::cross_entropy(y, *s.label, slope); };
    by_dlr.loss = [&](std::size_t, std::span<const float> y, std::span<float> slope) { return attack::dlr(y, *s.label, slope); };
  }

  validate::Searched out;
  const std::vector<attack::Region> starts(kApgdStarts, region);
  const auto take = [&](Result<std::vector<attack::Found>> rows) -> Result<> {
    if (!rows) return std::move(rows.error());
    for (const attack::Found& f : *rows) {
      out.runs += f.runs;
      if (f.point.empty()) continue;
      std::vector<double> p(f.point.begin(), f.point.end());
      f.broken ? out.points.insert(out.points.begin(), std::move(p)) : out.points.insert(out.points.end(), std::move(p));
    }
    return {};
  };
  if (no_slopes.empty()) {
    out.how = "APGD";
    SAHA_DO(take(attack::apgd(model, starts, s.label ? by_entropy : goal, {.steps = kApgdSteps, .seed = s.seed})));
    if (!found && s.label) SAHA_DO(take(attack::apgd(model, starts, by_dlr, {.steps = kApgdSteps, .seed = s.seed + 1})));
  }
  if (!found && s.go_on()) {
    const corrupt::Layout l = corrupt::layout(form, range(form));
    const attack::Picture picture = l.height ? attack::Picture{l.height, l.width, l.channels, l.channels_last} : attack::Picture{};
    out.how += out.how.empty() ? "Square" : " and Square";
    SAHA_DO(take(attack::square(model, std::span(&region, 1), goal, picture, {.steps = kSquareSteps, .seed = s.seed})));
  }
  return out;
}

}  // namespace saha::lifecycle
