// What a fuzzer passes to each reader of files, and what it expects: the reader accepts the bytes,
// or refuses them with a DataError whose sentence names the file. Everything else is a bug: another
// exception, a value that contradicts the reader's contract, and, in a program with sanitizers, a
// read outside of the bytes, a second of work or memory that the file does not justify.
//
//   for (const fuzz::Target& target : fuzz::targets) target.run(bytes);   // true if they were read
//
// A target's seeds are the files of tests/fuzz/corpus/<its name>.
#pragma once

#include <amnet/caffe/caffe_file.h>
#include <amnet/caffe/weights.h>
#include <amnet/core/error.h>
#include <amnet/faces/face_list.h>
#include <amnet/faces/landmark_table.h>
#include <amnet/faces/pairs.h>
#include <amnet/io/npy.h>
#include <amnet/io/safetensors.h>

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace fuzz {

using Bytes = std::span<const std::uint8_t>;

/// A file whose content is replaced again and again, because making a new one for each of a million
/// inputs would take most of the time. Removed at the end.
class File {
 public:
  explicit File(const std::string& ending) {
    std::string name = (std::filesystem::temp_directory_path() / ("amnet_fuzz_XXXXXX" + ending)).string();
    descriptor_ = ::mkstemps(name.data(), static_cast<int>(ending.size()));
    if (descriptor_ < 0) fail();
    path_ = name;
  }
  ~File() {
    ::close(descriptor_);
    std::error_code ignored;
    std::filesystem::remove(path_, ignored);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  const std::filesystem::path& path() const { return path_; }
  void hold(Bytes bytes) const {
    if (::ftruncate(descriptor_, 0) != 0) fail();
    for (std::size_t at = 0; at < bytes.size();) {
      const ssize_t written = ::pwrite(descriptor_, bytes.data() + at, bytes.size() - at, static_cast<off_t>(at));
      if (written <= 0) fail();
      at += static_cast<std::size_t>(written);
    }
  }

 private:
  [[noreturn]] static void fail() { throw std::system_error(errno, std::generic_category(), "the fuzzer's file"); }

  std::filesystem::path path_;
  int descriptor_;
};

inline void expect(bool condition, const std::string& sentence) {
  if (!condition) throw std::logic_error(sentence);
}

/// Whether `read` accepts the file. A refusal must be one sentence of moderate length.
template <class Read>
bool accepts(const std::filesystem::path& file, const Read& read) {
  constexpr std::size_t longest = 2000;
  try {
    read();
    return true;
  } catch (const amnet::DataError& error) {
    const std::string_view sentence = error.what();
    expect(sentence.find(file.string()) != std::string_view::npos, fmt::format("the message does not name the file: {}", sentence));
    expect(sentence.ends_with('.') && sentence.size() <= longest + file.string().size(), fmt::format("no sentence: {}", sentence));
    return false;
  }
}

inline bool is_same(const amnet::Tensor& one, const amnet::Tensor& other) {
  return one.shape() == other.shape() && one.dtype() == other.dtype() &&
         (one.size_bytes() == 0 || std::memcmp(one.raw(), other.raw(), one.size_bytes()) == 0);
}

// ---- Caffe's files ----

inline bool net_prototxt(Bytes bytes) {
  static const File file(".prototxt");
  file.hold(bytes);
  amnet::caffe_file_kind(file.path());
  return accepts(file.path(), [&] {
    const amnet::CaffeNet net = amnet::read_caffe_net(file.path());
    const auto lines = 1 + std::ranges::count(bytes, '\n');
    for (const amnet::CaffeLayer& layer : net.layers) {
      expect(layer.line >= 1 && layer.line <= lines, fmt::format("line {} of {}", layer.line, lines));
      for (const auto& [name, value] : layer.options.entries()) amnet::text_of(value);
    }
  });
}

inline bool solver_prototxt(Bytes bytes) {
  static const File file(".prototxt");
  file.hold(bytes);
  amnet::caffe_file_kind(file.path());
  return accepts(file.path(), [&] {
    const amnet::CaffeSolver solver = amnet::read_caffe_solver(file.path());
    for (const auto& [name, value] : solver.options.entries()) amnet::text_of(value);
  });
}

/// Tensors that hold no more than the file can.
inline void expect_from(Bytes bytes, std::span<const amnet::Tensor> tensors) {
  std::size_t size = 0;
  for (const amnet::Tensor& tensor : tensors) size += tensor.size_bytes();
  expect(size < bytes.size(), fmt::format("{} bytes of tensors from {} of a file", size, bytes.size()));
}

inline bool caffemodel(Bytes bytes) {
  static const File file(".caffemodel");
  file.hold(bytes);
  amnet::caffe_file_kind(file.path());
  return accepts(file.path(), [&] {
    const amnet::CaffeWeights weights = amnet::read_caffemodel(file.path());
    expect(!weights.layers.empty(), "no layer");
    for (const amnet::CaffeLayerBlobs& layer : weights.layers) expect_from(bytes, layer.blobs);
  });
}

inline bool solverstate(Bytes bytes) {
  static const File file(".solverstate");
  file.hold(bytes);
  amnet::caffe_file_kind(file.path());
  return accepts(file.path(), [&] {
    const amnet::CaffeSolverState state = amnet::read_solverstate(file.path());
    expect(state.step >= 0 && state.current_step >= 0, "a step below 0");
    expect_from(bytes, state.history);
  });
}

inline bool mean_binaryproto(Bytes bytes) {
  static const File file(".binaryproto");
  file.hold(bytes);
  amnet::caffe_file_kind(file.path());
  return accepts(file.path(), [&] {
    const amnet::Tensor mean = amnet::read_caffe_mean(file.path());
    expect(mean.rank() == 3, "no image");
    expect_from(bytes, std::span(&mean, 1));
  });
}

// ---- tensors ----

/// From memory and from a file, part of it and all of it; what was read is written and read again.
inline bool safetensors(Bytes bytes) {
  static const File file(".safetensors");
  file.hold(bytes);
  const bool in_memory = accepts("memory", [&] {
    const amnet::SafetensorsFile read = amnet::parse_safetensors(std::as_bytes(bytes), "memory");
    std::vector<std::byte> written;
    amnet::write_safetensors([&](std::span<const std::byte> piece) { written.insert(written.end(), piece.begin(), piece.end()); },
                             read.tensors, read.metadata);
    const amnet::SafetensorsFile again = amnet::parse_safetensors(written, "memory");
    expect(again.metadata == read.metadata && again.tensors.size() == read.tensors.size(), "other content when it is read again");
    for (const amnet::NamedTensor& named : read.tensors) {
      const amnet::Tensor* found = again.find(named.name);
      expect(found != nullptr && is_same(*found, named.tensor), "another tensor when it is read again");
    }
  });
  const bool from_file = accepts(file.path(), [&] {
    const amnet::SafetensorsReader reader(file.path());
    const amnet::SafetensorsFile part = reader.read([](std::string_view name) { return name.size() % 2 == 0; });
    const std::size_t parts = part.tensors.size() + part.unread.size() + part.unwanted.size();
    expect(part.metadata == reader.metadata() && reader.stored().size() == parts, "other content when a part is read");
    for (const amnet::StoredTensor& stored : reader.stored()) accepts(file.path(), [&] { part.find(stored.name); });
    amnet::read_safetensors(file.path());
  });
  expect(in_memory == from_file, "the same bytes are read from memory and refused from a file, or the reverse");
  return from_file;
}

/// What was read is written and read again.
inline bool npy(Bytes bytes) {
  static const File file(".npy"), written(".npy");
  file.hold(bytes);
  return accepts(file.path(), [&] {
    const amnet::Tensor read = amnet::read_npy(file.path());
    amnet::write_npy(written.path(), read);
    expect(is_same(amnet::read_npy(written.path()), read), "another tensor when it is read again");
  });
}

// ---- lists of faces ----

inline void look_at(const amnet::FaceList& list) {
  expect(!list.empty() && list.bytes() > 0, "an empty list");
  for (std::int64_t i = 0; i < list.size(); ++i) {
    expect(list.label(i) >= 0 && list.label(i) < list.classes(), "a label of no class");
    expect(list.line(i) >= 1 && !list.path(i).empty(), "an image without a line or a path");
    list.where(i);
    list.identity(i);
  }
  const amnet::UnusedLabels unused = amnet::unused_labels(list);
  expect(unused.count >= 0 && unused.count < list.classes(), "more unused labels than labels");
  amnet::label_table(list);
}

/// With every option; what follows the first form feed is the file of identities to exclude.
inline bool face_list(Bytes bytes) {
  static const File file(".list"), exclude(".names");
  const auto end = std::ranges::find(bytes, '\f');
  const auto size = static_cast<std::size_t>(end - bytes.begin());
  file.hold(bytes.first(size));
  exclude.hold(bytes.subspan(std::min(size + 1, bytes.size())));
  constexpr std::int64_t few = 3;
  std::array<bool, 4> read{};
  const std::array<amnet::ListOptions, 4> options = {{{}, {.classes = few}, {.relabel = true}, {.exclude = exclude.path()}}};
  for (std::size_t i = 0; i < options.size(); ++i) {
    read[i] = accepts(file.path(), [&] { look_at(amnet::read_face_list(file.path(), file.path().parent_path(), options[i])); });
  }
  expect(read[0] || !(read[1] || read[3]), "a list is read with an option that refuses more, and refused without");
  expect(read[2] || !read[0], "a list is refused with labels of any number, and read without");
  return read[0];
}

/// The images that a list of pairs finds.
class FewImages final : public amnet::ImageSource {
 public:
  FewImages() : ImageSource("faces") {}
  bool contains(std::string_view) const override { return false; }
  void for_each_file_in(const std::unordered_set<std::string>& folders,
                        const std::function<void(std::string_view path)>& found) const override {
    for (const std::string& folder : folders) {
      for (const char* const image : {"_0001.png", "_0001.jpg", "_0002.bmp", "_0003.txt"}) found(folder + "/" + folder + image);
    }
  }
  std::string alike(std::string_view path) const override { return path.find('a') == std::string_view::npos ? "" : "b/b_0001.jpg"; }
  std::span<const std::byte> read(std::string_view, std::string_view, std::vector<std::byte>&) const override { return {}; }
  void prefetch(std::string_view) const override {}
};

inline bool pairs(Bytes bytes) {
  static const File file(".pairs");
  static const FewImages images;
  file.hold(bytes);
  const bool read = accepts(file.path(), [&] {
    const amnet::Pairs list = amnet::read_pairs(file.path());
    const auto count = static_cast<std::int32_t>(list.images.size());
    expect(list.people.size() == list.images.size() && list.lines.size() == list.images.size(), "images without a person or a line");
    for (const amnet::Pair& pair : list.pairs) {
      expect(pair.a >= 0 && pair.a < count && pair.b >= 0 && pair.b < count && pair.a != pair.b, "a pair of no images");
      expect(pair.fold >= 0 && pair.fold < list.folds, "a pair in no fold");
    }
  });
  const bool found = accepts(file.path(), [&] { amnet::read_pairs(file.path(), images); });
  const bool skipped = accepts(file.path(), [&] { amnet::read_pairs(file.path(), images, amnet::BadImages::skip); });
  expect(skipped == read && (read || !found), "a list is refused because images are missing, or read without being one");
  return read;
}

// ---- tables of landmarks ----

inline bool landmark_table(Bytes bytes) {
  static const File file(".csv");
  file.hold(bytes);
  return accepts(file.path(), [&] {
    for (const auto& [photograph, faces] : amnet::read_landmark_table(file.path()).photographs) {
      expect(!photograph.empty() && !faces.empty(), "a photograph without a name or a face");
      for (const amnet::DetectedFace& face : faces) {
        for (const amnet::Point& point : face.landmarks)
          expect(std::abs(point.x) <= 1e6 && std::abs(point.y) <= 1e6, "a landmark far away");
        expect(face.box.width > 0 && face.box.height > 0, "a box without pixels");
      }
    }
  });
}

// ---- all of them ----

struct Target {
  std::string_view name;
  bool (*run)(Bytes);
};

inline constexpr std::array targets = {
    Target{"caffemodel", caffemodel},
    Target{"face_list", face_list},
    Target{"landmark_table", landmark_table},
    Target{"mean_binaryproto", mean_binaryproto},
    Target{"net_prototxt", net_prototxt},
    Target{"npy", npy},
    Target{"pairs", pairs},
    Target{"safetensors", safetensors},
    Target{"solver_prototxt", solver_prototxt},
    Target{"solverstate", solverstate},
};

}  // namespace fuzz
