// Any bytes as a TensorFlow Lite model; what is imported is said as ONNX.
#include <cstdint>
#include <cstdlib>

#include "formats/onnx/onnx.hpp"
#include "formats/tflite/tflite.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  auto model = saha::tflite::import_bytes(std::as_bytes(std::span(bytes, size)), {.tensors = 10'000});
  if (model) {
    auto said = saha::onnx::export_bytes(*model);
    if (!said && said.error().message.empty()) std::abort();
  } else if (model.error().message.empty()) std::abort();
  return 0;
}
