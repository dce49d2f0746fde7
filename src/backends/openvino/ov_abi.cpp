// Source: OpenVINO 2026.4, openvino/c/ov_common.h (element types) and the names of its exported functions.
#include "backends/openvino/ov_abi.hpp"

#include <array>

namespace saha::ov {
namespace {

// Place = ov_element_type_e. none: dynamic, or a type that saha does not have (u1, u3, u6, nf4); strings are refused by the program.
constexpr std::array kTypes{DType::none, DType::boolean, DType::bf16, DType::f16, DType::f32, DType::f64, DType::i4, DType::i8, DType::i16,
                            DType::i32, DType::i64, DType::none, DType::u2, DType::none, DType::u4, DType::none, DType::u8, DType::u16,
                            DType::u32, DType::u64, DType::none, DType::f8e4m3fn, DType::f8e5m2, DType::string, DType::f4e2m1, DType::f8e8m0};

// A tensor of 8 elements of each type must take the bytes that the type's bits say: else the numbers mean something else in this release.
Result<> check_element_types(const Api& api, const std::string& file) {
  for (std::size_t type = 0; type < kTypes.size(); ++type) {
    if (kTypes[type] == DType::none || kTypes[type] == DType::string) continue;
    std::int64_t dim = 8;
    Tensor* tensor = nullptr;
    std::size_t bytes = 0;
    SAHA_DO(api.check(api.tensor_create(int(type), {1, &dim}, &tensor)));
    const Status status = api.tensor_get_byte_size(tensor, &bytes);
    api.tensor_free(tensor);
    SAHA_DO(api.check(status));
    if (bytes != std::size_t(bits(kTypes[type])))
      return Error{ErrorCode::unsupported, "openvino: " + file + " numbers its element types otherwise: number " + std::to_string(type) + " takes " +
                                               std::to_string(bytes) + " bytes for 8 elements, " + std::string(name(kTypes[type])) + " takes " + std::to_string(bits(kTypes[type])),
                   "pip install openvino==2026.4.1"};
  }
  return {};
}

}  // namespace

int element_type(DType t) {
  for (std::size_t i = 0; i < kTypes.size(); ++i)
    if (t != DType::none && kTypes[i] == t) return int(i);
  return -1;
}

DType dtype_of_element(int type) { return type >= 0 && std::size_t(type) < kTypes.size() ? kTypes[std::size_t(type)] : DType::none; }

Result<> Api::check(Status status) const {
  if (status == 0) return {};
  std::string message;
  if (const char* text = get_last_err_msg()) {
    message = text;
    free(text);
  }
  if (message.empty()) message = get_error_info(status);
  // OpenVINO's messages are several lines, each with the place in its source in front; the sentence is the last one.
  while (!message.empty() && (message.back() == '\n' || message.back() == ' ' || message.back() == '.')) message.pop_back();
  for (std::size_t at; (at = message.find('\n')) != std::string::npos;) message.replace(at, 1, " ");
  return Error{ErrorCode::invalid_model, "openvino: " + message};
}

Result<Api> Api::load(const engine::DynamicLibrary& library) {
  Api api{};
  std::string missing;
  const auto take = [&](auto*& function, const char* name) {
    function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(library.symbol(name));
    if (function == nullptr && missing.empty()) missing = name;
  };
  take(api.get_openvino_version, "ov_get_openvino_version");
  take(api.version_free, "ov_version_free");
  take(api.get_error_info, "ov_get_error_info");
  take(api.get_last_err_msg, "ov_get_last_err_msg");
  take(api.free, "ov_free");
  take(api.core_create, "ov_core_create");
  take(api.core_free, "ov_core_free");
  take(api.core_get_property, "ov_core_get_property");
  take(api.core_read_model, "ov_core_read_model");
  take(api.core_read_model_from_memory_buffer, "ov_core_read_model_from_memory_buffer");
  take(api.core_compile_model, "ov_core_compile_model");
  take(api.model_free, "ov_model_free");
  take(api.compiled_model_inputs_size, "ov_compiled_model_inputs_size");
  take(api.compiled_model_outputs_size, "ov_compiled_model_outputs_size");
  take(api.compiled_model_input_by_index, "ov_compiled_model_input_by_index");
  take(api.compiled_model_output_by_index, "ov_compiled_model_output_by_index");
  take(api.compiled_model_get_property, "ov_compiled_model_get_property");
  take(api.compiled_model_create_infer_request, "ov_compiled_model_create_infer_request");
  take(api.compiled_model_free, "ov_compiled_model_free");
  take(api.port_get_any_name, "ov_port_get_any_name");
  take(api.port_get_partial_shape, "ov_port_get_partial_shape");
  take(api.port_get_element_type, "ov_port_get_element_type");
  take(api.partial_shape_free, "ov_partial_shape_free");
  take(api.output_const_port_free, "ov_output_const_port_free");
  take(api.infer_request_set_input_tensor_by_index, "ov_infer_request_set_input_tensor_by_index");
  take(api.infer_request_get_output_tensor_by_index, "ov_infer_request_get_output_tensor_by_index");
  take(api.infer_request_infer, "ov_infer_request_infer");
  take(api.infer_request_free, "ov_infer_request_free");
  take(api.tensor_create, "ov_tensor_create");
  take(api.tensor_create_from_host_ptr, "ov_tensor_create_from_host_ptr");
  take(api.tensor_get_shape, "ov_tensor_get_shape");
  take(api.tensor_get_element_type, "ov_tensor_get_element_type");
  take(api.tensor_get_byte_size, "ov_tensor_get_byte_size");
  take(api.tensor_data, "ov_tensor_data");
  take(api.tensor_free, "ov_tensor_free");
  take(api.shape_free, "ov_shape_free");
  if (!missing.empty()) return Error{ErrorCode::io, "openvino: " + library.file() + " has no function " + missing, "pip install openvino==2026.4.1"};
  SAHA_DO(check_element_types(api, library.file()));
  return api;
}

}  // namespace saha::ov
