// Broadcasting and dtype conversion for every elementwise operator: gather up to kBlock elements of each operand into its
// carrier, run the operator's block, store. One instance per carrier, none per operator or dtype.
#include "op/elementwise.hpp"

#include <algorithm>

namespace saha::op {
namespace {
constexpr std::int64_t kBlock = 256;

}  // namespace

template <class T> void sweep(std::span<const Tensor* const> in, Block<T> f, const Attrs& attrs, const Tensor& out) {
  std::size_t k = in.size(), rank = out.dims.size();
  std::int64_t inner = rank ? out.dims.back() : 1, outer = inner ? out.size() / inner : 0;
  // All operands whole: one long row.
  bool whole = true;
  for (std::size_t j = 0; j < k; ++j) whole &= in[j]->dims == out.dims || in[j]->size() == 1;
  if (whole && rank) { outer = inner ? 1 : 0; inner = out.size(); }
  std::vector<Dims> stride(k);
  for (std::size_t j = 0; j < k; ++j) stride[j] = broadcast_strides(in[j]->dims, out.dims);
  std::vector<T> buffer((k + 1) * kBlock);
  std::vector<const T*> row(k);
  for (std::size_t j = 0; j < k; ++j) row[j] = buffer.data() + j * kBlock;
  T* y = buffer.data() + k * kBlock;
  Dims at(rank, 0);
  for (std::int64_t o = 0; o < outer; ++o) {
    for (std::int64_t b = 0; b < inner; b += kBlock) {
      std::int64_t n = std::min(kBlock, inner - b);
      for (std::size_t j = 0; j < k; ++j) {
        std::int64_t start = 0, step = rank ? stride[j][rank - 1] : 0;
        if (whole) step = in[j]->size() == 1 ? 0 : 1;
        else for (std::size_t i = 0; i + 1 < rank; ++i) start += at[i] * stride[j][i];
        load(*in[j], start + b * step, step, n, buffer.data() + j * kBlock);
      }
      f(row.data(), int(k), n, y, attrs);
      store(out, o * inner + b, n, y);
    }
    for (std::size_t i = rank >= 2 ? rank - 1 : 0; i-- > 0;) {
      if (++at[i] < out.dims[i]) break;
      at[i] = 0;
    }
  }
}
template void sweep(std::span<const Tensor* const>, Block<double>, const Attrs&, const Tensor&);
template void sweep(std::span<const Tensor* const>, Block<std::int64_t>, const Attrs&, const Tensor&);
template void sweep(std::span<const Tensor* const>, Block<std::uint64_t>, const Attrs&, const Tensor&);

Dims broadcast_strides(std::span<const std::int64_t> from, std::span<const std::int64_t> to) {
  Dims r(to.size(), 0);
  std::int64_t s = 1;
  for (std::size_t i = 0; i < from.size(); ++i) {
    std::int64_t d = from[from.size() - 1 - i];
    r[to.size() - 1 - i] = d == 1 ? 0 : s;
    s *= d;
  }
  return r;
}
Result<std::vector<Dim>> broadcast(std::span<const TypeRef> in) {
  std::vector<Dim> r;
  const TypeRef* first = nullptr;
  for (const TypeRef& t : in) {
    if (!t) continue;
    if (!first) first = &t;
    if (t->dims.size() > r.size()) r.insert(r.begin(), t->dims.size() - r.size(), Dim(1));
    for (std::size_t i = 0; i < t->dims.size(); ++i) {
      Dim& a = r[r.size() - 1 - i];
      const Dim& b = t->dims[t->dims.size() - 1 - i];
      if (a == b || b.is(1)) continue;
      if (a.is(1)) a = b;
      else if (a.known() && b.known()) return Error{ErrorCode::invalid_model, "shapes " + ir::str(**first) + " and " + ir::str(*t) + " do not broadcast"};
      else if (!a.known() && b.known()) a = b;   // a symbol beside a number above 1 must equal it or be 1
      else if (!a.known() && !b.known()) a = max(a, b);   // equal, or one of them is 1
    }
  }
  return r;
}
Result<Dims> broadcast(std::span<const Dims> shapes) {
  Dims d;
  for (const Dims& s : shapes) {
    if (s.size() > d.size()) d.insert(d.begin(), s.size() - d.size(), 1);
    for (std::size_t i = 0; i < s.size(); ++i) {
      std::int64_t &a = d[d.size() - 1 - i], b = s[s.size() - 1 - i];
      if (a == 1) a = b;
      else if (b != 1 && b != a) return Error{ErrorCode::invalid_argument, "shapes " + str(shapes[0]) + " and " + str(s) + " do not broadcast"};
    }
  }
  return d;
}
Result<> infer_elementwise(Infer& c) {
  auto d = broadcast(c.in);
  if (!d) return c.fail(d.error().message);
  return c.give(c.def.blocks && c.def.blocks->result == ResultType::boolean ? DType::boolean : c.dtype(0), std::move(*d));
}
Result<Dims> broadcast(const Eval& c) {
  std::vector<Dims> shapes;
  for (const Datum* t : c.in) {
    if (!t || !t->is_tensor()) return c.fail("needs a tensor in every operand");
    shapes.push_back(t->tensor.dims);
  }
  auto d = broadcast(shapes);
  if (!d) return c.fail(d.error().message);
  return d;
}
Result<> eval_elementwise(Eval& c) {
  SAHA_TRY(Dims d, broadcast(c));
  DType t = c.x(0).dtype;
  const Blocks& f = *c.def.blocks;
  SAHA_TRY(Tensor out, c.make(f.result == ResultType::boolean ? DType::boolean : t, std::move(d)));
  std::vector<const Tensor*> in;
  for (std::size_t i = 0; i < c.in.size(); ++i) {
    if (c.x(i).dtype == DType::string || is_complex(c.x(i).dtype)) return c.fail("is not defined for " + std::string(name(c.x(i).dtype)));
    in.push_back(&c.x(i));
  }
  if (is_float(t) && f.real) sweep<double>(in, f.real, c.attrs, out);
  else if (is_signed_int(t) && f.integer) sweep<std::int64_t>(in, f.integer, c.attrs, out);
  else if (is_unsigned_int(t) && f.natural) sweep<std::uint64_t>(in, f.natural, c.attrs, out);
  else return c.fail("is not defined for " + std::string(name(t)));
  return c.give(std::move(out));
}

}  // namespace saha::op
