// What the rows of the layer table see of the layer that they import: its fields, what it reads and
// gives, and the net that they add layers to. A field that no row reads is refused, so a row can
// forget none.
//
//   void import_power(LayerImport& layer) {
//     Fields& power = layer.fields("power_param");
//     layer.expect(1, 1);
//     layer.top(0, layer.add("power", {{"power", {power.number("power", 1)}}}, {layer.bottom(0)}));
//   }
#pragma once

#include <amnet/caffe/import.h>

#include <functional>
#include <initializer_list>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace amnet::caffe {

/// A block of options of a layer, `convolution_param { … }`; empty where the layer has none.
class Fields {
 public:
  /// `where` begins messages: "net.prototxt:12: the layer 'conv1' (Convolution)".
  Fields(Options options, std::string where, std::string block)
      : options_(std::move(options)), where_(std::move(where)), block_(std::move(block)) {}

  bool has(std::string_view name) const { return options_.find(name) != nullptr; }
  double number(std::string_view name, double otherwise);
  std::int64_t integer(std::string_view name, std::int64_t otherwise);
  bool flag(std::string_view name, bool otherwise);
  std::string text(std::string_view name, const std::string& otherwise);
  std::vector<std::int64_t> integers(std::string_view name);
  std::vector<double> numbers(std::string_view name);
  std::vector<Options> blocks(std::string_view name);
  /// A filler; `otherwise` where it is not set.
  Filler filler(std::string_view name, const Filler& otherwise);
  /// Fields that change nothing here: which library computes, for example.
  void ignore(std::initializer_list<std::string_view> names);
  /// Throws DataError for a field that is set and was not read.
  void finish() const;
  [[noreturn]] void refuse(const std::string& sentence) const;

 private:
  const OptionValue* take(std::string_view name);

  Options options_;
  std::string where_, block_;
  std::set<std::string, std::less<>> read_;
};

/// {"axis", {std::int64_t{1}}}: options of a layer of amnet.
Options options_with(std::initializer_list<std::pair<std::string, OptionValue>> entries);
OptionValue option(std::int64_t value);
OptionValue option(const std::vector<std::int64_t>& values);
OptionValue option(std::string_view value);
/// {height, width}
OptionValue option(const Extents& value);
OptionValue option(const ParameterOptions& value);

/// What a test replaces to reach into a net while it is imported.
struct ImportHooks {
  /// Makes the value of an input that is not labels.
  std::function<Value(Net&, const std::string& name, const TensorSpec&)> input = {};
  /// Takes the place of a blob that a layer gives.
  std::function<Value(Net&, const std::string& blob, Value)> top = {};
  /// Parameters with lr_mult 0 get gradients too (Caffe's force_backward).
  bool frozen_take_gradients = false;
};
CaffeModel import_net(const CaffeNet& net, const CaffeImportOptions& options, const ImportHooks& hooks);

/// The net while it is made.
struct Import {
  const CaffeNet& net;
  const CaffeImportOptions& options;
  const ImportHooks& hooks;
  CaffeModel made = {};
  std::map<std::string, Value> values = {};  // of each blob, as it is now
  std::map<int, std::string> names = {};     // of each value of the net
  std::set<std::string> labels = {};         // blobs that some layer reads as labels
  std::set<std::string> unread = {};         // blobs that no layer has read yet
  /// A name for a layer or an input that nothing has yet: that of Caffe where it is free, without
  /// the characters that names of amnet cannot have.
  std::string free_name(std::string name) const;
  /// Adds a layer for a further step of the whole net.
  Value add(std::string_view type, const Options& stated, std::vector<Value> inputs, std::string name);

  std::optional<std::int64_t> batch = {};     // the first extent of the first input
  std::map<std::string, int> producers = {};  // of each value, by name: the layer of Caffe
};

class LayerImport {
 public:
  LayerImport(Import& import, const CaffeLayer& layer, int index);

  const CaffeLayer& caffe() const { return layer_; }
  const CaffeImportOptions& options() const { return import_.options; }
  bool on_gpu() const { return options().engine == CaffeEngine::gpu; }
  /// Of the roots of the reference code, inside: 1e-6 in its CPU code, 1e-12 in its GPU code.
  double epsilon() const { return on_gpu() ? 1e-12 : 1e-6; }

  /// The block of that name, such as "convolution_param".
  Fields& fields(const std::string& block);

  // --- what it reads ---

  std::size_t bottoms() const { return layer_.bottoms.size(); }
  std::size_t tops() const { return layer_.tops.size(); }
  /// Throws unless the layer has so many; `most_tops` where some may be absent.
  void expect(std::size_t bottoms, std::size_t tops) const { expect(bottoms, bottoms, tops, tops); }
  void expect(std::size_t least_bottoms, std::size_t most_bottoms, std::size_t least_tops, std::size_t most_tops) const;
  /// In amnet's order: (N,H,W,C) where it has four axes.
  Value bottom(std::size_t i) const;
  std::vector<Value> all_bottoms() const;
  /// In Caffe's order: (N,C,H,W).
  std::vector<std::int64_t> shape(std::size_t i) const { return caffe_shape(bottom(i)); }
  std::vector<std::int64_t> caffe_shape(Value value) const;
  int rank(std::size_t i) const { return static_cast<int>(shape(i).size()); }
  /// An axis as Caffe counts it, also from behind, for a bottom of this rank. Throws where there is
  /// none.
  int axis(std::int64_t stated, int rank) const;
  /// Where this axis of Caffe lies in amnet.
  static int our_axis(int axis, int rank) { return rank != 4 || axis == 0 ? axis : axis == 1 ? 3 : axis - 1; }

  // --- what it gives ---

  /// Adds the layer that has the name of Caffe's, with all options that are not the usual ones.
  Value add(std::string_view type, const Options& options, std::vector<Value> inputs);
  /// Adds a layer of the name and a suffix, for a further step.
  Value add(std::string_view type, const Options& options, std::vector<Value> inputs, std::string_view suffix);
  /// The value with its elements in Caffe's order in memory, for reshaping.
  Value plain(Value value, std::string_view suffix = "plain");
  /// The way back, for four axes.
  Value channels_last(Value plain, std::string_view suffix = "channels_last");
  Value output(Value first, int which) const;
  void top(std::size_t i, Value value);
  /// Whether some layer reads the blob as labels: it then holds integers.
  bool is_label(const std::string& blob) const { return import_.labels.contains(blob); }
  /// An input of the net, in Caffe's order.
  void input_top(std::size_t i, const std::vector<std::int64_t>& shape);
  /// Multipliers of the blob of that index, and its filler.
  ParameterOptions parameter(std::size_t index, const Filler& filler) const;
  /// The lr_mult of what is not learned.
  double frozen() const { return import_.hooks.frozen_take_gradients ? 1 : 0; }
  /// The next blob of the layer is this parameter of the layer that `add` gave last. Its shape is
  /// the parameter's in files, unless it is given.
  using Form = CaffeParameter::Form;
  void blob(const std::string& parameter, Form form = Form::plain, std::optional<std::vector<std::int64_t>> shape = {});

  [[noreturn]] void refuse(const std::string& sentence) const;
  /// Ends the gradients of the bottoms whose `propagate_down` is false. Before the row imports.
  void detach_bottoms();
  /// Throws for what the row did not read.
  void finish();

 private:
  std::string where() const;
  Value named(std::string_view type, const Options& options, std::vector<Value> inputs, std::string name);

  Import& import_;
  const CaffeLayer& layer_;
  int index_;
  int blobs_ = 0;
  std::string last_;  // name of the layer that `add` added last
  std::map<std::string, Fields> fields_;
  std::map<std::size_t, Value> detached_;  // in the place of bottoms
};

/// A row of the table of layers.
struct LayerRow {
  std::string_view type;  ///< Caffe's
  void (*import)(LayerImport&);
  /// the bottoms that are labels, by index
  std::vector<std::size_t> labels = {};
  /// labels pass through it
  bool passes_labels = false;
  /// its first top is a loss of weight 1 unless the file says otherwise
  bool is_loss = false;
  /// between the product with the class weights and the loss
  bool on_logits = false;
  /// multiplies with class weights: its first blob has a row for each class
  bool classifies = false;
};
std::span<const LayerRow> layer_rows();

}  // namespace amnet::caffe
