# The classes of src/caffe/caffe.proto, which protoc writes into the build folder as
# caffe/caffe.pb.h and .cc: code of another project's program, so its warnings are switched off.
set(amnet_generated ${PROJECT_BINARY_DIR}/generated)
set(amnet_schema ${PROJECT_SOURCE_DIR}/src/caffe/caffe.proto)
set(amnet_schema_sources ${amnet_generated}/caffe/caffe.pb.cc ${amnet_generated}/caffe/caffe.pb.h)
file(MAKE_DIRECTORY ${amnet_generated})
add_custom_command(OUTPUT ${amnet_schema_sources}
                   COMMAND protobuf::protoc --cpp_out=${amnet_generated} -I${PROJECT_SOURCE_DIR}/src ${amnet_schema}
                   DEPENDS ${amnet_schema} COMMENT "Writing the classes of caffe.proto")
add_custom_target(amnet_caffe_schema DEPENDS ${amnet_schema_sources})
add_dependencies(amnet amnet_caffe_schema)
target_sources(amnet PRIVATE ${amnet_schema_sources})
target_include_directories(amnet SYSTEM PRIVATE ${amnet_generated})
set_source_files_properties(${amnet_schema_sources} PROPERTIES COMPILE_OPTIONS -w SKIP_PRECOMPILE_HEADERS ON)
