// A model as one safetensors file: the parameters by name in the layouts of the field (convolution (out, in, kh, kw), fully connected
// columns in C,H,W order), and in its metadata what the network is and what it expects of an image.
//
//   LoadedModel model = load_model("runs/a/last/model.safetensors");
//   Plan plan(model.net, {.batch = 32, .keep = {model.embedding}});
#pragma once

#include <amnet/core/image_format.h>
#include <amnet/faces/sphere_face.h>
#include <amnet/io/safetensors.h>
#include <amnet/net/net.h>

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace amnet {

/// What a file must say for somebody else to rebuild the network and feed it.
struct ModelDescription {
  SphereFaceOptions network;
  ImageFormat input;
  std::string embedding = "fc5";  ///< the layer whose output is the embedding
};

/// The name of the input that takes the images (N,H,W,3).
inline constexpr const char* images_name = "data";

/// A network built from its description: from the images to the embedding.
struct BuiltModel {
  Net net;
  Value images;
  Value embedding;
};
BuiltModel build_model(const ModelDescription& description, DType dtype = DType::f32);

struct LoadedModel {
  ModelDescription description;
  Net net;
  Value images;
  Value embedding;
  std::filesystem::path file = {};  ///< it was read from; empty for none
};

/// Reads a model file and builds its network; a training head in the file is left out.
/// `path` may also be a checkpoint directory, a pointer to one (`last`, `best`), or a run directory, of which the newest intact checkpoint
/// is taken.
/// Throws FileError when there is none, DataError naming what is missing, malformed or of another shape.
LoadedModel load_model(const std::filesystem::path& path);
/// The model file that `path` stands for (see load_model).
std::filesystem::path model_file_of(const std::filesystem::path& path);

/// The description as file metadata, and back. Throws DataError naming `source` and the key.
Metadata metadata_of(const ModelDescription& description);
ModelDescription description_of(const Metadata& metadata, const std::string& source);

/// What the model of a file expects of an image; nothing where the file is none of amnet's, and does not say. Throws DataError as above.
std::optional<ImageFormat> expected_input(const SafetensorsFile& file, const std::string& source);

/// Every parameter and buffer of the net in file layout.
std::vector<NamedTensor> tensors_of(const Net& net);
/// Fills every parameter and buffer of the net from a file that must hold them all; more in the file is left alone.
/// Throws DataError naming `source` and the tensor that is missing or of another shape.
void load_tensors(Net& net, const SafetensorsFile& file, const std::string& source);
/// Fills what the file has and answers the names it has not. A class-dependent tensor of another shape ("fc6.…") counts as missing:
/// that is how a backbone is taken to new people. Throws DataError for any other tensor of another shape, and where the file has no tensor
/// of the net, or none of its convolutions, with the names that look alike.
std::vector<std::string> load_known_tensors(Net& net, const SafetensorsFile& file, const std::string& source);

}  // namespace amnet
