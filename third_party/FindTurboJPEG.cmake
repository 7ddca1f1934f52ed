# libjpeg-turbo's own API -> TurboJPEG::TurboJPEG. Debian ships a CMake package, Ubuntu does not, and their names differ.
include(FindPackageHandleStandardArgs)

find_package(PkgConfig QUIET)
if(PkgConfig_FOUND)
  pkg_check_modules(PC_TURBOJPEG QUIET libturbojpeg)
  set(TurboJPEG_VERSION ${PC_TURBOJPEG_VERSION})
endif()
find_path(TurboJPEG_INCLUDE_DIR turbojpeg.h HINTS ${PC_TURBOJPEG_INCLUDE_DIRS})
find_library(TurboJPEG_LIBRARY turbojpeg HINTS ${PC_TURBOJPEG_LIBRARY_DIRS})
mark_as_advanced(TurboJPEG_INCLUDE_DIR TurboJPEG_LIBRARY)

if(TurboJPEG_VERSION)
  find_package_handle_standard_args(TurboJPEG REQUIRED_VARS TurboJPEG_LIBRARY TurboJPEG_INCLUDE_DIR VERSION_VAR TurboJPEG_VERSION)
else()
  # Without pkg-config there is no version to read; a header that is too old fails to compile.
  unset(TurboJPEG_FIND_VERSION)
  find_package_handle_standard_args(TurboJPEG REQUIRED_VARS TurboJPEG_LIBRARY TurboJPEG_INCLUDE_DIR)
endif()

if(TurboJPEG_FOUND AND NOT TARGET TurboJPEG::TurboJPEG)
  add_library(TurboJPEG::TurboJPEG UNKNOWN IMPORTED GLOBAL)
  set_target_properties(TurboJPEG::TurboJPEG PROPERTIES IMPORTED_LOCATION "${TurboJPEG_LIBRARY}"
                                                        INTERFACE_INCLUDE_DIRECTORIES "${TurboJPEG_INCLUDE_DIR}")
endif()
