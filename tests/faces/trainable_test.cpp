// The messages for a list that cannot be trained on, and for a folder that is not the one of the
// people.
#include <amnet/faces/trainable.h>

#include <string>

#include "catch.h"
#include "data/test_images.h"
#include "faces/folder_hint.h"

using namespace amnet;
using Catch::Contains;
using test_images::TemporaryFolder;

TEST_CASE("folder hint: the path that would fit is named", "[folder_hint]") {
  const TemporaryFolder folder;
  for (const char* image : {"data/train/ann/1.jpg", "data/train/bob/1.JPG", "data/train/bob/._2.jpg", "data/notes/read.txt"}) {
    folder.write(image, "x");
  }
  const std::filesystem::path right = folder.path() / "data" / "train";
  CHECK(folder_hint(right).empty());
  CHECK_THAT(folder_hint(folder.path()), Contains("`data/train`") && Contains("pass .root " + right.string()));
  CHECK_THAT(folder_hint(folder.path() / "data"), Contains("`train`") && Contains("pass .root " + right.string()));
  CHECK_THAT(folder_hint(right / "ann"), Contains("pass .root " + right.string()));
  CHECK_THAT(folder_hint(right / "ann" / ""), Contains("pass .root " + right.string()));
  CHECK(folder_hint(folder.path() / "data" / "notes").empty());
  CHECK(folder_hint(folder.path() / "absent").empty());

  // In a separate folder: files beside it count, too.
  const TemporaryFolder loose;
  loose.write("pictures/1.jpg", "x");
  loose.write("pictures/2.jpg", "x");
  CHECK_THAT(folder_hint(loose.path() / "pictures"), Contains("into a sub-folder"));
}

TEST_CASE("trainable: one person is not enough", "[trainable]") {
  FaceList list("root", "list.txt");
  list.add("ann/1.jpg", 3, 1);
  CHECK_THAT(why_not_trainable(list), Contains("the list list.txt holds one image of one person only (`ann`)"));
  list.add("ann/2.jpg", 3, 2);
  CHECK_THAT(why_not_trainable(list), Contains("2 images of one person only") && Contains("label of its own"));
  list.add("bob/1.jpg", 4, 3);
  CHECK_THAT(why_not_trainable(list), Contains("label 4 in list.txt:3 would make 5 classes, of which 3 have no image"));
}

TEST_CASE("trainable: labels that nobody has", "[trainable]") {
  FaceList list("root", "list.txt");
  for (const std::int64_t label : {1, 2, 3}) list.add("p/1.jpg", label, label);
  CHECK(why_not_trainable(list).empty());  // counts from 1
  list.add("p/2.jpg", 7, 4);
  CHECK(why_not_trainable(list).empty());  // 4 of 8
  list.add("p/2.jpg", 10, 5);
  CHECK_THAT(why_not_trainable(list), Contains("label 10 in list.txt:5 would make 11 classes, of which 6 have no image; pass .relabel"));
  list.set_classes(1'000);
  CHECK(why_not_trainable(list, {.classes = 1'000}).empty());  // asked for
  list.set_classes(std::int64_t{1} << 31);
  CHECK_THAT(why_not_trainable(list, {.classes = std::int64_t{1} << 31}), Contains("2147483648 classes") && Contains("GB"));
}

TEST_CASE("face list: labels are numbered anew in their order", "[face_list]") {
  const TemporaryFolder folder;
  folder.write("list.txt", "a/1.jpg 20190007\nb/1.jpg -4\na/2.jpg 20190007\nc/1.jpg 9223372036854775807\nd/1.jpg 0\n");
  folder.write("out.txt", "d\n");
  const FaceList list = read_face_list(folder.path() / "list.txt", folder.path(), {.exclude = folder.path() / "out.txt", .relabel = true});
  REQUIRE(list.size() == 4);
  CHECK(list.classes() == 3);
  CHECK((list.label(0) == 1 && list.label(1) == 0 && list.label(2) == 1 && list.label(3) == 2));
  CHECK(list.old_labels() == std::vector<std::int64_t>{-4, 20190007, 9223372036854775807});
  CHECK(label_table(list) == "label,label_in_list\n0,-4\n1,20190007\n2,9223372036854775807\n");
  CHECK(label_table(FaceList("root")).empty());
}
