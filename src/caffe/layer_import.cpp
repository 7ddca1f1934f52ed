#include "layer_import.h"

#include "model/file_order.h"

#include <amnet/core/text.h>

#include <algorithm>

namespace amnet::caffe {

// --- fields ----------------------------------------------------------------------------------------------------

const OptionValue* Fields::take(std::string_view name) {
  read_.emplace(name);
  return options_.find(name);
}

void Fields::refuse(const std::string& sentence) const { throw DataError(fmt::format("{}: {}", where_, sentence)); }

double Fields::number(std::string_view name, double otherwise) {
  const OptionValue* found = take(name);
  if (found == nullptr) return otherwise;
  if (const auto* whole = std::get_if<std::int64_t>(&found->value)) return static_cast<double>(*whole);
  return std::get<double>(found->value);
}

std::int64_t Fields::integer(std::string_view name, std::int64_t otherwise) {
  const OptionValue* found = take(name);
  return found == nullptr ? otherwise : std::get<std::int64_t>(found->value);
}

bool Fields::flag(std::string_view name, bool otherwise) {
  const OptionValue* found = take(name);
  return found == nullptr ? otherwise : std::get<bool>(found->value);
}

std::string Fields::text(std::string_view name, const std::string& otherwise) {
  const OptionValue* found = take(name);
  return found == nullptr ? otherwise : std::get<std::string>(found->value);
}

std::vector<std::int64_t> Fields::integers(std::string_view name) {
  std::vector<std::int64_t> values;
  if (const OptionValue* found = take(name)) {
    for (const OptionValue& each : std::get<OptionList>(found->value)) values.push_back(std::get<std::int64_t>(each.value));
  }
  return values;
}

std::vector<double> Fields::numbers(std::string_view name) {
  std::vector<double> values;
  if (const OptionValue* found = take(name)) {
    for (const OptionValue& each : std::get<OptionList>(found->value)) values.push_back(std::get<double>(each.value));
  }
  return values;
}

std::vector<Options> Fields::blocks(std::string_view name) {
  std::vector<Options> values;
  if (const OptionValue* found = take(name)) {
    if (const auto* one = std::get_if<Options>(&found->value)) return {*one};
    for (const OptionValue& each : std::get<OptionList>(found->value)) values.push_back(std::get<Options>(each.value));
  }
  return values;
}

Filler Fields::filler(std::string_view name, const Filler& otherwise) {
  const OptionValue* found = take(name);
  if (found == nullptr) return otherwise;
  const std::string path = block_.empty() ? std::string(name) : block_ + "." + std::string(name);
  Fields fields(std::get<Options>(found->value), where_, path);
  const std::string type = fields.text("type", "constant");
  Filler filler;
  using Kind = Filler::Kind;
  const auto fan = [&] {
    const std::string norm = fields.text("variance_norm", "FAN_IN");
    filler.fan = norm == "FAN_OUT" ? Filler::Fan::out : norm == "AVERAGE" ? Filler::Fan::average : Filler::Fan::in;
  };
  if (type == "constant") {
    filler = Filler::constant(fields.number("value", 0));
  } else if (type == "gaussian") {
    filler = Filler::gaussian(fields.number("std", 1));
    filler.mean = fields.number("mean", 0);
    filler.sparse = fields.integer("sparse", -1);
  } else if (type == "uniform") {
    filler.kind = Kind::uniform;
    filler.low = fields.number("min", 0);
    filler.high = fields.number("max", 1);
  } else if (type == "xavier") {
    filler.kind = Kind::xavier;
    fan();
  } else if (type == "msra") {
    filler.kind = Kind::msra;
    filler.slope = fields.number("alpha", 0);
    fan();
  } else if (type == "gaussian_unitball") {
    filler.kind = Kind::unit_rows;
  } else if (type == "positive_unitball") {
    filler.kind = Kind::positive_rows;
  } else {
    refuse(fmt::format(
        "its {} has the type '{}'; amnet knows constant, gaussian, gaussian_unitball, msra, positive_unitball, uniform and xavier.", path,
        type));
  }
  // Fields of other kinds of filler have no effect in Caffe either, and files set them.
  fields.ignore({"value", "std", "mean", "min", "max", "variance_norm", "alpha"});
  fields.finish();
  return filler;
}

void Fields::ignore(std::initializer_list<std::string_view> names) {
  for (const std::string_view name : names) read_.emplace(name);
}

void Fields::finish() const {
  for (const auto& [name, value] : options_.entries()) {
    if (read_.contains(name)) continue;
    refuse(fmt::format("amnet does not have what the field '{}{}{}' asks for; take it out if the net can do without.", block_,
                       block_.empty() ? "" : ".", name));
  }
}

Options options_with(std::initializer_list<std::pair<std::string, OptionValue>> entries) {
  Options options;
  for (const auto& [name, value] : entries) options.set(name, value);
  return options;
}
OptionValue option(std::int64_t value) { return {value}; }
OptionValue option(std::string_view value) { return {std::string(value)}; }
OptionValue option(const Extents& value) { return {OptionList{{value.height}, {value.width}}}; }
OptionValue option(const ParameterOptions& value) { return {options_of(value)}; }
OptionValue option(const std::vector<std::int64_t>& values) {
  OptionList list;
  for (const std::int64_t value : values) list.push_back({value});
  return {std::move(list)};
}

// --- the layer -------------------------------------------------------------------------------------------------

LayerImport::LayerImport(Import& import, const CaffeLayer& layer, int index) : import_(import), layer_(layer), index_(index) {
  for (const std::string& blob : layer.bottoms) {
    require<DataError>(import.values.contains(blob), "{}: it reads '{}', which no layer before it gives.", where(), blob);
    import.unread.erase(blob);
  }
}

std::string LayerImport::where() const {
  return fmt::format("{}:{}: the layer '{}' ({})", import_.net.file, layer_.line, layer_.name, layer_.type);
}

void LayerImport::refuse(const std::string& sentence) const { throw DataError(fmt::format("{}: {}", where(), sentence)); }

Fields& LayerImport::fields(const std::string& block) {
  const auto found = fields_.find(block);
  if (found != fields_.end()) return found->second;
  const OptionValue* value = layer_.options.find(block);
  Options options = value == nullptr ? Options() : std::get<Options>(value->value);
  return fields_.try_emplace(block, std::move(options), where(), block).first->second;
}

// --- what it reads ---------------------------------------------------------------------------------------------

void LayerImport::expect(std::size_t least_bottoms, std::size_t most_bottoms, std::size_t least_tops, std::size_t most_tops) const {
  const auto check = [&](std::size_t found, std::size_t least, std::size_t most, std::string_view what) {
    if (found >= least && found <= most) return;
    const std::string expected = least == most ? fmt::format("{}", least) : fmt::format("{} to {}", least, most);
    refuse(fmt::format("expected {} {}(s) but got {}.", expected, what, found));
  };
  check(bottoms(), least_bottoms, most_bottoms, "bottom");
  check(tops(), least_tops, most_tops, "top");
}

Value LayerImport::bottom(std::size_t i) const {
  if (i >= bottoms()) refuse(fmt::format("expected a bottom {} but it has {}.", i, bottoms()));
  if (const auto found = detached_.find(i); found != detached_.end()) return found->second;
  return import_.values.at(layer_.bottoms[i]);
}

std::vector<Value> LayerImport::all_bottoms() const {
  std::vector<Value> values;
  for (std::size_t i = 0; i < bottoms(); ++i) values.push_back(bottom(i));
  return values;
}

std::vector<std::int64_t> LayerImport::caffe_shape(Value value) const {
  const Shape shape = import_.made.model.net.spec(value).shape;
  if (shape.rank() == 4) return {shape[0], shape[3], shape[1], shape[2]};
  std::vector<std::int64_t> extents;
  for (int i = 0; i < shape.rank(); ++i) extents.push_back(shape[i]);
  return extents;
}

int LayerImport::axis(std::int64_t stated, int rank) const {
  const std::int64_t axis = stated < 0 ? stated + rank : stated;
  if (axis < 0 || axis >= rank) refuse(fmt::format("its axis is {} but its bottom has {} axes.", stated, rank));
  return static_cast<int>(axis);
}

// --- what it gives ---------------------------------------------------------------------------------------------

std::string Import::free_name(std::string name) const {
  // amnet's names hold neither: parameters are called layer.parameter, values layer:output
  std::ranges::replace_if(
      name, [](char c) { return c == '.' || c == ':' || c == ' ' || c == '\t' || c == '\n'; }, '_');
  if (name.empty()) name = "layer";
  const auto taken = [&](const std::string& one) {
    return std::ranges::any_of(names, [&](const auto& entry) { return entry.second == one; });
  };
  std::string free = name;
  for (int i = 2; taken(free); ++i) free = fmt::format("{}_{}", name, i);
  return free;
}

Value Import::add(std::string_view type, const Options& stated, std::vector<Value> inputs, std::string name) {
  name = free_name(std::move(name));
  const Value value = made.model.net.add(name, make_layer(type, stated, "the layer"), std::move(inputs));
  names[value.index] = std::move(name);
  return value;
}

Value LayerImport::named(std::string_view type, const Options& options, std::vector<Value> inputs, std::string name) {
  try {
    const Value value = import_.add(type, options, std::move(inputs), std::move(name));
    last_ = import_.names.at(value.index);
    return value;
  } catch (const UsageError& error) {
    refuse(error.what());
  } catch (const DataError& error) {
    refuse(error.what());
  }
}

Value LayerImport::add(std::string_view type, const Options& options, std::vector<Value> inputs) {
  return named(type, options, std::move(inputs), layer_.name);
}

Value LayerImport::add(std::string_view type, const Options& options, std::vector<Value> inputs, std::string_view suffix) {
  const std::string before = last_;
  const Value value = named(type, options, std::move(inputs), fmt::format("{}_{}", layer_.name, suffix));
  last_ = before;  // parameters are those of the layer itself
  return value;
}

Value LayerImport::output(Value first, int which) const {
  const Value value = import_.made.model.net.output(first, which);
  import_.names[value.index] = which == 0 ? import_.names.at(first.index) : fmt::format("{}:{}", import_.names.at(first.index), which);
  return value;
}

Value LayerImport::plain(Value value, std::string_view suffix) {
  if (import_.made.model.net.spec(value).shape.rank() != 4) return value;
  return add("permute", options_with({{"order", option(std::vector<std::int64_t>{0, 3, 1, 2})}}), {value}, suffix);
}

Value LayerImport::channels_last(Value plain, std::string_view suffix) {
  if (import_.made.model.net.spec(plain).shape.rank() != 4) return plain;
  return add("permute", options_with({{"order", option(std::vector<std::int64_t>{0, 2, 3, 1})}}), {plain}, suffix);
}

void LayerImport::top(std::size_t i, Value value) {
  if (i >= tops()) return;  // Caffe's layers have tops that files may leave out
  const std::string& blob = layer_.tops[i];
  if (import_.hooks.top) {
    value = import_.hooks.top(import_.made.model.net, blob, value);
    import_.names.try_emplace(value.index, import_.made.model.net.layers().back().name);
  }
  const bool in_place = std::ranges::find(layer_.bottoms, blob) != layer_.bottoms.end();
  if (!in_place && import_.values.contains(blob)) {
    refuse(fmt::format("its top '{}' is that of an earlier layer, which is allowed in place alone: with a bottom of that name.", blob));
  }
  import_.values[blob] = value;
  import_.unread.insert(blob);
  import_.producers[import_.names.at(value.index)] = index_;
}

void LayerImport::input_top(std::size_t i, const std::vector<std::int64_t>& shape) {
  if (i >= tops()) return;
  const std::string& blob = layer_.tops[i];
  constexpr std::size_t most = Shape::max_rank;
  if (shape.empty() || shape.size() > most) {
    refuse(fmt::format("its top '{}' has {} axes; amnet's tensors have 1 to {}.", blob, shape.size(), most));
  }
  for (const std::int64_t extent : shape) {
    if (extent < 1) refuse(fmt::format("its top '{}' has an extent of {}; expected 1 or more.", blob, extent));
  }
  const bool as_color = options().grey_from_color && shape.size() == 4 && shape[1] == 1;
  const Shape ours = shape.size() == 4 ? Shape{shape[0], shape[2], shape[3], as_color ? 3 : shape[1]} : Shape(std::span(shape));
  Net& net = import_.made.model.net;
  // What has another first extent than the first input is no batch of samples: weights, say.
  if (!import_.batch) import_.batch = ours[0];
  const bool per_sample = *import_.batch == ours[0];
  const bool is_label = import_.labels.contains(blob);
  const std::string name = import_.free_name(blob);
  Value value;
  if (!is_label && import_.hooks.input) {
    value = import_.hooks.input(net, name, {ours, net.dtype(), per_sample});
  } else {
    const DType dtype = is_label ? DType::i64 : net.dtype();
    value = per_sample ? net.input(name, ours, dtype) : net.fixed_input(name, ours, dtype);
  }
  import_.names[value.index] = name;
  if (as_color) value = add("grey", {}, {value}, "grey");
  import_.made.inputs.push_back({.name = name, .layer = layer_.name, .type = layer_.type, .options = layer_.options});
  top(i, value);
}

ParameterOptions LayerImport::parameter(std::size_t index, const Filler& filler) const {
  ParameterOptions parameter{.filler = filler};
  const OptionValue* list = layer_.options.find("param");
  if (list == nullptr || index >= std::get<OptionList>(list->value).size()) return parameter;
  Fields fields(std::get<Options>(std::get<OptionList>(list->value)[index].value), where(), "param");
  parameter.lr_mult = fields.number("lr_mult", 1);
  parameter.decay_mult = fields.number("decay_mult", 1);
  fields.ignore({"share_mode"});  // of blobs that are shared by name, which the reader refuses
  fields.finish();
  if (parameter.lr_mult == 0 && import_.hooks.frozen_take_gradients) parameter.lr_mult = 1;
  return parameter;
}

void LayerImport::blob(const std::string& parameter, Form form, std::optional<std::vector<std::int64_t>> shape) {
  if (!shape) {
    for (const NetLayer& each : import_.made.model.net.layers()) {
      if (each.name != last_) continue;
      each.layer->look([&](const Parameter& one) {
        if (one.name != parameter) return;
        const Shape extents = file_shape(one);
        shape.emplace();
        for (int i = 0; i < extents.rank(); ++i) shape->push_back(extents[i]);
      });
    }
    require(shape.has_value(), "[caffe] '{}' has no parameter '{}'.", last_, parameter);
    if (form == Form::transposed) std::ranges::reverse(*shape);
  }
  import_.made.parameters.push_back(
      {.layer = layer_.name, .index = blobs_++, .parameter = last_ + "." + parameter, .form = form, .shape = std::move(*shape)});
}

void LayerImport::detach_bottoms() {
  const OptionValue* list = layer_.options.find("propagate_down");
  if (list == nullptr) return;
  const auto& flags = std::get<OptionList>(list->value);
  if (flags.size() != bottoms()) {
    refuse(fmt::format("it has {} propagate_down(s) but {} bottom(s); give each its own or none.", flags.size(), bottoms()));
  }
  for (std::size_t i = 0; i < flags.size(); ++i) {
    if (std::get<bool>(flags[i].value)) continue;
    detached_[i] = add("stop_gradient", {}, {bottom(i)}, fmt::format("detached{}", i));
  }
}

void LayerImport::finish() {
  for (auto& [name, fields] : fields_) fields.finish();
  for (const auto& [name, value] : layer_.options.entries()) {
    const std::vector<std::string> of_all = {"param", "include", "exclude", "loss_weight", "propagate_down", "phase"};
    if (fields_.contains(name) || std::ranges::find(of_all, name) != of_all.end()) continue;
    // Caffe reads only the block of the layer's own type, and the reference files have others.
    import_.made.notes.push_back(fmt::format("{}: it has a '{}', which a layer of this type does not read.", where(), name));
  }
  const OptionValue* list = layer_.options.find("param");
  const std::size_t params = list == nullptr ? 0 : std::get<OptionList>(list->value).size();
  if (params > static_cast<std::size_t>(blobs_)) refuse(fmt::format("it has {} param blocks but {} blob(s).", params, blobs_));
}

}  // namespace amnet::caffe
