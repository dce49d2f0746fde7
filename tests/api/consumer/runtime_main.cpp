#include <saha/runtime.h>

#include <cstdio>
#include <cstring>

bool score(const char* bundle, std::span<const float> pixels, std::span<float> scores);
extern "C" int classify(const char* model, const float* pixels, size_t pixel_bytes, float* score, size_t score_bytes);

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  const float pixels[4] = {1, -2, 3, 0.5f};
  float first[3], second[3];
  if (!score(argv[1], pixels, first) || classify(argv[1], pixels, sizeof pixels, second, sizeof second) != 0) return 1;
  if (std::memcmp(first, second, sizeof first) != 0) return 1;
  const saha::c::Session session = saha::c::Session::open(argv[1]);
  if (session.num_inputs() != 1 || std::strcmp(session.input(0).name, "image") != 0 || std::strcmp(session.output(0).text, "float32[1, 3]") != 0) return 1;
  const saha::c::Session none = saha::c::Session::open("no/such.saha");
  if (none || none.make_context() || none.num_inputs() != 0 || std::strstr(saha_last_error(), "no/such.saha") == nullptr) return 1;
  std::printf("saha %s: the examples on the runtime library agree\n", saha_version());
  return 0;
}
