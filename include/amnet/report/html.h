// A report as one HTML page: no script, nothing loaded from anywhere, light or dark as the reader's
// system is, printable. All text is escaped. It contains nothing specific to training; the caller
// adds the parts.
//
//   HtmlReport report("Run 12", "20-layer network on 902 people");
//   report.add_heading("Verification");
//   report.add_figure(draw(chart), "Accuracy on the validation pairs.");
//   std::string page = report.str();
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace amnet {

class HtmlReport {
 public:
  /// `subtitle` stands under the title; empty: none.
  explicit HtmlReport(std::string title, std::string subtitle = "");

  /// level 2 opens a section, which the page's contents list when there are three or more; level 3
  /// is below it.
  void add_heading(std::string_view text, int level = 2);
  void add_paragraph(std::string_view text);
  /// A highlighted paragraph, for a limitation or a warning.
  void add_note(std::string_view text);
  /// Large numbers with a word each: the results of the run.
  struct Figure {
    std::string value, label, remark = {};
  };
  void add_key_figures(std::span<const Figure> figures);
  /// Names and values, such as a configuration.
  void add_key_values(std::span<const std::pair<std::string, std::string>> entries);
  /// A cell that contains a number is aligned to the right. Rows may be shorter than `columns`.
  void add_table(std::span<const std::string> columns, std::span<const std::vector<std::string>> rows, std::string_view caption = "");
  /// A drawing of svg.h. It is trusted, and put in as it is.
  void add_figure(std::string_view svg, std::string_view caption = "");
  /// A picture embedded in the page; `type` as in "image/jpeg"; `alternative` says what it shows.
  void add_image(std::span<const std::byte> bytes, std::string_view type, std::string_view alternative, std::string_view caption = "");
  /// Text kept as it is, such as a command.
  void add_code(std::string_view text);

  /// The whole page.
  std::string str() const;

 private:
  std::string title_, subtitle_, body_;
  std::vector<std::string> sections_;
};

/// Whether a file that begins like this is a page of HtmlReport's.
bool is_report_page(std::string_view beginning);

}  // namespace amnet
