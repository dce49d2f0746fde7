// Any bytes as a certificate's tree, of a network and a property that is violated: refused, whatever they say. Also as a certificate's file.
#include <cstdlib>

#include "check_proof/check.hpp"

using namespace saha;
using namespace saha::check_proof;

namespace {
/// y = relu(x W + b) v over [-1, 1]^2, written without the operators' table.
ir::Graph network() {
  ir::Builder b;
  auto constant = [&](Dims d, std::initializer_list<double> v) {
    std::vector<ir::Dim> dims(d.begin(), d.end());
    return b.constant(std::make_shared<const Tensor>(Tensor::of(DType::f32, d, v)), ir::tensor_type(DType::f32, dims));
  };
  const auto none = std::make_shared<const ir::Attrs>();
  auto node = [&](ir::OpName op, std::vector<ir::ValueId> in, std::int64_t n) {
    const ir::TypeRef type = ir::tensor_type(DType::f32, {1, n});
    return b.add(op, in, none, std::span(&type, 1));
  };
  ir::ValueId x = b.input(ir::tensor_type(DType::f32, {1, 2}));
  ir::ValueId h = node("Relu", {node("Add", {node("MatMul", {x, constant({2, 3}, {1, -1, 1, 1, 1, -2})}, 3), constant({3}, {0, 0.5, 0.25})}, 3)}, 3);
  ir::ValueId k = node("Relu", {node("MatMul", {h, constant({3, 2}, {1, -1, 1, 1, -1, 1})}, 2)}, 2);
  b.output(node("MatMul", {k, constant({2, 1}, {1, 1})}, 1));
  return std::move(b).build();
}
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  static const ir::Graph g = network();
  static const Claim violated = [] {
    Claim c;
    auto box = std::make_shared<const Claim::Box>(std::vector<double>{-1, -1}, std::vector<double>{1, 1});
    for (double factor : {1.0, -1.0}) c.cases.push_back({box, {{{}, {{0, factor}}, 1.0, false}, {{{0, 1.0}}, {}, 1.5, false}}});
    return c;
  }();
  const std::string_view text(reinterpret_cast<const char*>(bytes), size);
  if (auto file = parse(text); !file && file.error().message.empty()) std::abort();
  auto judged = check(g, violated, {"", "", "", size % 2 == 0, std::string(text)});
  if (!judged || judged->valid || judged->why.empty()) std::abort();
  return 0;
}
