// Catch2 in either of its major versions; the tests use the names of version 2. CMake defines which
// version it is: a system may have the headers of both.
#pragma once

#if AMNET_CATCH2 >= 3
#include <catch2/catch_all.hpp>

#include <concepts>
#include <string>

namespace Catch {
namespace Matchers {
/// Version 3 calls it ContainsSubstring, and has a Contains for the elements of a range.
template <class T>
requires std::convertible_to<T, std::string>
auto Contains(T&& text) { return ContainsSubstring(text); }
}  // namespace Matchers
using Matchers::Contains;
using Matchers::StartsWith;
}  // namespace Catch
using Catch::Approx;
#else
#include <catch2/catch.hpp>
#endif
