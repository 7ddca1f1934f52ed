#include <amnet/core/error.h>
#include <amnet/core/text.h>
#include <amnet/faces/list_notes.h>

#include <string_view>
#include <utility>

namespace amnet {
namespace {

/// "a, b", "a, b and 3 more".
std::string names(const LeftOut& what) {
  const std::int64_t more = what.count - static_cast<std::int64_t>(what.examples.size());
  return fmt::format("{}{}", joined(what.examples, ", "), more > 0 ? fmt::format(" and {} more", more) : "");
}

/// "Left out: 3 files of a kind, such as a.tif"; nothing where there are none.
void tell(std::vector<std::string>& lines, std::string_view verb, const LeftOut& what, std::string_view noun, std::string_view remark) {
  if (what.count == 0) return;
  lines.push_back(
      fmt::format("{} {} {}{}{}, such as {}", verb, what.count, noun, what.count == 1 ? "" : "s", remark, what.examples.front()));
}

}  // namespace

void LeftOut::add(std::string name) {
  ++count;
  if (examples.size() < 5) examples.push_back(std::move(name));
}

std::vector<std::string> sentences_of(const ListNotes& notes) {
  std::vector<std::string> lines;
  if (notes.excluded_images > 0) {
    lines.push_back(fmt::format("Left out: {} images of {} identities named in {}", notes.excluded_images, notes.excluded_identities,
                                notes.exclusions));
  }
  if (notes.unmatched_exclusions.count > 0) {
    lines.push_back(fmt::format("Names to leave out that no image belongs to: {}", names(notes.unmatched_exclusions)));
  }
  tell(lines, "Left out:", notes.unread_pictures, "picture", " of a kind that amnet does not read (convert to JPEG, PNG or WebP)");
  tell(lines, "Left out:", notes.unnamed_pictures, "picture", " without an ending such as .jpg in the name");
  tell(lines, "Left out:", notes.misplaced_pictures, "picture", " not directly in a person's folder");
  tell(lines, "Left out:", notes.nested_folders, "folder", " within people's folders");
  if (notes.empty_people.count > 0) {
    lines.push_back(fmt::format("Left out: {} {} without a picture that can be used: {}", notes.empty_people.count,
                                notes.empty_people.count == 1 ? "person" : "people", names(notes.empty_people)));
  }
  tell(lines, "Ignored", notes.other_files, "file", notes.other_files.count == 1 ? " that is no image" : " that are no images");
  tell(lines, "Ignored", notes.hidden, "hidden file", "");
  return lines;
}

}  // namespace amnet
