// resize_f32: columns first, into two rows that are kept while the next output row needs them. Contract in kernels/resize.hpp.
#include "kernels/resize.hpp"

#include "kernels/loops/vec.hpp"

namespace saha::kernels::SAHA_ISA {
namespace {

/// One row of columns, of `inner` numbers each.
void stretch(const float* row, const ResizeTap* taps, int64_t n, int64_t inner, bool nearest, float* to) {
  if (inner > 1) {
    for (int64_t i = 0; i < n; ++i, to += inner) {
      const float *a = row + taps[i].first * inner, *b = row + taps[i].second * inner;
      const V w0 = splat(1 - taps[i].weight), w1 = splat(taps[i].weight);
      if (taps[i].weight == 0) for (int64_t c = 0; c < inner; c += W) store_up_to(to + c, load_up_to(a + c, inner - c), inner - c);
      else for (int64_t c = 0; c < inner; c += W) store_up_to(to + c, load_up_to(a + c, inner - c) * w0 + load_up_to(b + c, inner - c) * w1, inner - c);
    }
    return;
  }
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
  const auto* rows = static_cast<const ResizeTap*>(call.operands[1]);
  const ResizeTap* columns = rows + p.out_h;
  const int64_t width = p.out_w * p.inner;
  float* kept[2] = {reinterpret_cast<float*>(call.scratch), reinterpret_cast<float*>(call.scratch) + width + 16};
  int64_t holds[2] = {-1, -1};   // rows of X, of all planes
  const auto row = [&](int64_t r, int64_t keep) -> const float* {  // row r; the slot that holds `keep` is not touched
    for (int slot : {0, 1})
      if (holds[slot] == r) return kept[slot];
    const int slot = holds[0] == keep ? 1 : 0;
    stretch(static_cast<const float*>(call.operands[0]) + r * p.in_w * p.inner, columns, p.out_w, p.inner, p.nearest, kept[slot]);
    holds[slot] = r;
    return kept[slot];
  };
  const int64_t per = rows_of_piece(p);
  for (int64_t at = int64_t{call.begin} * per; at < least(p.planes * p.out_h, int64_t{call.end} * per); ++at) {
    const ResizeTap& t = rows[at % p.out_h];
    const int64_t first = at / p.out_h * p.in_h;
    float* to = static_cast<float*>(call.operands[2]) + at * width;
    const float* a = row(first + t.first, first + t.second);
    if (t.weight == 0) {
      for (int64_t i = 0; i < width; i += W) store_up_to(to + i, load_up_to(a + i, width - i), width - i);
      continue;
    }
    const float* b = row(first + t.second, first + t.first);
    const V w0 = splat(1 - t.weight), w1 = splat(t.weight);
    for (int64_t i = 0; i < width; i += W) store_up_to(to + i, fma(load_up_to(a + i, width - i), w0, load_up_to(b + i, width - i) * w1), width - i);
  }
}

constexpr Kernel kRowsOfTable[] = {{"resize_f32", run_resize}};

}  // namespace

extern const std::span<const Kernel> kResize;
constinit const std::span<const Kernel> kResize = kRowsOfTable;

}  // namespace saha::kernels::SAHA_ISA
