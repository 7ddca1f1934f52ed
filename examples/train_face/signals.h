// What the signals of a long command mean. SIGINT, SIGTERM and SIGHUP (the terminal was closed):
// train saves and ends, a command that has nothing to save ends without leaving half of its
// outputs. A second SIGINT or SIGTERM ends at once. SIGUSR1: train saves and goes on. A signal that
// the parent ignores, as nohup does with SIGHUP, stays ignored.
#pragma once

#include <amnet/faces/train_faces.h>

#include <exception>

/// From now on signals are remembered for poll_signals().
void watch_signals();
/// What was asked for since the last call; a stop for good.
amnet::TrainRequest poll_signals();
/// 130 after SIGINT, 143 after SIGTERM, 129 after SIGHUP, 0 when none of them came.
int signal_exit_code();

/// Ends a command that has nothing to save: main answers it with signal_exit_code().
struct Interrupted : std::exception {};
/// Throws Interrupted when a stop was asked for.
void stop_if_asked();
