# One INTERFACE target carries every compile flag; nothing is set globally.
# Consumers of the installed package never see it (BUILD_INTERFACE in graft_targets.cmake).
add_library(graft_flags INTERFACE)
target_compile_features(graft_flags INTERFACE cxx_std_20)
target_compile_options(graft_flags INTERFACE
  $<$<COMPILE_LANGUAGE:CXX>:-Wall;-Wextra;-Wpedantic;-Wshadow;-Wnon-virtual-dtor;-Woverloaded-virtual>)
# GCC 12 warns of overlaps in std::string that are not there (bug 105651).
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  target_compile_options(graft_flags INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Wno-restrict>)
endif()
# Philox works on std::array, whose members are constexpr.
target_compile_options(graft_flags INTERFACE
  $<$<COMPILE_LANGUAGE:CUDA>:-Xcompiler=-Wall,-Wextra,-Wshadow;--expt-relaxed-constexpr;-std=c++20>)
if(GRAFT_WERROR)
  target_compile_options(graft_flags INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Werror>
    $<$<COMPILE_LANGUAGE:CUDA>:-Werror=all-warnings;-Xcompiler=-Werror>)
endif()
if(GRAFT_SANITIZE)
  target_compile_options(graft_flags INTERFACE
    -fsanitize=${GRAFT_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(graft_flags INTERFACE -fsanitize=${GRAFT_SANITIZE})
endif()
if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()
