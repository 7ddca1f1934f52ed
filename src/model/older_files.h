// Model files from before they held a description of their net. All of them are of face networks,
// on which model/ must not depend: this is declared here, where files are read, and defined in
// src/faces/older_files.cpp, where the networks are.
#pragma once

#include <amnet/io/safetensors.h>
#include <amnet/model/net_description.h>

#include <optional>
#include <string>

namespace amnet {

/// The net up to the embedding, and what it expects of an image; nothing where the metadata are not
/// of such a file. Throws DataError naming `source` and the key.
std::optional<NetDescription> description_of_older(const Metadata& metadata, const std::string& source);

}  // namespace amnet
