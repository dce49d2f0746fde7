// saha._native: what the Python package needs of the engine. It knows no numpy types: a tensor crosses as (dtype, shape, bytes), and
// saha/_values.py makes arrays of them. Everything that takes time is done without Python's lock.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/unique_ptr.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <mutex>

#include "backends/native/network.hpp"
#include "backends/native/pack.hpp"
#include "backends/registry.hpp"
#include "formats/formats.hpp"
#include "formats/onnx/onnx.hpp"
#include "measure/bench.hpp"
#include "measure/inputs.hpp"
#include "passes/simplify.hpp"

namespace nb = nanobind;

namespace saha::python {
namespace {
using Bytes = nb::ndarray<std::uint8_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

[[noreturn]] void raise(const Error& e) {
  nb::object type = nb::module_::import_("saha._error").attr("Error");
  nb::object value = type(std::string(name(e.code)), e.message, e.help);
  PyErr_SetObject(type.ptr(), value.ptr());
  throw nb::python_error();
}
template <class T> T value_of(Result<T> r) {
  if (!r) raise(r.error());
  return std::move(*r);
}
/// fn() without Python's lock.
template <class Fn> auto unlocked(Fn&& fn) {
  nb::gil_scoped_release release;
  return fn();
}
Error wrong_value(const std::string& what) { return {ErrorCode::invalid_argument, what}; }

/// None, (dtype, shape, bytes), ("string", shape, [bytes]), ("map", keys, values) or a list -> Datum. A tensor is a view that keeps the
/// array alive.
Datum datum_of(nb::handle h) {
  if (h.is_none()) return {};
  if (nb::isinstance<nb::list>(h)) {
    std::vector<Datum> items;
    for (nb::handle x : nb::borrow<nb::list>(h)) items.push_back(datum_of(x));
    return Datum::sequence(std::move(items));
  }
  auto t = nb::cast<nb::tuple>(h);
  auto kind = nb::cast<std::string>(t[0]);
  if (kind == "map") return Datum::map(datum_of(t[1]).tensor, datum_of(t[2]).tensor);
  auto dims = nb::cast<Dims>(t[1]);
  auto n = checked_elements(dims);
  auto dtype = dtype_of(kind);
  if (!dtype || !n) raise(wrong_value("a value of type '" + kind + "' and shape " + str(dims) + " cannot be an input"));
  if (*dtype == DType::string) {
    std::vector<std::string> all;
    for (nb::handle x : nb::cast<nb::list>(t[2])) {
      auto b = nb::cast<nb::bytes>(x);
      all.emplace_back(b.c_str(), b.size());
    }
    if (std::int64_t(all.size()) != *n) raise(wrong_value(std::to_string(all.size()) + " strings for shape " + str(dims)));
    return Tensor::of_strings(std::move(dims), std::move(all));
  }
  auto bytes = nb::cast<Bytes>(t[2]);
  if (std::int64_t(bytes.size()) != storage_bytes(*dtype, *n))
    raise(wrong_value(std::to_string(bytes.size()) + " bytes for " + kind + str(dims) + ", which has " + std::to_string(storage_bytes(*dtype, *n))));
  auto* data = reinterpret_cast<std::byte*>(bytes.data());
  auto* owner = new nb::object(nb::borrow(t[2]));
  return Tensor{*dtype, std::move(dims), std::shared_ptr<std::byte[]>(data, [owner](std::byte*) {
                  nb::gil_scoped_acquire acquire;
                  delete owner;
                }), nullptr};
}

nb::object object_of(Datum d);
nb::object tensor_object(Tensor t) {
  nb::list shape;
  for (std::int64_t n : t.dims) shape.append(n);
  if (t.dtype == DType::string) {
    nb::list all;
    for (const std::string& s : *t.text) all.append(nb::bytes(s.data(), s.size()));
    return nb::make_tuple("string", nb::tuple(shape), all);
  }
  if (t.data.use_count() != 1) {  // an input, a constant or something that the engine keeps: the caller gets elements of its own
    Tensor own = value_of(Tensor::make(t.dtype, t.dims));
    if (t.bytes() > 0) std::memcpy(own.data.get(), t.data.get(), std::size_t(t.bytes()));
    t = std::move(own);
  }
  auto* held = new Tensor(std::move(t));
  nb::capsule owner(held, [](void* p) noexcept { delete static_cast<Tensor*>(p); });
  const std::size_t size[] = {std::size_t(held->bytes())};
  nb::ndarray<nb::numpy, std::uint8_t> array(held->data.get(), 1, size, owner);
  return nb::make_tuple(std::string(name(held->dtype)), nb::tuple(shape), nb::cast(array));
}
nb::object object_of(Datum d) {
  switch (d.kind) {
    case Datum::Kind::none: return nb::none();
    case Datum::Kind::tensor: return tensor_object(std::move(d.tensor));
    case Datum::Kind::map: return nb::make_tuple("map", tensor_object(d.list()[0].tensor), tensor_object(d.list()[1].tensor));
    case Datum::Kind::sequence: break;
  }
  nb::list all;
  for (const Datum& x : d.list()) all.append(object_of(x));
  return all;
}

/// (name, dtype or "", shape or None, text): a dim is a number or a name.
nb::list ports(const ir::Graph& g, std::span<const ir::ValueId> values) {
  nb::list all;
  for (ir::ValueId v : values) {
    const ir::Type& t = g.type(v);
    nb::object shape = nb::none();
    if (t.is_tensor() && t.ranked) {
      nb::list dims;
      for (const ir::Dim& d : t.dims) {
        if (d.known()) dims.append(*d.known());
        else dims.append(nb::str(d.str().c_str()));
      }
      shape = nb::tuple(dims);
    }
    all.append(nb::make_tuple(g.name(v), t.is_tensor() ? std::string(name(t.dtype)) : std::string(), shape, ir::str(t)));
  }
  return all;
}

/// The letter of a type in Python's buffer protocol; 0 where a buffer cannot say it.
char letter_of(DType t) {
  switch (t) {
    case DType::f16: return 'e';
    case DType::f32: return 'f';
    case DType::f64: return 'd';
    case DType::boolean: return '?';
    case DType::i8: return 'b';
    case DType::u8: return 'B';
    case DType::i16: return 'h';
    case DType::u16: return 'H';
    case DType::i32: return 'i';
    case DType::u32: return 'I';
    case DType::i64: return 'l';
    case DType::u64: return 'L';
    default: return 0;
  }
}
/// What a run reads of an array: released when it is over.
class Borrowed {
 public:
  Borrowed() = default;
  Borrowed(const Borrowed&) = delete;
  ~Borrowed() { release(); }
  /// The array's own memory, if it is dense and of that type; false: it has to be converted.
  bool take(PyObject* array, char letter) {
    if (letter == 0 || PyObject_GetBuffer(array, &view_, PyBUF_C_CONTIGUOUS | PyBUF_FORMAT) != 0) {
      PyErr_Clear();
      return false;
    }
    if (view_.format && view_.format[0] == letter && view_.format[1] == 0) return true;
    release();
    return false;
  }
  void release() {
    if (view_.obj) PyBuffer_Release(&view_);
  }
  const Py_buffer& view() const { return view_; }

 private:
  Py_buffer view_ = {};
};

/// Runs of one model with little between Python and the kernels: dense arrays of the right type are read in place, names and shapes are looked up once.
class Session {
 public:
  Session(std::shared_ptr<const native::Network> network, int threads, nb::object inputs, nb::object outputs)
      : network_(std::move(network)), pool_(unsigned(threads)), runner_(network_, pool_), inputs_(std::move(inputs)), outputs_(std::move(outputs)), in_(network_->inputs().size()), operands_(in_.size()), lowered_(in_.size()), borrowed_(in_.size()), copies_(network_->outputs().size()) {
    for (std::size_t i = 0; i < in_.size(); ++i) {
      operands_[i] = &in_[i];
      in_names_.push_back(interned(network_->inputs()[i].name));
    }
    for (const auto& p : network_->outputs()) out_names_.push_back(interned(p.name));
    nb::object values = nb::module_::import_("saha._values");
    lower_ = values.attr("lower"), lift_ = values.attr("lift");
  }
  nb::object inputs() const { return inputs_; }
  nb::object outputs() const { return outputs_; }

  nb::object run(nb::dict values) {
    std::unique_lock lock(mutex_, std::try_to_lock);
    if (!lock) {   // whoever holds it may be waiting for Python's lock
      nb::gil_scoped_release release;
      lock.lock();
    }
    struct Release {
      std::vector<Borrowed>& all;
      ~Release() { for (Borrowed& b : all) b.release(); }
    } release{borrowed_};
    bool same = planned_ != nullptr;
    for (std::size_t i = 0; i < in_.size(); ++i) same &= set(i, values);
    if (PyDict_Size(values.ptr()) != Py_ssize_t(in_.size())) refuse(values);
    if (!same) {
      planned_ = nullptr;
      std::ranges::fill(copies_, nb::object());
      planned_ = value_of(unlocked([&] { return runner_.prepare(operands_); }));
      double macs = 0;
      brief_ = true;
      for (const auto& i : planned_->plan().instructions) macs += i.macs, brief_ &= i.kernel != plan::kHost;
      brief_ &= macs < 1e6;   // some 20 us; giving Python's lock away and back would take a good part of it
    }
    if (auto r = brief_ ? planned_->run() : unlocked([&] { return planned_->run(); }); !r) raise(r.error());
    nb::dict all;
    for (std::size_t k = 0; k < copies_.size(); ++k) all[out_names_[k]] = output(k);
    return all;
  }

 private:
  static nb::object interned(const std::string& s) { return nb::steal(PyUnicode_InternFromString(s.c_str())); }

  /// Input i from the dict: true if it has the type and dims of the last run.
  bool set(std::size_t i, const nb::dict& values) {
    PyObject* array = PyDict_GetItemWithError(values.ptr(), in_names_[i].ptr());
    if (!array) refuse(values);
    const DType dtype = network_->inputs()[i].dtype;
    if (!borrowed_[i].take(array, letter_of(dtype))) {
      // Lists, numbers, strided arrays, types without a letter: what Model.run does.
      const auto& port = network_->inputs()[i];
      lowered_[i] = lower_(nb::handle(array), port.is_tensor && port.dtype != DType::none ? std::string(name(port.dtype)) : std::string(), port.name);
      in_[i] = datum_of(lowered_[i]);
      return false;
    }
    const Py_buffer& v = borrowed_[i].view();
    Datum& d = in_[i];
    const bool same = d.is_tensor() && d.tensor.dtype == dtype && d.tensor.dims.size() == std::size_t(v.ndim) && std::equal(d.tensor.dims.begin(), d.tensor.dims.end(), v.shape);
    if (!same) d = Tensor{dtype, Dims(v.shape, v.shape + v.ndim), nullptr, nullptr};
    d.tensor.data = std::shared_ptr<std::byte[]>(std::shared_ptr<std::byte[]>(), static_cast<std::byte*>(v.buf));   // owns nothing, so takes no memory
    if (same && planned_) planned_->set_input(i, d);
    return same;
  }

  /// The dict lacks an input, or has a name that is none.
  [[noreturn]] void refuse(const nb::dict& values) const {
    std::string all;
    for (const auto& p : network_->inputs()) all += (all.empty() ? "'" : ", '") + p.name + "'";
    for (auto [key, value] : values) {
      const std::string given = nb::cast<std::string>(nb::str(key));
      if (std::ranges::find(network_->inputs(), given, &runtime::Port::name) == network_->inputs().end())
        raise(wrong_value("the model has no input '" + given + "'; it has " + (all.empty() ? "none" : all)));
    }
    for (const auto& p : network_->inputs())
      if (!values.contains(p.name.c_str())) raise(wrong_value("input '" + p.name + "' was not given"));
    raise(wrong_value("the inputs are " + all));
  }

  /// A copy of output k: of an array over the context's memory that is made once, or as Model.run makes it where the output has no place of its own.
  nb::object output(std::size_t k) {
    nb::object& copy = copies_[k];
    if (!copy.is_valid()) {
      const Datum d = planned_->output(k);
      if (!planned_->output_stays(k) || letter_of(d.tensor.dtype) == 0 || d.tensor.size() == 0) return lift_(object_of(planned_->take_output(k)));
      const std::size_t size[] = {std::size_t(d.tensor.bytes())};
      nb::list shape;
      for (std::int64_t n : d.tensor.dims) shape.append(n);
      nb::ndarray<nb::numpy, std::uint8_t> bytes(d.tensor.data.get(), 1, size, nb::handle());
      copy = lift_(nb::make_tuple(std::string(name(d.tensor.dtype)), nb::tuple(shape), nb::cast(bytes, nb::rv_policy::reference))).attr("copy");
    }
    PyObject* own = PyObject_CallNoArgs(copy.ptr());
    if (!own) throw nb::python_error();
    return nb::steal(own);
  }

  std::mutex mutex_;
  std::shared_ptr<const native::Network> network_;
  system::ThreadPool pool_;
  native::Runner runner_;
  runtime::Context* planned_ = nullptr;  // the runner's, for the inputs' present types and dims
  bool brief_ = false;
  nb::object inputs_, outputs_, lower_, lift_;
  std::vector<nb::object> in_names_, out_names_;
  std::vector<Datum> in_;
  std::vector<const Datum*> operands_;
  std::vector<nb::object> lowered_;      // what in_ are views of
  std::vector<Borrowed> borrowed_;
  std::vector<nb::object> copies_;       // by output: the bound method `copy` of an array over its place in planned_
};

/// A model; immutable, but for the runners that are kept for later runs. Runs of several threads go on at the same time.
class Model {
 public:
  Model(ir::Model m, int threads, std::string file) : model_(std::move(m)), file_(std::move(file)), threads_(threads) {}

  static std::unique_ptr<Model> load(const std::string& path, int threads) {
    check(threads);
    auto m = value_of(unlocked([&] { return formats::import_file(path); }));
    return std::make_unique<Model>(std::move(m), threads, path);
  }
  static std::unique_ptr<Model> from_bytes(nb::bytes bytes, int threads, const std::string& folder) {
    check(threads);
    std::span<const std::byte> all(reinterpret_cast<const std::byte*>(bytes.c_str()), bytes.size());
    auto m = value_of(unlocked([&] { return formats::import_bytes(all, folder); }));
    return std::make_unique<Model>(std::move(m), threads, std::string());
  }
  nb::list inputs() const { return ports(model_.graph, model_.graph.inputs()); }
  nb::list outputs() const { return ports(model_.graph, model_.graph.outputs()); }
  std::size_t nodes() const { return ir::count_nodes(model_.graph); }
  const std::string& file() const { return file_; }
  std::string model_name() const { return model_.name; }

  std::unique_ptr<Session> session(int threads, const std::string& precision, nb::object inputs, nb::object outputs) {
    check(threads);
    if (precision != "f32" && precision != "bf16" && precision != "f16" && precision != "auto") raise(wrong_value("precision is 'f32', 'bf16', 'f16' or 'auto', not '" + precision + "'"));
    auto network = value_of(unlocked([&]() -> Result<std::shared_ptr<const native::Network>> {
      if (precision == "bf16" || precision == "f16") {
        SAHA_TRY(const auto half, native::precision_of(precision == "bf16" ? "bfloat16" : "float16", kernels::detect_isa()));
        return native::network_of(model_.graph, kernels::detect_isa(), true, half);
      }
      std::lock_guard lock(mutex_);
      SAHA_DO(prepare());
      return network_;
    }));
    return std::make_unique<Session>(std::move(network), threads, std::move(inputs), std::move(outputs));
  }

  nb::list run(nb::list values) {
    std::vector<Datum> in;
    for (nb::handle h : values) in.push_back(datum_of(h));
    auto out = value_of(unlocked([&]() -> Result<std::vector<Datum>> {
      std::vector<const Datum*> operands;
      for (const Datum& d : in) operands.push_back(&d);
      SAHA_TRY(auto runner, take());
      auto r = runner->run(operands);
      give_back(std::move(runner));
      return r;
    }));
    nb::list all;
    for (Datum& d : out) all.append(object_of(std::move(d)));
    return all;
  }
  std::unique_ptr<Model> simplify(const std::vector<std::string>& without, const std::vector<std::string>& only, bool fuse, std::int64_t fold_limit) const {
    auto it = model_.opsets.find("");
    passes::Options options{.fold_limit = fold_limit, .fuse = fuse, .opset = it == model_.opsets.end() ? 28 : it->second};
    auto simple = value_of(unlocked([&] { return passes::simplify(model_.graph, options, without, only); }));
    ir::Model m = model_;
    m.graph = std::move(simple.graph);
    auto r = std::make_unique<Model>(std::move(m), threads_, std::string());
    r->changes_ = std::move(simple.passes);
    return r;
  }
  nb::list changes() const {
    nb::list all;
    for (const auto& p : changes_) {
      nb::dict d;
      d["pass"] = p.name, d["before"] = p.before, d["after"] = p.after, d["seconds"] = p.seconds;
      all.append(d);
    }
    return all;
  }
  void save(const std::string& path) const {
    value_of(unlocked([&]() -> Result<> {
      if (const auto format = formats::format_to_write(path); format && *format != "onnx") {
        SAHA_TRY([[maybe_unused]] const auto notes, formats::export_file(model_, path));
        return {};
      }
      if (!path.ends_with(".saha")) return onnx::export_file(model_, path);
      native::PackOptions options;
      if (auto dims = measure::input_dims(model_.graph, {})) options.shapes.push_back(std::move(*dims));
      SAHA_TRY(const std::string model, onnx::export_bytes(model_));
      SAHA_TRY(const auto packed, native::pack(model_, model, options));
      return system::write_file(path, packed.bytes);
    }));
  }
  nb::bytes bytes() const {
    std::string text = value_of(unlocked([&] { return onnx::export_bytes(model_); }));
    return nb::bytes(text.data(), text.size());
  }

 private:
  static void check(int threads) {
    if (threads < 1 || threads > 1024) raise(wrong_value("threads is 1 to 1024, not " + std::to_string(threads)));
  }
  /// The network, made when it is first needed.
  Result<> prepare() {
    if (network_) return {};
    // A bundle runs by its plans.
    if (bundle::is_bundle_file(file_)) { SAHA_TRY(network_, native::open_file(file_, kernels::detect_isa())); }
    else network_ = native::network_of(model_.graph, kernels::detect_isa());
    return {};
  }
  Result<std::unique_ptr<native::Runner>> take() {
    std::lock_guard lock(mutex_);
    SAHA_DO(prepare());
    if (!pool_) pool_ = std::make_unique<system::ThreadPool>(unsigned(threads_));
    if (free_.empty()) return std::make_unique<native::Runner>(network_, *pool_);
    auto r = std::move(free_.back());
    free_.pop_back();
    return r;
  }
  void give_back(std::unique_ptr<native::Runner> r) {
    std::lock_guard lock(mutex_);
    free_.push_back(std::move(r));
  }

  ir::Model model_;
  std::string file_;   // where it stands unchanged on disk, or ""
  int threads_;
  std::vector<passes::PassResult> changes_;
  std::mutex mutex_;
  std::shared_ptr<const native::Network> network_;
  std::unique_ptr<system::ThreadPool> pool_;           // outlives the runners
  std::vector<std::unique_ptr<native::Runner>> free_;
};

/// As `saha bench --json`.
nb::dict bench(const std::string& file, const std::vector<std::string>& backends, int threads, int runs, int warmup, double seconds, std::uint64_t seed, bool compare) {
  measure::BenchOptions options{.threads = threads, .runs = runs, .warmup = warmup, .seconds = seconds, .seed = seed, .compare = compare};
  auto b = value_of(unlocked([&] { return measure::bench({.file = file, .backends = backends}, options); }));
  auto finite = [](double v) -> nb::object { return std::isfinite(v) ? nb::cast(v) : nb::none(); };
  nb::dict j;
  j["schema"] = "saha.bench/1", j["saha"] = SAHA_VERSION, j["model"] = file, j["inputs"] = b.inputs, j["macs"] = b.macs, j["how"] = "measured";
  j["threads"] = threads, j["runs"] = runs, j["warmup"] = warmup, j["seed"] = seed, j["interleaved"] = true, j["load_average"] = b.load_average;
  j["reference"] = b.reference.empty() ? nb::none() : nb::cast(b.reference);
  j["wrong"] = b.wrong();
  nb::list rows, missing;
  for (const auto& r : b.engines) {
    nb::dict row;
    row["backend"] = r.backend, row["version"] = r.version, row["precision"] = r.precision, row["runs"] = r.ms.size();
    row["min_ms"] = r.summary.min, row["p50_ms"] = r.summary.p50, row["p90_ms"] = r.summary.p90, row["p99_ms"] = r.summary.p99, row["mean_ms"] = r.summary.mean;
    row["cpu_min_ms"] = r.cpu_min_ms, row["ratio"] = r.ratio;
    row["per_second"] = r.summary.p50 > 0 ? nb::cast(1e3 / r.summary.p50) : nb::none();
    row["load_ms"] = r.load_ms, row["first_ms"] = r.first_ms, row["peak_ram_bytes"] = r.peak_bytes;
    row["max_abs_diff"] = r.difference ? finite(r.difference->absolute) : nb::none();
    row["max_rel_diff"] = r.difference ? finite(r.difference->relative) : nb::none();
    row["tolerance"] = r.difference ? nb::cast(r.tolerance) : nb::none();
    row["wrong"] = r.wrong, row["notes"] = r.notes;
    rows.append(row);
  }
  for (const auto& m : b.missing) {
    nb::dict row;
    row["backend"] = m.backend, row["reason"] = m.reason, row["help"] = m.help;
    missing.append(row);
  }
  j["backends"] = rows, j["missing"] = missing;
  return j;
}
}  // namespace
}  // namespace saha::python

NB_MODULE(_native, m) {
  using namespace saha::python;
  using namespace nb::literals;
  m.attr("version") = SAHA_VERSION;
  nb::class_<Session>(m, "Session", "One model, made ready to run often: see Model.session().")
      .def_prop_ro("inputs", &Session::inputs, "What it takes: a list of Value.")
      .def_prop_ro("outputs", &Session::outputs, "What it gives: a list of Value.")
      .def("run", &Session::run, "inputs"_a, "Runs once. `inputs`: {name: array}. Returns {name: array}, arrays of the caller's own. Calls from several threads wait for one another.");
  nb::class_<Model>(m, "Model")
      .def_static("load", &Model::load, "path"_a, "threads"_a)
      .def_static("from_bytes", &Model::from_bytes, "bytes"_a, "threads"_a, "folder"_a)
      .def("inputs", &Model::inputs)
      .def("outputs", &Model::outputs)
      .def("run", &Model::run, "values"_a)
      .def("session", &Model::session, "threads"_a, "precision"_a, "inputs"_a, "outputs"_a)
      .def("simplify", &Model::simplify, "without"_a, "only"_a, "fuse"_a, "fold_limit"_a)
      .def("changes", &Model::changes)
      .def("save", &Model::save, "path"_a)
      .def("bytes", &Model::bytes)
      .def("nodes", &Model::nodes)
      .def("file", &Model::file)
      .def("name", &Model::model_name);
  m.def("bench", &bench, "file"_a, "backends"_a, "threads"_a, "runs"_a, "warmup"_a, "seconds"_a, "seed"_a, "compare"_a);
  m.def("backends", [] {
    nb::list all;
    for (const auto& b : saha::backends::all()) all.append(b.name);
    return all;
  });
}
