#include <amnet/kernels/replay.h>

namespace amnet {
namespace {

class HostReplay final : public Replay {
 public:
  void run(const std::function<bool()>& work) override { work(); }
  const std::string& refusal() const override { return none_; }

 private:
  std::string none_;
};

}  // namespace

std::unique_ptr<Replay> make_replay(Cpu&) { return std::make_unique<HostReplay>(); }

}  // namespace amnet
