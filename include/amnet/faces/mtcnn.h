// Faces and their five landmarks in photographs, by MTCNN (Zhang, Zhang, Li and Qiao, "Joint face
// detection and alignment using multitask cascaded convolutional networks", SPL 2016): P-Net looks
// at every place of a pyramid of sizes, R-Net and O-Net at what it found. The nets are the user's
// files of Caffe (det1, det2 and det3, .prototxt and .caffemodel); what happens between them is
// that of the authors' code.
//
//   const MtcnnNets nets = read_mtcnn("mtcnn");
//   Mtcnn mtcnn(nets, Cpu(1));
//   const Image photograph = read_image("ann.jpg", ChannelOrder::bgr);
//   for (const DetectedFace& face : mtcnn.detect(photograph, ChannelOrder::bgr)) {
//     fmt::print("{} at {}, {}\n", face.score, face.box.left, face.box.top);
//   }
#pragma once

#include <amnet/core/device.h>
#include <amnet/core/image_format.h>
#include <amnet/data/image.h>
#include <amnet/faces/alignment.h>

#include <array>
#include <cstddef>
#include <filesystem>
#include <memory>
#include <optional>
#include <vector>

namespace amnet {

struct MtcnnOptions {
  /// The shorter side of the smallest face that is looked for, in pixels of the photograph; 12 at
  /// least. Half of it takes four times as long.
  double min_face = 20;
  double factor = 0.709;  ///< from one size of the pyramid to the next, in (0,1)
  /// The least probabilities of P-, R- and O-Net, in [0,1].
  std::array<double, 3> thresholds = {0.6, 0.7, 0.7};
  /// Landmarks that are the mean of those of a face and of its mirror image: steadier, for one more
  /// run of O-Net.
  bool mirrored_landmarks = false;
  /// Bytes that the plans of each net may take, P-Net's for sizes of photographs; the least
  /// recently used are dropped.
  std::size_t plan_bytes = std::size_t{1} << 28;

  friend bool operator==(const MtcnnOptions&, const MtcnnOptions&) = default;
};

/// A rectangle in a photograph, in pixels. Pixel (0, 0) reaches from 0 to 1; parts of it may lie
/// outside.
struct Box {
  double left = 0, top = 0, width = 0, height = 0;
  Point centre() const { return {left + width / 2, top + height / 2}; }
};

struct DetectedFace {
  Box box;
  double score = 0;     ///< O-Net's probability, in [0,1]
  Landmarks landmarks;  ///< in pixel centres, as align_face takes them
};

/// The three nets. Detectors of several threads may share them.
struct MtcnnNets {
  struct Parts;
  std::shared_ptr<const Parts> parts;
};
/// Reads det1, det2 and det3 of a folder into the memory of the devices that will use them. Throws
/// FileError, or DataError naming a file that is damaged or whose net is another one.
MtcnnNets read_mtcnn(const std::filesystem::path& folder, Memory memory = Memory::host);

/// Finds faces, on one device; one for each thread.
class Mtcnn {
 public:
  /// Throws UsageError naming the first option that is out of range.
  Mtcnn(const MtcnnNets& nets, Device device, const MtcnnOptions& options = {});
  ~Mtcnn();
  Mtcnn(Mtcnn&&) noexcept;
  Mtcnn& operator=(Mtcnn&&) noexcept;

  /// The faces, in the order of falling scores. A photograph that is smaller than the smallest face
  /// has none.
  std::vector<DetectedFace> detect(const Image& photograph, ChannelOrder order);
  /// How many plans were made so far: a second photograph of a size makes none.
  std::int64_t plans_made() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Which of several faces counts: the one nearest to the centre (the reference pipeline), or the
/// one with the largest box.
enum class FaceChoice : unsigned char { nearest, largest, all };
constexpr std::array<std::string_view, 3> names_of(FaceChoice) { return {"nearest", "largest", "all"}; }

/// Those of the faces that are chosen: one at most, or all, in their order.
std::vector<DetectedFace> chosen(const std::vector<DetectedFace>& faces, FaceChoice choice, const Image& photograph);

}  // namespace amnet
