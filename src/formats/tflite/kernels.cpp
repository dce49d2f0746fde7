// Kernels of LiteRT: which version a use needs, which runtime brought that version, and which types and ranks it takes.
// Source: TensorFlow Lite's op_version.cc, runtime_version.cc and its kernels' checks, as of LiteRT 2.3.
#include <algorithm>
#include <sstream>

#include "formats/tflite/write.hpp"

namespace saha::tflite {
namespace {
using T = fb::TensorType;
using Types = std::uint32_t;
constexpr Types bit(T t) { return 1u << int(t); }
constexpr Types F = bit(T::FLOAT32), I = bit(T::INT32), L = bit(T::INT64), B = bit(T::BOOL), I8 = bit(T::INT8), U8 = bit(T::UINT8), I16 = bit(T::INT16), U32 = bit(T::UINT32), S = bit(T::STRING),
                H = bit(T::FLOAT16), D = bit(T::FLOAT64), U16 = bit(T::UINT16), U64 = bit(T::UINT64), Q = I8 | U8, All = ~0u, Fixed = All & ~S, Some = F | I | L | B | Q | I16;

struct Kernel {
  Code code;
  std::string_view runtimes;   ///< that brought version 1, 2, ..
  Types plain;                 ///< types of the operand `data` where numbers are what they say
  Types stored = 0;            ///< and where they are quantised
  int rank = 8;                ///< largest
  int data = 0;
  int broadcast = 8;           ///< largest rank where operands differ in shape
};
constexpr Kernel kKernels[] = {
    {Code::ADD, "1.5 1.14 2.4 2.6 2.19", F | I | L | I16, Q | I16, 8, 0, 6},
    {Code::AVERAGE_POOL_2D, "1.5 1.14 2.3", F, Q | I16, 4},
    {Code::CONCATENATION, "1.5 1.14 2.3 2.14", F | I | L | B | Q | I16 | U32, Q | I16},
    {Code::CONV_2D, "1.5 1.14 1.14 2.3 2.4 2.9 2.14 2.15", F, Q | I16, 4},
    {Code::CONV_3D, "2.5", F, 0, 5},
    {Code::DEPTHWISE_CONV_2D, "1.5 1.12 1.14 2.2 2.3 2.3 2.14", F, Q | I16, 4},
    {Code::DEPTH_TO_SPACE, "2.1 2.5", F | Q | I | L, Q, 4},
    {Code::DEQUANTIZE, "1.13.1 1.14 1.15 2.2 2.7 2.18", H, Q | I16},
    {Code::FLOOR, "1.9", F},
    {Code::FULLY_CONNECTED, "1.5 1.10 1.14 1.14 2.0 2.1 2.3 2.3 2.3 2.17 2.17 2.17", F, Q | I16},
    {Code::L2_NORMALIZATION, "1.5 1.14", F, Q, 4},
    {Code::LOCAL_RESPONSE_NORMALIZATION, "1.5", F, 0, 4},
    {Code::LOGISTIC, "1.14 1.14 2.3", F, Q | I16},
    {Code::MAX_POOL_2D, "1.5 1.14 2.3", F | Q, Q | I16, 4},
    {Code::MUL, "1.5 1.14 1.15 2.3 2.6 2.11 2.13", F | I | L | I16 | U32, Q | I16, 8, 0, 6},
    {Code::RELU, "1.5 2.1 2.5", F, Q | I16},
    {Code::RELU_N1_TO_1, "1.5", F, Q},
    {Code::RELU_0_TO_1, "2.10", F, Q},
    {Code::RELU6, "1.5 1.14 2.5", F, Q | I16},
    {Code::RESHAPE, "1.5", All, All},
    {Code::RESIZE_BILINEAR, "1.7 1.14 2.2 2.5", F, Q | I16, 4},
    {Code::RESIZE_NEAREST_NEIGHBOR, "1.13.1 1.14 2.3 2.4", F, Q | I16, 4},
    {Code::SOFTMAX, "1.5 1.14 2.3", F, Q | I16, 8},
    {Code::SPACE_TO_DEPTH, "1.5 1.14", F | Q | I | L, Q, 4},
    {Code::TANH, "1.14 1.14 2.3", F, Q | I16},
    {Code::PAD, "1.5 1.14 2.4 2.6", Some, Q | I16, 5},
    {Code::PADV2, "1.9 1.14 2.4 2.6", Some, Q | I16, 5},
    {Code::GATHER, "1.6 1.14 1.15 2.4 2.5 2.13 2.15", F | I | L | B | Q | I16 | S, Q | I16},
    {Code::TRANSPOSE, "1.6 1.14 1.15 2.3 2.4 2.12", Some, Q | I16, 6},
    {Code::MEAN, "1.6 1.14 2.4", F | I | L, Q | I16},
    {Code::SUB, "1.6 1.14 2.3 2.4 2.4", F | I | L, Q | I16, 8, 0, 6},
    {Code::DIV, "1.6 2.3", F | I, 0, 8, 0, 5},
    {Code::SQUEEZE, "1.6 2.5", All, All},
    {Code::UNIDIRECTIONAL_SEQUENCE_LSTM, "1.13.1 1.14 2.3 2.12", F, I8, 3},
    {Code::STRIDED_SLICE, "1.6 1.14 2.1 2.2 2.5 2.6 2.14 2.14", Some | S | U32, Q | I16, 5},
    {Code::EXP, "1.7 2.12", F, 0},
    {Code::TOPK_V2, "1.7 1.14 2.13", F | I | L | Q, Q},
    {Code::SPLIT, "1.5 1.14 1.14 2.3", F | I | Q | I16, Q | I16, 8, 1},
    {Code::LOG_SOFTMAX, "1.14 1.14", F, Q},
    {Code::CAST, "1.5 2.7 2.8 2.9 2.12 2.14 2.17", F | I | L | B | Q | I16 | U16 | U32 | H | D, Q | I16},
    {Code::PRELU, "1.8", F, Q, 4},
    {Code::MAXIMUM, "1.14 1.14 2.3 2.3", F | I | L | Q | I16, Q | I16, 8, 0, 5},
    {Code::MINIMUM, "1.14 1.14 2.3 2.3", F | I | L | Q | I16, Q | I16, 8, 0, 5},
    {Code::ARG_MAX, "1.9 1.14 2.9", F | I | Q | B, Q},
    {Code::ARG_MIN, "1.9 1.14 2.9", F | I | Q | B, Q},
    {Code::LESS, "1.14 1.14 2.14", F | I | L | I16, Q, 8, 0, 4},
    {Code::LESS_EQUAL, "1.14 1.14", F | I | L, Q, 8, 0, 4},
    {Code::GREATER, "1.14 1.14", F | I | L, Q, 8, 0, 4},
    {Code::GREATER_EQUAL, "1.14 1.14 2.14", F | I | L | I16, Q, 8, 0, 4},
    {Code::EQUAL, "1.14 1.14 2.3 2.14", F | I | L | B, Q, 8, 0, 4},
    {Code::NOT_EQUAL, "1.14 1.14 2.3", F | I | L | B, Q, 8, 0, 4},
    {Code::NEG, "1.9", F | I | L},
    {Code::SELECT_V2, "2.2 2.14", F | I | L | B | Q | I16 | U32, Q | I16, 8, 1, 5},
    {Code::SLICE, "1.14 1.14 1.14 2.4 2.5 2.14", Some | S | U32, Q | I16, 5},
    {Code::SIN, "1.9", F},
    {Code::COS, "1.14", F},
    {Code::TRANSPOSE_CONV, "1.9 2.2 2.3 2.13 2.15", F, Q | I16, 4, 2},
    {Code::TILE, "1.10.1 2.2 2.8", F | I | L | B | Q | S, Q},
    {Code::EXPAND_DIMS, "1.10", All, All},
    {Code::SUM, "1.10 1.15", F | I | L, Q},
    {Code::REDUCE_PROD, "1.11 2.6", F | I | L, 0},
    {Code::REDUCE_MAX, "1.11 1.14 2.5", F | I | L | Q | I16, Q | I16},
    {Code::REDUCE_MIN, "1.11 1.14 2.5", F | I | L | Q | I16, Q | I16},
    {Code::SQRT, "1.10", F},
    {Code::RSQRT, "1.10 2.5", F},
    {Code::SHAPE, "1.10", All, All},
    {Code::POW, "1.10", F | I, 0, 8, 0, 4},
    {Code::ONE_HOT, "1.11", F | I | L | I16 | Q | B, 0, 8, 2},
    {Code::LOGICAL_OR, "1.11", B, 0, 8, 0, 4},
    {Code::LOGICAL_AND, "1.11", B, 0, 8, 0, 4},
    {Code::LOGICAL_NOT, "1.11", B},
    {Code::FLOOR_DIV, "1.14 1.14 2.13", F | I, 0, 8, 0, 4},
    {Code::FLOOR_MOD, "1.13 2.13", F | I | L, 0, 8, 0, 4},
    {Code::SQUARE, "1.12", F},
    {Code::FILL, "1.13 2.3 2.5 2.14", Some | S, Q | I16, 8, 1},
    {Code::RANGE, "1.13 2.14", F | I | L},
    {Code::LEAKY_RELU, "1.13.1 2.3", F, Q | I16},
    {Code::SQUARED_DIFFERENCE, "1.13.1 2.5", F | I, 0, 8, 0, 4},
    {Code::MIRROR_PAD, "1.13.1 2.3 2.12", F | I | L | Q | I16, Q, 5},
    {Code::ABS, "1.13 2.4 2.5 2.6 2.13", F | I, 0},
    {Code::SPLIT_V, "1.13.1 2.3", F | I | L | Q | I16, Q | I16},
    {Code::CEIL, "1.14", F},
    {Code::REVERSE_V2, "1.14 2.2 2.5", F | I | L | B | Q | I16, Q | I16},
    {Code::ADD_N, "1.14", F | I},
    {Code::GATHER_ND, "1.14 2.3 2.5 2.13 2.15", F | I | L | B | Q | I16 | S, Q | I16},
    {Code::WHERE, "1.14 2.8", B | F | I | L | Q | U32},
    {Code::ELU, "1.14", F, 0},
    {Code::REVERSE_SEQUENCE, "1.14", F | I | L | U8 | I16, 0},
    {Code::QUANTIZE, "1.14 1.15 2.7 2.18", F, Q | I16},
    {Code::ROUND, "1.14", F},
    {Code::HARD_SWISH, "1.15", F, Q},
    {Code::IF, "1.15", All, All},
    {Code::WHILE, "1.15", All, All},
    {Code::NON_MAX_SUPPRESSION_V4, "2.1", F},
    {Code::SCATTER_ND, "2.1", F | I | L | Q | B, Q, 8, 1},
    {Code::BATCH_MATMUL, "2.3 2.3 2.4 2.5", F, I8 | I16, 5},
    {Code::CUMSUM, "2.4", F | I | L},
    {Code::BROADCAST_TO, "2.5 2.5 2.5", F | I | L | B | Q | I16 | U32, Q | I16},
    {Code::BROADCAST_ARGS, "2.6", I | L},
    {Code::GELU, "2.9 2.9", F, Q},
    {Code::DYNAMIC_UPDATE_SLICE, "2.9", F | I | L | B | I8, 0},
    {Code::ATAN2, "2.10", F},
    {Code::SIGN, "2.12 2.13", F | I},
    {Code::BITWISE_XOR, "2.13", Q | I16 | U16 | I | U32},
    {Code::RIGHT_SHIFT, "2.13", Q | I16 | U16 | I | U32},
    {Code::LOG, "1.14 2.12", F, 0},
};
const Kernel* find(Code c) {
  for (const Kernel& k : kKernels) if (k.code == c) return &k;
  return nullptr;
}
bool is_stored(const fb::TensorT& t) { return t.quantization && !t.quantization->scale.empty(); }
bool per_channel(const fb::TensorT& t) { return is_stored(t) && t.quantization->scale.size() > 1; }
std::string words(Types types) {
  std::string r;
  for (int t = 0; t <= int(T::FLOAT8_E5M2); ++t)
    if (types >> t & 1) {
      std::string name = fb::EnumNameTensorType(T(t));
      std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return char(std::tolower(c)); });
      r += (r.empty() ? "" : ", ") + name;
    }
  return r;
}
}  // namespace

int kernel_version(const Use& u) {
  auto type = [&](std::size_t i) { return i < u.in.size() && u.in[i] ? u.in[i]->type : T::RESOURCE; };
  auto rank = [&](std::size_t i) { return i < u.in.size() && u.in[i] ? u.in[i]->shape.size() : 0; };
  const T x = type(0), y = u.out.empty() ? T::RESOURCE : u.out[0]->type;
  const bool i8 = x == T::INT8, i16 = x == T::INT16, stored = !u.in.empty() && u.in[0] && is_stored(*u.in[0]);
  const bool hybrid = x == T::FLOAT32 && type(1) == T::INT8;   // real data, stored weights
  const bool wide = u.in.size() > 1 && u.in[0] && u.in[1] && u.in[0]->shape != u.in[1]->shape && std::max(rank(0), rank(1)) > 4;
  auto scale = [&](const fb::TensorT* t) { return t && is_stored(*t) ? double(t->quantization->scale[0]) : 0.0; };
  auto eight = [&] { return i16 ? 3 : i8 ? 2 : 1; };
  switch (u.code) {
    case Code::CONV_2D:
      if (rank(1) == 4 && u.in[0]->shape[3] != u.in[1]->shape[3]) return 6;
      if (hybrid) return per_channel(*u.in[1]) ? 5 : 2;
      return i16 ? 4 : i8 ? type(1) == T::INT4 ? 7 : 3 : 1;
    case Code::DEPTHWISE_CONV_2D: {
      const auto* o = u.options.AsDepthwiseConv2DOptions();
      if (hybrid) return 6;
      return i16 ? 5 : i8 ? type(1) == T::INT4 ? 7 : 3 : o && (o->dilation_w_factor != 1 || o->dilation_h_factor != 1) ? 2 : 1;
    }
    case Code::FULLY_CONNECTED: {
      const auto* o = u.options.AsFullyConnectedOptions();
      if (i16 && type(1) == T::INT16) return 7;
      if (hybrid && per_channel(*u.in[1])) return 12;
      if (hybrid && o && o->asymmetric_quantize_inputs) return 9;
      if (u.in.size() == 2 || !u.in[2]) return 6;
      if (o && o->keep_num_dims) return 5;
      return i8 ? type(1) == T::INT4 ? 10 : 4 : hybrid ? 3 : 1;
    }
    case Code::TRANSPOSE_CONV: {
      const auto* o = u.options.AsTransposeConvOptions();
      if (o && o->fused_activation_function != fb::ActivationFunctionType::NONE) return 4;
      return u.in.size() > 3 && u.in[3] ? 3 : type(2) == T::INT8 ? 2 : 1;
    }
    case Code::GATHER: {
      const auto* o = u.options.AsGatherOptions();
      return type(1) == T::INT16 ? 6 : o && o->batch_dims ? 5 : i16 ? 4 : x == T::BOOL ? 3 : i8 ? 2 : 1;
    }
    case Code::SIGN: return x == T::INT32 ? 2 : 1;
    case Code::MUL:
      if ((i16 && !stored) || x == T::UINT32) return 7;
      if (x == T::INT64) return 5;
      if (i16) return 4;
      if (stored && u.out[0] && scale(u.out[0]) > 0 && scale(u.in[0]) * scale(u.in[1]) / scale(u.out[0]) >= 1) return 3;
      return i8 ? 2 : 1;
    case Code::TRANSPOSE: return rank(0) > 5 ? 6 : i16 ? 5 : rank(0) > 4 ? 4 : x == T::BOOL ? 3 : i8 ? 2 : 1;
    case Code::SPLIT: return type(1) == T::INT16 ? 4 : type(1) == T::INT32 ? 3 : type(1) == T::INT8 ? 2 : 1;
    case Code::SLICE: return x == T::UINT32 ? 6 : rank(0) > 4 ? 5 : i16 ? 4 : x == T::STRING ? 3 : i8 ? 2 : 1;
    case Code::STRIDED_SLICE: {
      const auto* o = u.options.AsStridedSliceOptions();
      return x == T::UINT32 ? 7 : o && (o->ellipsis_mask || o->new_axis_mask) ? 6 : x == T::STRING ? 5 : rank(0) > 4 ? 4 : x == T::BOOL ? 3 : i8 ? 2 : 1;
    }
    case Code::DEQUANTIZE: return i16 || x == T::FLOAT16 ? 3 : i8 ? per_channel(*u.in[0]) ? 5 : 2 : 1;
    case Code::QUANTIZE: return per_channel(*u.out[0]) ? 3 : y == T::INT16 ? 2 : 1;
    case Code::FLOOR_DIV: return i16 || i8 ? 3 : x == T::FLOAT32 ? 2 : 1;
    case Code::FLOOR_MOD: return i16 || i8 ? 2 : 1;
    case Code::ABS: return x == T::INT32 ? 5 : i16 ? stored ? 3 : 4 : i8 || x == T::UINT8 ? 2 : 1;
    case Code::RELU: return i16 ? 3 : i8 || x == T::UINT8 ? 2 : 1;
    case Code::REVERSE_V2: return i8 ? 3 : x == T::BOOL ? 2 : 1;
    case Code::RESIZE_BILINEAR: {
      const auto* o = u.options.AsResizeBilinearOptions();
      return i16 ? 4 : o && o->half_pixel_centers ? 3 : i8 ? 2 : 1;
    }
    case Code::RESIZE_NEAREST_NEIGHBOR: {
      const auto* o = u.options.AsResizeNearestNeighborOptions();
      return i16 ? 4 : o && (o->half_pixel_centers || o->align_corners) ? 3 : i8 ? 2 : 1;
    }
    case Code::MAXIMUM:
    case Code::MINIMUM: return i16 ? 4 : wide ? 3 : i8 ? 2 : 1;
    case Code::TILE: return i8 ? 3 : x == T::STRING ? 2 : 1;
    case Code::ADD: return i16 ? stored ? 3 : 5 : x == T::INT64 ? 4 : i8 ? 2 : 1;
    case Code::SUB: return i16 ? 5 : x == T::INT64 ? 4 : wide ? 3 : i8 ? 2 : 1;
    case Code::DIV: return wide ? 2 : 1;
    case Code::GATHER_ND: return x == T::BOOL ? 5 : type(1) == T::INT16 ? 4 : i16 ? 3 : x == T::STRING ? 2 : 1;
    case Code::FILL: return type(1) == T::FLOAT16 ? 4 : type(1) == T::INT8 || type(1) == T::INT16 ? 3 : type(1) == T::BOOL || type(1) == T::STRING ? 2 : 1;
    case Code::EQUAL: return i16 ? 4 : x == T::STRING ? 3 : i8 ? 2 : 1;
    case Code::NOT_EQUAL: return x == T::STRING ? 3 : i8 ? 2 : 1;
    case Code::LEAKY_RELU: return i16 ? 2 : 1;
    case Code::RANGE: return x == T::INT64 ? 2 : 1;
    case Code::PAD:
    case Code::PADV2: return rank(0) > 4 ? 4 : eight();
    case Code::CONCATENATION: return x == T::UINT32 ? 4 : eight();
    case Code::ARG_MAX:
    case Code::ARG_MIN: return x == T::BOOL ? 3 : i8 ? 2 : 1;
    case Code::BROADCAST_TO: return i8 || i16 ? 3 : 2;
    case Code::CAST: {
      auto either = [&](T t) { return x == t || y == t; };
      return either(T::FLOAT64) || either(T::FLOAT16) ? 5 : either(T::UINT16) ? 4 : either(T::INT8) ? 3 : either(T::UINT32) ? 2 : 1;
    }
    case Code::WHERE: return x == T::BOOL ? 1 : 2;
    case Code::GELU: return i8 || x == T::UINT8 ? 2 : 1;
    case Code::LESS:
    case Code::GREATER_EQUAL:
    case Code::AVERAGE_POOL_2D:
    case Code::MAX_POOL_2D:
    case Code::SOFTMAX:
    case Code::MEAN:
    case Code::MIRROR_PAD:
    case Code::REDUCE_MAX:
    case Code::REDUCE_MIN:
    case Code::RELU6:
    case Code::TANH:
    case Code::LOGISTIC:
    case Code::BATCH_MATMUL: return eight();
    case Code::SPACE_TO_DEPTH:
    case Code::DEPTH_TO_SPACE:
    case Code::SPLIT_V:
    case Code::SUM:
    case Code::LOG_SOFTMAX:
    case Code::L2_NORMALIZATION:
    case Code::GREATER:
    case Code::LESS_EQUAL:
    case Code::TOPK_V2: return i8 ? 2 : 1;
    default: return 1;
  }
}

std::string kernel_runtime(Code code, int version) {
  const Kernel* k = find(code);
  if (!k) return "1.5.0";
  std::istringstream list{std::string(k->runtimes)};
  std::string v;
  for (int i = 0; i < version; ++i) list >> v;
  return std::count(v.begin(), v.end(), '.') == 1 ? v + ".0" : v;
}

std::string kernel_refusal(const Use& u) {
  const Kernel* k = find(u.code);
  if (!k) return {};
  const fb::TensorT* x = std::size_t(k->data) < u.in.size() ? u.in[std::size_t(k->data)] : nullptr;
  if (!x) return {};
  const Types takes = is_stored(*x) ? k->stored : k->plain;
  const std::string kernel = fb::EnumNameBuiltinOperator(u.code);
  std::string type = fb::EnumNameTensorType(x->type);
  std::transform(type.begin(), type.end(), type.begin(), [](unsigned char c) { return char(std::tolower(c)); });
  if (!(takes >> int(x->type) & 1)) return kernel + " takes no " + (is_stored(*x) ? "quantised " : "") + type + (takes ? ", it takes " + words(takes) : "");
  std::size_t rank = 0;
  bool differ = false;
  for (const fb::TensorT* t : u.in) if (t) rank = std::max(rank, t->shape.size());
  if (u.in.size() > 1 && k->broadcast < 8)
    for (std::size_t i = 1; i < u.in.size(); ++i) differ |= u.in[i] && u.in[i]->shape != u.in[0]->shape;
  if (int(x->shape.size()) > k->rank) return kernel + " takes at most " + std::to_string(k->rank) + " axes, there are " + std::to_string(x->shape.size());
  if (differ && int(rank) > k->broadcast) return kernel + " broadcasts at most " + std::to_string(k->broadcast) + " axes, there are " + std::to_string(rank);
  return {};
}

}  // namespace saha::tflite
