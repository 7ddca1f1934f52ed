#include <amnet/data/image_names.h>

#include "catch.h"

using namespace amnet;

TEST_CASE("image_names: endings count in any case, and what begins with a dot is hidden", "[image_names]") {
  for (const std::string_view name :
       {"01.jpg", "ann/01.JPG", "ann b/x.y.JpEg", "a.png", "a.WebP", "a.bmp", "a.ppm", "a.PGM", "a.pnm", "a.jfif", "a.JPE"}) {
    CAPTURE(name);
    CHECK(kind_of_name(name) == NameKind::image);
  }
  for (const std::string_view name : {"._01.jpg", ".x.jpg", "ann/._01.jpg", ".jpg", "ann/.DS_Store"}) {
    CAPTURE(name);
    CHECK(kind_of_name(name) == NameKind::hidden);
  }
  for (const std::string_view name : {"a.avif", "a.HEIC", "ann/a.heif", "a.TIFF", "a.tif", "a.gif", "a.jp2", "a.jxl"}) {
    CAPTURE(name);
    CHECK(kind_of_name(name) == NameKind::unread);
  }
  for (const std::string_view name : {"readme.txt", "Thumbs.db", "jpg", "a.jpg/readme", "a.jpg.txt", "a.jpg~", "", "a."}) {
    CAPTURE(name);
    CHECK(kind_of_name(name) == NameKind::other);
  }
}

TEST_CASE("image_names: an ending has its place in the table, and a name without it stays", "[image_names]") {
  CHECK(ending_of("ann/01.JPG") == 0);
  CHECK(*ending_of("a.jpeg") < *ending_of("a.png"));
  CHECK(!ending_of("a.heic"));
  CHECK(without_ending("ann/ann_0001.JPEG") == "ann/ann_0001");
  CHECK(without_ending("ann.b/0001") == "ann.b/0001");
  CHECK(without_ending("a.b.png") == "a.b");
  CHECK(endings_in_words().starts_with("as .jpg, .jpeg, .png, .webp, "));
  CHECK(endings_in_words().ends_with(" or .jfif"));
}
