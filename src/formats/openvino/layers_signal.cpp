// Fourier transforms, windows, and pictures as columns of their blocks. Complex numbers are pairs in a last axis of two.
#include <algorithm>
#include <numbers>

#include "formats/openvino/layers.hpp"

namespace saha::openvino {
namespace {
using std::to_string;

// ---- Fourier transforms ------------------------------------------------------------------------------------------------------
/// One axis of x [.., 2 or 1].
Val transformed(Site& s, Val x, std::int64_t axis, std::int64_t length, bool inverse, bool half) {
  Vals in = {x, length < 0 ? Val{} : s.b.constant(Tensor::scalar_int(length)), s.b.constant(Tensor::scalar_int(axis))};
  return s.op("DFT", in, {{"inverse", std::int64_t(inverse)}, {"onesided", std::int64_t(half)}});
}
/// Axes in the order in which they are stated, the last one apart where it is between real numbers and half of a symmetric result.
/// Operands: data, axes, lengths (-1: as it is).
template <bool kInverse, bool kReal> Vals fourier(Site& s) {
  Ints axes = s.ints(1, "the axes");
  if (s.b.failed()) return {};
  const Ints lengths = s.has(2) ? s.ints(2, "the lengths", std::int64_t(axes.size())) : Ints(axes.size(), -1);
  const std::size_t real = s.rank() - (kReal && !kInverse ? 0 : std::min<std::size_t>(s.rank(), 1));   // axes that are not the pair
  for (std::int64_t& a : axes) a = std::int64_t(s.axis(a, real));
  if (axes.empty() && !s.b.failed()) s.fail("has no axes");
  if (s.b.failed()) return {};
  Val x = kReal && !kInverse ? s.op("Unsqueeze", {s.in[0], s.b.ints({-1})}) : s.in[0];
  const std::size_t last = axes.size() - 1;
  if (kReal && !kInverse) x = transformed(s, x, axes[last], lengths[last], false, true);
  for (std::size_t i = 0; i < axes.size(); ++i) if (!kReal || i != last) x = transformed(s, x, axes[i], lengths[i], kInverse, false);
  if (kReal && kInverse) x = s.op("Squeeze", {transformed(s, x, axes[last], lengths[last], true, true), s.b.ints({-1})});
  return {x};
}
Vals say_dft(const Saying& s) {
  Writer& w = s.w;
  if (w.failed()) return {};
  if (!s.type(0).ranked || w.newest() < 9) { s.unsupported("takes an operand of known rank, and no IR version 10"); return {}; }
  const bool inverse = s.i("inverse") != 0, half = s.i("onesided") != 0;
  const std::int64_t parts = extent(s.type(0), s.rank() - 1);
  auto axis = s.has(2) ? s.known(2) : std::optional<Ints>(Ints{-2});
  if (!axis || axis->size() != 1 || parts < 1) { s.unsupported("transforms an axis, or numbers of a kind, that are known when it runs"); return {}; }
  const std::int64_t a = s.axis((*axis)[0]);
  Val x = s.in[0];
  Vals in = {x, w.ints({a})};
  if (s.has(1)) in.push_back(w.reshape(w.cast(s.in[1], DType::i64), {1}));
  if (half && inverse) return {w.layer("Unsqueeze", {w.layer("IRDFT", in), w.ints({-1})})};
  if (half) {
    if (parts != 1) { s.unsupported("gives half of what complex numbers become"); return {}; }
    in[0] = w.layer("Squeeze", {x, w.ints({-1})}, {}, 1);
    return {w.layer("RDFT", in)};
  }
  if (parts == 1) in[0] = w.concat({x, w.sub(x, x)}, std::int64_t(s.rank()) - 1);
  return {w.layer(inverse ? "IDFT" : "DFT", in)};
}
/// Operands: signal [L] or [N, L], window, size, step. Gives [N, frames, bins, 2], or bins before frames.
Vals stft(Site& s) {
  if (s.b.failed()) return {};
  const bool single = s.rank() == 1;
  const Ints size = s.ints(2, "the size of a frame", 1), step = s.ints(3, "the step", 1);
  Val x = single ? s.op("Unsqueeze", {s.in[0], s.b.ints({0})}) : s.in[0], window = s.in[1];
  if (s.b.failed()) return {};
  const std::int64_t have = extent(s.type(1), 0);
  if (have < 1 || size[0] < have) { s.fail("has a window of " + to_string(have) + " in frames of " + to_string(size[0])); return {}; }
  if (have < size[0]) window = s.op("Pad", {window, s.b.ints({(size[0] - have) / 2, size[0] - have - (size[0] - have) / 2})});
  Val y = s.op("STFT", {s.op("Unsqueeze", {x, s.b.ints({-1})}), s.b.constant(Tensor::scalar_int(step[0])), window, s.b.constant(Tensor::scalar_int(size[0]))}, {{"onesided", std::int64_t{1}}});
  if (s.flag("transpose_frames")) y = s.op("Transpose", {y}, {{"perm", Ints{0, 2, 1, 3}}});
  return {single ? s.op("Squeeze", {y, s.b.ints({0})}) : y};
}
/// c0 - c1 cos(2 pi i / n) + c2 cos(4 pi i / n), n one less where it is symmetric.
Vals say_window(const Saying& s, double c0, double c1, double c2) {
  const auto to = DType(s.i("output_datatype"));
  const bool periodic = s.i("periodic") != 0;
  return s.w.spelt(s.g.describe(s.n), s.in, [&](op::Builder& b, const Vals& in) -> Vals {
    const DType t = DType::f32;
    auto cast = [&](Val v, DType d) { return b.op("Cast", {v}, {{"to", std::int64_t(d)}}); };
    Val size = cast(in[0], DType::i64), zero = b.constant(Tensor::scalar_int(0)), one = b.constant(Tensor::scalar_int(1));
    Val i = cast(b.op("Range", {zero, size, one}), t), n = cast(periodic ? size : size - one, t);
    Val angle = i * (2 * std::numbers::pi) / n, y = c0 - b.op("Cos", {angle}) * c1;
    if (c2 != 0) y = y + b.op("Cos", {angle * 2}) * c2;
    return {to == t ? y : cast(y, to)};
  });
}
Vals say_hann(const Saying& s) { return say_window(s, 0.5, 0.5, 0); }
Vals say_hamming(const Saying& s) { return say_window(s, 25.0 / 46, 21.0 / 46, 0); }
Vals say_blackman(const Saying& s) { return say_window(s, 0.42, 0.5, 0.08); }

// ---- columns -----------------------------------------------------------------------------------------------------------------
/// Operands: columns [N, C blocks, places], extents of the picture, extents of a block.
Vals col2im(Site& s) {
  Ints pads = s.per_axis("pads_begin", 2, 0), end = s.per_axis("pads_end", 2, 0);
  pads.insert(pads.end(), end.begin(), end.end());
  return {s.op("Col2Im", {s.in[0], s.wide(1), s.wide(2)}, {{"strides", s.per_axis("strides", 2, 1)}, {"dilations", s.per_axis("dilations", 2, 1)}, {"pads", pads}})};
}
Vals say_col2im(const Saying& s) {
  if (s.w.failed()) return {};
  if (s.w.newest() < 15 || extent(s.type(1), 0) != 2) { s.unsupported("is said for pictures of two axes, from operator set 15 on"); return {}; }
  const Ints pads = filled(s.is("pads"), 4, 0);
  return {s.w.layer("Col2Im", s.in, {{"strides", join(filled(s.is("strides"), 2, 1))}, {"dilations", join(filled(s.is("dilations"), 2, 1))},
                                     {"pads_begin", join({pads[0], pads[1]})}, {"pads_end", join({pads[2], pads[3]})}})};
}
/// Blocks of a picture [N, C, H, W] as channels, [N, height width C, rows, columns]: a convolution that takes each element out.
Vals extract_patches(Site& s) {
  if (s.b.failed() || s.rank() != 4) { s.fail("takes [N, C, H, W]"); return {}; }
  const Ints size = s.per_axis("sizes", 2, 1), stride = s.per_axis("strides", 2, 1), rate = s.per_axis("rates", 2, 1);
  const std::int64_t c = extent(s.type(0), 1);
  if (s.b.failed()) return {};
  if (size[0] < 1 || size[1] < 1 || c < 1 || checked_elements(Dims{c, size[0], size[1], size[0], size[1]}).value_or(kMaxMade) >= kMaxMade) { s.unsupported("takes blocks " + join(size) + " of " + ir::str(s.type(0))); return {}; }
  const std::int64_t n = size[0] * size[1];
  Tensor w = Tensor::zeros(s.type(0).dtype, {c * n, 1, size[0], size[1]});
  std::vector<double> v(std::size_t(c * n * n), 0.0);
  for (std::int64_t i = 0; i < c * n; ++i) v[std::size_t(i * n + i % n)] = 1;
  fill<double>(w, v);
  const std::string pad = s.s("auto_pad", "valid");
  Val y = s.op("Conv", {s.in[0], s.b.constant(std::move(w))},
               {{"group", c}, {"strides", stride}, {"dilations", rate}, {"auto_pad", std::string(pad == "same_upper" ? "SAME_UPPER" : pad == "same_lower" ? "SAME_LOWER" : "VALID")}});
  Val rest = s.op("Shape", {y}, {{"start", std::int64_t{2}}});   // [N, C n, rows, columns] -> [N, n C, rows, columns]
  auto shape = [&](Ints front) { return s.op("Concat", {s.op("Shape", {y}, {{"end", std::int64_t{1}}}), s.b.ints(front), rest}, {{"axis", std::int64_t{0}}}); };
  return {s.op("Reshape", {s.op("Transpose", {s.op("Reshape", {y, shape({c, n})})}, {{"perm", Ints{0, 2, 1, 3, 4}}}), shape({c * n})})};
}

constexpr Row kRows[] = {
    {"DFT", 7, "", {}, fourier<false, false>, nullptr, 2, false},
    {"IDFT", 7, "", {}, fourier<true, false>, nullptr, 2, false},
    {"RDFT", 9, "", {}, fourier<false, true>, nullptr, 2, false},
    {"IRDFT", 9, "", {}, fourier<true, true>, nullptr, 2, false},
    {"", 7, "DFT", {}, nullptr, say_dft},
    {"STFT", 15, "", {}, stft, nullptr, 4, false},
    {"", 4, "HannWindow", {}, nullptr, say_hann},
    {"", 4, "HammingWindow", {}, nullptr, say_hamming},
    {"", 4, "BlackmanWindow", {}, nullptr, say_blackman},
    {"Col2Im", 15, "Col2Im", {}, col2im, say_col2im, 3},
    {"ExtractImagePatches", 3, "", {}, extract_patches, nullptr, 1, false},
};
}  // namespace

std::span<const Row> signal_rows() { return kRows; }

}  // namespace saha::openvino
