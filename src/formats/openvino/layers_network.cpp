// Layers with weights or windows, products, norms, attention. Layouts are those of the operators: [N, C, spatial..], weights [O, I, k..].
#include <algorithm>
#include <cmath>

#include "formats/openvino/layers.hpp"

namespace saha::openvino {
namespace {
using std::to_string;

std::string upper(std::string s) {
  std::transform(s.begin(), s.end(), s.begin(), [](unsigned char c) { return char(std::toupper(c)); });
  return s;
}

// ---- windows -----------------------------------------------------------------------------------------------------------------
/// strides, pads and dilations over `axes` spatial axes as attributes of the operator.
Attrs window(Site& s, std::size_t axes, bool dilated = true) {
  Attrs a;
  a.push_back({"strides", s.per_axis("strides", axes, 1)});
  if (dilated) a.push_back({"dilations", s.per_axis("dilations", axes, 1)});
  const std::string pad = s.s("auto_pad", "explicit");
  if (pad == "same_upper" || pad == "same_lower") a.push_back({"auto_pad", upper(pad)});
  else {
    Ints pads(2 * axes, 0), begin = s.per_axis("pads_begin", axes, 0), end = s.per_axis("pads_end", axes, 0);
    if (pad != "valid") {
      std::copy(begin.begin(), begin.end(), pads.begin());
      std::copy(end.begin(), end.end(), pads.begin() + std::ptrdiff_t(axes));
    }
    a.push_back({"pads", pads});
  }
  return a;
}
// ---- convolution -------------------------------------------------------------------------------------------------------------
/// Weights of a grouped layer, [G, A, B, k..], as the operator has them, [G A, B, k..]; gives G.
std::int64_t ungrouped(Site& s, Val& w) {
  if (s.b.failed()) return 1;
  const ir::Type& t = s.b.type(w);
  const std::int64_t groups = extent(t, 0);
  if (t.dims.size() < 4 || groups < 1) { s.fail("has weights " + ir::str(t) + ", [groups, out, in, kernel..] are needed"); return 1; }
  Ints dims = extents(t, 1);
  if (std::count(dims.begin(), dims.end(), -1) > 0) { s.unsupported("its weights " + ir::str(t) + " have free extents"); return 1; }
  dims[0] *= groups;
  w = reshaped(w, dims);
  return groups;
}
bool check_ranks(Site& s, std::size_t more) {
  if (s.b.failed() || (s.rank(0) >= 3 && s.rank(1) == s.rank(0) + more)) return !s.b.failed();
  s.fail("takes [N, C, spatial..] and weights, it has " + ir::str(s.type(0)) + " and " + ir::str(s.type(1)));
  return false;
}
template <bool kGroups> Vals convolution(Site& s) {
  if (!check_ranks(s, kGroups)) return {};
  Val w = s.in[1];
  const std::int64_t group = kGroups ? ungrouped(s, w) : 1;
  Attrs a = window(s, s.rank() - 2);
  a.push_back({"group", group});
  return {s.op("Conv", {s.in[0], w}, a)};
}
/// y + bias, along the channels.
Val biased(const Saying& s, Val y, std::size_t i) {
  if (!s.has(i) || s.w.failed()) return y;
  Ints shape(s.rank(), 1);
  shape[1] = -1;
  return s.w.add(y, s.w.reshape(s.in[i], shape));
}
/// Weights [G A, B, k..] as [G, A, B, k..].
Val grouped(const Saying& s, std::int64_t group) {
  Ints dims = extents(s.type(1));
  if (std::count(dims.begin(), dims.end(), -1) > 0) { s.unsupported("has weights of free extents in " + to_string(group) + " groups"); return {}; }
  dims[0] /= group;
  dims.insert(dims.begin(), group);
  return s.w.reshape(s.in[1], dims);
}
Vals say_conv(const Saying& s) {
  if (s.w.failed()) return {};
  if (!s.type(0).ranked) { s.unsupported("has an operand of unknown rank"); return {}; }
  const std::int64_t group = s.i("group");
  const Data d = window(s, s.rank() - 2);
  Val y = group == 1 ? s.w.layer("Convolution", {s.in[0], s.in[1]}, d) : s.w.layer("GroupConvolution", {s.in[0], grouped(s, group)}, d);
  return {biased(s, y, 2)};
}

/// Operands: data, weights, perhaps the result's spatial extents.
template <bool kGroups> Vals undone_convolution(Site& s) {
  if (!check_ranks(s, kGroups)) return {};
  const std::size_t axes = s.rank() - 2;
  Val w = s.in[1];
  const std::int64_t group = kGroups ? ungrouped(s, w) : 1;
  Attrs a = window(s, axes);
  a.push_back({"group", group});
  const Ints grow = filled(s.is("output_padding"), axes, 0);
  if (!s.has(2)) {
    if (s.s("auto_pad").rfind("same", 0) == 0) { s.unsupported("auto_pad " + s.s("auto_pad") + " needs the result's shape as an operand"); return {}; }
    if (!all_of(grow, 0)) a.push_back({"output_padding", grow});
    return {s.op("ConvTranspose", {s.in[0], w}, a)};
  }
  const Ints out = s.ints(2, "the result's shape", std::int64_t(axes));
  if (s.b.failed()) return {};
  Ints stride = filled(s.is("strides"), axes, 1), dilation = filled(s.is("dilations"), axes, 1), begin = filled(s.is("pads_begin"), axes, 0), pads(2 * axes, 0), more(axes, 0);
  const std::string pad = s.s("auto_pad", "explicit");
  for (std::size_t i = 0; i < axes; ++i) {
    const std::int64_t n = extent(s.type(0), i + 2), k = extent(s.b.type(w), i + 2);
    if (n < 1 || k < 1) { s.unsupported("with a stated result's shape it needs known extents, it has " + ir::str(s.type(0))); return {}; }
    const std::int64_t whole = (n - 1) * stride[i] + (k - 1) * dilation[i] + 1 + grow[i], total = whole - out[i];
    pads[i] = pad == "same_upper" ? (std::max<std::int64_t>(total, 0) + 1) / 2 : pad == "same_lower" ? std::max<std::int64_t>(total, 0) / 2 : pad == "valid" ? 0 : begin[i];
    pads[axes + i] = total - grow[i] - pads[i];
    if (pads[axes + i] < 0) { more[i] = -pads[axes + i]; pads[axes + i] = 0; }
  }
  std::erase_if(a, [](const ir::NamedAttr& x) { return x.name == "pads" || x.name == "auto_pad"; });
  a.push_back({"pads", pads});
  if (!all_of(more, 0)) a.push_back({"output_padding", more});
  return {s.op("ConvTranspose", {s.in[0], w}, a)};
}
Vals say_undone_convolution(const Saying& s) {
  if (s.w.failed()) return {};
  if (!s.type(0).ranked) { s.unsupported("has an operand of unknown rank"); return {}; }
  const std::size_t axes = s.rank() - 2;
  const std::int64_t group = s.i("group");
  Data d = window(s, axes);
  const Ints grow = filled(s.is("output_padding"), axes, 0), shape = s.is("output_shape");
  const bool same = s.s("auto_pad").rfind("SAME", 0) == 0;
  d.emplace_back("output_padding", join(grow));
  if (same || !shape.empty()) {   // all stated as pads: nothing is left to another's rule
    Ints begin(axes), end(axes), stride = filled(s.is("strides"), axes, 1), dilation = filled(s.is("dilations"), axes, 1), more(axes, 0);
    for (std::size_t i = 0; i < axes; ++i) {
      const std::int64_t n = extent(s.type(0), i + 2), k = extent(s.type(1), i + 2);
      if (n < 1 || k < 1) { s.unsupported("needs known extents, has " + ir::str(s.type(0))); return {}; }
      const std::int64_t out = shape.empty() ? n * stride[i] : shape[shape.size() - axes + i], total = (n - 1) * stride[i] + (k - 1) * dilation[i] + 1 + grow[i] - out;
      const std::int64_t pad = std::max<std::int64_t>(total, 0);
      more[i] = grow[i] + std::max<std::int64_t>(-total, 0);
      begin[i] = s.s("auto_pad") == "SAME_UPPER" ? pad / 2 : pad - pad / 2;
      end[i] = pad - begin[i];
    }
    for (auto& [name, value] : d) {
      if (name == "pads_begin") value = join(begin);
      if (name == "pads_end") value = join(end);
      if (name == "output_padding") value = join(more);
      if (name == "auto_pad") value = "explicit";
    }
  }
  Val y = group == 1 ? s.w.layer("ConvolutionBackpropData", {s.in[0], s.in[1]}, d) : s.w.layer("GroupConvolutionBackpropData", {s.in[0], grouped(s, group)}, d);
  return {biased(s, y, 2)};
}
Vals deformable(Site& s) {
  if (s.b.failed() || s.rank() != 4) { s.fail("takes [N, C, H, W]"); return {}; }
  if (!s.flag("bilinear_interpolation_pad")) { s.unsupported("places outside of the picture are moved to its edge (bilinear_interpolation_pad is false); zeros around it are taken"); return {}; }
  Attrs a = window(s, 2);
  a.push_back({"group", s.i("group", 1)});
  a.push_back({"offset_group", s.i("deformable_group", 1)});
  Vals in = {s.in[0], s.in[2], s.in[1]};
  if (s.has(3)) { in.push_back({}); in.push_back(s.in[3]); }
  return {s.op("DeformConv", in, a)};
}
Vals say_deformable(const Saying& s) {
  if (s.w.failed() || s.rank() != 4) return {};
  Data d = window(s, 2);
  d.emplace_back("group", to_string(s.i("group")));
  d.emplace_back("deformable_group", to_string(s.i("offset_group")));
  d.emplace_back("bilinear_interpolation_pad", "true");
  Vals in = {s.in[0], s.in[2], s.in[1]};
  if (s.has(4)) in.push_back(s.in[4]);
  return {biased(s, s.w.layer("DeformableConvolution", in, d), 3)};
}

// ---- pooling -----------------------------------------------------------------------------------------------------------------
/// Plain ceil may make a last window that begins in the padding behind the data; the operator's ceil_mode leaves it out.
Attrs pool_window(Site& s, bool dilated) {
  const std::size_t axes = s.rank() - 2;
  Attrs a = window(s, axes, dilated);
  const Ints kernel = s.per_axis("kernel", axes, 1);
  a.push_back({"kernel_shape", kernel});
  const std::string rounding = s.s("rounding_type", "floor");
  if (rounding == "floor" || s.s("auto_pad").rfind("same", 0) == 0 || s.s("auto_pad") == "valid") return a;
  bool extra = false;
  auto* pads = std::get_if<ir::Ints>(&std::find_if(a.begin(), a.end(), [](const ir::NamedAttr& x) { return x.name == "pads"; })->value);
  const Ints stride = filled(s.is("strides"), axes, 1), dilation = dilated ? filled(s.is("dilations"), axes, 1) : Ints(axes, 1);
  Ints whole = *pads;
  for (std::size_t i = 0; i < axes && rounding == "ceil"; ++i) {
    const std::int64_t n = extent(s.type(0), i + 2), reach = (kernel[i] - 1) * dilation[i] + 1;
    if (n < 0 || stride[i] < 1) continue;
    const std::int64_t out = (n + (*pads)[i] + (*pads)[axes + i] - reach + stride[i] - 1) / stride[i] + 1;
    extra |= (out - 1) * stride[i] >= n + (*pads)[i];
    whole[axes + i] = std::max((*pads)[axes + i], (out - 1) * stride[i] + reach - n - (*pads)[i]);
  }
  if (extra) *pads = whole;
  else a.push_back({"ceil_mode", std::int64_t{1}});
  return a;
}
bool check_pool(Site& s) {
  if (!s.b.failed() && s.rank() < 3) s.fail("takes [N, C, spatial..], it has " + ir::str(s.type(0)));
  return !s.b.failed();
}
Vals max_pool(Site& s) {
  if (!check_pool(s)) return {};
  const bool indices = s.row.since >= 8 && s.num_out > 1;
  Vals y = s.b.ops("MaxPool", {s.in[0]}, pool_window(s, s.row.since >= 8), indices ? 2 : 1);
  if (!indices || s.b.failed()) return y;
  const std::size_t axis = s.axis(s.i("axis", 0), s.rank());
  if (axis != 0) {   // places are counted within the axes from `axis` on
    Val of = s.op("Shape", {s.in[0]}, {{"start", std::int64_t(axis)}});
    y[1] = s.op("Mod", {y[1], s.op("ReduceProd", {of, s.b.ints({0})}, {{"keepdims", std::int64_t{0}}})});
  }
  y[1] = s.op_cast(y[1], s.dtype("index_element_type", DType::i64));
  return y;
}
Vals avg_pool(Site& s) {
  if (!check_pool(s)) return {};
  Attrs a = pool_window(s, s.row.since >= 16);
  a.push_back({"count_include_pad", std::int64_t(!s.flag("exclude-pad"))});
  return {s.op("AveragePool", {s.in[0]}, a)};
}
/// The rounding that the layer needs for the operator's ceil_mode, and the operator set that has it; empty: refused.
std::string rounding(const Saying& s, std::size_t axes, int& opset) {
  if (!s.i("ceil_mode") || s.s("auto_pad") != "NOTSET") return "floor";
  const Ints kernel = s.is("kernel_shape"), stride = filled(s.is("strides"), axes, 1), dilation = filled(s.is("dilations"), axes, 1), pads = filled(s.is("pads"), 2 * axes, 0);
  bool same = true, ceil = false;
  for (std::size_t i = 0; i < axes; ++i) {
    const std::int64_t n = extent(s.type(0), i + 2), reach = (kernel[i] - 1) * dilation[i] + 1;
    if (n < 0) { same = false; ceil = true; continue; }
    const std::int64_t room = n + pads[i] + pads[axes + i] - reach;
    ceil |= room % stride[i] != 0;
    same &= ((room + stride[i] - 1) / stride[i]) * stride[i] < n + pads[i];
  }
  if (!ceil) return "floor";
  if (same) return "ceil";
  if (s.w.newest() >= 14) { opset = std::max(opset, 14); return "ceil_torch"; }
  s.unsupported("leaves a window out that begins behind the data, which no layer of operator sets up to " + to_string(s.w.newest()) + " does", "leave --ir 10 away");
  return {};
}
Vals say_max_pool(const Saying& s) {
  if (s.w.failed()) return {};
  if (!s.type(0).ranked || s.rank() < 3) { s.unsupported("takes an operand of known rank"); return {}; }
  const std::size_t axes = s.rank() - 2;
  const bool indices = s.n.num_results > 1, dilated = !all_of(filled(s.is("dilations"), axes, 1), 1);
  int opset = indices || dilated ? 8 : 1;
  const std::string round = rounding(s, axes, opset);
  Data d = window(s, axes, opset >= 8);
  d.emplace_back("kernel", join(s.is("kernel_shape")));
  d.emplace_back("rounding_type", round);
  if (opset < 8) return {s.w.layer("MaxPool", {s.in[0]}, d, 1)};
  d.emplace_back("index_element_type", "i64");
  d.emplace_back("axis", "0");
  Vals y = s.w.layers("MaxPool", {s.in[0]}, d, 2, opset);
  if (!indices) y.resize(1);
  if (!indices || !s.i("storage_order")) return y;
  // Places counted column by column: those of one picture, r * width + c, become c * height + r.
  const Ints n = extents(s.type(0), 2);
  if (n.size() != 2 || n[0] < 1 || n[1] < 1) { s.unsupported("counts places column by column in " + ir::str(s.type(0)) + "; pictures of known extents are taken"); return {}; }
  Val whole = s.w.b.constant(Tensor::scalar_int(n[0] * n[1])), width = s.w.b.constant(Tensor::scalar_int(n[1])), height = s.w.b.constant(Tensor::scalar_int(n[0]));
  auto rest = [&](Val a, Val b) { return s.w.layer("FloorMod", {a, b}, Writer::broadcast()); };
  Val within = rest(y[1], whole), column = rest(within, width);
  y[1] = s.w.add(s.w.sub(y[1], within), s.w.add(s.w.mul(column, height), s.w.div(within, width)));
  return y;
}
Vals say_avg_pool(const Saying& s) {
  if (s.w.failed()) return {};
  if (!s.type(0).ranked || s.rank() < 3) { s.unsupported("takes an operand of known rank"); return {}; }
  const std::size_t axes = s.rank() - 2;
  const bool dilated = !all_of(filled(s.is("dilations"), axes, 1), 1);
  int opset = dilated ? 16 : 1;
  const std::string round = rounding(s, axes, opset);
  if (dilated && s.w.newest() < 16) { s.unsupported("has dilations, which no layer of operator sets up to " + to_string(s.w.newest()) + " has", "leave --ir 10 away"); return {}; }
  Data d = window(s, axes, dilated);
  d.emplace_back("kernel", join(s.is("kernel_shape")));
  d.emplace_back("exclude-pad", text(s.i("count_include_pad") == 0));
  d.emplace_back("rounding_type", round);
  return {s.w.layer("AvgPool", {s.in[0]}, d, opset)};
}
/// Extents of the result's windows along each spatial axis, empty where they are not all the same: window i of m is [floor(i n / m), ceil((i + 1) n / m)).
std::optional<Ints> even_windows(Site& s, const Ints& out) {
  Ints kernel;
  for (std::size_t i = 0; i < out.size() && !s.b.failed(); ++i) {
    const std::int64_t n = extent(s.type(0), i + 2);
    if (out[i] < 1 || (n < 1 && n != -1)) { s.fail("makes " + join(out) + " windows of " + ir::str(s.type(0))); return {}; }
    if (n < 0) { s.unsupported("needs known extents, it has " + ir::str(s.type(0))); return {}; }
    kernel.push_back(n % out[i] ? 0 : n / out[i]);
  }
  if (std::count(kernel.begin(), kernel.end(), 0)) return Ints();
  return kernel;
}
Vals adaptive_avg_pool(Site& s) {
  if (!check_pool(s)) return {};
  const std::size_t axes = s.rank() - 2;
  const Ints out = s.ints(1, "the result's shape", std::int64_t(axes));
  if (s.b.failed()) return {};
  if (all_of(out, 1)) return {s.op("GlobalAveragePool", {s.in[0]})};
  auto kernel = even_windows(s, out);
  if (!kernel) return {};
  if (!kernel->empty()) return {s.op("AveragePool", {s.in[0]}, {{"kernel_shape", *kernel}, {"strides", *kernel}})};
  Val x = s.in[0];
  for (std::size_t i = 0; i < axes; ++i) {   // axis by axis, as a product with the shares of each window
    const std::int64_t n = extent(s.type(0), i + 2), m = out[i];
    if (checked_elements(Dims{n, m}).value_or(kMaxMade) >= kMaxMade) { s.fail("makes " + to_string(m) + " windows of " + to_string(n)); return {}; }
    std::vector<double> share(std::size_t(n * m), 0.0);
    for (std::int64_t k = 0; k < m; ++k) {
      const std::int64_t from = k * n / m, to = ((k + 1) * n + m - 1) / m;
      for (std::int64_t j = from; j < to; ++j) share[std::size_t(j * m + k)] = 1.0 / double(to - from);
    }
    Tensor w = Tensor::zeros(s.type(0).dtype, {n, m});
    fill<double>(w, share);
    Ints last = counted(s.rank());
    std::swap(last[i + 2], last.back());
    x = permuted(s.op("MatMul", {permuted(x, last), s.b.constant(std::move(w))}), last);
  }
  return {x};
}
Vals adaptive_max_pool(Site& s) {
  if (!check_pool(s)) return {};
  const Ints out = s.ints(1, "the result's shape", std::int64_t(s.rank() - 2));
  if (s.b.failed()) return {};
  auto kernel = even_windows(s, out);
  if (!kernel) return {};
  if (kernel->empty()) { s.unsupported("from " + ir::str(s.type(0)) + " to " + join(out) + " its windows have several sizes"); return {}; }
  Vals y = s.b.ops("MaxPool", {s.in[0]}, {{"kernel_shape", *kernel}, {"strides", *kernel}}, s.num_out);
  if (s.num_out < 2) return y;
  Ints spatial = extents(s.type(0), 2);
  return {y[0], s.op_cast(s.op("Mod", {y[1], s.b.constant(Tensor::scalar_int(num_elements(spatial)))}), s.dtype("index_element_type", DType::i64))};
}
/// How many elements each window sees: a constant.
Vals say_window_count(const Saying& s) {
  if (s.w.failed()) return {};
  Ints dims = extents(s.type(0));
  if (std::count(dims.begin(), dims.end(), -1) || checked_elements(dims).value_or(INT64_MAX) > (1 << 24)) { s.unsupported("needs known extents, has " + ir::str(s.type(0))); return {}; }
  Datum x = Tensor::zeros(s.type(0).dtype, dims);
  const Datum* in[] = {&x};
  auto y = op::run(*op::find("WindowCount")->def, in, s.attrs, 1);
  if (!y) { s.w.b.fail(std::move(y.error())); return {}; }
  return {s.w.b.constant((*y)[0].tensor)};
}

// ---- products ----------------------------------------------------------------------------------------------------------------
Val side(Site& s, std::size_t i, bool transposed) {
  if (!transposed || s.b.failed() || s.rank(i) < 2) return s.in[i];
  Ints perm(s.rank(i));
  for (std::size_t k = 0; k < perm.size(); ++k) perm[k] = std::int64_t(k);
  std::swap(perm[perm.size() - 1], perm[perm.size() - 2]);
  return permuted(s.in[i], perm);
}
Vals mat_mul(Site& s) {
  Val a = side(s, 0, s.flag("transpose_a")), b = side(s, 1, s.flag("transpose_b"));
  return {s.op("MatMul", {a, b})};
}
Vals say_mat_mul(const Saying& s) { return {s.w.mat_mul(s.in[0], s.in[1])}; }
Vals say_gemm(const Saying& s) {
  if (s.w.failed()) return {};
  Val y = s.w.mat_mul(s.in[0], s.in[1], s.i("transA") != 0, s.i("transB") != 0);
  if (s.f("alpha") != 1) y = s.w.mul(y, s.w.scalar(s.f("alpha"), y));
  if (!s.has(2) || s.f("beta") == 0) return {y};
  Val c = s.f("beta") == 1 ? s.in[2] : s.w.mul(s.in[2], s.w.scalar(s.f("beta"), s.in[2]));
  return {s.w.add(y, c)};
}
Vals say_einsum(const Saying& s) {
  std::string equation;
  for (char c : s.s("equation")) if (c != ' ') equation += c;
  return {s.w.layer("Einsum", s.in, {{"equation", equation}})};
}

// ---- norms -------------------------------------------------------------------------------------------------------------------
Vals batch_norm(Site& s) {
  Vals in = s.in;
  if (s.row.since < 5) in = {s.in[2], s.in[0], s.in[1], s.in[3], s.in[4]};
  return {s.op("BatchNormalization", in, {{"epsilon", float(s.f("epsilon", 1e-5))}})};
}
Vals say_batch_norm(const Saying& s) {
  if (s.w.failed() || s.i("training_mode") || s.n.num_results > 1) return {};
  Vals in = s.in;
  for (std::size_t i = 1; i < in.size(); ++i) in[i] = s.w.cast(in[i], s.type(0).dtype);
  return {s.w.layer("BatchNormInference", in, {{"epsilon", text(double(s.f("epsilon")))}})};
}
/// Less its mean, over its deviation.
Val normalised(Site& s, Val x, Ints axes, bool variance, double eps, bool inside) {
  if (s.b.failed()) return x;
  const ir::Type& t = s.b.type(x);
  for (std::int64_t& a : axes) a = std::int64_t(s.axis(a, t.dims.size()));
  std::sort(axes.begin(), axes.end());
  axes.erase(std::unique(axes.begin(), axes.end()), axes.end());
  if (s.b.failed() || axes.empty()) return x;
  const std::size_t first = std::size_t(axes[0]);
  const bool trailing = first + axes.size() == t.dims.size();
  Ints shape = extents(t, first);
  if (trailing && variance && inside && std::count(shape.begin(), shape.end(), -1) == 0 && checked_elements(shape).value_or(1 << 24) < (1 << 24)) {
    Tensor ones = Tensor::zeros(t.dtype, shape);
    fill<double>(ones, std::vector<double>(std::size_t(ones.size()), 1.0));
    return s.op("LayerNormalization", {x, s.b.constant(std::move(ones))}, {{"axis", std::int64_t(first)}, {"epsilon", float(eps)}});
  }
  Val along = s.b.ints(axes), d = x - s.op("ReduceMean", {x, along});
  if (!variance) return d;
  Val v = s.op("ReduceMean", {d * d, along});
  return d / (inside ? s.op("Sqrt", {v + eps}) : s.op("Sqrt", {v}) + eps);
}
Vals mvn(Site& s) {
  const bool outside = s.s("eps_mode", "inside_sqrt") == "outside_sqrt";
  return {normalised(s, s.in[0], s.ints(1, "axes"), s.flag("normalize_variance", true), s.f("eps", 1e-5), !outside)};
}
Vals old_mvn(Site& s) {
  Ints axes = s.is("reduction_axes");
  if (axes.empty())
    for (std::size_t i = s.flag("across_channels") ? 1 : 2; i < s.rank(); ++i) axes.push_back(std::int64_t(i));
  return {normalised(s, s.in[0], axes, s.flag("normalize_variance", true), s.f("eps", 1e-5), true)};
}
Val say_mvn(const Saying& s, const Ints& axes, double eps) {
  return s.w.layer("MVN", {s.in[0], s.w.ints(axes)}, {{"normalize_variance", "true"}, {"eps", text(eps)}, {"eps_mode", "inside_sqrt"}});
}
Vals say_layer_norm(const Saying& s) {
  if (s.w.failed() || s.n.num_results > 1 || !s.type(0).ranked) return {};
  const auto rank = std::int64_t(s.rank());
  Ints axes;
  for (std::int64_t a = s.i("axis") < 0 ? s.i("axis") + rank : s.i("axis"); a < rank; ++a) axes.push_back(a);
  if (axes.empty()) return {};
  Val y = s.w.mul(say_mvn(s, axes, double(s.f("epsilon"))), s.in[1]);
  return {s.has(2) ? s.w.add(y, s.in[2]) : y};
}
Vals say_instance_norm(const Saying& s) {
  if (s.w.failed() || !s.type(0).ranked || s.rank() < 3) return {};
  Ints axes, shape(s.rank(), 1);
  for (std::size_t i = 2; i < s.rank(); ++i) axes.push_back(std::int64_t(i));
  shape[1] = -1;
  Val y = s.w.mul(say_mvn(s, axes, double(s.f("epsilon"))), s.w.reshape(s.in[1], shape));
  return {s.w.add(y, s.w.reshape(s.in[2], shape))};
}
Vals group_norm(Site& s) { return {s.op("GroupNormalization", s.in, {{"num_groups", s.i("num_groups", 1)}, {"epsilon", float(s.f("epsilon", 1e-5))}})}; }
Vals say_group_norm(const Saying& s) { return {s.w.layer("GroupNormalization", s.in, {{"num_groups", to_string(s.i("num_groups"))}, {"epsilon", text(double(s.f("epsilon")))}})}; }
Vals lrn(Site& s) {
  Ints axes = s.ints(1, "axes");
  if (s.b.failed()) return {};
  for (std::int64_t& a : axes) a = std::int64_t(s.axis(a, s.rank()));
  std::sort(axes.begin(), axes.end());
  const double alpha = s.f("alpha", 1e-4), beta = s.f("beta", 0.75), bias = s.f("bias", 1);
  const std::int64_t size = s.i("size", 1);
  if (axes == Ints{1}) return {s.op("LRN", {s.in[0]}, {{"alpha", float(alpha)}, {"beta", float(beta)}, {"bias", float(bias)}, {"size", size}})};
  Ints spatial;
  for (std::size_t i = 2; i < s.rank(); ++i) spatial.push_back(std::int64_t(i));
  if (axes != spatial || spatial.empty() || size < 1 || size % 2 == 0) { s.unsupported("its axes are " + join(axes) + "; the channels, or all axes after them with an odd size, are taken"); return {}; }
  Val x = s.in[0], mean = s.op("AveragePool", {x * x}, {{"kernel_shape", Ints(spatial.size(), size)}, {"pads", Ints(2 * spatial.size(), size / 2)}, {"count_include_pad", std::int64_t{1}}});
  return {x / s.op("Pow", {mean * alpha + bias, s.b.scalar(beta, x)})};
}
Vals say_lrn(const Saying& s) {
  if (s.w.failed()) return {};
  if (s.i("size") % 2 == 0) { s.unsupported("sums an even number of channels, which no layer does"); return {}; }
  // The CPU plugin takes whole numbers as bias only: (bias + a sum)^beta = bias^beta (1 + a / bias sum)^beta.
  const double bias = double(s.f("bias")), beta = double(s.f("beta"));
  const bool whole = bias == std::floor(bias) || !(bias > 0);
  Val y = s.w.layer("LRN", {s.in[0], s.w.ints({1})}, {{"alpha", text(double(s.f("alpha")) / (whole ? 1 : bias))}, {"beta", text(beta)}, {"bias", text(whole ? bias : 1.0)}, {"size", to_string(s.i("size"))}});
  return {whole ? y : s.w.mul(y, s.w.scalar(std::pow(bias, -beta), y))};
}
Vals normalize_l2(Site& s) {
  Val x = s.in[0];
  if (s.b.failed()) return {};
  Val axes = s.wide_list(1), sum = s.op("ReduceSum", {x * x, axes}, {{"noop_with_empty_axes", std::int64_t{1}}});
  const double eps = s.f("eps", 1e-10);
  return {x / s.op("Sqrt", {s.s("eps_mode", "add") == "max" ? s.op("Max", {sum, s.b.scalar(eps, sum)}) : sum + eps})};
}

/// Over the root of the channels' squares and a bias.
Vals grn(Site& s) {
  if (s.b.failed() || s.rank() < 2) { s.fail("takes [N, C, ..]"); return {}; }
  Val x = s.in[0];
  return {x / s.op("Sqrt", {s.op("ReduceSum", {x * x, s.b.ints({1})}) + s.f("bias", 1e-6)})};
}

// ---- attention ---------------------------------------------------------------------------------------------------------------
/// softmax(q k' scale + mask) v over [.., steps, columns]. Operands: q, k, v, mask (boolean: what takes part), scale.
Vals attention(Site& s) {
  if (s.b.failed()) return {};
  const std::size_t rank = s.rank(1);
  if (s.rank(0) < 2 || rank < 2 || s.rank(2) < 2) { s.fail("takes [.., steps, columns]"); return {}; }
  if (s.has(5)) { s.unsupported("a sink is not taken"); return {}; }
  Ints turned = counted(rank);
  std::swap(turned[rank - 1], turned[rank - 2]);
  Val q = s.in[0], scale;
  if (s.has(4)) scale = s.type(4).dims.empty() ? s.in[4] : reshaped(s.in[4], {});
  else if (auto n = s.type(0).dims.back().known(); n && *n > 0) scale = s.b.scalar(1 / std::sqrt(double(*n)), q);
  else scale = s.op("Reciprocal", {s.op("Sqrt", {s.op_cast(reshaped(s.op("Shape", {q}, {{"start", std::int64_t{-1}}}), {}), s.type(0).dtype)})});
  Val scores = s.op("MatMul", {q * scale, permuted(s.in[1], turned)});
  if (s.b.failed()) return {};
  Val never = s.b.scalar(-INFINITY, scores);
  if (s.flag("causal")) {
    auto places = [&](Val of, std::int64_t added) {
      Val n = reshaped(s.op("Shape", {of}, {{"start", std::int64_t{-2}}, {"end", std::int64_t{-1}}}), {});
      return s.op("Unsqueeze", {s.op("Range", {s.b.constant(Tensor::scalar_int(0)), n, s.b.constant(Tensor::scalar_int(1))}), s.b.ints({added})});
    };
    scores = s.op("Where", {s.op("LessOrEqual", {places(s.in[1], 0), places(q, 1)}), scores, never});
  } else if (s.has(3)) {
    scores = s.type(3).dtype == DType::boolean ? s.op("Where", {s.in[3], scores, never}) : scores + s.in[3];
  }
  return {s.op("MatMul", {s.op("Softmax", {scores}, {{"axis", std::int64_t{-1}}}), s.in[2]})};
}

constexpr Row kRows[] = {
    {"Convolution", 1, "Conv", {}, convolution<false>, say_conv, 2},
    {"GroupConvolution", 1, "", {}, convolution<true>, nullptr, 2, false},
    {"ConvolutionBackpropData", 1, "ConvTranspose", {}, undone_convolution<false>, say_undone_convolution, 2},
    {"GroupConvolutionBackpropData", 1, "", {}, undone_convolution<true>, nullptr, 2, false},
    {"DeformableConvolution", 1, "", {}, deformable, nullptr, 3, false},
    {"DeformableConvolution", 8, "DeformConv", {}, deformable, say_deformable, 3},
    {"MaxPool", 1, "MaxPool", {}, max_pool, say_max_pool},
    {"MaxPool", 8, "", {}, max_pool, nullptr, 1, false},
    {"MaxPool", 14, "", {}, max_pool, nullptr, 1, false},
    {"AvgPool", 1, "AveragePool", {}, avg_pool, say_avg_pool},
    {"AvgPool", 14, "", {}, avg_pool, nullptr, 1, false},
    {"AvgPool", 16, "", {}, avg_pool, nullptr, 1, false},
    {"AdaptiveAvgPool", 8, "", {}, adaptive_avg_pool, nullptr, 2, false},
    {"AdaptiveMaxPool", 8, "", {}, adaptive_max_pool, nullptr, 2, false},
    {"MatMul", 1, "MatMul", {}, mat_mul, say_mat_mul, 2},
    {"", 1, "Gemm", {}, nullptr, say_gemm},
    {"Einsum", 7, "Einsum", "equation", nullptr, say_einsum},
    {"BatchNormInference", 1, "", {}, batch_norm, nullptr, 5, false},
    {"BatchNormInference", 5, "BatchNormalization", {}, batch_norm, say_batch_norm, 5},
    {"MVN", 2, "", {}, old_mvn, nullptr, 1, false},
    {"MVN", 6, "", {}, mvn, nullptr, 2, false},
    {"", 6, "LayerNormalization", {}, nullptr, say_layer_norm},
    {"", 6, "InstanceNormalization", {}, nullptr, say_instance_norm},
    {"GroupNormalization", 12, "GroupNormalization", {}, group_norm, say_group_norm, 3},
    {"LRN", 1, "LRN", {}, lrn, say_lrn, 2},
    {"GRN", 1, "", {}, grn, nullptr, 1, false},
    {"ScaledDotProductAttention", 13, "", {}, attention, nullptr, 3, false},
    {"NormalizeL2", 1, "", {}, normalize_l2, nullptr, 2, false},
    {"", 1, "WindowCount", {}, nullptr, say_window_count},
};
}  // namespace

Data window(const Saying& s, std::size_t axes, bool dilated) {
  Data d;
  const Ints pads = filled(s.is("pads"), 2 * axes, 0);
  const std::string pad = s.s("auto_pad");
  const bool same = pad == "SAME_UPPER" || pad == "SAME_LOWER", valid = pad == "VALID";
  d.emplace_back("strides", join(filled(s.is("strides"), axes, 1)));
  if (dilated) d.emplace_back("dilations", join(filled(s.is("dilations"), axes, 1)));
  d.emplace_back("pads_begin", join(same || valid ? Ints(axes, 0) : Ints(pads.begin(), pads.begin() + std::ptrdiff_t(axes))));
  d.emplace_back("pads_end", join(same || valid ? Ints(axes, 0) : Ints(pads.begin() + std::ptrdiff_t(axes), pads.end())));
  d.emplace_back("auto_pad", pad == "SAME_UPPER" ? "same_upper" : pad == "SAME_LOWER" ? "same_lower" : "explicit");
  return d;
}

std::span<const Row> network_rows() { return kRows; }

}  // namespace saha::openvino
