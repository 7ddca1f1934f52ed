# libjpeg-turbo through libjpeg's API -> libjpegTurbo::jpeg. CMake's FindJPEG takes any libjpeg, and
# misses Debian's second folder of headers where the library is not the system's.
include(FindPackageHandleStandardArgs)

find_path(libjpegTurbo_INCLUDE_DIR jpeglib.h)
find_path(libjpegTurbo_CONFIG_INCLUDE_DIR jconfig.h)
find_library(libjpegTurbo_LIBRARY jpeg)
mark_as_advanced(libjpegTurbo_INCLUDE_DIR libjpegTurbo_CONFIG_INCLUDE_DIR libjpegTurbo_LIBRARY)
if(libjpegTurbo_CONFIG_INCLUDE_DIR)
  # Another libjpeg's header has no such line.
  file(STRINGS ${libjpegTurbo_CONFIG_INCLUDE_DIR}/jconfig.h version_line REGEX "define +LIBJPEG_TURBO_VERSION +[0-9]")
  string(REGEX REPLACE ".*LIBJPEG_TURBO_VERSION +([0-9.]+).*" "\\1" libjpegTurbo_VERSION "${version_line}")
endif()
find_package_handle_standard_args(libjpegTurbo REQUIRED_VARS libjpegTurbo_LIBRARY libjpegTurbo_INCLUDE_DIR libjpegTurbo_CONFIG_INCLUDE_DIR
                                                              libjpegTurbo_VERSION
                                               VERSION_VAR libjpegTurbo_VERSION)

if(libjpegTurbo_FOUND AND NOT TARGET libjpegTurbo::jpeg)
  add_library(libjpegTurbo::jpeg UNKNOWN IMPORTED GLOBAL)
  set_target_properties(libjpegTurbo::jpeg PROPERTIES IMPORTED_LOCATION "${libjpegTurbo_LIBRARY}"
                        INTERFACE_INCLUDE_DIRECTORIES "${libjpegTurbo_INCLUDE_DIR};${libjpegTurbo_CONFIG_INCLUDE_DIR}")
endif()
