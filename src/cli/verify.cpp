// saha verify: does any input within a property's boxes break it? Line 1 is the verdict, as VNN-COMP and VNN-LIB word it.
#include "verify/verify.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>

#include "backends/registry.hpp"
#include "base/figures.hpp"
#include "check_proof/certificate.hpp"
#include "cli/describe.hpp"
#include "cli/page.hpp"
#include "cli/subjects.hpp"
#include "cli/verbs.hpp"
#include "data/npy.hpp"
#include "formats/formats.hpp"
#include "system/deadline.hpp"
#include "system/file.hpp"
#include "system/hash.hpp"
#include "system/interrupt.hpp"
#include "system/progress.hpp"
#include "verify/record.hpp"
#include "verify/vnnlib.hpp"

namespace saha::cli {
namespace {
using Json = nlohmann::ordered_json;
using Clock = std::chrono::steady_clock;
constexpr double kLate = 2;   // seconds that the work may take to come back after its time
constexpr Argument kArguments[] = {{"MODEL", "an ONNX file, also packed by gzip, a TensorFlow Lite or OpenVINO IR file, or a bundle"},
                                   {"PROPERTY", "a VNN-LIB file, 1.0 or 2.0, also packed by gzip: what a counterexample would be"}};
constexpr Option kOptions[] = {
    {"timeout", 0, "S", "seconds from the start; the verdict is then 'timeout'", false, "60"},
    {"arithmetic", 0, "HOW", "float32: sums in any order, with and without FMA; real: exact sums; integers are as they are stored", false, "float32"},
    {"backend", 0, "BACKEND", "the engine that a counterexample is executed on before it is told", false, "native"},
    {"shape", 0, "NAME=1x3x224x224", "shape of an input with free dims, which are otherwise what the property declares, or 1", true},
    {"network", 0, "NAME=FILE", "the model of a further network that a 2.0 property declares; MODEL is the first, those declared equal-to need none", true},
    {"replay", 0, "FILE", "begin with the splits of inputs of a certificate of the same property, of a similar network"},
    {"proof", 0, "FILE", "also write why it is unsat, as a certificate that check-proof judges"},
    {"witness", 0, "FILE", "also write the counterexample: as text; .npy the input as an array; .npz all inputs and outputs"},
    {"unpaired", 0, "", "bound networks that are made alike side by side, without pairs of their ReLUs: to compare"},
    {"explain", 0, "", "say what the property asks in plain words and stop"},
    kReportOption,
};

/// Runs the models on the engine, which is opened when the first counterexample is there. Any thread, one at a time: programs are not shared.
class Executed {
 public:
  Executed(const Subjects& subjects, const verify::Vnnlib& v, std::string backend) : subjects_(subjects), v_(v), backend_(std::move(backend)), programs_(subjects.models.size()) {}

  /// Of each network, x by the property's inputs.
  std::vector<std::vector<Tensor>> inputs(const std::vector<float>& x) const {
    const std::vector<float> all = v_.spread(std::span<const float>(x));
    std::vector<std::vector<Tensor>> in;
    auto at = all.begin();
    for (std::size_t m : subjects_.model_of) {
      in.emplace_back();
      const Subject& s = subjects_.models[m];
      for (std::size_t i = 0; i < s.inputs.size(); ++i) {
        in.back().push_back(Tensor::zeros(s.model.graph.type(s.model.graph.inputs()[i]).dtype, s.inputs[i]));
        const std::vector<double> part(at, at + in.back().back().size());
        at += in.back().back().size();
        fill<double>(in.back().back(), part);
      }
    }
    return in;
  }
  Result<std::vector<std::vector<Tensor>>> outputs(const std::vector<float>& x) {
    std::vector<std::vector<Tensor>> outputs;
    auto in = inputs(x);
    for (std::size_t k = 0; k < in.size(); ++k) {
      SAHA_TRY(auto* program, program_of(subjects_.model_of[k]));
      std::vector<Datum> values;
      for (Tensor& t : in[k]) values.emplace_back(std::move(t));
      SAHA_TRY(auto out, program->run(values));
      outputs.emplace_back();
      for (Datum& d : out) outputs.back().push_back(std::move(d.tensor));
    }
    return outputs;
  }
  Result<std::vector<float>> operator()(const std::vector<float>& x) {
    std::lock_guard lock(mutex_);
    SAHA_TRY(const auto out, outputs(x));
    std::vector<float> y;
    for (const auto& tensors : out)
      for (const Tensor& t : tensors)
        for (double v : values<double>(t)) y.push_back(float(v));
    return y;
  }

 private:
  Result<runtime::Program*> program_of(std::size_t m) {
    if (!programs_[m]) {
      const Subject& s = subjects_.models[m];
      if (!engine_) { SAHA_TRY(engine_, backends::open(backend_)); }
      std::string file;
      if (!s.packed) {
        SAHA_TRY(const auto format, formats::format_of_file(s.file));
        if (engine_->reads(format)) file = s.file;
      }
      SAHA_TRY(programs_[m], engine_->load(s.model, {.threads = 1, .precision = "float32", .file = file}));
    }
    return programs_[m].get();
  }
  const Subjects& subjects_;
  const verify::Vnnlib& v_;
  std::string backend_;
  std::mutex mutex_;
  std::unique_ptr<runtime::Backend> engine_;
  std::vector<std::unique_ptr<runtime::Program>> programs_;   ///< of each model; they go before the engine
};

/// The text of stdout, an array, or all arrays by name, as the ending says.
Result<> write_witness(const std::string& file, const Subjects& s, const verify::Vnnlib& v, Executed& executed, const verify::Outcome& o) {
  const auto in = executed.inputs(o.x);
  if (file.ends_with(".npy")) {
    SAHA_TRY(const auto bytes, data::write_npy(in[0][0]));
    return system::write_file(file, bytes);
  }
  if (!file.ends_with(".npz")) return system::write_file(file, verify::print_counterexample(v, o.x, o.y));
  std::vector<data::NamedTensor> arrays;
  SAHA_TRY(const auto out, executed.outputs(o.x));
  for (std::size_t k = 0; k < in.size(); ++k) {
    const ir::Graph& g = s.models[s.model_of[k]].model.graph;
    const std::string prefix = in.size() > 1 ? v.networks[k].name + "." : "";
    for (std::size_t i = 0; i < in[k].size(); ++i) arrays.emplace_back(prefix + std::string(g.name(g.inputs()[i])), in[k][i]);
    for (std::size_t i = 0; i < out[k].size(); ++i) arrays.emplace_back(prefix + std::string(g.name(g.outputs()[i])), out[k][i]);
  }
  SAHA_TRY(const auto bytes, data::write_npz(arrays));
  return system::write_file(file, bytes);
}

std::string_view word(verify::Verdict v) {
  switch (v) {
    case verify::Verdict::holds: return "unsat";
    case verify::Verdict::violated: return "sat";
    case verify::Verdict::unknown: return "unknown";
    case verify::Verdict::timeout: return "timeout";
  }
  return "unknown";
}

std::vector<double> doubles(const std::vector<float>& v) { return {v.begin(), v.end()}; }

/// The case of the counterexample: within its box, or outside by what float32 cannot tell.
std::optional<std::size_t> broken(const verify::Property& p, const verify::Outcome& o) {
  const auto x = doubles(o.x), y = doubles(o.y);
  const auto exact = verify::satisfied_case(p, x, y);
  return exact ? exact : verify::satisfied_case(p, x, y, 1e-6);
}

std::string summary(const verify::Vnnlib& v, const verify::Outcome& o, std::optional<std::size_t> which, verify::Arithmetic arithmetic, const std::string& backend, double seconds) {
  const auto& p = v.property;
  const std::string effort = (o.method.empty() ? "" : "by " + o.method + ", ") + figures::counted(o.regions, "region") + ", " + figures::duration(seconds);
  const std::string cases = p.cases.size() == 1 ? "the rows" : "the rows of any of the " + std::to_string(p.cases.size()) + " cases";
  switch (o.verdict) {
    case verify::Verdict::holds:
      return "holds: no input of " + std::string(verify::extent(p).boxes == 1 ? "the box" : "the boxes") + " satisfies " + cases + ", in " + (!o.integers.empty() ? o.integers + " as it computes" : arithmetic == verify::Arithmetic::real ? "exact sums" : "float32 sums of any order") + "; " + effort;
    case verify::Verdict::violated: {
      const auto& rows = p.cases[*which].rows;
      const auto of_outputs = std::ranges::find_if(rows, [](const verify::Row& r) { return !r.y.empty(); });
      std::string said = rows.empty() ? "the input is in its box" : verify::sentence(v, of_outputs == rows.end() ? rows[0] : *of_outputs);
      if (rows.size() > 1) said += " and " + figures::counted(std::int64_t(rows.size()) - 1, "further row");
      return "violated: " + said + (p.cases.size() > 1 ? " (case " + std::to_string(*which + 1) + " of " + std::to_string(p.cases.size()) + ")" : "") + ", executed by " + backend + "; " + effort;
    }
    case verify::Verdict::unknown:
    case verify::Verdict::timeout: break;
  }
  return std::string(word(o.verdict)) + ": " + (o.why.empty() ? "the time is over" : o.why) + "; " + effort;
}

Json json(const Args& args, const verify::Vnnlib& v, const Subjects& subjects, const verify::Outcome& o, std::optional<std::size_t> which, double seconds) {
  const verify::Extent e = verify::extent(v.property);
  auto hash = [](const std::string& file) {
    auto h = system::sha256_file(file);
    return h ? Json(*h) : Json();
  };
  auto text = [](const std::string& s) { return s.empty() ? Json() : Json(s); };
  Json j{{"schema", "saha.verify/1"}, {"saha", SAHA_VERSION}, {"model", args.arguments[0]}, {"model_sha256", hash(args.arguments[0])}, {"property", args.arguments[1]},
         {"property_sha256", hash(args.arguments[1])}, {"verdict", word(o.verdict)}, {"method", text(o.method)}, {"why", text(o.why)}, {"arithmetic", o.integers.empty() ? args.get("arithmetic") : o.integers},
         {"backend", args.get("backend")}, {"inputs", v.elements()}, {"inputs_varying", e.vary}, {"outputs", v.property.outputs}, {"cases", v.property.cases.size()},
         {"regions", o.regions}, {"seconds", seconds}, {"counterexample", nullptr}};
  if (v.networks.size() > 1) {
    j["networks"] = Json::array();
    for (std::size_t k = 0; k < v.networks.size(); ++k) {
      const std::string& file = subjects.models[subjects.model_of[k]].file;
      j["networks"].push_back({{"name", v.networks[k].name}, {"model", file}, {"model_sha256", hash(file)}});
    }
  }
  if (which) {
    auto numbers = [](const std::vector<float>& values) {
      Json a = Json::array();
      for (float f : values) a.push_back(std::isfinite(f) ? Json(double(f)) : Json());
      return a;
    };
    j["counterexample"] = {{"case", *which + 1}, {"x", numbers(v.spread(std::span<const float>(o.x)))}, {"y", numbers(o.y)}};
  }
  return j;
}

/// The splits of inputs in a certificate; none where its trees have none.
Result<std::vector<verify::SplitTree>> read_replayed(const std::string& file, const std::string& property, const verify::Property& p) {
  SAHA_TRY(const auto bytes, system::read_bytes(file, check_proof::kMostBytes));
  auto parsed = check_proof::parse(system::text_of(bytes));
  if (!parsed) return std::move(parsed.error()).within(file);
  const check_proof::Certificate& old = *parsed;
  SAHA_TRY(const std::string hash, system::sha256_file(property));
  if (old.property_sha256 != hash) return Error{ErrorCode::invalid_file, file + " is of another property than " + property};
  std::vector<std::size_t> rows;
  for (const verify::Case& c : p.cases) rows.push_back(c.rows.size());
  auto trees = verify::read_splits(old.payload, rows, p.inputs);
  if (!trees) return std::move(trees.error()).within(file);
  return trees->value_or(std::vector<verify::SplitTree>());
}

Result<int> run_verify(const Args& args) {
  const auto start = Clock::now();
  auto elapsed = [&] { return std::chrono::duration<double>(Clock::now() - start).count(); };
  const std::string &model = args.arguments[0], &property = args.arguments[1], witness = args.get("witness"), backend = args.get("backend");
  SAHA_TRY(const double timeout, args.number("timeout", 0, 1e9));
  SAHA_TRY(const auto threads, args.integer("threads", 0, 1024));
  SAHA_TRY(const auto seed, args.integer("seed", 0, INT64_MAX));
  const std::string how = args.get("arithmetic");
  if (how != "float32" && how != "real") return Error{ErrorCode::invalid_file, "--arithmetic is '" + how + "', float32 or real is taken"};
  SAHA_DO(backends::known(backend));
  SAHA_TRY(const verify::Vnnlib v, verify::read_vnnlib(property));
  SAHA_TRY(const Subjects subjects, read_models(args, model, property, v));
  std::size_t arrays = 0;
  for (std::size_t m : subjects.model_of) arrays += subjects.models[m].inputs.size();
  if (witness.ends_with(".npy") && arrays > 1) return Error{ErrorCode::invalid_file, "--witness is '" + witness + "', one array, and there are " + std::to_string(arrays) + " inputs", "a name that ends in .npz takes them all"};
  if (args.has("explain")) {
    print(verify::explain(v));
    return 0;
  }

  Executed executed(subjects, v, backend);
  verify::Options options;
  options.arithmetic = how == "real" ? verify::Arithmetic::real : verify::Arithmetic::float32;
  options.threads = int(threads);
  options.seed = std::uint64_t(seed);
  options.pairs = !args.has("unpaired");
  options.execute = [&](const std::vector<float>& x) { return executed(x); };
  options.cancelled = [] { return system::interrupted(); };
  std::optional<system::Progress> bar;
  options.progress = [&](double done, std::int64_t regions) {
    if (!bar) bar.emplace("verify", 1000, progress_options(args));
    bar->note(figures::counted(regions, "region"));
    bar->set(std::int64_t(1000 * done));
  };
  auto tell = [&](const verify::Outcome& o, std::optional<std::size_t> which) -> Result<int> {
    const double seconds = elapsed();
    const Json object = args.json() || args.has("report") ? json(args, v, subjects, o, which, seconds) : Json();
    if (args.json()) print(object.dump(1, ' ', false, Json::error_handler_t::replace) + "\n");
    else print(std::string(word(o.verdict)) + "\n" + (which ? verify::print_counterexample(v, o.x, o.y) : ""));
    say(args, summary(v, o, which, options.arithmetic, backend, seconds));
    SAHA_DO(write_reports(args, object, model + " against " + property));
    if (o.verdict == verify::Verdict::holds) return 0;
    return o.verdict == verify::Verdict::violated || args.has("strict") ? 1 : 3;
  };
  std::vector<verify::SplitTree> splits;
  if (args.has("replay")) {
    SAHA_TRY(splits, read_replayed(args.get("replay"), property, v.property));
    if (splits.empty()) say(args, args.get("replay") + " splits no inputs: the search begins anew");
    else options.method = verify::Method::inputs;
  }
  const bool replayed = !splits.empty();
  verify::Record record(std::move(splits), args.has("proof"));
  if (replayed || args.has("proof")) options.record = &record;
  system::InterruptGuard guard;
  options.timeout_s = std::max(0.0, timeout - elapsed());
  std::optional<Result<verify::Outcome>> proved;
  {
    const system::Deadline deadline(start + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(timeout + kLate)), [&] {
      verify::Outcome late;
      late.verdict = verify::Verdict::timeout;
      late.why = "the time was over before the work could be stopped";
      const auto code = tell(late, {});
      return code ? *code : 2;
    });
    proved.emplace(verify::prove(subjects.graph, v.property, options));
  }
  bar.reset();
  if (!*proved) {
    if (proved->error().code == ErrorCode::cancelled && system::interrupt_exit_code()) return system::interrupt_exit_code();
    return std::move(proved->error()).within(model);
  }
  verify::Outcome& o = **proved;
  std::optional<std::size_t> which;
  if (o.verdict == verify::Verdict::violated && !(which = broken(v.property, o))) {
    o.verdict = verify::Verdict::unknown;
    o.why = "what was found is no counterexample when it is executed by " + backend;
  }
  SAHA_TRY(const int code, tell(o, which));
  if (which && !witness.empty()) {
    SAHA_DO(write_witness(witness, subjects, v, executed, o));
    say(args, "wrote " + witness);
  }
  if (o.verdict == verify::Verdict::holds && args.has("proof")) {
    if (!v.property.cases.empty() && !record.complete()) return Error{ErrorCode::unsupported, "the property holds, and a proof by " + o.method + " has no certificate: nothing was written to " + args.get("proof")};
    check_proof::Certificate certificate{SAHA_VERSION, {}, {}, options.arithmetic == verify::Arithmetic::float32, record.payload()};
    SAHA_TRY(certificate.model_sha256, models_sha256(subjects));
    SAHA_TRY(certificate.property_sha256, system::sha256_file(property));
    SAHA_DO(verify::write(certificate, args.get("proof")));
    say(args, "wrote " + args.get("proof"));
  }
  return system::interrupt_exit_code() ? system::interrupt_exit_code() : code;
}

/// 1 says that the property is violated and nothing else: whatever kept the work from a verdict exits 2.
Result<int> run(const Args& args) {
  auto code = run_verify(args);
  if (!code && code.error().code != ErrorCode::internal && code.error().code != ErrorCode::out_of_memory) code.error().code = ErrorCode::invalid_file;
  return code;
}
}  // namespace

const Command kVerify{"verify", "prove that no input of a region breaks a property, or find one that does", kArguments, kOptions, "verify model.onnx property.vnnlib --timeout 60", run,
                      "The first line of stdout is unsat (the property holds), sat (a counterexample follows, as VNN-COMP writes it for the property's version), unknown or timeout. The exit code is 0 for unsat, 1 for sat, 3 for unknown and "
                      "timeout, and 2 where the files or options are wrong or the model has an operator without bounds."};

}  // namespace saha::cli
