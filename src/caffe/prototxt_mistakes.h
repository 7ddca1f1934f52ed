// What is wrong in a text that the text format of protocol buffers refused, in the words of Caffe's
// users: which message has no such field and what it has, which value was expected.
#pragma once

#include <google/protobuf/descriptor.h>

#include <optional>
#include <string>
#include <string_view>

namespace amnet::caffe {

/// What a field holds: "an integer from 0 to 4294967295", "one of MAX, AVE, STOCHASTIC"; of many
/// names those that are most like the written one.
std::string expected_of(const google::protobuf::FieldDescriptor& field, std::string_view written = {});

/// A sentence on the first mistake, "net.prototxt:3: …", if it is not behind `last_line` (from 1).
/// `root` describes the message that the text should hold.
std::optional<std::string> first_mistake(std::string_view text, const std::string& file, const google::protobuf::Descriptor& root,
                                         int last_line);

}  // namespace amnet::caffe
