#include "compress/weights.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace saha::compress {
namespace {
/// f(channel, term, element): where each element of the weights belongs.
template <class F> void walk(const ir::Graph& g, const ir::Node& n, const Dims& dims, F f) {
  const auto axis = std::size_t(channel_axis(g, n));
  std::int64_t outer = 1, inner = 1;
  for (std::size_t i = 0; i < axis; ++i) outer *= dims[i];
  for (std::size_t i = axis + 1; i < dims.size(); ++i) inner *= dims[i];
  std::int64_t e = 0;
  for (std::int64_t o = 0; o < outer; ++o)
    for (std::int64_t c = 0; c < dims[axis]; ++c)
      for (std::int64_t i = 0; i < inner; ++i) f(c, o * inner + i, e++);
}
}  // namespace

Rows rows_of(const ir::Graph& g, const ir::Node& n, const Tensor& t) {
  Rows r;
  r.channels = t.dims[std::size_t(channel_axis(g, n))];
  r.terms = r.channels ? t.size() / r.channels : 0;
  r.w.resize(std::size_t(t.size()));
  const float* w = t.as<float>();
  walk(g, n, t.dims, [&](std::int64_t c, std::int64_t k, std::int64_t e) { r.w[std::size_t(c * r.terms + k)] = w[e]; });
  return r;
}
Tensor stored_tensor(const ir::Graph& g, const ir::Node& n, const Dims& like, DType t, std::span<const std::int32_t> q) {
  Tensor r = Tensor::zeros(t, like);
  std::vector<std::int64_t> v(q.size());
  const std::int64_t terms = std::int64_t(q.size()) / std::max<std::int64_t>(1, like[std::size_t(channel_axis(g, n))]);
  walk(g, n, like, [&](std::int64_t c, std::int64_t k, std::int64_t e) { v[std::size_t(e)] = q[std::size_t(c * terms + k)]; });
  fill(r, std::span<const std::int64_t>(v));
  return r;
}

std::vector<float> row_scales(const Rows& r, DType t, bool per_channel) {
  const float most = float(int_range(t).hi);
  std::vector<float> s;
  for (std::int64_t c = 0; c < r.channels; ++c) {
    float m = 0;
    for (std::int64_t k = 0; k < r.terms; ++k) m = std::max(m, std::abs(r.w[std::size_t(c * r.terms + k)]));
    s.push_back(m / most);
  }
  const float largest = s.empty() ? 0 : *std::max_element(s.begin(), s.end());
  if (!per_channel) s = {largest};
  // A row of nothing is stored by any scale; one far below the others' would make steps of its bias that no int32 holds.
  for (float& x : s) x = largest > 0 ? std::max(x, std::max(largest * 1e-6f, std::numeric_limits<float>::min())) : 1.0f;
  return s;
}
std::vector<std::int32_t> nearest(const Rows& r, std::span<const float> scale, DType t) {
  const float most = float(int_range(t).hi);
  std::vector<std::int32_t> q(r.w.size());
  for (std::int64_t c = 0; c < r.channels; ++c) {
    const float s = scale[scale.size() == 1 ? 0 : std::size_t(c)];
    for (std::int64_t k = 0; k < r.terms; ++k) q[std::size_t(c * r.terms + k)] = std::int32_t(std::clamp(std::nearbyint(r.w[std::size_t(c * r.terms + k)] / s), -most, most));
  }
  return q;
}

Weights plain_weights(const ir::Graph& g, const ir::Node& n, bool per_channel) {
  const Tensor& t = *g[g.operand(n, 1)].constant;
  const Rows rows = rows_of(g, n, t);
  Weights w;
  w.scale = row_scales(rows, DType::i8, per_channel && !(t.rank() > 2 && n.op == "MatMul"));
  w.stored = stored_tensor(g, n, t.dims, DType::i8, nearest(rows, w.scale, DType::i8));
  if (n.num_operands > 2 && g.operand(n, 2) != ir::ValueId::none)
    for (double x : values<double>(*g[g.operand(n, 2)].constant)) w.bias.push_back(float(x));
  return w;
}

}  // namespace saha::compress
