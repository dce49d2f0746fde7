# The ONNX message definitions come with the PyPI package `onnx` (Apache-2.0); protoc of the system compiles them here.
# Looked for in the project's .venv, then in the package of the python3 on the PATH, or given as SAHA_ONNX_PACKAGE.
set(SAHA_ONNX_PACKAGE "" CACHE PATH "folder that holds onnx/onnx-ml.proto")
if(NOT SAHA_ONNX_PACKAGE)
  file(GLOB candidates "${PROJECT_SOURCE_DIR}/.venv/lib/python3*/site-packages/onnx/onnx-ml.proto")
  if(NOT candidates)
    find_package(Python3 QUIET COMPONENTS Interpreter)
    if(Python3_Interpreter_FOUND)
      execute_process(COMMAND ${Python3_EXECUTABLE} -c "import importlib.util as u; print(u.find_spec('onnx').submodule_search_locations[0])"
        OUTPUT_VARIABLE folder OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE failed)
      if(NOT failed)
        set(candidates "${folder}/onnx-ml.proto")
      endif()
    endif()
  endif()
  if(NOT candidates)
    message(FATAL_ERROR "onnx-ml.proto was not found: ./run build installs the PyPI package 'onnx' into .venv, or pip install onnx==1.23.2")
  endif()
  list(GET candidates 0 proto)
  cmake_path(GET proto PARENT_PATH proto)
  cmake_path(GET proto PARENT_PATH proto)
  set(SAHA_ONNX_PACKAGE "${proto}" CACHE PATH "" FORCE)
endif()
find_package(Protobuf REQUIRED)
find_package(Threads REQUIRED)
set(generated "${PROJECT_BINARY_DIR}/generated")
file(MAKE_DIRECTORY "${generated}/onnx")
add_custom_command(OUTPUT "${generated}/onnx/onnx-ml.pb.cc" "${generated}/onnx/onnx-ml.pb.h"
  COMMAND protobuf::protoc -I "${SAHA_ONNX_PACKAGE}" "--cpp_out=${generated}" onnx/onnx-ml.proto
  DEPENDS "${SAHA_ONNX_PACKAGE}/onnx/onnx-ml.proto" VERBATIM)
add_custom_command(OUTPUT "${generated}/onnx/onnx-data.pb.cc" "${generated}/onnx/onnx-data.pb.h"
  COMMAND protobuf::protoc -I "${SAHA_ONNX_PACKAGE}" "--cpp_out=${generated}" onnx/onnx-data.proto
  DEPENDS "${SAHA_ONNX_PACKAGE}/onnx/onnx-data.proto" VERBATIM)
add_library(saha_onnx_proto STATIC "${generated}/onnx/onnx-ml.pb.cc" "${generated}/onnx/onnx-data.pb.cc")
target_include_directories(saha_onnx_proto SYSTEM PUBLIC "${generated}")
# A program starts some 2 ms sooner with its own copy of the library; Debian's archive is not compiled for shared objects, which take the shared one.
find_library(SAHA_PROTOBUF_ARCHIVE libprotobuf.a)
if(SAHA_PROTOBUF_ARCHIVE)
  set(executable "$<STREQUAL:$<TARGET_PROPERTY:TYPE>,EXECUTABLE>")
  target_include_directories(saha_onnx_proto SYSTEM PUBLIC ${Protobuf_INCLUDE_DIRS})
  target_link_libraries(saha_onnx_proto PUBLIC "$<IF:${executable},${SAHA_PROTOBUF_ARCHIVE},protobuf::libprotobuf>" Threads::Threads)
else()
  target_link_libraries(saha_onnx_proto PUBLIC protobuf::libprotobuf)
endif()
