// The folders of drawn people, whatever is drawn of them.
#pragma once

#include <amnet/faces/synthetic_faces.h>

#include <cstddef>
#include <filesystem>
#include <functional>
#include <vector>

namespace amnet {

/// Writes directory/id_00012/id_00012_0003.jpg … with the bytes of a file for each key, which
/// several threads ask for at a time. Throws as write_synthetic_faces does.
void write_synthetic_people(const std::filesystem::path& directory, const SyntheticFaces& faces,
                            const std::function<std::vector<std::byte>(const FaceKey&)>& file_of, const SynthesisProgress& progress);

}  // namespace amnet
