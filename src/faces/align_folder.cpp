#include <amnet/core/path_hint.h>
#include <amnet/core/processors.h>
#include <amnet/core/text.h>
#include <amnet/data/image_names.h>
#include <amnet/faces/align_folder.h>
#include <amnet/io/durable_file.h>
#include <amnet/io/folder_lock.h>

#include "align_journal.h"
#include "align_page.h"
#include "content_hash.h"
#include "csv.h"
#include "data/pipeline.h"
#include "io/hidden_name.h"
#include "io/json.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <memory>
#include <mutex>
#include <numbers>
#include <optional>
#include <set>
#include <system_error>

namespace amnet {
namespace {

namespace fs = std::filesystem;

constexpr ChannelOrder order = ChannelOrder::rgb;

fs::path journal_of(const AlignFolder& options) { return options.out / "align.jsonl"; }

void check(const AlignFolder& options) {
  require(!options.in.empty(), "[align] .in: expected the folder of the photographs.");
  require(!options.out.empty(), "[align] .out: expected a folder for the faces.");
  require(options.mtcnn.empty() != options.landmarks.empty(), "[align] expected either .mtcnn or .landmarks.");
  require(options.quality >= 1 && options.quality <= 100, "[align] .quality: expected a number in [1,100] but got {}.", options.quality);
  require(options.least_eyes >= 0, "[align] .least_eyes: expected a number of pixels but got {}.", options.least_eyes);
  require(options.most_misfit > 0, "[align] .most_misfit: expected a number of pixels above 0 but got {}.", options.most_misfit);
  require(options.threads >= 0 && options.threads <= 1024, "[align] .threads: expected a number in [0,1024] but got {}.", options.threads);
  std::error_code unreadable;
  require<DataError>(fs::is_directory(options.in, unreadable), "{}: expected the folder of the photographs but there is none{}.",
                     options.in.string(), path_hint(options.in.string()));
  require(!fs::equivalent(options.in, options.out, unreadable), "[align] .out: expected another folder than that of the photographs.");
  // Pictures of the same names would be lost.
  const bool taken = fs::is_directory(options.out, unreadable) && !fs::exists(journal_of(options), unreadable) &&
                     std::ranges::any_of(fs::directory_iterator(options.out), [](const fs::directory_entry& entry) {
                       return kind_of_name(entry.path().filename().string()) != NameKind::hidden;
                     });
  require(!taken, "[align] .out: {} has other files; expected a new folder, or that of an earlier run.", options.out.string());
}

/// Removes what a process that was killed was writing.
void remove_unfinished(const fs::path& folder) {
  std::vector<fs::path> unfinished;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    const std::optional<HiddenName> hidden = parse_hidden(name);
    if (hidden && hidden->why == Hidden::temporary && !may_be_in_use(*hidden, entry.path())) unfinished.push_back(entry.path());
  }
  std::error_code gone;
  for (const fs::path& path : unfinished) fs::remove(path, gone);
}

/// A photograph, and the picture of its first face.
struct Work {
  std::string photograph, picture;
};

/// All photographs below a folder but those in `without`, in the order of their names.
std::vector<std::string> photographs_in(const fs::path& folder, const fs::path& without) {
  std::vector<std::string> found;
  std::error_code failed;
  for (auto at = fs::recursive_directory_iterator(folder); at != fs::recursive_directory_iterator(); ++at) {
    const std::string name = at->path().filename().string();
    if (at->is_directory(failed)) {
      if (kind_of_name(name) == NameKind::hidden || fs::equivalent(at->path(), without, failed)) at.disable_recursion_pending();
    } else if (kind_of_name(name) == NameKind::image) {
      found.push_back(at->path().lexically_relative(folder).string());
    }
  }
  std::ranges::sort(found);
  return found;
}

/// Names for the pictures: those of the photographs with the new ending, and of two that would
/// have one name the preferred.
std::vector<Work> work_of(std::vector<std::string> photographs, const std::string& ending) {
  std::ranges::sort(photographs, [](const std::string& a, const std::string& b) {
    const std::string_view a_stem = without_ending(a), b_stem = without_ending(b);
    return a_stem != b_stem ? a_stem < b_stem : is_preferred(a, b);
  });
  std::set<std::string> taken;
  std::vector<Work> work;
  for (std::string& photograph : photographs) {
    std::string picture = std::string(without_ending(photograph)) + ending;
    if (!taken.insert(picture).second) {
      picture = photograph + ending;
      taken.insert(picture);
    }
    work.push_back({.photograph = std::move(photograph), .picture = std::move(picture)});
  }
  return work;
}

std::string hash_text(std::string_view bytes) {
  const ContentHash hash = content_hash(std::as_bytes(std::span(bytes)));
  return fmt::format("{:016x}{:016x}", hash.high, hash.low);
}

/// All that a face depends on.
Json settings_of(const AlignFolder& options) {
  Json settings;
  if (options.landmarks.empty()) {
    std::string files;
    for (const char* name : {"det1.prototxt", "det1.caffemodel", "det2.prototxt", "det2.caffemodel", "det3.prototxt", "det3.caffemodel"}) {
      files += read_file(options.mtcnn / name);
    }
    settings["mtcnn"] = hash_text(files);
    settings["min_face"] = options.detector.min_face;
    settings["factor"] = options.detector.factor;
    settings["thresholds"] = options.detector.thresholds;
    settings["mirrored_landmarks"] = options.detector.mirrored_landmarks;
  } else {
    settings["landmarks"] = hash_text(read_file(options.landmarks, std::size_t{1} << 30));
  }
  settings["choice"] = name_of(options.choice);
  settings["template"] = name_of(options.alignment.form);
  settings["method"] = name_of(options.alignment.method);
  settings["format"] = options.kind == PictureKind::png ? "png" : fmt::format("jpg {}", options.quality);
  settings["least_eyes"] = options.least_eyes;
  settings["most_misfit"] = options.most_misfit;
  return settings;
}

double eyes_of(const Landmarks& landmarks) { return std::hypot(landmarks[1].x - landmarks[0].x, landmarks[1].y - landmarks[0].y); }
double roll_of(const Landmarks& landmarks) {
  return std::atan2(landmarks[1].y - landmarks[0].y, landmarks[1].x - landmarks[0].x) * 180 / std::numbers::pi;
}

/// How large a file is and when it was written: another photograph of the same name is done anew.
Json stamp_of(const fs::path& path) {
  std::error_code unreadable;
  const auto bytes = fs::file_size(path, unreadable);
  const auto time = fs::last_write_time(path, unreadable).time_since_epoch();
  return Json::array(
      {unreadable ? -1 : static_cast<std::int64_t>(bytes), std::chrono::duration_cast<std::chrono::milliseconds>(time).count()});
}

Json json_of(const AlignedFace& face, std::size_t bytes) {
  Json points = Json::array();
  for (const Point& point : face.face.landmarks) points.insert(points.end(), {point.x, point.y});
  const Box& box = face.face.box;
  Json json;
  json["picture"] = face.picture;
  json["bytes"] = bytes;
  json["number"] = face.number;
  json["score"] = face.face.score;
  json["box"] = {box.left, box.top, box.width, box.height};
  json["landmarks"] = std::move(points);
  json["misfit"] = face.misfit;
  return json;
}

AlignedFace face_of(const std::string& photograph, const Json& json) {
  AlignedFace face{.photograph = photograph,
                   .picture = json.at("picture").get<std::string>(),
                   .number = json.at("number").get<int>(),
                   .face = {},
                   .misfit = json.at("misfit").get<double>()};
  const auto box = json.at("box").get<std::array<double, 4>>();
  const auto points = json.at("landmarks").get<std::array<double, 10>>();
  face.face = {.box = {box[0], box[1], box[2], box[3]}, .score = json.at("score").get<double>(), .landmarks = {}};
  for (std::size_t i = 0; i < 5; ++i) face.face.landmarks[i] = {points[2 * i], points[2 * i + 1]};
  face.eyes = eyes_of(face.face.landmarks);
  face.roll = roll_of(face.face.landmarks);
  return face;
}

/// What a sentence says of a photograph, without its name at the beginning.
std::string_view without_name(std::string_view sentence, std::string_view name) {
  if (!sentence.starts_with(name)) return sentence;
  sentence.remove_prefix(name.size());
  if (sentence.starts_with(':')) sentence.remove_prefix(1);
  if (sentence.starts_with(' ')) sentence.remove_prefix(1);
  return sentence;
}

/// Detectors that threads take and give back.
class Detectors {
 public:
  explicit Detectors(const AlignFolder& options) : options_(options.detector) {
    if (!options.mtcnn.empty()) {
      nets_ = read_mtcnn(options.mtcnn);
      free_.push_back(std::make_unique<Mtcnn>(*nets_, Cpu(1), options_));  // checks the options
    }
  }
  bool any() const { return nets_.has_value(); }

  std::vector<DetectedFace> detect(const Image& photograph) {
    std::unique_ptr<Mtcnn> detector;
    {
      const std::scoped_lock lock(mutex_);
      if (!free_.empty()) {
        detector = std::move(free_.back());
        free_.pop_back();
      }
    }
    if (!detector) detector = std::make_unique<Mtcnn>(*nets_, Cpu(1), options_);
    std::vector<DetectedFace> faces = detector->detect(photograph, order);
    const std::scoped_lock lock(mutex_);
    free_.push_back(std::move(detector));
    return faces;
  }

 private:
  MtcnnOptions options_;
  std::optional<MtcnnNets> nets_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Mtcnn>> free_;
};

class Aligner {
 public:
  explicit Aligner(const AlignFolder& options) : options_(options), detectors_(options) {
    if (!options.landmarks.empty()) table_ = read_landmark_table(options.landmarks);
  }

  /// What there is to say of a photograph; its faces are written when this returns.
  Json align(const Work& work) {
    Json entry;
    entry["stamp"] = stamp_of(options_.in / work.photograph);
    try {
      Json faces = faces_of(work);
      entry["faces"] = std::move(faces);
    } catch (const DataError& error) {
      entry["rejected"] = one_line(without_name(error.what(), work.photograph));
    }
    return entry;
  }

 private:
  /// Throws DataError, a sentence, where there is no face.
  Json faces_of(const Work& work) {
    const std::string name = work.photograph;
    const Image photograph = decode_image(read_image_file(options_.in / work.photograph, name), order, name);
    const std::vector<DetectedFace> found = detectors_.any() ? detectors_.detect(photograph) : table_.faces_of(work.photograph);
    require<DataError>(!found.empty(), "{}: {}.", name, detectors_.any() ? "no face was found" : "the table of landmarks has none of it");
    Json faces = Json::array();
    std::string reason;
    int number = 0;
    for (const DetectedFace& face : chosen(found, options_.choice, photograph)) {
      const Similarity map = fit_similarity(face.landmarks, landmarks_of(options_.alignment.form), options_.alignment.method);
      AlignedFace aligned{.photograph = work.photograph,
                          .picture = picture_of(work, number),
                          .number = number,
                          .face = face,
                          .eyes = eyes_of(face.landmarks),
                          .misfit = misfit(map, face.landmarks, landmarks_of(options_.alignment.form))};
      ++number;
      if (aligned.eyes < options_.least_eyes) {
        reason = fmt::format("the eyes are {:.1f} pixels apart, and {:g} are asked for", aligned.eyes, options_.least_eyes);
      } else if (aligned.misfit > options_.most_misfit) {
        reason = fmt::format("the landmarks miss the template by {:.1f} pixels, and at most {:g} are asked for: a profile, or no face",
                             aligned.misfit, options_.most_misfit);
      } else {
        faces.push_back(json_of(aligned, write(aligned, photograph)));
      }
    }
    require<DataError>(!faces.empty(), "{}: {}.", name, reason);
    return faces;
  }

  std::string picture_of(const Work& work, int number) const {
    if (number == 0) return work.picture;
    const fs::path first = work.picture;
    return (first.parent_path() / fmt::format("{}.face{}{}", first.stem().string(), number + 1, first.extension().string())).string();
  }

  /// The bytes that were written.
  std::size_t write(const AlignedFace& aligned, const Image& photograph) const {
    const Image face = align_face(photograph, aligned.face.landmarks, options_.alignment);
    const std::vector<std::byte> bytes =
        options_.kind == PictureKind::png ? encode_png(face, order) : encode_jpeg(face, order, options_.quality);
    const fs::path path = options_.out / aligned.picture;
    fs::create_directories(path.parent_path());
    write_durably(path, std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
    return bytes.size();
  }

  const AlignFolder& options_;
  Detectors detectors_;
  LandmarkTable table_;
};

/// Whether what an earlier run wrote of a photograph is still so.
bool holds(const Json& entry, const AlignFolder& options, const std::string& photograph) {
  if (!entry.contains("stamp") || entry["stamp"] != stamp_of(options.in / photograph)) return false;
  if (entry.contains("rejected")) return entry["rejected"].is_string();
  if (!entry.contains("faces") || !entry["faces"].is_array() || entry["faces"].empty()) return false;
  try {
    return std::ranges::all_of(entry["faces"], [&](const Json& json) {
      std::error_code missing;
      const AlignedFace face = face_of(photograph, json);
      return fs::file_size(options.out / face.picture, missing) == json.at("bytes").get<std::uintmax_t>() && !missing;
    });
  } catch (const Json::exception&) {
    return false;
  }
}

void add_to(AlignSummary& summary, const std::string& photograph, const Json& entry) {
  if (entry.contains("rejected")) {
    summary.rejected.push_back({.photograph = photograph, .reason = entry["rejected"].get<std::string>()});
    return;
  }
  ++summary.aligned;
  for (const Json& face : entry["faces"]) summary.faces.push_back(face_of(photograph, face));
}

}  // namespace

AlignSummary align_folder(const AlignFolder& options) {
  check(options);
  Aligner aligner(options);
  const Json settings = settings_of(options);
  const FolderLock lock(options.out);
  remove_unfinished(options.out);
  AlignJournal journal(journal_of(options), settings);

  const std::vector<Work> work = work_of(photographs_in(options.in, options.out), fmt::format(".{}", name_of(options.kind)));
  require<DataError>(!work.empty(), "{}: expected photographs but there is none ({}).", options.in.string(), endings_in_words());
  std::vector<const Work*> left;
  for (const Work& one : work) {
    const Json* earlier = journal.of(one.photograph);
    if (earlier == nullptr || !holds(*earlier, options, one.photograph)) left.push_back(&one);
  }
  AlignSummary summary{.photographs = static_cast<std::int64_t>(work.size())};
  summary.earlier = static_cast<std::int64_t>(work.size() - left.size());

  const int threads = options.threads == 0 ? usable_processors() : options.threads;
  Pipeline<Json> pipeline(threads, 4 * threads, static_cast<std::int64_t>(left.size()), [&](std::int64_t number) {
    return [&, number](const std::stop_token&) { return aligner.align(*left[static_cast<std::size_t>(number)]); };
  });
  std::int64_t done = summary.earlier;
  for (const Work* one : left) {
    journal.add(one->photograph, std::move(*pipeline.next()));
    if (options.progress) options.progress(++done, summary.photographs);
  }
  for (const Work& one : work) add_to(summary, one.photograph, *journal.of(one.photograph));

  write_durably(options.out / "faces.csv", faces_table(summary.faces));
  write_durably(options.out / "rejected.csv", rejected_table(summary.rejected));
  write_durably(options.out / "align.html", align_page(options, summary));
  return summary;
}

std::string faces_table(const std::vector<AlignedFace>& faces) {
  std::string text = "file,face,picture,x1,y1,x2,y2,score";
  for (const std::string_view point : names_of(PointName{})) text += fmt::format(",{0}_x,{0}_y", point);
  text += ",eye_distance,roll,misfit\n";
  for (const AlignedFace& face : faces) {
    const Box& box = face.face.box;
    text += fmt::format("{},{},{},{:.3f},{:.3f},{:.3f},{:.3f},{:.6f}", csv_value(face.photograph), face.number, csv_value(face.picture),
                        box.left, box.top, box.left + box.width - 1, box.top + box.height - 1, face.face.score);
    for (const Point& point : face.face.landmarks) text += fmt::format(",{:.3f},{:.3f}", point.x, point.y);
    text += fmt::format(",{:.2f},{:.2f},{:.2f}\n", face.eyes, face.roll, face.misfit);
  }
  return text;
}

std::string rejected_table(const std::vector<RejectedPhotograph>& rejected) {
  std::string text = "file,reason\n";
  for (const RejectedPhotograph& one : rejected) text += fmt::format("{},{}\n", csv_value(one.photograph), csv_value(one.reason));
  return text;
}

}  // namespace amnet
