// TensorFlow Lite (LiteRT) on the CPU: its default kernels, XNNPACK among them, N threads. Reads TensorFlow Lite files as they stand on disk; of
// models of other formats it gets what saha writes for it.
// Source: TensorFlow Lite's C interface through tflite_abi.hpp.
#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>

#include "backends/engine/host.hpp"
#include "backends/engine/inputs.hpp"
#include "backends/engine/locate.hpp"
#include "backends/tflite/tflite_abi.hpp"
#include "ir/graph.hpp"
#include "system/file.hpp"

namespace saha::tflite_engine {
namespace {
/// While it lives nothing reaches stderr: the library says there, once, that its fast kernels are in use, in the middle of what saha shows. Errors come by the reporter.
class Hushed {
 public:
  Hushed() : kept_(fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3)) {
    const int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (nowhere >= 0) dup2(nowhere, STDERR_FILENO), close(nowhere);
  }
  ~Hushed() {
    if (kept_ >= 0) dup2(kept_, STDERR_FILENO), close(kept_);
  }
  Hushed(const Hushed&) = delete;
  Hushed& operator=(const Hushed&) = delete;

 private:
  int kept_;
};

using runtime::Port;

Result<std::shared_ptr<const Api>> open_library() {
  SAHA_TRY(auto file, engine::open_engine({.engine = "tflite",
                                           .variable = "SAHA_TFLITE",
                                           .package = "tflite_c",
                                           .prefix = "libjnitensorflowlite.so",
                                           .names = {"libjnitensorflowlite.so", "libtensorflowlite_c.so"},
                                           .install = "mvn dependency:copy -Dartifact=org.bytedeco:tensorflow-lite:2.21.0-1.5.14:jar:linux-x86_64 and unpack the jar"}));
  Api api{};
  if (const char* missing = api.load(file)) return Error{ErrorCode::io, "tflite: " + file.file() + " has no function " + missing};
  return std::make_shared<const Api>(api);
}

class TfliteProgram final : public runtime::Program {
 public:
  explicit TfliteProgram(std::shared_ptr<const Api> api) : api_(std::move(api)) {}
  TfliteProgram(const TfliteProgram&) = delete;
  ~TfliteProgram() override {
    if (interpreter_) api_->interpreter_delete(interpreter_);
    if (xnnpack_) api_->xnnpack_delete(xnnpack_);
    if (model_) api_->model_delete(model_);
  }

  /// `what` the bytes are, for messages.
  Result<> load(const ir::Model& model, std::vector<std::byte> bytes, const std::string& what, int threads) {
    bytes_ = std::move(bytes);
    model_ = api_->model_create(bytes_.data(), bytes_.size());
    if (!model_) return Error{ErrorCode::invalid_model, "tflite: it does not read " + what};
    Options* options = api_->options_create();
    api_->options_set_threads(options, threads);
    api_->options_set_error_reporter(options, keep_message, &message_);
    if (api_->has_xnnpack()) {  // this interface takes its plain kernels otherwise, up to ten times slower than the ones that LiteRT's users get
      XnnpackOptions fast = api_->xnnpack_defaults();
      fast.threads = threads;
      const Hushed hushed;
      xnnpack_ = api_->xnnpack_create(&fast);
      if (xnnpack_) api_->options_add_delegate(options, xnnpack_);
    }
    {
      const Hushed hushed;
      interpreter_ = api_->interpreter_create(model_, options);
    }
    api_->options_delete(options);
    if (!interpreter_) return failed("cannot be prepared");
    if (api_->allocate(interpreter_) != kOk) return failed("cannot be prepared");
    for (std::int32_t i = 0; i < api_->input_count(interpreter_); ++i) inputs_.push_back(port(api_->input(interpreter_, i)));
    for (std::int32_t i = 0; i < api_->output_count(interpreter_); ++i) outputs_.push_back(port(api_->output(interpreter_, i)));
    // Free dims and names are the model's: the interpreter shows a size for each.
    adopt(model.graph, model.graph.inputs(), inputs_);
    adopt(model.graph, model.graph.outputs(), outputs_);
    return {};
  }

  std::span<const Port> inputs() const override { return inputs_; }
  std::span<const Port> outputs() const override { return outputs_; }
  std::string precision() const override { return "float32"; }
  std::vector<std::string> notes() const override { return xnnpack_ ? std::vector<std::string>() : std::vector<std::string>{"this library has no XNNPACK, so its plain kernels were measured"}; }

  Result<std::vector<Datum>> run(std::span<const Datum> in) override {
    SAHA_DO(give(in));
    SAHA_DO(invoke());
    std::vector<Datum> out;
    for (std::int32_t i = 0; i < std::int32_t(outputs_.size()); ++i) {
      const RawTensor* raw = api_->output(interpreter_, i);
      const DType type = dtype_of(api_->type(raw));
      if (type == DType::none) return Error{ErrorCode::unsupported, "tflite: output '" + outputs_[std::size_t(i)].name + "' has an element type that is not read"};
      SAHA_TRY(Tensor t, Tensor::make(type, dims(raw)));
      if (std::size_t(t.bytes()) != api_->bytes(raw)) return Error{ErrorCode::internal, "tflite: output '" + outputs_[std::size_t(i)].name + "' has " + std::to_string(api_->bytes(raw)) + " bytes, its dims say " + std::to_string(t.bytes())};
      if (t.bytes()) std::memcpy(t.data.get(), api_->data(raw), std::size_t(t.bytes()));
      out.emplace_back(std::move(t));
    }
    return out;
  }

  // Inputs are copied once for as long as the same buffers come: the interpreter keeps what it was given.
  Result<> run_only(std::span<const Datum> in) override {
    if (!engine::same_buffers(given_, in)) { SAHA_DO(give(in)); }
    return invoke();
  }

 private:
  Result<> give(std::span<const Datum> in) {
    given_.clear();
    SAHA_DO(engine::check_inputs(inputs_, in));
    bool resized = false;
    for (std::int32_t i = 0; i < std::int32_t(in.size()); ++i) {
      const Tensor& t = in[std::size_t(i)].tensor;
      if (dims(api_->input(interpreter_, i)) == t.dims) continue;
      const std::vector<int> to(t.dims.begin(), t.dims.end());
      if (api_->resize_input(interpreter_, i, to.data(), std::int32_t(to.size())) != kOk) return failed("does not take input '" + inputs_[std::size_t(i)].name + "' of " + str(t.dims));
      resized = true;
    }
    if (resized && api_->allocate(interpreter_) != kOk) return failed("cannot be prepared for these inputs");
    for (std::int32_t i = 0; i < std::int32_t(in.size()); ++i) {
      const Tensor& t = in[std::size_t(i)].tensor;
      RawTensor* raw = api_->input(interpreter_, i);
      if (api_->bytes(raw) != std::size_t(t.bytes())) return failed("takes " + std::to_string(api_->bytes(raw)) + " bytes for input '" + inputs_[std::size_t(i)].name + "', not " + std::to_string(t.bytes()));
      if (t.bytes()) std::memcpy(api_->data(raw), t.data.get(), std::size_t(t.bytes()));
    }
    given_.assign(in.begin(), in.end());
    return {};
  }
  Result<> invoke() {
    if (api_->reset_variables && api_->reset_variables(interpreter_) != kOk) return failed("cannot start its variables anew");   // each run stands for itself
    return api_->invoke(interpreter_) == kOk ? Result<>() : failed("failed while running");
  }
  static void keep_message(void* user, const char* format, std::va_list args) {
    char text[512];
    std::vsnprintf(text, sizeof text, format, args);
    *static_cast<std::string*>(user) = text;
  }
  Error failed(const std::string& what) const { return {ErrorCode::invalid_model, "tflite: the model " + what + (message_.empty() ? "" : ": " + message_)}; }
  Dims dims(const RawTensor* t) const {
    Dims d;
    for (std::int32_t i = 0; i < api_->rank(t); ++i) d.push_back(api_->dim(t, i));
    return d;
  }
  Port port(const RawTensor* t) const {
    Port p;
    p.name = api_->name(t);
    p.dtype = dtype_of(api_->type(t));
    p.dims = dims(t);
    p.dim_names.resize(p.dims.size());
    return p;
  }
  static void adopt(const ir::Graph& g, std::span<const ir::ValueId> values, std::vector<Port>& ports) {
    if (values.size() != ports.size()) return;
    for (std::size_t i = 0; i < ports.size(); ++i) {
      const ir::Type& t = g.type(values[i]);
      ports[i].name = g.name(values[i]);
      if (t.dims.size() != ports[i].dims.size()) continue;
      for (std::size_t k = 0; k < t.dims.size(); ++k)
        if (!t.dims[k].known()) {
          ports[i].dims[k] = -1;
          ports[i].dim_names[k] = t.dims[k].str();
        }
    }
  }

  std::shared_ptr<const Api> api_;
  std::vector<std::byte> bytes_;
  Model* model_ = nullptr;
  Interpreter* interpreter_ = nullptr;
  Delegate* xnnpack_ = nullptr;
  std::string message_;               // the last one that the interpreter reported
  std::vector<Port> inputs_, outputs_;
  std::vector<Datum> given_;
};

class TfliteBackend final : public runtime::Backend {
 public:
  TfliteBackend(std::shared_ptr<const Api> api, engine::Host host) : api_(std::move(api)), host_(host) {}
  std::string name() const override { return "tflite"; }
  std::string version() const override { return api_->version(); }
  bool reads(std::string_view format) const override { return format == "tflite"; }
  Result<std::unique_ptr<runtime::Program>> load(const ir::Model& model, const runtime::LoadOptions& options) override {
    if (options.precision != "float32" && options.precision != "default")
      return Error{ErrorCode::unsupported, "tflite computes in the model's own types; it has no option for " + options.precision};
    auto program = std::make_unique<TfliteProgram>(api_);
    if (!options.file.empty()) {
      SAHA_TRY(auto bytes, system::read_bytes(options.file));
      SAHA_DO(program->load(model, std::move(bytes), "'" + options.file + "'", options.threads));
    } else {
      if (host_.tflite_bytes == nullptr) return Error{ErrorCode::unsupported, "tflite reads TensorFlow Lite only, and this program cannot write it"};
      SAHA_TRY(const std::string written, host_.tflite_bytes(model));
      const auto bytes = std::as_bytes(std::span(written));
      SAHA_DO(program->load(model, {bytes.begin(), bytes.end()}, "what saha writes of this model", options.threads));
    }
    return std::unique_ptr<runtime::Program>(std::move(program));
  }

 private:
  std::shared_ptr<const Api> api_;
  engine::Host host_;
};

engine::OpenResult open_backend(const engine::Host& host) {
  SAHA_DO(engine::check_build(host));
  SAHA_TRY(auto api, open_library());
  return std::unique_ptr<runtime::Backend>(std::make_unique<TfliteBackend>(std::move(api), host));
}
}  // namespace
}  // namespace saha::tflite_engine

SAHA_BACKEND_EXPORT saha_backend_open(const saha::engine::Host* host, const char*, saha::engine::OpenResult* out) { *out = saha::tflite_engine::open_backend(*host); }
