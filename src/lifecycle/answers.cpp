#include "lifecycle/answers.hpp"

#include <algorithm>
#include <cctype>
#include <cmath>

#include "front/stated.hpp"
#include "validate/statistics.hpp"

namespace saha::lifecycle {
namespace {
constexpr std::int64_t kBatch = 64;

/// Elements of row i of a [n, ...] tensor (or all of it where it has no batch dim).
std::vector<double> row(const Tensor& t, std::int64_t i, std::int64_t n) {
  bool batched = t.rank() > 0 && t.dims[0] == n;
  std::int64_t per = batched ? t.size() / n : t.size();
  std::vector<double> v(static_cast<std::size_t>(per));
  load(t, batched ? i * per : 0, 1, per, v.data());
  return v;
}
bool numeric(const Tensor& t) { return t.dtype != DType::string && !is_complex(t.dtype) && t.dtype != DType::none; }

/// Which output decides, and what its numbers are.
struct Decisive { std::size_t output = 0; std::string meaning; bool found = false; };
Decisive decisive(std::span<const runtime::Port> outputs, const std::vector<Datum>& first, std::int64_t n, const data::Dataset& data, const std::map<std::string, std::string>& meaning) {
  for (std::size_t k = 0; k < outputs.size(); ++k)
    if (auto it = meaning.find(outputs[k].name); it != meaning.end()) return {k, it->second, true};
  if (data.has_truth()) {
    for (std::size_t k = 0; k < first.size(); ++k)
      if (first[k].is_tensor() && is_float(first[k].tensor.dtype) && first[k].tensor.size() == n * data.truth(0).size()) return {k, "mask", true};
    return {};
  }
  if (data.has_targets() && !data.has_labels()) {
    for (std::size_t k = 0; k < first.size(); ++k) if (first[k].is_tensor() && numeric(first[k].tensor)) return {k, "value", true};
    return {};
  }
  auto classes = std::int64_t(data.classes().size());
  for (std::size_t k = 0; k < first.size(); ++k) {
    if (!first[k].is_tensor() || !is_float(first[k].tensor.dtype)) continue;
    const Tensor& t = first[k].tensor;
    std::int64_t per = t.size() / std::max<std::int64_t>(n, 1);
    if (per < 2 || (classes && per < classes)) continue;
    auto v = row(t, 0, n);
    double sum = 0, least = 0;
    for (double x : v) { sum += x; least = std::min(least, x); }
    return {k, least >= 0 && std::fabs(sum - 1) < 1e-3 ? "probabilities" : "logits", true};
  }
  for (std::size_t k = 0; k < first.size(); ++k)
    if (first[k].is_tensor() && is_int(first[k].tensor.dtype) && first[k].tensor.size() == n) return {k, "label", true};
  for (std::size_t k = 0; k < first.size(); ++k)
    if (first[k].is_tensor() && is_float(first[k].tensor.dtype) && first[k].tensor.size() == n) return {k, classes == 2 ? "probability" : "value", true};
  return {};
}
}  // namespace

double intersection_over_union(std::span<const double> said, std::span<const double> truth, std::int64_t channels, bool last) {
  const auto places = std::int64_t(truth.size());
  struct Count { std::int64_t both = 0, either = 0; };
  std::map<std::int64_t, Count> classes;
  for (std::int64_t p = 0; p < places; ++p) {
    std::int64_t is = 0;
    if (channels == 1) is = said[std::size_t(p)] >= 0.5;
    else for (std::int64_t c = 1; c < channels; ++c)
      if (said[std::size_t(last ? p * channels + c : c * places + p)] > said[std::size_t(last ? p * channels + is : is * places + p)]) is = c;
    const auto should = channels == 1 ? std::int64_t(truth[std::size_t(p)] >= 0.5) : std::int64_t(truth[std::size_t(p)]);
    ++classes[is].either;
    if (is == should) ++classes[is].both;
    else ++classes[should].either;
  }
  if (channels == 1) classes.erase(0);   // of the thing, not of what is around it
  double sum = 0;
  for (const auto& [name, c] : classes) sum += double(c.both) / double(c.either);
  return classes.empty() ? 1 : sum / double(classes.size());
}

Result<std::vector<data::InputSpec>> input_specs(const ir::Model& model, const std::vector<data::InputSpec>& configured) {
  const ir::Graph& g = model.graph;
  std::vector<data::InputSpec> r;
  for (ir::ValueId v : g.inputs()) {
    data::InputSpec s;
    s.name = g.name(v);
    for (const data::InputSpec& c : configured) if (c.name == s.name || (configured.size() == 1 && g.inputs().size() == 1)) s = c;
    s.name = g.name(v);
    SAHA_TRY(const auto stated, front::stated(model.metadata, s.name));
    if (stated && (s.steps.empty() || s.steps.str() == stated->steps.str())) s = {.name = s.name, .steps = stated->outside, .shape = {}, .dtype = DType::none};
    const ir::Type& t = g.type(v);
    if (s.dtype == DType::none) s.dtype = t.dtype;
    if (s.shape.empty()) for (const ir::Dim& d : t.dims) s.shape.push_back(d.known().value_or(-1));
    if (!s.shape.empty()) s.shape[0] = -1;  // the batch
    r.push_back(std::move(s));
  }
  return r;
}

bool are_words(std::span<const std::string> classes) {
  return std::ranges::any_of(classes, [](const std::string& c) { return c.empty() || !std::ranges::all_of(c, [](unsigned char x) { return std::isdigit(x); }); });
}

Result<Answers> answer(runtime::Program& program, const data::Dataset& data, const std::map<std::string, std::string>& meaning, const std::function<bool(std::int64_t)>& go_on) {
  Answers a;
  std::int64_t batch = kBatch;
  for (const runtime::Port& p : program.inputs()) if (!p.dims.empty() && p.dims[0] >= 0) batch = std::max<std::int64_t>(1, p.dims[0]);
  bool fixed = batch != kBatch;
  if (fixed && batch > 1) return Error{ErrorCode::unsupported, "the model takes batches of exactly " + std::to_string(batch) + " samples"};
  Decisive d;
  std::int64_t kept = 0;
  for (std::int64_t at = 0; at < data.size(); at += batch) {
    std::int64_t n = std::min(batch, data.size() - at);
    SAHA_TRY(auto named, data.batch(at, n));
    std::vector<Datum> in;
    for (const runtime::Port& p : program.inputs()) {
      const data::NamedTensor* found = nullptr;
      for (const auto& x : named) if (x.first == p.name) found = &x;
      if (!found) return Error{ErrorCode::invalid_data, "the data has nothing for input '" + p.name + "'"};
      in.emplace_back(found->second);
    }
    auto out = program.run(in);
    if (!out) return std::move(out.error()).within("sample " + data.title(at));
    if (at == 0) {
      for (std::size_t k = 0; k < out->size(); ++k) {
        if (!(*out)[k].is_tensor() || !numeric((*out)[k].tensor)) continue;
        const Tensor& t = (*out)[k].tensor;
        Dims dims = t.dims;
        if (!dims.empty() && dims[0] == n) dims.erase(dims.begin());
        a.forms[program.outputs()[k].name] = {t.dtype, std::move(dims)};
      }
      d = decisive(program.outputs(), *out, n, data, meaning);
      // One number a sample of two classes is that of class 1.
      if (d.found && (*out)[d.output].is_tensor() && (*out)[d.output].tensor.size() == n) {
        if (d.meaning == "probabilities") d.meaning = "probability";
        else if (d.meaning == "logits") d.meaning = "logit";
      }
      if (d.found) {
        a.samples.decisive = a.decisive = program.outputs()[d.output].name;
        a.samples.meaning = a.meaning = d.meaning;
      }
    }
    for (std::int64_t i = 0; i < n; ++i) {
      for (std::size_t k = 0; k < out->size(); ++k) {
        const Datum& y = (*out)[k];
        if (!y.is_tensor() || !numeric(y.tensor) || kept > Answers::kMaxKept) continue;
        auto v = row(y.tensor, i, n);
        kept += std::int64_t(v.size());
        a.outputs[program.outputs()[k].name].push_back(std::move(v));
      }
      if (!d.found) continue;
      const Tensor& t = (*out)[d.output].tensor;
      auto v = row(t, i, n);
      if (d.meaning == "value") {
        a.samples.value.push_back(v.empty() ? NAN : v[0]);
        a.samples.target.push_back(data.target(at + i));
        continue;
      }
      if (d.meaning == "mask") {
        if (!data.has_truth()) continue;
        const Tensor truth = data.truth(at + i);
        const std::int64_t channels = truth.size() > 0 ? std::int64_t(v.size()) / truth.size() : 0;
        if (channels < 1 || channels * truth.size() != std::int64_t(v.size()))
          return Error{ErrorCode::invalid_data, "output '" + a.decisive + "' is " + str(t.dims) + ", the mask of sample " + data.title(at + i) + " " + str(truth.dims) + ": neither one value a place nor one for each class"};
        std::vector<double> places(std::size_t(truth.size()));
        load(truth, 0, 1, truth.size(), places.data());
        a.samples.iou.push_back(intersection_over_union(v, places, channels, t.rank() > 0 && t.dims.back() == channels));
        continue;
      }
      if (d.meaning == "boxes" || d.meaning == "embedding") continue;   // nothing to count
      int label = -1;
      if (d.meaning == "label") label = v.empty() ? -1 : int(v[0]);
      else if (d.meaning == "probability" || d.meaning == "logit") {
        double p = v.empty() ? NAN : d.meaning == "logit" ? 1 / (1 + std::exp(-v[0])) : v[0];
        label = p >= 0.5 ? 1 : 0;
        a.samples.score.push_back(p);
        a.confidence.push_back(float(std::max(p, 1 - p)));
      }
      else {
        label = int(std::max_element(v.begin(), v.end()) - v.begin());
        double top = v[std::size_t(label)];
        if (d.meaning == "logits") {
          double sum = 0;
          for (double x : v) sum += std::exp(x - top);
          top = 1 / sum;
        }
        a.confidence.push_back(float(top));
        if (v.size() == 2) a.samples.score.push_back(v[1]);
      }
      a.samples.predicted.push_back(label);
      if (!data.has_labels()) continue;
      auto right = data.accepted(at + i);
      a.samples.correct.push_back(std::find(right.begin(), right.end(), label) != right.end());
    }
    if (go_on && !go_on(at + n)) return Error{ErrorCode::cancelled, "interrupted after " + std::to_string(at + n) + " of " + std::to_string(data.size()) + " samples"};
  }
  return a;
}

Json summary(const Answers& a, const data::Dataset& data) {
  Json j{{"samples", data.size()}, {"output", a.decisive}, {"meaning", a.meaning}};
  if (!a.samples.correct.empty()) {
    auto n = std::int64_t(a.samples.correct.size());
    auto k = std::int64_t(std::count(a.samples.correct.begin(), a.samples.correct.end(), 1));
    auto interval = validate::proportion_interval(k, n, 0.95);
    j["correct"] = k;
    j["accuracy"] = double(k) / double(std::max<std::int64_t>(n, 1));
    j["lower"] = interval.lower;
    j["upper"] = interval.upper;
    j["confidence"] = 0.95;
    std::size_t classes = data.classes().size();
    for (int p : a.samples.predicted) classes = std::max(classes, std::size_t(std::max(p, 0)) + 1);
    if (classes <= 64) {
      std::vector<std::vector<std::int64_t>> confusion(classes, std::vector<std::int64_t>(classes, 0));
      for (std::int64_t i = 0; i < n; ++i) {
        int truth = data.label(i), said = a.samples.predicted[std::size_t(i)];
        if (truth >= 0 && std::size_t(truth) < classes && said >= 0) ++confusion[std::size_t(truth)][std::size_t(said)];
      }
      j["confusion"] = confusion;
    }
    j["classes"] = data.classes();
  } else if (!a.samples.iou.empty()) {
    const auto m = validate::mean_of(a.samples.iou);
    j["iou"] = m.mean;
    j["lower"] = std::max(0.0, validate::mean_lower(m, 0.975));
    j["upper"] = std::min(1.0, validate::mean_upper(m, 0.975));
    j["confidence"] = 0.95;
  } else if (!a.samples.value.empty()) {
    double absolute = 0, square = 0;
    for (std::size_t i = 0; i < a.samples.value.size(); ++i) {
      double e = a.samples.value[i] - a.samples.target[i];
      absolute += std::fabs(e);
      square += e * e;
    }
    auto n = double(a.samples.value.size());
    j["mae"] = absolute / n;
    j["rmse"] = std::sqrt(square / n);
  }
  return j;
}

Json kept(const Answers& a) {
  Json own = Json::object();
  for (const auto& [name, m] : a.own) own[name] = {{"value", m.value}, {"per_sample", m.per_sample}};
  return {{"own", own}, {"decisive", a.decisive}, {"meaning", a.meaning}, {"correct", a.samples.correct}, {"predicted", a.samples.predicted}, {"value", a.samples.value}, {"target", a.samples.target},
          {"score", a.samples.score}, {"iou", a.samples.iou}, {"confidence", a.confidence}, {"outputs", a.outputs}};
}

Answers answers_of(const Json& k) {
  auto reals = [](const Json& list) {
    std::vector<double> r;
    for (const auto& x : list) r.push_back(x.is_number() ? x.get<double>() : NAN);
    return r;
  };
  Answers a;
  a.decisive = k["decisive"];
  a.meaning = k["meaning"];
  a.samples.decisive = a.decisive;
  a.samples.meaning = a.meaning;
  a.samples.correct = k["correct"].get<std::vector<std::uint8_t>>();
  a.samples.predicted = k["predicted"].get<std::vector<std::int32_t>>();
  a.samples.value = reals(k["value"]);
  a.samples.target = reals(k["target"]);
  a.samples.score = reals(k["score"]);
  if (k.contains("iou")) a.samples.iou = reals(k["iou"]);
  for (double x : reals(k["confidence"])) a.confidence.push_back(float(x));
  if (k.contains("own"))
    for (auto& [name, m] : k["own"].items()) a.own[name] = {m["value"].get<double>(), reals(m["per_sample"])};
  for (auto& [name, rows] : k["outputs"].items())
    for (const auto& r : rows) a.outputs[name].push_back(reals(r));
  return a;
}

}  // namespace saha::lifecycle
