// Rows of float32 kernels for values with channels innermost: nodes prepared and called as `compile` does it, with operands and results in that layout, equal the
// operators' references at every level of the CPU.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "backends/native/fuse.hpp"
#include "backends/native/kernel_table.hpp"
#include "backends/native/layout.hpp"
#include "tests/native/net.hpp"

namespace saha::native {
namespace {
using ir::Ints;
using op::Val;
using op::Vals;
using test::Net;
using test::noise;

/// For each index of a tensor of these dims, in the plain order: where its element lies in that layout.
std::vector<std::int64_t> places(const Dims& d, ir::Layout layout) {
  const Dims strides = strides_of(d, layout);
  std::vector<std::int64_t> at = {0};
  for (std::size_t axis = 0; axis < d.size(); ++axis) {
    std::vector<std::int64_t> next;
    for (std::int64_t p : at) for (std::int64_t i = 0; i < d[axis]; ++i) next.push_back(p + i * strides[axis]);
    at = std::move(next);
  }
  return at;
}
ir::Layout layout_of(const ir::Type& t) { return has_layouts(t) ? ir::Layout::nhwc : ir::Layout::plain; }

/// The graph is one node when it is fused; `kernel` takes it with channels innermost, or none does.
void check(Net& n, Val output, std::string_view kernel) {
  auto g = std::move(n.b).build({output});
  ASSERT_TRUE(g) << g.error().message;
  auto want = op::run(*g, n.data);
  ASSERT_TRUE(want) << want.error().message;
  auto f = fuse(*g, kernels::detect_isa());
  ASSERT_TRUE(f) << f.error().message;
  ASSERT_EQ(f->nodes().size(), 1u);
  const ir::Node& node = f->nodes()[0];
  std::vector<ir::TypeRef> in, out = {(*f)[f->result(node)].type};
  std::vector<const Tensor*> constants;
  for (ir::ValueId v : f->operands(node)) {
    in.push_back(v == ir::ValueId::none ? ir::TypeRef{} : (*f)[v].type);
    constants.push_back(v == ir::ValueId::none ? nullptr : (*f)[v].constant.get());
  }
  for (int level = 0; level <= int(kernels::detect_isa()); ++level) {
    const auto isa = kernels::Isa(level);
    const auto p = choose({{*node.attrs}, node.op.str(), in, out, constants, isa, ir::Layout::nhwc});
    ASSERT_EQ(p ? p->kernel : "none", kernel) << node.op.str();
    if (!p) continue;
    std::vector<std::vector<float>> held;
    std::vector<void*> operands;
    for (const Operand& o : p->operands) {
      if (o.from == Operand::From::packed) operands.push_back(const_cast<std::byte*>(p->packed[o.index].data.get()));
      if (o.from == Operand::From::none) operands.push_back(nullptr);
      if (o.from != Operand::From::node) continue;
      const ir::ValueId v = f->operand(node, o.index);
      if (constants[o.index]) {
        operands.push_back(const_cast<std::byte*>(constants[o.index]->data.get()));
        continue;
      }
      const auto input = std::size_t(std::ranges::find(f->inputs(), v) - f->inputs().begin());
      const Tensor& t = n.data[input].tensor;
      const auto at = places(t.dims, layout_of(f->type(v)));
      held.emplace_back(at.size());
      for (std::size_t i = 0; i < at.size(); ++i) held.back()[std::size_t(at[i])] = t.as<float>()[i];
      operands.push_back(held.back().data());
    }
    const Tensor& y = (*want)[0].tensor;
    std::vector<float> got(std::size_t(y.size()), NAN);
    operands.push_back(got.data());
    std::vector<std::max_align_t> scratch(p->scratch / sizeof(std::max_align_t) + 8);
    auto* aligned = reinterpret_cast<std::byte*>((reinterpret_cast<std::uintptr_t>(scratch.data()) + 63) / 64 * 64);
    kernels::find(p->kernel, isa)({operands.data(), p->dims.data(), p->params.data(), 0, p->grid, aligned});
    const auto at = places(y.dims, layout_of(*out[0]));
    for (std::size_t i = 0; i < at.size(); ++i) ASSERT_NEAR(got[std::size_t(at[i])], y.as<float>()[i], 2e-5) << "level " << level << " element " << i << " of " << node.op.str();
  }
}

void one(ir::OpName name, Dims x, ir::Attrs attrs, std::string_view kernel, std::vector<Tensor> constants = {}) {
  SCOPED_TRACE(std::string(name.str()) + " " + str(x));
  Net n;
  Vals v = {n.input(std::move(x))};
  for (Tensor& t : constants) v.push_back(n.b.constant(std::move(t)));
  check(n, n.b.op(name, v, std::move(attrs)), kernel);
}

TEST(RowsLast, resizes) {
  for (const char* mode : {"nearest", "linear"})
    for (std::int64_t channels : {1, 8, 19})
      for (const Dims& image : {Dims{5, 7}, Dims{7}}) {
        SCOPED_TRACE(testing::Message() << mode << " " << channels << " channels " << str(image));
        Dims d = {2, channels};
        d.insert(d.end(), image.begin(), image.end());
        Net n;
        Val x = n.input(d);
        check(n, n.b.op("Resize", {x, {}, n.b.constant(Tensor::of(DType::f32, {std::int64_t(d.size())}, image.size() == 2 ? std::vector<double>{1, 1, 2, 1.7} : std::vector<double>{1, 1, 2}))}, {{"mode", std::string(mode)}}), "resize_f32");
      }
}

TEST(RowsLast, depthwise_convolutions_equal_their_references) {
  const auto conv = [](Dims x, Dims w, ir::Attrs attrs, std::string_view kernel) { one("Conv", x, std::move(attrs), kernel, {noise(w), noise({w[0]})}); };
  const std::string_view kernel = "depthwise_last_f32";
  conv({2, 20, 9, 11}, {20, 1, 3, 3}, {{"pads", Ints{1, 1, 1, 1}}, {"group", std::int64_t{20}}}, kernel);
  conv({1, 12, 15, 14}, {12, 1, 5, 5}, {{"auto_pad", std::string("SAME_UPPER")}, {"strides", Ints{2, 2}}, {"group", std::int64_t{12}}}, kernel);
  conv({1, 6, 9, 9}, {6, 1, 3, 2}, {{"dilations", Ints{2, 3}}, {"group", std::int64_t{6}}}, kernel);
  conv({2, 6, 20}, {6, 1, 4}, {{"auto_pad", std::string("SAME_LOWER")}, {"group", std::int64_t{6}}}, kernel);
  conv({1, 6, 9, 9}, {12, 1, 3, 3}, {{"group", std::int64_t{6}}}, "none");   // two outputs for each input
}

TEST(RowsLast, depthwise_convolutions_take_batch_norm_bias_residual_and_activation) {
  for (int kind = 0; kind < 4; ++kind)
    for (bool swish : {false, true}) {
      SCOPED_TRACE(kind);
      Net n;
      Val x = n.input({2, 18, 9, 9}), r = n.input({2, 18, 9, 9});
      Vals in = {x, n.weight({18, 1, 3, 3})};
      if (kind % 2) in.push_back(n.weight({18}));
      Val y = n.b.op("Conv", in, {{"pads", Ints{1, 1, 1, 1}}, {"group", std::int64_t{18}}});
      if (kind >= 2) y = n.b.op("BatchNormalization", {y, n.weight({18}), n.weight({18}), n.weight({18}), n.weight({18}, 0.5f)});
      if (kind == 0) y = y + n.weight({18, 1, 1});
      y = r + y;
      y = swish ? n.b.op("HardSwish", {y}) : n.b.op("Clip", {y, n.b.scalar(0, y), n.b.scalar(1.5, y)});
      check(n, y, "depthwise_last_f32");
    }
}

TEST(RowsLast, convolutions_of_few_points_are_products_of_few_rows) {
  const auto conv = [](Dims x, Dims w, std::string_view kernel, ir::Attrs attrs = {}) { one("Conv", x, std::move(attrs), kernel, {noise(w), noise({w[0]})}); };
  conv({1, 40, 1, 1}, {24, 40, 1, 1}, "gemv_f32");
  conv({2, 20, 1, 2}, {70, 20, 1, 1}, "gemv_f32");
  conv({1, 20, 2, 2}, {33, 20, 1, 1}, "gemv_f32");
  conv({3, 20, 1}, {9, 20, 1}, "gemv_f32");
  conv({1, 20, 1, 5}, {24, 20, 1, 1}, "conv_last_f32");
  conv({1, 20, 2, 2}, {24, 20, 1, 1}, "conv_last_f32", {{"strides", Ints{2, 2}}});   // a point of four
  conv({1, 20, 1, 1}, {24, 20, 1, 1}, "conv_last_f32", {{"pads", Ints{1, 0, 0, 0}}});
  conv({1, 20, 1, 1}, {24, 10, 1, 1}, "conv_last_f32", {{"group", std::int64_t{2}}});
  Net n;
  Val y = n.b.op("Conv", {n.input({2, 18, 1, 1}), n.weight({37, 18, 1, 1}), n.weight({37})});
  check(n, n.b.op("HardSwish", {y + n.input({2, 37, 1, 1})}), "gemv_f32");
}

TEST(RowsLast, other_anchors_take_plain_values_only) {
  Net n;
  check(n, n.b.op("Relu", {n.b.op("MatMul", {n.input({2, 5, 8}), n.weight({8, 8})})}), "none");
}

TEST(RowsLast, pools_equal_their_references) {
  for (ir::OpName name : {ir::OpName("MaxPool"), ir::OpName("AveragePool")}) {
    one(name, {2, 19, 13, 14}, {{"kernel_shape", Ints{3, 3}}, {"strides", Ints{2, 2}}, {"pads", Ints{1, 1, 1, 1}}}, "pool_last_f32");
    one(name, {1, 8, 13, 14}, {{"kernel_shape", Ints{3, 2}}, {"strides", Ints{2, 2}}, {"ceil_mode", std::int64_t{1}}}, "pool_last_f32");
    one(name, {1, 3, 14}, {{"kernel_shape", Ints{3}}, {"auto_pad", std::string("SAME_UPPER")}, {"strides", Ints{2}}}, "pool_last_f32");
  }
  one("AveragePool", {1, 9, 13, 14}, {{"kernel_shape", Ints{3, 3}}, {"strides", Ints{2, 2}}, {"pads", Ints{1, 0, 1, 2}}, {"count_include_pad", std::int64_t{1}}, {"ceil_mode", std::int64_t{1}}}, "pool_last_f32");
  one("AveragePool", {2, 9, 7, 6}, {{"kernel_shape", Ints{7, 6}}}, "reduce_f32");
}

TEST(RowsLast, reductions_over_what_lies_together_equal_their_references) {
  one("GlobalAveragePool", {2, 19, 7, 5}, {}, "reduce_f32");
  one("GlobalMaxPool", {2, 19, 7}, {}, "reduce_f32");
  const auto reduce = [](Dims x, std::vector<std::int64_t> axes, std::int64_t keep, std::string_view kernel) {
    for (ir::OpName name : {ir::OpName("ReduceMean"), ir::OpName("ReduceMax")}) one(name, x, {{"keepdims", keep}}, kernel, {Tensor::of_ints(axes)});
  };
  for (std::int64_t keep : {0, 1}) {
    reduce({2, 19, 7, 5}, {2, 3}, keep, "reduce_f32");
    reduce({2, 19, 7, 5}, {-1}, keep, "reduce_f32");
    reduce({2, 19, 7, 5}, {0, 1, 2, 3}, keep, "reduce_f32");
    reduce({2, 19, 7, 5}, {1, 2}, keep, "none");   // not neighbours in memory
  }
  reduce({2, 19, 7, 5}, {1}, 1, "reduce_f32");
  reduce({2, 19, 7, 5}, {1}, 0, "none");           // channels of the result would be rows of the operand
  reduce({3, 19, 7, 1}, {0}, 0, "none");
  reduce({3, 19, 7, 1}, {0}, 1, "reduce_f32");
}

}  // namespace
}  // namespace saha::native
