#include <amnet/core/error.h>
#include <amnet/core/path_hint.h>
#include <amnet/data/image.h>
#include <amnet/data/image_source.h>

#include "missing_file.h"

#include <system_error>

namespace amnet {
namespace {

namespace fs = std::filesystem;

class ImageFolder final : public ImageSource {
 public:
  using ImageSource::ImageSource;

  bool contains(std::string_view path) const override {
    std::error_code unreadable;  // counts as absent
    return fs::is_regular_file(place() / path, unreadable);
  }
  std::span<const std::byte> read(std::string_view path, std::string_view name, std::vector<std::byte>& buffer) const override {
    try {
      read_image_file(place() / path, name, buffer);
    } catch (const DataError&) {
      const std::string hint = missing_file_hint(place(), path);
      require<DataError>(hint.empty(), "{} is not there{}.", name, hint);
      throw;
    }
    return buffer;
  }
  void for_each_file_in(const std::unordered_set<std::string>& folders,
                        const std::function<void(std::string_view path)>& found) const override {
    for (const std::string& folder : folders) {
      std::error_code error;  // a folder that cannot be read has no files
      for (fs::directory_iterator entry(place() / folder, error), end; !error && entry != end; entry.increment(error)) {
        std::error_code unreadable;
        if (!entry->is_directory(unreadable)) found((fs::path(folder) / entry->path().filename()).string());
      }
    }
  }
  std::string alike(std::string_view path) const override { return file_alike(place(), path); }
  // opening a file early would cost as much as reading it
  void prefetch(std::string_view) const override {}
};

}  // namespace

std::shared_ptr<const ImageSource> image_folder(fs::path root) { return std::make_shared<ImageFolder>(std::move(root)); }

void require_image_folder(const fs::path& root) {
  std::error_code unreadable;
  require<DataError>(fs::is_directory(root, unreadable), "{}: expected the folder of the images but there is none{}.", root.string(),
                     path_hint(root.string()));
}

}  // namespace amnet
