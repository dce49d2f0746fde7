// One function for each kind of params. Where a preparation chooses blocks, it is asked again and must come to the same; sizes then follow from shapes.
#include "kernels/contract.hpp"

#include <algorithm>
#include <cstring>

#include "kernels/attention.hpp"
#include "kernels/blocks.hpp"
#include "kernels/conv.hpp"
#include "kernels/conv_half.hpp"
#include "kernels/conv_i8.hpp"
#include "kernels/conv_last.hpp"
#include "kernels/depthwise_last.hpp"
#include "kernels/elements.hpp"
#include "kernels/elementwise.hpp"
#include "kernels/elementwise_i8.hpp"
#include "kernels/gemm.hpp"
#include "kernels/gemv.hpp"
#include "kernels/movement.hpp"
#include "kernels/pool.hpp"
#include "kernels/pool_last.hpp"
#include "kernels/recurrent.hpp"
#include "kernels/recurrent_i8.hpp"
#include "kernels/reduce_i8.hpp"
#include "kernels/resize.hpp"
#include "kernels/resize_i8.hpp"
#include "kernels/row_bands.hpp"
#include "kernels/row_filter.hpp"
#include "kernels/rows.hpp"
#include "kernels/stencil.hpp"
#include "kernels/winograd.hpp"
#include "kernels/winograd_i8.hpp"

namespace saha::kernels {
namespace {

/// A number of bytes or elements. What is negative or overflows is the largest number there is, which fits nowhere.
class Count {
 public:
  constexpr Count(std::int64_t n) : n_(n < 0 ? kTooMany : static_cast<std::uint64_t>(n)) {}
  constexpr std::uint64_t number() const { return n_; }
  friend constexpr Count operator*(Count a, Count b) {
    Count r = a;
    if (a.n_ == kTooMany || b.n_ == kTooMany || __builtin_mul_overflow(a.n_, b.n_, &r.n_)) r.n_ = kTooMany;
    return r;
  }
  friend constexpr Count operator+(Count a, Count b) {
    Count r = a;
    if (__builtin_add_overflow(a.n_, b.n_, &r.n_)) r.n_ = kTooMany;
    return r;
  }
  friend constexpr bool operator<=(Count a, Count b) { return a.n_ <= b.n_; }

 private:
  static constexpr std::uint64_t kTooMany = ~std::uint64_t{0};
  std::uint64_t n_;
};

struct Site {
  std::string_view kernel;
  Isa isa;
  std::span<const std::span<const std::byte>> reads;
};
Needs::Operand required(Count bytes) { return {bytes.number(), false}; }
Needs::Operand optional(Count bytes) { return {bytes.number(), true}; }

constexpr std::int64_t kMostDim = 0x7fffffff;   // of one axis; rows of blocks are counted in 32 bits
constexpr std::int64_t kMostElements = std::int64_t{1} << 40;
template <class... T> bool within(std::int64_t lo, std::int64_t hi, T... v) { return ((static_cast<std::int64_t>(v) >= lo && static_cast<std::int64_t>(v) <= hi) && ...); }
template <class... T> bool few(T... v) { return within(0, kMostDim, v...); }
bool holds(Count n) { return n <= Count(kMostElements); }
bool known(Activation a) { return within(0, static_cast<std::int64_t>(Activation::elu), a); }
bool known(const Epilogue& e) { return known(e.activation) && within(0, static_cast<std::int64_t>(Bias::per_column), e.bias); }
bool is_blocks(std::uint32_t n) { return n < kNumBlocks; }
bool known(Rescaling r) { return within(0, static_cast<std::int64_t>(Rescaling::once), r); }
template <class P> bool same(const P& a, const P& b) { return std::memcmp(&a, &b, sizeof(P)) == 0; }

/// A result along one axis: windows do not reach further than kMostDim, padding included.
bool windows(std::int64_t in, std::int64_t out, std::int64_t kernel, std::int64_t stride, std::int64_t dilation, std::int64_t pad) {
  return few(in, out, pad) && within(1, kMostDim, kernel, stride, dilation) && Count(out) * stride + Count(kernel) * dilation <= Count(kMostDim);
}
bool sound(const ConvShape& s) {
  return few(s.batch, s.in_channels, s.out_channels) && within(1, kMostDim, s.groups) && s.in_channels % s.groups == 0 && s.out_channels % s.groups == 0 &&
         windows(s.in_h, s.out_h, s.kernel_h, s.stride_h, s.dilation_h, s.pad_top) && windows(s.in_w, s.out_w, s.kernel_w, s.stride_w, s.dilation_w, s.pad_left) &&
         // The padded image of a group, an image of the result and the weights: products of what blocks are chosen by.
         holds((Count(s.out_h) * s.stride_h + Count(s.kernel_h) * s.dilation_h) * (Count(s.out_w) * s.stride_w + Count(s.kernel_w) * s.dilation_w) * std::max<std::int64_t>(s.in_channels / s.groups, 1)) &&
         Count(s.batch) * s.groups * s.out_h * s.out_w <= Count(kMostDim) && Count(s.batch) * s.out_channels <= Count(kMostDim) &&
         Count(s.in_channels / s.groups) * s.kernel_h * s.kernel_w <= Count(kMostDim) && holds(Count(s.batch) * s.out_channels * s.out_h * s.out_w * s.kernel_h * s.kernel_w);
}

/// What every float32 convolution reads and writes: X, packed weights, a bias for each channel, residual; Y. Where channels are rows of a product a bias for each column would be one for each point,
/// of which there are more, and the other way about.
bool convolution(const ConvShape& s, const Epilogue& e, std::int64_t packed, Needs& n) {
  const Count y = Count(s.batch) * s.out_channels * s.out_h * s.out_w * 4;
  n.reads = {required(Count(s.batch) * s.in_channels * s.in_h * s.in_w * 4), required(Count(packed) * 4),
             e.bias == Bias::none ? optional(Count(s.out_channels) * 4) : required(Count(s.out_channels) * 4), optional(y)};
  n.writes = {required(y)};
  return true;
}
bool contract(const Site& site, const ConvParams& p, Needs& n) {
  return sound(p.shape) && known(p.epilogue) && p.epilogue.bias != Bias::per_column && same(p, prepare_conv(site.isa, p.shape, p.epilogue)) && kernel(p) == site.kernel && convolution(p.shape, p.epilogue, packed_conv_size(site.isa, p), n);
}
bool contract(const Site& site, const ConvLastParams& p, Needs& n) {
  return is_blocks(p.blocks) && sound(p.shape) && known(p.epilogue) && p.epilogue.bias != Bias::per_row && same(p, prepare_conv_last(site.isa, p.shape, p.epilogue, p.blocks)) && convolution(p.shape, p.epilogue, packed_conv_last_size(site.isa, p), n);
}
bool contract(const Site& site, const ConvHalfParams& p, Needs& n) {
  const Half half = site.kernel == "conv_f16" ? Half::float16 : Half::bfloat16;
  return sound(p.shape) && known(p.epilogue) && p.epilogue.bias != Bias::per_row && suits_conv_half(site.isa, half, p.shape) && same(p, prepare_conv_half(site.isa, half, p.shape, p.epilogue)) && convolution(p.shape, p.epilogue, packed_conv_half_size(site.isa, p), n);
}
bool contract(const Site& site, const WinogradParams& p, Needs& n) {
  return is_blocks(p.blocks) && sound(p.shape) && known(p.epilogue) && may_winograd(p.shape) && same(p, prepare_winograd(site.isa, p.shape, p.epilogue, p.blocks)) && convolution(p.shape, p.epilogue, packed_winograd_size(site.isa, p), n);
}
bool contract(const Site& site, const DepthwiseLastParams& p, Needs& n) {
  return sound(p.shape) && known(p.epilogue) && is_depthwise(p.shape) && same(p, prepare_depthwise_last(site.isa, p.shape, p.epilogue)) && convolution(p.shape, p.epilogue, packed_depthwise_last_size(site.isa, p), n);
}
bool contract(const Site& site, const RowBandsParams& p, Needs& n) {
  Needs each[3];
  if (!within(0, 2, int(p.has_first), int(p.has_last))) return false;
  const Neighbour first = first_of(p), last = last_of(p);
  const auto alone = [&](Neighbour c, Needs& of) { return !c || (c.half ? contract(site, *c.half, of) : contract(site, *c.whole, of)); };
  if (!alone(first, each[0]) || !contract(site, p.middle, each[1]) || !alone(last, each[2])) return false;
  if (!are_neighbours(first, p.middle, last) || !same(p, prepare_row_bands(site.isa, first, p.middle, last)) || kernel(p) != site.kernel) return false;
  const Needs &begins = each[first ? 0 : 1], &ends = each[last ? 2 : 1];
  n.reads = {begins.reads[0]};
  for (const Needs& e : each)
    for (std::size_t i = 1; i <= 2; ++i) n.reads.push_back(e.reads.empty() ? optional(0) : e.reads[i]);
  n.reads.push_back(ends.reads[3]);
  n.writes = ends.writes;
  return true;
}
bool contract(const Site& site, const StencilParams& p, Needs& n) {
  return sound(p.shape) && known(p.epilogue) && suits_stencil(site.isa, p.shape) && same(p, prepare_stencil(site.isa, p.shape, p.epilogue)) && convolution(p.shape, p.epilogue, packed_stencil_size(p), n);
}
bool contract(const Site& site, const RowFilterParams& p, Needs& n) {
  const bool pool = p.pool != 0;
  ConvShape y = p.shape;
  if (pool) y.out_h /= 2, y.out_w /= 2;
  return sound(p.shape) && known(p.epilogue) && p.epilogue.bias != Bias::per_column && suits_row_filter(site.isa, p.shape, pool) && same(p, prepare_row_filter(site.isa, p.shape, p.epilogue, pool)) && (!pool || p.epilogue.activation <= Activation::clip) &&
         convolution(y, p.epilogue, packed_row_filter_size(p), n);
}

/// The same of those on stored integers: X, packed constants; Y, bytes or sums.
bool convolution_i8(const ConvShape& s, const Store& store, std::int64_t packed, Needs& n) {
  n.reads = {required(Count(s.batch) * s.in_channels * s.in_h * s.in_w), required(Count(packed) * 4)};
  n.writes = {required(Count(s.batch) * s.out_channels * s.out_h * s.out_w * (store.rule == Rescaling::none ? 4 : 1))};
  return true;
}
bool contract(const Site& site, const ConvI8Params& p, Needs& n) {
  const ConvShape& s = p.shape;
  // Which numbers the weights are is not kept; they decide between pairs and quads.
  constexpr std::int16_t kWide[] = {255};
  const std::span<const std::int16_t> weights = p.dot == Dot::pairs ? std::span<const std::int16_t>(kWide) : std::span<const std::int16_t>();
  if (!is_blocks(p.blocks) || !sound(s) || !within(0, 1, p.x_signed) || !within(-128, 255, p.x_zero) || !known(p.store.rule)) return false;
  ConvI8Params again = prepare_conv_i8(site.isa, s, p.store, p.x_signed != 0, p.x_zero, weights, p.blocks);
  if (again.dot == Dot::twos) {   // nor which vectors are wide
    if (!within(0, 2 * again.shape.groups * again.panels * again.units, p.wide)) return false;
    again = with_wide(site.isa, again, p.wide);
  }
  if (!same(p, again) || kernel(p) != site.kernel || (p.dot == Dot::twos && (site.reads.size() < 2 || !sound_twos(site.isa, p, site.reads[1])))) return false;
  return convolution_i8(s, p.store, packed_conv_i8_size(site.isa, p), n);
}
bool contract(const Site& site, const WinogradI8Params& p, Needs& n) {
  return is_blocks(p.blocks) && sound(p.shape) && within(0, 1, p.x_signed) && within(-128, 255, p.x_zero) && known(p.store.rule) && may_winograd_i8(site.isa, p.shape) &&
         same(p, prepare_winograd_i8(site.isa, p.shape, p.store, p.x_signed != 0, p.x_zero, p.blocks)) && convolution_i8(p.shape, p.store, packed_winograd_i8_size(site.isa, p), n);
}

bool contract(const Site& site, const GemmParams& p, Needs& n) {
  const GemmShape& s = p.shape;
  if (!is_blocks(p.blocks) || !few(s.m, s.n, s.k) || !within(0, kMaxBatchRank, s.batch_rank) || !known(p.epilogue) || !within(0, 1, p.a_packed, p.b_packed) || p.a_packed + p.b_packed > 1) return false;
  if (!within(0, kMostElements, s.a_row, s.a_col, s.b_row, s.b_col, s.c_row) || s.c_row < s.n) return false;
  Count batches = 1, a_last = 0, b_last = 0;
  bool a_steps = false, b_steps = false;
  for (int d = 0; d < s.batch_rank; ++d) {
    if (!few(s.batch[d]) || !within(0, kMostElements, s.a_batch[d], s.b_batch[d])) return false;
    batches = batches * s.batch[d];
    a_last = a_last + Count(std::max<std::int64_t>(s.batch[d] - 1, 0)) * s.a_batch[d], b_last = b_last + Count(std::max<std::int64_t>(s.batch[d] - 1, 0)) * s.b_batch[d];
    a_steps |= s.a_batch[d] != 0, b_steps |= s.b_batch[d] != 0;
  }
  if ((p.a_packed && a_steps) || (p.b_packed && b_steps) || !(batches <= Count(kMostDim)) || !(batches * s.m <= Count(kMostDim)) || !(batches * s.n <= Count(kMostDim))) return false;
  if (!same(p, prepare_gemm(site.isa, s, p.epilogue, p.a_packed != 0, p.b_packed != 0, p.blocks)) || !(Count(p.batches) * p.m_blocks * p.n_blocks <= Count(kMostDim))) return false;
  const bool empty = p.batches == 0, none = empty || s.k == 0;
  const auto strided = [&](Count last, std::int64_t rows, std::int64_t row, std::int64_t columns, std::int64_t column) { return none ? Count(0) : (last + Count(rows - 1) * row + Count(columns - 1) * column + 1) * 4; };
  const Count c = empty ? Count(0) : batches * s.m * s.c_row * 4;
  n.reads = {required(p.a_packed ? Count(packed_gemm_a_size(site.isa, s.m, s.k)) * 4 : strided(a_last, s.m, s.a_row, s.k, s.a_col)),
             required(p.b_packed ? Count(packed_gemm_b_size(site.isa, s.n, s.k)) * 4 : strided(b_last, s.k, s.b_row, s.n, s.b_col)),
             p.epilogue.bias == Bias::none ? optional(0) : required(Count(p.epilogue.bias == Bias::per_row ? s.m : s.n) * 4), optional(c)};
  n.writes = {required(c)};
  return true;
}

bool contract(const Site& site, const GemvParams& p, Needs& n) {
  const GemvShape& s = p.shape;
  if (!within(1, kGemvRows, s.m) || !within(1, kMostDim, s.n, s.k) || !within(0, kMostElements, s.a_row, s.a_step) || !known(p.epilogue) || !same(p, prepare_gemv(site.isa, s, p.epilogue))) return false;
  const Count c = Count(s.m) * s.n * 4;
  n.reads = {required((Count(s.m - 1) * s.a_row + Count(s.k - 1) * s.a_step + 1) * 4), required(Count(packed_gemv_size(site.isa, p)) * 4),
             p.epilogue.bias == Bias::none ? optional(0) : required(Count(p.epilogue.bias == Bias::per_row ? s.m : s.n) * 4), optional(c)};
  n.writes = {required(c)};
  return true;
}

bool contract(const Site&, const UnaryParams& p, Needs& n) {
  if (!within(0, static_cast<std::int64_t>(Unary::square), p.op) || !known(p.activation) || !within(0, kMostDim, p.n)) return false;
  n.reads = n.writes = {required(Count(p.n) * 4)};
  return true;
}

/// The largest place that a walk reads of A and B, and the places of Y; nothing where it is no walk.
struct Walked {
  Count a = 1, b = 1, y = 1;
};
std::optional<Walked> walked(const BinaryParams& p) {
  if (!within(0, static_cast<std::int64_t>(Binary::prelu), p.op) || !within(1, kMaxRank, p.rank) || !(p.activation == Activation::none || p.activation == Activation::relu || p.activation == Activation::clip)) return {};
  Walked w;
  for (int d = 0; d < p.rank; ++d) {
    if (!few(p.dim[d]) || !within(0, kMostElements, p.a_stride[d], p.b_stride[d])) return {};
    const std::int64_t steps = std::max<std::int64_t>(p.dim[d] - 1, 0);
    w.a = w.a + Count(steps) * p.a_stride[d], w.b = w.b + Count(steps) * p.b_stride[d], w.y = w.y * p.dim[d];
  }
  BinaryParams again = p;
  if (!(w.y <= Count(kMostDim))) return {};
  cut(again);
  if (!same(p, again)) return {};
  if (w.y.number() == 0) w.a = w.b = 0;
  return w;
}
bool contract(const Site&, const BinaryParams& p, Needs& n) {
  const auto w = walked(p);
  if (!w) return false;
  n.reads = {required(w->a * 4), required(w->b * 4)};
  n.writes = {required(w->y * 4)};
  return true;
}
bool contract(const Site&, const ElementsParams& p, Needs& n) {
  if (!within(0, static_cast<std::int64_t>(Function::where), p.function) || !within(0, kNumDTypes - 1, p.type, p.to) || !within(1, kMaxRank, p.rank)) return false;
  const auto type = static_cast<DType>(p.type), to = static_cast<DType>(p.to);
  if (!has_elements(p.function, type, to)) return false;
  Count y = 1;
  for (int d = 0; d < p.rank; ++d) {
    if (!few(p.dim[d])) return false;
    y = y * p.dim[d];
  }
  ElementsParams again = p;
  if (!(y <= Count(kMostDim))) return false;
  cut(again);
  if (!same(p, again)) return false;
  for (int k = 0; k < operands_of(p.function); ++k) {
    Count last = 0;
    for (int d = 0; d < p.rank; ++d) {
      if (!within(0, kMostElements, p.stride[k][d])) return false;
      last = last + Count(std::max<std::int64_t>(p.dim[d] - 1, 0)) * p.stride[k][d];
    }
    const DType read = p.function == Function::where && k == 0 ? DType::boolean : type;
    n.reads.push_back(required(y.number() == 0 ? Count(0) : (last + 1) * (bits(read) / 8)));
  }
  n.writes = {required(y * (bits(to) / 8))};
  return true;
}
bool contract(const Site&, const AffineParams& p, Needs& n) {
  if (!few(p.outer, p.channels, p.inner) || !known(p.activation) || !(Count(p.outer) * p.channels * p.inner <= Count(kMostDim)) || !(Count(p.outer) * p.channels <= Count(kMostDim))) return false;
  const Count x = Count(p.outer) * p.channels * p.inner * 4;
  n.reads = {required(x), required(Count(p.channels) * 4), optional(Count(p.channels) * 4)};
  n.writes = {required(x)};
  return true;
}
bool contract(const Site&, const TableParams& p, Needs& n) {
  if (!few(p.n) || (p.entry_bytes != 1 && p.entry_bytes != 4)) return false;
  n.reads = {required(p.n), required(256 * p.entry_bytes)};
  n.writes = {required(Count(p.n) * p.entry_bytes)};
  return true;
}
bool contract(const Site& site, const PairParams& p, Needs& n) {
  const auto w = walked(p.walk);
  if (!w || !within(0, static_cast<std::int64_t>(PairOp::linear), p.op) || !within(0, 1, p.a_signed, p.b_signed) || !within(-128, 255, p.a_zero, p.b_zero) || !known(p.store.rule)) return false;
  const bool by_rule = p.op == PairOp::sum || p.op == PairOp::product;
  if (by_rule && p.store.rule == Rescaling::none) return false;   // would store four bytes an element
  const Count block = rescale_block_size(site.isa) * 4;
  n.reads = {required(w->a), required(w->b), p.op == PairOp::table ? required(65536) : !by_rule ? optional(0) : required(block * (p.op == PairOp::sum ? 3 : 1))};
  n.writes = {required(w->y)};
  return true;
}
bool contract(const Site& site, const QuantizeParams& p, Needs& n) {
  if (!few(p.n)) return false;
  n.reads = {required(Count(p.n) * 4)};
  n.writes = {required(Count(p.n) * (site.kernel == "quantize_i16" ? 2 : 1))};
  return true;
}
bool contract(const Site&, const QuantizeRgbParams& p, Needs& n) {
  const Count all = Count(p.images) * p.points * kRgb;
  if (!few(p.images, p.points, p.each.n) || !(all <= Count(kMostDim)) || all.number() != static_cast<std::uint64_t>(p.each.n)) return false;
  n.reads = {required(all * 4)};
  n.writes = {required(all)};
  return true;
}
bool contract(const Site&, const DequantizeParams& p, Needs& n) {
  if (!few(p.n) || !within(0, 0xffff, p.zero + 0x8000 * std::int64_t{p.is_signed})) return false;
  n.reads = {required(Count(p.n) * 2)};
  n.writes = {required(Count(p.n) * 4)};
  return true;
}
bool contract(const Site&, const DynamicParams& p, Needs& n) {
  if (!few(p.rows, p.n) || !within(0, static_cast<std::int64_t>(DynamicRange::onnx), p.rule) || !holds(Count(p.rows) * p.n)) return false;
  n.reads = {required(Count(p.rows) * p.n * 4)};
  n.writes = {required(Count(p.rows) * p.n), required(Count(p.rows) * 4), required(Count(p.rows) * zero_bytes(p))};
  return true;
}

bool sound(const PoolShape& s) {
  return few(s.planes, s.pad_bottom, s.pad_right) && windows(s.in_h, s.out_h, s.kernel_h, s.stride_h, s.dilation_h, s.pad_top) && windows(s.in_w, s.out_w, s.kernel_w, s.stride_w, s.dilation_w, s.pad_left) &&
         holds((Count(s.out_h) * s.stride_h + Count(s.kernel_h) * s.dilation_h) * (Count(s.out_w) * s.stride_w + Count(s.kernel_w) * s.dilation_w)) &&
         Count(s.kernel_h) * s.kernel_w <= Count(kMostDim) && Count(s.planes) * s.out_h * s.out_w <= Count(kMostDim) && Count(s.planes) * s.out_h <= Count(kMostDim);
}
bool contract(const Site& site, const PoolParams& p, Needs& n) {
  const PoolShape& s = p.shape;
  if (!sound(s) || !within(0, static_cast<std::int64_t>(Pool::average_padded), p.op) || !same(p, prepare_pool(site.isa, s, p.op))) return false;
  n.reads = {required(Count(s.planes) * s.in_h * s.in_w * 4)};
  n.writes = {required(Count(s.planes) * s.out_h * s.out_w * 4)};
  return true;
}
bool contract(const Site&, const PoolLastParams& p, Needs& n) {
  const PoolShape& s = p.shape;
  if (!sound(s) || !few(p.channels) || !within(0, static_cast<std::int64_t>(Pool::average_padded), p.op) || !holds(Count(s.planes) * s.out_h * s.out_w * p.channels) || !holds(Count(s.out_w) * p.channels * 8)) return false;
  if (!same(p, prepare_pool_last(s, p.channels, p.op))) return false;
  n.reads = {required(Count(s.planes) * s.in_h * s.in_w * p.channels * 4)};
  n.writes = {required(Count(s.planes) * s.out_h * s.out_w * p.channels * 4)};
  return true;
}
bool contract(const Site&, const PoolI8Params& p, Needs& n) {
  const PoolShape& s = p.shape;
  if (!sound(s) || !few(p.channels) || !(p.op == Pool::max || p.op == Pool::average) || !within(0, 1, p.is_signed) || !(Count(s.out_w) * p.channels <= Count(kMostDim))) return false;
  n.reads = {required(Count(s.planes) * s.in_h * s.in_w * p.channels)};
  n.writes = {required(Count(s.planes) * s.out_h * s.out_w * p.channels)};
  return true;
}
bool contract(const Site& site, const SumI8Params& p, Needs& n) {
  if (!few(p.outer, p.n, p.inner) || !(Count(p.n) * p.inner <= Count(kMostDim)) || !within(0, 1, p.is_signed) || !known(p.store.rule) || p.store.rule == Rescaling::none) return false;
  n.reads = {required(Count(p.outer) * p.n * p.inner), required(Count(rescale_block_size(site.isa)) * 4)};
  n.writes = {required(Count(p.outer) * p.inner)};
  return true;
}
bool contract(const Site&, const MeanI8Params& p, Needs& n) {
  if (!few(p.outer, p.n, p.inner) || p.n == 0 || !(Count(p.n) * p.inner <= Count(kMostDim)) || !within(0, 1, p.is_signed) || !within(-128, 255, p.x_zero)) return false;
  n.reads = {required(Count(p.outer) * p.n * p.inner)};
  n.writes = {required(Count(p.outer) * p.inner)};
  return true;
}
bool contract(const Site&, const SoftmaxI8Params& p, Needs& n) {
  if (!few(p.outer, p.n, p.inner) || !(Count(p.outer) * p.inner <= Count(kMostDim)) || !within(0, 1, p.is_signed) || !within(-128, 255, p.lo, p.hi) || p.lo > p.hi) return false;
  n.reads = {required(Count(p.outer) * p.n * p.inner), required(256 * 4)};
  n.writes = {required(Count(p.outer) * p.n * p.inner)};
  return true;
}
/// [outer, n, inner] floats, worked on by blocks of neighbours.
bool rows(std::int64_t outer, std::int64_t n, std::int64_t inner) { return few(outer, n, inner) && Count(outer) * (inner + 64) <= Count(kMostDim) && Count(n) * 64 <= Count(std::int64_t{64} * kMostDim); }
bool contract(const Site&, const SoftmaxParams& p, Needs& n) {
  if (!rows(p.outer, p.n, p.inner)) return false;
  n.reads = n.writes = {required(Count(p.outer) * p.n * p.inner * 4)};
  return true;
}
bool contract(const Site&, const ReduceParams& p, Needs& n) {
  if (!rows(p.outer, p.n, p.inner) || !within(0, static_cast<std::int64_t>(Reduce::prod), p.op)) return false;
  n.reads = {required(Count(p.outer) * p.n * p.inner * 4)};
  n.writes = {required(Count(p.outer) * p.inner * 4)};
  return true;
}
bool contract(const Site&, const NormParams& p, Needs& n) {
  if (!few(p.rows, p.n, p.row_step) || !within(1, kMostDim, p.row_period, p.run)) return false;
  const Count x = Count(p.rows) * p.n * 4, scale = p.n == 0 ? Count(0) : (Count(p.row_period - 1) * p.row_step + (p.n - 1) / p.run + 1) * 4;
  n.reads = {required(x), optional(scale), optional(scale)};
  n.writes = {required(x)};
  return true;
}

bool contract(const Site& site, const MoveParams& p, Needs& n) {
  if (!within(0, kMaxMoveRank, p.rank) || (p.element != 1 && p.element != 2 && p.element != 4 && p.element != 8) || !within(0, kMostElements, p.offset)) return false;
  Count total = p.rank ? 1 : 0, back = 0, forth = p.offset;
  for (int d = 0; d < p.rank; ++d) {
    if (!within(1, kMostDim, p.dim[d]) || !within(-kMostElements, kMostElements, p.stride[d])) return false;
    total = total * p.dim[d];
    (p.stride[d] < 0 ? back : forth) = (p.stride[d] < 0 ? back : forth) + Count(p.dim[d] - 1) * Count(p.stride[d] < 0 ? -p.stride[d] : p.stride[d]);
  }
  if (!holds(total) || !(back <= Count(p.offset)) || kernel(p) != site.kernel) return false;
  constexpr std::int64_t kNothing[] = {0};
  const auto rank = static_cast<std::size_t>(p.rank);
  const MoveParams again = p.rank ? prepare_move(p.element, {p.dim, rank}, {p.stride, rank}, p.offset) : prepare_move(p.element, kNothing, kNothing, p.offset);
  if (!same(p, again) || !few(p.rows)) return false;
  n.reads = {required(total.number() ? (forth + 1) * p.element : Count(0))};
  n.writes = {required(total * p.element)};
  return true;
}
bool contract(const Site&, const PadParams& p, Needs& n) {
  if (!within(0, kMaxMoveRank, p.rank) || (p.element != 1 && p.element != 2 && p.element != 4 && p.element != 8)) return false;
  Count y = p.rank ? 1 : 0, x = 1;
  for (int d = 0; d < p.rank; ++d) {
    if (!within(1, kMostDim, p.dim[d]) || !few(p.x_dim[d]) || !within(-kMostDim, kMostDim, p.before[d])) return false;
    y = y * p.dim[d], x = x * p.x_dim[d];
  }
  if (!holds(y) || !holds(x)) return false;
  const auto rank = static_cast<std::size_t>(p.rank);
  constexpr std::int64_t kNothing[] = {0};
  const PadParams again = p.rank ? prepare_pad(p.element, {p.x_dim, rank}, {p.before, rank}, {p.dim, rank}, p.value) : prepare_pad(p.element, kNothing, kNothing, kNothing, p.value);
  if (!same(p, again) || !few(p.rows)) return false;
  n.reads = {required(p.rank ? x * p.element : Count(0))};
  n.writes = {required(y * p.element)};
  return true;
}
bool contract(const Site& site, const ConcatParams& p, Needs& n) {
  if (!few(p.outer) || !within(0, kMaxParts, p.parts)) return false;
  Count block = 0;
  std::vector<Needs::Operand> parts;
  for (int i = 0; i < p.parts; ++i) {
    if (!within(0, kMostElements, p.bytes[i])) return false;
    parts.push_back(required(Count(p.outer) * p.bytes[i]));
    block = block + p.bytes[i];
  }
  const std::vector<Needs::Operand> whole = {required(Count(p.outer) * block)};
  const bool split = site.kernel == "split";
  n.reads = split ? whole : parts;
  n.writes = split ? parts : whole;
  return true;
}
bool contract(const Site&, const GatherParams& p, Needs& n) {
  if (!few(p.outer, p.n, p.count) || !within(0, kMostElements, p.bytes) || !within(0, 1, p.wide) || !(Count(p.outer) * p.count <= Count(kMostDim)) || !holds(Count(p.outer) * p.count * p.bytes)) return false;
  n.reads = {required(Count(p.outer) * p.n * p.bytes), required(Count(p.count) * (p.wide ? 8 : 4))};
  n.writes = {required(Count(p.outer) * p.count * p.bytes)};
  return true;
}
/// The taps of rows and columns, operand 1, lie in the image; `sound` is asked for each. Their bytes.
template <class Tap, class Params, class F> std::optional<Count> taps_inside(const Site& site, const Params& p, F sound) {
  const Count bytes = (Count(p.out_h) + p.out_w) * sizeof(Tap);
  if (site.reads.size() < 2 || site.reads[1].size() < bytes.number()) return {};
  for (std::int64_t i = 0; i < p.out_h + p.out_w; ++i) {
    Tap t;
    std::memcpy(&t, site.reads[1].data() + static_cast<std::size_t>(i) * sizeof t, sizeof t);
    if (!within(0, (i < p.out_h ? p.in_h : p.in_w) - 1, t.first, t.second) || !sound(t)) return {};
  }
  return bytes;
}
bool contract(const Site& site, const ResizeI8Params& p, Needs& n) {
  if (!few(p.images, p.in_h, p.in_w, p.out_h, p.out_w, p.channels) || !within(0, 1, p.is_signed) || !within(0, 2, static_cast<std::int64_t>(p.blend)) || !(Count(p.out_w) * (Count(p.channels) + 16) <= Count(kMostDim)) || !(Count(p.images) * p.out_h <= Count(kMostDim))) return false;
  const auto taps = taps_inside<ResizeI8Tap>(site, p, [&](const ResizeI8Tap& t) { return p.blend != ResizeBlend::steps || within(-512, 1536, t.first_weight, t.second_weight); });   // a place before the first element lies half a step before it at most
  if (!taps) return false;
  n.reads = {required(Count(p.images) * p.in_h * p.in_w * p.channels), required(*taps)};
  n.writes = {required(Count(p.images) * p.out_h * p.out_w * p.channels)};
  return true;
}
bool contract(const Site&, const ArgMaxI8Params& p, Needs& n) {
  if (!few(p.outer, p.n, p.inner) || !within(0, 1, p.is_signed, p.smallest, p.last) || !(Count(p.n) * p.inner <= Count(kMostDim))) return false;
  n.reads = {required(Count(p.outer) * p.n * p.inner)};
  n.writes = {required(Count(p.outer) * p.inner * 8)};
  return true;
}
bool contract(const Site& site, const ResizeParams& p, Needs& n) {
  if (!few(p.planes, p.in_h, p.in_w, p.out_h, p.out_w, p.inner) || !(Count(p.out_w) * p.inner <= Count(kMostDim)) || !(Count(p.planes) * p.out_h <= Count(kMostDim))) return false;
  const auto taps = taps_inside<ResizeTap>(site, p, [](const ResizeTap&) { return true; });
  if (!taps) return false;
  n.reads = {required(Count(p.planes) * p.in_h * p.in_w * p.inner * 4), required(*taps)};
  n.writes = {required(Count(p.planes) * p.out_h * p.out_w * p.inner * 4)};
  return true;
}
bool contract(const Site& site, const AttentionParams& p, Needs& n) {
  const AttentionShape& s = p.shape;
  if (!few(s.batch, s.heads, s.queries, s.keys, s.depth, s.values) || !within(1, kMostDim, s.group) || s.heads % s.group != 0 || !within(0, 1, p.masked)) return false;
  for (const HeadStrides& t : {s.q, s.k, s.v, s.y, s.mask}) if (!within(0, kMostElements, t.first, t.batch, t.head, t.row, t.column)) return false;
  if ((s.k.row != 1 && s.k.column != 1) || (s.v.row != 1 && s.v.column != 1) || s.y.column != 1) return false;
  if (!(Count(s.batch) * s.heads * 64 <= Count(kMostDim)) || !holds(Count(s.batch) * s.heads * s.queries * s.values) || !holds((Count(s.keys) + 64) * (Count(s.depth) + s.values + 128)) || !holds((Count(s.depth) + s.values) * 128)) return false;
  if (!same(p, prepare_attention(site.isa, s, p.scale, p.masked != 0))) return false;
  const auto span = [&](const HeadStrides& t, std::int64_t heads, std::int64_t rows, std::int64_t columns) {
    if (s.batch == 0 || heads == 0 || rows == 0 || columns == 0) return Count(0);
    return (Count(t.first) + Count(s.batch - 1) * t.batch + Count(heads - 1) * t.head + Count(rows - 1) * t.row + Count(columns - 1) * t.column + 1) * 4;
  };
  const Count mask = span(s.mask, s.heads, s.queries, s.keys);
  n.reads = {required(span(s.q, s.heads, s.queries, s.depth)), required(span(s.k, s.heads / s.group, s.keys, s.depth)), required(span(s.v, s.heads / s.group, s.keys, s.values)), p.masked ? required(mask) : optional(mask)};
  n.writes = {required(span(s.y, s.heads, s.queries, s.values))};
  return true;
}
bool contract(const Site& site, const RecurrentParams& p, Needs& n) {
  const bool lstm = site.kernel.starts_with("lstm");
  if (p.gates != (lstm ? 4 : 3) || !few(p.steps, p.batch, p.input, p.hidden) || !within(1, 2, p.directions) || !within(0, 1, p.reversed[0], p.reversed[1], p.reset_after) || !within(0, lstm ? 3 : 2, p.outputs) || !within(0, has_bfloat_dots(site.isa), p.bfloats) || kernel(p) != site.kernel) return false;
  const Count state = Count(p.directions) * p.batch * p.hidden * 4;
  if (!holds(Count(p.input) * p.hidden * 16) || !holds(Count(p.hidden) * p.hidden * 16) || !holds(Count(std::max<std::int64_t>(p.steps, 1)) * p.batch * p.hidden * 32) || !few(p.gates * p.hidden)) return false;
  const bool reversed[2] = {p.reversed[0] != 0, p.reversed[1] != 0};
  const std::span<const bool> directions(reversed, static_cast<std::size_t>(p.directions));
  RecurrentParams again = lstm ? prepare_lstm(site.isa, p.steps, p.batch, p.input, p.hidden, directions, p.outputs, p.bfloats != 0) : prepare_gru(site.isa, p.steps, p.batch, p.input, p.hidden, directions, p.reset_after != 0, p.outputs, p.bfloats != 0);
  again.cell_bound = p.cell_bound;   // any number is one
  if (!same(p, again)) return false;
  n.reads = {required(Count(p.steps) * p.batch * p.input * 4), required(Count(packed_recurrent_size(p)) * 4), optional(state)};
  if (lstm) n.reads.push_back(optional(state));
  const Count results[] = {Count(p.steps) * state, state, state};
  for (int k = 0; k < p.outputs; ++k) n.writes.push_back(optional(results[k]));
  return true;
}

bool contract(const Site& site, const RecurrentI8Params& p, Needs& n) {
  const auto fixed = [](Rescaling r) { return r == Rescaling::twice || r == Rescaling::near; };
  if (!few(p.steps, p.batch, p.input, p.hidden) || !within(0, 1, p.x_signed) || !within(0, 15, p.fraction) || !within(0, 32768, p.cell_most) || !fixed(p.gates) || !fixed(p.store.rule)) return false;
  if (p.input < 1 || p.hidden < 1 || !(Count(p.hidden) * 4 + 64 <= Count(kMostDim)) || !holds((Count(p.hidden) * 4 + 64) * (Count(p.input) + p.hidden + 64)) || !holds(Count(p.batch) * (Count(p.hidden) + 256)) || !holds(Count(p.steps) * p.batch * p.hidden)) return false;
  if (!same(p, prepare_lstm_i8(site.isa, p.steps, p.batch, p.input, p.hidden, p.x_signed != 0, p.fraction, p.cell_most, p.gates, p.store))) return false;
  const Count state = Count(p.batch) * p.hidden;
  n.reads = {required(Count(p.steps) * p.batch * p.input), required(Count(layout(site.isa, p).size) * 4), required(state), required(state * 2)};
  n.writes = {required(Count(p.steps) * state)};
  return true;
}

/// Reads the struct and asks its contract; what it says of grid, phases and memory is what a preparation says.
template <class P> bool of(const Site& site, std::span<const std::byte> params, Needs& n) {
  static_assert(all_bytes_are_fields<P>());
  if (params.size() < sizeof(P)) return false;
  P p;
  std::memcpy(&p, params.data(), sizeof p);
  if (!contract(site, p, n)) return false;
  n.grid = grid(p);
  if constexpr (requires { scratch_bytes(p); }) n.scratch = scratch_bytes(p);
  if constexpr (requires { phases(p); }) n.phases = phases(p);
  if constexpr (requires { workspace_bytes(p); }) n.writes.push_back(required(Count(static_cast<std::int64_t>(workspace_bytes(p)))));
  return true;
}

struct Row {
  std::string_view kernel;
  bool (*check)(const Site&, std::span<const std::byte>, Needs&);
};
constexpr Row kRowsOfTable[] = {
    {"conv_f32", of<ConvParams>},       {"depthwise_f32", of<ConvParams>}, {"conv_i8", of<ConvI8Params>},     {"depthwise_i8", of<ConvI8Params>}, {"gemm_f32", of<GemmParams>},
    {"gemv_f32", of<GemvParams>},       {"stencil_f32", of<StencilParams>}, {"row_filter_f32", of<RowFilterParams>}, {"depthwise_last_f32", of<DepthwiseLastParams>}, {"conv_last_f32", of<ConvLastParams>}, {"row_bands_f32", of<RowBandsParams>}, {"row_bands_bf16", of<RowBandsParams>},
    {"winograd_f32", of<WinogradParams>}, {"winograd_i8", of<WinogradI8Params>},
    {"conv_bf16", of<ConvHalfParams>}, {"conv_f16", of<ConvHalfParams>}, {"pool_last_f32", of<PoolLastParams>},
    {"unary_f32", of<UnaryParams>},     {"binary_f32", of<BinaryParams>},  {"affine_f32", of<AffineParams>},  {"table_i8", of<TableParams>},      {"pair_i8", of<PairParams>},
    {"quantize_i8", of<QuantizeParams>}, {"pool_f32", of<PoolParams>},     {"pool_i8", of<PoolI8Params>},     {"sum_i8", of<SumI8Params>},        {"mean_i8", of<MeanI8Params>},        {"softmax_i8", of<SoftmaxI8Params>},
    {"softmax_f32", of<SoftmaxParams>}, {"reduce_f32", of<ReduceParams>},  {"norm_f32", of<NormParams>},      {"transpose", of<MoveParams>},      {"copy", of<MoveParams>},
    {"concat", of<ConcatParams>},       {"split", of<ConcatParams>},       {"gather", of<GatherParams>},      {"resize_f32", of<ResizeParams>},   {"lstm_f32", of<RecurrentParams>},
    {"attention_f32", of<AttentionParams>}, {"attention_bf16", of<AttentionParams>}, {"gru_f32", of<RecurrentParams>}, {"lstm_bf16", of<RecurrentParams>}, {"gru_bf16", of<RecurrentParams>},   {"resize_i8", of<ResizeI8Params>}, {"argmax_i8", of<ArgMaxI8Params>}, {"dynamic_i8", of<DynamicParams>},
    {"elements", of<ElementsParams>},   {"lstm_i8", of<RecurrentI8Params>}, {"pad", of<PadParams>},
    {"quantize_rgb_i8", of<QuantizeRgbParams>}, {"quantize_i16", of<QuantizeParams>}, {"dequantize_i16", of<DequantizeParams>},
};

}  // namespace

std::optional<Needs> needs(std::string_view kernel, Isa isa, std::span<const std::byte> params, std::span<const std::span<const std::byte>> reads) {
  const auto* row = std::ranges::find(kRowsOfTable, kernel, &Row::kernel);
  Needs n;
  if (row == std::end(kRowsOfTable) || !row->check({kernel, isa, reads}, params, n)) return {};
  return n;
}

std::string_view fingerprint() { return SAHA_KERNELS_FINGERPRINT; }

}  // namespace saha::kernels
