#include <amnet/report/html.h>
#include <amnet/report/svg.h>

#include <string>
#include <vector>

#include "catch.h"
#include "report/markup.h"
#include "well_formed.h"

using namespace amnet;
using Catch::Matchers::Contains;

namespace {

std::span<const std::byte> bytes_of(std::string_view text) { return std::as_bytes(std::span(text.data(), text.size())); }

}  // namespace

TEST_CASE("html: base64 as in RFC 4648, section 10", "[html]") {
  CHECK(base64(bytes_of("")).empty());
  CHECK(base64(bytes_of("f")) == "Zg==");
  CHECK(base64(bytes_of("fo")) == "Zm8=");
  CHECK(base64(bytes_of("foo")) == "Zm9v");
  CHECK(base64(bytes_of("foobar")) == "Zm9vYmFy");
  CHECK(base64(bytes_of("\xFB\xFF\xBF")) == "+/+/");
}

TEST_CASE("html: no text can break the page", "[html]") {
  CHECK(escaped("a < b & \"c\" > 'd'") == "a &lt; b &amp; &quot;c&quot; &gt; &#39;d&#39;");
  CHECK(escaped("112×96, 90 %, 日本, 😀") == "112×96, 90 %, 日本, 😀");
  CHECK(escaped(std::string_view("a\0b\x1B\n\t", 6)) == "a b \n\t");
  // Not UTF-8: a lone continuation, an overlong slash, a surrogate, beyond the last character, cut
  // off.
  CHECK(escaped("\x80") == "\xEF\xBF\xBD");
  CHECK(escaped("\xC0\xAF") == "\xEF\xBF\xBD\xEF\xBF\xBD");
  CHECK(escaped("\xED\xA0\x80") == "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");
  CHECK(escaped("\xF4\x90\x80\x80").starts_with("\xEF\xBF\xBD"));
  CHECK(escaped("x\xE6\x97") == "x\xEF\xBF\xBD\xEF\xBF\xBD");
}

TEST_CASE("html: a page of everything is well formed, self-contained and without scripts", "[html]") {
  const std::string evil = "</p><script>alert(1)</script> & \"' \xFF";
  HtmlReport report(evil, evil);
  report.add_key_figures(std::vector<HtmlReport::Figure>{{"97.4 %", "accuracy", evil}, {evil, evil}});
  for (int i = 0; i < 3; ++i) report.add_heading(evil);
  report.add_heading(evil, 3);
  report.add_paragraph(evil);
  report.add_note(evil);
  report.add_code(evil);
  report.add_key_values(std::vector<std::pair<std::string, std::string>>{{evil, evil}});
  report.add_table(std::vector<std::string>{evil, "b"}, std::vector<std::vector<std::string>>{{evil}, {"1", "2", evil}}, evil);
  report.add_figure(draw(LineChart{.title = evil, .series = {{.name = evil, .x = {1}, .y = {1}, .style = Style::points}}}), evil);
  report.add_image(bytes_of("jpeg"), "image/jpeg", evil, evil);
  const std::string page = report.str();
  CHECK(flaw_in(page) == "");
  CHECK_THAT(page, !Contains("<script") && !Contains("<link") && !Contains("@import") && !Contains("url("));
  CHECK_THAT(page, Contains("<img src=\"data:image/jpeg;base64,anBlZw==\"") && Contains("prefers-color-scheme:dark"));
  // The only address is the name of the SVG language.
  std::string rest = page;
  for (std::size_t at = rest.find("http://www.w3.org/2000/svg"); at != std::string::npos; at = rest.find("http://www.w3.org/2000/svg")) {
    rest.erase(at, 26);
  }
  CHECK_THAT(rest, !Contains("http"));
  CHECK_THAT(page, Contains("<a href=\"#section-3\">") && Contains("<h2 id=\"section-3\">"));
}

TEST_CASE("html: numbers stand flush right, words do not", "[html]") {
  HtmlReport report("t");
  report.add_table(std::vector<std::string>{"fold", "accuracy", "remark"},
                   std::vector<std::vector<std::string>>{{"1", "87.1 ± 4.9 %", "–"}, {"mean", "−0.5", ""}});
  const std::string page = report.str();
  CHECK_THAT(page, Contains("<th scope=\"col\">fold</th><th scope=\"col\" class=\"number\">accuracy</th><th scope=\"col\">remark</th>"));
  CHECK_THAT(page, Contains("<td class=\"number\">1</td><td class=\"number\">87.1 ± 4.9 %</td><td>–</td>"));
  CHECK_THAT(page, Contains("<td>mean</td><td class=\"number\">−0.5</td><td></td>"));
  CHECK_THAT(page, !Contains("<nav"));
}

TEST_CASE("html: the check of well-formedness sees what it is for", "[html]") {
  for (const char* broken : {"<p>", "</p>", "<p><b></p></b>", "a & b", "<p a=b></p>", "<p", "<p a=\"<\"></p>", "\x01"}) {
    CAPTURE(broken);
    CHECK(flaw_in(broken) != "");
  }
  CHECK(flaw_in("<!DOCTYPE html>\n<p a=\"b=c\">x<br/>&amp;</p>") == "");
}
