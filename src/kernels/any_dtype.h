// The C++ type of any dtype, for kernels that only move elements.
//
//   with_any(x.dtype(), [&]<class T>() { move(x.data<T>(), y.data<T>()); });
#pragma once

#include <amnet/core/dtype.h>

#include <cstdint>

namespace amnet {

template <class Body>
void with_any(DType dtype, Body&& body) {
  switch (dtype) {
    case DType::f32: return body.template operator()<float>();
    case DType::f64: return body.template operator()<double>();
    case DType::bf16: return body.template operator()<BFloat16>();
    case DType::i64: return body.template operator()<std::int64_t>();
    case DType::u8: return body.template operator()<std::uint8_t>();
  }
}

}  // namespace amnet
