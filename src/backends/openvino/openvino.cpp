// OpenVINO on the CPU: latency mode, one stream, N threads; float32 by an explicit hint, since its default is bfloat16 where the
// processor has it. Reads ONNX, TFLite and its own IR. Source: OpenVINO's C interface through ov_abi.hpp.
#include <cstring>
#include <filesystem>

#include "backends/engine/host.hpp"
#include "backends/engine/inputs.hpp"
#include "backends/engine/locate.hpp"
#include "backends/openvino/ov_abi.hpp"

namespace saha::ov {
namespace {
constexpr const char* kDevice = "CPU";

struct Library {
  Api api;
  Core* core;
  std::string version;
  ~Library() { api.core_free(core); }
};
using LibraryRef = std::shared_ptr<const Library>;

template <class T> struct Release {
  void (*release)(T*) = nullptr;
  void operator()(T* p) const { release(p); }
};
template <class T> using Handle = std::unique_ptr<T, Release<T>>;

Result<LibraryRef> open_library() {
  SAHA_TRY(auto file, engine::open_engine({.engine = "openvino",
                                           .variable = "SAHA_OPENVINO",
                                           .package = "openvino/libs",
                                           .prefix = "libopenvino_c.so",
                                           .names = {"libopenvino_c.so"},
                                           .install = "pip install openvino"}));
  SAHA_TRY(const Api api, Api::load(file));
  Version version{};
  SAHA_DO(api.check(api.get_openvino_version(&version)));
  std::string text = version.build;  // "2026.4.1-22982-0a0df13fd6b-releases/2026/4"
  api.version_free(&version);
  text = text.substr(0, text.find('-'));
  Core* core = nullptr;
  SAHA_DO(api.check(api.core_create(&core)));
  return LibraryRef(new Library{api, core, text});
}

Result<std::string> take_text(const Api& api, Status status, char* text) {
  SAHA_DO(api.check(status));
  std::string s = text ? text : "";
  api.free(text);
  return s;
}

Result<runtime::Port> describe(const Api& api, const Port* port) {
  runtime::Port p;
  char* text = nullptr;
  const Status named = api.port_get_any_name(port, &text);
  SAHA_TRY(p.name, take_text(api, named, text));
  int type = 0;
  SAHA_DO(api.check(api.port_get_element_type(port, &type)));
  p.dtype = dtype_of_element(type);
  PartialShape shape{};
  SAHA_DO(api.check(api.port_get_partial_shape(port, &shape)));
  p.ranked = shape.rank.min == shape.rank.max;
  for (std::int64_t d = 0; p.ranked && d < shape.rank.max; ++d) p.dims.push_back(shape.dims[d].min == shape.dims[d].max ? shape.dims[d].min : -1);
  p.dim_names.resize(p.dims.size());
  api.partial_shape_free(&shape);
  return p;
}

Result<Handle<Tensor>> make_tensor(const Api& api, const saha::Tensor& t) {
  const int type = t.dtype == DType::string ? -1 : element_type(t.dtype);
  if (type < 0) return Error{ErrorCode::unsupported, "openvino takes no " + std::string(name(t.dtype)) + " from saha"};
  static std::byte nothing[8];  // an empty tensor has no buffer, but the call refuses a null one
  Dims dims = t.dims;
  Tensor* raw = nullptr;
  SAHA_DO(api.check(api.tensor_create_from_host_ptr(type, {std::int64_t(dims.size()), dims.data()}, t.data ? t.data.get() : nothing, &raw)));
  return Handle<Tensor>(raw, {api.tensor_free});
}

Result<Datum> read_tensor(const Api& api, const Tensor* tensor) {
  int type = 0;
  SAHA_DO(api.check(api.tensor_get_element_type(tensor, &type)));
  const DType dtype = dtype_of_element(type);
  if (dtype == DType::none || dtype == DType::string)
    return Error{ErrorCode::unsupported, "openvino gave a tensor of its element type " + std::to_string(type) + ", which saha does not read from it"};
  Shape shape{};
  SAHA_DO(api.check(api.tensor_get_shape(tensor, &shape)));
  Dims dims(shape.dims, shape.dims + shape.rank);
  api.shape_free(&shape);
  SAHA_TRY(saha::Tensor t, saha::Tensor::make(dtype, std::move(dims)));
  std::size_t bytes = 0;
  SAHA_DO(api.check(api.tensor_get_byte_size(tensor, &bytes)));
  if (bytes != std::size_t(t.bytes()))
    return Error{ErrorCode::internal, "openvino gave " + std::to_string(bytes) + " bytes for " + std::string(name(dtype)) + " " + str(t.dims)};
  if (bytes == 0) return Datum(std::move(t));
  void* data = nullptr;
  SAHA_DO(api.check(api.tensor_data(tensor, &data)));
  std::memcpy(t.data.get(), data, bytes);
  return Datum(std::move(t));
}

class OvProgram final : public runtime::Program {
 public:
  explicit OvProgram(LibraryRef library) : library_(std::move(library)) {}

  /// `hint`: "f32", "bf16", "f16", or empty for the engine's default.
  Result<> load(const ir::Model& model, const runtime::LoadOptions& options, const engine::Host& host, const std::string& hint) {
    const Api& api = library_->api;
    Model* raw = nullptr;
    const auto kind = std::filesystem::path(options.file).extension();
    if (kind == ".onnx" || kind == ".xml" || kind == ".tflite") {
      SAHA_DO(api.check(api.core_read_model(library_->core, options.file.c_str(), nullptr, &raw)));
    } else {
      if (host.onnx_bytes == nullptr) return Error{ErrorCode::unsupported, "openvino reads ONNX, TFLite and IR, and this program cannot write them"};
      SAHA_TRY(const std::string bytes, host.onnx_bytes(model));
      SAHA_DO(api.check(api.core_read_model_from_memory_buffer(library_->core, bytes.data(), bytes.size(), nullptr, &raw)));
    }
    Handle<Model> read(raw, {api.model_free});
    const std::string threads = std::to_string(options.threads);
    Compiled* compiled = nullptr;
    const Status status = hint.empty()
                              ? api.core_compile_model(library_->core, raw, kDevice, 6, &compiled, "PERFORMANCE_HINT", "LATENCY", "NUM_STREAMS", "1",
                                                       "INFERENCE_NUM_THREADS", threads.c_str())
                              : api.core_compile_model(library_->core, raw, kDevice, 8, &compiled, "PERFORMANCE_HINT", "LATENCY", "NUM_STREAMS", "1",
                                                       "INFERENCE_NUM_THREADS", threads.c_str(), "INFERENCE_PRECISION_HINT", hint.c_str());
    SAHA_DO(api.check(status));
    compiled_ = Handle<Compiled>(compiled, {api.compiled_model_free});
    char* text = nullptr;
    const Status asked = api.compiled_model_get_property(compiled, "INFERENCE_PRECISION_HINT", &text);
    SAHA_TRY(const std::string stated, take_text(api, asked, text));
    precision_ = stated == "f32" ? "float32" : stated == "bf16" ? "bfloat16" : stated == "f16" ? "float16" : stated;
    SAHA_DO(describe_ports(api.compiled_model_inputs_size, api.compiled_model_input_by_index, inputs_));
    SAHA_DO(describe_ports(api.compiled_model_outputs_size, api.compiled_model_output_by_index, outputs_));
    Request* request = nullptr;
    SAHA_DO(api.check(api.compiled_model_create_infer_request(compiled, &request)));
    request_ = Handle<Request>(request, {api.infer_request_free});
    return {};
  }

  std::span<const runtime::Port> inputs() const override { return inputs_; }
  std::span<const runtime::Port> outputs() const override { return outputs_; }
  std::string precision() const override { return precision_; }
  std::vector<std::string> notes() const override {
    for (const auto* ports : {&inputs_, &outputs_})
      for (const auto& p : *ports)
        if (p.dtype == DType::i64) return {"openvino computes int64 in int32: larger numbers lose their upper half"};
    return {};
  }

  Result<std::vector<Datum>> run(std::span<const Datum> in) override {
    SAHA_DO(run_only(in));
    const Api& api = library_->api;
    std::vector<Datum> out;
    for (std::size_t i = 0; i < outputs_.size(); ++i) {
      Tensor* raw = nullptr;
      SAHA_DO(api.check(api.infer_request_get_output_tensor_by_index(request_.get(), i, &raw)));
      Handle<Tensor> tensor(raw, {api.tensor_free});
      auto datum = read_tensor(api, raw);
      if (!datum) return std::move(datum.error()).within("output '" + outputs_[i].name + "'");
      out.push_back(std::move(*datum));
    }
    return out;
  }

  // The inputs are set once for as long as the same buffers come; results stay in the request's own tensors.
  Result<> run_only(std::span<const Datum> in) override {
    if (!bound_once_ || !engine::same_buffers(bound_, in)) { SAHA_DO(bind(in)); }
    return library_->api.check(library_->api.infer_request_infer(request_.get()));
  }

 private:
  using Size = Status (*)(const Compiled*, std::size_t*);
  using ByIndex = Status (*)(const Compiled*, std::size_t, Port**);
  Result<> describe_ports(Size size, ByIndex by_index, std::vector<runtime::Port>& ports) {
    const Api& api = library_->api;
    std::size_t count = 0;
    SAHA_DO(api.check(size(compiled_.get(), &count)));
    for (std::size_t i = 0; i < count; ++i) {
      Port* raw = nullptr;
      SAHA_DO(api.check(by_index(compiled_.get(), i, &raw)));
      Handle<Port> port(raw, {api.output_const_port_free});
      SAHA_TRY(auto described, describe(api, raw));
      ports.push_back(std::move(described));
    }
    return {};
  }

  Result<> bind(std::span<const Datum> in) {
    const Api& api = library_->api;
    bound_once_ = false;
    SAHA_DO(engine::check_inputs(inputs_, in));
    for (std::size_t i = 0; i < in.size(); ++i) {
      auto tensor = make_tensor(api, in[i].tensor);
      if (!tensor) return std::move(tensor.error()).within("input '" + inputs_[i].name + "'");
      SAHA_DO(api.check(api.infer_request_set_input_tensor_by_index(request_.get(), i, tensor->get())));
    }
    bound_.assign(in.begin(), in.end());  // keeps the buffers alive for as long as they are bound
    bound_once_ = true;
    return {};
  }

  LibraryRef library_;
  Handle<Compiled> compiled_;
  Handle<Request> request_;
  std::string precision_;
  std::vector<runtime::Port> inputs_, outputs_;
  std::vector<Datum> bound_;
  bool bound_once_ = false;
};

class OvBackend final : public runtime::Backend {
 public:
  OvBackend(LibraryRef library, std::string name, engine::Host host) : library_(std::move(library)), name_(std::move(name)), host_(host) {}
  std::string name() const override { return name_; }
  std::string version() const override { return library_->version; }
  bool reads(std::string_view format) const override { return format == "onnx" || format == "openvino"; }
  Result<std::unique_ptr<runtime::Program>> load(const ir::Model& model, const runtime::LoadOptions& options) override {
    std::string hint;
    const std::string wanted = name_ == "openvino-bf16" && options.precision == "float32" ? "bfloat16" : options.precision;
    if (wanted == "float32") hint = "f32";
    else if (wanted == "bfloat16") hint = "bf16";
    else if (wanted == "float16") hint = "f16";
    else if (wanted != "default") return Error{ErrorCode::unsupported, "openvino has no precision '" + wanted + "'", "float32, bfloat16, float16 or default"};
    auto program = std::make_unique<OvProgram>(library_);
    SAHA_DO(program->load(model, options, host_, hint));
    return std::unique_ptr<runtime::Program>(std::move(program));
  }

 private:
  LibraryRef library_;
  std::string name_;
  engine::Host host_;
};

engine::OpenResult open_backend(const engine::Host& host, const std::string& variant) {
  SAHA_DO(engine::check_build(host));
  SAHA_TRY(auto library, open_library());
  if (variant == "openvino-bf16") {
    char* text = nullptr;
    const Status status = library->api.core_get_property(library->core, kDevice, "OPTIMIZATION_CAPABILITIES", &text);
    SAHA_TRY(const std::string capabilities, take_text(library->api, status, text));
    if (capabilities.find("BF16") == std::string::npos)
      return Error{ErrorCode::unsupported, "this processor has no bfloat16 arithmetic (OpenVINO lists " + capabilities + ")",
                   "backend 'openvino' computes in float32 here"};
  }
  return std::unique_ptr<runtime::Backend>(std::make_unique<OvBackend>(std::move(library), variant, host));
}

}  // namespace
}  // namespace saha::ov

SAHA_BACKEND_EXPORT saha_backend_open(const saha::engine::Host* host, const char* variant, saha::engine::OpenResult* out) {
  *out = saha::ov::open_backend(*host, variant);
}
