#include "markup.h"

#include <amnet/report/html.h>
#include <fmt/format.h>

#include <algorithm>

namespace amnet {
namespace {

constexpr std::string_view style_sheet = R"(
:root{color-scheme:light dark;--paper:#fff;--ink:#1c2127;--muted:#5f6873;--line:#e3e7eb;--soft:#f5f7f9;--accent:#1f6fb4;--warn:#fdf5e6;--warn-line:#d9a441}
@media (prefers-color-scheme:dark){:root{--paper:#14171a;--ink:#e8eaed;--muted:#9aa4af;--line:#2b3138;--soft:#1c2025;--accent:#62aef0;--warn:#2a2417;--warn-line:#a67c2d}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.6 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif}
main{max-width:820px;margin:0 auto;padding:48px 24px 96px}
h1{font-size:2rem;line-height:1.2;letter-spacing:-.015em;margin:0 0 .25em}
h2{font-size:1.35rem;line-height:1.3;letter-spacing:-.01em;margin:2.4em 0 .6em;padding-top:1em;border-top:1px solid var(--line)}
h3{font-size:1.05rem;margin:1.8em 0 .4em}
p{margin:.7em 0;max-width:68ch}
.subtitle{color:var(--muted);font-size:1.1rem;margin:0}
nav{margin:1.6em 0 0;font-size:.92rem}
nav ul{list-style:none;margin:0;padding:0;display:flex;flex-wrap:wrap;gap:.2em 1.4em}
a{color:var(--accent);text-decoration:none}
a:hover,a:focus{text-decoration:underline}
.note{background:var(--warn);border-left:3px solid var(--warn-line);padding:.6em 1em;border-radius:0 6px 6px 0}
.figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:12px;margin:1.4em 0}
.figures div{background:var(--soft);border:1px solid var(--line);border-radius:8px;padding:14px 16px}
.figures dd{margin:0;font-size:1.7rem;font-weight:600;line-height:1.2;letter-spacing:-.02em;font-variant-numeric:tabular-nums}
.figures dt{color:var(--muted);font-size:.85rem;line-height:1.35;margin-top:.3em}
.figures .remark{color:var(--muted);font-size:.78rem;line-height:1.35;margin-top:.15em;font-weight:400;letter-spacing:0}
figure{margin:1.6em 0}
figure svg,figure img{display:block;max-width:100%;height:auto}
figure>svg{width:100%}
figure img{border-radius:6px;border:1px solid var(--line)}
figcaption{color:var(--muted);font-size:.88rem;line-height:1.5;margin-top:.5em;max-width:72ch}
.scroll{overflow-x:auto;margin:1.2em 0}
table{border-collapse:collapse;font-size:.92rem;line-height:1.45;font-variant-numeric:tabular-nums;min-width:50%}
caption{caption-side:bottom;text-align:left;color:var(--muted);font-size:.88rem;padding-top:.6em}
th,td{padding:.38em 1.2em .38em 0;text-align:left;vertical-align:top;border-bottom:1px solid var(--line)}
th:last-child,td:last-child{padding-right:0}
thead th{color:var(--muted);font-weight:600;font-size:.85rem;border-bottom:1.5px solid var(--muted);vertical-align:bottom}
.number{text-align:right}
.pairs th{color:var(--muted);font-weight:400}
.pairs td{overflow-wrap:anywhere}
pre{background:var(--soft);border:1px solid var(--line);border-radius:8px;padding:12px 16px;overflow-x:auto;font:13.5px/1.55 ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace}
@media print{main{max-width:none;padding:0}nav{display:none}figure,table,.figures{break-inside:avoid}}
)";

/// Whether a reader takes it for a number: digits with signs, points, a unit such as " %" or an
/// error after a plus-minus.
bool reads_as_number(std::string_view text) {
  // the last are the bytes of plus-minus and minus
  static constexpr std::string_view allowed = "0123456789.,+-eE% \xC2\xB1\xE2\x88\x92";
  return text.find_first_of("0123456789") != std::string_view::npos && text.find_first_not_of(allowed) == std::string_view::npos;
}

std::string section_id(std::size_t number) { return fmt::format("section-{}", number); }

std::string caption_of(std::string_view tag, std::string_view caption) {
  return caption.empty() ? "" : fmt::format("<{0}>{1}</{0}>", tag, escaped(caption));
}

}  // namespace

HtmlReport::HtmlReport(std::string title, std::string subtitle) : title_(std::move(title)), subtitle_(std::move(subtitle)) {}

void HtmlReport::add_heading(std::string_view text, int level) {
  if (level <= 2) {
    sections_.push_back(escaped(text));
    body_ += fmt::format("<h2 id=\"{}\">{}</h2>\n", section_id(sections_.size()), sections_.back());
  } else {
    body_ += fmt::format("<h3>{}</h3>\n", escaped(text));
  }
}

void HtmlReport::add_paragraph(std::string_view text) { body_ += fmt::format("<p>{}</p>\n", escaped(text)); }

void HtmlReport::add_note(std::string_view text) { body_ += fmt::format("<p class=\"note\">{}</p>\n", escaped(text)); }

void HtmlReport::add_key_figures(std::span<const Figure> figures) {
  body_ += "<dl class=\"figures\">";
  for (const Figure& figure : figures) {
    body_ += fmt::format("<div><dd>{}</dd><dt>{}</dt>", escaped(figure.value), escaped(figure.label));
    if (!figure.remark.empty()) body_ += fmt::format("<dd class=\"remark\">{}</dd>", escaped(figure.remark));
    body_ += "</div>";
  }
  body_ += "</dl>\n";
}

void HtmlReport::add_key_values(std::span<const std::pair<std::string, std::string>> entries) {
  body_ += "<div class=\"scroll\"><table class=\"pairs\"><tbody>";
  for (const auto& [name, value] : entries) {
    body_ += fmt::format("<tr><th scope=\"row\">{}</th><td>{}</td></tr>", escaped(name), escaped(value));
  }
  body_ += "</tbody></table></div>\n";
}

void HtmlReport::add_table(std::span<const std::string> columns, std::span<const std::vector<std::string>> rows, std::string_view caption) {
  // A heading stands over its column's numbers when all of them are numbers.
  const auto all_numbers = [&](std::size_t column) {
    bool any = false;
    for (const auto& row : rows) {
      if (column >= row.size() || row[column].empty()) continue;
      if (!reads_as_number(row[column])) return false;
      any = true;
    }
    return any;
  };
  body_ += "<div class=\"scroll\"><table>" + caption_of("caption", caption) + "<thead><tr>";
  for (std::size_t i = 0; i < columns.size(); ++i) {
    body_ += fmt::format("<th scope=\"col\"{}>{}</th>", all_numbers(i) ? " class=\"number\"" : "", escaped(columns[i]));
  }
  body_ += "</tr></thead><tbody>\n";
  for (const auto& row : rows) {
    body_ += "<tr>";
    for (std::size_t i = 0; i < std::max(columns.size(), row.size()); ++i) {
      const std::string_view cell = i < row.size() ? std::string_view(row[i]) : "";
      body_ += fmt::format("<td{}>{}</td>", reads_as_number(cell) ? " class=\"number\"" : "", escaped(cell));
    }
    body_ += "</tr>\n";
  }
  body_ += "</tbody></table></div>\n";
}

void HtmlReport::add_figure(std::string_view svg, std::string_view caption) {
  body_ += fmt::format("<figure>{}{}</figure>\n", svg, caption_of("figcaption", caption));
}

void HtmlReport::add_image(std::span<const std::byte> bytes, std::string_view type, std::string_view alternative,
                           std::string_view caption) {
  body_ += fmt::format("<figure><img src=\"data:{};base64,{}\" alt=\"{}\"/>{}</figure>\n", escaped(type), base64(bytes),
                       escaped(alternative), caption_of("figcaption", caption));
}

void HtmlReport::add_code(std::string_view text) { body_ += fmt::format("<pre><code>{}</code></pre>\n", escaped(text)); }

std::string HtmlReport::str() const {
  std::string contents;
  if (sections_.size() >= 3) {
    contents = "<nav aria-label=\"Contents\"><ul>";
    for (std::size_t i = 0; i < sections_.size(); ++i) {
      contents += fmt::format("<li><a href=\"#{}\">{}</a></li>", section_id(i + 1), sections_[i]);
    }
    contents += "</ul></nav>\n";
  }
  const std::string title = escaped(title_);
  return fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n<meta name=\"viewport\" content=\"width=device-width, "
      "initial-scale=1\"/>\n<title>{0}</title>\n<style>{1}</style>\n</head>\n<body>\n<main>\n<header>\n<h1>{0}</h1>\n{2}{3}</header>\n{4}"
      "</main>\n</body>\n</html>\n",
      title, style_sheet, subtitle_.empty() ? "" : fmt::format("<p class=\"subtitle\">{}</p>\n", escaped(subtitle_)), contents, body_);
}

bool is_report_page(std::string_view beginning) {
  // of the style sheet, for pages of versions whose later rules differ
  constexpr std::size_t enough = 60;
  return beginning.starts_with("<!DOCTYPE html>") && beginning.find(style_sheet.substr(0, enough)) != std::string_view::npos;
}

}  // namespace amnet
