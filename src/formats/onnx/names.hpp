#pragma once
// Names in a model are read by people, terminals, JSON and Python: they must be short UTF-8 without control characters.
#include "base/result.hpp"
#include "onnx/onnx-ml.pb.h"

namespace saha::onnx {

/// Fails naming the first node, value, tensor, attribute or function whose name is none; nested deeper than `depth` is not looked at (the
/// import refuses it).
Result<> check_names(const ::onnx::ModelProto& model, int depth);

}  // namespace saha::onnx
