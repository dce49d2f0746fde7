// Compress: candidates in fewer bits, each made of the simplified model.
#include <algorithm>

#include "backends/registry.hpp"
#include "base/figures.hpp"
#include "compress/errors.hpp"
#include "compress/quantize.hpp"
#include "lifecycle/compression.hpp"
#include "lifecycle/stages.hpp"

namespace saha::lifecycle {
namespace fs = std::filesystem;
namespace {
Json number(double v) { return std::isfinite(v) ? Json(v) : Json(); }

/// What the stage keeps of a quantised graph.
Json described(const compress::Quantizer& q, const std::vector<compress::Width>& widths) {
  Json layers = Json::array();
  std::map<std::string, int> counts;
  for (std::size_t i = 0; i < q.layers().size(); ++i) {
    const compress::Layer& l = q.layers()[i];
    ++counts[std::string(name(widths[i]))];
    layers.push_back({{"name", l.name}, {"operator", l.op}, {"width", name(widths[i])}, {"sqnr_db", number(l.sqnr_db)}, {"alone_db", number(l.alone_db)}, {"range_used", number(l.bulk)}, {"reason", l.reason}});
  }
  return {{"layers", layers}, {"widths", counts}};
}
}  // namespace

bool Pipeline::has_variant(const std::string& name) const {
  return std::any_of(variants_.begin(), variants_.end(), [&](const Variant& v) { return v.name == name; });
}

Result<> Pipeline::compress(const Compression& c) {
  const Variant& from = variant("float32");
  const Quantize& how = c.quantize;
  const char* seen = sets_.contains("calibration") ? "calibration" : "train";
  const char* by = sets_.contains("val") ? "val" : seen;   // the test set is for requirements
  SAHA_TRY(const auto narrow, how.narrow());
  if (!narrow && !sets_.contains(seen)) return Error{ErrorCode::invalid_data, "compress." + c.name + " finds ranges on data.calibration or data.train, and there is neither"};
  SAHA_TRY(auto engine, backends::open("native"));
  Json steps = Json::object();
  for (const auto& i : c_.inputs) steps[i.name] = i.steps.str();
  const Json floor = !how.floor ? Json() : Json{{"value", how.floor->value}, {"unit", how.floor->decibels ? "dB" : "share"}};
  Json inputs{{"model", from.sha256}, {"scheme", how.scheme}, {"to", how.to}, {"keep", how.keep}, {"preprocess", steps}, {"judge", by}, {"judged", sets_.contains(by) ? Json(set_hash_[by]) : Json()}, {"version", engine->version()}};
  if (!narrow) inputs.update(Json{{"calibrate", how.calibrate}, {"samples", how.samples}, {"floor", floor}, {"without", how.without}, {"seed", c_.seed}, {"calibration", set_hash_[seen]}, {"meaning", c_.output_meaning}});
  auto make = [&](const fs::path& folder) -> Result<Json> {
    const std::string stage_name = "compress/" + c.name;
    compress::Watch watch;
    watch.on_progress = [&](std::string_view what, std::int64_t done, std::int64_t total) { if (o_.on_progress) o_.on_progress(stage_name + ": " + std::string(what), done, total); };
    watch.stop = o_.stop;
    SAHA_TRY(const auto specs, input_specs(from.model, c_.inputs));
    ir::Model m = from.model;
    std::int64_t opset = 13;
    Json j;
    if (narrow) {
      SAHA_TRY(auto made, compress::narrowed(from.model.graph, *narrow));
      m.graph = std::move(made.graph);
      opset = made.opset;
      j = {{"layers", Json::array()}, {"widths", {{(how.scheme == "static" ? "" : how.scheme + " ") + how.to, made.layers}}}, {"sqnr_db", nullptr}, {"floor", ""}};
      if (sets_.contains(by)) {
        SAHA_TRY(const data::Dataset judged, sets_.at(by).for_inputs(specs));
        SAHA_TRY(const auto judging, samples_of(judged, from.model.graph));
        SAHA_TRY(const double db, Judge({from.model, judged, judging, c_.output_meaning, *engine, threads(c_.targets[0]), watch}).sqnr(from.model.graph, m.graph));
        j["sqnr_db"] = number(db);
      }
    } else {
      SAHA_TRY(data::Dataset calibration, sets_.at(seen).for_inputs(specs));
      calibration = calibration.take(how.samples, c_.seed);
      SAHA_TRY(const data::Dataset judged, sets_.at(by).for_inputs(specs));
      SAHA_TRY(const auto ranges, samples_of(calibration, from.model.graph));
      SAHA_TRY(const auto judging, samples_of(judged, from.model.graph));
      SAHA_TRY(auto options, how.options());
      options.threads = threads(c_.targets[0]);
      SAHA_TRY(auto q, compress::Quantizer::make(from.model.graph, ranges, *engine, options, watch));
      std::vector<compress::Width> widths = q.widths();
      SAHA_TRY(double db, q.measure(widths, compress::first(judging, kMeasured), watch));
      std::string held;
      if (how.floor) {
        const Judge judge{from.model, judged, judging, c_.output_meaning, *engine, options.threads, watch};
        std::optional<Answers> whole;
        if (!how.floor->decibels) { SAHA_TRY(whole, judge.answers(q.reference())); }
        SAHA_TRY(const Held found, hold(q, *how.floor, judge, whole ? &*whole : nullptr));
        if (!found.mixed.held)
          return Error{ErrorCode::invalid_data, "no mixture of widths holds the floor of compress." + c.name + ", " + found.floor + "; the best reaches " +
                                                    (how.floor->decibels ? figures::fixed(found.mixed.score, 1) + " dB" : figures::column::percent(found.mixed.score))};
        held = "floor " + found.floor + " held";
        if (found.mixed.widths != widths) {
          widths = found.mixed.widths;
          SAHA_TRY(db, q.measure(widths, compress::first(judging, kMeasured), watch));
        }
      }
      SAHA_TRY(m.graph, q.graph(widths));
      j = described(q, widths);
      j.update(Json{{"sqnr_db", number(db)}, {"floor", held}, {"samples", calibration.size()}, {"set", seen}, {"calibrate", how.calibrate}, {"chosen", compress::sentence(q.choice())}});
    }
    SAHA_TRY(const auto notes, export_quantised(m, (folder / "model.onnx").string(), opset));
    std::error_code e;
    j.update(Json{{"judge", sets_.contains(by) ? Json(by) : Json()}, {"bytes_before", from.bytes}, {"bytes_after", fs::file_size(folder / "model.onnx", e)}, {"notes", notes}});
    return j;
  };
  auto made = stage("compress/" + c.name, 3, inputs, make, [](const Json& j) {
    std::string s;
    for (const auto& [width, n] : j["widths"].items()) s += (s.empty() ? "" : ", ") + figures::counted(n.get<std::int64_t>(), "layer") + " in " + width;
    s += (j["judge"].is_null() ? "" : "; output SQNR " + (j["sqnr_db"].is_null() ? "exact" : figures::fixed(j["sqnr_db"], 1) + " dB")) + "; " + figures::bytes(j["bytes_before"].get<double>()) + " -> " + figures::bytes(j["bytes_after"].get<double>());
    return s + (j["floor"] == "" ? "" : "; " + j["floor"].get<std::string>());
  });
  if (!made) {
    if (made.error().code != ErrorCode::cancelled) result_.exit_code = 1;   // the others go on without it
    return std::move(made.error());
  }
  SAHA_TRY(Variant v, load(c.name, made->folder / "model.onnx"));
  report_["compress"][c.name] = made->result;
  variants_.push_back(std::move(v));
  return {};
}

}  // namespace saha::lifecycle
