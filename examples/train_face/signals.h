// What the signals of a long run mean: SIGINT and SIGTERM save and stop, a second one stops at once;
// SIGUSR1 and SIGHUP save and go on.
#pragma once

#include <amnet/train/trainer.h>

/// From now on signals are remembered for poll_signals().
void watch_signals();
/// What was asked for since the last call.
amnet::TrainRequest poll_signals();
/// 130 after SIGINT, 143 after SIGTERM, 0 when neither came.
int signal_exit_code();
/// A file-size limit then shows as a failed write, which is reported, instead of killing the program.
void ignore_file_size_signal();
