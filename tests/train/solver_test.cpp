#include <amnet/layers/batch_norm.h>
#include <amnet/layers/fully_connected.h>
#include <amnet/layers/softmax_cross_entropy.h>
#include <amnet/train/solver.h>

#include <cmath>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "catch.h"
#include "kernels/values.h"

namespace {

using namespace amnet;

/// Two layers with multipliers of every kind, and a batch norm for its buffers; in double, so that
/// a plain loop can be compared closely.
struct SmallNet {
  SmallNet() : net(DType::f64) {
    const Value x = net.input("x", {1, 3});
    const Value labels = net.input("labels", {1}, DType::i64);
    FullyConnectedOptions first;
    first.weight = {.filler = Filler::gaussian(0.5), .lr_mult = 0.5, .decay_mult = 3};
    first.bias = {.filler = Filler::constant(0.3), .lr_mult = 2, .decay_mult = 0};
    FullyConnectedOptions second;
    second.weight.lr_mult = 0;  // frozen
    const Value hidden = net.add("bn", BatchNorm(), {net.add("a", FullyConnected(4, first), {x})});
    const Value loss = net.add("loss", SoftmaxCrossEntropy(), {net.add("b", FullyConnected(2, second), {hidden}), labels});
    net.initialise(3);
    plan.emplace(net, PlanOptions{.batch = 2, .loss = loss});
  }
  Parameter& parameter(const std::string& wanted) {
    Parameter* found = nullptr;
    net.visit([&](const std::string& name, Parameter& each) {
      if (name == wanted) found = &each;
    });
    REQUIRE(found != nullptr);
    return *found;
  }
  /// Gradients that depend only on the step.
  void fill_gradients(std::uint64_t step) {
    plan->visit([&](const std::string& name, Parameter&, const Tensor& gradient) {
      const Random random(9, stream_of(name), step);
      std::uint64_t i = 0;
      for (double& value : gradient.data<double>()) value = random.normal(i++);
    });
  }
  Net net;
  std::optional<Plan> plan;
};

}  // namespace

TEST_CASE("solver: steps equal a plain loop over the reference code's rule, with its multipliers", "[solver]") {
  SmallNet model;
  Device device = Cpu(2);
  Solver solver(model.net, {.momentum = 0.9, .weight_decay = 0.01});
  struct Expected {
    double lr_mult, decay_mult;
    std::vector<double> value, momentum;
  };
  std::map<std::string, Expected> expected;
  model.net.visit([&](const std::string& name, Parameter& each) {
    const std::vector<double> value = values_of<double>(each.value);
    expected[name] = {each.buffer ? 0 : each.lr_mult, each.decay_mult, value, std::vector<double>(value.size())};
  });
  CHECK(expected.at("a.weight").lr_mult == 0.5);

  for (std::uint64_t step = 0; step < 5; ++step) {
    // The rate drops during the run: earlier gradients keep the old rate, because the rate is
    // inside the momentum.
    const double rate = step < 3 ? 0.1 : 0.01;
    const double scale = step == 1 ? 0.25 : 1;
    model.fill_gradients(step);
    solver.step(device, *model.plan, rate, scale);
    for (auto& [name, each] : expected) {
      const Parameter& parameter = model.parameter(name);
      for (std::size_t i = 0; i < each.value.size() && each.lr_mult != 0; ++i) {
        const double gradient = scale * model.plan->gradient(parameter).data<double>()[i] + 0.01 * each.decay_mult * each.value[i];
        each.momentum[i] = 0.9 * each.momentum[i] + rate * each.lr_mult * gradient;
        each.value[i] -= each.momentum[i];
      }
      for (std::size_t i = 0; i < each.value.size(); ++i) {
        INFO(name << "[" << i << "], step " << step);
        CHECK(parameter.value.data<double>()[i] == Approx(each.value[i]).epsilon(1e-13).margin(1e-15));
      }
    }
  }
}

TEST_CASE("solver: frozen parameters and running statistics have no momentum and do not move", "[solver]") {
  SmallNet model;
  Device device = Cpu(1);
  Solver solver(model.net, {});
  std::vector<std::string> names;
  for (const Solver::Momentum& each : solver.state()) {
    names.push_back(each.name);
    CHECK(each.value.shape() == model.parameter(each.name).value.shape());
    for (const double value : each.value.data<double>()) CHECK(value == 0);
  }
  CHECK(names == std::vector<std::string>{"a.weight", "a.bias", "bn.scale", "bn.shift", "b.bias"});

  const std::vector<double> frozen = values_of<double>(model.parameter("b.weight").value);
  const std::vector<double> buffer = values_of<double>(model.parameter("bn.running_variance").value);
  const std::vector<double> learned = values_of<double>(model.parameter("b.bias").value);
  model.fill_gradients(0);
  solver.step(device, *model.plan, 0.1);
  CHECK(values_of<double>(model.parameter("b.weight").value) == frozen);
  CHECK(values_of<double>(model.parameter("bn.running_variance").value) == buffer);
  CHECK(values_of<double>(model.parameter("b.bias").value) != learned);
}

TEST_CASE("solver: momentum that is brought back continues as if it had not stopped", "[solver]") {
  Device device = Cpu(1);
  SmallNet straight, resumed;
  Solver one(straight.net, {}), two(resumed.net, {});
  for (std::uint64_t step = 0; step < 6; ++step) {
    straight.fill_gradients(step);
    one.step(device, *straight.plan, 0.05);
    resumed.fill_gradients(step);
    if (step == 3) {
      Solver fresh(resumed.net, {});
      for (std::size_t i = 0; i < fresh.state().size(); ++i) fresh.state()[i].value.copy_from(two.state()[i].value);
      for (Solver::Momentum& each : two.state()) each.value.fill(0);
      fresh.step(device, *resumed.plan, 0.05);
      for (std::size_t i = 0; i < fresh.state().size(); ++i) two.state()[i].value.copy_from(fresh.state()[i].value);
    } else {
      two.step(device, *resumed.plan, 0.05);
    }
  }
  straight.net.visit([&](const std::string& name, Parameter& each) {
    INFO(name);
    CHECK(values_of<double>(each.value) == values_of<double>(resumed.parameter(name).value));
  });
}

namespace {

/// A plain loop over Caffe's rules, in the order clip, average, decay, method; and AdamW.
struct Reference {
  SolverOptions options;
  struct One {
    double lr_mult, decay_mult;
    std::vector<double> value, first, second;
  };
  std::map<std::string, One> all;

  Reference(SmallNet& model, SolverOptions chosen) : options(chosen) {
    model.net.visit([&](const std::string& name, Parameter& each) {
      const std::vector<double> value = values_of<double>(each.value);
      if (each.trainable())
        all[name] = {each.lr_mult, each.decay_mult, value, std::vector<double>(value.size()), std::vector<double>(value.size())};
    });
  }

  void step(SmallNet& model, std::int64_t number, double rate, double scale) {
    double squares = 0;
    for (const auto& [name, each] : all) {
      for (const double slope : model.plan->gradient(model.parameter(name)).data<double>()) squares += slope * slope;
    }
    const double norm = std::sqrt(squares), clip = options.clip_norm > 0 && norm > options.clip_norm ? options.clip_norm / norm : 1;
    for (auto& [name, each] : all) {
      const auto gradients = model.plan->gradient(model.parameter(name)).data<double>();
      for (std::size_t i = 0; i < each.value.size(); ++i) {
        double &w = each.value[i], &m = each.first[i], &v = each.second[i];
        const double pull = options.regularization == Regularization::l1 ? (w > 0 ? 1 : w < 0 ? -1 : 0) : w;
        const bool is_adamw = options.method == SolverMethod::adamw;
        const double decay = options.weight_decay * each.decay_mult;
        const double g = clip * gradients[i] * scale + (is_adamw ? 0 : decay * pull);
        const double lr = rate * each.lr_mult, before = m;
        if (options.method == SolverMethod::adam) {
          const auto t = static_cast<double>(number + 1);
          m = options.momentum * m + (1 - options.momentum) * g;
          v = options.beta2 * v + (1 - options.beta2) * g * g;
          w -= lr * std::sqrt(1 - std::pow(options.beta2, t)) / (1 - std::pow(options.momentum, t)) * m / (std::sqrt(v) + options.epsilon);
        } else if (is_adamw) {  // in the order of torch.optim.AdamW
          const auto t = static_cast<double>(number + 1);
          w *= 1 - lr * decay;
          m = options.momentum * m + (1 - options.momentum) * g;
          v = options.beta2 * v + (1 - options.beta2) * g * g;
          const double mean = m / (1 - std::pow(options.momentum, t)), square = v / (1 - std::pow(options.beta2, t));
          w -= lr * mean / (std::sqrt(square) + options.epsilon);
        } else {
          m = options.momentum * m + lr * g;
          w -= options.method == SolverMethod::nesterov ? (1 + options.momentum) * m - options.momentum * before : m;
        }
      }
    }
  }
};

}  // namespace

TEST_CASE("solver: every method, clipped or not, equals a plain loop over the reference code's rule", "[solver]") {
  Device device = Cpu(2);
  for (const SolverMethod method : {SolverMethod::sgd, SolverMethod::nesterov, SolverMethod::adam, SolverMethod::adamw}) {
    for (const Regularization regularization : {Regularization::l2, Regularization::l1}) {
      if (method == SolverMethod::adamw && regularization == Regularization::l1) continue;
      for (const double clip_norm : {0.0, 3.0, 1e3}) {
        SmallNet model;
        const SolverOptions options{.method = method,
                                    .momentum = 0.8,
                                    .weight_decay = 0.01,
                                    .regularization = regularization,
                                    .clip_norm = clip_norm,
                                    .beta2 = 0.95,
                                    .epsilon = 1e-3};
        Solver solver(model.net, options);
        Reference reference(model, options);
        for (std::int64_t step = 0; step < 5; ++step) {
          const double rate = step < 3 ? 0.1 : 0.01, scale = step == 1 ? 0.25 : 1;
          model.fill_gradients(static_cast<std::uint64_t>(step));
          solver.step(device, *model.plan, rate, scale);
          reference.step(model, step, rate, scale);
          for (const auto& [name, each] : reference.all) {
            for (std::size_t i = 0; i < each.value.size(); ++i) {
              INFO(name_of(method) << " " << name_of(regularization) << " " << clip_norm << " " << name << "[" << i << "], step " << step);
              CHECK(model.parameter(name).value.data<double>()[i] == Approx(each.value[i]).epsilon(1e-12).margin(1e-14));
            }
          }
        }
      }
    }
  }
}

TEST_CASE("solver: Adam keeps all means and then all squares, and goes on from the number of the step", "[solver]") {
  Device device = Cpu(1);
  SmallNet straight, resumed;
  const SolverOptions adam{.method = SolverMethod::adam};
  Solver one(straight.net, adam), two(resumed.net, adam);
  std::vector<std::string> names;
  for (const Solver::Momentum& each : one.state()) names.push_back(each.name);
  CHECK(names == std::vector<std::string>{"a.weight", "a.bias", "bn.scale", "bn.shift", "b.bias", "a.weight.square", "a.bias.square",
                                          "bn.scale.square", "bn.shift.square", "b.bias.square"});
  for (std::int64_t step = 0; step < 6; ++step) {
    straight.fill_gradients(static_cast<std::uint64_t>(step));
    one.step(device, *straight.plan, 0.05);
    resumed.fill_gradients(static_cast<std::uint64_t>(step));
    if (step < 3) {
      two.step(device, *resumed.plan, 0.05);
      continue;
    }
    Solver fresh(resumed.net, adam);
    for (std::size_t i = 0; i < fresh.state().size(); ++i) fresh.state()[i].value.copy_from(two.state()[i].value);
    fresh.step(device, *resumed.plan, 0.05, 1, {}, step);
    for (std::size_t i = 0; i < fresh.state().size(); ++i) two.state()[i].value.copy_from(fresh.state()[i].value);
  }
  straight.net.visit([&](const std::string& name, Parameter& each) {
    INFO(name);
    CHECK(values_of<double>(each.value) == values_of<double>(resumed.parameter(name).value));
  });
}

TEST_CASE("solver: the decay of AdamW is the same share of a weight whatever its gradient is", "[solver]") {
  Device device = Cpu(1);
  SmallNet model;
  const double before = model.parameter("a.weight").value.data<double>()[0];
  Solver solver(model.net, {.method = SolverMethod::adamw, .weight_decay = 0.5});
  CHECK(solver.state().size() == 10);  // means and squares of five parameters
  model.plan->visit([](const std::string&, Parameter&, const Tensor& gradient) { gradient.fill(0); });
  solver.step(device, *model.plan, 0.1);
  // rate 0.1, lr_mult 0.5, decay 0.5, decay_mult 3
  CHECK(model.parameter("a.weight").value.data<double>()[0] == Approx(before * (1 - 0.1 * 0.5 * 0.5 * 3)).epsilon(1e-14));
  CHECK(model.parameter("a.bias").value.data<double>()[0] == 0.3);  // decay_mult 0
}

TEST_CASE("solver: options out of range are refused by name", "[solver]") {
  SmallNet model;
  const auto refused = [&](const SolverOptions& options, const char* field) {
    INFO(field);
    CHECK_THROWS_WITH(Solver(model.net, options), Catch::Matchers::Contains(field));
  };
  refused({.momentum = -0.1}, ".momentum");
  refused({.weight_decay = -1}, ".weight_decay");
  refused({.clip_norm = -1}, ".clip_norm");
  refused({.clip_norm = std::nan("")}, ".clip_norm");
  refused({.method = SolverMethod::adam, .momentum = 1}, ".momentum");
  refused({.method = SolverMethod::adam, .beta2 = 1}, ".beta2");
  refused({.method = SolverMethod::adam, .epsilon = -1}, ".epsilon");
  refused({.method = SolverMethod::adamw, .momentum = 1}, ".momentum of adamw");
  refused({.method = SolverMethod::adamw, .beta2 = 1}, ".beta2 of adamw");
  refused({.method = SolverMethod::adamw, .regularization = Regularization::l1}, ".regularization l2, but got l1");
  CHECK_NOTHROW(Solver(model.net, {.momentum = 1}));
}
