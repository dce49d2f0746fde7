// resize_f32: columns first, into two rows that are kept while the next output row needs them. Contract in kernels/resize.hpp.
#include "kernels/resize.hpp"

#include "kernels/loops/vec.hpp"
#include "kernels/split.hpp"

namespace saha::kernels::SAHA_ISA {
namespace {

void stretch(const float* row, const ResizeTap* taps, int64_t n, bool nearest, float* to) {
  if (nearest) {
    for (int64_t i = 0; i < n; ++i) to[i] = row[taps[i].first];
    return;
  }
  for (int64_t i = 0; i < n; ++i) {
    const ResizeTap& t = taps[i];
    to[i] = t.weight == 0 ? row[t.first] : row[t.first] * (1 - t.weight) + row[t.second] * t.weight;
  }
}

void run_resize(const plan::Call& call) {
  const ResizeParams& p = *static_cast<const ResizeParams*>(call.params);
  const auto* x = static_cast<const float*>(call.operands[0]);
  const auto* rows = static_cast<const ResizeTap*>(call.operands[1]);
  const ResizeTap* columns = rows + p.out_h;
  auto* y = static_cast<float*>(call.operands[2]);
  float* kept[2] = {reinterpret_cast<float*>(call.scratch), reinterpret_cast<float*>(call.scratch) + p.out_w + 16};
  const int64_t per = rows_per_piece(p.out_h * p.out_w), end = least(p.planes, int64_t{call.end} * per);
  for (int64_t plane = int64_t{call.begin} * per; plane < end; ++plane) {
    const float* from = x + plane * p.in_h * p.in_w;
    int64_t holds[2] = {-1, -1};
    const auto row = [&](int64_t r, int64_t keep) -> int {  // the slot with input row r; the slot that holds `keep` is not touched
      if (holds[0] == r) return 0;
      if (holds[1] == r) return 1;
      const int slot = holds[0] == keep ? 1 : 0;
      stretch(from + r * p.in_w, columns, p.out_w, p.nearest, kept[slot]);
      holds[slot] = r;
      return slot;
    };
    for (int64_t oy = 0; oy < p.out_h; ++oy) {
      const ResizeTap& t = rows[oy];
      float* to = y + (plane * p.out_h + oy) * p.out_w;
      const float* a = kept[row(t.first, t.second)];
      if (t.weight == 0) {
        for (int64_t i = 0; i < p.out_w; i += W) store_up_to(to + i, load_up_to(a + i, p.out_w - i), p.out_w - i);
        continue;
      }
      const float* b = kept[row(t.second, t.first)];
      const V w0 = splat(1 - t.weight), w1 = splat(t.weight);
      for (int64_t i = 0; i < p.out_w; i += W)
        store_up_to(to + i, fma(load_up_to(a + i, p.out_w - i), w0, load_up_to(b + i, p.out_w - i) * w1), p.out_w - i);
    }
  }
}

constexpr Kernel kRowsOfTable[] = {{"resize_f32", run_resize}};

}  // namespace

extern const std::span<const Kernel> kResize;
constinit const std::span<const Kernel> kResize = kRowsOfTable;

}  // namespace saha::kernels::SAHA_ISA
