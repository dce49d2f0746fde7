// Any bytes as an OpenVINO IR: the .xml, a zero byte, the .bin; what is imported is written again, in both versions.
#include <algorithm>
#include <cstdint>
#include <cstdlib>

#include "formats/openvino/openvino.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const std::span<const std::byte> all = std::as_bytes(std::span(bytes, size));
  const auto end = std::find(all.begin(), all.end(), std::byte{0});
  const auto xml = all.first(std::size_t(end - all.begin())), bin = all.subspan(std::min(xml.size() + 1, size));
  auto model = saha::openvino::import_bytes(xml, bin, {.layers = 10'000});
  if (!model) {
    if (model.error().message.empty()) std::abort();
    return 0;
  }
  for (int version : {10, 11}) {
    auto said = saha::openvino::export_bytes(*model, {.version = version});
    if (!said && said.error().message.empty()) std::abort();
  }
  return 0;
}
