# What every target of fbx has in common: warnings, sanitizers, include root, compiler cache.

find_program(FBX_CCACHE ccache)
if(FBX_CCACHE)
  set(CMAKE_C_COMPILER_LAUNCHER ${FBX_CCACHE})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${FBX_CCACHE})
endif()

find_program(FBX_LLD ld.lld)
if(FBX_LLD AND NOT APPLE)
  add_link_options(-fuse-ld=lld)
endif()

add_library(fbx_flags INTERFACE)
target_include_directories(fbx_flags INTERFACE ${PROJECT_SOURCE_DIR})
target_compile_options(fbx_flags INTERFACE -Wall -Wextra -Wshadow -Wno-missing-field-initializers)
if(FBX_SANITIZE)
  target_compile_options(fbx_flags INTERFACE -fsanitize=${FBX_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(fbx_flags INTERFACE -fsanitize=${FBX_SANITIZE})
endif()

# fbx_library(NAME sources… [DEPS targets…]): a static library of one folder.
function(fbx_library name)
  cmake_parse_arguments(ARG "" "" "DEPS" ${ARGN})
  add_library(${name} STATIC ${ARG_UNPARSED_ARGUMENTS})
  target_link_libraries(${name} PUBLIC fbx_flags ${ARG_DEPS})
endfunction()

# fbx_unit_test(NAME sources… [DEPS targets…]): a doctest program, run by ctest under its own name.
# The first one given carries doctest's main (tests/unit/doctest_main.cc is added to each).
function(fbx_unit_test name)
  cmake_parse_arguments(ARG "" "" "DEPS" ${ARGN})
  add_executable(${name} ${ARG_UNPARSED_ARGUMENTS} ${PROJECT_SOURCE_DIR}/tests/unit/doctest_main.cc)
  target_link_libraries(${name} PRIVATE fbx_flags ${ARG_DEPS})
  add_test(NAME ${name} COMMAND ${name})
endfunction()
