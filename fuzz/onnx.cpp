// Any bytes as an ONNX model; what is imported is exported and imported again.
#include <cstdint>
#include <cstdlib>

#include "formats/onnx/onnx.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  auto model = saha::onnx::import_bytes(std::as_bytes(std::span(bytes, size)), {}, {.nodes = 10'000});
  if (!model) {
    if (model.error().message.empty()) std::abort();
    return 0;
  }
  auto again = saha::onnx::export_bytes(*model);
  if (!again) return 0;
  auto second = saha::onnx::import_bytes(std::as_bytes(std::span(again->data(), again->size())));
  if (!second) std::abort();  // what saha writes, saha reads
  return 0;
}
