#pragma once
// Tensor <-> onnx.TensorProto, Type <-> onnx.TypeProto. Includes the generated header: only the files of this folder may include it.
#include <map>
#include <string>

#include "ir/graph.hpp"
#include "onnx/onnx-ml.pb.h"
#include "system/file.hpp"
#include "tensor/tensor.hpp"

namespace saha::onnx {

/// The files of external data of one model, each mapped once.
struct ExternalFiles {
  std::string folder;                                 ///< the model's own; empty: external data is refused
  std::map<std::string, system::MappedFile> mapped = {};
};
Result<Tensor> tensor_from(const ::onnx::TensorProto& p, ExternalFiles& files);
::onnx::TensorProto proto_from(const Tensor& t);
/// A free dim without a name becomes the symbol "<owner>.<axis>".
Result<ir::TypeRef> type_from(const ::onnx::TypeProto& p, const std::string& owner);
::onnx::TypeProto proto_from(const ir::Type& t);

}  // namespace saha::onnx
