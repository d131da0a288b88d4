# Install tree: static libraries, public headers under include/graft, the binary, and a package config
# so that find_package(graft) works (tests/e2e/consumer builds against it).
include(CMakePackageConfigHelpers)

get_property(libraries GLOBAL PROPERTY GRAFT_LIBRARIES)
install(TARGETS ${libraries} EXPORT graft_targets
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
  FILE_SET HEADERS DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/graft)
if(TARGET graft)
  install(TARGETS graft RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()

set(config_dir ${CMAKE_INSTALL_LIBDIR}/cmake/graft)
install(EXPORT graft_targets NAMESPACE graft:: DESTINATION ${config_dir})
configure_package_config_file(cmake/graft-config.cmake.in ${CMAKE_BINARY_DIR}/graft-config.cmake
  INSTALL_DESTINATION ${config_dir})
write_basic_package_version_file(${CMAKE_BINARY_DIR}/graft-config-version.cmake
  COMPATIBILITY SameMajorVersion)
install(FILES ${CMAKE_BINARY_DIR}/graft-config.cmake ${CMAKE_BINARY_DIR}/graft-config-version.cmake
  cmake/Finddnnl.cmake DESTINATION ${config_dir})
