#include <amnet/core/error.h>
#include <amnet/core/random.h>
#include <amnet/faces/synthetic_faces.h>

#include "synthetic_people.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <exception>
#include <fstream>
#include <mutex>
#include <set>
#include <span>
#include <system_error>
#include <thread>
#include <tuple>

namespace amnet {
namespace {

void write_file(const std::filesystem::path& file, std::span<const std::byte> bytes) {
  errno = 0;
  std::ofstream out(file, std::ios::binary);
  out.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  out.close();
  require<FileError>(out.good(), "{}: expected to write {} bytes but got `{}`; check the directory and the space left on it.",
                     file.string(), bytes.size(), std::strerror(errno));
}

void write_file(const std::filesystem::path& file, std::string_view text) { write_file(file, std::as_bytes(std::span(text))); }

void make_directory(const std::filesystem::path& directory) {
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  require<FileError>(!error, "{}: expected to create the directory but got `{}`; choose another place.", directory.string(),
                     error.message());
}

}  // namespace

std::string synthetic_identity_name(std::uint64_t identity) { return fmt::format("id_{:05}", identity); }

std::string synthetic_face_path(std::uint64_t identity, std::uint64_t image_from_1) {
  const std::string name = synthetic_identity_name(identity);
  return fmt::format("{0}/{0}_{1:04}.jpg", name, image_from_1);
}

void write_synthetic_people(const std::filesystem::path& directory, const SyntheticFaces& faces,
                            const std::function<std::vector<std::byte>(const FaceKey&)>& file_of, const SynthesisProgress& progress) {
  require(faces.identities >= 1 && faces.images >= 1, "[synth] expected at least 1 identity and 1 image of each but got {} and {}.",
          faces.identities, faces.images);
  require(faces.threads >= 1, "[synth] expected at least 1 thread but got {}.", faces.threads);
  make_directory(directory);

  std::atomic<std::uint64_t> next = 0;
  std::mutex mutex;  // of what follows
  std::uint64_t written = 0;
  std::exception_ptr failure;
  const auto work = [&] {
    try {
      for (std::uint64_t n = next++; n < faces.identities; n = next++) {
        const std::uint64_t identity = faces.first_identity + n;
        make_directory(directory / synthetic_identity_name(identity));
        for (std::uint64_t image = 0; image < faces.images; ++image) {
          write_file(directory / synthetic_face_path(identity, image + 1),
                     file_of({.seed = faces.seed, .identity = identity, .image = image}));
          const std::lock_guard lock(mutex);
          if (failure) return;
          written += 1;
          if (progress) progress(written, faces.identities * faces.images);
        }
      }
    } catch (...) {
      next = faces.identities;
      const std::lock_guard lock(mutex);
      if (!failure) failure = std::current_exception();
    }
  };
  {
    std::vector<std::jthread> workers;
    try {
      for (int thread = 1; thread < faces.threads; ++thread) workers.emplace_back(work);
    } catch (const std::system_error&) {
      // The system gives no more threads: the existing ones do all the work.
    }
    work();
  }
  if (failure) std::rethrow_exception(failure);
}

void write_synthetic_faces(const std::filesystem::path& directory, const SyntheticFaces& faces, const SynthesisProgress& progress) {
  write_synthetic_people(
      directory, faces, [&](const FaceKey& key) { return synthetic_face_jpeg(key, faces.variation); }, progress);
  std::string list;
  for (std::uint64_t n = 0; n < faces.identities; ++n) {
    for (std::uint64_t image = 1; image <= faces.images; ++image) {
      list += fmt::format("{} {}\n", synthetic_face_path(faces.first_identity + n, image), n);
    }
  }
  write_file(directory / "list.txt", list);
}

std::string synthetic_pairs(const SyntheticPairs& pairs) {
  require(pairs.folds >= 1 && pairs.pairs >= 1, "[synth] expected at least 1 fold of 1 pair but got {} of {}.", pairs.folds, pairs.pairs);
  const std::uint64_t people = pairs.identities / pairs.folds;  // in the smallest fold
  // Twice what is needed, so that drawing until a pair is new ends soon.
  const std::uint64_t same = people * pairs.images * (std::max<std::uint64_t>(pairs.images, 1) - 1) / 2;
  const std::uint64_t different = people * (std::max<std::uint64_t>(people, 1) - 1) / 2 * pairs.images * pairs.images;
  require(same >= 2 * pairs.pairs && different >= 2 * pairs.pairs,
          "[synth] expected at least {} possible pairs of each kind in a fold but {} identities of {} images in {} folds have only {} of "
          "one person "
          "and {} of two; take more identities or images, or fewer pairs.",
          2 * pairs.pairs, pairs.identities, pairs.images, pairs.folds, same, different);

  std::string text = fmt::format("{}\t{}\n", pairs.folds, pairs.pairs);
  for (std::uint64_t fold = 0; fold < pairs.folds; ++fold) {
    const Random random(pairs.seed, stream_of("synthetic pairs"), fold);
    std::uint64_t draws = 0;
    const std::uint64_t begin = pairs.identities * fold / pairs.folds;
    const std::uint64_t end = pairs.identities * (fold + 1) / pairs.folds;
    const auto person = [&] { return pairs.first_identity + begin + random.below(draws++, end - begin); };
    const auto image = [&] { return 1 + random.below(draws++, pairs.images); };

    // who, image, who, image
    using Pair = std::tuple<std::uint64_t, std::uint64_t, std::uint64_t, std::uint64_t>;
    std::set<Pair> seen;
    for (const bool same_person : {true, false}) {
      for (std::uint64_t count = 0; count < pairs.pairs;) {
        std::pair first{person(), image()};
        std::pair second{same_person ? first.first : person(), image()};
        if (second < first) std::swap(first, second);
        if (first == second || (first.first == second.first) != same_person) continue;
        if (!seen.emplace(first.first, first.second, second.first, second.second).second) continue;
        ++count;
        text += same_person ? fmt::format("{}\t{}\t{}\n", synthetic_identity_name(first.first), first.second, second.second)
                            : fmt::format("{}\t{}\t{}\t{}\n", synthetic_identity_name(first.first), first.second,
                                          synthetic_identity_name(second.first), second.second);
      }
    }
  }
  return text;
}

void write_synthetic_pairs(const std::filesystem::path& file, const SyntheticPairs& pairs) { write_file(file, synthetic_pairs(pairs)); }

Image synthetic_contact_sheet(const SyntheticFaces& faces) {
  require(faces.identities >= 1 && faces.images >= 1, "[synth] expected at least 1 identity and 1 image of each but got {} and {}.",
          faces.identities, faces.images);
  const std::size_t row_bytes = synthetic_face_width * 3;
  Image sheet;
  sheet.height = synthetic_face_height * static_cast<std::int64_t>(faces.identities);
  sheet.width = synthetic_face_width * static_cast<std::int64_t>(faces.images);
  sheet.pixels.resize(static_cast<std::size_t>(sheet.height * sheet.width) * 3);
  for (std::uint64_t n = 0; n < faces.identities; ++n) {
    const FaceIdentity person = synthetic_identity(faces.seed, faces.first_identity + n);
    for (std::uint64_t image = 0; image < faces.images; ++image) {
      const Image face = render_face(person, {.seed = faces.seed, .identity = faces.first_identity + n, .image = image}, faces.variation);
      for (std::size_t row = 0; row < synthetic_face_height; ++row) {
        const std::size_t to = ((n * synthetic_face_height + row) * faces.images + image) * row_bytes;
        std::copy_n(face.pixels.begin() + static_cast<std::ptrdiff_t>(row * row_bytes), row_bytes,
                    sheet.pixels.begin() + static_cast<std::ptrdiff_t>(to));
      }
    }
  }
  return sheet;
}

}  // namespace amnet
