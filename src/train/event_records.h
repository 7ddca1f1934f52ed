// The records of an event file of TensorBoard: protobuf messages `Event`
// (tensorboard/compat/proto/event.proto and summary.proto of tensorflow/tensorboard), each in the
// frame of TFRecord (tensorflow.org, "TFRecords Format Details"):
//
//   u64 length, u32 masked CRC-32C of these 8 bytes, the message, u32 masked CRC-32C of it
//
// with little-endian numbers, and a CRC masked as rotate_right(crc, 15) + 0xa282ead8. The five
// fields that amnet writes need no library for protobuf.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace amnet::event_records {

/// The CRC of iSCSI (Castagnoli; RFC 3720, section 12.1).
std::uint32_t crc32c(std::string_view bytes);

struct Scalar {
  std::string tag;
  double value = 0;  ///< stored as a float
};

// Each is one record; `time` is in seconds since 1970.

/// The first of a file: "brain.Event:2".
std::string version(double time);
/// SessionLog START: a reader drops what it has of this step and later ones, which come again.
std::string start(double time, std::int64_t step);
std::string scalars(double time, std::int64_t step, std::span<const Scalar> scalars);

}  // namespace amnet::event_records
