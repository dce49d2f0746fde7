// ONNX Runtime on the CPU: one session per program, N threads within an operator, operators one after the other, every graph optimisation.
// Source: onnxruntime's C interface through ort_abi.hpp.
#include <filesystem>

#include "backends/engine/host.hpp"
#include "backends/engine/inputs.hpp"
#include "backends/engine/locate.hpp"
#include "backends/onnxruntime/profile.hpp"
#include "backends/onnxruntime/value.hpp"
#include "system/file.hpp"
#include "system/machine.hpp"

namespace saha::ort {
namespace {
using runtime::Port;

/// The library's environment; programs share it.
struct Library {
  Context context;
  Env* env;
  std::string version;
  ~Library() {
    context.api(kReleaseMemoryInfo, context.memory);
    context.api(kReleaseEnv, env);
  }
};

Result<std::shared_ptr<const Library>> open_library() {
  SAHA_TRY(auto file, engine::open_engine({.engine = "onnxruntime",
                                           .variable = "SAHA_ONNXRUNTIME",
                                           .package = "onnxruntime/capi",
                                           .prefix = "libonnxruntime.so",
                                           .names = {"libonnxruntime.so.1", "libonnxruntime.so"},
                                           .install = "pip install onnxruntime"}));
  auto* base = file.function<const ApiBase*()>("OrtGetApiBase");
  if (base == nullptr) return Error{ErrorCode::io, "onnxruntime: " + file.file() + " has no function OrtGetApiBase"};
  const std::string version = base()->version();
  const auto* table = base()->get_api(kApiVersion);
  if (table == nullptr) return Error{ErrorCode::io, "onnxruntime " + version + " in " + file.file() + " is older than 1.17", "pip install --upgrade onnxruntime"};
  Context c{Api(table), nullptr, nullptr};
  Env* env = nullptr;
  SAHA_DO(c.check(c.api(kCreateEnv, kFatal, "saha", &env)));
  SAHA_DO(c.check(c.api(kDisableTelemetry, env)));
  SAHA_DO(c.check(c.api(kDefaultAllocator, &c.allocator)));
  SAHA_DO(c.check(c.api(kCreateCpuMemoryInfo, kArenaAllocator, kDefaultMemory, &c.memory)));
  return std::shared_ptr<const Library>(new Library{c, env, version});
}

Result<> describe_type(const Context& c, const TypeInfo* type, Port& port) {
  int kind = kUnknownKind;
  SAHA_DO(c.check(c.api(kKindOfType, type, &kind)));
  port.is_tensor = kind == kTensor;
  if (kind == kOptional) {
    const OptionalInfo* optional = nullptr;
    TypeInfo* raw = nullptr;
    SAHA_DO(c.check(c.api(kAsOptionalInfo, type, &optional)));
    SAHA_DO(c.check(c.api(kOptionalElement, optional, &raw)));
    Handle<TypeInfo> element(raw, Release{&c});
    SAHA_DO(describe_type(c, raw, port));
    port.is_tensor = false;
  }
  if (!port.is_tensor) return {};
  const TensorInfo* info = nullptr;
  SAHA_DO(c.check(c.api(kAsTensorInfo, type, &info)));
  int element = 0;
  std::size_t rank = 0;
  SAHA_DO(c.check(c.api(kElementType, info, &element)));
  SAHA_DO(c.check(c.api(kRank, info, &rank)));
  port.dtype = dtype_of_element(element);
  port.dims.resize(rank);
  std::vector<const char*> names(rank, "");
  SAHA_DO(c.check(c.api(kDims, info, port.dims.data(), rank)));
  SAHA_DO(c.check(c.api(kDimNames, info, names.data(), rank)));
  port.dim_names.assign(names.begin(), names.end());
  return {};
}

class OrtProgram final : public runtime::Program {
 public:
  explicit OrtProgram(std::shared_ptr<const Library> library) : library_(std::move(library)) {}

  Result<> load(const ir::Model& model, const runtime::LoadOptions& options, const engine::Host& host) {
    const Context& c = library_->context;
    SessionOptions* raw = nullptr;
    SAHA_DO(c.check(c.api(kCreateSessionOptions, &raw)));
    Handle<SessionOptions> settings(raw, Release{&c});
    SAHA_DO(c.check(c.api(kSetIntraThreads, raw, options.threads)));
    SAHA_DO(c.check(c.api(kSetInterThreads, raw, 1)));
    SAHA_DO(c.check(c.api(kSetExecutionMode, raw, kSequential)));
    SAHA_DO(c.check(c.api(kSetOptimizationLevel, raw, kEnableAll)));
    SAHA_DO(c.check(c.api(kSetLogSeverity, raw, kFatal)));
    if (options.pin && options.threads > 1) {
      // Of the threads beside the caller; processors are counted from 1.
      const auto processors = system::processors();
      std::string places;
      for (int i = 1; i < options.threads && !processors.empty(); ++i) places += (i > 1 ? ";" : "") + std::to_string(processors[std::size_t(i) % processors.size()] + 1);
      if (!places.empty()) { SAHA_DO(c.check(c.api(kSetEntry, raw, "session.intra_op_thread_affinities", places.c_str()))); }
    }
    pinned_ = options.pin;
    if (options.profile) {
      SAHA_TRY(auto folder, system::TempFolder::make());
      written_.emplace(std::move(folder));
      SAHA_DO(c.check(c.api(kWriteOptimizedModel, raw, (written_->path() / "run.onnx").c_str())));
      SAHA_DO(c.check(c.api(kEnableProfiling, raw, (written_->path() / "profile").c_str())));
    }
    Session* session = nullptr;
    if (!options.file.empty() && std::filesystem::path(options.file).extension() == ".onnx") {
      SAHA_DO(c.check(c.api(kCreateSession, library_->env, options.file.c_str(), raw, &session)));
      if (options.profile) {
        SAHA_TRY(const auto bytes, system::read_bytes(options.file));
        SAHA_TRY(model_, read_nodes(bytes));
      }
    } else {
      if (host.onnx_bytes == nullptr) return Error{ErrorCode::unsupported, "onnxruntime reads ONNX only, and this program cannot write it"};
      SAHA_TRY(const std::string bytes, host.onnx_bytes(model));
      SAHA_DO(c.check(c.api(kCreateSessionFromArray, library_->env, bytes.data(), bytes.size(), raw, &session)));
      if (options.profile) { SAHA_TRY(model_, read_nodes(std::as_bytes(std::span(bytes)))); }
    }
    session_ = Handle<Session>(session, Release{&c});
    return describe();
  }

  std::span<const Port> inputs() const override { return inputs_; }
  std::span<const Port> outputs() const override { return outputs_; }
  std::string precision() const override { return "float32"; }

  Result<std::vector<Datum>> run(std::span<const Datum> in) override {
    const Context& c = library_->context;
    SAHA_TRY(auto values, make_inputs(in));
    std::vector<const Value*> raw_in;
    for (const auto& v : values) raw_in.push_back(v.get());
    std::vector<const char*> in_names, out_names;
    for (const auto& p : inputs_) in_names.push_back(p.name.c_str());
    for (const auto& p : outputs_) out_names.push_back(p.name.c_str());
    std::vector<Value*> raw_out(outputs_.size(), nullptr);
    SAHA_DO(c.check(c.api(kRun, session_.get(), nullptr, in_names.data(), raw_in.data(), raw_in.size(), out_names.data(), out_names.size(), raw_out.data())));
    std::vector<Handle<Value>> owned;
    for (Value* v : raw_out) owned.emplace_back(v, Release{&c});
    std::vector<Datum> out;
    for (std::size_t i = 0; i < owned.size(); ++i) {
      auto datum = read_value(c, owned[i].get());
      if (!datum) return std::move(datum.error()).within("output '" + outputs_[i].name + "'");
      out.push_back(std::move(*datum));
    }
    return out;
  }

  // The inputs are bound once for as long as the same buffers come; results stay in buffers of onnxruntime.
  Result<> run_only(std::span<const Datum> in) override {
    const Context& c = library_->context;
    if (!engine::same_buffers(bound_, in)) { SAHA_DO(bind(in)); }
    return c.check(c.api(kRunBound, session_.get(), nullptr, binding_.get()));
  }

  bool pinned() const override { return pinned_; }

  // The session profiles from its first run to the end that is asked for here.
  Result<std::vector<runtime::LayerTime>> profile(std::span<const Datum> in, int runs) override {
    const Context& c = library_->context;
    if (!written_) return Error{ErrorCode::unsupported, "onnxruntime gives one profile of a program, of one that was loaded for it"};
    for (int i = 0; i < runs; ++i) { SAHA_DO(run_only(in)); }
    char* text = nullptr;
    SAHA_DO(c.check(c.api(kEndProfiling, session_.get(), c.allocator, &text)));
    const std::string file = text;
    SAHA_DO(c.check(c.api(kFree, c.allocator, text)));
    SAHA_TRY(const auto events, system::read_bytes(file));
    SAHA_TRY(const auto bytes, system::read_bytes(written_->path() / "run.onnx"));
    written_.reset();
    SAHA_TRY(NodeList run, read_nodes(bytes));
    restore_names(model_, run);
    return layer_times(std::string(reinterpret_cast<const char*>(events.data()), events.size()), run);
  }

 private:
  Result<> describe() {
    const Context& c = library_->context;
    std::size_t num_in = 0, num_out = 0;
    SAHA_DO(c.check(c.api(kInputCount, session_.get(), &num_in)));
    SAHA_DO(c.check(c.api(kOutputCount, session_.get(), &num_out)));
    for (std::size_t i = 0; i < num_in + num_out; ++i) {
      const bool input = i < num_in;
      const std::size_t k = input ? i : i - num_in;
      TypeInfo* raw = nullptr;
      SAHA_DO(c.check(c.api(input ? kInputType : kOutputType, session_.get(), k, &raw)));
      Handle<TypeInfo> type(raw, Release{&c});
      Port port;
      SAHA_DO(describe_type(c, raw, port));
      char* text = nullptr;
      SAHA_DO(c.check(c.api(input ? kInputName : kOutputName, session_.get(), k, c.allocator, &text)));
      port.name = text;
      SAHA_DO(c.check(c.api(kFree, c.allocator, text)));
      (input ? inputs_ : outputs_).push_back(std::move(port));
    }
    return {};
  }

  Result<std::vector<Handle<Value>>> make_inputs(std::span<const Datum> in) const {
    SAHA_DO(engine::check_inputs(inputs_, in));
    std::vector<Handle<Value>> values;
    for (std::size_t i = 0; i < in.size(); ++i) {
      auto value = make_value(library_->context, in[i]);
      if (!value) return std::move(value.error()).within("input '" + inputs_[i].name + "'");
      values.push_back(std::move(*value));
    }
    return values;
  }

  Result<> bind(std::span<const Datum> in) {
    const Context& c = library_->context;
    bound_.clear();
    SAHA_TRY(auto values, make_inputs(in));
    IoBinding* raw = nullptr;
    SAHA_DO(c.check(c.api(kCreateIoBinding, session_.get(), &raw)));
    binding_ = Handle<IoBinding>(raw, Release{&c});
    for (std::size_t i = 0; i < values.size(); ++i) { SAHA_DO(c.check(c.api(kBindInput, raw, inputs_[i].name.c_str(), values[i].get()))); }
    for (const auto& port : outputs_) { SAHA_DO(c.check(c.api(kBindOutputToDevice, raw, port.name.c_str(), c.memory))); }
    bound_.assign(in.begin(), in.end());  // keeps the buffers alive for as long as they are bound
    return {};
  }

  std::shared_ptr<const Library> library_;
  Handle<Session> session_;
  std::vector<Port> inputs_, outputs_;
  std::vector<Datum> bound_;
  bool pinned_ = false;
  std::optional<system::TempFolder> written_;   // what a profiling session writes: its graph and its times
  NodeList model_;
  Handle<IoBinding> binding_;
};

class OrtBackend final : public runtime::Backend {
 public:
  OrtBackend(std::shared_ptr<const Library> library, engine::Host host) : library_(std::move(library)), host_(host) {}
  std::string name() const override { return "onnxruntime"; }
  std::string version() const override { return library_->version; }
  Result<std::unique_ptr<runtime::Program>> load(const ir::Model& model, const runtime::LoadOptions& options) override {
    if (options.precision != "float32" && options.precision != "default")
      return Error{ErrorCode::unsupported, "onnxruntime computes in the model's own types; it has no option for " + options.precision};
    auto program = std::make_unique<OrtProgram>(library_);
    SAHA_DO(program->load(model, options, host_));
    return std::unique_ptr<runtime::Program>(std::move(program));
  }

 private:
  std::shared_ptr<const Library> library_;
  engine::Host host_;
};

engine::OpenResult open_backend(const engine::Host& host) {
  SAHA_DO(engine::check_build(host));
  SAHA_TRY(auto library, open_library());
  return std::unique_ptr<runtime::Backend>(std::make_unique<OrtBackend>(std::move(library), host));
}

}  // namespace
}  // namespace saha::ort

SAHA_BACKEND_EXPORT saha_backend_open(const saha::engine::Host* host, const char*, saha::engine::OpenResult* out) { *out = saha::ort::open_backend(*host); }
