// Losses over class labels. Source: ONNX operator specification, opset 28. input is [N, C, d..], target [N, d..]; a sample whose
// label is ignore_index counts nothing, neither in the sum nor in the mean's divisor.
#include "op/builder.hpp"
#include "op/strides.hpp"

namespace saha::op {
namespace {
Result<> check_reduction(const AttrView& c, const OpDef& def) {
  std::string r = c.s("reduction");
  if (r == "none" || r == "sum" || r == "mean") return {};
  return Error{ErrorCode::invalid_model, std::string(def.name.str()) + ": reduction is '" + r + "', none, sum and mean exist"};
}
Result<> infer_nll(Infer& c) {
  SAHA_DO(check_reduction(c, c.def));
  if (c.rank(0) < 2 || c.rank(1) + 1 != c.rank(0)) return c.fail("input has rank " + std::to_string(c.rank(0)) + ", target " + std::to_string(c.rank(1)) + "; input has the classes as one more");
  if (c.has(2)) {
    const Dim &classes = c.dims(0)[1];
    if (c.rank(2) != 1 || (c.dims(2)[0].known() && classes.known() && c.dims(2)[0] != classes)) return c.fail("weight is " + ir::str(c.dims(2)) + ", " + classes.str() + " classes need as many");
  }
  return c.s("reduction") == "none" ? c.give(c.dtype(0), c.dims(1)) : c.give(c.dtype(0), {});
}
Result<> eval_nll(Eval& c) {
  const Tensor &x = c.x(0), &target = c.x(1);
  SAHA_DO(check_reduction(c, c.def));
  Dims expected = x.dims;
  if (x.rank() < 2) return c.fail("input is " + str(x.dims) + ", at least [N, C] is needed");
  expected.erase(expected.begin() + 1);
  if (target.dims != expected) return c.fail("target is " + str(target.dims) + ", input " + str(x.dims) + " needs " + str(expected));
  std::int64_t classes = x.dims[1], inner = product(x.dims, 2, x.rank());
  if (c.has(2) && c.x(2).size() != classes) return c.fail("weight has " + std::to_string(c.x(2).size()) + " elements, " + std::to_string(classes) + " classes need as many");
  std::vector<double> v = values<double>(x), weight = c.has(2) ? values<double>(c.x(2)) : std::vector<double>(static_cast<std::size_t>(classes), 1), loss;
  std::vector<std::int64_t> label = values<std::int64_t>(target);
  double sum = 0, total = 0;
  for (std::int64_t i = 0; i < std::int64_t(label.size()); ++i) {
    std::int64_t k = label[std::size_t(i)];
    double l = 0;
    if (!c.has_attr("ignore_index") || k != c.i("ignore_index")) {
      if (k < 0 || k >= classes) return c.fail("label " + std::to_string(i) + " is " + std::to_string(k) + ", there are " + std::to_string(classes) + " classes");
      double w = weight[std::size_t(k)];
      l = -v[std::size_t((i / inner * classes + k) * inner + i % inner)] * w;
      total += w;
    }
    sum += l;
    loss.push_back(l);
  }
  std::string reduction = c.s("reduction");
  if (reduction != "none") loss = {reduction == "mean" ? sum / total : sum};
  SAHA_TRY(Tensor y, c.make(x.dtype, reduction == "none" ? target.dims : Dims{}));
  fill<double>(y, loss);
  return c.give(std::move(y));
}
/// Through a 0-1 tensor of the labels; gradients and bounds follow.
Vals nll_body(const Site& s) {
  Builder& b = s.b;
  Val x = s.in[0], target = s.in[1];
  if (b.failed()) return {Val{}};
  const Type& t = s.type(0);
  if (!t.ranked || t.dims.size() < 2) { b.fail({ErrorCode::unsupported, "NegativeLogLikelihoodLoss: its body needs the rank of its input"}); return {Val{}}; }
  auto cast = [&](Val v) { return b.op("Cast", {v}, {{"to", std::int64_t(t.dtype)}}); };
  Val depth = t.dims[1].known() ? b.ints({*t.dims[1].known()}) : b.op("Shape", {x}, {{"start", std::int64_t(1)}, {"end", std::int64_t(2)}});
  Val hot = b.op("OneHot", {target, depth, cast(b.ints({0, 1}))}, {{"axis", std::int64_t(1)}});
  if (s.has_attr("ignore_index")) {
    Val kept = b.op("Not", {b.op("Equal", {target, b.scalar(double(s.i("ignore_index")), target)})});
    hot = hot * b.op("Unsqueeze", {cast(kept), b.ints({1})});
  }
  if (s.has(2)) {
    std::vector<std::int64_t> shape(t.dims.size() - 1, 1);
    shape[0] = -1;   // [C, 1, ..]: broadcasts along the classes
    hot = hot * b.op("Reshape", {s.in[2], b.ints(shape)});
  }
  Attrs drop = {{"keepdims", std::int64_t(0)}};
  Val loss = b.op("Neg", {b.op("ReduceSum", {hot * x, b.ints({1})}, drop)});
  if (s.s("reduction") == "none") return {loss};
  Val sum = b.op("ReduceSum", {loss}, drop);
  return {s.s("reduction") == "sum" ? sum : sum / b.op("ReduceSum", {hot}, drop)};
}
Vals cross_entropy_body(const Site& s) {
  Val log = s.b.op("LogSoftmax", {s.in[0]}, {{"axis", std::int64_t(1)}});
  return {s.b.op("NegativeLogLikelihoodLoss", {log, s.in[1], s.has(2) ? s.in[2] : Val{}}, s.attrs), log};
}

constexpr OpDef kOps[] = {
    {.name = "NegativeLogLikelihoodLoss", .since_version = 22,
     .signature = "(input: T, target: Tind, weight: T?) -> (loss: T) where T: float, Tind: int32 int64 | ignore_index: int?, reduction: string = mean",
     .infer = infer_nll, .eval = eval_nll, .body = nll_body, .rounding = ErrorModel::dot},
    {.name = "SoftmaxCrossEntropyLoss", .since_version = 13,
     .signature = "(scores: T, labels: Tind, weights: T?) -> (output: T, log_prob: T) where T: float, Tind: int32 int64 | ignore_index: int?, reduction: string = mean",
     .body = cross_entropy_body, .rounding = ErrorModel::dot},
};
}  // namespace

std::span<const OpDef> loss() { return kOps; }

}  // namespace saha::op
