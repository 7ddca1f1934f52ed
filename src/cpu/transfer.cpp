#include <amnet/kernels/transfer.h>

#include <deque>
#include <utility>

namespace amnet {
namespace {

class HostUpload final : public Upload {
 public:
  std::vector<Tensor> bring(const std::vector<Tensor>& host) override { return host; }
};

class HostResults final : public Results {
 public:
  void put(const std::vector<Tensor>& values) override {
    std::vector<Tensor> copies;
    for (const Tensor& value : values) copies.push_back(value.clone());
    queue_.push_back(std::move(copies));
  }
  std::size_t waiting() const override { return queue_.size(); }
  std::vector<Tensor> take() override {
    require(!queue_.empty(), "[results] nothing was put that has not been taken.");
    std::vector<Tensor> oldest = std::move(queue_.front());
    queue_.pop_front();
    return oldest;
  }

 private:
  std::deque<std::vector<Tensor>> queue_;
};

}  // namespace

std::unique_ptr<Upload> make_upload(Cpu&) { return std::make_unique<HostUpload>(); }
std::unique_ptr<Results> make_results(Cpu&) { return std::make_unique<HostResults>(); }
void copy(Cpu&, const Tensor& from, const Tensor& to) { to.copy_from(from); }

}  // namespace amnet
