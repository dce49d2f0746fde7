// Hands a model's outputs and the labels to the user's code, and reads its figure.
#include "lifecycle/own_metric.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "data/npy.hpp"
#include "lifecycle/user_command.hpp"
#include "system/file.hpp"

namespace saha::lifecycle {
namespace fs = std::filesystem;
namespace {

// Doubled braces: the text goes where placeholders do.
constexpr const char* kCallFunction = R"(import importlib, json, sys
import numpy
folder, function, outputs, labels = sys.argv[1:]
sys.path.insert(0, folder)
module, name = function.split(":")
value = getattr(importlib.import_module(module), name)(dict(numpy.load(outputs)), numpy.load(labels))
if numpy.ndim(value):
    print(json.dumps({{"per_sample": numpy.asarray(value, dtype=float).ravel().tolist()}}))
else:
    print(json.dumps({{"value": float(value)}}))
)";

/// One array [N, ...] an output. Fails where the rows were not all kept, or differ in size.
Result<> write_outputs(const Answers& answers, std::int64_t samples, const fs::path& to) {
  std::vector<data::NamedTensor> arrays;
  for (const auto& [name, rows] : answers.outputs) {
    const auto form = answers.forms.find(name);
    if (form == answers.forms.end()) continue;
    const std::int64_t each = num_elements(form->second.dims);
    if (std::int64_t(rows.size()) != samples)
      return Error{ErrorCode::unsupported, "output '" + name + "' has too many values to keep: " + std::to_string(each) + " for each of " + std::to_string(samples) + " samples"};
    if (std::any_of(rows.begin(), rows.end(), [&](const auto& r) { return std::int64_t(r.size()) != each; }))
      return Error{ErrorCode::unsupported, "output '" + name + "' has another size from sample to sample, so it is no array"};
    Dims dims = form->second.dims;
    dims.insert(dims.begin(), samples);
    SAHA_TRY(Tensor t, Tensor::make(form->second.dtype, dims));
    for (std::int64_t i = 0; i < samples; ++i) store(t, i * each, each, rows[std::size_t(i)].data());
    arrays.emplace_back(name, std::move(t));
  }
  SAHA_TRY(auto bytes, data::write_npz(arrays));
  return system::write_file(to, system::Bytes{bytes});
}

Result<> write_labels(const data::Dataset& data, const fs::path& to) {
  const bool classes = data.has_labels();
  const Tensor truth = data.truth(0);
  Dims dims = truth.dims;
  dims.insert(dims.begin(), data.size());
  SAHA_TRY(Tensor t, Tensor::make(data.has_truth() ? truth.dtype : classes ? DType::i64 : DType::f64, dims));
  for (std::int64_t i = 0; i < data.size(); ++i) {
    if (data.has_truth()) copy_elements(data.truth(i), 0, 1, t, i * truth.size(), truth.size());
    else if (classes) t.as<std::int64_t>()[i] = data.label(i);
    else t.as<double>()[i] = data.target(i);
  }
  SAHA_TRY(auto bytes, data::write_npy(t));
  return system::write_file(to, system::Bytes{bytes});
}

Result<validate::Metric> parsed(const Json& j, std::int64_t samples) {
  validate::Metric m;
  if (j.contains("per_sample") && !j["per_sample"].is_null()) {
    if (!j["per_sample"].is_array()) return Error{ErrorCode::invalid_data, "'per_sample' is no list"};
    for (const Json& v : j["per_sample"]) m.per_sample.push_back(v.is_number() ? v.get<double>() : v.is_boolean() ? double(v.get<bool>()) : NAN);
    if (std::int64_t(m.per_sample.size()) != samples)
      return Error{ErrorCode::invalid_data, "it gave " + std::to_string(m.per_sample.size()) + " values for " + std::to_string(samples) + " samples"};
    m.value = std::accumulate(m.per_sample.begin(), m.per_sample.end(), 0.0) / double(std::max<std::int64_t>(samples, 1));
  }
  if (j.contains("value") && j["value"].is_number()) m.value = j["value"].get<double>();
  else if (m.per_sample.empty()) return Error{ErrorCode::invalid_data, "its line has neither a number 'value' nor a list 'per_sample'"};
  const bool finite = std::isfinite(m.value) && std::all_of(m.per_sample.begin(), m.per_sample.end(), [](double v) { return std::isfinite(v); });
  if (!finite) return Error{ErrorCode::invalid_data, "it gave a value that is not finite"};
  return m;
}

}  // namespace

Result<std::map<std::string, validate::Metric>> own_metrics(const std::vector<OwnMetric>& metrics, const Answers& answers, const data::Dataset& data,
                                                            const std::function<bool()>& stop) {
  std::map<std::string, validate::Metric> found;
  if (metrics.empty()) return found;
  if (!data.has_labels() && !data.has_targets() && !data.has_truth()) return Error{ErrorCode::invalid_data, "evaluate." + metrics[0].name + " needs labels, targets or masks, the data has none"};
  SAHA_TRY(const auto work, system::TempFolder::make());
  SAHA_DO(write_outputs(answers, data.size(), work.path() / "outputs.npz"));
  SAHA_DO(write_labels(data, work.path() / "labels.npy"));
  for (const OwnMetric& m : metrics) {
    const std::string where = "evaluate." + m.name;
    UserCommand command{where, m.shell, m.argv, m.folder, {}, {{"outputs", (work.path() / "outputs.npz").string()}, {"labels", (work.path() / "labels.npy").string()}}};
    if (!m.python.empty()) {
      command.argv = {"python3", "-B", "-c", kCallFunction, "{folder}", "{function}", "{outputs}", "{labels}"};
      command.values["folder"] = fs::absolute(m.folder).string();
      command.values["function"] = m.python;
    }
    Json result;
    std::string last;
    system::ProcessOptions p;
    p.stop = stop;
    if (m.timeout_s > 0) p.timeout = std::chrono::milliseconds(std::int64_t(m.timeout_s * 1e3));
    p.on_stdout = [&](std::string_view text) {
      Json j = Json::parse(text, nullptr, false);
      if (j.is_object()) result = std::move(j);
      else if (!text.empty()) last = text;
    };
    p.on_stderr = [&](std::string_view text) { if (!text.empty()) last = text; };
    SAHA_TRY(const auto done, command.run(p));
    if (done.stopped) return Error{ErrorCode::cancelled, "interrupted while computing " + where};
    if (!done.ok()) return Error{ErrorCode::invalid_argument, where + " ended with " + system::str(done) + (last.empty() ? "" : "; its last line: " + last)};
    if (!result.is_object()) return Error{ErrorCode::invalid_data, where + " printed no line that is a JSON object", "{\"value\": 0.87}, or {\"per_sample\": [..]} with one value a sample"};
    auto metric = parsed(result, data.size());
    if (!metric) return std::move(metric.error()).within(where);
    found[m.name] = std::move(*metric);
  }
  return found;
}

}  // namespace saha::lifecycle
