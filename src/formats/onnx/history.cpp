// The rows. `ops` of a row share it; rows of one operator stand oldest first.
#include "formats/onnx/history.hpp"

#include <unordered_map>

namespace saha::onnx {
namespace {
constexpr std::int64_t kAlways = 1000;  // names that today's operator sets no longer have
constexpr Row drop(std::string_view ops, std::int64_t before, std::string_view attr, Literal old = {}) { return {ops, before, RowKind::drop, attr, {}, old}; }
constexpr Row set(std::string_view ops, std::int64_t before, std::string_view attr, Literal v) { return {ops, before, RowKind::set, attr, {}, v}; }
constexpr Row meant(std::string_view ops, std::int64_t before, std::string_view attr, Literal v) { return {ops, before, RowKind::meant, attr, {}, v}; }
constexpr Row added(std::string_view ops, std::int64_t since, std::string_view attrs) { return {ops, since, RowKind::added, attrs}; }
constexpr Row renamed(std::string_view ops, std::int64_t before, std::string_view old, std::string_view now) { return {ops, before, RowKind::renamed, old, now}; }
constexpr Row operand(std::string_view ops, std::int64_t before, std::string_view attr, int slot, Form form = Form::vector) { return {ops, before, RowKind::operand, attr, {}, {}, slot, form}; }
constexpr Row function(std::string_view ops, std::int64_t before, UpFn up, DownFn down) { return {ops, before, RowKind::function, {}, {}, {}, 0, Form::vector, up, down}; }
constexpr Literal integer(std::int64_t v) { return {'i', v}; }
constexpr Literal real(float v) { return {'f', 0, v}; }
constexpr Literal text(std::string_view v) { return {'s', 0, 0, v}; }

constexpr Row kRows[] = {
    // elementwise
    drop("Abs Add Ceil Clip Div Dropout Elu Exp Floor HardSigmoid InstanceNormalization LeakyRelu Log Max Mean Min Mul Neg PRelu Reciprocal Relu Selu Sigmoid Sqrt Sub Sum Tanh", 6, "consumed_inputs"),
    set("Selu", 6, "alpha", real(1.6732f)),
    set("Selu", 6, "gamma", real(1.0507f)),
    function("Add Sub Mul Div Pow And Or Xor Greater Less Equal", 7, up_legacy_broadcast, down_legacy_broadcast),
    function("PRelu", 7, up_prelu, down_prelu),
    function("Max Mean Min Sum", 8, nullptr, down_same_shapes),
    function("Clip", 11, up_clip, down_clip),
    function("Cast", 6, up_cast, down_cast),
    added("Cast CastLike", 19, "saturate"),
    added("Cast CastLike", 24, "round_mode"),
    function("Affine", kAlways, up_affine, nullptr),
    function("ImageScaler", kAlways, up_image_scaler, nullptr),
    function("ParametricSoftplus", kAlways, up_parametric_softplus, nullptr),
    function("ScaledTanh", kAlways, up_scaled_tanh, nullptr),
    // quantisation
    added("QuantizeLinear DequantizeLinear", 13, "axis"),
    added("QuantizeLinear", 19, "saturate"),
    added("QuantizeLinear", 21, "output_dtype block_size"),
    added("DequantizeLinear", 21, "block_size"),
    added("DequantizeLinear", 23, "output_dtype"),
    added("QuantizeLinear", 23, "precision"),
    // products, normalisation, pooling
    drop("Gemm", 7, "broadcast", integer(1)),
    function("Gemm", 11, nullptr, down_gemm),
    function("BatchNormalization", 14, up_batch_normalization, down_batch_normalization),
    function("Dropout", 12, up_dropout, down_dropout),
    function("MeanVarianceNormalization", 9, up_mean_variance, nullptr),
    function("GroupNormalization", 21, up_group_normalization, down_group_normalization),
    added("GroupNormalization", 21, "stash_type"),
    function("Softmax LogSoftmax Hardmax", 13, up_softmax, down_softmax),
    function("Attention", 24, nullptr, down_attention),
    added("Attention", 25, "left_window_size right_window_size"),
    function("LpPool GlobalLpPool", 2, up_lp_pool, down_lp_pool),
    added("LpPool", 18, "ceil_mode dilations"),
    added("AveragePool", 7, "count_include_pad"),
    added("AveragePool", 10, "ceil_mode"),
    added("AveragePool", 19, "dilations"),
    function("MaxPool", 8, nullptr, down_max_pool),
    added("MaxPool", 8, "storage_order"),
    added("MaxPool", 10, "ceil_mode dilations"),
    meant("RoiAlign", 16, "coordinate_transformation_mode", text("output_half_pixel")),
    function("GRU", 3, up_gru, nullptr),
    added("GRU", 3, "linear_before_reset"),
    drop("RNN LSTM GRU", 7, "output_sequence", integer(1)),
    added("RNN LSTM GRU", 14, "layout"),
    // reduction, selection
    operand("ReduceSum", 13, "axes", 1),
    added("ReduceSum", 13, "noop_with_empty_axes"),
    operand("ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSumSquare", 18, "axes", 1),
    added("ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSumSquare", 18, "noop_with_empty_axes"),
    added("ArgMax ArgMin", 12, "select_last_index"),
    operand("TopK", 10, "k", 1, Form::one),
    added("TopK", 11, "largest sorted"),
    // movement
    drop("Reshape", 5, "consumed_inputs"),
    operand("Reshape", 5, "shape", 1),
    added("Reshape", 14, "allowzero"),
    added("Shape", 15, "start end"),
    set("Concat", 4, "axis", integer(1)),
    operand("Split", 13, "split", 1),
    function("Split", 18, up_split, down_split),
    operand("Squeeze Unsqueeze", 13, "axes", 1),
    operand("Slice", 10, "starts", 1),
    operand("Slice", 10, "ends", 2),
    operand("Slice", 10, "axes", 3),
    function("Slice", 10, nullptr, down_slice),
    function("Tile", 6, up_tile, down_tile),
    renamed("Pad", 2, "paddings", "pads"),
    operand("Pad", 11, "pads", 1),
    operand("Pad", 11, "value", 2, Form::like),
    function("Pad", 19, nullptr, down_pad),
    function("Crop", kAlways, up_crop, nullptr),
    added("DepthToSpace", 11, "mode"),
    added("SpaceToDepth", 28, "mode"),
    added("GatherND", 12, "batch_dims"),
    function("Scatter", kAlways, up_scatter, nullptr),
    function("ScatterElements", 11, nullptr, down_scatter),
    added("ScatterElements ScatterND", 16, "reduction"),
    function("ScatterElements ScatterND", 18, nullptr, down_scatter_reduction),
    // images, signals, control
    function("Upsample", kAlways, up_upsample, nullptr),
    function("Resize", 10, nullptr, down_upsample),
    function("Resize", 11, up_resize_10, down_resize_10),
    function("Resize", 13, nullptr, down_resize_13),
    added("Resize", 18, "antialias axes keep_aspect_ratio_policy"),
    function("Resize", 19, nullptr, down_resize_19),
    function("Resize", kAlways, up_resize_empty, nullptr),
    function("GridSample", 20, up_grid_sample, down_grid_sample),
    function("DFT", 20, up_dft, down_dft),
    added("Range", 27, "stash_type"),
    function("Scan", 9, up_scan_8, down_scan_8),
    // ai.onnx.ml
    function("LabelEncoder", 2, up_label_encoder, down_label_encoder),
    added("TreeEnsembleClassifier TreeEnsembleRegressor", 3, "base_values_as_tensor class_weights_as_tensor target_weights_as_tensor nodes_values_as_tensor nodes_hitrates_as_tensor"),
    added("LabelEncoder", 4, "keys_tensor values_tensor default_tensor"),
};

/// The operators of each set; those of set 1 are not listed, whatever saha knows and no line names is of set 1.
struct First { std::int64_t opset; std::string_view ops; };
constexpr First kFirst[] = {
    {7, "Acos Asin Atan Cos Multinomial Sin Tan"},
    {8, "Expand Scan"},
    {9, "Acosh Asinh Atanh Compress ConstantOfShape Cosh Erf EyeLike IsNaN MaxUnpool MeanVarianceNormalization NonZero OneHot Scatter Shrink Sign Sinh TfIdfVectorizer Where"},
    {10, "ConvInteger DequantizeLinear IsInf MatMulInteger Mod NonMaxSuppression QLinearConv QLinearMatMul QuantizeLinear Resize ReverseSequence RoiAlign StringNormalizer ThresholdedRelu"},
    {11, "BitShift ConcatFromSequence CumSum Det DynamicQuantizeLinear GatherElements GatherND Range Round ScatterElements ScatterND SequenceAt SequenceConstruct SequenceEmpty SequenceErase "
         "SequenceInsert SequenceLength SplitToSequence Unique"},
    {12, "Celu Einsum GreaterOrEqual LessOrEqual NegativeLogLikelihoodLoss SoftmaxCrossEntropyLoss"},
    {14, "HardSwish Trilu"},
    {15, "Bernoulli CastLike Optional OptionalGetElement OptionalHasElement"},
    {16, "GridSample"},
    {17, "BlackmanWindow DFT HammingWindow HannWindow LayerNormalization MelWeightMatrix STFT SequenceMap"},
    {18, "BitwiseAnd BitwiseNot BitwiseOr BitwiseXor CenterCropPad Col2Im GroupNormalization Mish"},
    {19, "DeformConv"},
    {20, "AffineGrid Gelu ImageDecoder RegexFullMatch StringConcat StringSplit"},
    {23, "Attention RMSNormalization RotaryEmbedding"},
    {24, "Swish TensorScatter"},
    {26, "BitCast CumProd"},
    {27, "CausalConvWithState LinearAttention"},
    {28, "SwiGLU"},
    {5, "TreeEnsemble"},  // of ai.onnx.ml
};
}  // namespace

std::vector<std::string_view> words(std::string_view text) {
  std::vector<std::string_view> r;
  while (!text.empty()) {
    std::size_t end = text.find(' ');
    r.push_back(text.substr(0, end));
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
  }
  return r;
}
std::span<const Row* const> history_of(std::string_view op) {
  static const auto by_op = [] {
    std::unordered_map<std::string_view, std::vector<const Row*>> m;
    for (const Row& r : kRows)
      for (std::string_view name : words(r.ops)) m[name].push_back(&r);
    return m;
  }();
  auto it = by_op.find(op);
  return it == by_op.end() ? std::span<const Row* const>() : std::span<const Row* const>(it->second);
}
std::int64_t first_opset(std::string_view op) {
  static const auto by_op = [] {
    std::unordered_map<std::string_view, std::int64_t> m;
    for (const First& f : kFirst)
      for (std::string_view name : words(f.ops)) m[name] = f.opset;
    return m;
  }();
  auto it = by_op.find(op);
  return it == by_op.end() ? 1 : it->second;
}
ir::Attr attr_of(const Literal& l) {
  if (l.kind == 'i') return l.i;
  if (l.kind == 'f') return l.f;
  return std::string(l.s);
}

}  // namespace saha::onnx
