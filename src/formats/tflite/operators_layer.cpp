// Layers with weights or windows. Images come as [N, H, W, C], weights of a convolution as [O, H, W, I], of a depthwise one as [1, H, W, O].
#include <algorithm>
#include <cmath>

#include "formats/tflite/operators.hpp"
#include "op/integer_form.hpp"

namespace saha::tflite {
namespace {
using fb::BuiltinOperator;

/// pads, strides and dilations of a window over the spatial axes of x, [N, C, ..]. SAME: as many windows as strides fit, the odd pad at the end.
Attrs window(Site& s, Val x, bool same, const Ints& kernel, const Ints& stride, const Ints& dilation = {}) {
  Attrs a;
  if (s.b.failed()) return a;
  const ir::Type& t = s.b.type(x);
  for (std::int64_t v : stride) if (v < 1) s.fail("has stride " + std::to_string(v));
  for (std::int64_t v : dilation) if (v < 1) s.fail("has dilation " + std::to_string(v));
  for (std::int64_t v : kernel) if (v < 1) s.fail("has a window of size " + std::to_string(v));
  if (s.b.failed() || t.dims.size() != kernel.size() + 2) { s.fail("takes an operand of rank " + std::to_string(kernel.size() + 2) + ", has " + ir::str(t)); return a; }
  Ints pads(kernel.size() * 2, 0);
  bool known = true;
  for (std::size_t i = 0; i < kernel.size() && same; ++i) {
    auto n = t.dims[i + 2].known();
    if (!n) { known = false; break; }
    const Padded p = same_pads(*n, kernel[i], stride[i], dilation.empty() ? 1 : dilation[i]);
    pads[i] = p.before;
    pads[i + kernel.size()] = p.after;
  }
  if (known) a.push_back({"pads", pads});
  else a.push_back({"auto_pad", std::string("SAME_UPPER")});
  a.push_back({"strides", stride});
  a.push_back({"kernel_shape", kernel});
  if (!dilation.empty()) a.push_back({"dilations", dilation});
  return a;
}
std::int64_t extent(const ir::Type& t, std::size_t i) { return i < t.dims.size() ? t.dims[i].known().value_or(-1) : -1; }

/// The bias as a plain accumulator: its scale is that of the products.
Val bias(Site& s, std::size_t i, Val x, Val w) {
  if (!s.has(i) || s.b.failed()) return {};
  const ir::Type &t = s.type(i), &xt = s.b.type(x), &wt = s.b.type(w);
  if (is_float(t.dtype) || !xt.quant || !wt.quant) return s.in[i];
  if (const Tensor* data = s.b.data(s.in[i])) return s.b.constant(std::make_shared<const Tensor>(*data), ir::tensor_type(t.dtype, t.dims, op::quant_of_products(*xt.quant, *wt.quant)));
  s.unsupported("the bias is computed at run time; it is taken as a constant only");
  return {};
}
bool per_channel(Site& s, Val w) { return !s.b.failed() && s.b.type(w).quant && s.b.type(w).quant->scale.size() > 1; }

Vals convolution(Site& s, const Ints& perm, std::int64_t group, bool same, const Ints& stride, const Ints& dilation, fb::ActivationFunctionType a) {
  if (s.in.size() < 2) { s.fail("has no weights"); return {}; }
  if (s.rank(0) != perm.size() || s.rank(1) != perm.size()) { s.fail("takes operands of rank " + std::to_string(perm.size()) + ", has " + ir::str(s.type(0)) + " and " + ir::str(s.type(1))); return {}; }
  Val x = channels_first(s.in[0]), w = permuted(s.in[1], perm);
  w = hybrid_weights(s, w, per_channel(s, w));   // the kernels with a scale a channel have a zero point for the data, the other one has none
  const ir::Type& wt = s.b.type(w);
  Ints kernel;
  for (std::size_t i = 2; i < perm.size(); ++i) kernel.push_back(extent(wt, i));
  if (s.b.failed()) return {};
  Attrs attrs = window(s, x, same, kernel, stride, dilation);
  const std::int64_t channels = extent(s.b.type(x), 1), taken = extent(wt, 1);
  if (group == 0) {  // depthwise: a group a channel; or as many as the weights leave room for
    if (channels < 1 || (perm[0] != 0 && extent(wt, 0) % channels)) { s.fail("has " + std::to_string(channels) + " channels and weights " + ir::str(wt)); return {}; }
    group = perm[0] == 0 ? (taken > 0 && channels % taken == 0 ? channels / taken : 1) : channels;
  }
  attrs.push_back({"group", group});
  if (s.b.type(x).quant && s.b.type(x).dtype == DType::u8) s.rounding = "fixed_legacy";
  Vals in = {x, w};
  if (Val c = bias(s, 2, x, w)) in.push_back(c);
  Val y = s.node("Conv", in, attrs);
  return {channels_last(s.activated(y, a))};
}
Vals conv_2d(Site& s) {
  const auto& o = s.options<fb::Conv2DOptions>();
  return convolution(s, {0, 3, 1, 2}, 0, o.padding() == fb::Padding::SAME, {o.stride_h(), o.stride_w()}, {o.dilation_h_factor(), o.dilation_w_factor()}, o.fused_activation_function());
}
Vals depthwise_conv_2d(Site& s) {
  const auto& o = s.options<fb::DepthwiseConv2DOptions>();
  return convolution(s, {3, 0, 1, 2}, 0, o.padding() == fb::Padding::SAME, {o.stride_h(), o.stride_w()}, {o.dilation_h_factor(), o.dilation_w_factor()}, o.fused_activation_function());
}
/// [N, D, H, W, C] with weights [D, H, W, I, O].
Vals conv_3d(Site& s) {
  const auto& o = s.options<fb::Conv3DOptions>();
  return convolution(s, {4, 3, 0, 1, 2}, 1, o.padding() == fb::Padding::SAME, {o.stride_d(), o.stride_h(), o.stride_w()}, {o.dilation_d_factor(), o.dilation_h_factor(), o.dilation_w_factor()}, o.fused_activation_function());
}
/// Operands: the result's shape, weights [O, H, W, I], data, bias.
Vals undone_convolution(Site& s, Ints shape, const Ints& perm, bool same, const Ints& stride, fb::ActivationFunctionType activation);
Vals transpose_conv(Site& s) {
  const auto& o = s.options<fb::TransposeConvOptions>();
  // A shape that is computed: as the file states it of the result.
  const bool stated = !s.known(0) && s.out_shape[0].size() == 4 && std::count(s.out_shape[0].begin() + 1, s.out_shape[0].end(), -1) == 0;
  return undone_convolution(s, stated ? s.out_shape[0] : s.ints(0, "the result's shape"), {3, 0, 1, 2}, o.padding() == fb::Padding::SAME, {o.stride_h(), o.stride_w()}, o.fused_activation_function());
}
/// The same over [N, D, H, W, C], with weights [D, H, W, O, I].
Vals conv_3d_transpose(Site& s) {
  const auto& o = s.options<fb::Conv3DOptions>();
  return undone_convolution(s, s.ints(0, "the result's shape"), {4, 3, 0, 1, 2}, o.padding() == fb::Padding::SAME, {o.stride_d(), o.stride_h(), o.stride_w()}, o.fused_activation_function());
}
/// MediaPipe's own: operands data, weights, bias; options padding (1 SAME, 2 VALID) and the strides along x and y, each int32.
Vals convolution_2d_transpose_bias(Site& s) {
  const auto* bytes = s.op.custom_options();
  if (!bytes || bytes->size() < 12 || !s.has(0) || !s.has(1) || s.rank(0) != 4 || s.rank(1) != 4) { s.fail("takes data, weights and 12 bytes of options"); return {}; }
  auto number = [&](std::size_t i) { return std::int64_t(flatbuffers::ReadScalar<std::int32_t>(bytes->data() + 4 * i)); };
  const bool same = number(0) == 1;
  const Ints stride = {number(2), number(1)};
  if (stride[0] < 1 || stride[1] < 1 || stride[0] > 1024 || stride[1] > 1024) { s.fail("has strides " + std::to_string(stride[0]) + ", " + std::to_string(stride[1])); return {}; }
  Ints shape = {0, 0, 0, 0};
  for (std::size_t i = 1; i < 3; ++i) {
    const std::int64_t n = extent(s.type(0), i), k = extent(s.type(1), i);
    shape[i] = same ? n * stride[i - 1] : (n - 1) * stride[i - 1] + k;
  }
  Vals in = {{}, s.in[1], s.in[0]};
  if (s.has(2)) in.push_back(s.in[2]);
  s.in = in;
  return undone_convolution(s, shape, {3, 0, 1, 2}, same, stride, fb::ActivationFunctionType::NONE);
}
/// Operands of s: nothing that is read, weights, data, bias. `shape`: of the result, [N, spatial.., O]; `perm` brings the weights to [I, O, spatial..].
Vals undone_convolution(Site& s, Ints shape, const Ints& perm, bool same, const Ints& stride, fb::ActivationFunctionType activation) {
  const std::size_t rank = perm.size(), axes = rank - 2;
  if (!s.has(2) || s.rank(2) != rank || s.rank(1) != rank) { s.fail("takes a shape, weights and data of rank " + std::to_string(rank)); return {}; }
  if (shape.size() != rank) { s.fail("has a result's shape of " + std::to_string(shape.size()) + " numbers"); return {}; }
  Val x = channels_first(s.in[2]), w = permuted(s.in[1], perm);
  if (s.b.failed()) return {};
  const ir::Type &xt = s.b.type(x), &wt = s.b.type(w);
  Ints pads(2 * axes, 0), grow(axes, 0), kernel;
  for (std::size_t i = 0; i < axes; ++i) {
    const std::int64_t n = extent(xt, i + 2), k = extent(wt, i + 2), out = shape[i + 1];
    if (n < 1 || k < 1 || stride[i] < 1) { s.unsupported("needs known extents, has " + ir::str(xt)); return {}; }
    kernel.push_back(k);
    // The convolution that this undoes goes from `out` to n windows.
    const std::int64_t whole = (n - 1) * stride[i] + k, total = same ? std::max<std::int64_t>(whole - out, 0) : 0;
    pads[i] = total / 2;
    pads[i + axes] = whole - out - total / 2;
    if (pads[i + axes] < 0) { grow[i] = -pads[i + axes]; pads[i + axes] = 0; }
  }
  Vals in = {x, w};
  if (Val c = bias(s, 3, x, w)) in.push_back(c);
  Attrs attrs = {{"strides", stride}, {"pads", pads}, {"kernel_shape", kernel}};
  if (std::any_of(grow.begin(), grow.end(), [](std::int64_t g) { return g != 0; })) attrs.push_back({"output_padding", grow});
  return {channels_last(s.activated(s.node("ConvTranspose", in, attrs), activation))};
}

template <bool kMax> Vals pool(Site& s) {
  const auto& o = s.options<fb::Pool2DOptions>();
  if (s.rank() != 4) { s.fail("takes an operand of rank 4, has " + ir::str(s.type(0))); return {}; }
  Val x = channels_first(s.in[0]);
  Attrs a = window(s, x, o.padding() == fb::Padding::SAME, {o.filter_height(), o.filter_width()}, {o.stride_h(), o.stride_w()});
  return {channels_last(s.activated(s.node(kMax ? ir::OpName("MaxPool") : ir::OpName("AveragePool"), {x}, a), o.fused_activation_function()))};
}
Vals l2_pool(Site& s) {
  const auto& o = s.options<fb::Pool2DOptions>();
  Val x = channels_first(s.in[0]);
  Attrs a = window(s, x, o.padding() == fb::Padding::SAME, {o.filter_height(), o.filter_width()}, {o.stride_h(), o.stride_w()});
  return {channels_last(s.activated(s.b.op("Sqrt", {s.b.op("AveragePool", {x * x}, a)}), o.fused_activation_function()))};
}

/// Y = X W' + b with X's leading axes as rows.
Vals fully_connected(Site& s) {
  const auto& o = s.options<fb::FullyConnectedOptions>();
  if (s.in.size() < 2 || s.rank(1) != 2) { s.fail("takes weights of rank 2"); return {}; }
  if (o.weights_format() != 0) { s.unsupported("its weights are shuffled for one kind of processor"); return {}; }
  Val x = s.in[0], w = hybrid_weights(s, s.in[1], o.asymmetric_quantize_inputs());
  if (s.b.failed()) return {};
  const std::int64_t k = extent(s.b.type(w), 1), n = extent(s.b.type(w), 0);
  const std::vector<ir::Dim> lead = s.b.type(x).dims;
  if (lead.size() != 2 || extent(s.b.type(x), 1) != k) x = s.b.op("Reshape", {x, s.b.ints({-1, k})});
  if (s.b.failed()) return {};
  // The reference kernels' own difference: fully connected layers of int8 round once, all else twice.
  if (s.b.type(x).quant) s.rounding = s.b.type(x).dtype == DType::u8 ? "fixed_legacy" : "fixed_single";
  Vals in = {x, w};
  if (Val c = bias(s, 2, x, w)) in.push_back(c);
  Val y = s.activated(s.node("Gemm", in, {{"transB", std::int64_t{1}}}), o.fused_activation_function());
  if (o.keep_num_dims() && lead.size() != 2) {
    Ints shape;
    for (std::size_t i = 0; i + 1 < lead.size(); ++i) shape.push_back(lead[i].known().value_or(-1));
    shape.push_back(n);
    Val as = std::count(shape.begin(), shape.end(), -1) < 2 ? s.b.ints(shape)
                                                            : s.b.op("Concat", {s.b.op("Shape", {s.in[0]}, {{"end", std::int64_t{-1}}}), s.b.ints({n})}, {{"axis", std::int64_t{0}}});
    y = s.b.op("Reshape", {y, as});
  }
  return {y};
}
Vals batch_matmul(Site& s) {
  const auto& o = s.options<fb::BatchMatMulOptions>();
  auto side = [&](std::size_t i, bool transposed) {
    if (!transposed || s.b.failed()) return s.in[i];
    Ints perm(s.rank(i));
    for (std::size_t k = 0; k < perm.size(); ++k) perm[k] = std::int64_t(k);
    if (perm.size() >= 2) std::swap(perm[perm.size() - 1], perm[perm.size() - 2]);
    return permuted(s.in[i], perm);
  };
  Val x = side(0, o.adj_x()), w = side(1, o.adj_y());
  if (s.b.failed()) return {};
  const bool matrix = s.b.data(w) && s.b.type(w).dims.size() == 2 && s.b.type(x).dims.size() >= 2;
  w = matrix ? hybrid_weights(s, w, o.asymmetric_quantize_inputs()) : !s.type(0).quant && s.b.type(w).quant ? op::dequantised(w) : w;
  return {s.node("MatMul", {x, w})};
}

Vals softmax(Site& s) {
  const float beta = s.options<fb::SoftmaxOptions>().beta();
  Val x = s.in[0];
  if (beta != 1) {
    if (s.type(0).quant) { s.unsupported("beta is " + std::to_string(beta) + " on stored integers, 1 is taken"); return {}; }
    x = x * double(beta);
  }
  return {s.node("Softmax", {x}, {{"axis", std::int64_t{-1}}})};
}
Vals log_softmax(Site& s) { return {s.node("LogSoftmax", {s.in[0]}, {{"axis", std::int64_t{-1}}})}; }
Vals l2_normalization(Site& s) {
  Val x = s.in[0];
  Attrs axis = {{"keepdims", std::int64_t{1}}};
  return {s.activated(s.node("LpNormalization", {x}, {{"axis", std::int64_t{-1}}, {"p", std::int64_t{2}}}), s.options<fb::L2NormOptions>().fused_activation_function())};
}
Vals local_response_normalization(Site& s) {
  const auto& o = s.options<fb::LocalResponseNormalizationOptions>();
  const std::int64_t size = 2 * o.radius() + 1;  // alpha is per element there, per window here
  return {channels_last(s.b.op("LRN", {channels_first(s.in[0])}, {{"size", size}, {"alpha", o.alpha() * float(size)}, {"beta", o.beta()}, {"bias", o.bias()}}))};
}

Vals resize(Site& s, bool linear, bool corners, bool half) {
  const Ints size = s.ints(1, "the new size");
  if (size.size() != 2 || s.rank() != 4) { s.fail("takes [N, H, W, C] and a size of two numbers"); return {}; }
  Val x = channels_first(s.in[0]);
  std::string where = corners ? "align_corners" : half ? "half_pixel" : "asymmetric";
  Attrs a = {{"coordinate_transformation_mode", where}, {"mode", std::string(linear ? "linear" : "nearest")}};
  // Sizes of all axes where they are known: onnxruntime 1.32 loses count of them in a Resize of some axes beside a Transpose.
  const auto& d = s.b.type(x).dims;
  Ints sizes = size;
  if (d.size() == 4 && d[0].known() && d[1].known()) sizes.insert(sizes.begin(), {*d[0].known(), *d[1].known()});
  else a.push_back({"axes", Ints{2, 3}});
  // Nearest: floor of the position; TensorFlow adds the half pixel there, and rounds half away from zero to corners.
  if (!linear) a.push_back({"nearest_mode", std::string(corners ? "round_prefer_ceil" : half ? "round_prefer_ceil" : "floor")});
  Vals in = {x, {}, {}, s.b.ints(sizes)};
  return {channels_last(s.node("Resize", in, a))};
}
Vals resize_bilinear(Site& s) {
  const auto& o = s.options<fb::ResizeBilinearOptions>();
  return resize(s, true, o.align_corners(), o.half_pixel_centers());
}
Vals resize_nearest(Site& s) {
  const auto& o = s.options<fb::ResizeNearestNeighborOptions>();
  return resize(s, false, o.align_corners(), o.half_pixel_centers());
}

constexpr Rule kRules[] = {
    {BuiltinOperator::CONV_2D, conv_2d, 2},
    {BuiltinOperator::DEPTHWISE_CONV_2D, depthwise_conv_2d, 2},
    {BuiltinOperator::CONV_3D, conv_3d, 2},
    {BuiltinOperator::CONV_3D_TRANSPOSE, conv_3d_transpose, 3},
    {BuiltinOperator::TRANSPOSE_CONV, transpose_conv, 3},
    {BuiltinOperator::AVERAGE_POOL_2D, pool<false>},
    {BuiltinOperator::MAX_POOL_2D, pool<true>},
    {BuiltinOperator::L2_POOL_2D, l2_pool},
    {BuiltinOperator::FULLY_CONNECTED, fully_connected, 2},
    {BuiltinOperator::BATCH_MATMUL, batch_matmul, 2},
    {BuiltinOperator::SOFTMAX, softmax},
    {BuiltinOperator::LOG_SOFTMAX, log_softmax},
    {BuiltinOperator::L2_NORMALIZATION, l2_normalization},
    {BuiltinOperator::LOCAL_RESPONSE_NORMALIZATION, local_response_normalization},
    {BuiltinOperator::RESIZE_BILINEAR, resize_bilinear, 2},
    {BuiltinOperator::RESIZE_NEAREST_NEIGHBOR, resize_nearest, 2},
};
}  // namespace

std::span<const Rule> layer_rules() { return kRules; }
const Rule* find_custom(std::string_view name) {
  static constexpr Rule kTransposed{BuiltinOperator::CUSTOM, convolution_2d_transpose_bias};
  return name == "Convolution2DTransposeBias" ? &kTransposed : name == "TFLite_Detection_PostProcess" ? &detection_rule() : nullptr;
}

}  // namespace saha::tflite
