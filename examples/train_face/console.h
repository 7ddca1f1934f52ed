// The only place that writes to stderr and stdout. A failed message must never end or change the
// work; a result on stdout must not be lost without an error.
//
//   open_console();                                     // first of all, in main
//   tell("skipped: a.jpg");                             // stderr; never fails
//   answer(fmt::format("accuracy {:.2f} %", accuracy)); // stdout: a result of the command
//   conclude("Trained 300 steps; model runs/a");        // stdout: about files that are written; never fails
//   require_answers_written();                          // last: exit code 4 where an answer was lost
//
// Lines are UTF-8 without control characters, for any file name.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

/// After this call a pipe without a reader, or a file-size limit, causes a failed write instead of
/// ending the program, and no file that is opened later gets the number of a closed stdin, stdout
/// or stderr.
void open_console();

/// A line on stderr.
void tell(std::string_view line) noexcept;
/// Writes bytes unchanged to stderr: a progress bar with its control characters.
void draw_on_stderr(std::string_view bytes) noexcept;

/// "1,234"
std::string grouped(std::int64_t number);

/// A line of results on stdout.
void answer(std::string_view line);
/// Results of several lines, each with its line end.
void answer_text(std::string_view text);
/// Throws amnet::FileError where an answer could not be written.
void require_answers_written();

/// A line on stdout about the contents of files. Where it cannot be written, a line on stderr
/// reports it; there is no other effect.
void conclude(std::string_view line) noexcept;
