// The only place that writes to stderr and stdout. What the program only tells must never end or
// spoil what it does; what was asked for on stdout must not get lost unnoticed.
//
//   open_console();                                     // first of all, in main
//   tell("skipped: a.jpg");                             // stderr; never fails
//   answer(fmt::format("accuracy {:.2f} %", accuracy)); // stdout: what the command was asked for
//   conclude("Trained 300 steps; model runs/a");        // stdout: about files that are written; as harmless as tell
//   require_answers_written();                          // last of all: exit code 4 where an answer was lost
//
// Lines are UTF-8 without control characters, whatever a file is called.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

/// From now on a pipe that nobody reads, or a file-size limit, shows as a failed write instead of
/// ending the program, and no file that is opened later gets the number of a closed stdin, stdout
/// or stderr.
void open_console();

/// A line on stderr.
void tell(std::string_view line) noexcept;
/// Bytes as they are on stderr: a progress bar with its control characters.
void draw_on_stderr(std::string_view bytes) noexcept;

/// "1,234"
std::string grouped(std::int64_t number);

/// A line of results on stdout.
void answer(std::string_view line);
/// Results of several lines, each with its end.
void answer_text(std::string_view text);
/// Throws amnet::FileError where an answer could not be written.
void require_answers_written();

/// A line on stdout about what lies in files. Where it cannot be written stderr says so, and
/// nothing else comes of it.
void conclude(std::string_view line) noexcept;
