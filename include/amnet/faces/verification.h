// Whether two photographs show one person: accuracy over folds of pairs, and the true accept rate
// at a false accept rate over all pairs of the images named. It takes embeddings, however they were
// computed.
//
//   Verification v = verify(pairs, features, mirrored, {.protocol = Protocol::amsoftmax});
//   fmt::print("{:.2f} % +- {:.2f} %\n", v.accuracy_mean, v.accuracy_std);
#pragma once

#include <amnet/core/tensor.h>
#include <amnet/faces/pairs.h>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace amnet {

/// How the two views of an image become one feature, and how a threshold is chosen.
///
/// amsoftmax: f(x) + f(flip x), cosine. Every midpoint between neighbouring different scores of the
/// other folds is a candidate.
///             (arXiv 1801.05599 names flip sum and cosine; it names no threshold rule, this one is ours.)
/// sphereface: [f(x); f(flip x)] - mu, cosine, where mu is the mean over both sides of the pairs of
/// the other folds. The candidates are
///             k/10000 for k = -10000..10000 (`evaluation.m` of SphereFace).
///
/// Both: the threshold of a fold is the mean of all candidates that reach the highest accuracy on
/// the other folds. A pair counts as the same person if score > threshold, as two people if score <
/// threshold; a score equal to it counts wrong.
enum class Protocol : unsigned char { amsoftmax, sphereface };
constexpr std::array<std::string_view, 2> names_of(Protocol) { return {"amsoftmax", "sphereface"}; }

struct Fold {
  // percent of the fold's pairs that were used; NaN where none was, or where none was in the other
  // folds
  double accuracy = 0;
  double threshold = 0;  // chosen on the other folds; NaN where no pair of them was used
};

/// A point of the ROC: accept if score >= threshold.
struct AcceptRate {
  double far = 0;  // share of the impostor pairs accepted, 0..1
  double tar = 0;  // percent of the genuine pairs accepted; NaN where no threshold gives this rate
  double threshold = 0;
  // why there is no tar, or that the impostor pairs are too few for the rate; mostly empty
  std::string note = {};
};

struct Verification {
  Protocol protocol = Protocol::amsoftmax;
  std::vector<Fold> folds;
  double accuracy_mean = 0;  // over the folds that have one, percent; NaN where none has
  double accuracy_std = 0;   // population standard deviation over the same folds, percent
  /// For each pair of the list: its score (of its own fold's mu), and 1 if it was judged correctly,
  /// else 0. NaN where an image failed, and in `correct` where the fold has no accuracy.
  std::vector<double> scores;
  std::vector<double> correct;
  /// Over every pair of different images named; genuine if both show one person. At the rates
  /// requested, in their order.
  std::vector<AcceptRate> accept_rates;
  /// The same as a curve, with falling thresholds, thinned for drawing; beyond 4 million impostor
  /// pairs it ends where the requested rates end.
  std::vector<AcceptRate> roc;
  std::int64_t genuine_pairs = 0, impostor_pairs = 0;  // of all pairs of the images named
  std::int64_t images = 0, failed_images = 0, failed_pairs = 0;
  /// All scores are equal (to 1e-10), or all features are (to 1e-6 of their size): no threshold is
  /// meaningful, and no rate is met.
  bool tells_nothing_apart = false;

  std::int64_t used_pairs() const { return static_cast<std::int64_t>(scores.size()) - failed_pairs; }
};

struct VerificationOptions {
  Protocol protocol = Protocol::amsoftmax;
  /// False accept rates to give the true accept rate at, each in (0, 1].
  std::vector<double> far = {1e-2, 1e-3};
  /// For each image, nonzero where it could not be read; empty: none failed. A pair with a failed
  /// image is left out of everything: of the accuracy, of choosing thresholds, of mu and of the
  /// accept rates. The result contains their number, to be reported with it.
  std::span<const std::uint8_t> failed = {};
};

/// `features`, `mirrored`: (images, D) f32, row i for pairs.images[i] and for its mirror image. A
/// zero feature scores 0 with everything. Over all pairs of images the sphereface mu is that of all
/// pairs of the list, no fold held out. Cosines are computed in double. Time: images^2 D / 2
/// multiplications. Memory: 8 bytes for each genuine pair, and for each impostor pair up to 8
/// million of them (or to 2 max(far) of all, if that is more). Throws UsageError on shapes that do
/// not fit, DataError where no pair can be used, NonFiniteError naming the image whose feature is
/// not finite.
Verification verify(const Pairs& pairs, const Tensor& features, const Tensor& mirrored, const VerificationOptions& options = {});

/// The threshold of the rule above for scores of the other folds; same[i] nonzero: one person. O(n
/// log n), exact. amsoftmax with fewer than two different scores has no candidate: the threshold is
/// then that one score, so that a model that cannot distinguish people gets every tie wrong.
/// Without any score it is NaN, and every pair counts wrong.
double choose_threshold(Protocol protocol, std::span<const double> scores, std::span<const std::uint8_t> same);

/// Percent of the scores that a threshold judges correctly; a score equal to it, or NaN, counts
/// wrong. NaN without scores.
double accuracy_at(double threshold, std::span<const double> scores, std::span<const std::uint8_t> same);

/// The rule of BLUFR's EvalROC: with N = round(far * impostors), the threshold is the N-th largest
/// impostor score, and the genuine scores >= it are accepted. Where N is 0 the threshold is the
/// next double above the largest impostor: none of them is accepted. The rate is met where no more
/// than N impostor scores reach the threshold. Where more are equal to it, as those of a model that
/// maps many people to one point, the rule would accept far more than was requested: tar is then
/// NaN and the note says how many. tar and threshold are NaN without genuine or without impostor
/// scores. The far returned is the one requested.
AcceptRate accept_rate_at(double far, std::span<const double> genuine, std::span<const double> impostor);

/// The result as JSON text: accuracy_mean, accuracy_std, folds (a list), thresholds, tar_at_far
/// ({"0.01": ..., "0.001": ...}), protocol, pairs (listed), images, failed_pairs, failed_images,
/// genuine_pairs, impostor_pairs, tells_nothing_apart. Accuracies and true accept rates in percent;
/// NaN is null.
std::string verification_json(const Verification& result);

/// "98.25 %", or "–" where there is no number.
std::string percent_text(double percent);
/// "6000 pairs", or "5990 of 6000 pairs" where some could not be used.
std::string pairs_text(const Verification& result);
/// The accuracy over the folds, "98.25 +- 0.50 %", or "–".
std::string accuracy_text(const Verification& result);
/// "98.25 %", with the note of the rate in brackets where there is one.
std::string rate_text(const AcceptRate& rate);
/// What a user must know besides the numbers: that the scores do not distinguish people, or why
/// there is no accuracy. A sentence each, without a full stop; mostly none.
std::vector<std::string> remarks_on(const Verification& result);

}  // namespace amnet
