# saha_isa_objects(target level [BY level] SOURCES file...): sources over kernels/loops/vec.hpp as objects of one level, in its namespace.
# With BY, the level's lanes are worked on by the instructions of another, in the namespace <level>_by_<other>: for tests on machines
# that lack the level.
# SAHA_LEVELS: all of this processor's; SAHA_FLOAT_LEVELS: those that have loops on float32 of their own. As in kernels/isa.hpp.
set(SAHA_X86_LEVELS generic avx2 avx512 avx512vnni avx512amx)
set(SAHA_NEON_LEVELS generic neon neon_dot neon_i8mm)
set(SAHA_LEVELS generic)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  set(SAHA_LEVELS ${SAHA_X86_LEVELS})
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64|arm64")
  set(SAHA_LEVELS ${SAHA_NEON_LEVELS})
endif()
set(SAHA_FLOAT_LEVELS ${SAHA_LEVELS})
list(REMOVE_ITEM SAHA_FLOAT_LEVELS avx512vnni avx512amx neon_dot neon_i8mm)
set(SAHA_OPTIONS_avx2 -mavx2 -mfma -mf16c)
set(SAHA_OPTIONS_avx512 -mavx512f -mavx512bw -mavx512dq -mavx512vl ${SAHA_OPTIONS_avx2} -mprefer-vector-width=512
    -Wno-maybe-uninitialized -Wno-uninitialized)  # g++ 12 warns inside its own header
set(SAHA_OPTIONS_avx512vnni -mavx512vnni ${SAHA_OPTIONS_avx512})
set(SAHA_OPTIONS_avx512amx -mamx-tile -mamx-int8 -mamx-bf16 ${SAHA_OPTIONS_avx512vnni})
set(SAHA_OPTIONS_neon -fno-schedule-insns)  # the first scheduler of g++ 12 moves loads up until a tile of sums is spilled; the second one remains
set(SAHA_OPTIONS_neon_dot -march=armv8.2-a+dotprod ${SAHA_OPTIONS_neon})
set(SAHA_OPTIONS_neon_i8mm -march=armv8.2-a+dotprod+i8mm ${SAHA_OPTIONS_neon})

function(saha_isa_objects target level)
  cmake_parse_arguments(L "" "BY" "SOURCES" ${ARGN})
  foreach(kind X86 NEON)
    list(FIND SAHA_${kind}_LEVELS ${level} ${kind})
    if(${kind} LESS 0)
      set(${kind} 0)
    endif()
  endforeach()
  set(options ${SAHA_OPTIONS_${level}} -O3)
  if(SAHA_SANITIZE)
    set(options ${SAHA_OPTIONS_${level}} -O1)  # -O3 takes five times as long to compile there
  endif()
  if(L_BY)
    set(options ${SAHA_OPTIONS_${L_BY}} -DSAHA_ISA_EMULATED -O1)
    string(APPEND level _by_${L_BY})
  endif()
  add_library(${target} OBJECT ${L_SOURCES})
  target_compile_definitions(${target} PRIVATE SAHA_ISA=${level} SAHA_ISA_LEVEL=${X86} SAHA_NEON=${NEON})
  target_compile_options(${target} PRIVATE -fno-math-errno -fno-trapping-math -Wno-psabi ${options})
  target_include_directories(${target} PRIVATE "${PROJECT_SOURCE_DIR}")
  target_link_libraries(${target} PRIVATE saha_flags saha_plan)
endfunction()
