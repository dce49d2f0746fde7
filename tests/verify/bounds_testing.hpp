#pragma once
// What tests of the verifier's bounds share: random graphs, and executions in float32 whose sums run in a random order, with and without FMA.
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <numeric>
#include <random>

#include "op/builder.hpp"
#include "verify/net.hpp"

namespace saha::verify::testing {

/// A graph under construction: variables with the region their boxes are drawn from, and random constants.
struct Maker {
  op::Builder b;
  std::mt19937_64& random;
  std::vector<std::pair<float, float>> region = {};  ///< of each input element
  op::Vals inputs = {};

  double uniform(double lo, double hi) { return std::uniform_real_distribution<double>(lo, hi)(random); }
  op::Val x(Dims d, double lo = -2, double hi = 2) {
    region.insert(region.end(), std::size_t(num_elements(d)), {float(lo), float(hi)});
    inputs.push_back(b.input(ir::tensor_type(DType::f32, {d.begin(), d.end()}), "x" + std::to_string(inputs.size())));
    return inputs.back();
  }
  Tensor tensor(Dims d, double lo = -1, double hi = 1) {
    std::vector<double> v(static_cast<std::size_t>(num_elements(d)));
    for (double& e : v) e = uniform(lo, hi);
    return Tensor::of(DType::f32, std::move(d), v);
  }
  op::Val c(Dims d, double lo = -1, double hi = 1) { return b.constant(tensor(std::move(d), lo, hi)); }
  op::Val of(Dims d, std::initializer_list<double> v) { return b.constant(Tensor::of(DType::f32, std::move(d), v)); }
  op::Val ints(std::initializer_list<std::int64_t> v) { return b.ints(std::vector<std::int64_t>(v)); }
  op::Val op(ir::OpName name, op::Vals in, ir::Attrs attrs = {}) { return b.op(name, std::move(in), std::move(attrs)); }
};

inline bool coin(std::mt19937_64& random) { return random() & 1; }

/// A float32 sum of products and constants in a random order, each product rounded by itself or within an FMA.
inline float float_sum(std::vector<std::pair<float, float>> products, std::mt19937_64& random) {
  std::shuffle(products.begin(), products.end(), random);
  const bool fma = coin(random);
  std::vector<float> parts(1 + random() % 3, 0.0f);  // as many accumulators as an engine may keep
  for (std::size_t i = 0; i < products.size(); ++i) {
    float& s = parts[i % parts.size()];
    s = fma ? std::fma(products[i].first, products[i].second, s) : s + float(products[i].first * products[i].second);
  }
  float s = 0;
  for (float p : parts) s += p;
  return s;
}

/// All layers' values at x. `rounded`: as a float32 engine might compute them, else in float64.
inline std::vector<std::vector<double>> layer_values(const Net& net, std::span<const float> x, bool rounded, std::mt19937_64& random) {
  std::vector<std::vector<double>> value(net.layers.size());
  value[0].assign(x.begin(), x.end());
  for (std::size_t k = 1; k < net.layers.size(); ++k) {
    const Layer& l = net.layers[k];
    std::vector<double>& y = value[k];
    y.resize(std::size_t(l.size));
    if (l.kind == Layer::Kind::affine) {
      const bool computed = rounded && l.roundings > 0;  // what is only rewritten no engine computes
      for (std::int32_t e = 0; e < l.size; ++e) {
        double sum = l.bias[std::size_t(e)];
        std::vector<std::pair<float, float>> products;
        if (l.bias[std::size_t(e)] != 0) products.emplace_back(l.bias[std::size_t(e)], 1.0f);
        for (const Term& t : l.terms) {
          const Matrix& m = t.matrix;
          auto add = [&](std::int32_t j, float w) {
            const double v = value[std::size_t(t.from)][std::size_t(j)];
            sum += double(w) * v;
            if (computed) products.emplace_back(w, float(v));
          };
          if (m.dense) for (std::int32_t j = 0; j < m.cols; ++j) add(j, m.at(e, j));
          else for (std::int32_t p = m.row_start[std::size_t(e)]; p < m.row_start[std::size_t(e) + 1]; ++p) add(m.column[std::size_t(p)], m.values[std::size_t(p)]);
        }
        y[std::size_t(e)] = computed ? double(float_sum(std::move(products), random)) : sum;
      }
    } else if (l.kind == Layer::Kind::product) {
      for (std::size_t e = 0; e < y.size(); ++e) {
        const double p = value[std::size_t(l.a)][e] * value[std::size_t(l.b)][e];
        y[e] = rounded && l.slack > 0 ? double(float(p)) : p;
      }
    } else {
      for (std::size_t e = 0; e < y.size(); ++e) {
        const double v = l.unary.value(value[std::size_t(l.a)][e]);
        y[e] = rounded && l.unary.kind != Unary::Kind::relu ? double(float(v)) : v;
      }
    }
  }
  return value;
}

/// Runs a graph node by node: linear operators as float32 sums in a random order, all others by their reference.
class Execution {
 public:
  explicit Execution(const ir::Graph& g) : g_(g) {
    for (const ir::Node& n : g.nodes()) matrices_.push_back(matrix(n));
  }
  /// Without `summed` every operator runs by its reference, which knows nothing of how it was lowered.
  std::vector<float> run(std::span<const float> x, std::mt19937_64& random, bool summed = true) const {
    std::vector<Datum> value(g_.values().size());
    for (std::size_t i = 0; i < g_.values().size(); ++i) if (g_.values()[i].constant) value[i] = Datum(*g_.values()[i].constant);
    std::size_t at = 0;
    for (ir::ValueId v : g_.inputs()) {
      Tensor t = Tensor::zeros(DType::f32, dims(v));
      std::copy_n(x.begin() + std::ptrdiff_t(at), t.size(), t.as<float>());
      at += std::size_t(t.size());
      value[std::size_t(v)] = Datum(t);
    }
    for (std::size_t k = 0; k < g_.nodes().size(); ++k) {
      const ir::Node& n = g_.nodes()[k];
      if (const auto& m = matrices_[k]; m && summed) {
        const float* in = value[std::size_t(m->operand)].tensor.as<float>();
        Tensor y = Tensor::zeros(DType::f32, dims(g_.result(n)));
        for (std::int32_t e = 0; e < m->layer.size; ++e) {
          std::vector<std::pair<float, float>> products;
          if (m->layer.bias[std::size_t(e)] != 0) products.emplace_back(m->layer.bias[std::size_t(e)], 1.0f);
          const Matrix& w = m->layer.terms[0].matrix;
          for (std::int32_t j = 0; j < w.cols; ++j) if (float c = w.at(e, j); c != 0) products.emplace_back(c, in[j]);
          y.as<float>()[e] = float_sum(std::move(products), random);
        }
        value[n.first_result] = Datum(y);
        continue;
      }
      std::vector<const Datum*> in;
      for (ir::ValueId v : g_.operands(n)) in.push_back(v == ir::ValueId::none ? nullptr : &value[std::size_t(v)]);
      auto out = op::run(*op::find(n.op.str())->def, in, *n.attrs, n.num_results);
      EXPECT_TRUE(out) << (out ? "" : out.error().message);
      if (!out) return {};
      for (std::size_t r = 0; r < out->size(); ++r) value[n.first_result + r] = (*out)[r];
    }
    std::vector<float> y;
    for (ir::ValueId v : g_.outputs()) {
      const std::vector<double> part = values<double>(value[std::size_t(v)].tensor);
      y.insert(y.end(), part.begin(), part.end());
    }
    return y;
  }

 private:
  struct Linear {
    ir::ValueId operand;
    Layer layer;
  };
  Dims dims(ir::ValueId v) const {
    Dims d;
    for (const ir::Dim& e : g_.type(v).dims) d.push_back(*e.known());
    return d;
  }
  /// The node alone, where it is one matrix of one operand and computes something.
  std::optional<Linear> matrix(const ir::Node& n) const {
    static constexpr std::string_view kSums[] = {"Gemm", "MatMul", "Conv", "ConvTranspose", "AveragePool", "GlobalAveragePool", "ReduceSum", "ReduceMean", "Einsum"};
    if (std::find(std::begin(kSums), std::end(kSums), n.op.str()) == std::end(kSums) || n.num_results != 1) return {};
    op::Builder b;
    op::Vals in;
    std::optional<ir::ValueId> variable;
    for (ir::ValueId v : g_.operands(n)) {
      if (v == ir::ValueId::none) in.push_back({});
      else if (g_[v].constant) in.push_back(b.constant(g_[v].constant, g_[v].type));
      else if (variable) return {};
      else variable = v, in.push_back(b.input(g_[v].type, "x"));
    }
    if (!variable) return {};
    op::Vals y = b.copy(g_, n, in);
    auto one = std::move(b).build(y);
    if (!one) return {};
    auto net = lower(*one);
    if (!net || net->layers.size() != 2 || net->layers[1].kind != Layer::Kind::affine || net->layers[1].terms.size() != 1) return {};
    return Linear{*variable, net->layers[1]};
  }

  const ir::Graph& g_;
  std::vector<std::optional<Linear>> matrices_;
};

}  // namespace saha::verify::testing
