# libwebp's decoder -> libwebp::webp. Debian and Ubuntu ship no CMake package of it.
include(FindPackageHandleStandardArgs)

find_path(libwebp_INCLUDE_DIR webp/decode.h)
find_library(libwebp_LIBRARY webp)
mark_as_advanced(libwebp_INCLUDE_DIR libwebp_LIBRARY)
find_package_handle_standard_args(libwebp REQUIRED_VARS libwebp_LIBRARY libwebp_INCLUDE_DIR)

if(libwebp_FOUND AND NOT TARGET libwebp::webp)
  add_library(libwebp::webp UNKNOWN IMPORTED GLOBAL)
  set_target_properties(libwebp::webp PROPERTIES IMPORTED_LOCATION "${libwebp_LIBRARY}"
                                                 INTERFACE_INCLUDE_DIRECTORIES "${libwebp_INCLUDE_DIR}")
endif()
