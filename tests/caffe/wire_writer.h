// Writes the wire format of protocol buffers by hand, so that the tests of its reader share no code
// with it.
//
//   wire::Message blob;
//   blob.packed<float>(5, {1, 2, 3});
//   wire::Message layer;
//   layer.text(1, "conv").text(2, "Convolution").message(7, blob);
#pragma once

#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace wire {

class Message {
 public:
  const std::string& bytes() const { return bytes_; }

  Message& varint(int number, std::int64_t value) {
    tag(number, 0);
    raw_varint(static_cast<std::uint64_t>(value));
    return *this;
  }
  Message& text(int number, std::string_view text) {
    tag(number, 2);
    raw_varint(text.size());
    bytes_.append(text);
    return *this;
  }
  Message& message(int number, const Message& message) { return text(number, message.bytes()); }
  /// All values in one field.
  template <class T>
  Message& packed(int number, const std::vector<T>& values) {
    return text(number, {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)});
  }
  /// A field for each value.
  template <class T>
  Message& unpacked(int number, const std::vector<T>& values) {
    for (const T value : values) {
      tag(number, sizeof(T) == 4 ? 5 : 1);
      bytes_.append(reinterpret_cast<const char*>(&value), sizeof(T));
    }
    return *this;
  }
  Message& packed_varints(int number, const std::vector<std::int64_t>& values) {
    Message list;
    for (const std::int64_t value : values) list.raw_varint(static_cast<std::uint64_t>(value));
    return message(number, list);
  }
  Message& raw(std::string_view bytes) {
    bytes_.append(bytes);
    return *this;
  }

 private:
  void tag(int number, int wire) { raw_varint(static_cast<std::uint64_t>(number) << 3 | static_cast<std::uint64_t>(wire)); }
  void raw_varint(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) bytes_.push_back(static_cast<char>(value | 0x80));
    bytes_.push_back(static_cast<char>(value));
  }

  std::string bytes_;
};

// Caffe's messages, with the numbers of its format.

inline Message shape(const std::vector<std::int64_t>& extents) {
  Message message;
  if (!extents.empty()) message.packed_varints(1, extents);
  return message;
}
inline Message blob(const std::vector<std::int64_t>& extents, const std::vector<float>& values) {
  return Message().packed(5, values).message(7, shape(extents));
}
inline Message layer(std::string_view name, std::string_view type, const std::vector<Message>& blobs) {
  Message message;
  message.text(1, name).text(2, type);
  for (const Message& blob : blobs) message.message(7, blob);
  return message;
}
inline Message net(std::string_view name, const std::vector<Message>& layers) {
  Message message;
  message.text(1, name);
  for (const Message& layer : layers) message.message(100, layer);
  return message;
}

}  // namespace wire
