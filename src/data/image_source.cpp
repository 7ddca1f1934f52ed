#include <amnet/data/image.h>
#include <amnet/data/image_source.h>

#include <system_error>

namespace amnet {
namespace {

class ImageFolder final : public ImageSource {
 public:
  using ImageSource::ImageSource;

  bool contains(std::string_view path) const override {
    std::error_code unreadable;  // counts as absent
    return std::filesystem::is_regular_file(place() / path, unreadable);
  }
  std::span<const std::byte> read(std::string_view path, std::string_view name, std::vector<std::byte>& buffer) const override {
    read_image_file(place() / path, name, buffer);
    return buffer;
  }
  void prefetch(std::string_view) const override {}  // opening a file early would cost as much as reading it
};

}  // namespace

std::shared_ptr<const ImageSource> image_folder(std::filesystem::path root) { return std::make_shared<ImageFolder>(std::move(root)); }

}  // namespace amnet
