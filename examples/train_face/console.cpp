#include "console.h"

#include "flags.h"

#include <amnet/core/error.h>
#include <amnet/core/text.h>

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <string>
#include <system_error>

namespace {

// The errno of the first answer that could not be written; 0 for none. A program has only one
// stdout.
int lost_answer = 0;

// Writes everything; returns 0, or the errno of the failure. Waits while a pipe is full, also where
// another process made it non-blocking.
int write_all(int descriptor, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(descriptor, bytes.data(), bytes.size());
    if (written >= 0) {
      bytes.remove_prefix(static_cast<std::size_t>(written));
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      pollfd ready{.fd = descriptor, .events = POLLOUT, .revents = 0};
      if (::poll(&ready, 1, -1) < 0 && errno != EINTR) return errno;
    } else if (errno != EINTR) {
      return errno;
    }
  }
  return 0;
}

void ignore(int signal) {
  struct sigaction action {};
  action.sa_handler = SIG_IGN;
  sigemptyset(&action.sa_mask);
  sigaction(signal, &action, nullptr);
}

std::string reason_of(int error) { return std::generic_category().message(error); }

}  // namespace

void open_console() {
  ignore(SIGPIPE);
  ignore(SIGXFSZ);
  for (const int descriptor : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    // Opened for the opposite direction, so that a write to a closed stdout still fails.
    const int flags = descriptor == STDIN_FILENO ? O_WRONLY : O_RDONLY;
    if (::fcntl(descriptor, F_GETFD) < 0 && errno == EBADF) static_cast<void>(::open("/dev/null", flags));
  }
}

void tell(std::string_view line) noexcept {
  try {
    // in one write: other processes may write there too
    write_all(STDERR_FILENO, amnet::one_line(with_flags(line)) + "\n");
  } catch (const std::exception&) {  // no memory left: writes the line unchanged
    write_all(STDERR_FILENO, line);
    write_all(STDERR_FILENO, "\n");
  }
}

void draw_on_stderr(std::string_view bytes) noexcept { write_all(STDERR_FILENO, bytes); }

std::string grouped(std::int64_t number) {
  std::string digits = std::to_string(number);
  for (int at = static_cast<int>(digits.size()) - 3; at > 0; at -= 3) digits.insert(static_cast<std::size_t>(at), ",");
  return digits;
}

void answer(std::string_view line) { answer_text(amnet::one_line(with_flags(line)) + "\n"); }

void answer_text(std::string_view text) {
  if (lost_answer == 0) lost_answer = write_all(STDOUT_FILENO, text);
}

void require_answers_written() {
  amnet::require<amnet::FileError>(lost_answer == 0, "the standard output could not be written: {}.", reason_of(lost_answer));
}

void conclude(std::string_view line) noexcept {
  try {
    const int error = write_all(STDOUT_FILENO, amnet::one_line(line) + "\n");
    if (error != 0) tell(fmt::format("train_face: the standard output could not be written: {}.", reason_of(error)));
  } catch (const std::exception&) {
    tell(line);
  }
}
