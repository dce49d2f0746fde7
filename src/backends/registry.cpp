#include "backends/registry.hpp"

#include <algorithm>
#include <array>

#include "backends/engine/host.hpp"
#include "backends/native/native.hpp"
#include "formats/onnx/onnx.hpp"
#include "formats/tflite/export.hpp"

namespace saha::backends {
namespace {

engine::Host host() {
  return {.build = engine::build(),
          .onnx_bytes = [](const ir::Model& model) { return onnx::export_bytes(model); },
          .tflite_bytes = [](const ir::Model& model) -> Result<std::string> {
            SAHA_TRY(auto exported, tflite::export_bytes(model));
            return std::move(exported.bytes);
          }};
}

template <const char* Engine, const char* Variant> engine::OpenResult open_foreign() { return engine::open_module(Engine, Variant, host()); }
constexpr char kOnnxRuntime[] = "onnxruntime", kOpenVino[] = "openvino", kOpenVinoBf16[] = "openvino-bf16", kTflite[] = "tflite";

}  // namespace

std::span<const runtime::BackendInfo> all() {
  static const std::array rows{
      runtime::BackendInfo{"native", "saha's own engine, float32", []() -> Result<std::unique_ptr<runtime::Backend>> { return native::open(); }},
      runtime::BackendInfo{kOnnxRuntime, "Microsoft's ONNX Runtime on the CPU, every graph optimisation", open_foreign<kOnnxRuntime, kOnnxRuntime>},
      runtime::BackendInfo{kOpenVino, "Intel's OpenVINO on the CPU, computing in float32", open_foreign<kOpenVino, kOpenVino>},
      runtime::BackendInfo{kOpenVinoBf16, "the same in bfloat16, its own choice where the processor has it", open_foreign<kOpenVino, kOpenVinoBf16>},
      runtime::BackendInfo{kTflite, "TensorFlow Lite on the CPU with its default kernels", open_foreign<kTflite, kTflite>},
  };
  return rows;
}

Result<> known(std::string_view name, ErrorCode code) {
  std::string names;
  for (const auto& info : all()) {
    if (info.name == name) return {};
    names += (names.empty() ? "" : ", ") + info.name;
  }
  return Error{code, "there is no backend '" + std::string(name) + "'", "the backends are " + names};
}

Result<std::unique_ptr<runtime::Backend>> open(std::string_view name) {
  SAHA_DO(known(name, ErrorCode::invalid_argument));
  return std::ranges::find(all(), name, &runtime::BackendInfo::name)->open();
}

}  // namespace saha::backends
