#include "example.h"

using namespace amnet;
using examples::draw_faces, examples::draw_pairs, examples::make_run, examples::print, examples::small_network, examples::write_file;

namespace {

/// "faces" with a list of pairs, and features that do not depend on the images.
struct Features {
  Pairs pairs = [] {
    draw_faces("faces");
    draw_pairs("pairs.txt");
    return read_pairs("pairs.txt", "faces");
  }();
  Tensor features = drawn(1), mirrored = drawn(2);

  Tensor drawn(std::uint64_t seed) const {
    return random_normal({static_cast<std::int64_t>(pairs.images.size()), 8}, seed).cast(DType::f32);
  }
};

FaceList drawn_list() {
  draw_faces("faces");
  return list_folder("faces");
}

}  // namespace

EXAMPLE("faces/align_folder.h") {
  write_synthetic_photographs("photographs", {.identities = 2, .images = 1});
  examples::write_mtcnn("mtcnn");
#include "example_of/faces/align_folder.h"
  CHECK((summary.photographs == 2 && std::filesystem::exists("faces/align.html")));
}

EXAMPLE("faces/alignment.h") {
  const Landmarks landmarks = landmarks_of(FaceTemplate::sphereface);
  draw_faces("faces");
  std::filesystem::copy_file("faces/" + examples::face_paths()[0], "ann.jpg");
#include "example_of/faces/alignment.h"
  CHECK((face.height == 112 && face.width == 112));
}

EXAMPLE("faces/bootstrap.h") {
  const auto [pairs, features, mirrored] = Features();
  const Verification amsoftmax = verify(pairs, features, features), softmax = verify(pairs, mirrored, mirrored);
#include "example_of/faces/bootstrap.h"
  CHECK(gain.low <= gain.high);
}

EXAMPLE("faces/check.h") {
  const FaceList list = drawn_list();
#include "example_of/faces/check.h"
  CHECK(report.good == list.size());
}

EXAMPLE("faces/device_forecast.h") {
  if (cuda_devices() == 0) {
    WARN("faces/device_forecast.h is compiled only: there is no GPU");
    return;
  }
#if defined(AMNET_CUDA)
  Device device = Cuda();
#else
  Device device = Cpu();
#endif
  Model model = face_network(small_network);
  const Head head = add_head(model, {.classes = 10});
  const Net& net = model.net;
  const ImageFormat format;
#include "example_of/faces/device_forecast.h"
  CHECK(memory.total() > 0);
}

EXAMPLE("faces/face_list.h") {
  std::string lines;
  for (int image = 1; image <= 11; ++image) lines += fmt::format("train/bob/{:02}.jpg 0\n", image);
  write_file("train_list.txt", lines + "train/ann/01.jpg 1\n");
  write_file("overlap.txt", "eve\n");
  std::filesystem::create_directory("faces");
  const std::int64_t i = 11;
#include "example_of/faces/face_list.h"
  CHECK(list.file(i) == "faces/train/ann/01.jpg");
  CHECK(list.where(i) == "train_list.txt:12: faces/train/ann/01.jpg");
}

EXAMPLE("faces/face_source.h") {
  draw_faces("faces");
  Device device = Cpu(1);
#include "example_of/faces/face_source.h"
  CHECK(source.epoch() == 16);
}

EXAMPLE("faces/face_training.h") {
#include "example_of/faces/face_training.h"
  CHECK(steps > 0);
}

EXAMPLE("faces/heads.h") {
#include "example_of/faces/heads.h"
  CHECK(model.net.spec(head.logits).shape == Shape{1, 902});
}

EXAMPLE("faces/input_format.h") {
  make_run("runs/a");
  write_durably("faces.pack", [&](const ByteSink& sink) { write_packed_faces(drawn_list(), {}, sink); });
#include "example_of/faces/input_format.h"
}

EXAMPLE("faces/landmark_table.h") {
  write_file("landmarks.csv",
             "file,left_eye_x,left_eye_y,right_eye_x,right_eye_y,nose_x,nose_y,mouth_left_x,mouth_left_y,mouth_right_x,mouth_right_y\n"
             "ann/01.jpg,1,2,3,4,5,6,7,8,9,10\n");
#include "example_of/faces/landmark_table.h"
  CHECK(table.faces_of("ann/01.jpg").at(0).landmarks[2] == Point{5, 6});
}

EXAMPLE("faces/list_notes.h") {
  draw_faces("faces");
  write_file("overlap.txt", "eve\n");
#include "example_of/faces/list_notes.h"
  CHECK(list.notes().unmatched_exclusions.count == 1);
}

EXAMPLE("faces/loader.h") {
  const FaceList list = drawn_list();
#include "example_of/faces/loader.h"
}

EXAMPLE("faces/memory_forecast.h") {
  const FaceList list = drawn_list();
  Model model = face_network(small_network);
  const Head head = add_head(model, {.classes = list.classes()});
  const Net& net = model.net;
  const Plan plan(net, {.batch = 4, .loss = head.loss});
  Device device = Cpu(1);
  const FaceTraining options{.batch = 4};
#include "example_of/faces/memory_forecast.h"
  CHECK_THAT(memory.str(), Catch::StartsWith("Memory: "));
}

EXAMPLE("faces/mtcnn.h") {
  draw_faces("faces");
  std::filesystem::copy_file("faces/" + examples::face_paths()[0], "ann.jpg");
  examples::write_mtcnn("mtcnn");
#include "example_of/faces/mtcnn.h"
  CHECK(mtcnn.plans_made() > 0);
}

EXAMPLE("faces/pack_size.h") {
  write_durably("faces.pack", [&](const ByteSink& sink) { write_packed_faces(drawn_list(), {}, sink); });
#include "example_of/faces/pack_size.h"
  CHECK(size_text(format) == "112x96");
}

EXAMPLE("faces/packed_faces.h") {
  const FaceList list = drawn_list();
#include "example_of/faces/packed_faces.h"
  CHECK(packed.size() == list.size());
}

EXAMPLE("faces/pairs.h") {
  draw_faces("lfw/images");
  draw_pairs("lfw/pairs.txt");
#include "example_of/faces/pairs.h"
  CHECK(pairs.folds == 2);
}

EXAMPLE("faces/sphere_face.h") {
  Net net;
#include "example_of/faces/sphere_face.h"
  CHECK(net.find("fc5") == embedding);
}

EXAMPLE("faces/synthetic_faces.h") {
#include "example_of/faces/synthetic_faces.h"
  CHECK(read_pairs("faces/pairs.txt", "faces").pairs.size() == 32);
  CHECK(sheet.height == 4 * synthetic_face_height);
}

EXAMPLE("faces/synthetic_photographs.h") {
#include "example_of/faces/synthetic_photographs.h"
  CHECK((face.height == 112 && face.width == 96));
}

EXAMPLE("faces/train_faces.h") {
  draw_faces("faces");
#include "example_of/faces/train_faces.h"
  CHECK(outcome.step == 10);
}

EXAMPLE("faces/train_report.h") {
  make_run("runs/a");
#include "example_of/faces/train_report.h"
  CHECK(is_report_page(read_file("runs/a/report.html")));
}

EXAMPLE("faces/trainable.h") {
  const FaceList list = drawn_list();
#include "example_of/faces/trainable.h"
}

EXAMPLE("faces/validation_table.h") {
  write_file("runs/a/validation.csv",
             fmt::format("{}\n{}\n", fmt::join(validation_columns(), ","), line_of({.step = 5, .accuracy_mean = 90})));
#include "example_of/faces/validation_table.h"
  REQUIRE(rows.size() == 1);
  CHECK(rows[0].accuracy_mean == 90);
}

EXAMPLE("faces/verification.h") {
  const auto [pairs, features, mirrored] = Features();
#include "example_of/faces/verification.h"
  CHECK(v.folds.size() == 2);
}

EXAMPLE("faces/verifier.h") {
  FaceList list = drawn_list();
  draw_pairs("pairs.txt");
  Model model = face_network(small_network);
  add_head(model, {.classes = list.classes()});
  FaceSource source(std::move(list), {.batch = 4, .seed = 1});
  Device device = Cpu(1);
  Trainer trainer(device, model, source, {.steps = 2});
  RunLog log("train.log", print);
  StepLog step_log("runs/a", log);
  Checkpoints checkpoints("runs/a", log);
#include "example_of/faces/verifier.h"
  CHECK(read_validation("runs/a/validation.csv").size() == 1);
}
