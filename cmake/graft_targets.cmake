# graft_add_library(graph DEPS graft::layers PRIVATE_DEPS … SOURCES … PUBLIC_HEADERS …)
# One static library per top-level folder. PUBLIC_HEADERS are installed and compiled alone by
# the test lint.headers; headers not listed are private to the tree.
function(graft_add_library name)
  cmake_parse_arguments(A "" "" "DEPS;PRIVATE_DEPS;SOURCES;PUBLIC_HEADERS" ${ARGN})
  add_library(graft_${name} STATIC ${A_SOURCES})
  add_library(graft::${name} ALIAS graft_${name})
  target_sources(graft_${name} PUBLIC FILE_SET HEADERS
    BASE_DIRS ${PROJECT_SOURCE_DIR} FILES ${A_PUBLIC_HEADERS})
  target_compile_features(graft_${name} PUBLIC cxx_std_20)
  target_link_libraries(graft_${name} PUBLIC ${A_DEPS}
    PRIVATE ${A_PRIVATE_DEPS} $<BUILD_INTERFACE:graft_flags>)
  set_target_properties(graft_${name} PROPERTIES EXPORT_NAME ${name} POSITION_INDEPENDENT_CODE ON)
  set_property(GLOBAL APPEND PROPERTY GRAFT_LIBRARIES graft_${name})
  foreach(header ${A_PUBLIC_HEADERS})
    set_property(GLOBAL APPEND PROPERTY GRAFT_PUBLIC_HEADERS ${name}/${header})
  endforeach()
endfunction()

function(graft_add_folder name)
  if(EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/${name}/CMakeLists.txt)
    add_subdirectory(${name})
  endif()
endfunction()

# graft_add_test(conv_test SOURCES conv_test.cpp DEPS graft::kernels [LABELS unit])
# A GoogleTest program; each of its tests is one ctest test of the same name.
function(graft_add_test name)
  cmake_parse_arguments(A "" "" "SOURCES;DEPS;LABELS" ${ARGN})
  if(NOT A_LABELS)
    set(A_LABELS unit)
  endif()
  add_executable(${name} ${A_SOURCES})
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR})
  target_compile_options(${name} PRIVATE -O1)  # half the compile time; what is tested is optimised
  target_link_libraries(${name} PRIVATE ${A_DEPS} graft_flags GTest::gtest GTest::gmock GTest::gtest_main)
  gtest_discover_tests(${name} DISCOVERY_MODE PRE_TEST
    PROPERTIES LABELS "${A_LABELS}" TIMEOUT 300 ENVIRONMENT GOMP_SPINCOUNT=20000)
endfunction()
