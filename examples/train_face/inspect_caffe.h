// What `inspect` prints of a file of Caffe's.
#pragma once

#include <amnet/caffe/caffe_file.h>

#include <filesystem>

/// Prints the tables. Throws as the reader of that kind does.
void print_caffe_file(const std::filesystem::path& file, amnet::CaffeFile kind);
