# What every target of fbx has in common: warnings, sanitizers, include root, compiler cache,
# and how a test says in which tier of scripts/test it runs.

find_program(FBX_CCACHE ccache)
if(FBX_CCACHE)
  set(CMAKE_C_COMPILER_LAUNCHER ${FBX_CCACHE})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${FBX_CCACHE})
endif()

find_program(FBX_LLD ld.lld)
if(FBX_LLD AND NOT APPLE)
  add_link_options(-fuse-ld=lld)
endif()

# Warnings and the include root alone: for programs that must not carry our sanitizers (test
# subjects, which are also linked statically).
add_library(fbx_warnings INTERFACE)
target_include_directories(fbx_warnings INTERFACE ${PROJECT_SOURCE_DIR})
target_compile_options(fbx_warnings INTERFACE -Wall -Wextra -Wshadow -Wno-missing-field-initializers)
# g++ 12 sees overlaps and overflows in std::string's operator+ that are not there (PR 105651).
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  target_compile_options(fbx_warnings INTERFACE
    $<$<COMPILE_LANGUAGE:CXX>:-Wno-restrict -Wno-stringop-overflow -Wno-array-bounds>)
endif()

add_library(fbx_flags INTERFACE)
target_link_libraries(fbx_flags INTERFACE fbx_warnings)
if(FBX_SANITIZE)
  target_compile_options(fbx_flags INTERFACE -fsanitize=${FBX_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(fbx_flags INTERFACE -fsanitize=${FBX_SANITIZE})
endif()

# The standard library's headers, compiled once: a third of a clean build. Only the release preset
# turns it on, so that every other build still finds a missing #include.
option(FBX_PCH "Precompile the standard headers" OFF)
if(FBX_PCH)
  add_library(fbx_std STATIC ${PROJECT_SOURCE_DIR}/cmake/fbx_std.cc)
  target_link_libraries(fbx_std PRIVATE fbx_flags)
  foreach(header algorithm array charconv chrono cstdint cstring expected functional map memory
      mutex optional set span string string_view unordered_map utility variant vector)
    target_precompile_headers(fbx_std PRIVATE $<$<COMPILE_LANGUAGE:CXX>:<${header}$<ANGLE-R>>)
  endforeach()
  if(FBX_CCACHE)  # what ccache asks for before it caches a compilation that uses such headers
    set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env
      CCACHE_SLOPPINESS=pch_defines,time_macros ${FBX_CCACHE})
    target_compile_options(fbx_flags INTERFACE $<$<COMPILE_LANG_AND_ID:CXX,GNU>:-fpch-preprocess>)
  endif()
endif()

function(fbx_use_pch name)
  if(FBX_PCH)
    target_precompile_headers(${name} REUSE_FROM fbx_std)
  endif()
endfunction()

# Files of one folder compiled together, for the same reason and for the release preset alone too:
# another third of a clean build. A library whose files share local names (every file of built-ins
# has its table) is ALONE; single files of others say so with fbx_compile_alone(files…).
option(FBX_UNITY "Compile the files of a library together" OFF)

function(fbx_use_unity name)
  if(FBX_UNITY)
    set_target_properties(${name} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 6)
  endif()
endfunction()

function(fbx_compile_alone)
  set_source_files_properties(${ARGN} PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
endfunction()

# fbx_library(NAME sources… [ALONE] [DEPS targets…]): a static library of one folder.
function(fbx_library name)
  cmake_parse_arguments(ARG "ALONE" "" "DEPS" ${ARGN})
  add_library(${name} STATIC ${ARG_UNPARSED_ARGUMENTS})
  target_link_libraries(${name} PUBLIC fbx_flags ${ARG_DEPS})
  fbx_use_pch(${name})
  if(NOT ARG_ALONE)
    fbx_use_unity(${name})
  endif()
endfunction()

# fbx_add_test(NAME [TIER default|ci|full] [TIMEOUT seconds] [ROOT] [LAB] COMMAND command…): a ctest
# test. `scripts/test` runs tier default, `--ci` adds ci, `--full` adds full; a tier is a ctest
# label, so `ctest -L '^ci$'` runs one alone. ROOT says that the test needs root: scripts/test
# then counts it as "could not run" for somebody who is not and has no sudo; LAB likewise that it
# needs scripts/lab.
function(fbx_add_test name)
  cmake_parse_arguments(ARG "ROOT;LAB" "TIER;TIMEOUT" "COMMAND" ${ARGN})
  if(NOT ARG_TIER)
    set(ARG_TIER default)
  endif()
  if(NOT ARG_TIER MATCHES "^(default|ci|full)$")
    message(FATAL_ERROR "test ${name}: TIER is default, ci or full, not ${ARG_TIER}")
  endif()
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 120)
  endif()
  set(labels ${ARG_TIER})
  if(ARG_ROOT)
    list(APPEND labels root)
  endif()
  if(ARG_LAB)
    list(APPEND labels lab)
  endif()
  add_test(NAME ${name} COMMAND ${ARG_COMMAND} WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
  set_tests_properties(${name} PROPERTIES LABELS "${labels}" TIMEOUT ${ARG_TIMEOUT})
endfunction()

# doctest's main, compiled once for all unit tests.
add_library(fbx_doctest_main OBJECT EXCLUDE_FROM_ALL ${PROJECT_SOURCE_DIR}/tests/unit/doctest_main.cc)
target_link_libraries(fbx_doctest_main PRIVATE fbx_flags)

# fbx_unit_test(NAME sources… [DEPS targets…] [TIER …] [TIMEOUT seconds] [ROOT]): a doctest
# program, run by ctest under its own name. -O1: doctest's macros take the optimizer twice as long
# as the code they test.
function(fbx_unit_test name)
  cmake_parse_arguments(ARG "ROOT" "TIER;TIMEOUT" "DEPS" ${ARGN})
  add_executable(${name} ${ARG_UNPARSED_ARGUMENTS})
  target_link_libraries(${name} PRIVATE fbx_flags fbx_doctest_main ${ARG_DEPS})
  target_compile_options(${name} PRIVATE -O1)
  set(root_flag)
  if(ARG_ROOT)
    set(root_flag ROOT)
  endif()
  fbx_add_test(${name} TIER "${ARG_TIER}" TIMEOUT "${ARG_TIMEOUT}" ${root_flag} COMMAND ${name})
endfunction()

# fbx_benchmark(NAME sources… [DEPS targets…]): build/bin/bench_<NAME>, which `scripts/bench NAME` runs.
function(fbx_benchmark name)
  cmake_parse_arguments(ARG "" "" "DEPS" ${ARGN})
  add_executable(bench_${name} ${ARG_UNPARSED_ARGUMENTS})
  target_link_libraries(bench_${name} PRIVATE fbx_flags ${ARG_DEPS})
endfunction()
