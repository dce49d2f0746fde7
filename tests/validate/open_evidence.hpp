#pragma once
// OpenEvidence: a network of four values and two outputs, and a prover that leaves every query open: all of the translation runs, nothing is proved.
#include "op/builder.hpp"
#include "validate/evidence.hpp"

namespace saha::validate {

class OpenEvidence : public RecordedEvidence {
 public:
  OpenEvidence() {
    op::Builder b;
    op::Val x = b.input(ir::tensor_type(DType::f32, {ir::Dim(1), ir::Dim(4)}), "image");
    op::Val y = b.op("MatMul", {x, b.constant(Tensor::of(DType::f32, {4, 2}, {1, 0, 0, 1, 2, -1, 0, 0.5}))});
    b.rename(y, "score");
    if (auto g = std::move(b).build({y})) network_ = std::make_shared<const Network>(Network{std::move(*g), {true}, {}});
    labels_of["test"] = {0, 1, 1};
    for (const char* model : {"candidate", "original", "acas"}) {
      samples_of[{model, "test"}].correct = {1, 0, 1};
      outputs_of[{{model, "test"}, "score"}] = {{1, 0}, {0, 1}, {2, 3}};
    }
  }
  Result<std::shared_ptr<const Network>> network(std::string_view) override { return std::shared_ptr(network_); }
  Result<std::vector<double>> point(std::string_view, std::int64_t) override { return std::vector<double>{1, 2, 3, 2000}; }
  Result<Outputs> execute(std::string_view, std::span<const double>) override { return Outputs{{"score", {1, 2}}}; }
  Result<verify::Outcome> prove(const Query& q) override {
    verify::Outcome o;
    o.why = "left open";
    asked += std::int64_t(q.property.cases.size());
    return o;
  }
  std::int64_t asked = 0;   ///< cases

 private:
  std::shared_ptr<const Network> network_;
};

}  // namespace saha::validate
