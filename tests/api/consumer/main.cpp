#include <saha/c_api.h>
#include <saha/session.h>

#include <algorithm>
#include <cstdio>

saha::Result<size_t> classify_file(const std::string& model, std::span<const float> pixels);
extern "C" int classify(const char* model, const float* pixels, size_t pixel_bytes, float* score, size_t score_bytes);

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  const float pixels[4] = {1, -2, 3, 0.5f};
  float score[3];
  auto label = classify_file(argv[1], pixels);
  if (!label) {
    std::fprintf(stderr, "error: %s (%s)\n", label.error().message.c_str(), std::string(saha::name(label.error().code)).c_str());
    return 1;
  }
  if (classify(argv[1], pixels, sizeof pixels, score, sizeof score) != 0) return 1;
  if (std::max_element(score, score + 3) - score != std::ptrdiff_t(*label)) return 1;
  std::printf("saha %s: the C++ and the C example agree\n", saha_version());
  return 0;
}
