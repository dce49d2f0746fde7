// saha verify: does any input within a property's boxes break it? Line 1 is the verdict, as VNN-COMP and VNN-LIB word it.
#include "verify/verify.hpp"

#include <cctype>
#include <chrono>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>

#include "backends/registry.hpp"
#include "base/figures.hpp"
#include "cli/describe.hpp"
#include "cli/page.hpp"
#include "cli/verbs.hpp"
#include "data/npy.hpp"
#include "formats/formats.hpp"
#include "measure/inputs.hpp"
#include "passes/specialize.hpp"
#include "system/file.hpp"
#include "system/hash.hpp"
#include "system/interrupt.hpp"
#include "system/progress.hpp"
#include "verify/vnnlib.hpp"

namespace saha::cli {
namespace {
using Json = nlohmann::ordered_json;
using Clock = std::chrono::steady_clock;
constexpr Argument kArguments[] = {{"MODEL", "an ONNX file, also packed by gzip, a TensorFlow Lite or OpenVINO IR file, or a bundle"},
                                   {"PROPERTY", "a VNN-LIB file, 1.0 or 2.0, also packed by gzip: what a counterexample would be"}};
constexpr Option kOptions[] = {
    {"timeout", 0, "S", "seconds from the start; the verdict is then 'timeout'", false, "60"},
    {"arithmetic", 0, "HOW", "float32: sums in any order, with and without FMA; real: exact sums", false, "float32"},
    {"backend", 0, "BACKEND", "the engine that a counterexample is executed on before it is told", false, "native"},
    {"shape", 0, "NAME=1x3x224x224", "shape of an input with free dims, which are otherwise what the property declares, or 1", true},
    {"witness", 0, "FILE", "also write the counterexample: the text of stdout; .npy the input as an array; .npz all inputs and outputs"},
    {"explain", 0, "", "say what the property asks in plain words and stop"},
    kReportOption,
};

/// The files, read; the graph has no free dims.
struct Subject {
  ir::Model model;
  bool packed = false;                 ///< by gzip: engines do not read the file itself
  std::vector<Dims> inputs;            ///< of the graph
};

bool ends_with(const std::string& s, std::string_view ending) { return s.size() >= ending.size() && std::string_view(s).substr(s.size() - ending.size()) == ending; }

Result<Subject> read_model(const std::string& file) {
  Subject s;
  if (ends_with(file, ".gz")) {
    SAHA_TRY(const auto packed, system::read_bytes(file));
    auto bytes = data::gunzip(packed);
    if (!bytes) return std::move(bytes.error()).within(file);
    SAHA_TRY(s.model, formats::import_bytes(*bytes));
    s.packed = true;
  } else {
    SAHA_TRY(s.model, formats::import_file(file));
  }
  return s;
}

/// Free dims become those of --shape, else those that the property declares for the input, else 1.
Result<> bind(Subject& s, const verify::Vnnlib& property, const Args& args) {
  const ir::Graph& g = s.model.graph;
  SAHA_TRY(measure::Shapes shapes, shapes_of(args));
  for (std::size_t i = 0; i < g.inputs().size() && i < property.inputs.size(); ++i) {
    const ir::Type& t = g.type(g.inputs()[i]);
    const Dims& declared = property.inputs[i].shape;
    bool fits = t.is_tensor() && !ir::is_static(t) && (!t.ranked || t.dims.size() == declared.size());
    for (std::size_t d = 0; fits && t.ranked && d < declared.size(); ++d) fits = t.dims[d].known().value_or(declared[d]) == declared[d];
    if (fits) shapes.try_emplace(std::string(g.name(g.inputs()[i])), declared);
  }
  SAHA_TRY(s.inputs, measure::input_dims(g, shapes));
  std::vector<ir::TypeRef> types;
  bool free = false;
  for (std::size_t i = 0; i < s.inputs.size(); ++i) {
    const ir::Type& t = g.type(g.inputs()[i]);
    free |= !ir::is_static(t);
    types.push_back(ir::is_static(t) ? ir::TypeRef{} : ir::tensor_type(t.dtype, {s.inputs[i].begin(), s.inputs[i].end()}));
  }
  if (free) { SAHA_TRY(s.model.graph, passes::specialize(g, types)); }
  return {};
}

std::string listed(const ir::Graph& g, std::span<const ir::ValueId> values) {
  std::string s;
  for (ir::ValueId v : values) s += (s.empty() ? "" : ", ") + ("'" + std::string(g.name(v)) + "' ") + ir::str(g.type(v));
  return s;
}

/// The property speaks of this network's inputs and outputs.
Result<> match(const Subject& s, const std::string& model, const verify::Vnnlib& v, const std::string& property) {
  const ir::Graph& g = s.model.graph;
  for (const auto& [what, values, said, ports] : {std::tuple("input", g.inputs(), v.property.inputs, &v.inputs), std::tuple("output", g.outputs(), v.property.outputs, &v.outputs)}) {
    std::int64_t elements = 0;
    std::vector<std::optional<Dims>> dims;
    for (ir::ValueId id : values) {
      const ir::Type& t = g.type(id);
      if (!t.is_tensor() || !ir::is_static(t)) return Error{ErrorCode::unsupported, model + ": " + what + " '" + std::string(g.name(id)) + "' is " + ir::str(t) + "; properties are of tensors of known size"};
      Dims d;
      for (const ir::Dim& x : t.dims) d.push_back(*x.known());
      elements += num_elements(d);
      dims.emplace_back(std::move(d));
    }
    if (elements != said)
      return Error{ErrorCode::invalid_argument, property + " has " + figures::counted(said, what) + ", " + model + " has " + std::to_string(elements) + " (" + listed(g, values) + ")"};
    if (v.version == 1) continue;
    if (ports->size() != values.size())
      return Error{ErrorCode::invalid_argument, property + " declares " + figures::counted(std::int64_t(ports->size()), std::string(what) + " tensor") + ", " + model + " has " + std::to_string(values.size()) + " (" + listed(g, values) + ")"};
    for (std::size_t i = 0; i < values.size(); ++i)
      if (num_elements((*ports)[i].shape) != num_elements(*dims[i]))
        return Error{ErrorCode::invalid_argument, property + " declares " + what + " '" + (*ports)[i].name + "' as " + str((*ports)[i].shape) + ", in " + model + " it is " + ir::str(g.type(values[i]))};
  }
  return {};
}

/// Runs the model on the engine, which is opened when the first counterexample is there.
class Executed {
 public:
  Executed(const Subject& subject, std::string file, std::string backend) : subject_(subject), file_(std::move(file)), backend_(std::move(backend)) {}

  std::vector<Tensor> inputs(const std::vector<float>& x) const {
    std::vector<Tensor> in;
    std::size_t at = 0;
    const ir::Graph& g = subject_.model.graph;
    for (std::size_t i = 0; i < subject_.inputs.size(); ++i) {
      const auto n = std::size_t(num_elements(subject_.inputs[i]));
      std::vector<double> part(x.begin() + std::ptrdiff_t(at), x.begin() + std::ptrdiff_t(at + n));
      at += n;
      in.push_back(Tensor::zeros(g.type(g.inputs()[i]).dtype, subject_.inputs[i]));
      fill<double>(in.back(), part);
    }
    return in;
  }
  Result<std::vector<Tensor>> outputs(const std::vector<float>& x) {
    if (!program_) {
      SAHA_TRY(engine_, backends::open(backend_));
      std::string file;
      if (!subject_.packed) {
        SAHA_TRY(const auto format, formats::format_of_file(file_));
        if (engine_->reads(format)) file = file_;
      }
      SAHA_TRY(program_, engine_->load(subject_.model, {.threads = 1, .precision = "float32", .file = file}));
    }
    std::vector<Datum> in;
    for (Tensor& t : inputs(x)) in.emplace_back(std::move(t));
    SAHA_TRY(auto out, program_->run(in));
    std::vector<Tensor> tensors;
    for (Datum& d : out) tensors.push_back(std::move(d.tensor));
    return tensors;
  }
  Result<std::vector<float>> operator()(const std::vector<float>& x) {
    SAHA_TRY(const auto out, outputs(x));
    std::vector<float> y;
    for (const Tensor& t : out)
      for (double v : values<double>(t)) y.push_back(float(v));
    return y;
  }

 private:
  const Subject& subject_;
  std::string file_, backend_;
  std::unique_ptr<runtime::Backend> engine_;
  std::unique_ptr<runtime::Program> program_;
};

/// The text of stdout, an array, or all arrays by name, as the ending says.
Result<> write_witness(const std::string& file, const Subject& s, Executed& executed, const verify::Outcome& o) {
  if (ends_with(file, ".npy")) {
    const auto in = executed.inputs(o.x);
    SAHA_TRY(const auto bytes, data::write_npy(in[0]));
    return system::write_file(file, bytes);
  }
  if (!ends_with(file, ".npz")) return system::write_file(file, verify::print_counterexample(o.x, o.y));
  std::vector<data::NamedTensor> arrays;
  const ir::Graph& g = s.model.graph;
  auto add = [&](std::span<const ir::ValueId> values, const std::vector<Tensor>& tensors) {
    for (std::size_t i = 0; i < tensors.size(); ++i) arrays.emplace_back(std::string(g.name(values[i])), tensors[i]);
  };
  add(g.inputs(), executed.inputs(o.x));
  SAHA_TRY(const auto out, executed.outputs(o.x));
  add(g.outputs(), out);
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
      return "holds: no input of " + std::string(verify::extent(p).boxes == 1 ? "the box" : "the boxes") + " satisfies " + cases + ", in " + (arithmetic == verify::Arithmetic::real ? "exact sums" : "float32 sums of any order") + "; " + effort;
    case verify::Verdict::violated: {
      const auto& rows = p.cases[*which].rows;
      std::string said = rows.empty() ? "the input is in its box" : verify::sentence(v, rows[0]);
      if (rows.size() > 1) said += " and " + figures::counted(std::int64_t(rows.size()) - 1, "further row");
      return "violated: " + said + (p.cases.size() > 1 ? " (case " + std::to_string(*which + 1) + " of " + std::to_string(p.cases.size()) + ")" : "") + ", executed by " + backend + "; " + effort;
    }
    case verify::Verdict::unknown:
    case verify::Verdict::timeout: break;
  }
  return std::string(word(o.verdict)) + ": " + (o.why.empty() ? "the time is over" : o.why) + "; " + effort;
}

Json json(const Args& args, const verify::Vnnlib& v, const verify::Outcome& o, std::optional<std::size_t> which, double seconds) {
  const verify::Extent e = verify::extent(v.property);
  auto hash = [](const std::string& file) {
    auto h = system::sha256_file(file);
    return h ? Json(*h) : Json();
  };
  auto text = [](const std::string& s) { return s.empty() ? Json() : Json(s); };
  Json j{{"schema", "saha.verify/1"}, {"saha", SAHA_VERSION}, {"model", args.arguments[0]}, {"model_sha256", hash(args.arguments[0])}, {"property", args.arguments[1]},
         {"property_sha256", hash(args.arguments[1])}, {"verdict", word(o.verdict)}, {"method", text(o.method)}, {"why", text(o.why)}, {"arithmetic", args.get("arithmetic")},
         {"backend", args.get("backend")}, {"inputs", v.property.inputs}, {"inputs_varying", e.vary}, {"outputs", v.property.outputs}, {"cases", v.property.cases.size()},
         {"regions", o.regions}, {"seconds", seconds}, {"counterexample", nullptr}};
  if (which) {
    auto numbers = [](const std::vector<float>& values) {
      Json a = Json::array();
      for (float f : values) a.push_back(std::isfinite(f) ? Json(double(f)) : Json());
      return a;
    };
    j["counterexample"] = {{"case", *which + 1}, {"x", numbers(o.x)}, {"y", numbers(o.y)}};
  }
  return j;
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
  SAHA_TRY(Subject subject, read_model(model));
  SAHA_DO(bind(subject, v, args));
  SAHA_DO(match(subject, model, v, property));
  if (ends_with(witness, ".npy") && subject.inputs.size() > 1) return Error{ErrorCode::invalid_file, "--witness is '" + witness + "', one array, and " + model + " has " + std::to_string(subject.inputs.size()) + " inputs", "a name that ends in .npz takes them all"};
  if (args.has("explain")) {
    print(verify::explain(v));
    return 0;
  }

  Executed executed(subject, model, backend);
  verify::Options options;
  options.arithmetic = how == "real" ? verify::Arithmetic::real : verify::Arithmetic::float32;
  options.threads = int(threads);
  options.seed = std::uint64_t(seed);
  options.execute = [&](const std::vector<float>& x) { return executed(x); };
  options.cancelled = [] { return system::interrupted(); };
  std::optional<system::Progress> bar;
  options.progress = [&](double done, std::int64_t regions) {
    if (!bar) bar.emplace("verify", 1000, progress_options(args));
    bar->note(figures::counted(regions, "region"));
    bar->set(std::int64_t(1000 * done));
  };
  system::InterruptGuard guard;
  options.timeout_s = std::max(0.0, timeout - elapsed());
  auto proved = verify::prove(subject.model.graph, v.property, options);
  bar.reset();
  if (!proved) {
    if (proved.error().code == ErrorCode::cancelled && system::interrupt_exit_code()) return system::interrupt_exit_code();
    return std::move(proved.error()).within(model);
  }
  verify::Outcome& o = *proved;
  std::optional<std::size_t> which;
  if (o.verdict == verify::Verdict::violated && !(which = broken(v.property, o))) {
    o.verdict = verify::Verdict::unknown;
    o.why = "what was found is no counterexample when it is executed by " + backend;
  }
  const double seconds = elapsed();
  const Json object = args.json() || args.has("report") ? json(args, v, o, which, seconds) : Json();
  if (args.json()) print(object.dump(1, ' ', false, Json::error_handler_t::replace) + "\n");
  else print(std::string(word(o.verdict)) + "\n" + (which ? verify::print_counterexample(o.x, o.y) : ""));
  say(args, summary(v, o, which, options.arithmetic, backend, seconds));
  if (which && !witness.empty()) {
    SAHA_DO(write_witness(witness, subject, executed, o));
    say(args, "wrote " + witness);
  }
  SAHA_DO(write_reports(args, object, model + " against " + property));
  if (system::interrupt_exit_code()) return system::interrupt_exit_code();
  if (o.verdict == verify::Verdict::holds) return 0;
  return o.verdict == verify::Verdict::violated || args.has("strict") ? 1 : 3;
}

/// 1 says that the property is violated and nothing else: whatever kept the work from a verdict exits 2.
Result<int> run(const Args& args) {
  auto code = run_verify(args);
  if (!code && code.error().code != ErrorCode::internal && code.error().code != ErrorCode::out_of_memory) code.error().code = ErrorCode::invalid_file;
  return code;
}
}  // namespace

const Command kVerify{"verify", "prove that no input of a region breaks a property, or find one that does", kArguments, kOptions, "verify model.onnx property.vnnlib --timeout 60", run,
                      "The first line of stdout is unsat (the property holds), sat (a counterexample follows), unknown or timeout. The exit code is 0 for unsat, 1 for sat, 3 for unknown and "
                      "timeout, and 2 where the files or options are wrong or the model has an operator without bounds."};

}  // namespace saha::cli
