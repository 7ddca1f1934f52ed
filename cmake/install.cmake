# `cmake --install`: the library, its headers, and what find_package(amnet) reads.
include(CMakePackageConfigHelpers)
include(GNUInstallDirs)

set(config_directory ${CMAKE_INSTALL_LIBDIR}/cmake/amnet)

set(installed amnet)
if(amnet_has_cuda)
  list(APPEND installed amnet_cuda)
endif()
install(TARGETS ${installed} EXPORT amnetTargets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY include/amnet DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")
install(EXPORT amnetTargets NAMESPACE amnet:: DESTINATION ${config_directory})
install(FILES third_party/FindlibjpegTurbo.cmake third_party/Findlibwebp.cmake DESTINATION ${config_directory})

configure_package_config_file(cmake/amnetConfig.cmake.in amnetConfig.cmake INSTALL_DESTINATION ${config_directory}
                              NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file(amnetConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/amnetConfig.cmake ${PROJECT_BINARY_DIR}/amnetConfigVersion.cmake DESTINATION ${config_directory})
