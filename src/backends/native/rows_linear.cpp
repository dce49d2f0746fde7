// Conv, Gemm and MatMul on the packed float32 kernels.
#include "backends/native/kernel_table.hpp"
#include "kernels/conv.hpp"
#include "kernels/gemm.hpp"

namespace saha::native {
namespace {
using kernels::Epilogue;

/// Conv over one or two spatial axes with constant weights.
std::optional<Prepared> conv(const NodeSite& s) {
  if (!s.all_f32() || !s.constant[1] || (s.has(2) && !s.constant[2])) return {};
  Dims x = s.dims(0), w = s.dims(1), y = s.out_dims();
  std::size_t spatial = x.size() - 2;
  if (x.size() < 3 || spatial > 2 || w.size() != x.size() || num_elements(y) == 0) return {};
  auto strides = s.is("strides"), dilations = s.is("dilations"), pads = s.is("pads");
  strides.resize(spatial, 1);
  dilations.resize(spatial, 1);
  if (pads.size() != 2 * spatial) pads.assign(2 * spatial, 0);
  kernels::ConvShape c;
  c.batch = x[0];
  c.in_channels = x[1];
  c.out_channels = w[0];
  c.groups = s.i("group");
  auto axis = [&](std::size_t i, std::int64_t& in, std::int64_t& out, std::int64_t& k, std::int64_t& stride, std::int64_t& dilation, std::int64_t& pad) {
    in = x[2 + i]; out = y[2 + i]; k = w[2 + i]; stride = strides[i]; dilation = dilations[i]; pad = pads[i];
    std::string mode = s.s("auto_pad");
    if (mode == "VALID") pad = 0;
    if (mode == "SAME_UPPER" || mode == "SAME_LOWER") {
      std::int64_t total = std::max<std::int64_t>(0, (out - 1) * stride + (k - 1) * dilation + 1 - in);
      pad = mode == "SAME_UPPER" ? total / 2 : total - total / 2;
    }
  };
  if (spatial == 2) axis(0, c.in_h, c.out_h, c.kernel_h, c.stride_h, c.dilation_h, c.pad_top);
  axis(spatial - 1, c.in_w, c.out_w, c.kernel_w, c.stride_w, c.dilation_w, c.pad_left);
  if (c.pad_top < 0 || c.pad_left < 0) return {};
  Epilogue e;
  if (s.has(2)) e.bias = kernels::Bias::per_row;
  auto params = kernels::prepare_conv(s.isa, c, e);
  auto packed = packed_buffer(kernels::packed_conv_size(s.isa, params));
  if (!packed) return {};
  kernels::pack_conv(s.isa, params, s.constant[1]->as<float>(), {packed->as<float>(), std::size_t(packed->size())});
  Prepared p;
  p.kernel = std::string(kernels::kernel(params));
  p.params = bytes_of(params);
  p.operands = {Operand::node(0), Operand::packed(0), s.has(2) ? Operand::node(2) : Operand::none(), Operand::none()};
  p.packed.push_back(std::move(*packed));
  p.grid = kernels::grid(params);
  p.scratch = kernels::scratch_bytes(params);
  return p;
}

Prepared product(const NodeSite& s, const kernels::GemmShape& shape, const Epilogue& e, Operand bias) {
  Prepared p;
  p.operands = {Operand::node(0), Operand::node(1), bias, Operand::none()};
  bool pack_b = s.constant[1] && shape.m > 1;
  for (int i = 0; i < shape.batch_rank; ++i) pack_b &= shape.b_batch[i] == 0;
  if (pack_b) {
    auto buffer = packed_buffer(kernels::packed_gemm_b_size(s.isa, shape.n, shape.k));
    if (buffer) {
      kernels::pack_gemm_b(s.isa, s.constant[1]->as<float>(), shape.b_row, shape.b_col, shape.k, shape.n, {buffer->as<float>(), std::size_t(buffer->size())});
      p.packed.push_back(std::move(*buffer));
      p.operands[1] = Operand::packed(0);
    } else pack_b = false;
  }
  auto params = kernels::prepare_gemm(s.isa, shape, e, false, pack_b);
  p.kernel = "gemm_f32";
  p.params = bytes_of(params);
  p.grid = kernels::grid(params);
  p.scratch = kernels::scratch_bytes(params);
  return p;
}

std::optional<Prepared> gemm(const NodeSite& s) {
  if (!s.all_f32() || num_elements(s.out_dims()) == 0) return {};
  Dims a = s.dims(0), b = s.dims(1), y = s.out_dims();
  bool ta = s.i("transA") != 0, tb = s.i("transB") != 0;
  kernels::GemmShape g;
  g.m = y[0];
  g.n = y[1];
  g.k = a[ta ? 0 : 1];
  if (g.k == 0) return {};
  g.a_row = ta ? 1 : a[1];
  g.a_col = ta ? a[1] : 1;
  g.b_row = tb ? 1 : b[1];
  g.b_col = tb ? b[1] : 1;
  g.c_row = g.n;
  Epilogue e;
  e.alpha = s.f("alpha");
  Operand bias = Operand::none();
  if (s.has(2)) {
    Dims c = s.dims(2);
    if (s.f("beta") != 1) return {};
    if (num_elements(c) == g.n && (c.size() == 1 || c[0] == 1)) e.bias = kernels::Bias::per_column;
    else if (c.size() == 2 && c[1] == 1 && c[0] == g.m) e.bias = kernels::Bias::per_row;
    else return {};
    bias = Operand::node(2);
  }
  return product(s, g, e, bias);
}

std::optional<Prepared> matmul(const NodeSite& s) {
  if (!s.all_f32()) return {};
  Dims a = s.dims(0), b = s.dims(1), y = s.out_dims();
  if (a.size() < 2 || b.size() < 2 || num_elements(y) == 0 || a.back() == 0) return {};
  kernels::GemmShape g;
  g.m = a[a.size() - 2];
  g.k = a.back();
  g.n = b.back();
  g.a_row = g.k;
  g.b_row = g.n;
  g.c_row = g.n;
  std::int64_t batch = num_elements(y) / (g.m * g.n);
  if (b.size() == 2 || num_elements(b) == g.k * g.n) {   // one matrix for all rows of A: one tall product
    if (num_elements(a) != batch * g.m * g.k) return {};
    g.m *= batch;
  } else {
    std::size_t rank = y.size() - 2;
    if (rank > std::size_t(kernels::kMaxBatchRank)) return {};
    g.batch_rank = int(rank);
    auto strides = [&](const Dims& d, std::int64_t matrix, std::int64_t* out) {
      std::int64_t step = matrix;
      for (std::size_t i = rank; i-- > 0;) {
        std::size_t have = d.size() - 2;
        std::int64_t extent = rank - i <= have ? d[have - (rank - i)] : 1;
        out[i] = extent == 1 ? 0 : step;
        step *= extent;
      }
    };
    for (std::size_t i = 0; i < rank; ++i) g.batch[i] = y[i];
    strides(a, g.m * g.k, g.a_batch);
    strides(b, g.k * g.n, g.b_batch);
  }
  return product(s, g, {}, Operand::none());
}

constexpr KernelDef kRows[] = {{"Conv", conv}, {"Gemm", gemm}, {"MatMul", matmul}};
}  // namespace

std::span<const KernelDef> linear_rows() { return kRows; }

}  // namespace saha::native
