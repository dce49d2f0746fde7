#include "op/adjoint.hpp"

namespace saha::op {

Val zeros_like(Val v) { return v.b->op("Expand", {v.b->scalar(0, v), v.b->op("Shape", {v})}); }
Val reshaped_like(Val dy, Val x) { return dy.b->op("Reshape", {dy, dy.b->op("Shape", {x})}, {{"allowzero", std::int64_t{1}}}); }

Val index_adjoint(const Site& s, ir::OpName op, std::size_t operand, Val dy) {
  Builder& b = s.b;
  Val x = s.in[operand], shape = b.op("Shape", {x}), flat = b.ints({-1});
  Val numbers = b.op("Range", {b.constant(Tensor::scalar_int(0)), b.op("Size", {x}), b.constant(Tensor::scalar_int(1))});
  Vals in = s.in;
  in[operand] = b.op("Reshape", {numbers, shape}, {{"allowzero", std::int64_t{1}}});
  Val from = b.op("Reshape", {b.op(op, in, s.attrs), flat});
  Val zero = b.op("Reshape", {zeros_like(x), flat});
  Val sum = b.op("ScatterElements", {zero, from, b.op("Reshape", {dy, flat})}, {{"axis", std::int64_t{0}}, {"reduction", std::string("add")}});
  return reshaped_like(sum, x);
}

}  // namespace saha::op
