#include "signals.h"

#include <unistd.h>
#include <atomic>
#include <csignal>

namespace {

// A signal handler can use only globals.
std::atomic<int> stop_signal = 0;
std::atomic<bool> impatient = false;
std::atomic<bool> snapshot_wanted = false;

// A terminal that closes may send several SIGHUP, from the shell and from the kernel: these do not
// mean that the user asks to end at once.
void on_stop(int signal) {
  if (signal != SIGHUP && impatient.exchange(true)) _exit(128 + signal);
  int none = 0;
  stop_signal.compare_exchange_strong(none, signal);
}

void on_snapshot(int) { snapshot_wanted = true; }

void handle(int signal, void (*handler)(int)) {
  struct sigaction action {};
  if (sigaction(signal, nullptr, &action) == 0 && action.sa_handler == SIG_IGN) return;
  action = {};
  action.sa_handler = handler;
  sigemptyset(&action.sa_mask);
  action.sa_flags = SA_RESTART;
  sigaction(signal, &action, nullptr);
}

}  // namespace

void watch_signals() {
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) handle(signal, on_stop);
  handle(SIGUSR1, on_snapshot);
}

amnet::TrainRequest poll_signals() {
  if (stop_signal != 0) return amnet::TrainRequest::stop;
  return snapshot_wanted.exchange(false) ? amnet::TrainRequest::snapshot : amnet::TrainRequest::none;
}

int signal_exit_code() { return stop_signal == 0 ? 0 : 128 + stop_signal; }

void stop_if_asked() {
  if (stop_signal != 0) throw Interrupted();
}
