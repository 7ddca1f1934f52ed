// Builds a net of amnet from a net of Caffe: an ordinary net, which can be planned, trained, saved
// and loaded as any other, with the layers' names of the file. Where Caffe's arithmetic differs
// from the exact one, or that of its CPU code from that of its GPU code, the layers compute what
// the reference code (happynear/caffe-windows) computes: docs/numerics.md lists where.
//
//   CaffeModel caffe = import_caffe_net(read_caffe_net("deploy.prototxt"));
//   CaffeLoaded loaded = load_caffe_weights(read_caffemodel("face.caffemodel"), caffe, "face.caffemodel");
//   Plan plan(caffe.model.net, {.batch = 8, .keep = {caffe.value("gap")}});
//
// Not imported: layer types and fields that amnet does not have, and weights shared by name. They
// are refused with file, line and name.
#pragma once

#include <amnet/caffe/caffe_file.h>
#include <amnet/caffe/weights.h>
#include <amnet/model/model.h>

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace amnet {

/// The code of Caffe whose numbers the net has: as a solver's `solver_mode` names it.
enum class CaffeEngine : unsigned char { cpu, gpu };
constexpr std::array<std::string_view, 2> names_of(CaffeEngine) { return {"CPU", "GPU"}; }

/// The images of a layer that reads files, where the prototxt does not say how large they are.
struct CaffeImage {
  std::int64_t channels = 3, height = 0, width = 0;
};

struct CaffeImportOptions {
  Phase phase = Phase::test;  ///< which layers are in the net
  std::int64_t level = 0;
  std::vector<std::string> stages = {};
  CaffeEngine engine = CaffeEngine::gpu;
  std::optional<CaffeImage> image = {};
  /// where the net takes grey images (one channel), its input takes those of three channels, as
  /// every other net's, and a layer makes them grey
  bool grey_from_color = false;
  DType dtype = DType::f32;  ///< of the net
};

/// An input of the net, and the layer that feeds it in Caffe.
struct CaffeInput {
  std::string name;         ///< of the input: that of the top
  std::string layer, type;  ///< "data", "ImageData"
  Options options;          ///< all fields of that layer
};

/// A blob of Caffe and the parameter that holds its values.
struct CaffeParameter {
  enum class Form : unsigned char {
    plain,       ///< in the same order
    transposed,  ///< a matrix whose extents are exchanged
    sum_of_past  ///< a running statistic: the blob is the statistic times the weight of the past
  };
  std::string layer;      ///< of Caffe
  int index = 0;          ///< among its blobs
  std::string parameter;  ///< of the net: "conv1_1.weight"
  Form form = Form::plain;
  std::vector<std::int64_t> shape;  ///< as Caffe has it
};

struct CaffeModel {
  Model model = {};
  std::string file = {};  ///< the prototxt, for messages
  std::vector<CaffeInput> inputs = {};
  /// the value that each blob of Caffe is in the end (layers may write over one), by name
  std::map<std::string, std::string> blobs = {};
  std::vector<CaffeParameter> parameters = {};  ///< in the order of Caffe's net, frozen ones too
  /// the value that has a number for each class, before margins and scales: the product of the
  /// embedding with the class weights, or a distance; empty where there is none
  std::string logits = {};
  /// sentences about what has no effect although the file says it: blocks of another layer type
  std::vector<std::string> notes = {};
  bool least_logit = false;  ///< the class is that of the least of them: they are distances

  /// Throws UsageError for a blob that the net does not have.
  Value value(std::string_view blob) const;
};

/// Throws DataError of one sentence with file, line and layer for what cannot be imported.
CaffeModel import_caffe_net(const CaffeNet& net, const CaffeImportOptions& options = {});

/// The channels of the images that weights are for: what their first convolution reads. Nothing
/// where they have none.
std::optional<std::int64_t> image_channels_of(const CaffeWeights& weights);

/// What was not copied, each as "layer" or "layer/index".
struct CaffeLoaded {
  std::vector<std::string> left_out;  ///< of the file: layers that the net does not have
  std::vector<std::string> missing;   ///< of the net: blobs that the file does not have
  std::vector<std::string> unlike;    ///< in both, of another shape; `keep_unlike` alone
};

struct CaffeLoadOptions {
  /// leaves a layer as it is whose blobs have other shapes in the file (another head); otherwise
  /// they are refused
  bool keep_unlike = false;
};

/// Copies the blobs of all layers that both have, by the layers' names. Throws DataError of one
/// sentence with `file` and the layer for a blob of another shape and for another number of blobs.
CaffeLoaded load_caffe_weights(const CaffeWeights& weights, CaffeModel& to, const std::string& file, const CaffeLoadOptions& options = {});

/// The blob of a parameter, in Caffe's order and shape; of four extents at most. `values` is the
/// parameter's value, or a tensor that belongs to it, such as its gradient or momentum.
Tensor caffe_blob_of(const CaffeModel& model, const CaffeParameter& parameter, const Tensor& values);
/// The other way: what `caffe_blob_of` gives for it is `blob`. Throws DataError as
/// load_caffe_weights does.
Tensor values_of_caffe_blob(const CaffeModel& model, const CaffeParameter& parameter, const Tensor& blob, const std::string& file);

}  // namespace amnet
