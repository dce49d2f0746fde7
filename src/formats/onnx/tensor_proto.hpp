#pragma once
// Tensor <-> onnx.TensorProto, Type <-> onnx.TypeProto. Includes the generated header: only the files of this folder may include it.
#include "ir/graph.hpp"
#include "onnx/onnx-ml.pb.h"
#include "tensor/tensor.hpp"

namespace saha::onnx {

/// `folder`: where external data is looked for; empty: external data is refused.
Result<Tensor> tensor_from(const ::onnx::TensorProto& p, const std::string& folder);
::onnx::TensorProto proto_from(const Tensor& t);
/// A free dim without a name becomes the symbol "<owner>.<axis>".
Result<ir::TypeRef> type_from(const ::onnx::TypeProto& p, const std::string& owner);
::onnx::TypeProto proto_from(const ir::Type& t);

}  // namespace saha::onnx
