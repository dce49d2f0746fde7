#include "formats/tflite/conventions.hpp"

#include <algorithm>

namespace saha::tflite {
namespace {
struct Element {
  fb::TensorType file;
  DType own;
  bool written = true;
};
constexpr Element kElements[] = {
    {fb::TensorType::FLOAT32, DType::f32}, {fb::TensorType::FLOAT16, DType::f16}, {fb::TensorType::INT32, DType::i32}, {fb::TensorType::UINT8, DType::u8},
    {fb::TensorType::INT64, DType::i64}, {fb::TensorType::STRING, DType::string}, {fb::TensorType::BOOL, DType::boolean}, {fb::TensorType::INT16, DType::i16},
    {fb::TensorType::COMPLEX64, DType::c64}, {fb::TensorType::INT8, DType::i8}, {fb::TensorType::FLOAT64, DType::f64}, {fb::TensorType::COMPLEX128, DType::c128},
    {fb::TensorType::UINT64, DType::u64}, {fb::TensorType::UINT32, DType::u32}, {fb::TensorType::UINT16, DType::u16},
    // No kernel that is written to takes these.
    {fb::TensorType::INT4, DType::i4, false}, {fb::TensorType::BFLOAT16, DType::bf16, false}, {fb::TensorType::INT2, DType::i2, false}, {fb::TensorType::UINT4, DType::u4, false},
    {fb::TensorType::FLOAT8_E4M3FN, DType::f8e4m3fn, false}, {fb::TensorType::FLOAT8_E5M2, DType::f8e5m2, false},
};
}  // namespace

DType dtype_of(fb::TensorType t) {
  for (const Element& e : kElements) if (e.file == t) return e.own;
  return DType::none;
}
std::optional<fb::TensorType> tensor_type(DType t) {
  for (const Element& e : kElements) if (e.own == t && e.written) return e.file;
  return {};
}
Padded same_pads(std::int64_t n, std::int64_t kernel, std::int64_t stride, std::int64_t dilation) {
  const std::int64_t reach = (kernel - 1) * dilation + 1, out = (n + stride - 1) / stride, total = std::max<std::int64_t>((out - 1) * stride + reach - n, 0);
  return {total / 2, total - total / 2};
}
int place_of(const Ints& order, std::int64_t axis) { return int(std::find(order.begin(), order.end(), axis) - order.begin()); }
Result<Tensor> permuted_tensor(const Tensor& t, const Ints& order) {
  if (std::is_sorted(order.begin(), order.end())) return t;
  Datum x = t;
  const Datum* in[] = {&x};
  SAHA_TRY(auto y, op::run(*op::find("Transpose")->def, in, {{"perm", order}}, 1));
  return std::move(y[0].tensor);
}
op::Val permuted(op::Val v, const Ints& perm) {
  op::Builder& b = *v.b;
  if (b.failed()) return v;
  const Tensor* t = b.data(v);
  if (!t || t->rank() != perm.size()) return b.op("Transpose", {v}, {{"perm", perm}});
  auto y = permuted_tensor(*t, perm);
  if (!y) { b.fail(std::move(y.error())); return v; }
  const std::shared_ptr<const ir::Quant>& q = b.type(v).quant;
  return b.constant(std::make_shared<const Tensor>(*y), ir::tensor_type(y->dtype, {y->dims.begin(), y->dims.end()}, ir::along(q, q ? place_of(perm, q->axis) : 0)), b.graph()[v.id].name);
}

}  // namespace saha::tflite
