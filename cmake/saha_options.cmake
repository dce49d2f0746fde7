# Compiler settings that every target shares.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_CXX_VISIBILITY_PRESET hidden)
set(CMAKE_VISIBILITY_INLINES_HIDDEN ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()
set(CMAKE_CXX_FLAGS_RELEASE "-O2")  # NDEBUG stays undefined: SAHA_ASSERT is cheap and holds in what ships
set(CMAKE_C_FLAGS_RELEASE "-O2")

find_program(SAHA_CCACHE ccache)
if(SAHA_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${SAHA_CCACHE})
  set(CMAKE_C_COMPILER_LAUNCHER ${SAHA_CCACHE})
endif()
find_program(SAHA_MOLD mold)
if(SAHA_MOLD AND NOT CMAKE_CROSSCOMPILING)
  add_link_options(-fuse-ld=mold)
endif()

add_library(saha_flags INTERFACE)
target_compile_options(saha_flags INTERFACE -Wall -Wextra -Wshadow -Wnon-virtual-dtor -ffp-contract=off)
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  target_compile_options(saha_flags INTERFACE -Wno-deprecated-declarations)  # std::stable_sort of libstdc++ 12
endif()
if(SAHA_SANITIZE)
  add_compile_options(-fsanitize=${SAHA_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer -g1 -O1)  # -O1: builds in less time and still runs quickly
  if(SAHA_SANITIZE MATCHES "undefined")
    add_compile_options(-fno-sanitize=null,object-size)  # a third of the time to compile; a null pointer stops the program in any case
  endif()
  add_link_options(-fsanitize=${SAHA_SANITIZE})
endif()
