#include "caffe/caffe.pb.h"
#include "core/nearest_names.h"
#include "upgrade.h"
#include "whole_file.h"
#include "wire.h"

#include <amnet/caffe/weights.h>

#include <fmt/ranges.h>

#include <array>
#include <bit>
#include <cstring>
#include <limits>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

namespace amnet {
namespace {

using caffe::Bytes;
using caffe::Wire;
using caffe::WireField;
using caffe::WireReader;
using caffe_schema::BlobProto;
using caffe_schema::BlobShape;
using caffe_schema::LayerParameter;
using caffe_schema::NetParameter;
using caffe_schema::SolverState;
using caffe_schema::V1LayerParameter;

static_assert(std::endian::native == std::endian::little, "the files are little-endian and are copied to memory as they are");

// Bounds on what a damaged file can make of two bytes; nets have some thousands.
constexpr std::size_t most_layers = 100'000, most_blobs = 100'000;

/// A file in memory, and its name for messages.
struct Source {
  Source(const std::filesystem::path& path, std::string_view expected)
      : name(path.string()), what(expected), bytes(caffe::read_binary(path, expected)) {}
  WireReader fields() const { return fields(bytes, name); }
  /// `where` names the message, and outlives the reader.
  WireReader fields(Bytes message, const std::string& where) const { return WireReader(where, bytes, message); }

  std::string name;
  std::string what;
  std::vector<std::byte> bytes;
};

std::string_view as_text(Bytes bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

// In what follows `where` names the message of a field: "x.caffemodel", "x.caffemodel: layer
// 'conv1', blob 0".

void expect_wire(const Source& source, const std::string& where, const WireField& field, bool fits, std::string_view name) {
  require<DataError>(fits, "{}: expected {} but the field {} ('{}') is of another kind; the file is another one, or damaged.", where,
                     source.what, field.number, name);
}
void expect_bytes(const Source& source, const std::string& where, const WireField& field, std::string_view name) {
  expect_wire(source, where, field, field.wire == Wire::bytes, name);
}
std::int64_t integer(const Source& source, const std::string& where, const WireField& field, std::string_view name) {
  expect_wire(source, where, field, field.wire == Wire::varint, name);
  return static_cast<std::int64_t>(field.value);
}

/// What a BlobProto says beside its values.
struct BlobHead {
  std::vector<std::int64_t> extents;  // the first ones of `axes`
  std::size_t axes = 0;
  std::array<std::optional<std::int64_t>, 4> older;  // num, channels, height, width
  std::size_t floats = 0, doubles = 0;

  void add_extent(std::int64_t extent) {
    if (axes++ <= static_cast<std::size_t>(Shape::max_rank)) extents.push_back(extent);
  }
};

void read_extents(const Source& source, Bytes message, const std::string& where, BlobHead& head) {
  for (WireReader reader = source.fields(message, where); const auto field = reader.next();) {
    if (field->number != BlobShape::kDimFieldNumber) continue;
    if (field->wire != Wire::bytes) {
      head.add_extent(integer(source, where, *field, "dim"));
      continue;
    }
    for (Bytes rest = field->bytes; !rest.empty();) {
      const auto extent = caffe::take_varint(rest);
      require<DataError>(extent.has_value(), "{}: expected extents but its shape is cut short; the file is damaged.", where);
      head.add_extent(static_cast<std::int64_t>(*extent));
    }
  }
}

// The number of values in a field, whether it holds one of them or many (packed).
std::size_t values_in(const Source& source, const std::string& where, const WireField& field, std::size_t size, std::string_view name) {
  const bool one = field.wire == (size == sizeof(float) ? Wire::fixed32 : Wire::fixed64);
  expect_wire(source, where, field, one || field.wire == Wire::bytes, name);
  require<DataError>(field.bytes.size() % size == 0,
                     "{}: expected values of {} bytes each but '{}' has {} bytes in all; the file is damaged.", where, size, name,
                     field.bytes.size());
  return field.bytes.size() / size;
}

BlobHead read_head(const Source& source, Bytes message, const std::string& where) {
  constexpr std::array older_names = {"num", "channels", "height", "width"};
  BlobHead head;
  for (WireReader reader = source.fields(message, where); const auto field = reader.next();) {
    switch (field->number) {
      case BlobProto::kNumFieldNumber:
      case BlobProto::kChannelsFieldNumber:
      case BlobProto::kHeightFieldNumber:
      case BlobProto::kWidthFieldNumber: {
        const auto axis = static_cast<std::size_t>(field->number - BlobProto::kNumFieldNumber);
        head.older[axis] = integer(source, where, *field, older_names[axis]);
        break;
      }
      case BlobProto::kShapeFieldNumber:
        expect_bytes(source, where, *field, "shape");
        read_extents(source, field->bytes, where, head);
        break;
      case BlobProto::kDataFieldNumber: head.floats += values_in(source, where, *field, sizeof(float), "data"); break;
      case BlobProto::kDoubleDataFieldNumber: head.doubles += values_in(source, where, *field, sizeof(double), "double_data"); break;
      default: break;  // gradients, which training does not need
    }
  }
  return head;
}

/// The shape, with as many elements as there are values.
Shape shape_of(BlobHead head, std::size_t values, const std::string& where) {
  const bool older = head.older[0] || head.older[1] || head.older[2] || head.older[3];
  if (head.axes == 0 && older) {
    for (const auto& extent : head.older) head.add_extent(extent.value_or(0));
  }
  if (head.axes == 0) return Shape({static_cast<std::int64_t>(values)});
  const std::string shape = fmt::format("({}{})", fmt::join(head.extents, ","), head.axes > head.extents.size() ? ",…" : "");
  require<DataError>(head.axes <= static_cast<std::size_t>(Shape::max_rank),
                     "{}: expected at most {} axes but its shape {} has {}; amnet has no layer for it.", where,
                     static_cast<int>(Shape::max_rank), shape, head.axes);
  std::uint64_t count = 1;
  for (const std::int64_t extent : head.extents) {
    require<DataError>(extent > 0,
                       "{}: expected extents of at least 1 but its shape is {}; the file is damaged, or its net was not set up.", where,
                       shape);
    // beyond what any file holds the exact number does not matter
    count = count > std::numeric_limits<std::uint64_t>::max() / static_cast<std::uint64_t>(extent)
                ? std::numeric_limits<std::uint64_t>::max()
                : count * static_cast<std::uint64_t>(extent);
  }
  require<DataError>(count == values,
                     "{}: expected {} values for its shape {} but it has {}; the file is damaged, or was not written by Caffe.", where,
                     count, shape, values);
  return Shape(head.extents);
}

Tensor read_blob(const Source& source, Bytes message, const std::string& where) {
  const BlobHead head = read_head(source, message, where);
  require<DataError>(head.floats > 0 || head.doubles > 0, "{}: expected values but it has none; the file is damaged, or holds no weights.",
                     where);
  require<DataError>(head.floats == 0 || head.doubles == 0,
                     "{}: expected floats or doubles but it has {} of the former and {} of the latter.", where, head.floats, head.doubles);
  const int number = head.floats > 0 ? BlobProto::kDataFieldNumber : BlobProto::kDoubleDataFieldNumber;
  const Tensor tensor(shape_of(head, head.floats + head.doubles, where), head.floats > 0 ? DType::f32 : DType::f64);
  std::byte* to = tensor.raw();
  for (WireReader reader = source.fields(message, where); const auto field = reader.next();) {
    if (field->number != number || field->bytes.empty()) continue;
    std::memcpy(to, field->bytes.data(), field->bytes.size());
    to += field->bytes.size();
  }
  return tensor;
}

/// Field numbers of a layer, which differ between the formats.
struct LayerFields {
  int name, type, blobs;
};
constexpr LayerFields fields_now = {LayerParameter::kNameFieldNumber, LayerParameter::kTypeFieldNumber, LayerParameter::kBlobsFieldNumber};
constexpr LayerFields fields_v1 = {V1LayerParameter::kNameFieldNumber, V1LayerParameter::kTypeFieldNumber,
                                   V1LayerParameter::kBlobsFieldNumber};

CaffeLayerBlobs read_layer(const Source& source, Bytes message, bool is_v1, std::size_t blobs_before) {
  const LayerFields numbers = is_v1 ? fields_v1 : fields_now;
  CaffeLayerBlobs layer;
  std::vector<Bytes> blobs;
  for (WireReader reader = source.fields(message, source.name); const auto field = reader.next();) {
    if (field->number == numbers.name) {
      expect_bytes(source, source.name, *field, "name");
      layer.name = as_text(field->bytes);
    } else if (field->number == numbers.type && is_v1) {
      layer.type = caffe::type_of_v1(integer(source, source.name, *field, "type"));
    } else if (field->number == numbers.type) {
      expect_bytes(source, source.name, *field, "type");
      layer.type = as_text(field->bytes);
    } else if (field->number == numbers.blobs) {
      expect_bytes(source, source.name, *field, "blobs");
      require<DataError>(blobs_before + blobs.size() < most_blobs, "{}: expected at most {} blobs but there are more; the file is damaged.",
                         source.name, most_blobs);
      blobs.push_back(field->bytes);
    } else if (is_v1 && field->number == V1LayerParameter::kLayerFieldNumber) {
      throw DataError(fmt::format("{}: {}", source.name, caffe::v0_is_not_read));
    }
  }
  for (std::size_t i = 0; i < blobs.size(); ++i) {
    layer.blobs.push_back(read_blob(source, blobs[i], fmt::format("{}: layer '{}', blob {}", source.name, shown(layer.name), i)));
  }
  return layer;
}

}  // namespace

CaffeWeights read_caffemodel(const std::filesystem::path& path) {
  const Source source(path, "a caffemodel");
  CaffeWeights weights;
  std::set<std::string> names;
  std::size_t blobs = 0;
  for (WireReader reader = source.fields(); const auto field = reader.next();) {
    if (field->number == NetParameter::kNameFieldNumber) {
      expect_bytes(source, source.name, *field, "name");
      weights.net = as_text(field->bytes);
    }
    const bool is_v1 = field->number == NetParameter::kLayersFieldNumber;
    if (!is_v1 && field->number != NetParameter::kLayerFieldNumber) continue;
    expect_bytes(source, source.name, *field, is_v1 ? "layers" : "layer");
    require<DataError>(weights.layers.size() < most_layers, "{}: expected at most {} layers but there are more; the file is damaged.",
                       source.name, most_layers);
    CaffeLayerBlobs layer = read_layer(source, field->bytes, is_v1, blobs);
    blobs += layer.blobs.size();
    require<DataError>(names.insert(layer.name).second, "{}: expected a name for each layer but two are named '{}'; rename one of them.",
                       source.name, shown(layer.name));
    weights.layers.push_back(std::move(layer));
  }
  require<DataError>(!weights.layers.empty(), "{}: expected a caffemodel but it has no layer; the file is another one, or damaged.",
                     source.name);
  return weights;
}

CaffeSolverState read_solverstate(const std::filesystem::path& path) {
  const Source source(path, "a solverstate");
  CaffeSolverState state;
  bool has_step = false;
  for (WireReader reader = source.fields(); const auto field = reader.next();) {
    switch (field->number) {
      case SolverState::kIterFieldNumber:
        state.step = integer(source, source.name, *field, "iter");
        has_step = true;
        break;
      case SolverState::kLearnedNetFieldNumber:
        expect_bytes(source, source.name, *field, "learned_net");
        state.learned_net = as_text(field->bytes);
        break;
      case SolverState::kHistoryFieldNumber:
        expect_bytes(source, source.name, *field, "history");
        require<DataError>(state.history.size() < most_blobs, "{}: expected at most {} blobs but there are more; the file is damaged.",
                           source.name, most_blobs);
        state.history.push_back(read_blob(source, field->bytes, fmt::format("{}: history, blob {}", source.name, state.history.size())));
        break;
      case SolverState::kCurrentStepFieldNumber: state.current_step = integer(source, source.name, *field, "current_step"); break;
      default: break;
    }
  }
  require<DataError>(has_step, "{}: expected a solverstate but it has no step ('iter'); the file is another one, or damaged.", source.name);
  constexpr std::int64_t last = std::numeric_limits<std::int32_t>::max();
  for (const auto& [name, step] : {std::pair("iter", state.step), std::pair("current_step", state.current_step)}) {
    require<DataError>(0 <= step && step <= last, "{}: expected a step from 0 to {} but '{}' is {}; the file is damaged.", source.name,
                       last, name, step);
  }
  return state;
}

Tensor read_caffe_mean(const std::filesystem::path& path) {
  const Source source(path, "a mean image");
  const Tensor mean = read_blob(source, source.bytes, fmt::format("{}: mean image", source.name));
  const Shape& shape = mean.shape();
  if (shape.rank() == 4 && shape[0] == 1) return mean.reshaped({shape[1], shape[2], shape[3]});
  require<DataError>(shape.rank() == 3, "{}: expected a mean image (1,C,H,W) but its shape is {}.", source.name, shape);
  return mean;
}

}  // namespace amnet
