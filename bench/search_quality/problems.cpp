#include "problems.h"

#include <lathe/base/error.h>
#include <lathe/base/math.h>
#include <lathe/base/text.h>

#include <algorithm>
#include <memory>

#include "sst2_table.h"

namespace lathe::bench {
namespace {

using nas::Point;
using nas::Space;
using nas::SpaceBuilder;

constexpr double kPi = 3.14159265358979323846;

double log10(double x) { return math::log(x) / math::log(10.0); }
double square(double x) { return x * x; }

Space box(int dimensions, double low, double high) {
  SpaceBuilder builder;
  for (int i = 0; i < dimensions; ++i) builder.real(str("x", i), low, high);
  return builder.build();
}

std::vector<double> coordinates(const Point& point) {
  std::vector<double> x;
  for (const auto& value : point.values()) x.push_back(*value->number());
  return x;
}

double branin(const Point& p) {
  const double x = p.real("x"), y = p.real("y");
  return square(y - 5.1 / (4 * kPi * kPi) * x * x + 5 / kPi * x - 6) + 10 * (1 - 1 / (8 * kPi)) * math::cos(x) + 10;
}

double hartmann6(const Point& p) {
  static constexpr double kAlpha[4] = {1, 1.2, 3, 3.2};
  static constexpr double kA[4][6] = {
      {10, 3, 17, 3.5, 1.7, 8}, {0.05, 10, 17, 0.1, 8, 14}, {3, 3.5, 1.7, 10, 17, 8}, {17, 8, 0.05, 10, 0.1, 14}};
  static constexpr double kP[4][6] = {{0.1312, 0.1696, 0.5569, 0.0124, 0.8283, 0.5886},
                                      {0.2329, 0.4135, 0.8307, 0.3736, 0.1004, 0.9991},
                                      {0.2348, 0.1451, 0.3522, 0.2883, 0.3047, 0.6650},
                                      {0.4047, 0.8828, 0.8732, 0.5743, 0.1091, 0.0381}};
  const auto x = coordinates(p);
  double sum = 0;
  for (int i = 0; i < 4; ++i) {
    double exponent = 0;
    for (std::size_t j = 0; j < 6; ++j) exponent += kA[i][j] * square(x[j] - kP[i][j]);
    sum -= kAlpha[i] * math::exp(-exponent);
  }
  return sum;
}

double rosenbrock(const Point& p) {
  const auto x = coordinates(p);
  double sum = 0;
  for (std::size_t i = 0; i + 1 < x.size(); ++i) sum += 100 * square(x[i + 1] - x[i] * x[i]) + square(1 - x[i]);
  return sum;
}

Space mixed_space() {
  return SpaceBuilder()
      .real("lr", 1e-5, 1, {.log = true})
      .integer("units", 8, 1024, {.log = true})
      .integer("depth", 1, 8)
      .real("dropout", 0, 0.9, {.step = 0.05})
      .real("momentum", 0, 0.99)
      .categorical("activation", {"relu", "tanh", "gelu", "sigmoid"})
      .categorical("optimizer", {"sgd", "adam", "rmsprop"})
      .real("decay", 1e-6, 1e-1, {.log = true})
      .build();
}

/// 0 at lr 0.001, 256 units, depth 4, dropout 0.3, momentum 0.9, gelu, adam, decay 0.001.
double mixed(const Point& p) {
  const std::string &activation = p.text("activation"), &optimizer = p.text("optimizer");
  const double units = math::log(static_cast<double>(p.integer("units"))) / math::log(2.0) - 8;
  const double rate = optimizer == "sgd" ? -1 : optimizer == "adam" ? -3 : -3.5;
  const double of_activation = activation == "gelu" ? 0 : activation == "relu" ? 0.1 : activation == "tanh" ? 0.3 : 0.6;
  const double of_optimizer = optimizer == "adam" ? 0 : optimizer == "sgd" ? 0.15 : 0.25;
  return square(log10(p.real("lr")) - rate) / 2 + square(units / 3) +
         0.3 * square(static_cast<double>(p.integer("depth") - 4) / 2) + 4 * square(p.real("dropout") - 0.3 - 0.05 * units) +
         square(p.real("momentum") - 0.9) + of_activation + of_optimizer + square((log10(p.real("decay")) + 3) / 2);
}

Space tree_space() {
  return SpaceBuilder()
      .categorical("model", {"svm", "forest", "net"})
      .categorical("kernel", {"linear", "rbf", "poly"}, {.when = "model == 'svm'"})
      .real("c", 1e-3, 1e3, {.log = true, .when = "model == 'svm'"})
      .real("gamma", 1e-4, 10, {.log = true, .when = "kernel == 'rbf'"})
      .integer("degree", 2, 5, {.when = "kernel == 'poly'"})
      .integer("trees", 10, 1000, {.log = true, .when = "model == 'forest'"})
      .integer("leaf", 1, 32, {.when = "model == 'forest'"})
      .integer("layers", 1, 3, {.when = "model == 'net'"})
      .real("lr", 1e-5, 1, {.log = true, .when = "model == 'net'"})
      .integer("width0", 8, 512, {.log = true, .when = "model == 'net'"})
      .integer("width1", 8, 512, {.log = true, .when = "model == 'net' and layers >= 2"})
      .integer("width2", 8, 512, {.log = true, .when = "model == 'net' and layers >= 3"})
      .build();
}

/// 0 for a net of two layers, 128 and 64 wide, with lr 0.003; the best SVM has 0.1, the best forest 0.2.
double tree(const Point& p) {
  const std::string& model = p.text("model");
  if (model == "svm") {
    const std::string& kernel = p.text("kernel");
    const double of_c = 0.1 * square(log10(p.real("c")) - 1);
    if (kernel == "linear") return 0.4 + of_c;
    if (kernel == "rbf") return 0.1 + of_c + 0.2 * square(log10(p.real("gamma")) + 2);
    return 0.3 + of_c + 0.1 * square(static_cast<double>(p.integer("degree") - 3));
  }
  if (model == "forest")
    return 0.2 + 0.1 * square(log10(static_cast<double>(p.integer("trees"))) - 2.5) +
           0.01 * square(static_cast<double>(p.integer("leaf")) / 4 - 1);
  const std::int64_t layers = p.integer("layers");
  static constexpr double kLogWidths[3] = {7, 6, 5};
  double sum = 0.3 * square(log10(p.real("lr")) - log10(0.003)) + 0.15 * square(static_cast<double>(layers - 2));
  for (std::int64_t i = 0; i < layers; ++i)
    sum += 0.05 * square(math::log(static_cast<double>(p.integer(str("width", i)))) / math::log(2.0) - kLogWidths[i]);
  return sum;
}

Outcome zdt(int which, const Point& p) {
  const auto x = coordinates(p);
  double g = 1;
  for (std::size_t i = 1; i < x.size(); ++i) g += 9 * x[i] / static_cast<double>(x.size() - 1);
  const double share = x[0] / g;
  const double h = which == 1   ? 1 - math::sqrt(share)
                   : which == 2 ? 1 - share * share
                                : 1 - math::sqrt(share) - share * math::sin(10 * kPi * x[0]);
  return {{x[0], g * h}, {}};
}

Outcome constrained_dtlz2(const Point& p) {
  const auto x = coordinates(p);
  double g = 0;
  for (std::size_t i = 2; i < x.size(); ++i) g += square(x[i] - 0.5);
  const double a = 0.5 * kPi * x[0], b = 0.5 * kPi * x[1];
  const std::vector<double> f = {(1 + g) * math::cos(a) * math::cos(b), (1 + g) * math::cos(a) * math::sin(b),
                                 (1 + g) * math::sin(a)};
  constexpr double kRadius = 0.4;
  double nearest = 0, middle = -square(kRadius);
  for (std::size_t i = 0; i < 3; ++i) {
    double corner = -square(kRadius);
    for (std::size_t j = 0; j < 3; ++j) corner += square(f[j] - (i == j ? 1 : 0));
    nearest = i == 0 ? corner : std::min(nearest, corner);
    middle += square(f[i] - 1 / math::sqrt(3.0));
  }
  return {f, {std::min(nearest, middle)}};
}

Problem one_objective(std::string name, Space space, double optimum, std::function<double(const Point&)> function) {
  return {std::move(name), std::move(space), {"value"}, {}, optimum, {}, [function = std::move(function)](const Point& p) {
            return Outcome{{function(p)}, {}};
          }};
}

double error_of(const Sst2Run& run) { return 1 - run.accuracy[kSst2Epochs - 1]; }
double loss_of(const Sst2Run& run) { return *std::min_element(run.loss, run.loss + kSst2Epochs); }

Problem table_problem(const std::string& name, const std::string& file) {
  const auto table = std::make_shared<const Sst2Table>(file);
  if (name == "sst2_flops")
    return {name, sst2_space(), {"error", "log10_flops"}, {}, 0, {0.5, 7}, [table](const Point& p) {
              const Sst2Run& run = table->at(p);
              return Outcome{{error_of(run), log10(static_cast<double>(run.sentence_flops))}, {}};
            }};
  const auto value = name == "sst2_loss" ? loss_of : error_of;
  double best = 100;
  sst2_space().enumerate([&](const Point& p) { return best = std::min(best, value(table->at(p))), true; });
  return one_objective(name, sst2_space(), best, [table, value](const Point& p) { return value(table->at(p)); });
}

}  // namespace

const std::vector<std::string>& problem_names() {
  static const std::vector<std::string> names = {"branin", "hartmann6", "rosenbrock10", "mixed", "tree",      "zdt1",
                                                 "zdt2",   "zdt3",      "c2dtlz2",      "sst2",  "sst2_loss", "sst2_flops"};
  return names;
}

Problem problem(const std::string& name, const std::string& table) {
  if (name == "branin")
    return one_objective(name, SpaceBuilder().real("x", -5, 10).real("y", 0, 15).build(), 0.39788735772973816, branin);
  if (name == "hartmann6") return one_objective(name, box(6, 0, 1), -3.3223680114155152, hartmann6);
  if (name == "rosenbrock10") return one_objective(name, box(10, -5, 10), 0, rosenbrock);
  if (name == "mixed") return one_objective(name, mixed_space(), 0, mixed);
  if (name == "tree") return one_objective(name, tree_space(), 0, tree);
  if (name.starts_with("zdt") && name.size() == 4 && name[3] >= '1' && name[3] <= '3') {
    const int which = name[3] - '0';
    return {name, box(10, 0, 1), {"f1", "f2"}, {}, 0, {1.1, 6}, [which](const Point& p) { return zdt(which, p); }};
  }
  if (name == "c2dtlz2") return {name, box(5, 0, 1), {"f1", "f2", "f3"}, {"c2"}, 0, {1.5, 1.5, 1.5}, constrained_dtlz2};
  if (name == "sst2" || name == "sst2_loss" || name == "sst2_flops") return table_problem(name, table);
  const auto near = nearest(name, problem_names());
  throw InputError(str("no problem `", name, "`", near ? "; did you mean `" + *near + "`?" : ""));
}

}  // namespace lathe::bench
