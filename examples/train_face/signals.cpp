#include "signals.h"

#include <unistd.h>
#include <atomic>
#include <csignal>

namespace {

// A signal handler can reach nothing but globals.
std::atomic<int> stop_signal = 0;
std::atomic<bool> snapshot_wanted = false;

void on_stop(int signal) {
  if (stop_signal.exchange(signal) != 0) _exit(128 + signal);
}

void on_snapshot(int) { snapshot_wanted = true; }

void handle(int signal, void (*handler)(int)) {
  struct sigaction action {};
  action.sa_handler = handler;
  sigemptyset(&action.sa_mask);
  action.sa_flags = SA_RESTART;
  sigaction(signal, &action, nullptr);
}

}  // namespace

void watch_signals() {
  handle(SIGINT, on_stop);
  handle(SIGTERM, on_stop);
  handle(SIGUSR1, on_snapshot);
  handle(SIGHUP, on_snapshot);
}

amnet::TrainRequest poll_signals() {
  if (stop_signal != 0) return amnet::TrainRequest::stop;
  return snapshot_wanted.exchange(false) ? amnet::TrainRequest::snapshot : amnet::TrainRequest::none;
}

int signal_exit_code() { return stop_signal == 0 ? 0 : 128 + stop_signal; }

void ignore_file_size_signal() { handle(SIGXFSZ, SIG_IGN); }
