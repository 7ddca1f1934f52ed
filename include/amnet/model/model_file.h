// A model as one safetensors file: the parameters by name in the usual layouts (convolution (out,
// in, kh, kw), fully connected columns in C,H,W order), and in its metadata what the net is and
// what its values are for (model/net_description.h).
//
//   save_model("face.safetensors", net, {.image = ImageRole{.input = "data"}, .embedding = "features"});
//   Model model = load_model("face.safetensors");
//   Model backbone = load_model("runs/a/last", {.until = Until::embedding});
//   Plan plan(backbone.net, {.batch = 32, .keep = {backbone.embedding()}});
#pragma once

#include <amnet/core/image_format.h>
#include <amnet/io/safetensors.h>
#include <amnet/model/model.h>
#include <amnet/model/net_description.h>

#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace amnet {

// --- writing -------------------------------------------------------------------------------------------------

/// Writes the net, durably. `more` is metadata that the caller adds. Throws UsageError that names a
/// layer which cannot be described, or a role whose value the net does not have.
void save_model(const std::filesystem::path& path, const Net& net, const Roles& roles = {}, const Metadata& more = {});

inline void save_model(const std::filesystem::path& path, const Model& model) { save_model(path, model.net, model.roles); }

/// The content that save_model writes. A net that cannot be described is written without its
/// description, with the reason in its place: only a program that builds the same net can read it
/// back (load_tensors), as a resumed run does.
SafetensorsFile model_content(const Net& net, const Roles& roles = {}, const Metadata& more = {});

// --- reading -------------------------------------------------------------------------------------------------

/// How much of a model is needed.
enum class Until : unsigned char {
  all,
  embedding  ///< what the embedding depends on: no other tensor is read
};

struct LoadOptions {
  Until until = Until::all;
  std::span<const LayerType> own = {};  ///< layer types that are not amnet's; the model keeps them
  DType dtype = DType::f32;             ///< of the net
};

/// Makes the net that a file describes, with its parameters. Roles of values that are not needed
/// are left out. `path` may also be a checkpoint directory, a pointer to one (`last`, `best`), or a
/// run directory, of which the newest intact checkpoint is taken. Throws FileError when there is
/// none, DataError naming what is missing, malformed or of another shape.
Model load_model(const std::filesystem::path& path, const LoadOptions& options = {});
/// The model file that `path` stands for (see load_model).
std::filesystem::path model_file_of(const std::filesystem::path& path);

/// The description of the net in the metadata of a file; nothing where the file has none. Throws
/// DataError naming `source` for one that cannot be read.
std::optional<NetDescription> stored_description(const Metadata& metadata, const std::string& source);

/// The image format that the model of a file expects; nothing where the file does not state it.
/// Throws DataError as above.
std::optional<ImageFormat> expected_input(const SafetensorsFile& file, const std::string& source);

// --- tensors -------------------------------------------------------------------------------------------------

/// Every parameter and buffer of the net in file layout.
std::vector<NamedTensor> tensors_of(const Net& net);
/// Fills every parameter and buffer of the net from a file that must hold them all; other tensors
/// of the file are ignored. Throws DataError naming `source` and the tensor that is missing or of
/// another shape.
void load_tensors(Net& net, const SafetensorsFile& file, const std::string& source);
/// The same, where those of `may_differ` may be missing or of another shape: this moves a backbone
/// to a new head. These are names of parameters, or of layers for all that they have. Returns the
/// names of those that were left unchanged. Throws DataError also where the file has no tensor of
/// the net, or none of its convolutions, with the names that are similar; UsageError for a name
/// that the net does not have.
std::vector<std::string> load_backbone(Net& net, const SafetensorsFile& file, const std::string& source,
                                       std::span<const std::string> may_differ);

}  // namespace amnet
