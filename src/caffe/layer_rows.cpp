#include "layer_rows.h"

namespace amnet::caffe {

std::span<const LayerRow> layer_rows() {
  static const std::vector<LayerRow> rows = {
      {.type = "Accuracy", .import = import_accuracy, .labels = {1}},
      {.type = "BatchNorm", .import = import_batch_norm},
      {.type = "Bias", .import = import_bias, .on_logits = true},
      {.type = "CenterLoss", .import = import_center_loss, .labels = {1}, .is_loss = true},
      {.type = "ChannelScale", .import = import_channel_scale, .on_logits = true},
      {.type = "Concat", .import = import_concat, .passes_labels = true},
      {.type = "ContrastiveLoss", .import = import_contrastive_loss, .labels = {2, 3}, .is_loss = true},
      {.type = "Convolution", .import = import_convolution},
      {.type = "Data", .import = import_data},
      {.type = "Deconvolution", .import = import_deconvolution},
      {.type = "DepthwiseConvolution", .import = import_convolution},
      {.type = "Dropout", .import = import_dropout},
      {.type = "DummyData", .import = import_dummy_data},
      {.type = "Eltwise", .import = import_eltwise},
      {.type = "EuclideanLoss", .import = import_euclidean_loss, .is_loss = true},
      {.type = "Flatten", .import = import_flatten, .passes_labels = true},
      {.type = "Flip", .import = import_flip},
      {.type = "GeneralContrastiveLoss", .import = import_general_contrastive_loss, .labels = {1}, .is_loss = true},
      {.type = "GeneralTripletLoss", .import = import_general_triplet_loss, .labels = {1}, .is_loss = true},
      {.type = "GlobalLSEMargin", .import = import_global_lse_margin, .labels = {1}, .on_logits = true},
      {.type = "ImageData", .import = import_image_data},
      {.type = "InnerDistance", .import = import_inner_distance, .labels = {2}, .classifies = true},
      {.type = "InnerProduct", .import = import_inner_product, .classifies = true},
      {.type = "Input", .import = import_input},
      {.type = "LabelSpecificAdd", .import = import_label_specific_add, .labels = {1}, .on_logits = true},
      {.type = "LabelSpecificHardMargin", .import = import_label_specific_hard_margin, .labels = {1}, .on_logits = true},
      {.type = "LabelSpecificMargin", .import = import_label_specific_margin, .labels = {1}, .on_logits = true},
      {.type = "LabelSpecificRescale", .import = import_label_specific_rescale, .labels = {1}, .on_logits = true},
      {.type = "MarginInnerProduct", .import = import_margin_inner_product, .labels = {1}, .classifies = true},
      {.type = "MemoryData", .import = import_memory_data},
      {.type = "Normalize", .import = import_normalize},
      {.type = "PReLU", .import = import_prelu},
      {.type = "Parameter", .import = import_parameter},
      {.type = "Pooling", .import = import_pooling},
      {.type = "Power", .import = import_power, .on_logits = true},
      {.type = "ReLU", .import = import_relu},
      {.type = "Reduction", .import = import_reduction},
      {.type = "Reshape", .import = import_reshape, .passes_labels = true},
      {.type = "Scale", .import = import_scale, .on_logits = true},
      {.type = "Sigmoid", .import = import_sigmoid},
      {.type = "Silence", .import = import_silence},
      {.type = "Slice", .import = import_slice, .passes_labels = true},
      {.type = "Softmax", .import = import_softmax},
      {.type = "SoftmaxWithLoss", .import = import_softmax_loss, .labels = {1}, .is_loss = true},
      {.type = "Split", .import = import_split, .passes_labels = true},
      {.type = "TanH", .import = import_tanh},
  };
  return rows;
}

}  // namespace amnet::caffe
