#pragma once
// Scales that follow the data: how a row of real numbers with these bounds, 0 among them, becomes numbers of 8 bits. Internal linkage: each level of the
// kernels compiles a copy of its own. Sources: LiteRT's reference kernels of layers with real data and stored weights; ONNX DynamicQuantizeLinear.
#include <cmath>
#include <cstdint>

namespace saha {

enum class DynamicRange : std::int32_t {
  symmetric,   ///< int8: the largest magnitude is 127 steps, no zero point; ties away from zero
  asymmetric,  ///< int8: the range is 255 steps; ties away from zero, before the zero point is added
  onnx,        ///< uint8: the range is 255 steps; ties to even, before the zero point is added
};
struct DynamicScale {
  float scale = 1;
  float inverse = 0;        ///< what numbers are multiplied by; onnx divides by `scale`
  std::int32_t zero = 0;
};
/// lo <= 0 <= hi; neither is NaN.
[[maybe_unused]] static inline DynamicScale dynamic_scale(float lo, float hi, DynamicRange rule) {
  if (rule == DynamicRange::onnx) {
    const float scale = (lo == hi ? 1.0f : hi - lo) / 255.0f, zero = __builtin_nearbyintf(-lo / scale);
    return {scale, 0, zero > 0 ? static_cast<std::int32_t>(zero < 255 ? zero : 255) : 0};
  }
  if (lo == hi) return {};
  if (rule == DynamicRange::symmetric) {
    const float most = -lo > hi ? -lo : hi;
    return {most / 127, 127 / most, 0};
  }
  // The step in double decides where 0 lies, rounded to float the numbers.
  const double step = static_cast<double>(hi - lo) / 255, below = lo / step, above = hi / step;
  const double zero = __builtin_round(128 - below < 127 + above ? -128 - below : 127 - above);
  return {static_cast<float>(step), 1 / static_cast<float>(step), zero == zero ? static_cast<std::int32_t>(zero < -128 ? -128 : zero > 127 ? 127 : zero) : 0};
}

}  // namespace saha
