// Optimiser steps. Source: ONNX preview-training operator specification, version 1. Operands: learning rate R, update count T, then
// n tensors X, their gradients G, and the state (Adagrad: H; Momentum: V; Adam: V, H); results: new X and state, in that order.
#include <cmath>

#include "op/builder.hpp"

namespace saha::op {
namespace {
/// `groups` lists of n tensors stand behind R and T; all but the gradients have a new value.
Result<> infer_step(Infer& c, std::size_t groups) {
  std::size_t given = c.in.size() - 2, n = given / groups;
  if (given == 0 || given % groups) return c.fail("has " + std::to_string(given) + " tensors, a multiple of " + std::to_string(groups) + " is needed");
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t g = 1; g < groups; ++g)
      if (c.rank(2 + g * n + i) != c.rank(2 + i)) return c.fail("tensor " + std::to_string(i) + " has rank " + std::to_string(c.rank(2 + i)) + ", what belongs to it " + std::to_string(c.rank(2 + g * n + i)));
  for (std::size_t g = 0; g < groups; ++g)
    for (std::size_t i = 0; i < n && g != 1; ++i) SAHA_DO(c.give(c.dtype(2 + g * n + i), c.dims(2 + g * n + i)));
  return {};
}
Result<> infer_two(Infer& c) { return infer_step(c, 3); }
Result<> infer_three(Infer& c) { return infer_step(c, 4); }

/// Runs `step(v)` for each element, v[0] = x, v[1] = g, v[2..] = state, and stores what it leaves in v.
template <std::size_t kGroups, class F> Result<> each(Eval& c, F step) {
  std::size_t given = c.in.size() - 2, n = given / kGroups;
  if (given == 0 || given % kGroups) return c.fail("has " + std::to_string(given) + " tensors, a multiple of " + std::to_string(kGroups) + " is needed");
  std::vector<Datum> out((kGroups - 1) * n);
  for (std::size_t i = 0; i < n; ++i) {
    std::vector<double> v[kGroups];
    for (std::size_t g = 0; g < kGroups; ++g) {
      const Tensor& t = c.x(2 + g * n + i);
      if (t.dims != c.x(2 + i).dims) return c.fail("tensor " + std::to_string(i) + " is " + str(c.x(2 + i).dims) + ", what belongs to it " + str(t.dims));
      v[g] = values<double>(t);
    }
    for (std::size_t e = 0; e < v[0].size(); ++e) {
      double at[kGroups];
      for (std::size_t g = 0; g < kGroups; ++g) at[g] = v[g][e];
      step(at);
      for (std::size_t g = 0; g < kGroups; ++g) v[g][e] = at[g];
    }
    for (std::size_t g = 0, k = 0; g < kGroups; ++g) {
      if (g == 1) continue;
      SAHA_TRY(Tensor y, c.make(c.x(2 + g * n + i).dtype, c.x(2 + i).dims));
      fill<double>(y, v[g]);
      out[k++ * n + i] = std::move(y);
    }
  }
  c.out = std::move(out);
  return {};
}
Result<> check_scalars(Eval& c) {
  for (std::size_t i : {0, 1}) if (c.x(i).size() != 1) return c.fail((i ? "T" : "R") + std::string(" has ") + std::to_string(c.x(i).size()) + " elements, 1 is needed");
  return {};
}
Result<> eval_adagrad(Eval& c) {
  SAHA_DO(check_scalars(c));
  double rate = c.x(0).at(0) / (1 + c.x(1).at(0) * c.f("decay_factor")), norm = c.f("norm_coefficient"), epsilon = c.f("epsilon");
  return each<3>(c, [=](double* v) {
    double g = norm * v[0] + v[1];
    v[2] += g * g;
    v[0] -= rate * g / (std::sqrt(v[2]) + epsilon);
  });
}
Result<> eval_momentum(Eval& c) {
  SAHA_DO(check_scalars(c));
  std::string mode = c.s("mode");
  if (mode != "standard" && mode != "nesterov") return c.fail("mode is '" + mode + "', standard and nesterov exist");
  double rate = c.x(0).at(0), norm = c.f("norm_coefficient"), alpha = c.f("alpha"), beta = c.x(1).int_at(0) > 0 ? c.f("beta") : 1;
  bool nesterov = mode == "nesterov";
  return each<3>(c, [=](double* v) {
    double g = norm * v[0] + v[1];
    v[2] = alpha * v[2] + beta * g;
    v[0] -= rate * (nesterov ? g + alpha * v[2] : v[2]);
  });
}
Result<> eval_adam(Eval& c) {
  SAHA_DO(check_scalars(c));
  double rate = c.x(0).at(0), norm = c.f("norm_coefficient"), post = c.f("norm_coefficient_post"), alpha = c.f("alpha"), beta = c.f("beta"), epsilon = c.f("epsilon");
  double t = c.x(1).at(0);
  if (t > 0) rate *= std::sqrt(1 - std::pow(beta, t)) / (1 - std::pow(alpha, t));
  return each<4>(c, [=](double* v) {
    double g = norm * v[0] + v[1];
    v[2] = alpha * v[2] + (1 - alpha) * g;
    v[3] = beta * v[3] + (1 - beta) * g * g;
    v[0] = (1 - post) * (v[0] - rate * v[2] / (std::sqrt(v[3]) + epsilon));
  });
}

constexpr std::string_view kDomain = "ai.onnx.preview.training", kStep = "a step of training is not itself trained";

constexpr OpDef kOps[] = {
    {.name = "Adagrad", .domain = kDomain, .since_version = 1,
     .signature = "(R: T1, T: int64, inputs: T3...) -> (outputs: T3...) where T1: float32 float64, T3: float32 float64 | decay_factor: float = 0, epsilon: float = 1e-6, norm_coefficient: float = 0",
     .infer = infer_two, .eval = eval_adagrad, .rounding = ErrorModel::ulp, .max_ulp = 8, .no_gradient = kStep},
    {.name = "Adam", .domain = kDomain, .since_version = 1,
     .signature = "(R: T1, T: int64, inputs: T3...) -> (outputs: T3...) where T1: float32 float64, T3: float32 float64 | "
                  "alpha: float = 0.9, beta: float = 0.999, epsilon: float = 1e-6, norm_coefficient: float = 0, norm_coefficient_post: float = 0",
     .infer = infer_three, .eval = eval_adam, .rounding = ErrorModel::ulp, .max_ulp = 8, .no_gradient = kStep},
    {.name = "Momentum", .domain = kDomain, .since_version = 1,
     .signature = "(R: T1, T: int64, inputs: T3...) -> (outputs: T3...) where T1: float32 float64, T3: float32 float64 | alpha: float, beta: float, mode: string, norm_coefficient: float",
     .infer = infer_two, .eval = eval_momentum, .rounding = ErrorModel::ulp, .max_ulp = 8, .no_gradient = kStep},
};
}  // namespace

std::span<const OpDef> training() { return kOps; }

}  // namespace saha::op
