#include "op/strides.hpp"

#include <algorithm>

namespace saha::op {
namespace {
/// Axes of extent 1 are dropped and neighbours that lie one behind the other are joined, so that rows are as long as they can be.
void join_axes(Dims& extents, Dims& step) {
  Dims e, s;
  for (std::size_t i = 0; i < extents.size(); ++i) {
    if (extents[i] == 1) continue;
    if (!e.empty() && s.back() == step[i] * extents[i]) {
      e.back() *= extents[i];
      s.back() = step[i];
    } else {
      e.push_back(extents[i]);
      s.push_back(step[i]);
    }
  }
  extents = std::move(e);
  step = std::move(s);
}
template <class Row> void rows(std::int64_t start, std::span<const std::int64_t> step, std::span<const std::int64_t> extents, Row row) {
  Dims e(extents.begin(), extents.end()), s(step.begin(), step.end());
  std::int64_t total = num_elements(e);
  if (total == 0) return;
  join_axes(e, s);
  std::int64_t inner = e.empty() ? 1 : e.back(), inner_step = s.empty() ? 1 : s.back();
  if (!e.empty()) {
    e.pop_back();
    s.pop_back();
  }
  Walk<1> w{e, {s}};
  for (std::int64_t at = 0; at < total; at += inner, w.next()) row(start + w.offset[0], inner_step, at, inner);
}
}  // namespace

void gather_strided(const Tensor& x, std::int64_t start, std::span<const std::int64_t> step, std::span<const std::int64_t> extents, const Tensor& y, std::int64_t y_start) {
  rows(start, step, extents, [&](std::int64_t from, std::int64_t stride, std::int64_t at, std::int64_t n) { copy_elements(x, from, stride, y, y_start + at, n); });
}
void scatter_strided(const Tensor& x, std::span<const std::int64_t> extents, const Tensor& y, std::int64_t start, std::span<const std::int64_t> step) {
  rows(start, step, extents, [&](std::int64_t to, std::int64_t stride, std::int64_t at, std::int64_t n) {
    if (stride == 1) return copy_elements(x, at, 1, y, to, n);
    for (std::int64_t i = 0; i < n; ++i) copy_elements(x, at + i, 1, y, to + i * stride, 1);
  });
}

void gather_mapped(const Tensor& x, const IndexMaps& map, const Tensor& y) {
  if (y.size() == 0) return;
  if (y.rank() == 0) return copy_elements(x, 0, 1, y, 0, 1);
  struct Run { std::int64_t to, from, n, stride; };
  std::vector<Run> runs;  // of the last axis
  const auto& last = map.back();
  for (std::size_t i = 0; i < last.size();) {
    std::size_t j = i + 1;
    std::int64_t stride = j < last.size() && last[j] >= 0 && last[i] >= 0 ? last[j] - last[i] : 1;
    while (j < last.size() && last[i] >= 0 && last[j] >= 0 && last[j] - last[j - 1] == stride) ++j;
    if (last[i] >= 0) runs.push_back({std::int64_t(i), last[i], std::int64_t(j - i), stride});
    i = j;
  }
  Dims step = row_major(x.dims), extents(y.dims.begin(), y.dims.end() - 1);
  Walk<1> w{extents, {Dims(extents.size(), 0)}};  // counts only
  for (std::int64_t at = 0; at < y.size(); at += y.dims.back(), w.next()) {
    std::int64_t from = 0;
    bool inside = true;
    for (std::size_t i = 0; i < extents.size() && inside; ++i) {
      std::int64_t v = map[i][std::size_t(w.at[i])];
      inside = v >= 0;
      from += v * step[i];
    }
    if (inside) for (const Run& r : runs) copy_elements(x, from + r.from, r.stride, y, at + r.to, r.n);
  }
}
}  // namespace saha::op
