// The slope that the rules of updating work with: kernels/update_terms.h.
#pragma once

#include <amnet/kernels/update_terms.h>

#include <cstdint>

namespace amnet {

inline bool is_halted(const UpdateTerms& terms) { return terms.halted.defined() && terms.halted.data<std::uint8_t>()[0] != 0; }

inline double clip_of(const UpdateTerms& terms) { return terms.clip.defined() ? terms.clip.data<double>()[0] : 1; }

template <Regularization regularization, class T>
T slope_of(T gradient, T value, T scale, T decay) {
  if constexpr (regularization == Regularization::l1) {
    return scale * gradient + decay * static_cast<T>((value > 0) - (value < 0));
  } else {
    return scale * gradient + decay * value;
  }
}

/// Calls body.operator()<regularization>().
template <class Body>
void with_regularization(Regularization regularization, Body&& body) {
  if (regularization == Regularization::l1) {
    body.template operator()<Regularization::l1>();
  } else {
    body.template operator()<Regularization::l2>();
  }
}

}  // namespace amnet
