// Any bytes as the text form of a graph; what is parsed prints to a text that parses and prints the same.
#include <cstdint>
#include <cstdlib>

#include "op/text_form.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  auto graph = saha::op::parse({reinterpret_cast<const char*>(bytes), size}, {.bytes = 1 << 16, .values = 10'000});
  if (!graph) {
    if (graph.error().message.empty()) std::abort();
    return 0;
  }
  std::string text = saha::op::print(*graph);
  auto again = saha::op::parse(text);
  if (!again || saha::op::print(*again) != text) std::abort();
  return 0;
}
