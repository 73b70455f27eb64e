# Install rules and the config package: find_package(fuselage 0.1 CONFIG).
if(NOT FUSELAGE_INSTALL OR NOT TARGET fuselage)
  return()
endif()
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)
set(config_dir "${CMAKE_INSTALL_LIBDIR}/cmake/fuselage")

install(DIRECTORY include/fuselage DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}" FILES_MATCHING PATTERN "*.h")
if(NOT FUSELAGE_WITH_CUDA)
  install(FILES cmake/without_cuda/own_launch.h DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}/fuselage/cuda")
else()
  # For losses of one's own that nvcc compiles; no API.
  install(DIRECTORY kernels DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}/fuselage/cuda"
          FILES_MATCHING PATTERN "*.cuh" PATTERN "kernels.h")
endif()
install(TARGETS fuselage fuselage_core EXPORT fuselage-targets)
install(EXPORT fuselage-targets NAMESPACE fuselage:: DESTINATION "${config_dir}")
if(TARGET fuselage_cli)
  install(TARGETS fuselage_cli)
endif()
configure_package_config_file(cmake/fuselage-config.cmake.in "${PROJECT_BINARY_DIR}/fuselage-config.cmake"
                              INSTALL_DESTINATION "${config_dir}")
write_basic_package_version_file("${PROJECT_BINARY_DIR}/fuselage-config-version.cmake" COMPATIBILITY SameMinorVersion)
install(FILES "${PROJECT_BINARY_DIR}/fuselage-config.cmake" "${PROJECT_BINARY_DIR}/fuselage-config-version.cmake"
              cmake/modules/FindOneDNN.cmake DESTINATION "${config_dir}")
install(FILES LICENSE DESTINATION "${CMAKE_INSTALL_DATAROOTDIR}/doc/fuselage")
