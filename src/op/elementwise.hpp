#pragma once
// One scalar definition -> a Blocks entry. The loops are the only thing instantiated per operator; broadcasting, dtypes and
// iteration live once in elementwise.cpp.
#include "op/builder.hpp"

namespace saha::op {

template <class F, class T> void unary(const T* const* in, int, std::int64_t n, T* out, const Attrs& a) {
  F f{};
  if constexpr (requires { f.bind(a); }) f.bind(a);   // reads its attributes once a block
  for (std::int64_t i = 0; i < n; ++i) out[i] = f(in[0][i]);
}
template <class F, class T> void binary(const T* const* in, int, std::int64_t n, T* out, const Attrs& a) {
  F f{};
  if constexpr (requires { f.bind(a); }) f.bind(a);
  for (std::int64_t i = 0; i < n; ++i) out[i] = f(in[0][i], in[1][i]);
}
template <class F, class T> void folded(const T* const* in, int k, std::int64_t n, T* out, const Attrs&) {
  for (std::int64_t i = 0; i < n; ++i) {
    T r = in[0][i];
    for (int j = 1; j < k; ++j) r = F{}(r, in[j][i]);
    out[i] = r;
  }
}
// The same functors on expressions; F's form for Dim may return nothing where the result cannot be told.
template <class F> std::optional<Dim> dim_unary(const Dim* const* in, int, const Attrs& a) {
  F f{};
  if constexpr (requires { f.bind(a); }) f.bind(a);
  return f(*in[0]);
}
template <class F> std::optional<Dim> dim_binary(const Dim* const* in, int, const Attrs& a) {
  F f{};
  if constexpr (requires { f.bind(a); }) f.bind(a);
  return f(*in[0], *in[1]);
}
template <class F> std::optional<Dim> dim_folded(const Dim* const* in, int k, const Attrs&) {
  Dim r = *in[0];
  for (int j = 1; j < k; ++j) r = F{}(r, *in[j]);
  return r;
}
/// The functor as Curve::f.
template <class F> double curve_value(double x, const Attrs& a) {
  F f{};
  if constexpr (requires { f.bind(a); }) f.bind(a);
  return f(x);
}

// real, integer, natural; the Dim form where F has one.
template <class F> inline constexpr Blocks kReal1{unary<F, double>};
template <class F> inline constexpr Blocks kReal2{binary<F, double>};
template <class F> inline constexpr Blocks kNumeric1{unary<F, double>, unary<F, std::int64_t>, unary<F, std::uint64_t>};
template <class F> inline constexpr Blocks kNumeric1Dim{unary<F, double>, unary<F, std::int64_t>, unary<F, std::uint64_t>, dim_unary<F>};
template <class F> inline constexpr Blocks kNumeric2{binary<F, double>, binary<F, std::int64_t>, binary<F, std::uint64_t>};
template <class F> inline constexpr Blocks kNumeric2Dim{binary<F, double>, binary<F, std::int64_t>, binary<F, std::uint64_t>, dim_binary<F>};
template <class F> inline constexpr Blocks kRealN{folded<F, double>};
template <class F> inline constexpr Blocks kNumericN{folded<F, double>, folded<F, std::int64_t>, folded<F, std::uint64_t>};
template <class F> inline constexpr Blocks kNumericNDim{folded<F, double>, folded<F, std::int64_t>, folded<F, std::uint64_t>, dim_folded<F>};
template <class F> inline constexpr Blocks kInt1{nullptr, unary<F, std::int64_t>, unary<F, std::uint64_t>};
template <class F> inline constexpr Blocks kInt2{nullptr, binary<F, std::int64_t>, binary<F, std::uint64_t>};
template <class F> inline constexpr Blocks kCompare2{binary<F, double>, binary<F, std::int64_t>, binary<F, std::uint64_t>, dim_binary<F>, ResultType::boolean};
template <class F> inline constexpr Blocks kTest1{unary<F, double>, nullptr, nullptr, nullptr, ResultType::boolean};

template <class F> inline constexpr Blocks kLogic1{nullptr, nullptr, unary<F, std::uint64_t>, dim_unary<F>, ResultType::boolean};
template <class F> inline constexpr Blocks kLogic2{nullptr, nullptr, binary<F, std::uint64_t>, dim_binary<F>, ResultType::boolean};

Result<> infer_elementwise(Infer& c);
Result<> eval_elementwise(Eval& c);
/// Runs f over operands that broadcast to out's shape, whatever their dtypes. Instantiated for the three carriers.
template <class T> void sweep(std::span<const Tensor* const> in, Block<T> f, const Attrs& attrs, const Tensor& out);
/// The common shape of all operands of a node that runs; fails where one is missing or no tensor.
Result<Dims> broadcast(const Eval& c);
/// The common shape of operands under numpy broadcasting; fails naming two shapes.
Result<std::vector<Dim>> broadcast(std::span<const TypeRef> in);
Result<Dims> broadcast(std::span<const Dims> shapes);
/// Element strides of an operand seen through the broadcast shape `to`: 0 on repeated axes.
Dims broadcast_strides(std::span<const std::int64_t> from, std::span<const std::int64_t> to);

}  // namespace saha::op
