// Names the format of a file that amnet does not read, by its first bytes, so that the user knows
// what to convert. Of formats that begin alike (a TIFF and most cameras' raw files) the more common
// one is named.
#include "codecs.h"

#include <algorithm>

namespace amnet::codecs {
namespace {

using namespace std::string_view_literals;

struct Format {
  std::size_t at;
  std::string_view magic;
  std::string_view name;  // with its article
};

/// Pictures, which can be converted.
constexpr Format pictures[] = {
    {0, "GIF8", "a GIF file"},
    {0, "II\x2A\0\x10\0\0\0CR"sv, "a camera's raw file (CR2)"},
    {0, "II\x2A\0"sv, "a TIFF file"},
    {0, "MM\0\x2A"sv, "a TIFF file"},
    {0, "II\x2B\0"sv, "a TIFF file"},
    {0, "MM\0\x2B"sv, "a TIFF file"},
    {0, "II\xBC", "a JPEG XR file"},
    {0, "\xFF\x0A", "a JPEG XL file"},
    {0, "\0\0\0\x0CJXL \r\n\x87\n"sv, "a JPEG XL file"},
    {0, "\0\0\0\x0CjP  \r\n\x87\n"sv, "a JPEG 2000 file"},
    {0, "\xFF\x4F\xFF\x51", "a JPEG 2000 file"},
    {0, "8BPS", "a PSD file"},
    {0, "gimp xcf", "an XCF file"},
    {0, "P1", "a text or bitmap PNM file"},
    {0, "P2", "a text or bitmap PNM file"},
    {0, "P3", "a text or bitmap PNM file"},
    {0, "P4", "a text or bitmap PNM file"},
    {0, "P7", "a PAM file"},
    {0, "PF\n", "a PFM file"},
    {0, "Pf\n", "a PFM file"},
    {0, "\0\0\1\0"sv, "an ICO file"},
    {0, "\0\0\2\0"sv, "a TGA file"},
    {0, "\0\0\x0A\0"sv, "a TGA file"},
    {0, "v/1\1", "an OpenEXR file"},
    {0, "#?RADIANCE", "a Radiance HDR file"},
    {0, "BPG\xFB", "a BPG file"},
    {0, "FLIF", "a FLIF file"},
    {0, "qoif", "a QOI file"},
    {0, "DDS ", "a DDS file"},
    {0, "\x8AMNG", "an MNG file"},
    {0, "\x8BJNG", "a JNG file"},
    {0, "\x01\xDA", "an SGI file"},
    {0, "\x59\xA6\x6A\x95", "a Sun raster file"},
    {0, "SIMPLE  =", "a FITS file"},
    {128, "DICM", "a DICOM file"},
    {0, "%PDF", "a PDF file"},
    {0, "%!PS", "a PostScript file"},
    {0, "\xC5\xD0\xD3\xC6", "a PostScript file"},
    {0, "AT&TFORM", "a DjVu file"},
    {0, "\x01\0\0\0"sv, "an EMF or WMF file"},
    {0, "\xD7\xCD\xC6\x9A", "an EMF or WMF file"},
    {0, "FUJIFILMCCD-RAW", "a camera's raw file (RAF)"},
    {0, "IIRO", "a camera's raw file (ORF)"},
    {0, "IIRS", "a camera's raw file (ORF)"},
    {0, "MMOR", "a camera's raw file (ORF)"},
    {0, "IIU\0"sv, "a camera's raw file (RW2)"},
    {0, "II\x1A\0\0\0HEAPCCDR"sv, "a camera's raw file (CRW)"},
    {0, "FOVb", "a camera's raw file (X3F)"},
    {0, "\0MRM"sv, "a camera's raw file (MRW)"},
};

/// What the brands of an ISO media file stand for ("ftyp" at byte 4; the major brand at 8,
/// compatible ones from 16 on).
constexpr Format brands[] = {
    {0, "avif", "an AVIF file"},
    {0, "avis", "an AVIF file"},
    {0, "heic", "a HEIC file"},
    {0, "heix", "a HEIC file"},
    {0, "heim", "a HEIC file"},
    {0, "heis", "a HEIC file"},
    {0, "hevc", "a HEIC file"},
    {0, "hevx", "a HEIC file"},
    {0, "hevm", "a HEIC file"},
    {0, "hevs", "a HEIC file"},
    {0, "mif1", "a HEIF file"},
    {0, "msf1", "a HEIF file"},
    {0, "crx ", "a camera's raw file (CR3)"},
};

/// Formats that are not pictures, with a possible cause.
constexpr Format others[] = {
    {0, "version https://git-lfs", "is a pointer to a file that Git LFS keeps, not the image; fetch it with `git lfs pull`."},
    {0, "PK\x03\x04", "is a ZIP archive, not an image; unpack it."},
    {0, "\x1F\x8B", "is a gzip archive, not an image; unpack it."},
    {0,
     "\xFD"
     "7zXZ",
     "is an xz archive, not an image; unpack it."},
    {0, "7z\xBC\xAF", "is a 7z archive, not an image; unpack it."},
    {0, "Rar!", "is a RAR archive, not an image; unpack it."},
    {257, "ustar", "is a tar archive, not an image; unpack it."},
    {0, "RIFF", "is a video or a sound (RIFF), not an image."},
    {0, "\x1A\x45\xDF\xA3", "is a video (Matroska or WebM), not an image."},
    {0, "\x93NUMPY", "is a NumPy array, not an image."},
};

bool matches(Bytes file, const Format& format) { return file.size() >= format.at && starts_with(file.subspan(format.at), format.magic); }

Refusal convert(std::string_view name) { return {fmt::format("is {}, which amnet does not read; convert it to JPEG, PNG or WebP.", name)}; }

Refusal media_file(Bytes file) {
  // "mif1" says only that it is a HEIF file; a brand after it says of which kind.
  std::string_view general;
  const std::size_t box = std::min<std::size_t>({file.size(), big32(file, 0), 256});
  for (std::size_t at = 8; at + 4 <= box; at += at == 8 ? 8 : 4) {
    for (const Format& brand : brands) {
      if (!starts_with(file.subspan(at), brand.magic)) continue;
      if (brand.name != "a HEIF file") return convert(brand.name);
      general = brand.name;
    }
  }
  if (!general.empty()) return convert(general);
  return {"is a video (MP4 or QuickTime), not an image."};
}

/// The text of a file without what may stand before markup.
Bytes markup(Bytes file) {
  if (starts_with(file, "\xEF\xBB\xBF")) file = file.subspan(3);
  while (!file.empty() && (byte(file, 0) == ' ' || (byte(file, 0) >= '\t' && byte(file, 0) <= '\r'))) file = file.subspan(1);
  return file;
}

}  // namespace

Refusal foreign_format(Bytes file) {
  if (file.size() >= 12 && starts_with(file.subspan(4), "ftyp")) return media_file(file);
  for (const Format& picture : pictures) {
    if (matches(file, picture)) return convert(picture.name);
  }
  for (const Format& other : others) {
    if (matches(file, other)) return {std::string(other.name)};
  }
  const Bytes text = markup(file);
  if (starts_with(text, "<")) {
    constexpr std::size_t look = 1024;
    const std::string_view head(reinterpret_cast<const char*>(text.data()), std::min(text.size(), look));
    if (head.find("<svg") != std::string_view::npos && head.find("<html") == std::string_view::npos) return convert("an SVG drawing");
    return {"is HTML or XML, not an image: the download that made it probably failed."};
  }
  return {"is not an image that amnet reads (JPEG, PNG, WebP, BMP, binary PGM or PPM)."};
}

}  // namespace amnet::codecs
