#include "codecs.h"

#include <csetjmp>
#include <cstdio>
#include <cstdlib>
#include <new>

// They need <cstdio> before them.
#include <jpeglib.h>

#include <jerror.h>

namespace amnet::codecs {
namespace {

// a progressive file of some KB may have thousands of scans, each of the whole image
constexpr int max_scans = 500;
constexpr JDIMENSION rows_a_call = 8;  // at most four come at once

/// libjpeg's error manager, and what it received. After an error libjpeg leaves a function only by
/// its error_exit, and C++ exceptions must not pass through it: each function below that calls it
/// sets `back` first and has no local objects that need destruction.
struct Trouble {
  jpeg_error_mgr base{};  // first: libjpeg has only this address
  std::jmp_buf back{};
  int warnings = 0;  // that left the pixels whole
  char reason[JMSG_LENGTH_MAX] = {};
};

Trouble& trouble_of(j_common_ptr info) { return *reinterpret_cast<Trouble*>(info->err); }

[[noreturn]] void give_up(j_common_ptr info) {
  Trouble& trouble = trouble_of(info);
  trouble.base.format_message(info, trouble.reason);
  std::longjmp(trouble.back, 1);
}

/// Whether what the decoder warns of leaves every coefficient as it was written.
bool leaves_pixels_whole(const jpeg_error_mgr& error) {
  switch (error.msg_code) {
    case JWRN_EXTRANEOUS_DATA: {
      // Between segments or before the end. Inside a scan, before a restart marker, no encoder
      // writes them: there they are the rest of codes that were misread.
      const int marker = error.msg_parm.i[1];
      return marker < JPEG_RST0 || marker > JPEG_RST0 + 7;
    }
    case JWRN_JFIF_MAJOR:
    // three channels are YCbCr then, as in every other reader; four are refused
    case JWRN_ADOBE_XFORM:
    case JWRN_NOT_SEQUENTIAL:  // parameters that a sequential scan does not use
      return true;
    default: return false;
  }
}

void note_message(j_common_ptr info, int level) {
  if (level >= 0) return;  // a trace, not a warning
  Trouble& trouble = trouble_of(info);
  if (!leaves_pixels_whole(trouble.base)) give_up(info);
  ++trouble.warnings;
}

void limit_scans(j_common_ptr info) {
  if (info->is_decompressor == FALSE) return;
  if (reinterpret_cast<j_decompress_ptr>(info)->input_scan_number <= max_scans) return;
  Trouble& trouble = trouble_of(info);
  std::snprintf(trouble.reason, sizeof trouble.reason, "more than %d scans", max_scans);
  std::longjmp(trouble.back, 1);
}

jpeg_error_mgr* prepare(Trouble& trouble) {
  jpeg_std_error(&trouble.base);
  trouble.base.error_exit = give_up;
  trouble.base.emit_message = note_message;
  return &trouble.base;
}

J_COLOR_SPACE interleaved(ChannelOrder order) { return order == ChannelOrder::bgr ? JCS_EXT_BGR : JCS_EXT_RGB; }

/// A decompressor per image, which costs 0.3 us of the 60 us of a face: a reused one would give a
/// file without tables those of the file before it. Methods are false where the file cannot be
/// decoded; refuse() says why.
class Reader {
 public:
  explicit Reader(Bytes file) : file_(file) {}
  ~Reader() { jpeg_destroy_decompress(&info_); }  // nothing where nothing was created
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  bool read_header() {
    info_.err = prepare(trouble_);
    if (setjmp(trouble_.back) != 0) return false;
    jpeg_create_decompress(&info_);
    progress_.progress_monitor = limit_scans;
    info_.progress = &progress_;
    jpeg_mem_src(&info_, reinterpret_cast<const unsigned char*>(file_.data()), static_cast<unsigned long>(file_.size()));
    jpeg_save_markers(&info_, JPEG_APP0 + 1, 0xFFFF);
    jpeg_read_header(&info_, TRUE);
    return true;
  }

  /// All rows, top down, each of width * 3 bytes, and the rest of the file up to its end marker.
  bool read_pixels(ChannelOrder order, std::uint8_t* pixels) {
    if (setjmp(trouble_.back) != 0) return false;
    info_.out_color_space = interleaved(order);
    jpeg_start_decompress(&info_);
    const std::size_t stride = static_cast<std::size_t>(info_.output_width) * 3;
    while (info_.output_scanline < info_.output_height) {
      JSAMPROW rows[rows_a_call];
      for (JDIMENSION n = 0; n < rows_a_call; ++n) rows[n] = pixels + (info_.output_scanline + n) * stride;
      const JDIMENSION left = info_.output_height - info_.output_scanline;
      jpeg_read_scanlines(&info_, rows, left < rows_a_call ? left : rows_a_call);
    }
    jpeg_finish_decompress(&info_);
    return true;
  }

  /// After a method that was false.
  [[noreturn]] void refuse() const {
    const int code = trouble_.base.msg_code;
    const int number = trouble_.base.msg_parm.i[0];
    if (code == JERR_OUT_OF_MEMORY) throw std::bad_alloc();
    if (code == JERR_BAD_PRECISION) throw Refusal{fmt::format("is a JPEG of {} bits a channel; convert it to 8.", number)};
    if (code == JERR_ARITH_NOTIMPL) refuse_kind("arithmetic-coded");
    if (code == JERR_SOF_UNSUPPORTED)
      refuse_kind(number == 0xC3 ? "lossless" : number == 0xC9 || number == 0xCA ? "arithmetic-coded" : "hierarchical");
    throw Refusal{fmt::format("is a truncated or damaged JPEG ({}).", trouble_.reason)};
  }

  std::int64_t height() const { return info_.image_height; }
  std::int64_t width() const { return info_.image_width; }
  J_COLOR_SPACE colours() const { return info_.jpeg_color_space; }
  int warnings() const { return trouble_.warnings; }
  int orientation() const {
    for (jpeg_saved_marker_ptr marker = info_.marker_list; marker != nullptr; marker = marker->next) {
      const auto segment = std::as_bytes(std::span(marker->data, marker->data_length));
      if (!is_exif_segment(segment)) continue;
      if (const std::optional<int> orientation = exif_orientation(segment)) return *orientation;
    }
    return 1;
  }

 private:
  [[noreturn]] static void refuse_kind(std::string_view kind) {
    throw Refusal{fmt::format("is {} {} JPEG; convert it to a baseline or progressive one.", kind.starts_with('a') ? "an" : "a", kind)};
  }

  Bytes file_;
  Trouble trouble_;
  jpeg_progress_mgr progress_{};
  jpeg_decompress_struct info_{};
};

/// The compressor, and the memory it wrote.
class Writer {
 public:
  Writer() = default;
  ~Writer() {
    jpeg_destroy_compress(&info_);
    std::free(bytes_);
  }
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  bool write(const Image& image, ChannelOrder order, int quality) {
    info_.err = prepare(trouble_);
    if (setjmp(trouble_.back) != 0) return false;
    jpeg_create_compress(&info_);
    jpeg_mem_dest(&info_, &bytes_, &size_);
    info_.image_height = static_cast<JDIMENSION>(image.height);
    info_.image_width = static_cast<JDIMENSION>(image.width);
    info_.input_components = 3;
    info_.in_color_space = interleaved(order);
    jpeg_set_defaults(&info_);  // YCbCr with 4:2:0 chroma
    jpeg_set_quality(&info_, quality, TRUE);
    // From here on the error of the fast transform is visible.
    info_.dct_method = quality >= 96 ? JDCT_ISLOW : JDCT_IFAST;
    jpeg_start_compress(&info_, TRUE);
    const std::size_t stride = static_cast<std::size_t>(image.width) * 3;
    while (info_.next_scanline < info_.image_height) {
      // libjpeg reads them only.
      JSAMPROW row = const_cast<std::uint8_t*>(image.pixels.data()) + info_.next_scanline * stride;
      jpeg_write_scanlines(&info_, &row, 1);
    }
    jpeg_finish_compress(&info_);
    return true;
  }

  std::span<const std::byte> bytes() const { return std::as_bytes(std::span(bytes_, size_)); }
  /// After a write that was false.
  [[noreturn]] void refuse() const {
    if (trouble_.base.msg_code == JERR_OUT_OF_MEMORY) throw std::bad_alloc();
    throw DataError(fmt::format("[encode_jpeg] libjpeg-turbo could not compress the image: {}.", trouble_.reason));
  }

 private:
  Trouble trouble_;
  jpeg_compress_struct info_{};
  unsigned char* bytes_ = nullptr;
  unsigned long size_ = 0;
};

}  // namespace

Image decode_jpeg(Bytes file, ChannelOrder order) {
  Reader reader(file);
  if (!reader.read_header()) reader.refuse();
  const J_COLOR_SPACE colours = reader.colours();
  expect(colours != JCS_CMYK && colours != JCS_YCCK, "is a CMYK JPEG, whose colours depend on a printer's profile; convert it to RGB.");
  expect(colours == JCS_GRAYSCALE || colours == JCS_RGB || colours == JCS_YCbCr,
         "is a JPEG whose channels are neither grey nor RGB nor YCbCr; convert it to RGB.");
  expect_size(reader.height(), reader.width());
  const int orientation = reader.orientation();  // libjpeg discards the segments with the last row

  Image image{reader.height(), reader.width(), {}};
  image.pixels.resize(static_cast<std::size_t>(image.height) * static_cast<std::size_t>(image.width) * 3);
  if (!reader.read_pixels(order, image.pixels.data())) reader.refuse();
  image.warnings = reader.warnings();
  return turned(std::move(image), orientation);
}

}  // namespace amnet::codecs

namespace amnet {

std::vector<std::byte> encode_jpeg(const Image& image, ChannelOrder order, int quality) {
  require(quality >= 1 && quality <= 100, "[encode_jpeg] expected a quality from 1 to 100 but got {}.", quality);
  require(image.height >= 1 && image.width >= 1 && image.height <= 65500 && image.width <= 65500 &&
              static_cast<std::int64_t>(image.pixels.size()) == image.height * image.width * 3,
          "[encode_jpeg] expected {}x{}x3 pixels, with sides from 1 to 65500, but got {} bytes.", image.height, image.width,
          image.pixels.size());
  codecs::Writer writer;
  if (!writer.write(image, order, quality)) writer.refuse();
  return {writer.bytes().begin(), writer.bytes().end()};
}

}  // namespace amnet
