// Layers with weights or windows, as kernels channels last.
#include <algorithm>
#include <cmath>

#include "formats/tflite/write.hpp"
#include "op/integer_form.hpp"

namespace saha::tflite {
namespace {
using A = fb::ActivationFunctionType;

/// SAME where the node pads; say_layer.cpp left no other pads.
fb::Padding padding(Writing& w, const Ints& kernel) {
  const std::string automatic = w.s("auto_pad");
  const Ints pads = w.is("pads");
  if (automatic == "SAME_UPPER") return fb::Padding::SAME;
  if (automatic == "VALID" || (automatic == "NOTSET" && std::all_of(pads.begin(), pads.end(), [](std::int64_t p) { return p == 0; }) && w.i("ceil_mode") == 0)) return fb::Padding::VALID;
  const Ints strides = w.is("strides"), dilations = w.is("dilations");
  bool same = automatic == "NOTSET";
  for (std::size_t i = 0; i < kernel.size() && same; ++i) {
    const auto n = w.type(0).dims[i + 2].known();
    if (!n) { same = false; break; }
    const Padded p = same_pads(*n, kernel[i], strides.empty() ? 1 : strides[i], dilations.empty() ? 1 : dilations[i]);
    same = pads.size() == 2 * kernel.size() && pads[i] == p.before && pads[i + kernel.size()] == p.after;
  }
  if (!same) w.unsupported("pads extents that are not known", "give the shape: saha convert --shape NAME=...");
  return fb::Padding::SAME;
}
std::int64_t stride(const Writing& w, std::size_t i) { const Ints v = w.is("strides"); return v.empty() ? 1 : v[i]; }
std::int64_t dilation(const Writing& w, std::size_t i) { const Ints v = w.is("dilations"); return v.empty() ? 1 : v[i]; }
/// A bias of zeros: of the data's type, or as a sum of products of stored numbers.
std::int32_t no_bias(Writing& w, std::int64_t channels) {
  if (!w.type(0).quant || !w.type(1).quant) return w.constant(Tensor::zeros(w.type(0).dtype, {channels}));
  return w.constant(Tensor::zeros(bits(w.type(0).dtype) > 8 ? DType::i64 : DType::i32, {channels}), op::quant_of_products(*w.type(0).quant, *w.type(1).quant));
}
/// Operand 2; beside data of 16 bits kernels take sums of 64.
std::int32_t bias(Writing& w) {
  if (const Tensor* c = w.data(2); c && c->dtype == DType::i32 && w.type(0).quant && bits(w.type(0).dtype) == 16) {
    Tensor wide = Tensor::zeros(DType::i64, c->dims);
    fill(wide, std::span<const std::int64_t>(values<std::int64_t>(*c)));
    return w.constant(wide, w.type(2).quant);
  }
  return w.in(2, plain_order(w.rank(2)));
}
/// The node rounds real data in each run: by this rule, "symmetric" or "asymmetric"; empty: it does not.
std::string_view dynamic_rule(const Writing& w) {
  const std::string* rule = ir::attr<std::string>(w.attrs, "rounding");
  return rule && rule->starts_with("dynamic_") ? std::string_view(*rule).substr(8) : std::string_view();
}
/// Weights of a convolution, results along `axis` of the node's own. Kernels that round real data have a scale for each result where the data have a zero point.
std::int32_t window_weights(Writing& w, const Ints& order, bool depthwise) {
  const std::string_view rule = dynamic_rule(w);
  const auto& q = w.type(1).quant;
  if (rule.empty() || !q) return w.in(1, order);
  if (rule == "symmetric" && (q->scale.size() > 1 || depthwise)) w.file().note("convolutions on float data round them with a zero point, as TensorFlow Lite's kernels do: the model has none");
  const std::int64_t results = w.extent(w.type(1), 0);
  if (q->scale.size() > 1 || (rule == "symmetric" && !depthwise) || !w.data(1)) return w.in(1, order);
  auto t = permuted_tensor(*w.data(1), order);
  if (!t) { w.unsupported(t.error().message); return -1; }
  return w.constant(*t, std::make_shared<const ir::Quant>(ir::Quant{std::vector<float>(std::size_t(results), q->scale[0]), std::vector<std::int64_t>(std::size_t(results), q->zero[0]), place_of(order, 0)}));
}
/// x, weights, bias; a kernel of convolutions wants one in any case.
std::vector<std::int32_t> operands(Writing& w, std::int32_t x, std::int32_t weights, std::int64_t channels) {
  return {x, weights, w.has(2) ? bias(w) : no_bias(w, channels)};
}

/// Over height and width: what the options of all such kernels have.
template <class O> O over_plane(Writing& w, fb::Padding pad) {
  O o;
  o.padding = pad;
  o.stride_h = int(stride(w, 0)), o.stride_w = int(stride(w, 1));
  o.fused_activation_function = w.activation();
  return o;
}
template <class O> O dilated_over_plane(Writing& w, fb::Padding pad) {
  O o = over_plane<O>(w, pad);
  o.dilation_h_factor = int(dilation(w, 0)), o.dilation_w_factor = int(dilation(w, 1));
  return o;
}
void conv(Writing& w) {
  const std::size_t rank = w.rank();
  if (rank != 4 && rank != 5) return w.unsupported("has " + std::to_string(rank - 2) + " spatial axes, one to three are written");
  Ints kernel;
  for (std::size_t i = 2; i < rank; ++i) kernel.push_back(w.extent(w.type(1), i));
  const std::int64_t group = w.i("group"), channels = w.extent(w.type(0), 1), outputs = w.extent(w.type(1), 0);
  if (w.failed()) return;
  const fb::Padding pad = padding(w, kernel);
  const std::int32_t x = w.in(0);
  if (rank == 5) {
    if (group != 1) return w.unsupported("has " + std::to_string(group) + " groups over three axes, one is written");
    fb::Conv3DOptionsT o;
    o.padding = pad;
    o.stride_d = int(stride(w, 0)), o.stride_h = int(stride(w, 1)), o.stride_w = int(stride(w, 2));
    o.dilation_d_factor = int(dilation(w, 0)), o.dilation_h_factor = int(dilation(w, 1)), o.dilation_w_factor = int(dilation(w, 2));
    o.fused_activation_function = w.activation();
    return w.op(Code::CONV_3D, operands(w, x, w.in(1, {2, 3, 4, 1, 0}), outputs), {w.out()}, o);
  }
  if (group == channels && group > 1 && outputs % group == 0) {
    auto o = dilated_over_plane<fb::DepthwiseConv2DOptionsT>(w, pad);
    o.depth_multiplier = int(outputs / group);
    return w.op(Code::DEPTHWISE_CONV_2D, operands(w, x, window_weights(w, {1, 2, 3, 0}, true), outputs), {w.out()}, o);
  }
  w.op(Code::CONV_2D, operands(w, x, window_weights(w, {0, 2, 3, 1}, false), outputs), {w.out()}, dilated_over_plane<fb::Conv2DOptionsT>(w, pad));
}
void conv_transpose(Writing& w) {
  if (w.rank() != 4 || w.i("group") != 1) return w.unsupported("has " + std::to_string(w.rank() - 2) + " spatial axes and " + std::to_string(w.i("group")) + " groups, one or two axes and one group of stored integers are written");
  if (dilation(w, 0) != 1 || dilation(w, 1) != 1 || w.s("auto_pad") != "NOTSET") return w.unsupported("needs known extents and constant weights, X is " + ir::str(w.type(0)));
  const Ints pads = w.is("pads");
  Ints shape = {w.extent(w.result(), 0), w.extent(w.result(), 2), w.extent(w.result(), 3), w.extent(w.result(), 1)};
  bool edge = true, same = true;
  for (std::size_t i = 0; i < 2 && !w.failed(); ++i) {
    const Undone u = undone(w.extent(w.type(0), i + 2), shape[i + 1], w.extent(w.type(1), i + 2), stride(w, i), pads.empty() ? 0 : pads[i]);
    edge &= u.valid;
    same &= u.same;
  }
  if (!edge && !same) return w.unsupported("has pads " + str(pads) + ", which are neither none nor SAME");
  const auto o = over_plane<fb::TransposeConvOptionsT>(w, same ? fb::Padding::SAME : fb::Padding::VALID);
  const std::int32_t x = w.in(0);
  std::vector<std::int32_t> in = {w.ints32(shape), w.in(1, {1, 2, 3, 0}), x};
  if (w.has(2)) in.push_back(w.in(2, {0}));
  w.op(Code::TRANSPOSE_CONV, in, {w.out()}, o);
}
template <Code kCode> void pool(Writing& w) {
  const Ints kernel = w.is("kernel_shape"), dilations = w.is("dilations");
  if (w.rank() != 4) return w.unsupported("has " + std::to_string(w.rank() - 2) + " spatial axes, one or two are written");
  if (w.n.num_results > 1 && w.g.use_counts()[w.n.first_result + 1]) return w.unsupported("gives the places of the largest elements");
  if (std::any_of(dilations.begin(), dilations.end(), [](std::int64_t d) { return d != 1; })) return w.unsupported("has dilations " + str(dilations));
  auto o = over_plane<fb::Pool2DOptionsT>(w, padding(w, kernel));
  o.filter_height = int(kernel[0]), o.filter_width = int(kernel[1]);
  w.op(kCode, {w.in(0)}, {w.out()}, o);
}

/// The matrix [N, K] of weights; its columns in the order in which x lists them.
std::int32_t weights(Writing& w, bool columns_first, const Placed& x) {
  const Ints order = columns_first ? Ints{1, 0} : Ints{0, 1};
  if (x.flat.empty()) return w.in(1, order);
  auto t = permuted_tensor(*w.data(1), order);
  if (!t) { w.unsupported(t.error().message); return -1; }
  // [N, C, H, W] -> [N, H, W, C] -> [N, K]
  Dims split = {t->dims[0]};
  split.insert(split.end(), x.flat.begin(), x.flat.end());
  Ints perm = {0};
  for (std::int64_t a : x.flat_order) perm.push_back(a + 1);
  auto moved = permuted_tensor(t->reshaped(split), perm);
  if (!moved) { w.unsupported(moved.error().message); return -1; }
  const auto& q = w.type(1).quant;
  return w.constant(moved->reshaped(t->dims), ir::along(q, q ? place_of(order, q->axis) : 0));
}
void fully_connected(Writing& w, bool columns_first) {
  const Placed x = w.flat(0);
  fb::FullyConnectedOptionsT o;
  o.fused_activation_function = w.activation();
  o.keep_num_dims = w.rank() > 2;
  o.asymmetric_quantize_inputs = dynamic_rule(w) == "asymmetric";
  std::vector<std::int32_t> in = {x.tensor, weights(w, columns_first, x)};
  if (w.has(2)) in.push_back(w.in(2, {0}));
  w.op(Code::FULLY_CONNECTED, in, {w.out()}, o);
}
void gemm(Writing& w) {
  if (!w.data(1)) return w.unsupported("has weights that are computed");
  fully_connected(w, false);
}
void matmul(Writing& w) {
  if (w.data(1) && w.rank(1) == 2 && w.rank() >= 2) return fully_connected(w, true);
  fb::BatchMatMulOptionsT o;
  auto side = [&](std::size_t i, bool& turned) {
    const std::size_t r = w.rank(i);
    if (w.data(i) || r < 2) return w.in(i, plain_order(r));
    const Placed p = w.any(i);
    Ints swapped = plain_order(r);
    std::swap(swapped[r - 1], swapped[r - 2]);
    turned = p.order == swapped;
    return turned ? p.tensor : w.in(i, plain_order(r));
  };
  const std::int32_t a = side(0, o.adj_x), b = side(1, o.adj_y);
  w.op(Code::BATCH_MATMUL, {a, b}, {w.out()}, o);
}

Place where_normalised(const ir::Graph& g, const ir::Node& n) {
  const std::size_t rank = g.type(g.operand(n, 0)).dims.size();
  return axis_in(*ir::attr<std::int64_t>(*n.attrs, "axis"), rank) == std::int64_t(rank) - 1 ? Place::plain : Place::last;
}
void softmax(Writing& w) {
  fb::SoftmaxOptionsT o;
  o.beta = 1;
  w.op(Code::SOFTMAX, {w.in(0)}, {w.out()}, o);
}
void log_softmax(Writing& w) { w.op(Code::LOG_SOFTMAX, {w.in(0)}, {w.out()}, fb::LogSoftmaxOptionsT{}); }
void l2_normalization(Writing& w) { w.op(Code::L2_NORMALIZATION, {w.in(0)}, {w.out()}, fb::L2NormOptionsT{}); }
void lrn(Writing& w) {
  fb::LocalResponseNormalizationOptionsT o;
  o.radius = int(w.i("size") / 2);
  o.bias = w.f("bias"), o.alpha = w.f("alpha") / float(w.i("size")), o.beta = w.f("beta");
  w.op(Code::LOCAL_RESPONSE_NORMALIZATION, {w.in(0)}, {w.out()}, o);
}
void resize(Writing& w) {
  const std::string where = w.s("coordinate_transformation_mode"), mode = w.s("mode");
  const Ints axes = w.is("axes");
  if (!w.has(3) || axes != Ints{2, 3} || (where != "asymmetric" && where != "align_corners" && where != "half_pixel") || (mode != "linear" && mode != "nearest"))
    return w.unsupported("resizes by " + mode + ", " + where + " in a way that its kernels do not have and that known extents alone could spell out, X is " + ir::str(w.type(0)));
  const std::int32_t size = w.ints32({w.extent(w.result(), 2), w.extent(w.result(), 3)});
  auto with = [&](auto o, Code code) {
    o.align_corners = where == "align_corners";
    o.half_pixel_centers = where == "half_pixel";
    w.op(code, {w.in(0), size}, {w.out()}, o);
  };
  if (mode == "linear") with(fb::ResizeBilinearOptionsT{}, Code::RESIZE_BILINEAR);
  else with(fb::ResizeNearestNeighborOptionsT{}, Code::RESIZE_NEAREST_NEIGHBOR);
}
void depth_to_space(Writing& w) {
  if (w.s("mode") != "DCR" || w.rank() != 4) return w.unsupported("has mode " + w.s("mode") + " over open extents");
  fb::DepthToSpaceOptionsT o;
  o.block_size = int(w.i("blocksize"));
  w.op(Code::DEPTH_TO_SPACE, {w.in(0)}, {w.out()}, o);
}
void space_to_depth(Writing& w) {
  if (w.has_attr("mode") && w.s("mode") != "DCR") return w.unsupported("has mode " + w.s("mode"));
  fb::SpaceToDepthOptionsT o;
  o.block_size = int(w.i("blocksize"));
  w.op(Code::SPACE_TO_DEPTH, {w.in(0)}, {w.out()}, o);
}

/// Gates are stacked as input, output, forget, cell here; the kernel takes them apart as input, forget, cell, output.
void lstm(Writing& w) {
  const Tensor& all = *w.data(1);
  const std::int64_t hidden = all.dims[1] / 4, inputs = all.dims[2], batch = w.extent(w.type(0), 1);
  auto part = [&](const Tensor& t, std::int64_t from, std::int64_t columns) {  // rows [from, from + hidden)
    Tensor r = Tensor::zeros(t.dtype, columns ? Dims{hidden, columns} : Dims{hidden});
    copy_elements(t, from * std::max<std::int64_t>(columns, 1), 1, r, 0, r.size());
    return r;
  };
  static constexpr std::int64_t kGates[] = {0, 2, 3, 1};
  const auto& state = w.result().quant;
  auto one = [&](std::size_t i, std::int64_t row) -> std::shared_ptr<const ir::Quant> {  // of a gate that begins at this row
    const auto& q = w.type(i).quant;
    return q ? std::make_shared<const ir::Quant>(ir::Quant{{q->scale[std::size_t(row)]}, {q->zero[std::size_t(row)]}, 0}) : nullptr;
  };
  std::vector<std::int32_t> in(20, -1);
  in[0] = w.in(0, {0, 1, 2});
  for (std::size_t k = 0; k < 4; ++k) {
    const std::int64_t row = kGates[k] * hidden;
    in[1 + k] = w.constant(part(all, row, inputs), one(1, row));
    in[5 + k] = w.constant(part(*w.data(2), row, hidden), one(2, row));
    Tensor bias = Tensor::zeros(state ? DType::i32 : DType::f32, {hidden});
    if (w.has(3))
      for (std::int64_t i = 0; i < hidden; ++i) { const double v = w.data(3)->at(row + i) + w.data(3)->at(4 * hidden + row + i); store(bias, i, 1, &v); }
    in[12 + k] = w.constant(bias, state && w.has(3) ? one(3, row) : nullptr);
  }
  if (w.has(7)) {  // input, output, forget
    in[9] = w.constant(part(*w.data(7), 0, 0));
    in[10] = w.constant(part(*w.data(7), 2 * hidden, 0));
    in[11] = w.constant(part(*w.data(7), hidden, 0));
  }
  in[18] = state ? w.variable(w.result().dtype, {batch, hidden}, state) : w.variable(DType::f32, {batch, hidden});
  in[19] = state ? w.variable(w.type(6).dtype, {batch, hidden}, w.type(6).quant) : w.variable(DType::f32, {batch, hidden});
  fb::UnidirectionalSequenceLSTMOptionsT o;
  o.fused_activation_function = A::TANH;
  o.time_major = true;
  if (w.has_attr("cell_clip")) o.cell_clip = w.f("cell_clip");
  // [T, N, H] there, [T, 1, N, H] here.
  const auto& d = w.result().dims;
  const std::int32_t y = w.temporary(w.result().dtype, {d[0], d[2], d[3]}, state);
  w.op(Code::UNIDIRECTIONAL_SEQUENCE_LSTM, in, {y}, o);
  if (state) {  // of the gates, which need none without normalisation, and of the output
    std::vector<std::int32_t> between;
    for (int k = 0; k < 4; ++k) between.push_back(w.temporary(DType::f32, {1}));
    between.push_back(w.temporary(w.result().dtype, {1}, state));
    w.intermediates(std::move(between));
  }
  w.reshape(y, w.out_in({0, 1, 2, 3}), w.result(), {0, 1, 2, 3});
}

constexpr WriteRule kRules[] = {
    {"Conv", conv, Place::last, true},
    {"ConvTranspose", conv_transpose, Place::last, true},
    {"MaxPool", pool<Code::MAX_POOL_2D>, Place::last, true},
    {"AveragePool", pool<Code::AVERAGE_POOL_2D>, Place::last, true},
    {"Gemm", gemm, Place::plain, true},
    {"MatMul", matmul, Place::product, true},
    {"Softmax", softmax, Place::plain, true, where_normalised},
    {"LogSoftmax", log_softmax, Place::plain, true, where_normalised},
    {"LpNormalization", l2_normalization, Place::plain, true, where_normalised},
    {"LRN", lrn, Place::last},
    {"Resize", resize, Place::last, true},
    {"DepthToSpace", depth_to_space, Place::last, true},
    {"SpaceToDepth", space_to_depth, Place::last, true},
    {"LSTM", lstm, Place::plain, true},
};
}  // namespace

std::span<const WriteRule> layer_writers() { return kRules; }

}  // namespace saha::tflite
