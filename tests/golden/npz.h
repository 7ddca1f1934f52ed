// Reads NumPy's .npz to the extent that the golden numbers need: a zip of stored (uncompressed)
// .npy arrays of float32, or of float64 and int64, in C order.
#pragma once

#include <amnet/core/error.h>

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <sstream>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace golden {

/// An array in the layout of the reference code: N,C,H,W.
struct Array {
  std::vector<std::int64_t> shape;
  std::vector<float> values;
};

class Npz {
 public:
  explicit Npz(std::filesystem::path path) : path_(std::move(path)) {
    std::ifstream file(path_, std::ios::binary);
    bytes_.assign(std::istreambuf_iterator<char>(file), {});
    const std::size_t end = bytes_.rfind("PK\5\6");  // the end of central directory record
    expect(end != std::string::npos, "a zip file");
    std::size_t at = number(end + 16, 4);
    for (std::size_t left = number(end + 10, 2); left > 0; --left) {
      expect(number(at + 10, 2) == 0, "stored members");
      const std::size_t name = number(at + 28, 2), extra = number(at + 30, 2), comment = number(at + 32, 2), local = number(at + 42, 4);
      const std::string member = text(at + 46, name);
      const std::size_t data = local + 30 + number(local + 26, 2) + number(local + 28, 2);
      entries_[member.substr(0, member.rfind(".npy"))] = text(data, number(at + 20, 4));
      at += 46 + name + extra + comment;
    }
  }

  bool has(const std::string& name) const { return entries_.contains(name); }

  Array at(const std::string& name) const {
    Array array;
    read(name, "<f4", array.shape, array.values);
    return array;
  }
  /// float64 or int64 ("<f8", "<i8"), with its extents.
  template <class T>
  std::pair<std::vector<std::int64_t>, std::vector<T>> at_of(const std::string& name) const {
    std::pair<std::vector<std::int64_t>, std::vector<T>> array;
    read(name, std::is_same_v<T, double> ? "<f8" : "<i8", array.first, array.second);
    return array;
  }

 private:
  template <class T>
  void read(const std::string& name, const std::string& type, std::vector<std::int64_t>& shape, std::vector<T>& values) const {
    expect(has(name), "a member " + name);
    const std::string_view npy = entries_.at(name);
    expect(npy.starts_with("\x93NUMPY\1") && npy.size() >= 10, name + " to be .npy 1.0");
    const std::size_t length = static_cast<unsigned char>(npy[8]) + 256U * static_cast<unsigned char>(npy[9]);
    const std::string header(npy.substr(10, length));
    const std::size_t open = header.find("'shape': (");
    expect(header.find("'" + type + "'") != std::string::npos && header.find("'fortran_order': False") != std::string::npos &&
               open != std::string::npos,
           name + " to be " + type + " in C order");
    std::istringstream extents(header.substr(open + 10, header.find(')', open) - open - 10));
    std::size_t count = 1;
    for (std::string extent; std::getline(extents, extent, ',');) {
      // "(4,)" ends with nothing
      if (extent.find_first_of("0123456789") == std::string::npos) continue;
      shape.push_back(std::stoll(extent));
      count *= static_cast<std::size_t>(shape.back());
    }
    const std::string_view elements = npy.substr(10 + length);
    expect(elements.size() == count * sizeof(T), name + " to hold as many values as its shape");
    values.resize(count);
    std::memcpy(values.data(), elements.data(), elements.size());
  }
  std::string text(std::size_t offset, std::size_t length) const {
    expect(offset + length <= bytes_.size(), "all of its bytes");
    return bytes_.substr(offset, length);
  }
  std::size_t number(std::size_t offset, std::size_t bytes) const {
    expect(offset + bytes <= bytes_.size(), "all of its bytes");
    std::size_t value = 0;
    for (std::size_t i = bytes; i-- > 0;) value = 256 * value + static_cast<unsigned char>(bytes_[offset + i]);
    return value;
  }
  void expect(bool condition, const std::string& what) const {
    amnet::require<amnet::DataError>(condition, "{}: expected {}.", path_.string(), what);
  }

  std::filesystem::path path_;
  std::string bytes_;
  std::map<std::string, std::string> entries_;  // the .npy by name
};

}  // namespace golden
