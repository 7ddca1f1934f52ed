#include "commands.h"
#include "compute_options.h"
#include "console.h"
#include "outputs.h"
#include "progress_bar.h"
#include "signals.h"

#include <amnet/faces/align_folder.h>

#include <fmt/format.h>

using namespace amnet;

int align_command(Arguments arguments) {
  AlignFolder options;
  std::vector<double> thresholds(options.detector.thresholds.begin(), options.detector.thresholds.end());
  CLI::App app("Finds the faces of photographs and writes them aligned, as training takes them; it goes on where an earlier run ended.",
               "train_face align");
  use_our_style(app,
                "  train_face align --in photographs --out faces --mtcnn mtcnn\n"
                "  train_face align --in photographs --out faces --landmarks landmarks.csv --template 112x112\n");
  begin_group(app, "Photographs");
  app.add_option("--in", options.in, "Folder of the photographs, with any folders in it")->required();
  app.add_option("--mtcnn", options.mtcnn, "Folder of MTCNN's nets: det1, det2 and det3, .prototxt and .caffemodel");
  app.add_option("--landmarks", options.landmarks, "CSV file with five landmarks for each face, instead of --mtcnn");
  add_named(app, "--faces", options.choice, "Of several faces: the nearest to the centre, the largest, or all");
  app.add_option("--least-eyes", options.least_eyes, "Pixels between the eyes; photographs with less are rejected");
  app.add_option("--most-misfit", options.most_misfit,
                 "Pixels by which the aligned landmarks may miss the template's; profiles miss by more");
  begin_group(app, "Detection");
  app.add_option("--min-face", options.detector.min_face, "Smallest face that is looked for, pixels of the photograph");
  app.add_option("--factor", options.detector.factor, "From one size of the pyramid to the next");
  app.add_option("--thresholds", thresholds, "Least probabilities of the three nets")->expected(3);
  app.add_flag("--mirrored-landmarks", options.detector.mirrored_landmarks, "Mean of the landmarks of a face and of its mirror image");
  begin_group(app, "Faces");
  app.add_option("--out", options.out, "Folder for the faces, faces.csv, rejected.csv and align.html")->required();
  add_named(app, "--template", options.alignment.form, "Size and place of the face: SphereFace's 112x96 or ArcFace's 112x112");
  add_named(app, "--method", options.alignment.method, "Fit of the landmarks: umeyama, or cp2tform as in MATLAB");
  add_named(app, "--format", options.kind, "Of the pictures");
  app.add_option("--quality", options.quality, "Of JPEG pictures");
  begin_group(app, computing);
  app.add_option("--threads", options.threads, "Photographs at a time; 0: all processors that the process may use")
      ->check(CLI::Range(0, 1024));
  if (!parse_arguments(app, std::move(arguments))) return 0;

  require(options.mtcnn.empty() != options.landmarks.empty(), "train_face align: give either --mtcnn or --landmarks.");
  std::ranges::copy(thresholds, options.detector.thresholds.begin());
  Outputs outputs;
  outputs.reads("--landmarks", options.landmarks);
  // Whether what is there is of an earlier run, align_folder decides.
  outputs.writes_into("--out", options.out, {"faces.csv", "rejected.csv", "align.html", "align.jsonl"},
                      [](const std::filesystem::path&) { return true; });
  ProgressBar bar;
  const Pace pace;
  std::int64_t before = -1;  // what an earlier run did, and costs no time
  options.progress = [&](std::int64_t done, std::int64_t all) {
    if (before < 0) before = done - 1;
    bar.show("aligning", done, all, pace.seconds_left(done - before, all - before));
    stop_if_asked();
  };
  const AlignSummary summary = align_folder(options);
  bar.clear();
  const std::string earlier = summary.earlier > 0 ? fmt::format(", {} of them by an earlier run", summary.earlier) : "";
  conclude(fmt::format("{} faces of {} photographs{} in {}; {} rejected; {} shows them", summary.faces.size(), summary.photographs, earlier,
                       options.out.string(), summary.rejected.size(), (options.out / "align.html").string()));
  return summary.aligned == 0 ? 3 : 0;
}
