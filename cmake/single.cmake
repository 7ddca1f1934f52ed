# amnet in one header (tools/amalgamate.py): target amnet::single, for programs that include
# <amnet/amnet.h> or "amnet.h" and compile the definitions themselves, with AMNET_IMPLEMENTATION
# defined in one file.
find_package(Python3 3.8 QUIET COMPONENTS Interpreter)
if(NOT Python3_FOUND)
  return()  # Python is needed only for this target
endif()
set(amnet_single_header ${PROJECT_BINARY_DIR}/single/amnet/amnet.h)
file(GLOB_RECURSE amnet_single_sources CONFIGURE_DEPENDS include/amnet/*.h src/*.h src/*.cpp)
add_custom_command(OUTPUT ${amnet_single_header}
                   COMMAND Python3::Interpreter ${PROJECT_SOURCE_DIR}/tools/amalgamate.py --out ${amnet_single_header}
                   DEPENDS ${PROJECT_SOURCE_DIR}/tools/amalgamate.py ${amnet_single_sources} COMMENT "Writing amnet as one header")
add_custom_target(amnet_single_is_written DEPENDS ${amnet_single_header})

add_library(amnet_single INTERFACE)
add_library(amnet::single ALIAS amnet_single)
add_dependencies(amnet_single amnet_single_is_written)
target_compile_features(amnet_single INTERFACE cxx_std_20)
target_include_directories(amnet_single INTERFACE ${PROJECT_BINARY_DIR}/single ${PROJECT_BINARY_DIR}/single/amnet)
target_link_libraries(amnet_single INTERFACE fmt::fmt-header-only nlohmann_json::nlohmann_json xxHash::xxHash Threads::Threads)
