#include "lifecycle/live_evidence.hpp"

#include <algorithm>

#include "backends/registry.hpp"
#include "base/figures.hpp"
#include "data/npy.hpp"
#include "formats/formats.hpp"
#include "front/fold.hpp"
#include "lifecycle/answers.hpp"
#include "lifecycle/picture.hpp"
#include "lifecycle/proofs.hpp"
#include "system/file.hpp"
#include "verify/record.hpp"

namespace saha::lifecycle {
namespace fs = std::filesystem;
namespace {

/// Values of the inputs one after another.
Result<std::vector<double>> flattened(const std::vector<data::NamedTensor>& tensors, const std::vector<std::string>& order) {
  std::vector<double> all;
  for (const std::string& name : order) {
    const auto found = std::ranges::find(tensors, name, &data::NamedTensor::first);
    if (found == tensors.end()) return Error{ErrorCode::invalid_data, "the data has nothing for input '" + name + "'"};
    const auto v = values<double>(found->second);
    all.insert(all.end(), v.begin(), v.end());
  }
  return all;
}

}  // namespace

Result<std::vector<LiveEvidence::Way>> LiveEvidence::ways(const ir::Model& model) const {
  SAHA_TRY(const auto specs, input_specs(model, configured_));
  std::vector<Way> ways;
  for (const data::InputSpec& spec : specs) {
    Way w;
    const std::size_t inside = front::affine_steps(spec.steps), outside = spec.steps.steps().size() - inside;
    w.outside = {.name = spec.name, .steps = spec.steps.first(outside), .shape = {}, .dtype = DType::none};
    w.inside = data::Preprocess({spec.steps.steps().begin() + std::ptrdiff_t(outside), spec.steps.steps().end()});
    if (!spec.shape.empty()) w.wanted.assign(spec.shape.begin() + 1, spec.shape.end());
    w.dtype = spec.dtype;
    w.raw = w.wanted;
    ways.push_back(std::move(w));
  }
  for (const char* name : {"test", "val", "train"}) {   // a raw sample tells its own dims
    auto set = sets_.find(name);
    if (set == sets_.end() || set->second.size() == 0) continue;
    std::vector<data::InputSpec> outside;
    for (const Way& w : ways) outside.push_back(w.outside);
    SAHA_TRY(const auto raw, set->second.for_inputs(outside));
    SAHA_TRY(const auto first, raw.sample(0));
    for (std::size_t k = 0; k < ways.size() && k < first.size(); ++k) ways[k].raw = first[k].second.dims, ways[k].raw_dtype = first[k].second.dtype;
    break;
  }
  if (options_.kept)
    for (std::size_t k = 0; k < ways.size() && k < options_.kept->raw.size(); ++k) ways[k].raw = options_.kept->raw[k].dims, ways[k].raw_dtype = options_.kept->raw[k].dtype;
  if (options_.keep) {
    options_.keep->raw.clear();
    for (const Way& w : ways) options_.keep->raw.push_back({w.raw, w.raw_dtype});
  }
  for (const Way& w : ways)
    if (std::ranges::any_of(w.raw, [](std::int64_t d) { return d < 0; })) return Error{ErrorCode::unsupported, "input '" + w.outside.name + "' has free sizes and there is no sample that states them"};
  return ways;
}

Result<LiveEvidence::Loaded*> LiveEvidence::loaded(std::string_view name) {
  if (auto known = models_.find(name); known != models_.end()) return &known->second;
  SAHA_TRY(Judged judged, find_(std::string(name)));
  SAHA_TRY(std::vector<Way> found, ways(*judged.model));
  return &models_.emplace(std::string(name), Loaded{std::move(judged), std::move(found), nullptr, nullptr}).first->second;
}

Result<std::int64_t> LiveEvidence::count(std::string_view data) {
  auto set = sets_.find(std::string(data));
  return set == sets_.end() ? RecordedEvidence::count(data) : Result<std::int64_t>(set->second.size());
}

Result<std::vector<double>> LiveEvidence::output(std::string_view model, std::string_view data, std::int64_t sample, std::string_view output) {
  if (outputs_of.contains({Pair(model, data), std::string(output)})) return RecordedEvidence::output(model, data, sample, output);
  SAHA_TRY(const auto raw, point(data, sample));
  SAHA_TRY(auto all, execute(model, raw));
  auto found = all.find(std::string(output));
  if (found == all.end()) return Error{ErrorCode::invalid_data, "'" + std::string(model) + "' has no output '" + std::string(output) + "'"};
  return std::move(found->second);
}

Result<std::shared_ptr<const validate::Network>> LiveEvidence::network(std::string_view name) {
  SAHA_TRY(Loaded * m, loaded(name));
  if (m->network) return std::shared_ptr(m->network);
  auto net = std::make_shared<validate::Network>();
  std::vector<data::Preprocess> inside;
  std::vector<Dims> raw;
  for (const Way& w : m->ways) {
    inside.push_back(w.inside);
    raw.push_back(w.raw);
    const bool decoded = std::ranges::any_of(w.outside.steps.steps(), [](const data::Step& s) { return std::holds_alternative<data::Decode>(s); });
    net->whole.push_back(w.raw_dtype != DType::none && !is_float(w.raw_dtype));
    if (w.outside.steps.steps().size() > std::size_t(decoded)) {
      std::string steps;
      for (const data::Step& s : w.outside.steps.steps()) steps += (steps.empty() ? "" : ", ") + std::string(data::name(s));
      net->notes.push_back("an input is what " + steps + " give");
    }
  }
  auto graph = front::in_raw_units(m->judged.model->graph, inside, raw);
  if (!graph) return std::move(graph.error()).within("'" + std::string(name) + "' as a prover takes it");
  net->graph = std::move(*graph);
  m->network = std::move(net);
  return std::shared_ptr(m->network);
}

Result<std::vector<double>> LiveEvidence::point(std::string_view data, std::int64_t sample) {
  if (options_.kept) {
    const auto set = options_.kept->points.find(data);
    const auto values = set == options_.kept->points.end() ? std::map<std::int64_t, std::vector<double>>::const_iterator() : set->second.find(sample);
    if (set == options_.kept->points.end() || values == set->second.end()) return Error{ErrorCode::invalid_data, "sample " + std::to_string(sample) + " of '" + std::string(data) + "' is not kept"};
    return values->second;
  }
  SAHA_TRY(Loaded * m, loaded("candidate"));
  std::vector<std::string> order;
  auto set = raw_sets_.find(data);
  std::vector<data::InputSpec> outside;
  for (const Way& w : m->ways) outside.push_back(w.outside), order.push_back(w.outside.name);
  if (set == raw_sets_.end()) {
    auto whole = sets_.find(std::string(data));
    if (whole == sets_.end()) return Error{ErrorCode::invalid_data, "data set '" + std::string(data) + "' is not here"};
    SAHA_TRY(auto raw, whole->second.for_inputs(outside));
    set = raw_sets_.emplace(std::string(data), std::move(raw)).first;
  }
  if (sample < 0 || sample >= set->second.size()) return Error{ErrorCode::invalid_data, "data set '" + std::string(data) + "' has no sample " + std::to_string(sample)};
  SAHA_TRY(const auto tensors, set->second.sample(sample));
  for (std::size_t k = 0; k < m->ways.size() && k < tensors.size(); ++k)
    if (tensors[k].second.dims != m->ways[k].raw)
      return Error{ErrorCode::invalid_data, "'" + set->second.title(sample) + "' is " + str(tensors[k].second.dims) + ", the first sample is " + str(m->ways[k].raw) + ": raw samples of one size are proved"};
  SAHA_TRY(auto values, flattened(tensors, order));
  if (options_.keep) options_.keep->points[std::string(data)][sample] = values;
  return values;
}

Result<validate::Outputs> LiveEvidence::execute(std::string_view name, std::span<const double> point) {
  SAHA_TRY(Loaded * m, loaded(name));
  if (!m->program) {
    SAHA_TRY(auto engine, backends::open(m->judged.backend));
    std::string file = m->judged.file;
    if (!file.empty()) {
      SAHA_TRY(const auto format, formats::format_of_file(file));
      if (!engine->reads(format)) file.clear();
    }
    SAHA_TRY(m->program, engine->load(*m->judged.model, {.threads = options_.threads, .precision = "float32", .file = file}));
  }
  std::map<std::string, Tensor> ready;
  std::size_t first = 0;
  for (const Way& w : m->ways) {
    const auto size = std::size_t(num_elements(w.raw));
    if (first + size > point.size()) return Error{ErrorCode::invalid_data, "a point has " + std::to_string(point.size()) + " values, '" + std::string(name) + "' takes more"};
    SAHA_TRY(Tensor t, w.inside.apply({Tensor::of(DType::f32, w.raw, point.subspan(first, size)), 0}));
    SAHA_TRY(t, data::conform(std::move(t), w.wanted, w.dtype));
    t.dims.insert(t.dims.begin(), 1);
    ready[w.outside.name] = std::move(t);
    first += size;
  }
  std::vector<Datum> in;
  for (const runtime::Port& p : m->program->inputs()) in.emplace_back(ready[p.name]);
  SAHA_TRY(const auto out, m->program->run(in));
  validate::Outputs all;
  for (std::size_t k = 0; k < out.size(); ++k)
    if (out[k].is_tensor() && out[k].tensor.dtype != DType::string && !is_complex(out[k].tensor.dtype)) all[m->program->outputs()[k].name] = values<double>(out[k].tensor);
  return all;
}

Result<std::vector<float>> LiveEvidence::run(const validate::Query& q, const std::vector<float>& x) {
  std::lock_guard lock(running_);
  const std::vector<double> at = q.member(std::vector<double>(x.begin(), x.end()));
  std::map<std::pair<std::string, std::size_t>, validate::Outputs> done;
  std::vector<float> y;
  for (const validate::Query::Run& r : q.runs) {
    auto run = done.find({r.model, r.point});
    if (run == done.end()) {
      SAHA_TRY(auto all, execute(r.model, q.points[r.point].at(at)));
      run = done.emplace(std::pair(r.model, r.point), std::move(all)).first;
    }
    for (double v : run->second[r.output]) y.push_back(float(v));
  }
  return y;
}

namespace {
/// Whether it is one, by the checker; else why not.
Result<std::int64_t> checked(const validate::Query& q, const std::string& payload) {
  const check_proof::Certificate certificate{.saha = {}, .model_sha256 = {}, .property_sha256 = {}, .float32 = q.arithmetic == verify::Arithmetic::float32, .payload = payload};
  SAHA_TRY(const auto judged, check_proof::check(q.graph, claim_of(q.property), certificate));
  if (!judged.valid) return Error{ErrorCode::invalid_data, "the certificate is not valid: " + judged.why};
  return judged.regions;
}
}  // namespace

Result<verify::Outcome> LiveEvidence::prove(const validate::Query& q) {
  if (options_.instead) return options_.instead(q);
  if (options_.kept) return answered(q);
  verify::Record record;
  verify::Options o;
  o.timeout_s = q.timeout_s;
  o.threads = options_.threads;
  o.seed = q.seed;
  o.arithmetic = q.arithmetic;
  o.cancelled = options_.stop;
  o.progress = options_.progress;
  o.execute = [&](const std::vector<float>& x) { return run(q, x); };
  if (!options_.keep) return verify::prove(q.graph, q.property, o);
  o.record = &record;
  SAHA_TRY(const verify::Outcome out, verify::prove(q.graph, q.property, o));
  Proofs::Answer& answer = options_.keep->answers[Proofs::key(q)] = {};
  if (out.verdict == verify::Verdict::violated) answer.counterexample = out.x;
  else if (out.verdict != verify::Verdict::holds) answer.why = out.why.empty() ? "the time was over" : out.why;
  else if (!record.complete()) answer.why = "a proof by " + out.method + " has no certificate";
  else {
    answer.certificate = record.payload();
    if (const auto sound = checked(q, answer.certificate); !sound) answer = {.certificate = {}, .counterexample = {}, .why = sound.error().message};
  }
  return out;
}

Result<verify::Outcome> LiveEvidence::answered(const validate::Query& q) {
  verify::Outcome out;
  const auto found = options_.kept->answers.find(Proofs::key(q));
  if (found == options_.kept->answers.end()) out.why = "nothing is kept of query '" + q.name + "' as the requirement asks it of this model";
  else if (const Proofs::Answer& a = found->second; !a.why.empty()) out.why = "query '" + q.name + "' has no certificate: " + a.why;
  else if (!a.counterexample.empty()) {
    if (a.counterexample.size() != std::size_t(q.property.inputs)) return Error{ErrorCode::invalid_data, "the counterexample of query '" + q.name + "' has " + std::to_string(a.counterexample.size()) + " values, " + std::to_string(q.property.inputs) + " are asked for"};
    SAHA_TRY(out.y, run(q, a.counterexample));
    out.x = a.counterexample;
    out.verdict = verify::Verdict::violated;
  } else if (const auto sound = checked(q, a.certificate); !sound) out.why = sound.error().message;
  else out.verdict = verify::Verdict::holds, out.method = "certificate", out.regions = *sound;
  return out;
}

Result<std::vector<std::string>> write_witness(const fs::path& folder, const validate::Witness& w, const std::vector<double>& sample) {
  std::vector<std::string> files;
  SAHA_DO(system::make_folders(folder));
  std::string header, rows;
  const auto varies = [&](const validate::Witness::Point& p) { return p.values != sample; };
  const auto varying = std::ranges::count_if(w.points, varies);
  for (const auto& p : w.points) {
    std::size_t first = 0;
    for (const auto& [input, dims] : p.inputs) {
      const auto size = std::size_t(num_elements(dims));
      const Tensor t = Tensor::of(DType::f32, dims, std::span(p.values).subspan(first, size));
      first += size;
      const bool only = w.points.size() == 1 || (varies(p) && varying == 1);
      const std::string name = (only ? "witness" : p.name) + (p.inputs.size() > 1 ? "." + input : "");
      SAHA_TRY(const auto bytes, data::write_npy(t));
      files.push_back(name + ".npy");
      SAHA_DO(system::write_file(folder / files.back(), system::Bytes(bytes)));
      const auto png = p.fields.empty() && dims.size() > 2 ? png_of(t) : std::nullopt;
      if (!png) continue;
      files.push_back(name + ".png");
      SAHA_DO(system::write_file(folder / files.back(), system::Bytes(*png)));
    }
    if (p.fields.empty()) continue;
    if (header.empty()) {
      header = "point";
      for (const auto& [field, value] : p.fields) header += "," + field;
    }
    rows += p.name;
    for (const auto& [field, value] : p.fields) rows += "," + figures::shortest(value);
    rows += "\n";
  }
  if (!rows.empty()) {
    files.emplace_back("witness.csv");
    SAHA_DO(system::write_file(folder / "witness.csv", header + "\n" + rows));
  }
  return files;
}

}  // namespace saha::lifecycle
