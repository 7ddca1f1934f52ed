// What kernels prepare from parameters (weights transformed for tiles, or rounded): kept for many
// runs, once for all plans of a net that read a parameter in the same form.
//
//   std::shared_ptr<Prepared<Conv2dPrepared>> form = kept.of<Conv2dPrepared>(weight, "forward tiles 4x4 f32");
//   if (form->is_old(weight)) {
//     conv2d_prepare(cpu, geometry, x.shape(), weight.value, Conv2dPass::forward, form->value);
//     form->is_of(weight);
//   }
//
// A form lives as long as a plan holds it. Not for use by two threads at once: a plan calls this
// under its net's lock (net/plan.h).
#pragma once

#include <amnet/layers/layer.h>

#include <map>
#include <memory>
#include <string>
#include <utility>

namespace amnet {

/// A form, and the version of the parameter that it was made from.
template <class Form>
struct Prepared {
  Form value = {};
  std::uint64_t version = 0;  ///< of no parameter

  bool is_old(const Parameter& parameter) const { return version != parameter.version; }
  void is_of(const Parameter& parameter) { version = parameter.version; }
};

class PreparedForms {
 public:
  /// The form of that key, shared with the plans that already hold it; else an empty one. A key
  /// belongs to one type.
  template <class Form>
  std::shared_ptr<Prepared<Form>> of(const Parameter& parameter, const std::string& key) {
    std::weak_ptr<void>& kept = forms_[{&parameter, key}];
    if (std::shared_ptr<void> there = kept.lock()) return std::static_pointer_cast<Prepared<Form>>(there);
    auto made = std::make_shared<Prepared<Form>>();
    kept = made;
    return made;
  }

 private:
  std::map<std::pair<const Parameter*, std::string>, std::weak_ptr<void>> forms_;
};

}  // namespace amnet
