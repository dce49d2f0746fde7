#include "backends/tflite/tflite_abi.hpp"

namespace saha::tflite_engine {

const char* Api::load(const engine::DynamicLibrary& library) {
  const char* missing = nullptr;
  const auto find = [&](auto*& function, const char* symbol) {
    function = library.function<std::remove_pointer_t<std::remove_reference_t<decltype(function)>>>(symbol);
  };
  const auto bind = [&](auto*& function, const char* symbol) {
    find(function, symbol);
    if (function == nullptr && missing == nullptr) missing = symbol;
  };
  bind(version, "TfLiteVersion");
  bind(model_create, "TfLiteModelCreate");
  bind(model_delete, "TfLiteModelDelete");
  bind(options_create, "TfLiteInterpreterOptionsCreate");
  bind(options_delete, "TfLiteInterpreterOptionsDelete");
  bind(options_set_threads, "TfLiteInterpreterOptionsSetNumThreads");
  bind(options_set_error_reporter, "TfLiteInterpreterOptionsSetErrorReporter");
  bind(interpreter_create, "TfLiteInterpreterCreate");
  bind(interpreter_delete, "TfLiteInterpreterDelete");
  bind(input_count, "TfLiteInterpreterGetInputTensorCount");
  bind(input, "TfLiteInterpreterGetInputTensor");
  bind(resize_input, "TfLiteInterpreterResizeInputTensor");
  bind(allocate, "TfLiteInterpreterAllocateTensors");
  bind(invoke, "TfLiteInterpreterInvoke");
  bind(output_count, "TfLiteInterpreterGetOutputTensorCount");
  bind(output, "TfLiteInterpreterGetOutputTensor");
  bind(type, "TfLiteTensorType");
  bind(rank, "TfLiteTensorNumDims");
  bind(dim, "TfLiteTensorDim");
  bind(bytes, "TfLiteTensorByteSize");
  bind(data, "TfLiteTensorData");
  bind(name, "TfLiteTensorName");
  find(reset_variables, "TfLiteInterpreterResetVariableTensors");
  find(xnnpack_defaults, "TfLiteXNNPackDelegateOptionsDefault");
  find(xnnpack_create, "TfLiteXNNPackDelegateCreate");
  find(xnnpack_delete, "TfLiteXNNPackDelegateDelete");
  find(options_add_delegate, "TfLiteInterpreterOptionsAddDelegate");
  return missing;
}

}  // namespace saha::tflite_engine
