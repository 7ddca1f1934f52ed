#include "same_model.h"

#include <amnet/model/model_file.h>

#include "model/describing.h"

#include <optional>

namespace amnet {
namespace {

NetDescription backbone_of(const NetDescription& whole) {
  return whole.roles.embedding.empty() ? whole : part_of(whole, {whole.roles.embedding});
}

}  // namespace

void require_same_model(const SafetensorsFile& checkpoint, const Model& model, const std::string& source) {
  if (!why_not_described(model.net).empty()) return;
  const std::optional<NetDescription> stored = stored_description(checkpoint.metadata, source);
  if (!stored) return;
  const NetDescription now = describe(model.net, model.roles);
  const auto same = [&](std::string_view what, auto then, auto wanted) {
    require(then == wanted, "{}: the run was started with {} {} but now it is {}; give it as before or begin a new run in another .out.",
            source, what, then, wanted);
  };
  if (stored->roles.image && now.roles.image) {
    const ImageFormat &then = stored->roles.image->format, &wanted = now.roles.image->format;
    same(".input", size_text(then), size_text(wanted));
    same(".input.order", name_of(then.order), name_of(wanted.order));
    same(".input.mean", then.mean, wanted.mean);
    same(".input.scale", then.scale, wanted.scale);
  }
  const std::string difference = first_difference(backbone_of(*stored), backbone_of(now));
  require(difference.empty(),
          "{}: the run was started with another network: {}; give .network as before or begin a new run in another .out.", source,
          difference);
}

}  // namespace amnet
