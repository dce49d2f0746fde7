// f(constants) -> constant, where the result is not larger than the limit or than what it replaces.  Shape arithmetic whose elements are all
// known numbers -> constant, although its operands are no constants. All folding of a model shares one budget of steps.
#include "passes/passes.hpp"

namespace saha::passes {
namespace {
/// Bytes of the results, as inferred; -1 where not all are known.
std::int64_t result_bytes(const ir::Graph& g, const ir::Node& n) {
  std::int64_t sum = 0;
  for (std::size_t k = 0; k < n.num_results; ++k) {
    const ir::Type& t = g.type(g.result(n, k));
    if (!ir::is_static(t)) return -1;
    Dims d;
    for (const ir::Dim& x : t.dims) d.push_back(*x.known());
    auto count = checked_elements(d);
    if (!count || *count > (std::int64_t{1} << 40)) return INT64_MAX;
    sum += t.dtype == DType::string ? *count * 32 : storage_bytes(t.dtype, *count);
  }
  return sum;
}
}  // namespace

Result<ir::Graph> fold_constants(const ir::Graph& g, const Options& o) {
  return op::rewrite(g, [&](const ir::Graph& from, const ir::Node& n, const op::Vals& in, op::Builder& b) -> std::optional<op::Vals> {
    const op::OpDef& def = *op::find(n.op.str())->def;
    if (def.traits & (op::kRandom | op::kControl | op::kSideEffect)) return {};
    std::vector<Datum> values;
    std::int64_t operand_bytes = 0;
    bool constant = true;
    for (const op::Val& v : in) {
      if (!v) { values.emplace_back(); continue; }
      const Tensor* t = b.data(v);
      if (!t) { constant = false; break; }
      operand_bytes += t->bytes();
      values.emplace_back(*t);
    }
    if (constant) {
      std::int64_t bytes = result_bytes(from, n);
      if (bytes > std::max(o.fold_limit, operand_bytes)) return {};
      if (bytes < 0 && operand_bytes > o.fold_limit) return {};
      std::vector<const Datum*> p;
      for (std::size_t i = 0; i < in.size(); ++i) p.push_back(in[i] ? &values[i] : nullptr);
      // A data-dependent size is bounded by running only what is small; ConstantOfShape, Tile and Expand state theirs in the type.
      if (bytes < 0 && !(def.traits & op::kDataShape)) return {};
      auto y = op::run(def, p, *n.attrs, n.num_results, o.budget);
      if (!y) return {};   // too much work, or it fails when it runs too, with the message of the run
      op::Vals r;
      for (std::size_t k = 0; k < y->size(); ++k) {
        Tensor& t = (*y)[k].tensor;
        if (!(*y)[k].is_tensor() || t.bytes() > std::max(o.fold_limit, operand_bytes)) return {};
        std::vector<ir::Dim> dims(t.dims.begin(), t.dims.end());
        auto type = ir::tensor_type(t.dtype, std::move(dims), from.type(from.result(n, k)).quant);  // stored numbers keep what they stand for
        r.push_back(b.constant(std::make_shared<const Tensor>(std::move(t)), std::move(type)));
      }
      return r;
    }
    if (n.num_results != 1) return {};
    const ir::Type& t = from.type(from.result(n));
    if (!ir::is_static(t) || t.dims.size() > 1 || !is_int(t.dtype) || bits(t.dtype) < 32) return {};
    op::Vals y = b.copy(from, n, in);
    const op::Known* known = b.known(y[0]);
    std::vector<std::int64_t> numbers;
    if (known) for (const ir::Dim& d : *known) if (d.known()) numbers.push_back(*d.known());
    Dims dims;
    for (const ir::Dim& d : t.dims) dims.push_back(*d.known());
    if (!known || numbers.size() != known->size() || num_elements(dims) != std::int64_t(numbers.size())) return y;
    Tensor c = Tensor::zeros(t.dtype, dims);
    store(c, 0, c.size(), numbers.data());
    return op::Vals{b.constant(std::move(c))};
  });
}

std::optional<double> uniform(op::Builder& b, op::Val v) {
  const Tensor* t = v ? b.data(v) : nullptr;
  if (!t || t->dtype == DType::string || is_complex(t->dtype) || t->size() == 0 || t->size() > 100'000) return {};
  std::vector<double> x = values<double>(*t);
  for (double e : x) if (!(e == x[0])) return {};
  return x[0];
}
std::optional<std::vector<std::int64_t>> int_elements(op::Builder& b, op::Val v) {
  const Tensor* t = v ? b.data(v) : nullptr;
  if (!t || !is_int(t->dtype)) return {};
  return values<std::int64_t>(*t);
}

}  // namespace saha::passes
