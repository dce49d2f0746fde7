#pragma once
// The part of OpenVINO's C interface that saha calls, declared anew so that no header of it is needed to build.
// Source: OpenVINO 2026.4, openvino/c/*.h. Element types are numbered anew in some releases: Api::load checks them by their sizes.
#include <cstddef>
#include <cstdint>

#include "backends/engine/dynamic_library.hpp"
#include "tensor/dtype.hpp"

namespace saha::ov {

// Opaque handles.
struct Core;
struct Model;
struct Compiled;
struct Request;
struct Tensor;
struct Port;

using Status = int;  ///< 0: done
struct Version {
  const char* build;
  const char* description;
};
struct Shape {
  std::int64_t rank;
  std::int64_t* dims;
};
struct Interval {
  std::int64_t min, max;  ///< max -1: no limit
};
struct PartialShape {
  Interval rank;
  Interval* dims;
};

/// ov_element_type_e of t; -1: none.
int element_type(DType t);
DType dtype_of_element(int type);

struct Api {
  Status (*get_openvino_version)(Version*);
  void (*version_free)(Version*);
  const char* (*get_error_info)(Status);
  const char* (*get_last_err_msg)();
  void (*free)(const char*);
  Status (*core_create)(Core**);
  void (*core_free)(Core*);
  Status (*core_get_property)(const Core*, const char* device, const char* key, char** value);
  Status (*core_read_model)(const Core*, const char* file, const char* weights, Model**);
  Status (*core_read_model_from_memory_buffer)(const Core*, const char* bytes, std::size_t size, const Tensor* weights, Model**);
  Status (*core_compile_model)(const Core*, const Model*, const char* device, std::size_t words, Compiled**, ...);  ///< key, value, ...: words in all
  void (*model_free)(Model*);
  Status (*compiled_model_inputs_size)(const Compiled*, std::size_t*);
  Status (*compiled_model_outputs_size)(const Compiled*, std::size_t*);
  Status (*compiled_model_input_by_index)(const Compiled*, std::size_t, Port**);
  Status (*compiled_model_output_by_index)(const Compiled*, std::size_t, Port**);
  Status (*compiled_model_get_property)(const Compiled*, const char* key, char** value);
  Status (*compiled_model_create_infer_request)(const Compiled*, Request**);
  void (*compiled_model_free)(Compiled*);
  Status (*port_get_any_name)(const Port*, char** name);
  Status (*port_get_partial_shape)(const Port*, PartialShape*);
  Status (*port_get_element_type)(const Port*, int*);
  void (*partial_shape_free)(PartialShape*);
  void (*output_const_port_free)(Port*);
  Status (*infer_request_set_input_tensor_by_index)(Request*, std::size_t, const Tensor*);
  Status (*infer_request_get_output_tensor_by_index)(const Request*, std::size_t, Tensor**);
  Status (*infer_request_infer)(Request*);
  void (*infer_request_free)(Request*);
  Status (*tensor_create)(int type, Shape, Tensor**);
  Status (*tensor_create_from_host_ptr)(int type, Shape, void* data, Tensor**);
  Status (*tensor_get_shape)(const Tensor*, Shape*);
  Status (*tensor_get_element_type)(const Tensor*, int*);
  Status (*tensor_get_byte_size)(const Tensor*, std::size_t*);
  Status (*tensor_data)(const Tensor*, void**);
  void (*tensor_free)(Tensor*);
  Status (*shape_free)(Shape*);

  /// Takes every function by its name; fails naming the first that is missing.
  static Result<Api> load(const engine::DynamicLibrary& library);
  /// The error of a failed call; nothing where it succeeded.
  Result<> check(Status status) const;
};

}  // namespace saha::ov
