// Text for HTML or SVG: escaping, and bytes as base64.
//
//   escaped("Ann & Bob <3");   // "Ann &amp; Bob &lt;3"
//   base64(bytes);             // "QW5u" for those of "Ann"
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace amnet {

/// `text` fit for an element or a quoted attribute: & < > " ' are escaped, characters that XML
/// forbids become spaces, and bytes that are not UTF-8 become U+FFFD. No file name can then break
/// the page.
std::string escaped(std::string_view text);

/// RFC 4648, section 4, with padding.
std::string base64(std::span<const std::byte> bytes);

}  // namespace amnet
