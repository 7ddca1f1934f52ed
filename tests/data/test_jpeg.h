// JPEGs of the kinds that encode_jpeg does not write, made with libjpeg itself, and their segments.
#pragma once

#include "test_images.h"

#include <cstdio>
#include <cstdlib>

#include <jpeglib.h>

namespace test_images {

struct JpegOptions {
  std::int64_t height = 24, width = 20;
  J_COLOR_SPACE colours = JCS_RGB;  // of the pixels given; CMYK becomes YCCK
  bool whole_chroma = false;        // 4:4:4 rather than 4:2:0
  bool progressive = false;
  bool arithmetic = false;
  unsigned restart_interval = 0;  // in blocks of the grid; 0 for none
};

/// An error of libjpeg ends the program; the tests cause none.
inline Bytes jpeg(const JpegOptions& options) {
  jpeg_compress_struct info{};
  jpeg_error_mgr errors{};
  info.err = jpeg_std_error(&errors);
  jpeg_create_compress(&info);
  unsigned char* out = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&info, &out, &size);
  info.image_height = static_cast<JDIMENSION>(options.height);
  info.image_width = static_cast<JDIMENSION>(options.width);
  info.in_color_space = options.colours;
  info.input_components = options.colours == JCS_GRAYSCALE ? 1 : options.colours == JCS_CMYK ? 4 : 3;
  jpeg_set_defaults(&info);
  if (options.colours == JCS_CMYK) jpeg_set_colorspace(&info, JCS_YCCK);
  jpeg_set_quality(&info, 90, TRUE);
  if (options.whole_chroma) info.comp_info[0].h_samp_factor = info.comp_info[0].v_samp_factor = 1;
  if (options.progressive) jpeg_simple_progression(&info);
  info.arith_code = options.arithmetic ? TRUE : FALSE;
  info.restart_interval = options.restart_interval;
  jpeg_start_compress(&info, TRUE);
  const amnet::Image image = picture(options.height, options.width);
  std::vector<unsigned char> row(static_cast<std::size_t>(options.width) * 4);
  while (info.next_scanline < info.image_height) {
    const std::size_t stride = static_cast<std::size_t>(options.width) * 3;
    for (std::size_t i = 0; i < row.size(); ++i) row[i] = image.pixels[(info.next_scanline * stride + i) % image.pixels.size()];
    JSAMPROW rows = row.data();
    jpeg_write_scanlines(&info, &rows, 1);
  }
  jpeg_finish_compress(&info);
  jpeg_destroy_compress(&info);
  const auto* begin = reinterpret_cast<const std::byte*>(out);
  Bytes bytes(begin, begin + size);
  std::free(out);
  return bytes;
}

struct JpegSegment {
  unsigned marker;         // its second byte
  std::size_t begin, end;  // of a scan: up to the end of its entropy-coded data
};

/// The segments of a valid JPEG between SOI and EOI, EOI included.
inline std::vector<JpegSegment> jpeg_segments(const Bytes& file) {
  const auto at = [&](std::size_t i) { return std::to_integer<unsigned>(file[i]); };
  std::vector<JpegSegment> segments;
  for (std::size_t i = 2; i + 1 < file.size();) {
    const unsigned marker = at(i + 1);
    std::size_t end = i + 2;
    if (marker != 0xD9) end += at(i + 2) << 8 | at(i + 3);
    const auto in_scan = [&](unsigned next) { return next == 0 || (next >= 0xD0 && next <= 0xD7); };
    while (marker == 0xDA && (at(end) != 0xFF || in_scan(at(end + 1)))) ++end;
    segments.push_back({marker, i, end});
    i = end;
  }
  return segments;
}

/// The file with `bytes` inserted before position `at`.
inline Bytes with_bytes_at(Bytes file, std::size_t at, const Bytes& bytes) {
  file.insert(file.begin() + static_cast<std::ptrdiff_t>(at), bytes.begin(), bytes.end());
  return file;
}

/// A segment from its marker, its length and its contents.
inline Bytes jpeg_segment(unsigned marker, const Bytes& content) {
  const std::size_t length = content.size() + 2;
  Bytes segment{std::byte{0xFF}, static_cast<std::byte>(marker), static_cast<std::byte>(length >> 8),
                static_cast<std::byte>(length & 0xFF)};
  append(segment, content);
  return segment;
}

}  // namespace test_images
