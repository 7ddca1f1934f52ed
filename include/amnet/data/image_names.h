// What the name of a file says about it: the one table of endings that folders, pairs and checks
// use. It looks at names only; data/image.h looks at the bytes.
//
//   kind_of_name("01.JPG");     // NameKind::image
//   kind_of_name("01.heic");    // NameKind::unread: a picture, of a kind that amnet does not read
//   kind_of_name("._01.jpg");   // NameKind::hidden
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace amnet {

/// The endings of images in lower case, which names may have in any case. A name without an ending
/// (name/name_0001 of a list of pairs) stands for the first of them that exists.
inline constexpr std::array<std::string_view, 10> image_endings = {".jpg", ".jpeg", ".png", ".webp", ".bmp",
                                                                   ".ppm", ".pgm",  ".pnm", ".jpe",  ".jfif"};

/// hidden: begins with a dot, such as the `._01.jpg` that macOS writes beside a file. unread: the
/// ending of a picture that amnet does not read. other: no ending, or another one.
enum class NameKind : unsigned char { image, unread, hidden, other };

/// Of a file's name, with or without folders before it.
NameKind kind_of_name(std::string_view path);

/// The place of a name's ending in image_endings; nothing where it is no image's.
std::optional<std::size_t> ending_of(std::string_view path);
/// Whether the file's name has an ending, of whatever kind.
bool has_ending(std::string_view path);
/// The path without an image's ending.
std::string_view without_ending(std::string_view path);

/// Of two names that differ only in their endings, whether `a` is the one that a name without an
/// ending stands for: by the order of the table, and for the same ending the one in lower case (in
/// general the last one as bytes).
bool is_preferred(std::string_view a, std::string_view b);

/// "as .jpg, .jpeg, .png or .webp": every ending, as a message names them.
std::string endings_in_words();

/// ASCII letters in lower case.
std::string lower_case(std::string_view text);

}  // namespace amnet
