// Layers as the kernels of TensorFlow Lite compute them: two spatial axes, pads that are SAME or none, softmax over the last axis.
#include <algorithm>
#include <cmath>
#include <limits>

#include "formats/tflite/write.hpp"
#include "op/window.hpp"

namespace saha::tflite {
namespace {
using Said = std::optional<Vals>;

// ---- windows -------------------------------------------------------------------------------------------------------------------------------
/// One spatial axis as the second of two.
Attrs in_two_axes(const Attrs& attrs) {
  Attrs r;
  for (const ir::NamedAttr& a : attrs) {
    r.push_back(a);
    const Ints* v = std::get_if<Ints>(&a.value);
    if (!v) continue;
    if (a.name == "pads" && v->size() == 2) r.back().value = Ints{0, (*v)[0], 0, (*v)[1]};
    else if ((a.name == "strides" || a.name == "dilations" || a.name == "kernel_shape") && v->size() == 1) r.back().value = Ints{1, (*v)[0]};
    else if ((a.name == "output_padding" || a.name == "output_shape") && v->size() == 1) r.back().value = Ints{a.name == "output_shape" ? 1 : 0, (*v)[0]};
  }
  return r;
}
/// A layer over [N, C, L], by that over [N, C, 1, L].
Said one_axis(const Saying& s, bool weights) {
  Vals in = s.in;
  in[0] = unsqueezed(in[0], 2);
  if (weights) in[1] = unsqueezed(in[1], 2);
  Vals y = s.same(s.n.op, in, in_two_axes(s.attrs));
  for (Val& v : y) v = squeezed(v, 2);
  return y;
}
/// The node's window over known extents; nothing where they are not known.
struct Known {
  op::Window w;
  Dims in, kernel, out;
};
std::optional<Known> known_window(const Saying& s, const Ints& kernel) {
  const ir::Type& t = s.type(0);
  Dims d;
  for (std::size_t i = 2; i < t.dims.size(); ++i) {
    const auto v = t.dims[i].known();
    if (!v) return {};
    d.push_back(*v);
  }
  if (d.empty()) return {};
  auto w = op::read_window(s, s.n.op.str(), d.size());
  if (!w) return {};
  auto out = op::resolve(*w, s.n.op.str(), d, kernel);
  if (!out) return {};
  return Known{std::move(*w), d, kernel, std::move(*out)};
}
bool none(const Ints& v) { return std::all_of(v.begin(), v.end(), [](std::int64_t x) { return x == 0; }); }
/// The pads are those that SAME stands for.
bool is_same(const Known& k) {
  for (std::size_t i = 0; i < k.in.size(); ++i) {
    const Padded p = same_pads(k.in[i], k.kernel[i], k.w.strides[i], k.w.dilations[i]);
    if (p.before != k.w.before[i] || p.after != k.w.after[i] || k.out[i] != (k.in[i] + k.w.strides[i] - 1) / k.w.strides[i]) return false;
  }
  return true;
}
/// Exactly as many as VALID makes of the extents as they are.
bool is_valid(const Known& k) {
  for (std::size_t i = 0; i < k.in.size(); ++i)
    if (k.w.before[i] || k.out[i] != (k.in[i] - (k.kernel[i] - 1) * k.w.dilations[i] - 1) / k.w.strides[i] + 1) return false;
  return true;
}
/// Full pads of x for the node's windows, such that VALID makes as many of them.
std::pair<Ints, Ints> full_pads(const Known& k) {
  Ints before(k.in.size() + 2, 0), after = before;
  for (std::size_t i = 0; i < k.in.size(); ++i) {
    before[i + 2] = k.w.before[i];
    after[i + 2] = std::max<std::int64_t>((k.out[i] - 1) * k.w.strides[i] + (k.kernel[i] - 1) * k.w.dilations[i] + 1 - k.in[i] - k.w.before[i], 0);
  }
  return {before, after};
}
/// Attributes of the node without pads: VALID.
Attrs unpadded(const Saying& s) { return without(s.attrs, {"pads", "auto_pad", "ceil_mode", "count_include_pad"}); }
/// Attributes with these pads, auto_pad resolved.
Attrs with_pads(const Saying& s, const Known& k) {
  Attrs a = unpadded(s);
  Ints pads = k.w.before;
  pads.insert(pads.end(), k.w.after.begin(), k.w.after.end());
  a.push_back({"pads", pads});
  return a;
}
bool open_pads(const Saying& s) { return s.s("auto_pad") != "NOTSET" || !none(s.is("pads")); }

Said conv(const Saying& s) {
  if (s.rank() == 3) return one_axis(s, true);
  const auto w = known_dims(s.type(1));
  if (!w || w->size() != s.rank() || s.rank() < 4) return {};
  const Ints kernel(w->begin() + 2, w->end());
  const auto k = known_window(s, kernel);
  if (!open_pads(s)) return {};
  if (!k) {  // extents are open: explicit pads can still be padded
    const Ints pads = s.is("pads");
    if (s.s("auto_pad") != "NOTSET" || pads.empty()) return {};
    Ints before(s.rank(), 0), after = before;
    std::copy_n(pads.begin(), kernel.size(), before.begin() + 2);
    std::copy_n(pads.begin() + std::ptrdiff_t(kernel.size()), kernel.size(), after.begin() + 2);
    Vals in = s.in;
    in[0] = padded_by(in[0], before, after);
    return s.same("Conv", in, unpadded(s));
  }
  if (s.s("auto_pad") == "NOTSET" && is_same(*k)) return {};
  if (none(k->w.before) && none(k->w.after)) return s.same("Conv", s.in, unpadded(s));
  if (is_same(*k)) return s.same("Conv", s.in, with_pads(s, *k));
  auto [before, after] = full_pads(*k);
  Vals in = s.in;
  in[0] = padded_by(in[0], before, after);
  return s.same("Conv", in, unpadded(s));
}
/// W with zeros between its elements: what a dilation means.
Val dilated(Val w, const Ints& dilation) {
  op::Builder& b = *w.b;
  const Tensor& t = *b.data(w);
  Dims d = t.dims;
  for (std::size_t i = 0; i < dilation.size(); ++i) d[i + 2] = (d[i + 2] - 1) * dilation[i] + 1;
  Tensor r = Tensor::zeros(t.dtype, d);
  Dims at(d.size(), 0);
  for (std::int64_t e = 0; e < t.size(); ++e) {
    std::int64_t to = 0;
    for (std::size_t i = 0; i < d.size(); ++i) to = to * d[i] + at[i] * (i < 2 ? 1 : dilation[i - 2]);
    copy_elements(t, e, 1, r, to, 1);
    for (std::size_t i = d.size(); i-- > 0;) { if (++at[i] < t.dims[i]) break; at[i] = 0; }
  }
  return b.constant(std::make_shared<const Tensor>(r), ir::tensor_type(t.dtype, {d.begin(), d.end()}, b.type(w).quant), b.graph()[w.id].name);
}
Said conv_transpose(const Saying& s) {
  if (s.rank() == 3) return one_axis(s, true);
  const auto x = known_dims(s.type(0)), w = known_dims(s.type(1)), y = known_dims(s.result());
  if (!x || !w || !y || s.rank() != 4) return {};
  const Ints dilation = s.is("dilations");
  if (std::any_of(dilation.begin(), dilation.end(), [](std::int64_t d) { return d != 1; })) {
    if (!s.data(1)) return {};
    Vals in = s.in;
    in[1] = dilated(in[1], dilation);
    Attrs a = without(s.attrs, {"dilations", "kernel_shape"});
    return s.same("ConvTranspose", in, a);
  }
  if (const std::int64_t groups = s.i("group"); groups > 1 && !s.stored()) {
    auto parts = [&](Val v, std::int64_t axis) { return s.b.ops("Split", {v}, {{"axis", axis}, {"num_outputs", groups}}, int(groups)); };
    Vals xs = parts(s.in[0], 1), ws = parts(s.in[1], 0), bs = s.has(2) ? parts(s.in[2], 0) : Vals{}, ys;
    Attrs a = without(s.attrs, {"group"});
    for (std::size_t i = 0; i < xs.size(); ++i) ys.push_back(s.b.op("ConvTranspose", bs.empty() ? Vals{xs[i], ws[i]} : Vals{xs[i], ws[i], bs[i]}, a));
    return Vals{s.b.op("Concat", ys, {{"axis", std::int64_t{1}}})};
  }
  auto window = op::read_window(s, "ConvTranspose", 2);
  if (!window) return {};
  // Where the first window begins: as SAME has it, or at the edge; else more is made, and cut.
  Ints before = window->before;
  if (s.has_attr("output_shape") || window->auto_pad == op::AutoPad::same_upper || window->auto_pad == op::AutoPad::same_lower) {
    for (std::size_t i = 0; i < 2; ++i) {
      const auto grown = s.is("output_padding");
      const std::int64_t total = window->strides[i] * ((*x)[i + 2] - 1) + (grown.empty() ? 0 : grown[i]) + (*w)[i + 2] - (*y)[i + 2];
      before[i] = window->auto_pad == op::AutoPad::same_upper ? total / 2 : total - total / 2;
    }
  }
  bool edge = true, same = true;
  for (std::size_t i = 0; i < 2; ++i) {
    const Undone u = undone((*x)[i + 2], (*y)[i + 2], (*w)[i + 2], window->strides[i], before[i]);
    edge &= u.valid;
    same &= u.same;
  }
  const bool whole = edge || same;
  Ints pads(4, 0), grow(2, 0), end(2);
  for (std::size_t i = 0; i < 2; ++i) {
    const std::int64_t all = ((*x)[i + 2] - 1) * window->strides[i] + (*w)[i + 2];
    pads[i] = whole ? before[i] : 0;
    end[i] = whole ? (*y)[i + 2] : std::max((*y)[i + 2] + before[i], all);  // what is made, before it is cut
    const std::int64_t after = all - pads[i] - end[i];
    pads[i + 2] = std::max<std::int64_t>(after, 0);
    grow[i] = std::max<std::int64_t>(-after, 0);
    if (grow[i] >= window->strides[i] || before[i] < 0) return {};
    end[i] = (*y)[i + 2] + before[i];
  }
  const Ints stated = s.is("output_padding");
  if (whole && s.s("auto_pad") == "NOTSET" && !s.has_attr("output_shape") && (s.is("pads") == pads || (s.is("pads").empty() && none(pads))) && (stated == grow || (stated.empty() && none(grow)))) return {};
  Attrs a = without(s.attrs, {"pads", "auto_pad", "output_shape", "output_padding"});
  a.push_back({"pads", pads});
  if (!none(grow)) a.push_back({"output_padding", grow});
  if (whole) return s.same("ConvTranspose", s.in, a);
  const Val all = s.same("ConvTranspose", s.in, a)[0];
  return Vals{s.b.op("Slice", {all, s.b.ints(before), s.b.ints(end), s.b.ints({2, 3})})};
}
/// VALID windows over three axes: over two of them, then over the first.
Vals in_two_steps(const Saying& s, Val x, const Known& k) {
  op::Builder& b = s.b;
  if (b.failed()) return {x};
  const auto d = known_dims(b.type(x));
  if (!d) return {x};
  const Dims& n = *d;
  auto step = [&](Val v, const Dims& shape, Ints kernel, Ints strides) {
    return b.op(s.n.op, {b.op("Reshape", {v, b.ints(shape)})}, {{"kernel_shape", std::move(kernel)}, {"strides", std::move(strides)}});
  };
  Val y = step(x, {n[0], n[1] * n[2], n[3], n[4]}, {k.kernel[1], k.kernel[2]}, {k.w.strides[1], k.w.strides[2]});
  y = step(y, {n[0], n[1], n[2], k.out[1] * k.out[2]}, {k.kernel[0], 1}, {k.w.strides[0], 1});
  return {b.op("Reshape", {y, b.ints({n[0], n[1], k.out[0], k.out[1], k.out[2]})})};
}
Said max_pool(const Saying& s) {
  if (s.rank() == 3 && s.num_out == 1) return one_axis(s, false);
  const auto k = known_window(s, s.is("kernel_shape"));
  if (!k || s.num_out > 1) return {};
  const DType t = s.type(0).dtype;
  const double least = is_float(t) ? -std::numeric_limits<double>::infinity() : double(int_range(t).lo);
  auto [before, after] = full_pads(*k);
  if (s.rank() == 5 && !s.stored() && known_dims(s.type(0)) && std::all_of(k->w.dilations.begin(), k->w.dilations.end(), [](std::int64_t d) { return d == 1; }))
    return in_two_steps(s, padded_by(s.in[0], before, after, least), *k);
  const bool resolved = s.s("auto_pad") == "NOTSET" && s.i("ceil_mode") == 0;
  if (resolved && (none(s.is("pads")) || is_same(*k))) return {};
  if (is_same(*k)) return s.same("MaxPool", s.in, with_pads(s, *k));
  if (is_valid(*k)) return s.same("MaxPool", s.in, unpadded(s));
  Vals in = s.in;
  in[0] = padded_by(in[0], before, after, least);
  return s.same("MaxPool", in, unpadded(s));
}
/// How many elements of x each window has.
Result<Tensor> window_counts(const Datum& x, const Attrs& attrs) {
  const Datum* in[] = {&x};
  SAHA_TRY(auto y, op::run(*op::find("WindowCount")->def, in, attrs, 1));
  return std::move(y[0].tensor);
}
Said average_pool(const Saying& s) {
  if (s.rank() == 3) return one_axis(s, false);
  const auto k = known_window(s, s.is("kernel_shape"));
  if (!k) return {};
  const bool counts = s.i("count_include_pad") != 0, padded = !none(k->w.before) || !none(k->w.after);
  const bool resolved = s.s("auto_pad") == "NOTSET" && s.i("ceil_mode") == 0 && !(counts && padded);
  if (s.rank() == 4 && resolved && (!padded || is_same(*k))) return {};
  if (s.rank() == 5 && (s.stored() || !known_dims(s.type(0)))) return {};
  if (is_valid(*k)) return s.rank() == 5 ? Said(in_two_steps(s, s.in[0], *k)) : s.same("AveragePool", s.in, unpadded(s));
  if (s.rank() == 4 && !counts && is_same(*k)) return s.same("AveragePool", s.in, with_pads(s, *k));
  if (s.stored()) return s.on_reals();
  // The mean of padded windows, times the share of each window that counts.
  auto [before, after] = full_pads(*k);
  Val x = padded_by(s.in[0], before, after);
  Val y = s.rank() == 5 ? in_two_steps(s, x, *k)[0] : s.b.op("AveragePool", {x}, unpadded(s));
  Dims one = {1, 1};
  one.insert(one.end(), k->in.begin(), k->in.end());
  auto counted = window_counts(Tensor::zeros(DType::f32, one), s.attrs);
  if (!counted) { s.b.fail(std::move(counted.error())); return Vals{y}; }
  const Tensor& c = *counted;
  Tensor share = Tensor::zeros(DType::f32, c.dims);
  bool whole = true;
  for (std::int64_t i = 0; i < c.size(); ++i) {
    const double v = double(num_elements(k->kernel)) / c.at(i);
    whole &= v == 1;
    store(share, i, 1, &v);
  }
  return Vals{whole ? y : y * s.b.constant(std::move(share))};
}

/// Over known extents it is a constant.
Said window_count(const Saying& s) {
  const auto x = known_dims(s.type(0));
  if (!x) return {};
  auto y = window_counts(Tensor::zeros(s.type(0).dtype, *x), s.attrs);
  if (!y) return {};
  return Vals{s.b.constant(std::move(*y))};
}

// ---- products -------------------------------------------------------------------------------------------------------------------------------
/// Y = A W' + b for a constant W is one kernel; all else is said by products and sums.
Said gemm(const Saying& s) {
  op::Builder& b = s.b;
  const float alpha = s.f("alpha"), beta = s.f("beta");
  const bool turned = s.i("transB") != 0;
  const Tensor* w = s.data(1);
  const Tensor* c = s.data(2);
  const bool row = !s.has(2) || (s.rank(2) == 1 && !s.type(2).dims[0].is(1)) || (s.rank(2) == 1 && s.result().dims[1].is(1));
  if (w && turned && alpha == 1 && (beta == 1 || !s.has(2)) && row && !s.i("transA")) return {};
  if (s.stored()) {
    if (!w || alpha != 1 || (s.has(2) && beta != 1) || s.i("transA")) return s.on_reals();
    if (c && c->rank() == 2 && c->dims[0] == 1) {
      Vals in = s.in;
      in[2] = b.constant(std::make_shared<const Tensor>(c->reshaped({c->dims[1]})), ir::tensor_type(c->dtype, {c->dims[1]}, s.type(2).quant));
      return s.same("Gemm", in, s.attrs);
    }
    if (turned) return s.on_reals();
    Vals in = s.in;
    in[1] = permuted(in[1], {1, 0});
    Attrs a = without(s.attrs, {"transB"});
    a.push_back({"transB", std::int64_t{1}});
    return s.same("Gemm", in, a);
  }
  Val x = s.i("transA") ? transposed(s.in[0], {1, 0}) : s.in[0], m = s.in[1];
  if (w && is_float(w->dtype)) {
    if (!turned) m = transposed(m, {1, 0});
    if (alpha != 1) m = m * double(alpha);
    Val bias = s.has(2) ? s.in[2] : Val{};
    if (bias && beta != 1) bias = bias * double(beta);
    const bool flat = bias && c && c->rank() == 2 && c->dims[0] == 1;
    if (flat) bias = b.op("Reshape", {bias, b.ints({-1})});
    if (bias && c && c->size() == 1 && s.result().dims[1].known()) bias = b.op("Expand", {b.op("Reshape", {bias, b.ints({1})}), b.ints({*s.result().dims[1].known()})});
    const bool inside = !bias || row || flat || (c && c->size() == 1);
    Val y = b.op("Gemm", bias && inside ? Vals{x, m, bias} : Vals{x, m}, {{"transB", std::int64_t{1}}});
    return Vals{inside ? y : y + bias};
  }
  Val y = b.op("MatMul", {x, turned ? transposed(m, {1, 0}) : m});
  if (alpha != 1) y = y * double(alpha);
  if (s.has(2) && beta != 0) y = y + (beta != 1 ? s.in[2] * double(beta) : s.in[2]);
  return Vals{y};
}
/// A vector is a matrix of one row or column.
Said matmul(const Saying& s) {
  if (s.rank(0) != 1 && s.rank(1) != 1) return {};
  Vals in = s.in;
  if (s.rank(0) == 1) in[0] = unsqueezed(in[0], 0);
  if (s.rank(1) == 1) in[1] = unsqueezed(in[1], 1);
  Vals y = s.same("MatMul", in, s.attrs);
  Ints gone;
  const auto rank = std::int64_t(s.b.failed() ? 2 : s.b.type(y[0]).dims.size());
  if (s.rank(0) == 1) gone.push_back(rank - 2);
  if (s.rank(1) == 1) gone.push_back(rank - 1);
  return Vals{s.b.op("Squeeze", {y[0], s.b.ints(gone)})};
}

// ---- along the last axis -----------------------------------------------------------------------------------------------------------------------
/// The kernel works along the last axis: of the graph, or of the channels-last order, whose last axis is 1.
bool along_last(std::int64_t axis, std::size_t rank) { return axis == std::int64_t(rank) - 1 || (axis == 1 && rank > 2); }
Said normalised(const Saying& s) {
  const std::int64_t axis = axis_in(s.i("axis"), s.rank());
  if (along_last(axis, s.rank())) return {};
  Ints perm = plain_order(s.rank());
  std::swap(perm[std::size_t(axis)], perm.back());
  Attrs a = without(s.attrs, {"axis"});
  a.push_back({"axis", std::int64_t{-1}});
  Vals in = s.in;
  in[0] = transposed(in[0], perm);
  Vals y = s.same(s.n.op, in, a);
  return Vals{transposed(y[0], perm)};
}
Said lp_normalization(const Saying& s) {
  if (s.i("p") == 2 && s.rank() <= 4) return normalised(s);
  return s.stored() ? s.on_reals() : s.meant();
}
Said lrn(const Saying& s) {
  if (s.rank() == 4 && s.i("size") % 2 == 1) return {};
  return s.meant();
}

// ---- Resize ------------------------------------------------------------------------------------------------------------------------------------
/// What the node makes of a line along `axis` alone: element (o, i) is the share of element i of x in element o of the result.
std::optional<Tensor> shares(const Saying& s, std::int64_t axis, std::int64_t n, std::int64_t out, bool scales) {
  Datum x = Tensor::zeros(DType::f32, {n, n});
  for (std::int64_t i = 0; i < n; ++i) { const double one = 1; store(x.tensor, i * n + i, 1, &one); }
  Attrs a = without(s.attrs, {"axes", "keep_aspect_ratio_policy"});
  a.push_back({"axes", Ints{0}});
  a.push_back({"keep_aspect_ratio_policy", std::string("stretch")});
  Datum sizes = Tensor::of_ints(Ints{out}), factor, roi;
  const Ints axes = s.has_attr("axes") ? s.is("axes") : plain_order(s.rank());
  std::int64_t at = -1;
  for (std::size_t i = 0; i < axes.size(); ++i) if (axis_in(axes[i], s.rank()) == axis) at = std::int64_t(i);
  std::vector<const Datum*> in = {&x, nullptr, nullptr, nullptr};
  if (const Tensor* r = s.data(1); r && r->size() == 2 * std::int64_t(axes.size()) && at >= 0) {
    roi = Tensor::of(DType::f32, {2}, {r->at(at), r->at(at + std::int64_t(axes.size()))});
    in[1] = &roi;
  }
  if (scales && at >= 0) {
    factor = Tensor::of(DType::f32, {1}, {s.data(2)->at(at)});
    in[2] = &factor;
    in.pop_back();
  } else in[3] = &sizes;
  auto y = op::run(*op::find("Resize")->def, in, a, 1);
  if (!y || (*y)[0].tensor.dims != Dims{out, n}) return {};
  return (*y)[0].tensor;
}
/// The element that each of the result is taken from; nothing where it is no single one.
std::optional<Ints> picks(const Tensor& shares) {
  Ints r;
  const std::int64_t n = shares.dims[1];
  for (std::int64_t o = 0; o < shares.dims[0]; ++o) {
    std::int64_t at = -1;
    for (std::int64_t i = 0; i < n; ++i) if (const double v = shares.at(o * n + i); v != 0) { if (v != 1 || at >= 0) return {}; at = i; }
    if (at < 0) return {};
    r.push_back(at);
  }
  return r;
}
/// What LiteRT's kernels do along a line.
Ints nearest_places(std::int64_t n, std::int64_t out, bool corners, bool half) {
  Ints r;
  const float scale = corners && out > 1 ? float(n - 1) / float(out - 1) : float(n) / float(out);
  for (std::int64_t o = 0; o < out; ++o) {
    const float at = (float(o) + (half ? 0.5f : 0.f)) * scale;
    r.push_back(std::clamp<std::int64_t>(std::int64_t(corners ? std::round(at) : std::floor(at)), 0, n - 1));
  }
  return r;
}
bool as_linear(const Tensor& shares, bool corners, bool half) {
  const std::int64_t n = shares.dims[1], out = shares.dims[0];
  const float scale = corners && out > 1 ? float(n - 1) / float(out - 1) : float(n) / float(out);
  for (std::int64_t o = 0; o < out; ++o) {
    const float at = half ? (float(o) + 0.5f) * scale - 0.5f : float(o) * scale;
    const std::int64_t lower = std::max<std::int64_t>(std::int64_t(std::floor(at)), 0), upper = std::min<std::int64_t>(std::int64_t(std::ceil(at)), n - 1);
    const double part = double(at - float(lower));
    for (std::int64_t i = 0; i < n; ++i) {
      const double want = (i == lower ? 1 - part : 0) + (i == upper ? part : 0);
      if (std::abs(shares.at(o * n + i) - want) > 1e-5) return false;
    }
  }
  return true;
}
constexpr std::int64_t kMostShares = std::int64_t{1} << 24;
/// The kernels' own two rules where they give the same; else, along one axis after the other, a choice of elements or a product with the shares.
Said resize(const Saying& s) {
  op::Builder& b = s.b;
  const auto x = known_dims(s.type(0)), y = known_dims(s.result());
  const bool linear = s.s("mode") == "linear";
  if (!x || !y || x->size() != y->size()) return {};
  const bool scales = s.has(2) && s.data(2) && s.data(2)->size() > 0 && !s.has(3);
  if (s.has(2) && !s.data(2)) return {};
  std::vector<std::pair<std::int64_t, Tensor>> lines;
  for (std::size_t a = 0; a < x->size(); ++a) {
    const Ints axes = s.has_attr("axes") ? s.is("axes") : plain_order(s.rank());
    const bool named = std::any_of(axes.begin(), axes.end(), [&](std::int64_t v) { return axis_in(v, s.rank()) == std::int64_t(a); });
    if ((*x)[a] == (*y)[a] && (!named || s.s("coordinate_transformation_mode") != "tf_crop_and_resize")) continue;
    if ((*x)[a] * (*y)[a] > kMostShares || (*x)[a] * (*x)[a] > kMostShares) return {};
    auto t = shares(s, std::int64_t(a), (*x)[a], (*y)[a], scales);
    if (!t) return {};
    lines.emplace_back(std::int64_t(a), std::move(*t));
  }
  const bool spatial = s.rank() == 4 && std::all_of(lines.begin(), lines.end(), [](const auto& l) { return l.first >= 2; });
  struct Rule { const char* where; bool corners, half; };
  static constexpr Rule kRules[] = {{"asymmetric", false, false}, {"align_corners", true, false}, {"half_pixel", false, true}};
  if (spatial && (linear || s.s("mode") == "nearest"))
    for (const Rule& r : kRules) {
      const bool fits = std::all_of(lines.begin(), lines.end(), [&](const auto& l) {
        if (linear) return as_linear(l.second, r.corners, r.half);
        return picks(l.second) == nearest_places(l.second.dims[1], l.second.dims[0], r.corners, r.half);
      });
      if (!fits) continue;
      Attrs a = {{"coordinate_transformation_mode", std::string(r.where)}, {"mode", s.s("mode")}, {"axes", Ints{2, 3}}};
      if (!linear) a.push_back({"nearest_mode", std::string(r.corners || r.half ? "round_prefer_ceil" : "floor")});
      const bool settled = s.s("coordinate_transformation_mode") == r.where && s.is("axes") == Ints{2, 3} && s.has(3) && !s.has(2) && !s.has(1) && (linear || s.s("nearest_mode") == (r.corners || r.half ? "round_prefer_ceil" : "floor")) && !s.i("antialias");
      if (settled) return {};
      return s.same("Resize", {s.in[0], {}, {}, b.ints({(*y)[2], (*y)[3]})}, a);
    }
  const bool chooses = std::all_of(lines.begin(), lines.end(), [](const auto& l) { return picks(l.second).has_value(); });
  if (s.stored() && !chooses) return s.on_reals();
  if (!is_float(s.type(0).dtype) && !chooses) return {};
  Val v = s.in[0];
  for (auto& [axis, t] : lines) {
    if (auto p = picks(t)) { v = b.op("Gather", {v, b.ints(*p)}, {{"axis", axis}}); continue; }
    Ints perm = plain_order(s.rank());
    std::swap(perm[std::size_t(axis)], perm.back());
    auto turned = permuted_tensor(t, {1, 0});
    if (!turned) { b.fail(std::move(turned.error())); return Vals{v}; }
    v = transposed(b.op("MatMul", {transposed(v, perm), b.constant(std::move(*turned))}), perm);
  }
  return Vals{lines.empty() ? b.op("Identity", {v}) : v};
}
Said depth_to_space(const Saying& s) {
  if (s.rank() != 4 || s.s("mode") == "DCR") return {};
  const std::int64_t k = s.i("blocksize");
  const auto d = known_dims(s.type(0));
  if (!d || k < 1) return {};
  Val v = s.b.op("Reshape", {s.in[0], s.b.ints({(*d)[0], (*d)[1] / (k * k), k, k, (*d)[2], (*d)[3]})});
  v = transposed(v, {0, 1, 4, 2, 5, 3});
  return Vals{s.b.op("Reshape", {v, s.b.ints({(*d)[0], (*d)[1] / (k * k), (*d)[2] * k, (*d)[3] * k})})};
}

// ---- recurrent layers ----------------------------------------------------------------------------------------------------------------------------
/// One kernel runs a whole LSTM forward from states of zero, and gives what it says at each step; all else is spelt out step by step.
Said lstm(const Saying& s) {
  const auto activations = s.ss("activations");
  bool plain = activations.empty();
  if (!plain) {
    plain = true;
    for (std::size_t i = 0; i < activations.size(); ++i) plain &= activations[i] == (i % 3 == 0 ? "Sigmoid" : "Tanh");
  }
  const auto uses = s.from.use_counts();
  for (std::size_t k = 1; k < s.n.num_results; ++k) plain &= uses[s.n.first_result + k] == 0;
  auto zero = [&](std::size_t i) {
    if (!s.has(i)) return true;
    const Tensor* t = s.data(i);
    if (!t) return false;
    const double nothing = s.type(i).quant ? double(s.type(i).quant->zero[0]) : 0;
    for (std::int64_t e = 0; e < t->size(); ++e) if (t->at(e) != nothing) return false;
    return true;
  };
  /// Stored integers as the kernel keeps them: a scale a gate, the state as the output.
  auto kept = [&] {
    const std::string* rule = ir::attr<std::string>(s.attrs, "rounding");
    if (!rule || *rule != "fixed_legacy" || !s.has(5) || !s.has(6) || s.has(7) || !s.result().quant) return false;
    for (std::size_t i : {1, 2, 3}) {
      if (!s.has(i)) continue;
      const auto& q = s.type(i).quant;
      const std::size_t gates = i == 3 ? 8 : 4;
      if (!q || q->scale.size() % gates) return false;
      for (std::size_t k = 0; k < q->scale.size(); ++k) if (q->scale[k] != q->scale[k - k % (q->scale.size() / gates)] || q->zero[k] != 0) return false;
    }
    return s.type(0).dtype == DType::i8 && s.type(1).dtype == DType::i8 && s.type(2).dtype == DType::i8 && s.type(6).dtype == DType::i16 && s.type(6).quant && s.type(5).dtype == s.result().dtype && s.type(5).quant && *s.type(5).quant == *s.result().quant;
  };
  plain &= s.s("direction") == "forward" && s.i("input_forget") == 0 && !s.has_attr("clip") && !s.has(4) && zero(5) && zero(6) && s.i("layout") == 0;
  plain &= s.data(1) && s.data(2) && (!s.has(3) || s.data(3)) && (!s.has(7) || s.data(7)) && (s.stored() ? kept() : s.type(0).dtype == DType::f32);
  if (plain) return {};
  return s.stored() ? s.on_reals() : s.meant();
}

constexpr SayRule kRules[] = {
    {"Conv", conv, true},           {"ConvTranspose", conv_transpose, true},  {"MaxPool", max_pool, true},       {"AveragePool", average_pool, true},
    {"Gemm", gemm, true},           {"MatMul", matmul, true},                 {"Softmax", normalised, true},     {"LogSoftmax", normalised, true},
    {"LpNormalization", lp_normalization, true},                              {"LRN", lrn},                      {"Resize", resize, true},
    {"DepthToSpace", depth_to_space},                                         {"LSTM", lstm, true},                    {"WindowCount", window_count},
};
}  // namespace

std::span<const SayRule> layer_sayings() { return kRules; }

}  // namespace saha::tflite
