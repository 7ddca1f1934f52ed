// How each layer type of Caffe is imported: one function for each, in the files rows_*.cpp. The
// table itself is in layer_rows.cpp.
#pragma once

#include "layer_import.h"

namespace amnet::caffe {

// rows_data.cpp
void import_input(LayerImport& layer);
void import_image_data(LayerImport& layer);
void import_data(LayerImport& layer);
void import_memory_data(LayerImport& layer);
void import_dummy_data(LayerImport& layer);
void import_parameter(LayerImport& layer);

// rows_products.cpp
void import_convolution(LayerImport& layer);
void import_deconvolution(LayerImport& layer);
void import_inner_product(LayerImport& layer);
void import_margin_inner_product(LayerImport& layer);
void import_inner_distance(LayerImport& layer);

// rows_elementwise.cpp
void import_relu(LayerImport& layer);
void import_prelu(LayerImport& layer);
void import_tanh(LayerImport& layer);
void import_sigmoid(LayerImport& layer);
void import_power(LayerImport& layer);
void import_eltwise(LayerImport& layer);
void import_dropout(LayerImport& layer);
void import_scale(LayerImport& layer);
void import_bias(LayerImport& layer);
void import_channel_scale(LayerImport& layer);

// rows_normalise.cpp
void import_normalize(LayerImport& layer);
void import_batch_norm(LayerImport& layer);
void import_pooling(LayerImport& layer);
void import_reduction(LayerImport& layer);
void import_softmax(LayerImport& layer);

// rows_arrange.cpp
void import_flip(LayerImport& layer);
void import_slice(LayerImport& layer);
void import_concat(LayerImport& layer);
void import_split(LayerImport& layer);
void import_silence(LayerImport& layer);
void import_flatten(LayerImport& layer);
void import_reshape(LayerImport& layer);

// rows_margins.cpp
void import_label_specific_add(LayerImport& layer);
void import_label_specific_margin(LayerImport& layer);
void import_label_specific_hard_margin(LayerImport& layer);
void import_label_specific_rescale(LayerImport& layer);
void import_global_lse_margin(LayerImport& layer);

// rows_losses.cpp
void import_softmax_loss(LayerImport& layer);
void import_contrastive_loss(LayerImport& layer);
void import_general_contrastive_loss(LayerImport& layer);
void import_general_triplet_loss(LayerImport& layer);
void import_euclidean_loss(LayerImport& layer);
void import_center_loss(LayerImport& layer);
void import_accuracy(LayerImport& layer);

}  // namespace amnet::caffe
