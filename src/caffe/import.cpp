#include "layer_import.h"

#include <amnet/core/text.h>

#include <algorithm>
#include <cmath>

namespace amnet {
namespace caffe {
namespace {

// --- which layers are in the net ---------------------------------------------------------------------------------

struct NetState {
  CaffeImportOptions options;

  bool has_stage(const std::string& stage) const { return std::ranges::find(options.stages, stage) != options.stages.end(); }

  bool meets(const Options& rule) const {
    const auto texts = [&](std::string_view name) {
      std::vector<std::string> list;
      if (const OptionValue* found = rule.find(name)) {
        for (const OptionValue& each : std::get<OptionList>(found->value)) list.push_back(std::get<std::string>(each.value));
      }
      return list;
    };
    const std::string_view phase = options.phase == Phase::train ? "TRAIN" : "TEST";
    if (const OptionValue* found = rule.find("phase"); found != nullptr && std::get<std::string>(found->value) != phase) return false;
    if (const OptionValue* found = rule.find("min_level"); found != nullptr && options.level < std::get<std::int64_t>(found->value)) {
      return false;
    }
    if (const OptionValue* found = rule.find("max_level"); found != nullptr && options.level > std::get<std::int64_t>(found->value)) {
      return false;
    }
    return std::ranges::all_of(texts("stage"), [&](const std::string& stage) { return has_stage(stage); }) &&
           std::ranges::none_of(texts("not_stage"), [&](const std::string& stage) { return has_stage(stage); });
  }

  bool includes(const CaffeNet& net, const CaffeLayer& layer) const {
    const OptionValue *in = layer.options.find("include"), *out = layer.options.find("exclude");
    require<DataError>(in == nullptr || out == nullptr,
                       "{}:{}: the layer '{}' has both include and exclude rules, of which Caffe allows one kind; keep one.", net.file,
                       layer.line, layer.name);
    const auto any = [&](const OptionValue& rules) {
      return std::ranges::any_of(std::get<OptionList>(rules.value),
                                 [&](const OptionValue& rule) { return meets(std::get<Options>(rule.value)); });
    };
    return in != nullptr ? any(*in) : out == nullptr || !any(*out);
  }
};

/// The level and the stages of the net's own `state`, too.
CaffeImportOptions with_state_of(const CaffeNet& net, CaffeImportOptions options) {
  const OptionValue* found = net.options.find("state");
  if (found == nullptr) return options;
  const auto& state = std::get<Options>(found->value);
  if (const OptionValue* level = state.find("level"); level != nullptr && options.level == 0)
    options.level = std::get<std::int64_t>(level->value);
  if (const OptionValue* stages = state.find("stage")) {
    for (const OptionValue& each : std::get<OptionList>(stages->value)) options.stages.push_back(std::get<std::string>(each.value));
  }
  return options;
}

const LayerRow& row_of(const CaffeNet& net, const CaffeLayer& layer) {
  const std::span<const LayerRow> rows = layer_rows();
  const auto found = std::ranges::find(rows, layer.type, &LayerRow::type);
  if (found != rows.end()) return *found;
  std::vector<std::string> known;
  for (const LayerRow& row : rows) known.emplace_back(row.type);
  throw DataError(fmt::format("{}:{}: the layer '{}' has the type '{}', which amnet does not have; it has {}.", net.file, layer.line,
                              layer.name, layer.type, joined(known, ", ")));
}

/// The blobs that some layer reads as labels: those are integers. Labels pass through some layers.
std::set<std::string> labels_of(const std::vector<const CaffeLayer*>& layers, const std::vector<const LayerRow*>& rows) {
  std::set<std::string> labels;
  for (std::size_t i = layers.size(); i-- > 0;) {
    const CaffeLayer& layer = *layers[i];
    for (const std::size_t bottom : rows[i]->labels) {
      if (bottom < layer.bottoms.size()) labels.insert(layer.bottoms[bottom]);
    }
    const bool gives_labels = std::ranges::any_of(layer.tops, [&](const std::string& top) { return labels.contains(top); });
    if (rows[i]->passes_labels && gives_labels) labels.insert(layer.bottoms.begin(), layer.bottoms.end());
  }
  return labels;
}

// --- losses ----------------------------------------------------------------------------------------------------

std::vector<double> weights_of(const CaffeNet& net, const CaffeLayer& layer, const LayerRow& row) {
  std::vector<double> weights(layer.tops.size(), 0.0);
  if (const OptionValue* stated = layer.options.find("loss_weight")) {
    const auto& list = std::get<OptionList>(stated->value);
    require<DataError>(list.size() == weights.size(), "{}:{}: the layer '{}' ({}) has {} loss_weight(s) but {} top(s); give each its own.",
                       net.file, layer.line, layer.name, layer.type, list.size(), weights.size());
    for (std::size_t i = 0; i < weights.size(); ++i) weights[i] = std::get<double>(list[i].value);
  } else if (row.is_loss && !weights.empty()) {
    weights[0] = 1;
  }
  return weights;
}

/// A value that is part of the loss.
struct LossTerm {
  Value value;
  double weight;
};

/// The sum of all terms by their weights, (1); empty where there are none.
std::string total_loss(Import& import, const std::vector<LossTerm>& terms) {
  if (terms.empty()) return {};
  const auto shape = [&](Value value) { return import.made.model.net.spec(value).shape; };
  if (terms.size() == 1 && terms[0].weight == 1 && shape(terms[0].value).count() == 1) return import.names.at(terms[0].value.index);
  std::vector<Value> values;
  OptionList weights;
  for (const auto& [value, weight] : terms) {
    const bool is_one = shape(value) == Shape{1};
    values.push_back(is_one ? value : import.add("reduce", options_with({{"axis", option(std::int64_t{0})}}), {value}, "loss_sum"));
    weights.push_back({weight});
  }
  return import.names.at(import.add("combine", options_with({{"coefficients", {weights}}}), values, "total_loss").index);
}

// --- roles -----------------------------------------------------------------------------------------------------

struct ReadValues {
  const LayerRow* row;
  std::vector<std::string> inputs;  // names of the values that the layer read
  std::string layer;
};

/// From the logits of a classifier back to the product with the class weights: what it reads is the
/// embedding.
void find_head(Import& import, const std::vector<ReadValues>& read, std::string value, Roles& roles) {
  const Net& net = import.made.model.net;
  const auto maker = [&](const std::string& name) -> const ReadValues* {
    const auto found = import.producers.find(name);
    return found == import.producers.end() ? nullptr : &read[static_cast<std::size_t>(found->second)];
  };
  const auto before = [&](std::string at, std::initializer_list<std::string_view> types) {
    for (const ReadValues* layer = maker(at); layer != nullptr && std::ranges::find(types, layer->row->type) != types.end();
         layer = maker(at)) {
      at = layer->inputs.at(0);
    }
    return at;
  };
  const auto weights_of = [&](const ReadValues* layer, std::string_view name) {
    for (const CaffeParameter& parameter : import.made.parameters) {
      if (layer != nullptr && parameter.layer == layer->layer && parameter.parameter.ends_with(name)) return parameter.parameter;
    }
    return std::string();
  };
  const ReadValues* at = maker(value);
  while (at != nullptr && at->row->on_logits) at = maker(value = at->inputs.at(0));
  if (at == nullptr || !at->row->classifies) return;
  import.made.logits = value;
  import.made.least_logit = at->row->type == "InnerDistance";
  roles.class_weights = weights_of(at, ".weight");
  if (roles.class_weights.empty()) {  // they come from a Parameter layer
    roles.class_weights = weights_of(maker(before(at->inputs.at(1), {"Normalize"})), ".value");
  }
  value = before(at->inputs.at(0), {"Normalize", "Dropout"});
  if (net.spec(net.find(value)).shape.rank() == 2 && maker(value) != nullptr) roles.embedding = value;
}

std::optional<ImageRole> image_role(const Import& import) {
  const Net& net = import.made.model.net;
  for (const CaffeInput& input : import.made.inputs) {
    const std::vector<NetInput> inputs = net.inputs();
    const auto found = std::ranges::find(inputs, input.name, &NetInput::name);
    if (found == inputs.end() || found->spec.shape.rank() != 4 || found->spec.shape[3] != 3) continue;
    ImageRole role{.input = input.name, .format = {.height = found->spec.shape[1], .width = found->spec.shape[2]}};
    // A layer that reads images says what becomes of them; an Input does not, and keeps the
    // defaults.
    if (input.type != "Input") {
      role.format.mean = 0;
      role.format.scale = 1;
    }
    if (const OptionValue* transform = input.options.find("transform_param")) {
      const auto& fields = std::get<Options>(transform->value);
      if (fields.find("mean_file") != nullptr) continue;
      if (const OptionValue* mean = fields.find("mean_value")) {
        const auto& means = std::get<OptionList>(mean->value);
        if (std::ranges::any_of(means, [&](const OptionValue& one) { return one != means.front(); })) continue;
        role.format.mean = std::get<double>(means.front().value);
      }
      if (const OptionValue* scale = fields.find("scale")) role.format.scale = std::get<double>(scale->value);
    }
    const bool fits = role.format.height <= ImageFormat::max_side && role.format.width <= ImageFormat::max_side && role.format.scale != 0;
    if (fits) return role;
  }
  return std::nullopt;
}

Roles roles_of(Import& import, const std::vector<ReadValues>& read, const std::vector<const CaffeLayer*>& layers,
               const std::vector<const LayerRow*>& rows, const std::vector<std::vector<std::string>>& given) {
  const Net& net = import.made.model.net;
  Roles roles{.image = image_role(import)};
  for (const CaffeInput& input : import.made.inputs) {
    const DType dtype = net.spec(net.find(input.name)).dtype;
    if (dtype == DType::i64 && roles.labels.empty()) roles.labels = input.name;
  }
  for (std::size_t i = 0; i < layers.size(); ++i) {
    if (rows[i]->is_loss && !read[i].inputs.empty() && roles.embedding.empty()) find_head(import, read, read[i].inputs[0], roles);
    // numbers that say something about a step, such as an accuracy
    for (std::size_t top = 0; top < given[i].size(); ++top) {
      const std::string& value = given[i][top];
      const bool is_end = import.unread.contains(layers[i]->tops[top]) && import.values.at(layers[i]->tops[top]) == net.find(value);
      const TensorSpec spec = net.spec(net.find(value));
      if (is_end && value != roles.loss && spec.shape == Shape{1} && is_floating(spec.dtype)) {
        // a run tells the sum of all losses as "loss"
        const std::string& blob = layers[i]->tops[top];
        roles.metrics.push_back({.name = blob == "loss" ? "loss_of_" + layers[i]->name : blob, .value = value});
      }
    }
  }
  return roles;
}

/// Of a net without a loss: its only output, where that is a row for each image.
std::string only_output(const Import& import) {
  const Net& net = import.made.model.net;
  std::string found;
  for (const std::string& blob : import.unread) {
    const Value value = import.values.at(blob);
    if (!is_floating(net.spec(value).dtype)) continue;
    if (!found.empty() || net.spec(value).shape.rank() != 2) return {};
    found = import.names.at(value.index);
  }
  return found;
}

}  // namespace

CaffeModel import_net(const CaffeNet& net, const CaffeImportOptions& options, const ImportHooks& hooks) {
  Import import{.net = net, .options = options, .hooks = hooks};
  import.made.model.net = Net(options.dtype);
  import.made.file = net.file;
  const NetState state{with_state_of(net, options)};
  std::vector<const CaffeLayer*> layers;
  std::vector<const LayerRow*> rows;
  for (const CaffeLayer& layer : net.layers) {
    if (!state.includes(net, layer)) continue;
    layers.push_back(&layer);
    rows.push_back(&row_of(net, layer));
  }
  import.labels = labels_of(layers, rows);

  std::vector<ReadValues> read;
  std::vector<std::vector<std::string>> given;  // names of the values that each layer gives
  std::vector<LossTerm> losses;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    LayerImport layer(import, *layers[i], static_cast<int>(i));
    read.push_back({rows[i], {}, layers[i]->name});
    for (std::size_t bottom = 0; bottom < layer.bottoms(); ++bottom) {
      read.back().inputs.push_back(import.names.at(layer.bottom(bottom).index));
    }
    layer.detach_bottoms();
    rows[i]->import(layer);
    layer.finish();
    given.emplace_back();
    for (const std::string& top : layers[i]->tops) {
      const auto found = import.values.find(top);
      if (found == import.values.end()) layer.refuse(fmt::format("it has a top '{}', which layers of this type do not give.", top));
      given.back().push_back(import.names.at(found->second.index));
    }
    const std::vector<double> weights = weights_of(net, *layers[i], *rows[i]);
    for (std::size_t top = 0; top < weights.size(); ++top) {
      if (weights[top] == 0) continue;
      const Value value = import.values.at(layers[i]->tops[top]);
      if (!is_floating(import.made.model.net.spec(value).dtype)) {
        layer.refuse(fmt::format("its top '{}' holds labels, which no loss is the sum of.", layers[i]->tops[top]));
      }
      // Further tops of a loss are figures: they add to its value, and have no gradient in Caffe.
      const bool is_figure = rows[i]->is_loss && top > 0;
      losses.push_back({is_figure ? import.add("stop_gradient", {}, {value}, "loss_figure") : value, weights[top]});
    }
  }
  Roles& roles = import.made.model.roles;
  const std::string loss = total_loss(import, losses);
  roles = roles_of(import, read, layers, rows, given);
  roles.loss = loss;
  std::erase_if(roles.metrics, [&](const MetricRole& metric) { return metric.value == loss; });
  if (loss.empty() && roles.embedding.empty()) roles.embedding = only_output(import);
  for (const auto& [blob, value] : import.values) import.made.blobs[blob] = import.names.at(value.index);
  return std::move(import.made);
}

}  // namespace caffe

CaffeModel import_caffe_net(const CaffeNet& net, const CaffeImportOptions& options) { return caffe::import_net(net, options, {}); }

Value CaffeModel::value(std::string_view blob) const {
  const auto found = blobs.find(std::string(blob));
  require(found != blobs.end(), "[caffe] the net of {} has no blob '{}'.", file, blob);
  return model.net.find(found->second);
}

}  // namespace amnet
