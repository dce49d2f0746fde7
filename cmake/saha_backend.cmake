# saha_backend(name DEPS module...): a foreign engine, src/backends/<name>, as a shared object of its own that is loaded when it is
# asked for. It exports one function, saha_backend_open (src/backends/engine/host.hpp); nothing links it.
set(SAHA_BACKEND_FOLDER "${CMAKE_BINARY_DIR}/lib/saha")

function(saha_backend name)
  cmake_parse_arguments(B "" "" "DEPS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/*.cpp")
  set_property(GLOBAL APPEND PROPERTY SAHA_MODULES ${name})
  set_property(GLOBAL PROPERTY SAHA_LAYER_${name} 6)
  set_property(GLOBAL PROPERTY SAHA_DEPS_${name} "${B_DEPS}")
  set_property(GLOBAL PROPERTY SAHA_FOLDER_${name} "${CMAKE_CURRENT_SOURCE_DIR}")
  add_library(saha_backend_${name} MODULE ${sources})
  list(TRANSFORM B_DEPS PREPEND saha_ OUTPUT_VARIABLE targets)
  target_link_libraries(saha_backend_${name} PRIVATE saha_flags ${targets})
  target_include_directories(saha_backend_${name} PRIVATE "${PROJECT_SOURCE_DIR}/src")
  set_target_properties(saha_backend_${name} PROPERTIES LIBRARY_OUTPUT_DIRECTORY "${SAHA_BACKEND_FOLDER}")
  install(TARGETS saha_backend_${name} LIBRARY DESTINATION lib/saha)
endfunction()
