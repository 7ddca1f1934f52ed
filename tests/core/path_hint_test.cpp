#include <amnet/core/path_hint.h>

#include "catch.h"

using namespace amnet;
using Catch::Contains;

TEST_CASE("path_hint: what other systems write is recognised, and an ordinary path is left alone", "[path_hint]") {
  CHECK_THAT(path_hint(R"(ann\01.jpg)"), Contains("write `ann/01.jpg`"));
  CHECK_THAT(path_hint(R"("ann/01.jpg")"), Contains("without quotes"));
  CHECK_THAT(path_hint("'ann/01.jpg"), Contains("without quotes"));
  CHECK_THAT(path_hint(R"(C:\faces\01.jpg)"), Contains("Windows drive, `C:`"));
  CHECK_THAT(path_hint("d:/faces/01.jpg"), Contains("Windows drive, `d:`"));
  CHECK_THAT(path_hint("file:///faces/01.jpg"), Contains("without `file://`"));
  CHECK_THAT(path_hint("https://host/01.jpg"), Contains("without `https://`"));
  CHECK_THAT(path_hint(R"(\\server\faces)"), Contains("write `//server/faces`"));
  CHECK_THAT(path_hint("~/faces"), Contains("home folder"));
  for (const char* plain :
       {"", "ann/01.jpg", "/faces/a b/01.jpg", "c:01.jpg", "a:b/c.jpg", "it's.jpg", "x~1.jpg", "ann//01.jpg", "O'Hara/1.jpg"}) {
    CAPTURE(plain);
    CHECK(path_hint(plain).empty());
  }
}
