// What the signals mean for a long command. SIGINT, SIGTERM and SIGHUP (the terminal was closed):
// train saves and ends; a command that has nothing to save ends without leaving incomplete outputs.
// A second SIGINT or SIGTERM ends the program at once. SIGUSR1: train saves and continues. A signal
// that the parent ignores, as nohup does with SIGHUP, stays ignored.
#pragma once

#include <amnet/faces/train_faces.h>

#include <exception>

/// From now on signals are recorded for poll_signals().
void watch_signals();
/// What was requested since the last call; a stop request stays set.
amnet::TrainRequest poll_signals();
/// 130 after SIGINT, 143 after SIGTERM, 129 after SIGHUP, 0 when there was no signal.
int signal_exit_code();

/// Ends a command that has nothing to save: main returns signal_exit_code() for it.
struct Interrupted : std::exception {};
/// Throws Interrupted when a stop was requested.
void stop_if_asked();
