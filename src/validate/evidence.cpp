#include "validate/evidence.hpp"

#include <algorithm>
#include <optional>

namespace saha::validate {
namespace {

Error absent(std::string what) { return {ErrorCode::invalid_data, std::move(what)}; }
std::string quoted(std::string_view s) { return "'" + std::string(s) + "'"; }

template <class Map, class Key>
auto found(const Map& map, const Key& key, std::string what) -> Result<typename Map::mapped_type> {
  auto at = map.find(key);
  if (at == map.end()) return absent(std::move(what));
  return typename Map::mapped_type(at->second);
}

}  // namespace

std::string_view name(How how) {
  return how == How::measured ? "measured" : how == How::emulated ? "emulated" : "modelled";
}

std::string_view name(Quantity q) {
  switch (q) {
    case Quantity::latency_s: return "latency";
    case Quantity::throughput_per_s: return "throughput";
    case Quantity::ram_bytes: return "peak memory";
    case Quantity::flash_bytes: return "flash";
    case Quantity::size_bytes: return "size";
    case Quantity::energy_j: return "energy";
    case Quantity::load_time_s: return "load time";
    case Quantity::edgetpu_mapped: return "share on the Edge TPU";
  }
  return "?";
}

Error no_prover(std::string_view what) { return {ErrorCode::unsupported, std::string(what) + " needs the verifier, which is not at hand here"}; }

Result<std::shared_ptr<const Network>> Evidence::network(std::string_view) { return no_prover("'prove'"); }
Result<std::vector<double>> Evidence::point(std::string_view, std::int64_t) { return no_prover("a region around a sample"); }
Result<Outputs> Evidence::execute(std::string_view, std::span<const double>) { return no_prover("a counterexample"); }
Result<verify::Outcome> Evidence::prove(const Query&) { return no_prover("'prove'"); }
Result<Contents> Evidence::contents(std::string_view data) { return absent("what data set " + quoted(data) + " holds was not read"); }

Result<Contents> RecordedEvidence::contents(std::string_view data) {
  return found(contents_of, std::string(data), "what data set " + quoted(data) + " holds was not read");
}

// The largest table decides: a model that was run on fewer samples lacks some, which must show.
Result<std::int64_t> RecordedEvidence::count(std::string_view data) {
  std::optional<std::size_t> n;
  auto seen = [&](std::size_t size) { n = std::max(n.value_or(0), size); };
  if (auto l = labels_of.find(std::string(data)); l != labels_of.end()) seen(l->second.size());
  for (const auto& [key, s] : samples_of) {
    if (key.second == data) seen(std::max({s.correct.size(), s.predicted.size(), s.value.size(), s.score.size()}));
  }
  for (const auto& [key, outputs] : outputs_of) {
    if (key.first.second == data) seen(outputs.size());
  }
  for (const auto& [key, column] : columns_of) {
    if (key.first == data) seen(column.size());
  }
  if (!n) return absent("data set " + quoted(data) + " is not here");
  return static_cast<std::int64_t>(*n);
}

Result<std::vector<std::int32_t>> RecordedEvidence::labels(std::string_view data) {
  return found(labels_of, std::string(data), "data set " + quoted(data) + " has no labels here");
}

Result<std::vector<std::string>> RecordedEvidence::column(std::string_view data, std::string_view column) {
  return found(columns_of, Pair(data, column), "data set " + quoted(data) + " has no column " + quoted(column) + " here");
}

Result<Samples> RecordedEvidence::samples(std::string_view model, std::string_view data) {
  return found(samples_of, Pair(model, data), quoted(model) + " was not run on data set " + quoted(data));
}

Result<Metric> RecordedEvidence::metric(std::string_view metric, std::string_view model, std::string_view data) {
  return found(metric_of, std::pair(std::string(metric), Pair(model, data)),
               quoted(metric) + " of " + quoted(model) + " was not computed on data set " + quoted(data));
}

Result<Measurement> RecordedEvidence::measure(Quantity quantity, std::string_view model, std::int64_t) {
  return found(measurement_of, std::pair(quantity, std::string(model)),
               std::string(name(quantity)) + " of " + quoted(model) + " was not measured");
}

Result<std::vector<double>> RecordedEvidence::output(std::string_view model, std::string_view data, std::int64_t sample,
                                                     std::string_view output) {
  auto at = outputs_of.find({Pair(model, data), std::string(output)});
  if (at == outputs_of.end())
    return absent("output " + quoted(output) + " of " + quoted(model) + " was not recorded on data set " + quoted(data));
  if (sample < 0 || sample >= static_cast<std::int64_t>(at->second.size())) {
    return absent("output " + quoted(output) + " of " + quoted(model) + " has no sample " + std::to_string(sample));
  }
  return std::vector<double>(at->second[static_cast<std::size_t>(sample)]);
}

}  // namespace saha::validate
