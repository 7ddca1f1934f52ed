// Whether a run may continue with the model that a checkpoint was written with.
#pragma once

#include <amnet/io/safetensors.h>
#include <amnet/model/model.h>

#include <string>

namespace amnet {

/// Throws UsageError naming what differs: what images must be, or the first layer that the
/// embedding depends on (of a model without one, the first of all). A head may change, as a margin
/// does, and an older file does not describe it: a mismatch shows in its tensors.
void require_same_model(const SafetensorsFile& checkpoint, const Model& model, const std::string& source);

}  // namespace amnet
