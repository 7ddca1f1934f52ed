// Files of Caffe's that tests write, and what their readers say of them.
#pragma once

#include "data/test_images.h"

#include <amnet/core/error.h>
#include <amnet/core/tensor.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

namespace caffe_files {

/// A folder with a file of the given bytes.
class Written {
 public:
  Written(const std::string& name, std::string_view bytes) : path_(folder_.path() / name) {
    std::ofstream(path_, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  }
  const std::filesystem::path& path() const { return path_; }

 private:
  test_images::TemporaryFolder folder_;
  std::filesystem::path path_;
};

/// The sentence of the DataError that `read` throws for such a file, without the folder; "" where
/// it throws none.
template <class Read>
std::string refusal(const std::string& name, std::string_view bytes, const Read& read) {
  const Written file(name, bytes);
  try {
    read(file.path());
  } catch (const amnet::DataError& error) {
    std::string sentence = error.what();
    const std::string folder = file.path().parent_path().string() + "/";
    for (std::size_t at = sentence.find(folder); at != std::string::npos; at = sentence.find(folder)) sentence.erase(at, folder.size());
    return sentence;
  }
  return "";
}

template <class T>
std::vector<T> values_of(const amnet::Tensor& tensor) {
  const auto values = tensor.data<T>();
  return {values.begin(), values.end()};
}

}  // namespace caffe_files
