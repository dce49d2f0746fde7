# saha_isa_objects(target level [BY level] SOURCES file...): sources over kernels/loops/vec.hpp as objects of one level, in its namespace.
# With BY, the level's lanes are worked on by the instructions of another, in the namespace <level>_by_<other>: for tests on machines
# that lack the level.
set(SAHA_LEVELS generic)  # as in kernels/isa.hpp
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  list(APPEND SAHA_LEVELS avx2 avx512 avx512vnni)
endif()
set(SAHA_OPTIONS_avx2 -mavx2 -mfma -mf16c)
set(SAHA_OPTIONS_avx512 -mavx512f -mavx512bw -mavx512dq -mavx512vl ${SAHA_OPTIONS_avx2} -mprefer-vector-width=512
    -Wno-maybe-uninitialized -Wno-uninitialized)  # g++ 12 warns inside its own header
set(SAHA_OPTIONS_avx512vnni -mavx512vnni ${SAHA_OPTIONS_avx512})

function(saha_isa_objects target level)
  cmake_parse_arguments(L "" "BY" "SOURCES" ${ARGN})
  list(FIND SAHA_LEVELS ${level} number)
  set(options ${SAHA_OPTIONS_${level}})
  if(L_BY)
    set(options ${SAHA_OPTIONS_${L_BY}} -DSAHA_ISA_EMULATED)
    string(APPEND level _by_${L_BY})
  endif()
  add_library(${target} OBJECT ${L_SOURCES})
  target_compile_definitions(${target} PRIVATE SAHA_ISA=${level} SAHA_ISA_LEVEL=${number})
  target_compile_options(${target} PRIVATE -O3 -fno-math-errno -fno-trapping-math -Wno-psabi ${options})
  target_include_directories(${target} PRIVATE "${PROJECT_SOURCE_DIR}")
  target_link_libraries(${target} PRIVATE saha_flags saha_plan)
endfunction()
