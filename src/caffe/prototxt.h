// Caffe's text files, read with the text format of protocol buffers into the messages of
// caffe.proto, older forms changed to the current one. Every mistake in a file is a DataError of
// one sentence with file and line. Refused although Caffe reads it: `param { name: … }`, which
// shares weights, and weights inside the text.
#pragma once

#include "caffe/caffe.pb.h"

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace amnet::caffe {

/// A net, and where its layers are in the file.
struct NetText {
  caffe_schema::NetParameter net;
  std::string file;
  std::vector<int> lines;  ///< one for each layer, counted from 1
};

/// Throws FileError where the file cannot be read, DataError for its content.
NetText read_net_prototxt(const std::filesystem::path& path);
caffe_schema::SolverParameter read_solver_prototxt(const std::filesystem::path& path);

/// The same of a text; `file` names it in messages.
NetText parse_net_prototxt(std::string_view text, const std::string& file);
caffe_schema::SolverParameter parse_solver_prototxt(std::string_view text, const std::string& file);

}  // namespace amnet::caffe
