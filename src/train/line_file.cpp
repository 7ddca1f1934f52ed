#include "line_file.h"

#include <amnet/core/error.h>
#include <amnet/io/durable_file.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <limits>
#include <system_error>

namespace amnet {
namespace {

namespace fs = std::filesystem;

// Writes all of it after the end of the file, or nothing. Returns 0, or the errno of the failure.
int append_whole(int descriptor, std::string_view bytes) {
  struct stat before = {};
  if (::fstat(descriptor, &before) != 0) return errno;
  std::string_view rest = bytes;
  while (!rest.empty()) {
    const ssize_t written = ::write(descriptor, rest.data(), rest.size());
    if (written > 0) {
      rest.remove_prefix(static_cast<std::size_t>(written));
    } else if (written == 0 || errno != EINTR) {
      const int error = written == 0 ? EIO : errno;
      // A disk that filled up took a part: it is removed, or the next line would begin in the
      // middle of this one.
      if (rest.size() < bytes.size() && ::ftruncate(descriptor, before.st_size) != 0) return errno;
      return error;
    }
  }
  return 0;
}

}  // namespace

bool LineFile::append_bytes(std::string_view bytes) {
  constexpr mode_t readable_by_all = 0666;  // the umask removes bits
  const int descriptor = ::open(path_.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, readable_by_all);
  int error = descriptor < 0 ? errno : append_whole(descriptor, bytes);
  if (descriptor >= 0 && ::close(descriptor) != 0 && error == 0 && errno != EINTR) error = errno;
  if (error != 0) fault(std::generic_category().message(error));
  return error == 0;
}

bool LineFile::rewrite(const std::function<std::string(const std::string& content)>& edit) {
  try {
    std::error_code unreadable;
    const fs::file_status status = fs::status(path_, unreadable);
    // a device keeps nothing that could be edited
    if (fs::exists(status) && !fs::is_regular_file(status)) return true;
    const std::string before = fs::exists(status) ? read_file(path_, std::numeric_limits<std::size_t>::max()) : std::string();
    const std::string after = edit(before);
    if (after != before) write_durably(path_, after);
    return true;
  } catch (const Error& error) {
    fault(error.what());
    return false;
  }
}

void LineFile::fault(std::string_view reason) {
  if (std::exchange(told_, true) || !on_fault_) return;
  on_fault_(fmt::format("{} lacks lines from here on, for it cannot be written ({}); the run itself goes on.", path_.string(), reason));
}

}  // namespace amnet
