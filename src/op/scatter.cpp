// Operators that write updates into a copy of a tensor at places which an index tensor names.
#include <algorithm>
#include <cmath>

#include "op/adjoint.hpp"
#include "op/strides.hpp"

namespace saha::op {
namespace {
using std::to_string;

enum class Reduction : std::uint8_t { none, add, mul, max, min };
Result<Reduction> reduction_of(const Eval& c) {
  constexpr std::string_view names[] = {"none", "add", "mul", "max", "min"};
  std::string r = c.s("reduction");
  for (int i = 0; i < 5; ++i) if (r == names[i]) return Reduction(i);
  return c.fail("reduction '" + r + "' is not none, add, mul, max or min");
}
template <class T> T reduced(Reduction r, T a, T b) {
  using U = std::conditional_t<std::is_same_v<T, std::int64_t>, std::uint64_t, T>;  // integers wrap
  switch (r) {
    case Reduction::add: return T(U(a) + U(b));
    case Reduction::mul: return T(U(a) * U(b));
    case Reduction::max: if constexpr (std::is_floating_point_v<T>) { if (std::isnan(b)) return b; } return a < b ? b : a;
    case Reduction::min: if constexpr (std::is_floating_point_v<T>) { if (std::isnan(b)) return b; } return b < a ? b : a;
    case Reduction::none: break;
  }
  return b;
}
/// A copy of x in which blocks of `n` elements of u, one after the other, are written or reduced at the places `at`.
template <class T> void reduce_at(const Tensor& x, const Tensor& u, const std::vector<std::int64_t>& at, std::int64_t n, Reduction r, const Tensor& y) {
  std::vector<T> v = values<T>(x), w = values<T>(u);
  for (std::size_t i = 0; i < at.size(); ++i)
    for (std::int64_t k = 0; k < n; ++k) {
      T& to = v[std::size_t(at[i] + k)];
      to = reduced(r, to, w[i * std::size_t(n) + std::size_t(k)]);
    }
  fill(y, std::span<const T>(v));
}
Result<Tensor> scattered(const Eval& c, const Tensor& x, const Tensor& u, const std::vector<std::int64_t>& at, std::int64_t n, Reduction r) {
  SAHA_TRY(Tensor y, c.make(x.dtype, x.dims));
  if (r == Reduction::none) {
    copy_elements(x, 0, 1, y, 0, x.size());
    for (std::size_t i = 0; i < at.size(); ++i) copy_elements(u, std::int64_t(i) * n, 1, y, at[i], n);
    return y;
  }
  if (x.dtype == DType::string || is_complex(x.dtype)) return c.fail("reduction " + c.s("reduction") + " is not defined for " + std::string(name(x.dtype)));
  if (is_float(x.dtype)) reduce_at<double>(x, u, at, n, r, y);
  else if (is_signed_int(x.dtype)) reduce_at<std::int64_t>(x, u, at, n, r, y);
  else reduce_at<std::uint64_t>(x, u, at, n, r, y);
  return y;
}
Result<> infer_same(Infer& c) { return c.give(c.in[0]); }

// ---- ScatterElements(data, indices, updates) ---------------------------------------------------------------------------------------
Result<> eval_scatter_elements(Eval& c) {
  const Tensor &x = c.x(0), &index = c.x(1), &u = c.x(2);
  SAHA_TRY(std::size_t a, c.axis(c.i("axis"), x.rank()));
  SAHA_TRY(Reduction r, reduction_of(c));
  if (index.dims != u.dims || index.rank() != x.rank()) return c.fail("data is " + str(x.dims) + ", indices are " + str(index.dims) + ", updates " + str(u.dims));
  for (std::size_t i = 0; i < x.rank(); ++i) if (i != a && index.dims[i] > x.dims[i]) return c.fail("indices are " + str(index.dims) + ", data is " + str(x.dims));
  Dims stride = row_major(x.dims), at = c.ints(1);
  std::int64_t along = std::exchange(stride[a], 0), n = x.dims[a];
  Walk<1> w{index.dims, {stride}};
  for (std::int64_t& i : at) {
    if (i < -n || i >= n) return c.fail("index " + to_string(i) + " lies outside an axis of " + to_string(n));
    i = w.offset[0] + (i < 0 ? i + n : i) * along;
    w.next();
  }
  SAHA_TRY(Tensor y, scattered(c, x, u, at, 1, r));
  return c.give(std::move(y));
}
/// The gradients of both scatters; `pick` reads what stands at the places of the updates.
template <class Pick> Vals scatter_vjp(const Site& s, ir::OpName op, Val dy, Pick pick) {
  std::string r = s.s("reduction");
  if (r == "add") return {dy, {}, pick(dy)};
  if (r == "none") {
    Attrs attrs;
    if (s.has_attr("axis")) attrs.push_back({"axis", s.i("axis")});
    return {s.b.op(op, {dy, s.in[1], zeros_like(s.in[2])}, attrs), {}, pick(dy)};
  }
  if (r == "mul") {
    s.b.fail({ErrorCode::unsupported, std::string(op.str()) + " with reduction mul has no gradient"});
    return {};
  }
  // max, min: to whoever gave the result
  auto where = [&](Val same, Val d) { return s.b.op("Where", {same, d, s.b.scalar(0, d)}); };
  return {where(s.b.op("Equal", {s.out[0], s.in[0]}), dy), {}, where(s.b.op("Equal", {pick(s.out[0]), s.in[2]}), pick(dy))};
}
Vals scatter_elements_vjp(const Site& s, const Vals& dy) {
  return scatter_vjp(s, "ScatterElements", dy[0], [&](Val v) { return s.b.op("GatherElements", {v, s.in[1]}, {{"axis", s.i("axis")}}); });
}

// ---- ScatterND(data, indices, updates) -----------------------------------------------------------------------------------------------
Result<> eval_scatter_nd(Eval& c) {
  const Tensor &x = c.x(0), &index = c.x(1), &u = c.x(2);
  SAHA_TRY(Reduction r, reduction_of(c));
  if (index.rank() < 1 || index.dims.back() < 0 || std::size_t(index.dims.back()) > x.rank()) return c.fail("indices are " + str(index.dims) + ", data has rank " + to_string(x.rank()));
  auto k = std::size_t(index.dims.back());
  Dims d(index.dims.begin(), index.dims.end() - 1), stride = row_major(x.dims), v = c.ints(1);
  std::int64_t places = num_elements(d), n = product(x.dims, k, x.rank());
  d.insert(d.end(), x.dims.begin() + std::ptrdiff_t(k), x.dims.end());
  if (u.dims != d) return c.fail("updates are " + str(u.dims) + ", " + str(d) + " are needed");
  std::vector<std::int64_t> at(static_cast<std::size_t>(places), 0);
  for (std::size_t p = 0; p < at.size(); ++p)
    for (std::size_t j = 0; j < k; ++j) {
      std::int64_t i = v[p * k + j], m = x.dims[j];
      if (i < -m || i >= m) return c.fail("index " + to_string(i) + " lies outside axis " + to_string(j) + " of " + to_string(m));
      at[p] += (i < 0 ? i + m : i) * stride[j];
    }
  SAHA_TRY(Tensor y, scattered(c, x, u, at, n, r));
  return c.give(std::move(y));
}
Vals scatter_nd_vjp(const Site& s, const Vals& dy) {
  return scatter_vjp(s, "ScatterND", dy[0], [&](Val v) { return s.b.op("GatherND", {v, s.in[1]}); });
}

// ---- TensorScatter(past_cache, update, write_indices?) -------------------------------------------------------------------------------
Result<> eval_tensor_scatter(Eval& c) {
  const Tensor &x = c.x(0), &u = c.x(1);
  SAHA_TRY(std::size_t a, c.axis(c.i("axis"), x.rank()));
  std::string mode = c.s("mode");
  if (mode != "linear" && mode != "circular") return c.fail("mode '" + mode + "' is not linear or circular");
  if (a == 0) return c.fail("the axis is 0, which is the batch");
  Dims d = u.dims;
  std::int64_t n = d.size() > a ? std::exchange(d[a], x.dims[a]) : 0, longest = x.dims[a], batch = x.dims[0];
  if (d != x.dims || n > longest) return c.fail("past_cache is " + str(x.dims) + ", update " + str(u.dims));
  Dims first = c.has(2) ? c.ints(2) : Dims(std::size_t(batch), 0);
  if (std::int64_t(first.size()) != batch) return c.fail(to_string(first.size()) + " write indices for a batch of " + to_string(batch));
  SAHA_TRY(Tensor y, c.make(x.dtype, x.dims));
  copy_elements(x, 0, 1, y, 0, x.size());
  std::int64_t inner = product(x.dims, a + 1, x.rank()), outer = product(x.dims, 1, a);
  for (std::int64_t b = 0; b < batch; ++b) {
    std::int64_t w = first[std::size_t(b)];
    if (mode == "linear" ? w < 0 || w > longest - n : longest == 0) return c.fail("write index " + to_string(w) + " and " + to_string(n) + " updates exceed a cache of " + to_string(longest));
    if (mode == "circular") w = ((w % longest) + longest) % longest;
    for (std::int64_t o = 0; o < outer; ++o)
      for (std::int64_t i = 0; i < n; ++i)
        copy_elements(u, ((b * outer + o) * n + i) * inner, 1, y, ((b * outer + o) * longest + (w + i) % longest) * inner, inner);
  }
  return c.give(std::move(y));
}

Val tensor_scatter_adjoint(const Site& s, std::size_t operand, Val dy) {
  Builder& b = s.b;
  Val where = s.has(2) ? s.in[2] : Val{}, update = s.in[1];
  if (operand == 0) return b.op("TensorScatter", {dy, zeros_like(update), where}, s.attrs);
  // The operator runs on the numbers 1, 2, .. of the updates: what stands over the cache's 0 says where dy goes.
  Val one = b.constant(Tensor::scalar_int(1)), end = b.op("Size", {update}) + one;
  Val numbers = b.op("Reshape", {b.op("Range", {one, end, one}), b.op("Shape", {update})});
  Val cache = b.op("Expand", {b.constant(Tensor::scalar_int(0)), b.op("Shape", {s.in[0]})});
  Val from = b.op("Reshape", {b.op("TensorScatter", {cache, numbers, where}, s.attrs), b.ints({-1})});
  Val zero = b.op("Expand", {b.scalar(0, dy), b.op("Reshape", {end, b.ints({1})})});
  Val sum = b.op("ScatterElements", {zero, from, b.op("Reshape", {dy, b.ints({-1})})}, {{"reduction", std::string("add")}});
  return reshaped_like(b.op("Slice", {sum, b.ints({1}), b.ints({std::numeric_limits<std::int64_t>::max()})}), update);
}

constexpr OpDef kOps[] = {
    {.name = "ScatterElements", .since_version = 18, .signature = "(data: T, indices: I, updates: T) -> (output: T) where T: number bool string complex, I: int32 int64 | axis: int = 0, reduction: string = none",
     .infer = infer_same, .eval = eval_scatter_elements, .vjp = scatter_elements_vjp, .rounding = ErrorModel::dot},
    {.name = "ScatterND", .since_version = 18, .signature = "(data: T, indices: int64, updates: T) -> (output: T) where T: number bool string complex | reduction: string = none",
     .infer = infer_same, .eval = eval_scatter_nd, .vjp = scatter_nd_vjp, .rounding = ErrorModel::dot},
    {.name = "TensorScatter", .since_version = 24, .signature = "(past_cache: T, update: T, write_indices: int64?) -> (present_cache: T) where T: number bool string complex float8 int4 uint4 float4e2m1 | axis: int = -2, mode: string = linear",
     .infer = infer_same, .eval = eval_tensor_scatter, .linear = joint({0, 1}), .adjoint = tensor_scatter_adjoint},
};
}  // namespace

std::span<const OpDef> scatter() { return kOps; }

}  // namespace saha::op
